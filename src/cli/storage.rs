//! `ottla storage …`: the options, texts and exit codes of Kafka's storage tool.

use crate::cli::start;
use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::config::BrokerConfig;
use crate::format;
use crate::format::FormatError;
use crate::format::Plan;
use crate::format::World;
use crate::format::features;
use crate::format::features::FEATURES;
use crate::format::features::Feature;
use crate::format::features::Wishes;
use crate::format::plan;
use crate::format::scram;
use crate::format::voters;
use crate::metadata::MetadataVersion;
use crate::metadata::feature;
use crate::storage::meta_properties;
use crate::storage::meta_properties::MetaProperties;
use clap::Arg;
use clap::ArgAction;
use clap::ArgMatches;
use clap::Command;
use std::collections::BTreeSet;
use std::path::Path;
use std::path::PathBuf;
use std::process::ExitCode;

pub const NAME: &str = "storage";

pub fn command() -> Command {
    let release = || {
        Arg::new("release-version")
            .long("release-version")
            .short('r')
            .value_name("RELEASE")
            .help("The release whose features are meant, as 4.2 or 4.2-IV1; without it, the latest stable one")
    };
    let feature = || {
        let feature = Arg::new("feature")
            .long("feature")
            .short('f')
            .value_name("FEATURE=LEVEL");
        feature
            .action(ArgAction::Append)
            .help("The level of a feature; may be repeated")
    };
    Command::new(NAME)
        .about("Prepares the folders of a node, and tells what is in them")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(
            Command::new("info")
                .about("Tells what is in the log directories")
                .arg(config()),
        )
        .subcommand(format_command().arg(release()).arg(feature()))
        .subcommand(
            Command::new("version-mapping")
                .about("Lists the features that come with a release")
                .arg(release()),
        )
        .subcommand(
            Command::new("feature-dependencies")
                .about("Tells what levels of features need")
                .arg(feature().required(true)),
        )
        .subcommand(Command::new("random-uuid").about("Prints a new id for a cluster"))
}

fn config() -> Arg {
    let config = Arg::new("config")
        .long("config")
        .short('c')
        .value_name("FILE")
        .required(true);
    config
        .value_parser(clap::value_parser!(PathBuf))
        .help("Configuration in Kafka's notation")
}

fn format_command() -> Command {
    let flag = |name: &'static str, short: char| Arg::new(name).long(name).short(short).action(ArgAction::SetTrue);
    Command::new("format")
        .about("Formats the log directories")
        .arg(config())
        .arg(
            Arg::new("cluster-id")
                .long("cluster-id")
                .short('t')
                .required(true)
                .help("The id of the cluster"),
        )
        .arg(
            Arg::new("add-scram")
                .long("add-scram")
                .short('S')
                .value_name("CREDENTIAL")
                .action(ArgAction::Append)
                .help("A user to begin with, as SCRAM-SHA-256=[name=alice,password=secret]; may be repeated"),
        )
        .arg(flag("ignore-formatted", 'g').help("Leave formatted directories alone instead of failing"))
        .arg(
            flag("standalone", 's')
                .help("This controller is the only voter")
                .group("voters"),
        )
        .arg(
            flag("no-initial-controllers", 'N')
                .help("The voters are known elsewhere")
                .group("voters"),
        )
        .arg(
            Arg::new("initial-controllers")
                .long("initial-controllers")
                .short('I')
                .value_name("VOTERS")
                .group("voters")
                .help("The voters, as id@host:port:directory,…; the same for all nodes"),
        )
}

/// Runs what was asked for; what went wrong is said in one line.
pub fn run(matches: &ArgMatches) -> ExitCode {
    match execute(matches) {
        Ok(code) => code,
        Err(line) => {
            eprintln!("{line}");
            ExitCode::FAILURE
        }
    }
}

fn execute(matches: &ArgMatches) -> Result<ExitCode, String> {
    let mut random = |bytes: &mut [u8]| {
        if let Err(error) = getrandom::fill(bytes) {
            panic!("the operating system gives no random numbers: {error}");
        }
    };
    let mut world = World {
        now: SystemClock.now(),
        random: &mut random,
    };
    let said = |result: Result<(), FormatError>| result.map_err(|error| error.0);
    match matches.subcommand() {
        Some(("info", matches)) => {
            let (lines, code) = info(&configuration(matches)?);
            lines.iter().for_each(|line| println!("{line}"));
            return Ok(code);
        }
        Some(("format", matches)) => said(format(matches, &configuration(matches)?, &mut world))?,
        Some(("version-mapping", matches)) => said(version_mapping(matches))?,
        Some(("feature-dependencies", matches)) => said(feature_dependencies(matches))?,
        _ => println!("{}", world.fresh_id()),
    }
    Ok(ExitCode::SUCCESS)
}

fn configuration(matches: &ArgMatches) -> Result<BrokerConfig, String> {
    let file = matches.get_one::<PathBuf>("config").ok_or("--config is needed")?;
    start::checked(&start::read(file)?)
}

fn texts<'a>(matches: &'a ArgMatches, name: &str) -> impl Iterator<Item = &'a str> {
    matches
        .get_many::<String>(name)
        .into_iter()
        .flatten()
        .map(String::as_str)
}

fn format(matches: &ArgMatches, config: &BrokerConfig, world: &mut World<'_>) -> Result<(), FormatError> {
    let wishes = wishes(matches, config)?;
    let initial = texts(matches, "initial-controllers").next();
    let standalone = matches.get_flag("standalone");
    if !wishes.dynamic_quorum && (initial.is_some() || standalone) {
        return Err(FormatError::new(
            "You cannot specify controller.quorum.voters and format the node with --initial-controllers or --standalone. \
             If you want to use dynamic quorum, please remove controller.quorum.voters and specify \
             controller.quorum.bootstrap.servers instead.",
        ));
    }
    let voters = match initial {
        Some(text) => Some(voters::parse(text)?),
        None if standalone => Some(vec![plan::standalone_voter(config, world)?]),
        None => None,
    };
    let said_so = matches.get_flag("no-initial-controllers") || voters.is_some();
    if config.roles.controller && wishes.dynamic_quorum && !said_so {
        return Err(FormatError::new(
            "Because controller.quorum.voters is not set on this controller, you must specify one of the following: \
             --standalone, --initial-controllers, or --no-initial-controllers.",
        ));
    }
    let cluster_id = texts(matches, "cluster-id").next().unwrap_or_default().to_owned();
    let mut plan = Plan::new(config, cluster_id, &wishes)?;
    let credentials: Result<Vec<_>, _> = texts(matches, "add-scram")
        .map(|text| scram::parse(text, world))
        .collect();
    plan.add_credentials(credentials?)?;
    plan.voters = voters;
    plan.ignore_formatted = matches.get_flag("ignore-formatted");
    format::format_folders(&plan, world, &mut |line| println!("{line}"))
}

fn wishes(matches: &ArgMatches, config: &BrokerConfig) -> Result<Wishes, FormatError> {
    let unstable = config.unstable_feature_versions();
    let release = texts(matches, "release-version").next();
    Ok(Wishes {
        release: release
            .map(|name| features::release_of_name(name, unstable))
            .transpose()?,
        levels: texts(matches, "feature")
            .map(name_and_level)
            .collect::<Result<_, _>>()?,
        unstable,
        dynamic_quorum: config.voters.is_empty(),
    })
}

fn name_and_level(text: &str) -> Result<(String, i16), FormatError> {
    let Some((name, level)) = text.split_once('=') else {
        return Err(FormatError(format!(
            "Can't parse feature=level string {text}: equals sign not found."
        )));
    };
    let level = level.trim();
    let parsed = level.parse();
    let parsed = parsed.map_err(|_| {
        FormatError(format!(
            "Can't parse feature=level string {text}: unable to parse {level} as a short."
        ))
    });
    Ok((name.trim().to_owned(), parsed?))
}

fn version_mapping(matches: &ArgMatches) -> Result<(), FormatError> {
    let name = texts(matches, "release-version")
        .next()
        .unwrap_or(MetadataVersion::LATEST.name());
    let release = features::release_of_name(name, true)?;
    println!("{}={} ({name})", feature::METADATA_VERSION, release.0);
    for known in &FEATURES {
        println!("{}={}", known.name, known.default_level(release));
    }
    Ok(())
}

fn feature_dependencies(matches: &ArgMatches) -> Result<(), FormatError> {
    texts(matches, "feature").try_for_each(|text| {
        dependencies(text)?.iter().for_each(|line| println!("{line}"));
        Ok(())
    })
}

fn dependencies(text: &str) -> Result<Vec<String>, FormatError> {
    let Some((name, level)) = text.split_once('=') else {
        let expected = "Expected format: 'feature=version' (e.g. 'group.version=1')";
        return Err(FormatError(format!("Invalid feature format: {text}. {expected}")));
    };
    let (name, level) = (name.trim(), level.trim());
    let Ok(number) = level.parse::<i16>() else {
        return Err(FormatError(format!(
            "Invalid version format: {level} for feature {name}"
        )));
    };
    if name == feature::METADATA_VERSION {
        let release = features::release_of_level(number)
            .map_err(|_| FormatError(format!("Unknown metadata.version {number}")))?;
        return Ok(vec![format!(
            "{name}={number} ({}) has no dependencies.",
            release.name()
        )]);
    }
    let known = Feature::find(name).ok_or_else(|| FormatError(format!("Unknown feature: {name}")))?;
    if !known.has_level(number) {
        return Err(FormatError(format!(
            "Feature level {number} is not supported for feature {name}"
        )));
    }
    Ok(match known.needs(number) {
        None => vec![format!("{name}={number} has no dependencies.")],
        Some(release) => vec![
            format!("{name}={number} requires:"),
            format!("    {}={} ({})", feature::METADATA_VERSION, release.0, release.name()),
        ],
    })
}

fn info(config: &BrokerConfig) -> (Vec<String>, ExitCode) {
    let mut folders: BTreeSet<&str> = config.log_dirs().iter().map(String::as_str).collect();
    folders.insert(config.metadata_log_dir());
    let (mut present, mut problems) = (Vec::new(), Vec::new());
    let mut first: Option<MetaProperties> = None;
    for folder in folders {
        let path = Path::new(folder);
        match () {
            () if !path.exists() => problems.push(format!("{folder} does not exist")),
            () if !path.is_dir() => problems.push(format!("{folder} is not a directory")),
            () => {
                present.push(folder);
                problems.extend(problem(path, &mut first));
            }
        }
    }
    let mut lines = titled(&present, "Found log directory:", "Found log directories:");
    if let Some(properties) = first {
        lines.extend([format!("Found metadata: {}", shown(&properties)), String::new()]);
    }
    lines.extend(titled(&problems, "Found problem:", "Found problems:"));
    (
        lines,
        if problems.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        },
    )
}

/// What is wrong with a folder, compared with the first that was readable.
fn problem(folder: &Path, first: &mut Option<MetaProperties>) -> Option<String> {
    let found = match meta_properties::read(folder) {
        Err(error) => {
            let path = folder.join(meta_properties::NAME);
            return Some(format!("Error loading {}: {error}", path.display()));
        }
        Ok(None) => return Some(format!("{} is not formatted.", folder.display())),
        Ok(Some(found)) => found,
    };
    let first = first.get_or_insert_with(|| found.clone());
    if first.cluster_id != found.cluster_id {
        return Some("Mismatched cluster IDs between storage directories.".to_owned());
    }
    (first.node_id != found.node_id).then(|| "Mismatched node IDs between storage directories.".to_owned())
}

fn titled(entries: &[impl std::fmt::Display], one: &str, many: &str) -> Vec<String> {
    let title = match entries.len() {
        0 => return Vec::new(),
        1 => one,
        _ => many,
    };
    let entries = entries.iter().map(|entry| format!("  {entry}"));
    std::iter::once(title.to_owned())
        .chain(entries)
        .chain([String::new()])
        .collect()
}

fn shown(properties: &MetaProperties) -> String {
    let directory = properties
        .directory_id
        .map(|id| format!("directory.id={id}, "))
        .unwrap_or_default();
    format!(
        "{{cluster.id={}, {directory}node.id={}, version=1}}",
        properties.cluster_id, properties.node_id
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_of_the_documentation_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn options_are_taken_in_all_the_forms_people_write() {
        for arguments in [
            "format -t X -c F -s",
            "format -t=X -c=F --standalone",
            "format --cluster-id=X --config=F -N -g -r=4.2",
            "format --cluster-id X --config F --initial-controllers 1@h:1:x --ignore-formatted -S=a -S b -f a=1",
        ] {
            let matches = command().try_get_matches_from(["storage"].into_iter().chain(arguments.split(' ')));
            let matches = matches.expect(arguments);
            let (_, matches) = matches.subcommand().expect("a subcommand");
            assert_eq!(texts(matches, "cluster-id").collect::<Vec<_>>(), ["X"], "{arguments}");
            assert_eq!(
                matches.get_one::<PathBuf>("config"),
                Some(&PathBuf::from("F")),
                "{arguments}"
            );
        }
        for arguments in [
            "format -c F",
            "format -t X",
            "format -t X -c F -s -N",
            "info",
            "feature-dependencies",
            "",
        ] {
            let matches = command().try_get_matches_from(["storage"].into_iter().chain(arguments.split(' ')));
            assert!(matches.is_err(), "{arguments}");
        }
    }

    #[test]
    fn features_tell_what_they_need() {
        for (text, said) in [
            (
                "transaction.version=2",
                Ok("transaction.version=2 has no dependencies."),
            ),
            (
                "metadata.version=25",
                Ok("metadata.version=25 (4.0-IV3) has no dependencies."),
            ),
            (
                "eligible.leader.replicas.version=1",
                Ok("eligible.leader.replicas.version=1 requires:\n    metadata.version=23 (4.0-IV1)"),
            ),
            ("foo=2", Err("Unknown feature: foo")),
            ("foo=x", Err("Invalid version format: x for feature foo")),
            (
                "group.version=9",
                Err("Feature level 9 is not supported for feature group.version"),
            ),
            ("metadata.version=6", Err("Unknown metadata.version 6")),
        ] {
            let answer = dependencies(text)
                .map(|lines| lines.join("\n"))
                .map_err(|error| error.0);
            assert_eq!(answer, said.map(str::to_owned).map_err(str::to_owned), "{text}");
        }
    }
}
