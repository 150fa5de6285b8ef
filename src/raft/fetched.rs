//! Judges the batches that a leader sent, before anything is done with them.

use crate::raft::follow::LogEnd;
use crate::record::batch::batches;
use crate::record::header::MAGIC;
use crate::types::LeaderEpoch;
use crate::types::Offset;
use bytes::Bytes;
use std::fmt;

/// Why records cannot follow those that are here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Not even one whole batch.
    Torn,
    Damaged(Offset),
    /// The batch does not begin where the one before it ends, or skips offsets within.
    Offsets {
        expected: Offset,
        found: Offset,
    },
    /// An epoch that is below the one before it, or above the leader's.
    Epoch {
        offset: Offset,
        epoch: LeaderEpoch,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Torn => f.write_str("no whole batch"),
            Fault::Damaged(offset) => write!(f, "a damaged batch at offset {offset}"),
            Fault::Offsets { expected, found } => write!(f, "offset {found} where {expected} was due"),
            Fault::Epoch { offset, epoch } => write!(f, "epoch {epoch} at offset {offset}"),
        }
    }
}

/// The whole batches among `records`, and where the log ends with them. The last one may have been cut short.
pub fn judge(records: &Bytes, end: LogEnd, leader_epoch: LeaderEpoch) -> Result<(Bytes, LogEnd), Fault> {
    let mut walk = batches(records);
    let mut end = end;
    for batch in walk.by_ref() {
        let header = &batch.header;
        if header.magic != MAGIC || !batch.is_intact() {
            return Err(Fault::Damaged(end.offset));
        }
        if header.base_offset != end.offset || !header.is_plausible(end.offset) {
            let (expected, found) = (end.offset, header.base_offset);
            return Err(Fault::Offsets { expected, found });
        }
        if i64::from(header.count) != i64::from(header.last_offset_delta) + 1 {
            let (expected, found) = (end.offset + i64::from(header.count), header.next_offset());
            return Err(Fault::Offsets { expected, found });
        }
        if header.leader_epoch < end.epoch || header.leader_epoch > leader_epoch {
            let (offset, epoch) = (header.base_offset, header.leader_epoch);
            return Err(Fault::Epoch { offset, epoch });
        }
        end = LogEnd {
            offset: header.next_offset(),
            epoch: header.leader_epoch,
        };
    }
    let whole = records.len() - walk.rest().len();
    match whole == 0 && !records.is_empty() {
        true => Err(Fault::Torn),
        false => Ok((records.slice(..whole), end)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::entries::data_batch;

    fn batch(base_offset: Offset, epoch: LeaderEpoch, count: usize) -> Vec<u8> {
        let values = vec![Bytes::from_static(b"value"); count];
        data_batch(base_offset, epoch, 1000, values.iter()).to_vec()
    }

    #[test]
    fn only_what_follows_on_is_taken() {
        let two = [batch(10, 3, 2), batch(12, 4, 1)].concat();
        let mut flipped = two.clone();
        *flipped.last_mut().unwrap() ^= 1;
        let cut = two[..two.len() - 1].to_vec();
        let first = batch(10, 3, 2).len();
        // The count of the first batch's records; the checksum covers it.
        let mut short = batch(10, 3, 2);
        short[60] = 1;
        let crc = crc32c::crc32c(&short[21..]).to_be_bytes();
        short[17..21].copy_from_slice(&crc);
        for (case, records, expected) in [
            ("nothing", vec![], Ok((0, 10, 3))),
            ("two batches", two.clone(), Ok((two.len(), 13, 4))),
            ("the last is cut short", cut, Ok((first, 12, 3))),
            ("all is cut short", two[..70].to_vec(), Err(Fault::Torn)),
            ("noise", vec![0xa5; 100], Err(Fault::Torn)),
            ("damage", flipped, Err(Fault::Damaged(12))),
            (
                "a gap",
                batch(11, 3, 1),
                Err(Fault::Offsets {
                    expected: 10,
                    found: 11,
                }),
            ),
            (
                "what is here already",
                batch(9, 3, 2),
                Err(Fault::Offsets { expected: 10, found: 9 }),
            ),
            (
                "offsets without records",
                short,
                Err(Fault::Offsets {
                    expected: 11,
                    found: 12,
                }),
            ),
            (
                "an epoch before ours",
                batch(10, 2, 1),
                Err(Fault::Epoch { offset: 10, epoch: 2 }),
            ),
            (
                "an epoch after the leader's",
                batch(10, 6, 1),
                Err(Fault::Epoch { offset: 10, epoch: 6 }),
            ),
        ] {
            let end = LogEnd { offset: 10, epoch: 3 };
            let judged = judge(&Bytes::from(records), end, 5);
            let judged = judged.map(|(whole, end)| (whole.len(), end.offset, end.epoch));
            assert_eq!(judged, expected, "{case}");
        }
    }
}
