//! What a round of cleaning keeps: for each key its latest record, and of what is deleted as much as others still need.

use crate::log::cleaner::offset_map::OffsetMap;
use crate::record::header::BatchHeader;
use crate::record::reader::Record;
use crate::types::Offset;
use crate::types::ProducerEpoch;
use crate::types::ProducerId;
use crate::types::Timestamp;
use std::collections::HashMap;

/// The last that a producer has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastOf {
    /// `None`: after its last marker it has written nothing.
    pub data_offset: Option<Offset>,
    pub epoch: ProducerEpoch,
}

pub struct Round<'a> {
    pub map: &'a OffsetMap,
    pub producers: &'a HashMap<ProducerId, LastOf>,
    /// Where this round ends at the latest.
    pub upper_bound: Offset,
    pub now: Timestamp,
}

/// What happens to a batch as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fate {
    /// No record of it is looked at any more.
    pub records_go: bool,
    /// It stays even if it is empty.
    pub stays: bool,
    /// A marker of a transaction of which nothing is left.
    pub idle_marker: bool,
}

impl Round<'_> {
    /// `discarded`: of an aborted transaction, or a marker of one of which nothing is left.
    pub fn batch(&self, header: &BatchHeader, discarded: bool) -> Fate {
        let is_control = header.is_control();
        Fate {
            records_go: discarded && (!is_control || self.is_over(header)),
            stays: self.is_last_of_producer(header) || header.next_offset() == self.upper_bound,
            idle_marker: discarded && is_control,
        }
    }

    /// The records of a batch whose records do not go as a whole.
    pub fn record(&self, header: &BatchHeader, record: &Record<'_>) -> bool {
        if header.is_control() || record.offset > self.map.latest() {
            return true;
        }
        let Some(key) = record.key else { return false };
        let is_latest = self.map.get(key).is_none_or(|latest| record.offset >= latest);
        is_latest && (record.value.is_some() || !self.is_over(header))
    }

    fn is_over(&self, header: &BatchHeader) -> bool {
        header.delete_horizon().is_some_and(|horizon| horizon <= self.now)
    }

    /// Its last sequence number, or else its last epoch, must not be lost.
    fn is_last_of_producer(&self, header: &BatchHeader) -> bool {
        let known = self.producers.get(&header.producer_id);
        let last = known.filter(|_| header.has_producer_id());
        last.is_some_and(|last| match last.data_offset {
            Some(offset) => header.last_offset() == offset,
            None => header.is_control() && header.producer_epoch == last.epoch,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::batch::Batch;
    use crate::record::build::BatchBuilder;
    use crate::record::build::BatchSpec;
    use crate::record::compress::Compression;

    const NOW: Timestamp = 1_000;

    /// Of producer 7, with offsets 10, 11 and 12: a value, a tombstone, and a record without a key.
    fn batch() -> bytes::Bytes {
        let mut builder = BatchBuilder::new(BatchSpec {
            base_offset: 10,
            producer_id: 7,
            producer_epoch: 3,
            ..BatchSpec::default()
        });
        builder.push(1, Some(b"k"), Some(b"v"), &[]);
        builder.push(1, Some(b"gone"), None, &[]);
        builder.push(1, None, Some(b"v"), &[]);
        builder.finish(Compression::NONE)
    }

    fn map(entries: &[(&[u8], Offset)], latest: Offset) -> OffsetMap {
        let mut map = OffsetMap::new(1_000, 0.9, 100);
        for (key, offset) in entries {
            map.put(key, *offset);
        }
        map.set_latest(latest);
        map
    }

    #[test]
    fn the_latest_record_of_each_key_is_kept() {
        for (case, entries, latest, horizon, kept) in [
            ("no key was seen", &[][..], 99, None, &[10, 11][..]),
            (
                "both are the latest",
                &[(&b"k"[..], 10), (b"gone", 11)],
                99,
                None,
                &[10, 11],
            ),
            ("a later value", &[(b"k", 50)], 99, None, &[11]),
            ("a later tombstone", &[(b"gone", 50)], 99, None, &[10]),
            ("beyond the map", &[(b"k", 50)], 9, None, &[10, 11, 12]),
            ("half beyond the map", &[], 10, None, &[10, 11, 12]),
            ("the horizon is to come", &[], 99, Some(NOW + 1), &[10, 11]),
            ("the horizon is here", &[], 99, Some(NOW), &[10]),
        ] {
            let map = map(entries, latest);
            let round = Round {
                map: &map,
                producers: &HashMap::new(),
                upper_bound: 500,
                now: NOW,
            };
            let bytes = batch();
            let batch = Batch::parse(&bytes).unwrap();
            let mut header = batch.header;
            header.set_delete_horizon(horizon);
            let mut found = Vec::new();
            let visit = |record: Record<'_>| {
                if round.record(&header, &record) {
                    found.push(record.offset);
                }
                true
            };
            batch.for_each_record(1_000, visit).unwrap();
            assert_eq!(found, kept, "{case}");
        }
    }

    #[test]
    fn a_batch_stays_for_its_producer_and_for_its_offset() {
        let last = |data_offset, epoch| HashMap::from([(7, LastOf { data_offset, epoch })]);
        for (case, producers, control, upper_bound, stays) in [
            ("a producer nobody knows", HashMap::new(), false, 500, false),
            ("its last batch", last(Some(12), 3), false, 500, true),
            ("not its last batch", last(Some(15), 3), false, 500, false),
            ("its last marker", last(None, 3), true, 500, true),
            ("a marker of an older epoch", last(None, 4), true, 500, false),
            ("data before its last marker", last(None, 3), false, 500, false),
            ("the end of the round", HashMap::new(), false, 13, true),
        ] {
            let mut header = Batch::parse(&batch()).unwrap().header;
            header.set_control(control);
            let map = map(&[], 99);
            let round = Round {
                map: &map,
                producers: &producers,
                upper_bound,
                now: NOW,
            };
            assert_eq!(round.batch(&header, false).stays, stays, "{case}");
        }
    }

    #[test]
    fn a_marker_waits_for_its_horizon_and_aborted_records_do_not() {
        for (case, control, discarded, horizon, records_go, idle_marker) in [
            ("data", false, false, None, false, false),
            ("aborted data", false, true, None, true, false),
            ("a marker that is needed", true, false, Some(0), false, false),
            ("an idle marker", true, true, None, false, true),
            ("before its horizon", true, true, Some(NOW + 1), false, true),
            ("at its horizon", true, true, Some(NOW), true, true),
        ] {
            let mut header = Batch::parse(&batch()).unwrap().header;
            header.set_control(control);
            header.set_delete_horizon(horizon);
            let map = map(&[], 99);
            let round = Round {
                map: &map,
                producers: &HashMap::new(),
                upper_bound: 500,
                now: NOW,
            };
            let fate = Fate {
                records_go,
                stays: false,
                idle_marker,
            };
            assert_eq!(round.batch(&header, discarded), fate, "{case}");
        }
    }
}
