//! A start that cannot succeed ends with exit code 1 and one line that names what is wrong; what can be lived with is a
//! warning.

#[allow(dead_code, reason = "each test uses its part of what they share")]
mod support;

use crate::support::Start;
use crate::support::TestFolder;
use crate::support::client::Client;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Output;
use std::time::Duration;
use std::time::Instant;

/// The line for the person who started it.
#[track_caller]
fn refusal(case: &str, output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{case}: {said}");
    assert!(!String::from_utf8_lossy(&output.stdout).contains("listens"), "{case}");
    let lines: Vec<&str> = said.lines().filter(|line| !line.contains("warning")).collect();
    assert_eq!(lines.len(), 1, "{case}: {said}");
    assert!(lines[0].starts_with("ottla: "), "{case}: {said}");
    lines[0].into()
}

#[track_caller]
fn names(case: &str, line: &str, words: &[&str]) {
    for word in words {
        assert!(line.contains(word), "{case}: {word:?} is not in {line:?}");
    }
}

#[test]
fn a_wrong_value_is_named_with_its_key_and_what_is_allowed() {
    let folder = TestFolder::make();
    for (key, value, allowed) in [
        ("num.partitions", "x", "INT"),
        ("num.partitions", "0", "at least 1"),
        ("log.retention.ms", "12.5", "LONG"),
        ("auto.create.topics.enable", "maybe", "true or false"),
        ("compression.type", "rar", "zstd"),
        ("log.cleanup.policy", "shred", "compact"),
        ("listeners", "PLAINTEXT//localhost", "name://host:port"),
        ("listeners", "PLAINTEXT://localhost:99999999", "99999999"),
        ("node.id", "-7", "at least 0"),
        ("log.segment.bytes", "5", "at least 1048576"),
        ("log.cleaner.min.cleanable.ratio", "7", "1"),
        ("log.message.timestamp.type", "Never", "LogAppendTime"),
    ] {
        let case = format!("{key}={value}");
        let output = Start::on(&folder.join("data")).set(key, value).run();
        names(&case, &refusal(&case, &output), &[key, value, allowed]);
    }
    assert!(
        !folder.join("data").exists(),
        "nothing is made before the configuration is sound"
    );
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused() {
    let folder = TestFolder::make();
    let (missing, bad) = (folder.join("no.properties"), folder.join("bad.properties"));
    fs::write(&bad, "a=1\nb=\\u00zz\n").unwrap();
    let (missing, bad) = (missing.display().to_string(), bad.display().to_string());
    for (arguments, words) in [
        (
            vec!["--override", "num.partitions"],
            vec!["--override num.partitions", "key and a value"],
        ),
        (vec!["--config", &missing], vec!["cannot read", &missing]),
        (vec![&bad], vec![&bad, "line 2"]),
    ] {
        let case = arguments.join(" ");
        let start = arguments
            .iter()
            .fold(Start::bare(), |start, argument| start.argument(argument));
        names(&case, &refusal(&case, &start.run()), &words);
    }
}

#[test]
fn an_unknown_key_is_only_warned_of() {
    let folder = TestFolder::make();
    let broker = Start::on(&folder.join("data")).set("colour.of.the.sky", "blue").start();
    let mut client = Client::connect(broker.address()).unwrap();
    assert!(client.metadata().is_ok());
    let (clean, said) = broker.stop();
    assert!(clean, "{said}");
    assert_eq!(said.matches("colour.of.the.sky").count(), 1, "{said}");
    assert!(said.contains("warning"), "{said}");
}

#[test]
fn a_port_that_is_taken_is_named() {
    let folder = TestFolder::make();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let listeners = format!("PLAINTEXT://127.0.0.1:{port}");
    let output = Start::on(&folder.join("data")).set("listeners", &listeners).run();
    names("port", &refusal("port", &output), &["listeners", &port, "in use"]);
    assert!(!folder.join("data").exists(), "no folder is formatted in vain");
}

#[test]
fn a_folder_that_another_process_works_in_is_left_alone() {
    let folder = TestFolder::make();
    let data = folder.join("data");
    let first = Start::on(&data).start();
    let output = Start::on(&data).run();
    names(
        "locked",
        &refusal("locked", &output),
        &["log.dirs", &data.display().to_string(), "process"],
    );
    let mut client = Client::connect(first.address()).unwrap();
    assert!(client.metadata().is_ok(), "the first goes on");
    first.kill();
    // The lock goes with the process.
    let again = Start::on(&data).start();
    assert!(again.stop().0);
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let folder = TestFolder::make();
    let (file, other, noise) = (folder.join("file"), folder.join("other"), folder.join("noise"));
    fs::write(&file, "a file").unwrap();
    fs::create_dir(&other).unwrap();
    fs::write(other.join("thesis.txt"), "words").unwrap();
    fs::create_dir(&noise).unwrap();
    fs::write(noise.join("meta.properties"), [0, 255, 254, 1]).unwrap();
    for (case, path) in [
        ("a file", file.clone()),
        ("below a file", file.join("data")),
        ("somebody else's folder", other),
        ("a meta.properties that is noise", noise),
    ] {
        let output = Start::on(&path).run();
        names(case, &refusal(case, &output), &[&path.display().to_string()]);
    }
}

#[cfg(unix)]
#[test]
fn a_folder_that_may_not_be_read_is_named() {
    use std::os::unix::fs::PermissionsExt;
    // Nothing is forbidden to root.
    if rustix::process::geteuid().is_root() {
        return;
    }
    let folder = TestFolder::make();
    let data = folder.join("data");
    assert!(Start::on(&data).start().stop().0);
    fs::set_permissions(&data, fs::Permissions::from_mode(0o000)).unwrap();
    let output = Start::on(&data).run();
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700)).unwrap();
    names(
        "forbidden",
        &refusal("forbidden", &output),
        &["log.dirs", &data.display().to_string(), "ermission"],
    );
}

#[test]
fn folders_of_another_node_or_cluster_are_refused() {
    let folder = TestFolder::make();
    let (one, two) = (folder.join("one"), folder.join("two"));
    for data in [&one, &two] {
        assert!(Start::on(data).start().stop().0);
    }
    let output = Start::on(&one).set("node.id", "7").run();
    let line = refusal("another node", &output);
    names(
        "another node",
        &line,
        &["node id", "7", "1", &one.display().to_string()],
    );
    let output = Start::on(&one).set("log.dirs", &both(&one, &two)).run();
    names(
        "another cluster",
        &refusal("another cluster", &output),
        &["cluster.id", &two.display().to_string()],
    );
    let properties = fs::read_to_string(one.join("meta.properties")).unwrap();
    let three = folder.join("three");
    fs::create_dir(&three).unwrap();
    fs::write(three.join("meta.properties"), properties).unwrap();
    let output = Start::on(&one).set("log.dirs", &both(&one, &three)).run();
    let line = refusal("the same directory twice", &output);
    names(
        "the same directory twice",
        &line,
        &["directory ID", &three.display().to_string()],
    );
    assert!(Start::on(&one).start().stop().0, "and what was refused is unharmed");
}

fn both(one: &Path, two: &Path) -> String {
    format!("{},{}", one.display(), two.display())
}

/// Folders of new partitions are made in the background.
fn await_folders(prefix: &str, dirs: &[&Path], count: usize) {
    let there = |dir: &&Path| {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with(prefix)).count()
    };
    let until = Instant::now() + Duration::from_secs(60);
    while dirs.iter().map(there).sum::<usize>() < count {
        assert!(Instant::now() < until, "no {count} folders {prefix}");
        std::thread::yield_now();
    }
}

#[test]
fn one_failing_folder_of_several_is_warned_of_and_the_rest_serves() {
    let folder = TestFolder::make();
    let (one, two) = (folder.join("one"), folder.join("two"));
    let start = || Start::on(&one).set("log.dirs", &both(&one, &two));
    let broker = start().start();
    let mut client = Client::connect(broker.address()).unwrap();
    assert_eq!(client.create_topic("spread", 4, &[]).unwrap(), 0);
    await_folders("spread-", &[&one, &two], 4);
    assert!(broker.stop().0);
    fs::rename(&two, folder.join("away")).unwrap();
    fs::write(&two, "a file").unwrap();
    let broker = start().start();
    let mut client = Client::connect(broker.address()).unwrap();
    let metadata = client.metadata_when(|metadata| {
        let partitions = &metadata.topics[0].partitions;
        partitions.iter().filter(|partition| partition.leader_id == 1).count() == 2
    });
    assert_eq!(metadata.unwrap().topics[0].partitions.len(), 4);
    let (_, said) = broker.stop();
    assert!(said.contains(&two.display().to_string()), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    fs::remove_file(&two).unwrap();
    fs::rename(folder.join("away"), &two).unwrap();
    let broker = start().start();
    let mut client = Client::connect(broker.address()).unwrap();
    let metadata = client.await_leaders().unwrap();
    assert_eq!(
        metadata.topics[0].partitions.len(),
        4,
        "it is used again when it is back"
    );
    fs::rename(&one, folder.join("gone")).unwrap();
    drop(broker);
    fs::write(&one, "a file").unwrap();
    let output = start().run();
    names(
        "the metadata log's folder",
        &refusal("metadata", &output),
        &[&one.display().to_string()],
    );
}

#[test]
fn help_and_version_are_no_failures() {
    for (argument, word) in [("--help", "--override"), ("--version", env!("CARGO_PKG_VERSION"))] {
        let output = Start::bare().argument(argument).run();
        assert_eq!(output.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&output.stdout).contains(word), "{argument}");
    }
}
