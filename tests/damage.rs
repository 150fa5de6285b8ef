//! Damage done to the folders of a node while it is stopped: it starts, serves everything else, and has lost nothing that
//! was acknowledged, whether it had stopped cleanly or been killed.

#[allow(dead_code, reason = "each test uses its part of what they share")]
mod support;

use crate::support::Broker;
use crate::support::Start;
use crate::support::TestFolder;
use crate::support::client::Client;
use crate::support::log::batch;
use crate::support::log::content;
use crate::support::log::numbered;
use crate::support::log::read_all;
use crate::support::random::Random;
use bytes::Bytes;
use ottla::record::BatchSpec;
use ottla::record::batches;
use ottla::schema::writer::Records;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::path::PathBuf;
use std::process::Command;

const BATCHES: i64 = 12;
const TRIMMED_TO: i64 = 7;
const CORRUPT_MESSAGE: i16 = 2;

/// A stopped node, and what it has acknowledged.
struct Base {
    case: &'static str,
    folder: TestFolder,
    /// By topic: the first offset, and the batches of one record each.
    topics: Vec<(&'static str, i64, Vec<Bytes>)>,
}

fn bases() -> [Base; 2] {
    [true, false].map(|clean| {
        let folder = TestFolder::make();
        let broker = Start::on(&folder.join("data")).start();
        let mut client = Client::connect(broker.address()).unwrap();
        let small = [("internal.segment.bytes", "700"), ("index.interval.bytes", "1")];
        let producer = client.init_producer().unwrap();
        let mut topics = Vec::new();
        for (name, start) in [("hurt", 0), ("trimmed", TRIMMED_TO), ("other", 0)] {
            assert_eq!(client.create_topic(name, 1, &small).unwrap(), 0);
            client.await_leaders().unwrap();
            let sent = (0..BATCHES).map(|at| batch(name, 1, 200, numbered(producer, at as i32)));
            let sent: Vec<Bytes> = sent.collect();
            for batch in &sent {
                assert_eq!(client.produce(name, 0, batch.clone()).unwrap().error_code, 0);
            }
            if start > 0 {
                assert_eq!(client.delete_records(name, 0, start).unwrap(), Ok(start));
            }
            topics.push((name, start, sent));
        }
        if clean {
            assert!(broker.stop().0);
        } else {
            broker.kill();
        }
        let case = if clean { "after a clean stop" } else { "after kill -9" };
        Base { case, folder, topics }
    })
}

impl Base {
    fn copy(&self) -> TestFolder {
        let copy = TestFolder::make();
        let done = Command::new("cp")
            .arg("-a")
            .arg(self.folder.join("data"))
            .arg(copy.path())
            .status();
        assert!(done.is_ok_and(|status| status.success()));
        copy
    }

    /// Damages a copy and starts a broker on it.
    fn start(&self, case: &str, harm: impl FnOnce(&Path)) -> (TestFolder, Broker) {
        let copy = self.copy();
        let data = copy.join("data");
        harm(&data);
        let started = Start::on(&data).try_start();
        let broker = started.unwrap_or_else(|said| panic!("{case}, {}: no start: {said}", self.case));
        (copy, broker)
    }

    /// Everything is there, retries are known, and new records are taken.
    fn whole(&self, case: &str, client: &mut Client, hurt: &[&str]) {
        let case = format!("{case}, {}", self.case);
        client.await_leaders().expect(&case);
        for (name, start, sent) in self.topics.iter().filter(|(name, ..)| !hurt.contains(name)) {
            let read = read_all(client, name, 0).unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_eq!((read.start, read.end), (*start, BATCHES), "{case}: {name}");
            let offsets: Vec<i64> = read.batches.iter().map(|batch| batch.base_offset).collect();
            assert_eq!(offsets, (*start..BATCHES).collect::<Vec<_>>(), "{case}: {name}");
            let contents = read.batches.iter().map(|batch| batch.content.clone());
            assert!(
                contents.eq(sent[*start as usize..].iter().map(content)),
                "{case}: {name}"
            );
            for at in (BATCHES - 5).max(*start)..BATCHES {
                let again = client.produce(name, 0, sent[at as usize].clone()).expect(&case);
                let answer = (again.error_code, again.base_offset);
                assert_eq!(answer, (0, at), "{case}: a retry into {name}");
            }
            let found = client.offset_for(name, 0, support::log::FIRST_TIMESTAMP).expect(&case);
            assert_eq!(found, (0, *start), "{case}: the first record by its time in {name}");
            let new = batch("new", 1, 20, BatchSpec::default());
            let answer = client.produce(name, 0, new).expect(&case);
            assert_eq!((answer.error_code, answer.base_offset), (0, BATCHES), "{case}: {name}");
        }
    }

    fn unharmed(&self, case: &str, harm: impl FnOnce(&Path)) {
        let (_copy, broker) = self.start(case, harm);
        let mut client = Client::connect(broker.address()).unwrap();
        self.whole(case, &mut client, &[]);
        stops(case, broker);
    }
}

fn stops(case: &str, broker: Broker) {
    let (clean, said) = broker.stop();
    assert!(clean && !said.contains("panicked"), "{case}: {said}");
}

type Harm = fn(&Path);

/// What can become of a file.
const HARMS: [(&str, Harm); 6] = [
    ("lost", |path| fs::remove_file(path).unwrap()),
    ("empty", |path| fs::write(path, "").unwrap()),
    ("noise", |path| fs::write(path, noise(999)).unwrap()),
    ("zeros", |path| fs::write(path, [0; 240]).unwrap()),
    ("longer", |path| {
        let bytes = [fs::read(path).unwrap(), noise(101)].concat();
        fs::write(path, bytes).unwrap();
    }),
    ("shorter", |path| {
        let mut bytes = fs::read(path).unwrap();
        bytes.truncate(bytes.len().saturating_sub(5));
        fs::write(path, bytes).unwrap();
    }),
];

fn noise(count: usize) -> Vec<u8> {
    Random::seeded(count as u64).bytes(count)
}

/// The files of a folder whose names end so.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = paths
        .filter(|path| path.is_file() && path.to_string_lossy().ends_with(ending))
        .collect();
    found.sort();
    found
}

#[test]
fn each_side_file_of_a_partition_may_be_damaged() {
    for base in bases() {
        for ending in [
            ".index",
            ".timeindex",
            ".txnindex",
            ".snapshot",
            "leader-epoch-checkpoint",
            "partition.metadata",
        ] {
            for (what, harm) in HARMS {
                let case = format!("{ending} {what}");
                base.unharmed(&case, |data| {
                    files(&data.join("hurt-0"), ending).iter().for_each(|path| harm(path))
                });
            }
        }
        base.unharmed("all side files lost", |data| {
            for path in files(&data.join("hurt-0"), "") {
                if !path.to_string_lossy().ends_with(".log") {
                    fs::remove_file(path).unwrap();
                }
            }
        });
    }
}

#[test]
fn each_checkpoint_at_the_top_may_be_damaged() {
    for base in bases() {
        for name in [
            "recovery-point-offset-checkpoint",
            "replication-offset-checkpoint",
            "log-start-offset-checkpoint",
            "cleaner-offset-checkpoint",
            ".kafka_cleanshutdown",
            ".lock",
            "bootstrap.checkpoint",
        ] {
            for (what, harm) in HARMS {
                base.unharmed(&format!("{name} {what}"), |data| {
                    let path = data.join(name);
                    if !path.exists() {
                        fs::write(&path, "").unwrap();
                    }
                    harm(&path);
                });
            }
        }
        base.unharmed("all checkpoints lost", |data| {
            files(data, "-checkpoint")
                .iter()
                .for_each(|path| fs::remove_file(path).unwrap());
        });
    }
}

#[test]
fn each_side_file_of_the_metadata_log_may_be_damaged() {
    for base in bases() {
        for ending in [
            ".index",
            ".timeindex",
            ".snapshot",
            "leader-epoch-checkpoint",
            "partition.metadata",
            "quorum-state",
            ".checkpoint",
        ] {
            for (what, harm) in HARMS {
                let case = format!("metadata log: {ending} {what}");
                base.unharmed(&case, |data| {
                    for path in files(&data.join("__cluster_metadata-0"), ending) {
                        // Snapshots may not be written to.
                        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
                        harm(&path);
                    }
                });
            }
        }
    }
}

#[test]
fn strange_names_are_passed_over() {
    let rows: [(&str, &[u8], bool); 12] = [
        ("a folder of the file system", b"lost+found", true),
        ("a folder without a number", b"folder", true),
        ("a negative partition", b"hurt--1", true),
        ("a partition beyond all numbers", b"hurt-99999999999", true),
        ("a name that is no text", b"\xff\xfe-0", true),
        ("a partition of a topic that nobody knows", b"ghost-0", true),
        ("a file with the name of a partition", b"hurt-7", false),
        ("somebody's file", b"hello.log", false),
        ("a hidden file", b".DS_Store", false),
        ("half a checkpoint", b"replication-offset-checkpoint.tmp", false),
        ("a strange file in a partition", b"hurt-0/hello.log", false),
        (
            "a strange folder in a partition",
            b"hurt-0/00000000000000000003.log.d",
            true,
        ),
    ];
    for base in bases() {
        for (case, name, folder) in rows {
            base.unharmed(case, |data| {
                let path = data.join(OsStr::from_bytes(name));
                if folder {
                    fs::create_dir(path).unwrap();
                } else {
                    fs::write(path, noise(300)).unwrap();
                }
            });
        }
    }
}

#[test]
fn a_flipped_bit_costs_its_batch_and_no_other() {
    for base in bases() {
        for at in [0, 4, 10] {
            let case = format!("a flipped bit in the batch at {at}");
            let (_copy, broker) = base.start(&case, |data| flip(&data.join("hurt-0"), at));
            let mut client = Client::connect(broker.address()).unwrap();
            base.whole(&case, &mut client, &["hurt"]);
            let case = format!("{case}, {}", base.case);
            for wanted in (0..BATCHES).filter(|wanted| *wanted != at) {
                let found = first_at(&mut client, wanted);
                assert_eq!(found, Ok(Some(wanted)), "{case}: {wanted} is served");
            }
            match first_at(&mut client, at) {
                // A reader compares the checksum itself.
                Err(CORRUPT_MESSAGE) | Ok(None) => {}
                other => panic!("{case}: {other:?}"),
            }
            stops(&case, broker);
        }
    }
}

/// Flips a bit in the value of the record at an offset.
fn flip(folder: &Path, at: i64) {
    let logs = files(folder, ".log");
    let base = |path: &PathBuf| path.file_stem().unwrap().to_string_lossy().parse::<i64>().unwrap();
    let path = logs.iter().rev().find(|path| base(path) <= at).unwrap();
    let mut bytes = fs::read(path).unwrap();
    let mut position = 0;
    for batch in batches(&bytes.clone()) {
        if batch.header.base_offset == at {
            bytes[position + 150] ^= 4;
        }
        position += batch.size();
    }
    fs::write(path, bytes).unwrap();
}

/// The offset of the first sound batch that a Fetch at `wanted` brings, or the error.
fn first_at(client: &mut Client, wanted: i64) -> Result<Option<i64>, i16> {
    let data = client.fetch("hurt", 0, wanted).unwrap();
    let Some(Records::Bytes(bytes)) = data.records.filter(|_| data.error_code == 0) else {
        return Err(data.error_code);
    };
    let first = batches(&bytes).next();
    Ok(first
        .filter(|batch| batch.is_intact())
        .map(|batch| batch.header.base_offset))
}

#[test]
fn a_partition_full_of_noise_leaves_the_others_alone() {
    for base in bases() {
        let case = "a partition full of noise";
        let (_copy, broker) = base.start(case, |data| {
            files(&data.join("hurt-0"), "")
                .iter()
                .for_each(|path| fs::write(path, noise(500)).unwrap());
        });
        let mut client = Client::connect(broker.address()).unwrap();
        client
            .metadata_when(|metadata| {
                let led = metadata
                    .topics
                    .iter()
                    .filter(|topic| topic.partitions[0].leader_id == 1);
                led.count() >= 2
            })
            .unwrap();
        for (name, start, _) in base.topics.iter().filter(|(name, ..)| *name != "hurt") {
            let read = read_all(&mut client, name, 0).unwrap();
            assert_eq!(
                (read.start, read.end),
                (*start, BATCHES),
                "{case}, {}: {name}",
                base.case
            );
        }
        stops(case, broker);
    }
}

#[test]
fn a_log_dir_full_of_noise_leaves_the_other_alone() {
    let folder = TestFolder::make();
    let (one, two) = (folder.join("one"), folder.join("two"));
    let dirs = format!("{},{}", one.display(), two.display());
    let start = || Start::on(&one).set("log.dirs", &dirs).start();
    let broker = start();
    let mut client = Client::connect(broker.address()).unwrap();
    assert_eq!(client.create_topic("spread", 4, &[]).unwrap(), 0);
    client.await_leaders().unwrap();
    for partition in 0..4 {
        let sent = batch("spread", 3, 50, BatchSpec::default());
        assert_eq!(client.produce("spread", partition, sent).unwrap().error_code, 0);
    }
    assert!(broker.stop().0);
    for path in files(&two, "") {
        fs::write(path, noise(400)).unwrap();
    }
    for entry in fs::read_dir(&two).unwrap() {
        let inner = entry.unwrap().path();
        files(&inner, "")
            .iter()
            .for_each(|path| fs::write(path, noise(400)).unwrap());
    }
    let broker = start();
    let mut client = Client::connect(broker.address()).unwrap();
    let metadata = client.metadata_when(|metadata| {
        let led = metadata.topics[0]
            .partitions
            .iter()
            .filter(|partition| partition.leader_id == 1);
        led.count() == 2
    });
    for partition in metadata.unwrap().topics[0]
        .partitions
        .iter()
        .filter(|partition| partition.leader_id == 1)
    {
        let index = partition.partition_index;
        let read = read_all(&mut client, "spread", index).unwrap();
        assert_eq!((read.start, read.end), (0, 3), "{index}");
    }
    let (_, said) = broker.stop();
    assert!(
        said.contains(&two.display().to_string()) && !said.contains("panicked"),
        "{said}"
    );
}

#[test]
fn a_metadata_log_that_is_lost_ends_the_start_before_anything_is_set_aside() {
    for base in bases() {
        for (what, harm) in HARMS.into_iter().take(4) {
            let case = format!("a metadata log {what}, {}", base.case);
            let copy = base.copy();
            let data = copy.join("data");
            files(&data.join("__cluster_metadata-0"), ".log")
                .iter()
                .for_each(|path| harm(path));
            for _ in 0..2 {
                let said = Start::on(&data)
                    .try_start()
                    .err()
                    .unwrap_or_else(|| panic!("{case}: it starts"));
                let lines: Vec<&str> = said.lines().filter(|line| line.starts_with("ottla: ")).collect();
                assert!(
                    lines.len() == 1 && lines[0].contains("the metadata log in"),
                    "{case}: {said}"
                );
                assert!(data.join("hurt-0").exists(), "{case}: no partition is set aside");
            }
        }
    }
}

#[test]
fn a_flipped_bit_in_the_metadata_log_is_never_passed_over() {
    for base in bases() {
        for part in 1..8 {
            let case = format!("a flipped bit after {part} eighths, {}", base.case);
            let copy = base.copy();
            let data = copy.join("data");
            for path in files(&data.join("__cluster_metadata-0"), ".log") {
                let mut bytes = fs::read(&path).unwrap();
                // The last batch may be torn by a crash, so nobody can tell that it was whole.
                let last = batches(&bytes).last().map_or(0, |batch| batch.size());
                let at = (bytes.len() - last) * part / 8;
                bytes[at] ^= 1;
                fs::write(path, bytes).unwrap();
            }
            match Start::on(&data).try_start() {
                Ok(broker) => {
                    let mut client = Client::connect(broker.address()).unwrap();
                    base.whole(&case, &mut client, &[]);
                    stops(&case, broker);
                }
                Err(said) => assert!(
                    said.contains("metadata") && !said.contains("panicked"),
                    "{case}: {said}"
                ),
            }
            assert!(data.join("hurt-0").exists(), "{case}: no partition is set aside");
        }
    }
}
