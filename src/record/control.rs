//! Control records: transaction markers and KRaft's own records.

use crate::record::batch::Batch;
use crate::record::build::BatchBuilder;
use crate::record::build::BatchSpec;
use crate::record::compress::Compression;
use crate::schema::Message;
use crate::schema::k_raft_version_record::KRaftVersionRecord;
use crate::schema::leader_change_message::LeaderChangeMessage;
use crate::schema::leader_change_message::Voter;
use crate::schema::snapshot_footer_record::SnapshotFooterRecord;
use crate::schema::snapshot_header_record::SnapshotHeaderRecord;
use crate::types::NodeId;
use crate::types::Timestamp;
use bytes::Bytes;

/// What a control record is about; its number is in the record's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ControlType {
    Abort,
    Commit,
    LeaderChange,
    SnapshotHeader,
    SnapshotFooter,
    KraftVersion,
    KraftVoters,
}

const ALL: [ControlType; 7] = [
    ControlType::Abort,
    ControlType::Commit,
    ControlType::LeaderChange,
    ControlType::SnapshotHeader,
    ControlType::SnapshotFooter,
    ControlType::KraftVersion,
    ControlType::KraftVoters,
];

/// Enough for any control batch: its records are a few numbers and, for voters, some addresses.
const CONTROL_LIMIT: usize = 1 << 20;

impl ControlType {
    pub fn id(self) -> i16 {
        self as i16
    }

    /// Version 0, then the number.
    pub fn key(self) -> Bytes {
        let [high, low] = self.id().to_be_bytes();
        Bytes::copy_from_slice(&[0, 0, high, low])
    }

    /// What the first record of a control batch is about.
    pub fn read(batch: &Batch<'_>) -> Option<ControlType> {
        let mut found = None;
        let walked = batch.for_each_record(CONTROL_LIMIT, |record| {
            found = record.key.and_then(ControlType::from_key);
            false
        });
        walked.ok().and(found)
    }

    /// `None` for a key of another shape, a negative version, or a number nobody knows.
    pub fn from_key(key: &[u8]) -> Option<ControlType> {
        let (version, rest) = key.split_first_chunk::<2>()?;
        if i16::from_be_bytes(*version) < 0 {
            return None;
        }
        let id = i16::from_be_bytes(*rest.first_chunk::<2>()?);
        ALL.into_iter().find(|kind| kind.id() == id)
    }
}

/// The end of a transaction in one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndMarker {
    pub commit: bool,
    pub coordinator_epoch: i32,
    pub timestamp: Timestamp,
}

impl EndMarker {
    /// The marker in a control batch; `None` if the batch is empty, malformed or of another kind.
    pub fn read(batch: &Batch<'_>) -> Option<EndMarker> {
        let mut found = None;
        let walked = batch.for_each_record(CONTROL_LIMIT, |record| {
            let kind = record.key.and_then(ControlType::from_key);
            let epoch = record
                .value
                .and_then(|value| value.get(2..)?.first_chunk::<4>().copied());
            found = match (kind, epoch) {
                (Some(ControlType::Commit), Some(epoch)) => Some((true, epoch, record.timestamp)),
                (Some(ControlType::Abort), Some(epoch)) => Some((false, epoch, record.timestamp)),
                _ => None,
            };
            false
        });
        walked.ok()?;
        let (commit, epoch, timestamp) = found?;
        Some(EndMarker {
            commit,
            coordinator_epoch: i32::from_be_bytes(epoch),
            timestamp,
        })
    }

    /// A batch with this marker; `spec` names producer and epoch.
    pub fn batch(self, spec: BatchSpec) -> Bytes {
        let spec = BatchSpec {
            control: true,
            transactional: true,
            base_sequence: -1,
            ..spec
        };
        let kind = if self.commit {
            ControlType::Commit
        } else {
            ControlType::Abort
        };
        let mut value = vec![0, 0];
        value.extend_from_slice(&self.coordinator_epoch.to_be_bytes());
        control_batch(spec, self.timestamp, &[(kind, Bytes::from(value))])
    }
}

/// A batch of control records of one moment.
pub fn control_batch(spec: BatchSpec, timestamp: Timestamp, records: &[(ControlType, Bytes)]) -> Bytes {
    let mut builder = BatchBuilder::new(BatchSpec { control: true, ..spec });
    for (kind, value) in records {
        builder.push(timestamp, Some(&kind.key()), Some(value), &[]);
    }
    builder.finish(Compression::NONE)
}

/// The value of LEADER_CHANGE, version 0 (Kafka writes that even with kraft.version 1).
pub fn leader_change(leader_id: NodeId, voters: &[NodeId], granting: &[NodeId]) -> Bytes {
    let listed = |nodes: &[NodeId]| {
        let voter = |node: &NodeId| Voter {
            voter_id: *node,
            ..Voter::default()
        };
        nodes.iter().map(voter).collect()
    };
    let change = LeaderChangeMessage {
        version: 0,
        leader_id,
        voters: listed(voters),
        granting_voters: listed(granting),
    };
    change.to_bytes(0)
}

pub fn snapshot_header(last_contained_log_timestamp: Timestamp) -> Bytes {
    let header = SnapshotHeaderRecord {
        version: 0,
        last_contained_log_timestamp,
    };
    header.to_bytes(0)
}

pub fn snapshot_footer() -> Bytes {
    SnapshotFooterRecord { version: 0 }.to_bytes(0)
}

pub fn kraft_version(k_raft_version: i16) -> Bytes {
    let version = KRaftVersionRecord {
        version: 0,
        k_raft_version,
    };
    version.to_bytes(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_reads_back_as_it_was_written() {
        for commit in [true, false] {
            let marker = EndMarker {
                commit,
                coordinator_epoch: 7,
                timestamp: 1_700_000_000_000,
            };
            let bytes = marker.batch(BatchSpec {
                producer_id: 4,
                producer_epoch: 1,
                ..BatchSpec::default()
            });
            let batch = Batch::parse(&bytes).unwrap();
            assert!(batch.is_intact() && batch.header.is_control() && batch.header.is_transactional());
            assert_eq!(batch.header.base_sequence, -1);
            assert_eq!(EndMarker::read(&batch), Some(marker));
        }
    }

    #[test]
    fn the_quorums_records_are_kafkas_bytes() {
        let change = [0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 1, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 2, 0, 0];
        assert_eq!(leader_change(1, &[1], &[1, 2]), change.as_slice());
        assert_eq!(snapshot_header(0x0102), [0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0].as_slice());
        assert_eq!(snapshot_footer(), [0, 0, 0].as_slice());
        assert_eq!(kraft_version(1), [0, 0, 0, 1, 0].as_slice());
    }

    #[test]
    fn other_control_records_are_no_markers() {
        let bytes = control_batch(
            BatchSpec::default(),
            5,
            &[
                (ControlType::LeaderChange, leader_change(1, &[1], &[1])),
                (ControlType::KraftVersion, kraft_version(1)),
            ],
        );
        let batch = Batch::parse(&bytes).unwrap();
        assert_eq!(batch.header.attributes, 0x20);
        assert_eq!(EndMarker::read(&batch), None);
        assert_eq!(ControlType::from_key(&[0, 0, 0, 2]), Some(ControlType::LeaderChange));
        assert_eq!(ControlType::from_key(&[0, 0, 0, 9]), None);
        assert_eq!(ControlType::from_key(&[0]), None);
    }
}
