//! What compaction leaves of a batch: offsets, sequence numbers and epochs stay, records go.

use crate::record::batch::Batch;
use crate::record::compress;
use crate::record::compress::Codec;
use crate::record::compress::Compression;
use crate::record::header::BatchHeader;
use crate::record::header::HEADER_SIZE;
use crate::record::header::LOG_OVERHEAD;
use crate::record::reader::Record;
use crate::record::reader::RecordFault;
use crate::types::NO_TIMESTAMP;
use crate::types::Timestamp;

/// What is left.
#[derive(Debug, PartialEq, Eq)]
pub enum Left {
    /// The batch as it is.
    Everything,
    /// This header and body in its place.
    Part(BatchHeader, Vec<u8>),
    /// No record.
    Nothing,
}

/// How a batch is filtered.
#[derive(Clone, Copy, Debug)]
pub struct Filter {
    /// No more memory than this for its decompressed records.
    pub limit: usize,
    /// The delete horizon for tombstones that have none yet.
    pub horizon: Timestamp,
    /// It holds a marker whose transaction is gone: that gets a horizon, too.
    pub idle_marker: bool,
}

impl Filter {
    /// Keeps the records that `keep` wants.
    pub fn apply(&self, batch: &Batch<'_>, mut keep: impl FnMut(&Record<'_>) -> bool) -> Result<Left, RecordFault> {
        let plain = batch.plain_body(self.limit)?;
        let mut header = batch.header;
        header.set_codec(Codec::None);
        let plain = Batch { header, body: &plain };
        let mut kept = Vec::new();
        let mut summary = Summary::default();
        plain.for_each_record(self.limit, |record| {
            let keeps = keep(&record);
            kept.push(keeps);
            if keeps {
                summary.add(&record);
            }
            true
        })?;
        let Some(first_timestamp) = summary.first_timestamp else {
            return Ok(Left::Nothing);
        };
        let known = batch.header.delete_horizon();
        let new_horizon = known.is_none() && (summary.has_tombstone || self.idle_marker);
        if kept.iter().all(|keeps| *keeps) && !new_horizon {
            return Ok(Left::Everything);
        }
        let mut header = batch.header;
        header.base_timestamp = first_timestamp;
        header.set_delete_horizon(known.or(new_horizon.then_some(self.horizon)));
        header.count = summary.count;
        if !header.is_log_append_time() {
            header.max_timestamp = summary.max_timestamp;
        }
        rebuild(&plain, &kept, header)
    }
}

/// What is known of the records that stay.
#[derive(Default)]
struct Summary {
    first_timestamp: Option<Timestamp>,
    max_timestamp: Timestamp,
    count: i32,
    has_tombstone: bool,
}

impl Summary {
    fn add(&mut self, record: &Record<'_>) {
        if self.first_timestamp.is_none() {
            self.first_timestamp = Some(record.timestamp);
            self.max_timestamp = NO_TIMESTAMP;
        }
        self.max_timestamp = self.max_timestamp.max(record.timestamp);
        self.count += 1;
        self.has_tombstone |= record.value.is_none();
    }
}

fn rebuild(plain: &Batch<'_>, kept: &[bool], mut header: BatchHeader) -> Result<Left, RecordFault> {
    let (mut body, mut scratch) = (Vec::with_capacity(plain.body.len()), Vec::new());
    let base = (header.base_offset, header.base_timestamp);
    let mut kept = kept.iter();
    plain.for_each_record(plain.body.len(), |record| {
        if kept.next().is_some_and(|keeps| *keeps) {
            record.write_to(base, &mut scratch, &mut body);
        }
        true
    })?;
    let codec = header.codec().unwrap_or(Codec::None);
    match compress::compress(Compression::of(codec), &body) {
        Ok(packed) => body = packed,
        Err(_) => header.set_codec(Codec::None),
    }
    close(&mut header, &body);
    Ok(Left::Part(header, body))
}

/// The batch without any record: it still tells the last offset, and the last sequence number of its producer.
pub fn emptied(header: &BatchHeader) -> BatchHeader {
    let mut header = *header;
    header.set_codec(Codec::None);
    header.set_delete_horizon(None);
    header.base_timestamp = NO_TIMESTAMP;
    header.count = 0;
    close(&mut header, &[]);
    header
}

fn close(header: &mut BatchHeader, body: &[u8]) {
    header.length = (HEADER_SIZE - LOG_OVERHEAD + body.len()) as i32;
    header.crc = crc32c::crc32c_append(header.crc_of_fields(), body);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::build::BatchBuilder;
    use crate::record::build::BatchSpec;
    use crate::types::Offset;
    use bytes::Bytes;

    const FILTER: Filter = Filter {
        limit: 1 << 20,
        horizon: 9_000,
        idle_marker: false,
    };

    fn sample(codec: Codec, append_time: Option<Timestamp>) -> Bytes {
        let mut builder = BatchBuilder::new(BatchSpec {
            base_offset: 100,
            leader_epoch: 4,
            producer_id: 7,
            producer_epoch: 2,
            base_sequence: 30,
            append_time,
            ..BatchSpec::default()
        });
        builder.push(1_000, Some(b"a"), Some(b"old"), &[(b"h", Some(b"x")), (b"n", None)]);
        builder.push(3_000, Some(b"b"), Some(b"new"), &[(b"h", Some(b"y"))]);
        builder.push(2_000, Some(b"c"), None, &[]);
        builder.push(2_500, Some(b"d"), Some(b""), &[]);
        builder.finish(Compression::of(codec))
    }

    type Seen = (Offset, Timestamp, Option<Vec<u8>>, Option<Vec<u8>>, usize);

    fn seen(batch: &Batch<'_>) -> Vec<Seen> {
        let mut seen = Vec::new();
        let add = |record: Record<'_>| {
            seen.push((
                record.offset,
                record.timestamp,
                record.key.map(<[u8]>::to_vec),
                record.value.map(<[u8]>::to_vec),
                record.headers().count(),
            ));
            true
        };
        batch.for_each_record(1 << 20, add).unwrap();
        seen
    }

    #[test]
    fn what_stays_keeps_its_offset_time_key_value_and_headers() {
        for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let bytes = sample(codec, None);
            let batch = Batch::parse(&bytes).unwrap();
            let all = seen(&batch);
            for (case, wanted, horizon, times) in [
                ("the last", vec![103], None, (2_500, 2_500)),
                ("without tombstones", vec![100, 101, 103], None, (1_000, 3_000)),
                ("with a tombstone", vec![101, 102], Some(9_000), (9_000, 3_000)),
                (
                    "all, with a tombstone",
                    vec![100, 101, 102, 103],
                    Some(9_000),
                    (9_000, 3_000),
                ),
            ] {
                let left = FILTER.apply(&batch, |record| wanted.contains(&record.offset)).unwrap();
                let Left::Part(header, body) = left else {
                    panic!("{case}: {left:?}")
                };
                let part = Batch { header, body: &body };
                let (old, new) = (&batch.header, &part.header);
                assert!(part.is_intact() && header.size() == Some(part.size()), "{case}");
                assert_eq!((new.base_timestamp, new.max_timestamp), times, "{case}");
                assert_eq!(
                    (new.delete_horizon(), new.count as usize),
                    (horizon, wanted.len()),
                    "{case}"
                );
                assert_eq!(
                    (new.base_offset, new.last_offset()),
                    (old.base_offset, old.last_offset())
                );
                assert_eq!((new.base_sequence, new.last_sequence()), (30, 33));
                assert_eq!((new.codec(), new.leader_epoch), (Some(codec), 4));
                let expected = all.iter().filter(|seen| wanted.contains(&seen.0)).cloned();
                assert_eq!(seen(&part), expected.collect::<Vec<_>>(), "{case} {codec:?}");
            }
        }
    }

    #[test]
    fn a_batch_is_only_touched_where_something_changes() {
        let bytes = sample(Codec::None, None);
        let batch = Batch::parse(&bytes).unwrap();
        assert_eq!(FILTER.apply(&batch, |_| false), Ok(Left::Nothing));
        let Ok(Left::Part(header, body)) = FILTER.apply(&batch, |_| true) else {
            panic!("a tombstone wants a horizon")
        };
        let later = Filter {
            horizon: 10_000,
            ..FILTER
        };
        let batch = Batch { header, body: &body };
        assert_eq!(
            later.apply(&batch, |_| true),
            Ok(Left::Everything),
            "the first horizon counts"
        );
        let Ok(Left::Part(header, _)) = later.apply(&batch, |record| record.value.is_some()) else {
            panic!("a record went")
        };
        assert_eq!((header.delete_horizon(), header.max_timestamp), (Some(9_000), 3_000));
    }

    #[test]
    fn the_time_of_appending_stays_the_time_of_every_record() {
        let bytes = sample(Codec::Lz4, Some(5_000));
        let batch = Batch::parse(&bytes).unwrap();
        let Ok(Left::Part(header, body)) = FILTER.apply(&batch, |record| record.offset != 101) else {
            panic!("a record went")
        };
        let part = Batch { header, body: &body };
        assert_eq!(part.header.max_timestamp, 5_000);
        assert!(seen(&part).iter().all(|seen| seen.1 == 5_000));
    }

    #[test]
    fn an_empty_batch_still_tells_offsets_and_sequence_numbers() {
        let bytes = sample(Codec::Zstd, None);
        let old = Batch::parse(&bytes).unwrap().header;
        let header = emptied(&old);
        let batch = Batch { header, body: &[] };
        assert!(batch.is_intact() && header.size() == Some(HEADER_SIZE));
        assert_eq!((header.base_offset, header.last_offset(), header.count), (100, 103, 0));
        assert_eq!((header.base_timestamp, header.max_timestamp), (-1, 3_000));
        assert_eq!((header.last_sequence(), header.codec()), (33, Some(Codec::None)));
        assert_eq!(FILTER.apply(&batch, |_| true), Ok(Left::Nothing));
    }

    #[test]
    fn noise_and_bombs_are_faults() {
        let bytes = sample(Codec::Zstd, None);
        let mut batch = Batch::parse(&bytes).unwrap();
        let small = Filter { limit: 10, ..FILTER };
        assert_eq!(small.apply(&batch, |_| true), Err(RecordFault::Decompression));
        batch.header.count += 1;
        assert_eq!(FILTER.apply(&batch, |_| true), Err(RecordFault::TooFew));
    }
}
