//! The entries of the metadata log and of snapshots: batches of values, and control batches of the quorum's own.

use crate::record::batch::Batch;
use crate::record::batch::batches;
use crate::record::build::BatchBuilder;
use crate::record::build::BatchSpec;
use crate::record::compress::Compression;
use crate::record::control::ControlType;
use crate::schema::Message;
use crate::schema::k_raft_version_record::KRaftVersionRecord;
use crate::schema::wire::Reader;
use crate::types::LeaderEpoch;
use crate::types::Offset;
use crate::types::Timestamp;
use bytes::Bytes;
use std::fmt;

/// Metadata is not compressed; whoever compresses it must not make more than this of one batch.
const BODY_LIMIT: usize = 64 << 20;

/// 1: the members of a quorum can change.
const LATEST_KRAFT_VERSION: i16 = 1;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub offset: Offset,
    pub epoch: LeaderEpoch,
    pub timestamp: Timestamp,
    /// `None`: a value for the controllers and brokers. A control record of a kind that nobody knows says nothing.
    pub control: Option<Option<ControlType>>,
    pub value: Bytes,
}

impl Entry {
    /// Whether this release knows what a record of the quorum's own says. Of values their decoder tells.
    pub fn is_understood(&self) -> bool {
        match self.control {
            None => true,
            Some(None) => false,
            Some(Some(ControlType::KraftVersion)) => {
                let record = KRaftVersionRecord::decode(&mut Reader::new(self.value.clone()), 0);
                record.is_ok_and(|record| (0..=LATEST_KRAFT_VERSION).contains(&record.k_raft_version))
            }
            Some(Some(_)) => true,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryError {
    /// A batch whose checksum or records do not fit.
    Damaged { base_offset: Offset },
    /// Bytes that are no whole batch.
    Torn { rest: usize },
}

impl fmt::Display for EntryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EntryError::Damaged { base_offset } => write!(f, "the batch at offset {base_offset} is damaged"),
            EntryError::Torn { rest } => write!(f, "the last {rest} bytes are no whole batch"),
        }
    }
}

impl std::error::Error for EntryError {}

/// Hands out the entries of all batches, batch by batch: one batch is one step of the metadata.
pub fn each_batch(bytes: &[u8], mut hand: impl FnMut(Vec<Entry>)) -> Result<(), EntryError> {
    let mut walk = batches(bytes);
    for batch in walk.by_ref() {
        hand(of_batch(&batch)?);
    }
    match walk.rest().len() {
        0 => Ok(()),
        rest => Err(EntryError::Torn { rest }),
    }
}

pub fn of_batch(batch: &Batch<'_>) -> Result<Vec<Entry>, EntryError> {
    let damaged = EntryError::Damaged {
        base_offset: batch.header.base_offset,
    };
    if !batch.is_intact() {
        return Err(damaged);
    }
    let mut found = Vec::new();
    let walked = batch.for_each_record(BODY_LIMIT, |record| {
        let control = batch
            .header
            .is_control()
            .then(|| record.key.and_then(ControlType::from_key));
        found.push(Entry {
            offset: record.offset,
            epoch: batch.header.leader_epoch,
            timestamp: record.timestamp,
            control,
            // A copy: what the image keeps of it must not keep the whole buffer alive.
            value: Bytes::copy_from_slice(record.value.unwrap_or_default()),
        });
        true
    });
    walked.map(|()| found).map_err(|_| damaged)
}

/// A batch of values, as the metadata log and snapshots have them.
pub fn data_batch<'a>(
    base_offset: Offset,
    leader_epoch: LeaderEpoch,
    timestamp: Timestamp,
    values: impl Iterator<Item = &'a Bytes>,
) -> Bytes {
    let mut builder = BatchBuilder::new(BatchSpec {
        base_offset,
        leader_epoch,
        ..BatchSpec::default()
    });
    values.for_each(|value| builder.push(timestamp, None, Some(value), &[]));
    builder.finish(Compression::NONE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::control::kraft_version;

    #[test]
    fn values_come_back_batch_by_batch() {
        let values = [Bytes::from_static(b"a"), Bytes::from_static(b"b")];
        let mut bytes = data_batch(5, 2, 1000, values.iter()).to_vec();
        bytes.extend_from_slice(&data_batch(7, 3, 1001, values[..1].iter()));
        let mut seen = Vec::new();
        each_batch(&bytes, |batch| {
            seen.push(
                batch
                    .iter()
                    .map(|entry| (entry.offset, entry.epoch, entry.value.clone()))
                    .collect::<Vec<_>>(),
            );
        })
        .unwrap();
        let [a, b] = values;
        assert_eq!(seen, [vec![(5, 2, a.clone()), (6, 2, b)], vec![(7, 3, a)]]);
    }

    #[test]
    fn a_record_of_a_later_quorum_is_not_understood() {
        for (kind, value, understood) in [
            (Some(ControlType::KraftVersion), kraft_version(1), true),
            (Some(ControlType::KraftVersion), kraft_version(2), false),
            (Some(ControlType::KraftVersion), Bytes::new(), false),
            (Some(ControlType::LeaderChange), Bytes::new(), true),
            (None, Bytes::new(), false),
        ] {
            let entry = Entry {
                offset: 0,
                epoch: 0,
                timestamp: 0,
                control: Some(kind),
                value,
            };
            assert_eq!(entry.is_understood(), understood, "{entry:?}");
        }
    }

    #[test]
    fn damage_is_told_from_a_torn_end() {
        let bytes = data_batch(0, 1, 0, [Bytes::from_static(b"value")].iter()).to_vec();
        let torn = each_batch(&bytes[..bytes.len() - 1], |_| {});
        assert_eq!(torn, Err(EntryError::Torn { rest: bytes.len() - 1 }));
        let mut flipped = bytes.clone();
        *flipped.last_mut().unwrap() ^= 1;
        assert_eq!(
            each_batch(&flipped, |_| {}),
            Err(EntryError::Damaged { base_offset: 0 })
        );
    }
}
