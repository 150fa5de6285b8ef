//! The folders of `log.dirs`: stopping, starting, strays, moves, and a dir that fails.

use crate::log::Catalogue;
use crate::log::Copied;
use crate::log::How;
use crate::log::LoadReport;
use crate::log::LogDirs;
use crate::log::LogSettings;
use crate::log::dirs::Choice;
use crate::log::tests::world::NOW;
use crate::log::tests::world::TOPIC_ID;
use crate::log::tests::world::batch;
use crate::record::batch::Batch;
use crate::storage::checkpoint;
use crate::storage::file_pool::FilePool;
use crate::storage::meta_properties::MetaProperties;
use crate::storage::replace::TestFolder;
use crate::types::ErrorCode;
use crate::types::PartitionId;
use crate::types::Uuid;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering;

/// Knows the topic `t` and no other.
struct OneTopic;

impl Catalogue for OneTopic {
    fn topic_id(&self, topic: &str, _: PartitionId, _: Option<Uuid>) -> Option<Uuid> {
        (topic == "t").then_some(TOPIC_ID)
    }

    fn settings(&self, _: &str) -> Arc<LogSettings> {
        settings()
    }
}

fn settings() -> Arc<LogSettings> {
    Arc::new(LogSettings {
        file_delete_delay_ms: 1_000,
        segment_bytes: 1_000,
        ..LogSettings::default()
    })
}

pub struct Broker {
    folder: TestFolder,
    pub dirs: LogDirs,
}

impl Broker {
    pub fn start() -> Broker {
        let folder = TestFolder::make();
        let dirs = open(&folder);
        for (index, dir) in dirs.dirs().iter().enumerate() {
            let id = Some(Uuid([index as u8 + 1; 16]));
            let meta = MetaProperties {
                node_id: 1,
                cluster_id: "c".into(),
                directory_id: id,
            };
            dir.format(meta, "today").unwrap();
        }
        Broker { folder, dirs }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn create(&self, partition: PartitionId) {
        self.dirs
            .get_or_create(("t", partition), TOPIC_ID, Choice::FewestLogs, settings(), NOW)
            .unwrap();
    }

    fn fill(&self, partition: PartitionId, count: i64) {
        let log = self.dirs.get("t", partition).unwrap();
        for _ in 0..count {
            log.append(&batch(&[NOW], 100), &How::client(0), NOW).unwrap();
        }
        log.advance_high_watermark(log.end_offset());
    }

    pub fn restart(self, clean: bool) -> (Broker, LoadReport) {
        if clean {
            assert!(self.dirs.close_clean(20, 2, NOW).is_empty());
        }
        let Broker { folder, dirs } = self;
        drop(dirs);
        let dirs = open(&folder);
        let report = dirs.load(&OneTopic, 2, NOW);
        (Broker { folder, dirs }, report)
    }
}

fn open(folder: &TestFolder) -> LogDirs {
    let next = AtomicU8::new(1);
    let paths = [folder.path().join("one"), folder.path().join("two")];
    let random = Box::new(move || [next.fetch_add(1, Ordering::Relaxed); 16]);
    LogDirs::lock(&paths, FilePool::new(50), random).unwrap()
}

#[test]
fn a_clean_stop_writes_everything_down_and_a_start_reads_it() {
    let broker = Broker::start();
    (0..4).for_each(|partition| broker.create(partition));
    broker.fill(0, 20);
    broker.fill(1, 3);
    let (broker, report) = broker.restart(true);
    assert_eq!((report.loaded, report.recovered_bytes), (4, 0), "{:?}", report.warnings);
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    let dir = &broker.dirs.dirs()[0];
    assert_eq!((dir.last_stop().clean, dir.last_stop().broker_epoch), (true, Some(20)));
    let log = broker.dirs.get("t", 0).unwrap();
    assert_eq!(
        (log.end_offset(), log.high_watermark(), log.recovery_point()),
        (20, 20, 20)
    );
    assert!(
        !broker.path("one/.kafka_cleanshutdown").exists(),
        "a crash from here on is a crash"
    );
    let (broker, report) = broker.restart(false);
    assert!(report.recovered_bytes > 0);
    assert_eq!(broker.dirs.get("t", 0).unwrap().end_offset(), 20);
}

#[test]
fn logs_spread_over_the_dirs_and_cordoned_ones_are_left_alone() {
    let broker = Broker::start();
    (0..4).for_each(|partition| broker.create(partition));
    let counts =
        |broker: &Broker| -> Vec<usize> { broker.dirs.describe().iter().map(|dir| dir.replicas.len()).collect() };
    assert_eq!(counts(&broker), [2, 2]);
    broker.dirs.set_cordoned([broker.path("one")]);
    (4..6).for_each(|partition| broker.create(partition));
    assert_eq!(counts(&broker), [2, 4]);
    let first = broker.dirs.dirs()[0].id().unwrap();
    broker
        .dirs
        .get_or_create(("t", 9), TOPIC_ID, Choice::Dir(first), settings(), NOW)
        .unwrap();
    assert_eq!(counts(&broker), [3, 4], "whoever names a dir gets it");
}

#[test]
fn what_is_nobodys_is_set_aside_and_the_unknown_is_ignored() {
    let broker = Broker::start();
    broker.create(0);
    broker.fill(0, 2);
    broker
        .dirs
        .get_or_create(("gone", 0), Uuid([9; 16]), Choice::FewestLogs, settings(), NOW)
        .unwrap();
    std::fs::create_dir(broker.path("one/lost+found")).unwrap();
    std::fs::write(broker.path("one/hello.log"), b"hello").unwrap();
    std::fs::remove_file(broker.path("one/t-0/partition.metadata")).unwrap();
    let (broker, report) = broker.restart(true);
    assert_eq!((report.loaded, report.strays.len()), (1, 1));
    assert!(report.strays[0].to_string_lossy().ends_with("-stray"));
    assert_eq!(
        broker.dirs.get("t", 0).unwrap().end_offset(),
        2,
        "the metadata log knows whose folder it is"
    );
    assert!(broker.path("one/t-0/partition.metadata").exists());
    assert!(
        report.warnings.iter().any(|warning| warning.contains("lost+found")),
        "{:?}",
        report.warnings
    );
    let (_, report) = broker.restart(true);
    assert_eq!((report.loaded, report.strays.len()), (1, 0));
}

#[test]
fn a_deleted_log_is_gone_at_once_and_its_folder_later() {
    let broker = Broker::start();
    broker.create(0);
    broker.fill(0, 2);
    let log = broker.dirs.get("t", 0).unwrap();
    let slice = log.read(0, 1_000, true, 2).unwrap();
    broker.dirs.delete("t", 0, NOW).unwrap();
    assert!(broker.dirs.get("t", 0).is_none());
    assert_eq!(
        log.append(&batch(&[NOW], 1), &How::client(0), NOW).unwrap_err().code,
        ErrorCode::KafkaStorageError
    );
    assert!(!slice.bytes().unwrap().is_empty(), "who reads may finish");
    let folders = |broker: &Broker| std::fs::read_dir(broker.path("one")).unwrap().count();
    let before = folders(&broker);
    broker.dirs.delete_expired(NOW + 999);
    assert_eq!(folders(&broker), before);
    broker.dirs.delete_expired(NOW + 1_000);
    assert_eq!(folders(&broker), before - 1);
    broker.create(0);
    assert_eq!(
        broker.dirs.get("t", 0).unwrap().end_offset(),
        0,
        "a new log begins anew"
    );
}

#[test]
fn a_log_moves_to_another_dir_with_all_its_records() {
    let broker = Broker::start();
    broker.create(0);
    broker.fill(0, 20);
    let dirs = &broker.dirs;
    let refused = dirs.begin_move(("t", 0), &broker.path("three"), NOW).unwrap_err();
    assert_eq!(refused.code, ErrorCode::LogDirNotFound);
    dirs.begin_move(("t", 0), &broker.path("two"), NOW).unwrap();
    assert!(dirs.finish_move("t", 0, NOW).is_err(), "nothing is copied yet");
    let mut rounds = 0;
    while dirs.copy_some(("t", 0), 500, NOW).unwrap() != Copied::CaughtUp {
        rounds += 1;
    }
    assert!(rounds > 3);
    dirs.finish_move("t", 0, NOW).unwrap();
    assert!(broker.path("two/t-0").exists() && !broker.path("one/t-0").exists());
    broker.fill(0, 1);
    let (broker, report) = broker.restart(true);
    assert_eq!(report.loaded, 1);
    assert_eq!(broker.dirs.get("t", 0).unwrap().end_offset(), 21);
    assert_eq!(broker.dirs.hosted("t", 0).unwrap().dir.path(), broker.path("two"));
}

#[test]
fn a_log_that_is_deleted_while_it_is_flushed_takes_no_dir_with_it() {
    for deleted in [true, false] {
        let broker = Broker::start();
        broker.create(0);
        let failed = broker.dirs.each(|hosted| {
            if deleted {
                broker.dirs.delete("t", 0, NOW).unwrap();
            }
            hosted.log.guarded(Err(std::io::ErrorKind::NotFound.into()))
        });
        assert_eq!(failed.len(), usize::from(!deleted), "deleted: {deleted}");
    }
}

#[test]
fn a_copy_that_was_whole_before_a_restart_shows_all_that_is_committed() {
    let broker = Broker::start();
    broker.create(0);
    broker.fill(0, 20);
    broker.dirs.begin_move(("t", 0), &broker.path("two"), NOW).unwrap();
    while broker.dirs.copy_some(("t", 0), 500, NOW).unwrap() != Copied::CaughtUp {}
    let (broker, _) = broker.restart(false);
    let current = broker.dirs.get("t", 0).unwrap();
    current.advance_high_watermark(current.end_offset());
    assert_eq!(broker.dirs.copy_some(("t", 0), 500, NOW).unwrap(), Copied::CaughtUp);
    let moved = broker.dirs.finish_move("t", 0, NOW).unwrap();
    assert_eq!((moved.end_offset(), moved.high_watermark()), (20, 20));
}

#[test]
fn a_log_that_starts_inside_a_batch_moves_with_its_start() {
    for deleted_first in [true, false] {
        let broker = Broker::start();
        broker.create(0);
        let log = broker.dirs.get("t", 0).unwrap();
        for _ in 0..4 {
            log.append(&batch(&[NOW; 3], 100), &How::client(0), NOW).unwrap();
        }
        log.advance_high_watermark(12);
        let delete = || assert_eq!(log.delete_records(4).unwrap(), 4);
        if deleted_first {
            delete();
        }
        broker.dirs.begin_move(("t", 0), &broker.path("two"), NOW).unwrap();
        while broker.dirs.copy_some(("t", 0), 500, NOW).unwrap() != Copied::CaughtUp {}
        if !deleted_first {
            delete();
        }
        broker.dirs.finish_move("t", 0, NOW).unwrap();
        let has_all = |broker: &Broker, case: &str| {
            let log = broker.dirs.get("t", 0).unwrap();
            assert_eq!((log.log_start(), log.end_offset()), (4, 12), "{case}, {deleted_first}");
            let first = log.read(4, 10_000, true, 12).unwrap().bytes().unwrap();
            assert_eq!(
                Batch::parse(&first).unwrap().header.base_offset,
                3,
                "{case}, {deleted_first}"
            );
        };
        has_all(&broker, "moved");
        drop(log);
        let (broker, _) = broker.restart(true);
        has_all(&broker, "after a clean stop");
        let (broker, _) = broker.restart(false);
        has_all(&broker, "after a crash");
    }
}

#[test]
fn of_two_folders_of_one_log_the_longer_counts() {
    let broker = Broker::start();
    broker.create(0);
    broker.fill(0, 3);
    broker.dirs.close_clean(1, 1, NOW);
    let copy = broker.path("two/t-0");
    std::fs::create_dir(&copy).unwrap();
    std::fs::copy(
        broker.path("one/t-0/partition.metadata"),
        copy.join("partition.metadata"),
    )
    .unwrap();
    let (broker, report) = broker.restart(false);
    assert_eq!(
        (report.strays.len(), broker.dirs.get("t", 0).unwrap().end_offset()),
        (1, 3)
    );
    assert!(broker.path("one/t-0").exists() && !broker.path("two/t-0").exists());
}

#[test]
fn a_failing_dir_takes_only_its_own_logs_offline() {
    let broker = Broker::start();
    (0..4).for_each(|partition| broker.create(partition));
    let failing = broker.dirs.dirs()[0].clone();
    let lost = broker.dirs.fail(&failing);
    assert_eq!(lost.len(), 2);
    assert!(
        lost.iter()
            .all(|log| log.append(&batch(&[NOW], 1), &How::client(0), NOW).is_err())
    );
    assert_eq!(broker.dirs.all().len(), 2);
    let partition = lost[0].partition();
    let refused = broker
        .dirs
        .get_or_create(("t", partition), TOPIC_ID, Choice::FewestLogs, settings(), NOW);
    assert_eq!(
        refused.err().map(|refusal| refusal.code),
        Some(ErrorCode::KafkaStorageError),
        "not begun anew elsewhere"
    );
    broker
        .dirs
        .get_or_create(("t", 77), TOPIC_ID, Choice::FewestLogs, settings(), NOW)
        .unwrap();
    assert!(broker.path("two/t-77").exists());
    let infos = broker.dirs.describe();
    assert_eq!((infos[0].online, infos[1].online), (false, true));
}

#[test]
fn noise_in_every_checkpoint_costs_warnings_and_no_records() {
    for clean in [true, false] {
        let broker = Broker::start();
        broker.create(0);
        broker.fill(0, 20);
        assert!(broker.dirs.close_clean(1, 1, NOW).is_empty());
        for name in [
            checkpoint::RECOVERY_POINTS,
            checkpoint::HIGH_WATERMARKS,
            checkpoint::LOG_STARTS,
            checkpoint::CLEANER_OFFSETS,
        ] {
            std::fs::write(broker.path("one").join(name), [0xff, 0x00, 0x31]).unwrap();
        }
        if !clean {
            std::fs::remove_file(broker.path("one/.kafka_cleanshutdown")).unwrap();
        }
        let (broker, report) = broker.restart(false);
        assert_eq!(report.warnings.len(), 4, "{:?}", report.warnings);
        assert_eq!(broker.dirs.get("t", 0).unwrap().end_offset(), 20);
    }
}
