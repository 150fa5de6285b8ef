//! Snapshots of the metadata: a header, the records in batches with offsets of their own, a footer.
//!
//! A snapshot without its footer was not finished and counts for nothing.

use crate::raft::entries::EntryError;
use crate::raft::entries::data_batch;
use crate::raft::entries::each_batch;
use crate::raft::epoch::VoterSet;
use crate::record::build::BatchSpec;
use crate::record::control::ControlType;
use crate::record::control::control_batch;
use crate::record::control::kraft_version;
use crate::record::control::snapshot_footer;
use crate::record::control::snapshot_header;
use crate::types::LeaderEpoch;
use crate::types::Offset;
use crate::types::Timestamp;
use bytes::Bytes;
use std::fmt;

/// Bytes of values after which a batch is closed.
const BATCH_BYTES: usize = 1 << 20;

/// A snapshot holds everything below `end_offset`; `epoch` is that of the last record in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotId {
    pub end_offset: Offset,
    pub epoch: LeaderEpoch,
}

impl SnapshotId {
    /// What formatting leaves for a quorum whose members can change: its voters, and no metadata.
    pub const FORMATTED: SnapshotId = SnapshotId {
        end_offset: 0,
        epoch: 0,
    };

    pub fn file_name(&self) -> String {
        format!("{:020}-{:010}.checkpoint", self.end_offset, self.epoch)
    }

    pub fn parse(name: &str) -> Option<SnapshotId> {
        let (offset, epoch) = name.strip_suffix(".checkpoint")?.split_once('-')?;
        let digits = |text: &str, count: usize| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(offset, 20) || !digits(epoch, 10) {
            return None;
        }
        Some(SnapshotId {
            end_offset: offset.parse().ok()?,
            epoch: epoch.parse().ok()?,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SnapshotError {
    Entry(EntryError),
    /// No footer, or no header.
    Unfinished,
    /// A record of the quorum's own that came after this release.
    Unknown,
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SnapshotError::Entry(error) => error.fmt(f),
            SnapshotError::Unknown => f.write_str("a control record of the quorum is not known"),
            SnapshotError::Unfinished => f.write_str("the snapshot has no header or no footer"),
        }
    }
}

impl std::error::Error for SnapshotError {}

/// Beside the records: what the quorum keeps for itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SnapshotHead {
    pub last_contained: Timestamp,
    /// `None` with kraft.version 0.
    pub voters: Option<VoterSet>,
}

/// Makes the bytes of a snapshot.
pub struct SnapshotBuilder {
    bytes: Vec<u8>,
    epoch: LeaderEpoch,
    now: Timestamp,
    next_offset: Offset,
    pending: Vec<Bytes>,
    pending_bytes: usize,
}

impl SnapshotBuilder {
    pub fn new(epoch: LeaderEpoch, head: &SnapshotHead, now: Timestamp) -> SnapshotBuilder {
        let pending = Vec::new();
        let mut builder = SnapshotBuilder {
            bytes: Vec::new(),
            epoch,
            now,
            next_offset: 0,
            pending,
            pending_bytes: 0,
        };
        let mut records = vec![(ControlType::SnapshotHeader, snapshot_header(head.last_contained))];
        if let Some(voters) = &head.voters {
            records.push((ControlType::KraftVersion, kraft_version(1)));
            records.push((ControlType::KraftVoters, voters.0.clone()));
        }
        builder.control(&records);
        builder
    }

    pub fn push(&mut self, value: Bytes) {
        self.pending_bytes += value.len();
        self.pending.push(value);
        if self.pending_bytes >= BATCH_BYTES {
            self.close_batch();
        }
    }

    pub fn finish(mut self) -> Vec<u8> {
        self.close_batch();
        self.control(&[(ControlType::SnapshotFooter, snapshot_footer())]);
        self.bytes
    }

    fn close_batch(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let batch = data_batch(self.next_offset, self.epoch, self.now, self.pending.iter());
        self.bytes.extend_from_slice(&batch);
        self.next_offset += self.pending.len() as Offset;
        self.pending.clear();
        self.pending_bytes = 0;
    }

    fn control(&mut self, records: &[(ControlType, Bytes)]) {
        let spec = BatchSpec {
            base_offset: self.next_offset,
            leader_epoch: self.epoch,
            ..BatchSpec::default()
        };
        self.bytes.extend_from_slice(&control_batch(spec, self.now, records));
        self.next_offset += records.len() as Offset;
    }
}

/// Hands out the values of a finished snapshot, in order.
pub fn read_snapshot(bytes: &[u8], mut hand: impl FnMut(Bytes)) -> Result<SnapshotHead, SnapshotError> {
    let mut head = SnapshotHead::default();
    let (mut begun, mut ended, mut understood) = (false, false, true);
    let walked = each_batch(bytes, |entries| {
        for entry in entries {
            understood &= entry.is_understood();
            match entry.control {
                None => hand(entry.value),
                Some(Some(ControlType::SnapshotHeader)) => {
                    begun = true;
                    let timestamp = entry.value.get(2..).and_then(|rest| rest.first_chunk::<8>());
                    head.last_contained = timestamp.map_or(-1, |bytes| i64::from_be_bytes(*bytes));
                }
                Some(Some(ControlType::KraftVoters)) => head.voters = Some(VoterSet(entry.value)),
                Some(Some(ControlType::SnapshotFooter)) => ended = true,
                Some(_) => {}
            }
        }
    });
    walked.map_err(SnapshotError::Entry)?;
    match (begun && ended, understood) {
        (false, _) => Err(SnapshotError::Unfinished),
        (true, false) => Err(SnapshotError::Unknown),
        (true, true) => Ok(head),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kafkas_and_nothing_else_is_a_snapshot() {
        let id = SnapshotId {
            end_offset: 1234,
            epoch: 7,
        };
        assert_eq!(id.file_name(), "00000000000000001234-0000000007.checkpoint");
        assert_eq!(SnapshotId::parse(&id.file_name()), Some(id));
        for name in [
            "00000000000000001234-0000000007.checkpoint.part",
            "00000000000000001234-0000000007.checkpoint.deleted",
            "1234-7.checkpoint",
            "bootstrap.checkpoint",
            "-0000000000000000001-0000000007.checkpoint",
        ] {
            assert_eq!(SnapshotId::parse(name), None, "{name}");
        }
    }

    #[test]
    fn values_come_back_in_order_over_many_batches() {
        let values: Vec<Bytes> = (0..40u8).map(|byte| Bytes::from(vec![byte; 100_000])).collect();
        let head = SnapshotHead {
            last_contained: 99,
            voters: Some(VoterSet(Bytes::from_static(b"voters"))),
        };
        let mut builder = SnapshotBuilder::new(3, &head, 1000);
        values.iter().for_each(|value| builder.push(value.clone()));
        let bytes = builder.finish();
        let mut seen = Vec::new();
        assert_eq!(read_snapshot(&bytes, |value| seen.push(value)), Ok(head));
        assert_eq!(seen, values);
        let mut offsets = Vec::new();
        each_batch(&bytes, |entries| {
            offsets.extend(entries.iter().map(|entry| entry.offset))
        })
        .unwrap();
        assert_eq!(
            offsets,
            (0..44).collect::<Vec<_>>(),
            "header, version, voters, 40 values, footer"
        );
    }

    #[test]
    fn a_snapshot_without_its_end_is_none() {
        let mut builder = SnapshotBuilder::new(3, &SnapshotHead::default(), 1000);
        builder.push(Bytes::from_static(b"value"));
        let whole = builder.finish();
        let spec = BatchSpec::default();
        let footer = control_batch(spec, 1000, &[(ControlType::SnapshotFooter, snapshot_footer())]).len();
        let unfinished = read_snapshot(&whole[..whole.len() - footer], |_| {});
        assert_eq!(unfinished.unwrap_err(), SnapshotError::Unfinished);
        assert!(matches!(
            read_snapshot(&whole[..whole.len() - 1], |_| {}),
            Err(SnapshotError::Entry(_))
        ));
    }
}
