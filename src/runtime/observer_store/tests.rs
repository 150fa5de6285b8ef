use super::*;
use crate::metadata::MetadataRecord;
use crate::metadata::MetadataVersion;
use crate::metadata::feature;
use crate::raft::entries::data_batch;
use crate::raft::epoch::begin_epoch;
use crate::raft::snapshot::SnapshotBuilder;
use crate::record::build::BatchSpec;
use crate::record::control::control_batch;
use crate::record::control::kraft_version;
use crate::runtime::testing::Folder;
use crate::runtime::testing::config;
use crate::schema::abort_transaction_record::AbortTransactionRecord;
use crate::schema::begin_transaction_record::BeginTransactionRecord;
use crate::schema::end_transaction_record::EndTransactionRecord;
use crate::schema::feature_level_record::FeatureLevelRecord;
use crate::schema::topic_record::TopicRecord;
use crate::types::Uuid;
use std::path::PathBuf;

const NOW: Timestamp = 1_000;
const NEVER: SnapshotLimits = SnapshotLimits {
    bytes: u64::MAX,
    interval_ms: 0,
};

fn open(folder: &Folder, limits: SnapshotLimits) -> (ObserverStore, Vec<String>) {
    let place = Place::alone(folder.metadata(), "__cluster_metadata", 0, Uuid::ONE);
    ObserverStore::open(place, StoreSettings::new(&config(&[])), limits, NOW).unwrap()
}

fn topic(number: u8) -> MetadataRecord {
    TopicRecord {
        name: format!("topic-{number}").into(),
        topic_id: Uuid([number; 16]),
    }
    .into()
}

fn level() -> MetadataRecord {
    FeatureLevelRecord {
        name: feature::METADATA_VERSION.into(),
        feature_level: 30,
    }
    .into()
}

fn batch(base_offset: Offset, epoch: LeaderEpoch, records: &[MetadataRecord]) -> Bytes {
    let values: Vec<Bytes> = records
        .iter()
        .map(|record| record.encode(MetadataVersion::LATEST))
        .collect();
    data_batch(base_offset, epoch, NOW, values.iter())
}

fn topics(store: &ObserverStore) -> Vec<String> {
    let image = lock(&store.progress).stable.image.clone();
    let mut names: Vec<_> = image.topics().map(|topic| topic.name.to_string()).collect();
    names.sort();
    names
}

/// The offset of the image, or the offsets and numbers of records of batches.
fn read(store: &ObserverStore, from: Offset) -> Result<Vec<(Offset, usize)>, Offset> {
    match store.read(from) {
        MetadataRead::Batches(batches) => Ok(batches
            .iter()
            .map(|batch| (batch.base_offset, batch.records.len()))
            .collect()),
        MetadataRead::Snapshot(image) => Err(image.offset),
    }
}

fn voters() -> VoterSet {
    VoterSet(Bytes::from_static(&[0, 0, 1, 0]))
}

fn snapshot(id: SnapshotId, records: &[MetadataRecord]) -> Vec<u8> {
    let head = SnapshotHead {
        last_contained: NOW,
        voters: Some(voters()),
    };
    let mut builder = SnapshotBuilder::new(id.epoch, &head, NOW);
    records
        .iter()
        .for_each(|record| builder.push(record.encode(MetadataVersion::LATEST)));
    builder.finish()
}

fn install(store: &ObserverStore, id: SnapshotId, bytes: &[u8]) -> Result<Installed, StoreError> {
    let (one, other) = bytes.split_at(bytes.len() / 3);
    store.extend_snapshot(id, 0, one).unwrap();
    store.extend_snapshot(id, one.len() as i64, other).unwrap();
    store.install_snapshot(id, NOW)
}

#[test]
fn what_is_not_committed_is_not_read_and_may_go_again() {
    let folder = Folder::empty();
    let (store, _) = open(&folder, NEVER);
    store
        .append(&begin_epoch(0, 1, 1, Some(&voters()), NOW), 1, NOW)
        .unwrap();
    store.append(&batch(3, 1, &[level(), topic(1)]), 1, NOW).unwrap();
    store.append(&batch(5, 1, &[topic(2)]), 1, NOW).unwrap();
    assert_eq!(
        (store.kraft_version(), store.end().offset),
        (1, 6),
        "voters count at once"
    );
    assert_eq!(read(&store, 0), Ok(vec![]));
    store.commit(5).unwrap();
    assert_eq!(read(&store, 0), Ok(vec![(0, 0), (3, 2)]));
    assert_eq!(topics(&store), ["topic-1"]);
    store.truncate(5, NOW).unwrap();
    store.append(&batch(5, 2, &[topic(3)]), 2, NOW).unwrap();
    assert_eq!(store.end(), LogEnd { offset: 6, epoch: 2 });
    assert_eq!(store.end_of_epoch(1), LogEnd { offset: 5, epoch: 1 });
    store.commit(6).unwrap();
    assert_eq!(read(&store, 5), Ok(vec![(5, 1)]));
    assert_eq!(topics(&store), ["topic-1", "topic-3"]);
}

#[test]
fn voters_that_were_never_agreed_on_go_with_the_records_that_named_them() {
    let folder = Folder::empty();
    let (store, _) = open(&folder, NEVER);
    store.append(&begin_epoch(0, 1, 1, None, NOW), 1, NOW).unwrap();
    store.commit(1).unwrap();
    let upgrade = control_batch(
        BatchSpec {
            base_offset: 1,
            leader_epoch: 1,
            ..BatchSpec::default()
        },
        NOW,
        &[
            (ControlType::KraftVersion, kraft_version(1)),
            (ControlType::KraftVoters, voters().0),
        ],
    );
    store.append(&upgrade, 1, NOW).unwrap();
    assert_eq!(store.kraft_version(), 1);
    store.truncate(1, NOW).unwrap();
    assert_eq!(store.kraft_version(), 0);
    store.remember_leader(Some(2), 7).unwrap();
    let state = snapshots::read_quorum_state(&folder.metadata()).unwrap();
    assert_eq!(state, Some(QuorumState::led_by(2, 7, Some(vec![]))));
    assert_eq!(store.greatest_epoch().unwrap(), 7);
}

#[test]
fn half_a_transaction_is_in_no_image() {
    for (case, last, expected) in [
        ("ended", EndTransactionRecord::default().into(), 2),
        ("aborted", AbortTransactionRecord::default().into(), 1),
    ] {
        let folder = Folder::empty();
        let limits = SnapshotLimits {
            bytes: 1,
            interval_ms: 0,
        };
        let (store, _) = open(&folder, limits);
        store.append(&batch(0, 1, &[level(), topic(1)]), 1, NOW).unwrap();
        store.commit(2).unwrap();
        assert!(store.snapshot_if_due(NOW).unwrap());
        let begin = BeginTransactionRecord::default().into();
        store.append(&batch(2, 1, &[begin, topic(2)]), 1, NOW).unwrap();
        store.commit(4).unwrap();
        assert_eq!(topics(&store).len(), 1, "{case}");
        assert_eq!(read(&store, 2), Ok(vec![(2, 2)]), "{case}: a reader holds it itself");
        assert!(!store.snapshot_if_due(NOW).unwrap(), "{case}: nothing new is whole");
        store.append(&batch(4, 1, &[last]), 1, NOW).unwrap();
        store.commit(5).unwrap();
        assert_eq!(topics(&store).len(), expected, "{case}");
        assert!(store.snapshot_if_due(NOW).unwrap());
        store.close(NOW).unwrap();
        let (again, warnings) = open(&folder, NEVER);
        assert_eq!(
            (topics(&again).len(), again.floor(), warnings),
            (expected, 5, vec![]),
            "{case}"
        );
    }
}

#[test]
fn a_snapshot_from_the_leader_replaces_the_log() {
    let folder = Folder::empty();
    let (store, _) = open(&folder, NEVER);
    store.append(&batch(0, 1, &[topic(9)]), 1, NOW).unwrap();
    let id = SnapshotId {
        end_offset: 50,
        epoch: 4,
    };
    let bytes = snapshot(id, &[level(), topic(1)]);
    assert!(matches!(
        install(&store, id, &bytes[..bytes.len() - 9]).unwrap(),
        Installed::Damaged(_)
    ));
    assert_eq!(store.end().offset, 1, "nothing has happened");
    assert!(matches!(install(&store, id, &bytes).unwrap(), Installed::Yes));
    assert_eq!(store.end(), LogEnd { offset: 50, epoch: 4 });
    assert_eq!((read(&store, 0), read(&store, 50)), (Err(49), Ok(vec![])));
    assert_eq!(store.kraft_version(), 1);
    store.append(&batch(50, 4, &[topic(2)]), 4, NOW).unwrap();
    store.commit(51).unwrap();
    store.close(NOW).unwrap();
    let (again, warnings) = open(&folder, NEVER);
    assert_eq!(warnings, Vec::<String>::new());
    assert_eq!(read(&again, 0), Ok(vec![]), "until a leader says what is committed");
    again.commit(51).unwrap();
    assert_eq!(
        (topics(&again), again.floor()),
        (vec!["topic-1".into(), "topic-2".into()], 50)
    );
    let later = SnapshotId {
        end_offset: 80,
        epoch: 4,
    };
    install(&again, later, &snapshot(later, &[level()])).unwrap();
    let left = snapshots::find(&folder.metadata()).unwrap();
    assert_eq!(
        left.into_iter().collect::<Vec<_>>(),
        [later],
        "older ones stand for nothing any more"
    );
}

#[test]
fn a_crash_between_a_snapshot_and_its_log_is_made_good() {
    for (case, end, epoch) in [("a shorter log", 1, 1), ("a longer one of no leader", 60, 3)] {
        let folder = Folder::empty();
        let (store, _) = open(&folder, NEVER);
        for offset in 0..end {
            store.append(&batch(offset, epoch, &[topic(9)]), epoch, NOW).unwrap();
        }
        drop(store);
        let id = SnapshotId {
            end_offset: 50,
            epoch: 4,
        };
        snapshots::write(&folder.metadata(), id, &snapshot(id, &[level()])).unwrap();
        let (store, _) = open(&folder, NEVER);
        assert_eq!(store.end(), LogEnd { offset: 50, epoch: 4 }, "{case}");
    }
}

#[test]
fn a_damaged_copy_is_thrown_away_but_not_what_was_promised() {
    let log_file = |folder: &Folder| folder.metadata().join("00000000000000000000.log");
    let flip = |path: PathBuf| {
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[70] ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    let folder = Folder::empty();
    let (store, _) = open(&folder, NEVER);
    store.append(&batch(0, 1, &[level()]), 1, NOW).unwrap();
    store.append(&batch(1, 1, &[topic(1)]), 1, NOW).unwrap();
    store.remember_leader(Some(1), 6).unwrap();
    store.close(NOW).unwrap();
    flip(log_file(&folder));
    let (store, warnings) = open(&folder, NEVER);
    assert_eq!((store.end().offset, store.greatest_epoch().unwrap()), (0, 6));
    assert!(warnings.last().unwrap().contains("fetched again"), "{warnings:?}");
    store.append(&batch(0, 1, &[level()]), 1, NOW).unwrap();
    store.commit(1).unwrap();
}

#[test]
fn what_this_release_does_not_know_is_not_guessed() {
    let unknown = data_batch(0, 1, NOW, [Bytes::from_static(&[1, 99, 3])].iter());
    let spec = BatchSpec {
        leader_epoch: 1,
        ..BatchSpec::default()
    };
    let later = control_batch(spec, NOW, &[(ControlType::KraftVersion, kraft_version(2))]);
    for (bytes, says) in [
        (unknown, "metadata record 99 version 3 is not known at 0"),
        (later, "a control record at offset 0 is not known"),
    ] {
        let folder = Folder::empty();
        let (store, _) = open(&folder, NEVER);
        store.append(&bytes, 1, NOW).unwrap();
        let error = store.commit(1).unwrap_err();
        assert!(error.to_string().contains(says) && !error.is_damage(), "{error}");
    }
}
