//! Starting a broker: its file, and single values that win over the file's.

use crate::config::BrokerConfig;
use crate::config::Properties;
use crate::config::properties;
use clap::Arg;
use clap::ArgAction;
use clap::ArgMatches;
use clap::Command;
use std::path::Path;

const ABOUT: &str = "A broker that speaks Apache Kafka's protocol and keeps Apache Kafka's files.

Without a configuration it is a single node: it listens on localhost:9092 and keeps its data in ./ottla-data.";

pub fn command() -> Command {
    let path = clap::value_parser!(std::path::PathBuf);
    Command::new("ottla")
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .arg(
            Arg::new("file")
                .value_name("server.properties")
                .value_parser(path.clone())
                .help("Same as --config"),
        )
        .arg(
            Arg::new("config")
                .long("config")
                .short('c')
                .value_name("FILE")
                .value_parser(path)
                .conflicts_with("file")
                .help("Configuration in Kafka's notation"),
        )
        .arg(
            Arg::new("override")
                .long("override")
                .value_name("KEY=VALUE")
                .action(ArgAction::Append)
                .help("A value that wins over the file's; may be repeated"),
        )
}

/// The broker's configuration, or one line that says what is wrong with it.
pub fn configuration(matches: &ArgMatches) -> Result<BrokerConfig, String> {
    let file = matches
        .get_one::<std::path::PathBuf>("config")
        .or_else(|| matches.get_one("file"));
    let mut given = match file {
        Some(file) => read(file)?,
        None => Properties::new(),
    };
    for pair in matches.get_many::<String>("override").into_iter().flatten() {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(format!(
                "--override {pair}: a key and a value are needed, as in --override num.partitions=3"
            ));
        };
        given.insert(name.trim().to_owned(), value.to_owned());
    }
    checked(&given)
}

/// Reads and checks a whole configuration; what deserves a warning gets one.
pub fn checked(given: &Properties) -> Result<BrokerConfig, String> {
    let config = BrokerConfig::from_properties(given).map_err(|error| format!("invalid configuration: {error}"))?;
    let unknown = config.unknown_keys();
    if !unknown.is_empty() {
        eprintln!(
            "ottla: warning: unknown configuration keys are ignored: {}",
            unknown.join(", ")
        );
    }
    config
        .warnings
        .iter()
        .for_each(|line| eprintln!("ottla: warning: {line}"));
    Ok(config)
}

pub fn read(file: &Path) -> Result<Properties, String> {
    let name = file.display();
    let bytes = std::fs::read(file).map_err(|error| format!("cannot read {name}: {error}"))?;
    properties::parse(&String::from_utf8_lossy(&bytes))
        .map_err(|error| format!("{name}, line {}: \\u needs four hexadecimal digits", error.line))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(arguments: &[&str]) -> Result<BrokerConfig, String> {
        let matches = command().try_get_matches_from(["ottla"].iter().chain(arguments));
        configuration(&matches.map_err(|error| error.to_string())?)
    }

    #[test]
    fn overrides_win_and_the_last_of_them_counts() {
        let config = run(&["--override", "num.partitions=2", "--override", " num.partitions =3"]).expect("valid");
        assert_eq!(config.num_partitions(), 3);
        let config = run(&["--override=listeners=PLAINTEXT://localhost:1?=2"]);
        assert!(config.is_err_and(|line| line.contains("PLAINTEXT://localhost:1?=2")));
    }

    #[test]
    fn the_command_of_the_documentation_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn what_is_wrong_is_said_in_one_line() {
        for (arguments, said) in [
            (
                vec!["--override", "num.partitions"],
                "--override num.partitions: a key and a value are needed",
            ),
            (
                vec!["--override", "num.partitions=x"],
                "invalid configuration: Invalid value x for configuration num.partitions: Not a number of type INT",
            ),
            (vec!["no/such.properties"], "cannot read no/such.properties: "),
            (
                vec!["--config", "no/such.properties"],
                "cannot read no/such.properties: ",
            ),
        ] {
            let line = run(&arguments).map(|_| ()).expect_err(said);
            assert!(line.starts_with(said) && line.lines().count() == 1, "{line}");
        }
        assert!(run(&["a", "--config", "b"]).is_err());
    }
}
