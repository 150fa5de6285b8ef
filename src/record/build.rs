//! Builds record batches: for coordinators, the metadata log, markers, recompression and tests.

use crate::record::compress;
use crate::record::compress::Codec;
use crate::record::compress::Compression;
use crate::record::header::BatchHeader;
use crate::record::header::HEADER_SIZE;
use crate::record::header::LOG_OVERHEAD;
use crate::record::header::MAGIC;
use crate::record::varint::put_nullable;
use crate::record::varint::put_varint;
use crate::record::varint::put_varlong;
use crate::types::LeaderEpoch;
use crate::types::NO_PRODUCER_ID;
use crate::types::NO_TIMESTAMP;
use crate::types::Offset;
use crate::types::ProducerEpoch;
use crate::types::ProducerId;
use crate::types::Timestamp;
use bytes::Bytes;

/// What a batch says of itself besides its records.
#[derive(Clone, Copy, Debug)]
pub struct BatchSpec {
    pub base_offset: Offset,
    pub leader_epoch: LeaderEpoch,
    pub producer_id: ProducerId,
    pub producer_epoch: ProducerEpoch,
    pub base_sequence: i32,
    pub transactional: bool,
    pub control: bool,
    /// Makes this the time of every record.
    pub append_time: Option<Timestamp>,
}

impl Default for BatchSpec {
    fn default() -> BatchSpec {
        BatchSpec {
            base_offset: 0,
            leader_epoch: -1,
            producer_id: NO_PRODUCER_ID,
            producer_epoch: -1,
            base_sequence: -1,
            transactional: false,
            control: false,
            append_time: None,
        }
    }
}

/// A header of a record: key, and value if it has one.
pub type RecordHeader<'a> = (&'a [u8], Option<&'a [u8]>);

pub struct BatchBuilder {
    spec: BatchSpec,
    body: Vec<u8>,
    record: Vec<u8>,
    count: i32,
    last_offset_delta: i32,
    base_timestamp: Timestamp,
    max_timestamp: Timestamp,
}

impl BatchBuilder {
    pub fn new(spec: BatchSpec) -> BatchBuilder {
        BatchBuilder {
            spec,
            body: Vec::new(),
            record: Vec::new(),
            count: 0,
            last_offset_delta: -1,
            base_timestamp: NO_TIMESTAMP,
            max_timestamp: NO_TIMESTAMP,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn count(&self) -> i32 {
        self.count
    }

    /// Bytes of the batch if it were closed now without compression.
    pub fn size(&self) -> usize {
        HEADER_SIZE + self.body.len()
    }

    /// Appends a record at the next offset.
    pub fn push(
        &mut self,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[RecordHeader<'_>],
    ) {
        if self.count == 0 {
            self.base_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        self.last_offset_delta += 1;
        self.count += 1;
        let record = &mut self.record;
        record.clear();
        record.push(0);
        put_varlong(record, timestamp.wrapping_sub(self.base_timestamp));
        put_varint(record, self.last_offset_delta);
        put_nullable(record, key);
        put_nullable(record, value);
        put_varint(record, headers.len() as i32);
        for (key, value) in headers {
            put_nullable(record, Some(key));
            put_nullable(record, *value);
        }
        put_varint(&mut self.body, self.record.len() as i32);
        self.body.extend_from_slice(&self.record);
    }

    /// Closes the batch. A codec that fails on memory it was given is a bug of ours, so it falls back to none.
    pub fn finish(self, how: Compression) -> Bytes {
        let (codec, body) = match compress::compress(how, &self.body) {
            Ok(packed) if how.codec != Codec::None => (how.codec, packed),
            _ => (Codec::None, self.body),
        };
        let mut header = BatchHeader {
            base_offset: self.spec.base_offset,
            length: (HEADER_SIZE - LOG_OVERHEAD + body.len()) as i32,
            leader_epoch: self.spec.leader_epoch,
            magic: MAGIC,
            crc: 0,
            attributes: codec.id(),
            last_offset_delta: self.last_offset_delta.max(0),
            base_timestamp: self.base_timestamp,
            max_timestamp: self.spec.append_time.unwrap_or(self.max_timestamp),
            producer_id: self.spec.producer_id,
            producer_epoch: self.spec.producer_epoch,
            base_sequence: self.spec.base_sequence,
            count: self.count,
        };
        header.set_log_append_time(self.spec.append_time.is_some());
        header.set_transactional(self.spec.transactional);
        header.set_control(self.spec.control);
        header.crc = crc32c::crc32c_append(header.crc_of_fields(), &body);
        let mut bytes = Vec::with_capacity(HEADER_SIZE + body.len());
        bytes.extend_from_slice(&header.to_bytes());
        bytes.extend_from_slice(&body);
        Bytes::from(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::batch::Batch;
    use crate::record::reader::RecordFault;

    fn sample(codec: Codec) -> Bytes {
        let mut builder = BatchBuilder::new(BatchSpec {
            base_offset: 10,
            ..BatchSpec::default()
        });
        builder.push(1_000, Some(b"k"), Some(b"v"), &[(b"h", Some(b"x")), (b"n", None)]);
        builder.push(900, None, Some(b""), &[]);
        builder.push(1_100, Some(b"gone"), None, &[]);
        builder.finish(Compression::of(codec))
    }

    #[test]
    fn records_read_back_with_every_codec() {
        for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let bytes = sample(codec);
            let batch = Batch::parse(&bytes).unwrap();
            assert!(batch.is_intact());
            assert_eq!(batch.header.codec(), Some(codec));
            assert_eq!((batch.header.last_offset(), batch.header.max_timestamp), (12, 1_100));
            let mut seen = Vec::new();
            batch
                .for_each_record(1 << 20, |record| {
                    let headers = record
                        .headers()
                        .map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec)));
                    seen.push((
                        record.offset,
                        record.timestamp,
                        record.key.map(<[u8]>::to_vec),
                        headers.count(),
                    ));
                    true
                })
                .unwrap();
            let expected = vec![
                (10, 1_000, Some(b"k".to_vec()), 2),
                (11, 900, None, 0),
                (12, 1_100, Some(b"gone".to_vec()), 0),
            ];
            assert_eq!(seen, expected, "{codec:?}");
        }
    }

    #[test]
    fn a_wrong_count_is_noticed() {
        for (count, fault) in [(2, RecordFault::TooMany), (4, RecordFault::TooFew)] {
            let bytes = sample(Codec::None);
            let mut batch = Batch::parse(&bytes).unwrap();
            batch.header.count = count;
            assert_eq!(batch.for_each_record(1 << 20, |_| true), Err(fault));
        }
    }
}
