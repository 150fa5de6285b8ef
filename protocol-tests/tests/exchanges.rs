//! Every script in `exchanges/` and `controller/` must be answered as Apache Kafka answered when `expected/` was
//! recorded (RECORD=1 records anew): the first by the broker at BOOTSTRAP_SERVERS, the others by the controller, alone in
//! its process, at CONTROLLER_SERVERS; without these variables by nodes that are started here.

use protocol_tests::declarations::Declarations;
use protocol_tests::script;
use protocol_tests::script::Saved;
use std::env;
use std::fs;
use std::io::BufRead;
use std::io::BufReader;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

#[test]
fn every_exchange_is_answered_as_apache_kafka_answers_it() {
    judge("exchanges", Server::broker);
}

#[test]
fn a_controller_answers_as_apache_kafkas_does() {
    judge("controller", Server::controller);
}

fn judge(folder: &str, reach: fn() -> Server) {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let server = reach();
    let declarations = Declarations::load();
    let (mut exchanges, mut wrong, mut saved) = (0, Vec::new(), Saved::new());
    for path in scripts(&home.join(folder)) {
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        if env::var("SCRIPT").is_ok_and(|only| name != format!("{only}.txt")) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let (said, count) = script::run(&declarations, &server.address, &text, &mut saved);
        exchanges += count;
        let expected = home.join("expected").join(folder).join(&name);
        if env::var_os("RECORD").is_some() {
            fs::write(&expected, &said).unwrap();
        } else {
            wrong.extend(differences(
                &name,
                &fs::read_to_string(&expected).unwrap_or_default(),
                &said,
            ));
        }
    }
    println!("{exchanges} exchanges, {} of them wrong", wrong.len());
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn scripts(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
}

/// The exchanges that were answered otherwise, each with the lines that differ.
fn differences(name: &str, expected: &str, said: &str) -> Vec<String> {
    let (expected, said): (Vec<&str>, Vec<&str>) = (expected.split("\n\n").collect(), said.split("\n\n").collect());
    let mut found = Vec::new();
    if expected.len() != said.len() {
        found.push(format!("{name}: {} exchanges, expected {}", said.len(), expected.len()));
    }
    for (index, (expected, said)) in expected.iter().zip(&said).enumerate() {
        if expected == said {
            continue;
        }
        let mut text = format!(
            "{name}, exchange {}: {}",
            index + 1,
            said.lines().next().unwrap_or_default()
        );
        let (expected, said) = (pretty(expected), pretty(said));
        let (old, new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), said.lines().collect());
        let same = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
        let (old_rest, new_rest) = (&old[same..], &new[same..]);
        let tail = old_rest
            .iter()
            .rev()
            .zip(new_rest.iter().rev())
            .take_while(|(old, new)| old == new)
            .count();
        for line in old_rest[..old_rest.len() - tail].iter().take(12) {
            text += &format!("\n  - {line}");
        }
        for line in new_rest[..new_rest.len() - tail].iter().take(12) {
            text += &format!("\n  + {line}");
        }
        found.push(text);
    }
    found
}

fn pretty(exchange: &str) -> String {
    let answer = exchange.split_once('\n').map_or("", |(_, answer)| answer);
    let value: Option<serde_json::Value> = serde_json::from_str(answer).ok();
    value.map_or(answer.into(), |value| format!("{value:#}"))
}

struct Server {
    address: String,
    child: Option<(Child, PathBuf)>,
}

impl Server {
    fn broker() -> Server {
        if let Ok(address) = env::var("BOOTSTRAP_SERVERS") {
            return Server { address, child: None };
        }
        let folder = temporary("broker");
        let options = [
            "listeners=PLAINTEXT://127.0.0.1:0".to_string(),
            format!("log.dirs={}", folder.display()),
            "group.initial.rebalance.delay.ms=0".to_string(),
            "offsets.topic.num.partitions=2".to_string(),
        ];
        Server::start(folder, &options)
    }

    fn controller() -> Server {
        if let Ok(address) = env::var("CONTROLLER_SERVERS") {
            return Server { address, child: None };
        }
        let folder = temporary("controller");
        let options = [
            "process.roles=controller".to_string(),
            "node.id=100".to_string(),
            "controller.listener.names=CONTROLLER".to_string(),
            "listeners=CONTROLLER://127.0.0.1:0".to_string(),
            // Nobody else has to find it.
            "controller.quorum.bootstrap.servers=127.0.0.1:1".to_string(),
            format!("log.dirs={}", folder.join("data").display()),
            // Longer than it takes until the last script, in which sessions end.
            "broker.session.timeout.ms=12000".to_string(),
            "auto.leader.rebalance.enable=false".to_string(),
        ];
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("server.properties");
        fs::write(&file, options.join("\n")).unwrap();
        let formatted = Command::new(binary())
            .args([
                "storage",
                "format",
                "--standalone",
                "-t",
                "xtzWWN4bTjitpL3kfd9s5g",
                "-c",
            ])
            .arg(&file)
            .output()
            .unwrap();
        assert!(formatted.status.success(), "{formatted:?}");
        Server::start(folder, &options)
    }

    /// On a port that the system chooses: one that was free a moment ago may be somebody's now.
    fn start(folder: PathBuf, options: &[String]) -> Server {
        let mut child = Command::new(binary())
            .args(options.iter().flat_map(|option| ["--override", option]))
            .stdout(Stdio::piped())
            .spawn()
            .expect("the broker starts: build it first");
        let lines = BufReader::new(child.stdout.as_mut().expect("piped")).lines();
        let told = lines.map_while(Result::ok).find_map(|line| {
            let (_, after) = line.split_once(" listens on ")?;
            Some(after.split(',').next()?.trim().to_string())
        });
        Server {
            address: told.expect("the server listens"),
            child: Some((child, folder)),
        }
    }
}

fn temporary(what: &str) -> PathBuf {
    env::temp_dir().join(format!("ottla-protocol-tests-{}-{what}", std::process::id()))
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some((child, folder)) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
            let _ = fs::remove_dir_all(folder);
        }
    }
}

fn binary() -> PathBuf {
    if let Some(path) = env::var_os("OTTLA") {
        return path.into();
    }
    // Beside the folder of this test's own executable.
    let own = env::current_exe().unwrap();
    own.ancestors().nth(2).unwrap().join("ottla")
}
