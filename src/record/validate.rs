//! What a leader checks before it writes a client's batch, with Kafka's codes and words.
//!
//! The client's bytes are not copied: offsets and epoch lie outside the checksum, so a new header in
//! front of the old records is enough, unless the topic wants another codec.

use crate::record::batch::Batch;
use crate::record::batch::batches;
use crate::record::build::BatchBuilder;
use crate::record::build::BatchSpec;
use crate::record::compress;
use crate::record::compress::Codec;
use crate::record::compress::Compression;
use crate::record::header::BatchHeader;
use crate::record::header::HEADER_SIZE;
use crate::record::header::MAGIC;
use crate::record::reader::RecordFault;
use crate::record::reader::Skimmed;
use crate::record::reader::read_record;
use crate::record::reader::skim;
use crate::record::reader::skim_exact;
use crate::record::varint::Source;
use crate::record::varint::Stream;
use crate::types::ErrorCode;
use crate::types::NO_TIMESTAMP;
use crate::types::Timestamp;
use bytes::Bytes;
use std::io::BufReader;
use std::io::Read;

/// Who appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    Client,
    Coordinator,
    Raft,
}

/// What a topic asks of its batches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchRules {
    pub max_message_bytes: u32,
    pub log_append_time: bool,
    pub timestamp_before_max_ms: i64,
    pub timestamp_after_max_ms: i64,
    /// `None`: as the producer sends it.
    pub compression: Option<Compression>,
    pub compacted: bool,
}

/// Why a batch is refused. Kafka sends the message to clients only with record errors; otherwise it is for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub code: ErrorCode,
    pub message: String,
    pub records: Vec<RecordError>,
}

/// A record that is to blame, by its index in the batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordError {
    pub index: i32,
    pub message: String,
}

impl Rejection {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Rejection {
        Rejection {
            code,
            message: message.into(),
            records: Vec::new(),
        }
    }

    /// The message for the client, where Kafka sends one.
    pub fn client_message(&self) -> Option<&str> {
        (!self.records.is_empty()).then_some(self.message.as_str())
    }
}

/// A batch that may be written once it has its offset and epoch.
#[derive(Clone, Debug)]
pub struct Accepted {
    pub header: BatchHeader,
    /// The records, as they came or recompressed.
    pub body: Bytes,
    pub append_time: Option<Timestamp>,
}

impl Accepted {
    pub fn size(&self) -> u32 {
        (HEADER_SIZE + self.body.len()) as u32
    }
}

/// The first checks of a Produce request of `version`, before any partition is looked at.
pub fn check_produce(version: i16, records: &[u8]) -> Result<(), Rejection> {
    let mut walk = batches(records);
    let only = |what: &str| {
        Rejection::new(
            ErrorCode::InvalidRecord,
            format!("Produce requests with version {version} {what}"),
        )
    };
    framed(records)?;
    let Some(first) = walk.next() else {
        return Err(match is_whole(records) {
            true => Rejection::new(ErrorCode::CorruptMessage, "the batch is smaller than its header"),
            false => only("must have at least one record batch per partition"),
        });
    };
    if first.header.magic != MAGIC {
        return Err(only("are only allowed to contain record batches with magic version 2"));
    }
    if version < 7 && first.header.codec() == Some(Codec::Zstd) {
        let message = format!("Produce requests with version {version} are not allowed to use ZStandard compression");
        return Err(Rejection::new(ErrorCode::UnsupportedCompressionType, message));
    }
    framed(walk.rest())?;
    if walk.next().is_some() {
        return Err(only(
            "are only allowed to contain exactly one record batch per partition",
        ));
    }
    Ok(())
}

/// Whether all bytes are there that the first batch claims.
fn is_whole(records: &[u8]) -> bool {
    let length = records.get(8..12).and_then(|bytes| bytes.first_chunk::<4>());
    let length = length.and_then(|length| usize::try_from(i32::from_be_bytes(*length)).ok());
    length.is_some_and(|length| records.len() >= length.saturating_add(12))
}

/// The sizes and magic numbers that Kafka looks at before it calls something a batch; one that breaks these rules spoils
/// the whole request.
pub fn framed(records: &[u8]) -> Result<(), Rejection> {
    let corrupt = |message: String| Err(Rejection::new(ErrorCode::CorruptMessage, message));
    let Some(length) = records.get(8..12).and_then(|bytes| bytes.first_chunk::<4>()) else {
        return Ok(());
    };
    let length = i32::from_be_bytes(*length);
    if length < 14 {
        return corrupt(format!(
            "Record size {length} is less than the minimum record overhead (14)"
        ));
    }
    match records.get(16).map(|magic| *magic as i8) {
        Some(magic) if !(0..=2).contains(&magic) => corrupt(format!("Invalid magic found in record: {magic}")),
        _ => Ok(()),
    }
}

/// Judges the batch that is to be appended to `partition` (its name, for messages).
pub fn validate(
    records: &Bytes,
    rules: &BatchRules,
    origin: Origin,
    partition: &str,
    now: Timestamp,
) -> Result<Accepted, Rejection> {
    framed(records)?;
    let batch = Batch::parse(records)
        .ok_or_else(|| Rejection::new(ErrorCode::InvalidRecord, "Record batch has no batches at all"))?;
    let check = Check {
        batch,
        rules,
        origin,
        partition,
        now,
    };
    check.envelope()?;
    if batches(&records[batch.size()..]).next().is_some() {
        return check.refuse("Compressed outer record has more than one batch".into());
    }
    check.header()?;
    let body = records.slice(HEADER_SIZE..batch.size());
    check.records(body)
}

struct Check<'a> {
    batch: Batch<'a>,
    rules: &'a BatchRules,
    origin: Origin,
    partition: &'a str,
    now: Timestamp,
}

/// What the walk over the records found.
struct Walk {
    max_timestamp: Timestamp,
    offsets_in_order: bool,
}

impl Check<'_> {
    fn refuse<T>(&self, message: String) -> Result<T, Rejection> {
        Err(Rejection::new(ErrorCode::InvalidRecord, message))
    }

    /// Size, checksum and what may be told without the meaning of the batch.
    fn envelope(&self) -> Result<(), Rejection> {
        let (header, partition) = (&self.batch.header, self.partition);
        if header.magic != MAGIC {
            let message = format!("Batches with magic {} cannot be written to {partition}", header.magic);
            return Err(Rejection::new(ErrorCode::UnsupportedForMessageFormat, message));
        }
        if self.origin == Origin::Client && header.base_offset != 0 {
            return self.refuse(format!(
                "The baseOffset of the record batch in the append to {partition} should be 0, but it is {}",
                header.base_offset
            ));
        }
        let (size, limit) = (self.batch.size(), self.rules.max_message_bytes);
        if self.origin != Origin::Raft && size > limit as usize {
            let message = format!(
                "The record batch size in the append to {partition} is {size} bytes which exceeds the maximum configured value of {limit})."
            );
            return Err(Rejection::new(ErrorCode::MessageTooLarge, message));
        }
        if !self.batch.is_intact() {
            let message = format!(
                "Record is corrupt (stored crc = {}) in topic partition {partition}.",
                header.crc
            );
            return Err(Rejection::new(ErrorCode::CorruptMessage, message));
        }
        Ok(())
    }

    fn header(&self) -> Result<(), Rejection> {
        let (header, partition) = (&self.batch.header, self.partition);
        if header.codec().is_none() {
            let message = format!("Unknown compression type id: {}", header.attributes & 7);
            return Err(Rejection::new(ErrorCode::UnknownServerError, message));
        }
        if self.origin != Origin::Client {
            return Ok(());
        }
        let range = format!("[{}, {}]", header.base_offset, header.last_offset());
        let count_from_offsets = i64::from(header.last_offset_delta) + 1;
        if count_from_offsets <= 0 {
            return self.refuse(format!(
                "Batch has an invalid offset range: {range} in topic partition {partition}"
            ));
        }
        let count = header.count;
        if count <= 0 {
            return self.refuse(format!(
                "Invalid reported count for record batch: {count} in topic partition {partition}"
            ));
        }
        if count_from_offsets != i64::from(count) {
            return self.refuse(format!(
                "Inconsistent batch offset range {range} and count of records {count} in topic partition {partition}"
            ));
        }
        if header.is_control() {
            return self.refuse(format!(
                "Clients are not allowed to write control records in topic partition {partition}"
            ));
        }
        if header.has_producer_id() && header.base_sequence < 0 {
            return self.refuse(format!(
                "Invalid sequence number {} in record batch with producerId {} in topic partition {partition}",
                header.base_sequence, header.producer_id
            ));
        }
        Ok(())
    }

    fn records(&self, body: Bytes) -> Result<Accepted, Rejection> {
        let source = self.batch.header.codec().unwrap_or(Codec::None);
        let target = match self.rules.compression {
            Some(wanted) if !(source == Codec::None && self.batch.header.is_control()) => wanted,
            _ => Compression::of(source),
        };
        let walk = self.walk(source, target.codec)?;
        let in_place = source == target.codec && (walk.offsets_in_order || source == Codec::None);
        if in_place {
            Ok(self.in_place(body, &walk))
        } else {
            self.rebuild(target)
        }
    }

    /// Reads over all records and judges each.
    fn walk(&self, source: Codec, target: Codec) -> Result<Walk, Rejection> {
        let kind = if source == target && source != Codec::None {
            "PartialDefaultRecord"
        } else {
            "DefaultRecord"
        };
        if source == Codec::None {
            let mut rest = self.batch.body;
            let walk = self.walk_with(|| skim_exact(&mut rest), kind)?;
            return if rest.is_empty() {
                Ok(walk)
            } else {
                Err(self.fault(RecordFault::TooMany))
            };
        }
        let failed = |_| self.fault(RecordFault::Decompression);
        let plain = compress::decompressor(source, self.batch.body).map_err(failed)?;
        let mut stream = Stream::new(BufReader::with_capacity(WINDOW, plain.take(WALK_LIMIT)));
        let walk = self.walk_with(|| skim(&mut stream), kind);
        if stream.failure.is_some() {
            return Err(self.fault(RecordFault::Decompression));
        }
        let walk = walk?;
        // A checksum behind the records is looked at only here.
        match (stream.byte(), &stream.failure) {
            (Some(_), _) => Err(self.fault(RecordFault::TooMany)),
            (None, Some(_)) => Err(self.fault(RecordFault::Decompression)),
            (None, None) => Ok(walk),
        }
    }

    fn walk_with(&self, mut next: impl FnMut() -> Option<Skimmed>, kind: &str) -> Result<Walk, Rejection> {
        let header = &self.batch.header;
        let mut walk = Walk {
            max_timestamp: NO_TIMESTAMP,
            offsets_in_order: true,
        };
        let mut errors = RecordErrors::default();
        for index in 0..header.count {
            let record = next().ok_or_else(|| self.fault(RecordFault::Malformed))?;
            let timestamp = match header.is_log_append_time() {
                true => header.max_timestamp,
                false => header.base_timestamp.wrapping_add(record.timestamp_delta),
            };
            walk.max_timestamp = walk.max_timestamp.max(timestamp);
            walk.offsets_in_order &= record.offset_delta == index;
            if let Some((code, message)) = self.judge(&record, timestamp, kind) {
                errors.push(code, index, message);
            }
        }
        errors.verdict().map(|()| walk)
    }

    fn judge(&self, record: &Skimmed, timestamp: Timestamp, kind: &str) -> Option<(ErrorCode, String)> {
        let offset = self
            .batch
            .header
            .base_offset
            .wrapping_add(i64::from(record.offset_delta));
        if self.rules.compacted && record.key_size < 0 {
            let message = format!(
                "Compacted topic cannot accept message without key in topic partition {}",
                self.partition
            );
            return Some((ErrorCode::InvalidRecord, message));
        }
        if !self.rules.log_append_time && timestamp != NO_TIMESTAMP {
            let (before, after) = (self.rules.timestamp_before_max_ms, self.rules.timestamp_after_max_ms);
            let age = self.now.wrapping_sub(timestamp);
            return (age > before || age.wrapping_neg() > after).then(|| {
                let (first, last) = (self.now.wrapping_sub(before), self.now.wrapping_add(after));
                let message = format!(
                    "Timestamp {timestamp} of message with offset {offset} is out of range. The timestamp should be within [{first}, {last}]"
                );
                (ErrorCode::InvalidTimestamp, message)
            });
        }
        self.batch.header.is_log_append_time().then(|| {
            let (key, value) = (record.key_size.max(0), record.value_size.max(0));
            let message = format!(
                "Invalid timestamp type in message {kind}(offset={offset}, timestamp={timestamp}, key={key} bytes, value={value} bytes). Producer should not set timestamp type to LogAppendTime."
            );
            (ErrorCode::InvalidTimestamp, message)
        })
    }

    fn fault(&self, fault: RecordFault) -> Rejection {
        let code = match fault {
            RecordFault::Decompression => ErrorCode::UnknownServerError,
            RecordFault::Malformed | RecordFault::TooFew | RecordFault::TooMany => ErrorCode::InvalidRecord,
        };
        Rejection::new(code, fault.to_string())
    }

    /// The client's records behind a corrected header.
    fn in_place(&self, body: Bytes, walk: &Walk) -> Accepted {
        let append_time = self.rules.log_append_time.then_some(self.now);
        let old = self.batch.header;
        let mut header = old;
        header.max_timestamp = append_time.unwrap_or(walk.max_timestamp);
        header.set_log_append_time(append_time.is_some());
        if header != old {
            header.crc = crc_with_new_fields(&old, &header, body.len());
        }
        Accepted {
            header,
            body,
            append_time,
        }
    }

    /// The same records as a new batch in another codec.
    fn rebuild(&self, target: Compression) -> Result<Accepted, Rejection> {
        let old = &self.batch.header;
        let append_time = self.rules.log_append_time.then_some(self.now);
        let mut builder = BatchBuilder::new(BatchSpec {
            producer_id: old.producer_id,
            producer_epoch: old.producer_epoch,
            base_sequence: old.base_sequence,
            transactional: old.is_transactional(),
            append_time,
            ..BatchSpec::default()
        });
        let plain = self
            .batch
            .plain_body(REBUILD_LIMIT)
            .map_err(|fault| self.fault(fault))?;
        let mut rest: &[u8] = &plain;
        for _ in 0..old.count {
            let record = read_record(&mut rest, old.base_offset, old.base_timestamp);
            let record = record.ok_or_else(|| self.fault(RecordFault::Malformed))?;
            let headers: Vec<_> = record.headers().collect();
            let timestamp = if old.is_log_append_time() {
                old.max_timestamp
            } else {
                record.timestamp
            };
            builder.push(timestamp, record.key, record.value, &headers);
        }
        let bytes = builder.finish(target);
        let (size, limit) = (bytes.len(), self.rules.max_message_bytes);
        if self.origin != Origin::Raft && size > limit as usize {
            let message = format!(
                "Message batch size is {size} bytes in append topartition {} which exceeds the maximum configured size of {limit}.",
                self.partition
            );
            return Err(Rejection::new(ErrorCode::MessageTooLarge, message));
        }
        let header = BatchHeader::parse(&bytes).ok_or_else(|| self.fault(RecordFault::Malformed))?;
        Ok(Accepted {
            header,
            body: bytes.slice(HEADER_SIZE..),
            append_time,
        })
    }
}

/// What a decompressor may hold at a time during validation.
const WINDOW: usize = 64 * 1024;
/// What a batch may grow to when it is read over.
const WALK_LIMIT: u64 = 1 << 31;
/// What a batch may grow to when it has to be compressed anew.
const REBUILD_LIMIT: usize = 256 << 20;

/// The checksum after fields in the header changed, without reading the records again: theirs follows from the old one.
fn crc_with_new_fields(old: &BatchHeader, new: &BatchHeader, body_length: usize) -> u32 {
    let zero_then_body = crc32c::crc32c_combine(old.crc_of_fields(), 0, body_length);
    let body_part = old.crc ^ zero_then_body;
    crc32c::crc32c_combine(new.crc_of_fields(), 0, body_length) ^ body_part
}

/// How many records are named in an answer; a batch may hold millions.
const MAX_NAMED: usize = 1_000;

/// Errors of single records, gathered over the batch.
#[derive(Default)]
struct RecordErrors {
    found: Vec<RecordError>,
    count: usize,
    invalid_timestamp: bool,
}

impl RecordErrors {
    fn push(&mut self, code: ErrorCode, index: i32, message: String) {
        self.invalid_timestamp |= code == ErrorCode::InvalidTimestamp;
        self.count += 1;
        if self.found.len() < MAX_NAMED {
            self.found.push(RecordError { index, message });
        }
    }

    fn verdict(self) -> Result<(), Rejection> {
        if self.found.is_empty() {
            return Ok(());
        }
        let (code, message) = if self.invalid_timestamp {
            let message = "One or more records have been rejected due to invalid timestamp";
            (ErrorCode::InvalidTimestamp, message.to_string())
        } else {
            let shown = self.found.iter().take(3);
            let shown: Vec<String> = shown
                .map(|error| format!("RecordError(batchIndex={}, message='{}')", error.index, error.message))
                .collect();
            let message = format!(
                "One or more records have been rejected due to {} record errors in total, and only showing the first three errors at most: [{}]",
                self.count,
                shown.join(", ")
            );
            (ErrorCode::InvalidRecord, message)
        };
        Err(Rejection {
            code,
            message,
            records: self.found,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = 1_700_000_000_000;

    fn rules() -> BatchRules {
        BatchRules {
            max_message_bytes: 10_000,
            log_append_time: false,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            compression: None,
            compacted: false,
        }
    }

    fn batch(codec: Codec, timestamps: &[Timestamp]) -> Bytes {
        let mut builder = BatchBuilder::new(BatchSpec::default());
        for timestamp in timestamps {
            builder.push(*timestamp, Some(b"key"), Some(b"value"), &[(b"h", None)]);
        }
        builder.finish(Compression::of(codec))
    }

    fn with(bytes: &Bytes, change: impl FnOnce(&mut BatchHeader)) -> Bytes {
        let mut header = BatchHeader::parse(bytes).unwrap();
        change(&mut header);
        header.crc = crc32c::crc32c_append(header.crc_of_fields(), &bytes[HEADER_SIZE..]);
        Bytes::from([&header.to_bytes(), &bytes[HEADER_SIZE..]].concat())
    }

    fn judged(bytes: &Bytes, rules: &BatchRules) -> Result<Accepted, Rejection> {
        validate(bytes, rules, Origin::Client, "t-0", NOW)
    }

    fn written(accepted: &Accepted) -> Vec<u8> {
        [&accepted.header.to_bytes(), &accepted.body[..]].concat()
    }

    #[test]
    fn a_good_batch_is_taken_as_it_came() {
        for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let bytes = batch(codec, &[NOW, NOW + 5]);
            let accepted = judged(&bytes, &rules()).unwrap();
            assert_eq!(written(&accepted), bytes, "{codec:?}");
            assert_eq!(accepted.body.as_ptr(), bytes[HEADER_SIZE..].as_ptr(), "not copied");
        }
    }

    #[test]
    fn log_append_time_changes_the_header_alone() {
        let bytes = batch(Codec::Zstd, &[NOW - 50, NOW - 40]);
        let accepted = judged(
            &bytes,
            &BatchRules {
                log_append_time: true,
                ..rules()
            },
        )
        .unwrap();
        let written = written(&accepted);
        let stored = Batch::parse(&written).unwrap();
        assert!(stored.is_intact(), "the checksum fits the new header");
        assert!(stored.header.is_log_append_time());
        assert_eq!(
            (stored.header.base_timestamp, stored.header.max_timestamp),
            (NOW - 50, NOW)
        );
        assert_eq!(accepted.append_time, Some(NOW));
    }

    #[test]
    fn a_wrong_max_timestamp_is_put_right() {
        let bytes = with(&batch(Codec::None, &[NOW, NOW + 5]), |header| {
            header.max_timestamp = NOW + 99
        });
        let written = written(&judged(&bytes, &rules()).unwrap());
        let stored = Batch::parse(&written).unwrap();
        assert!(stored.is_intact());
        assert_eq!(stored.header.max_timestamp, NOW + 5);
    }

    #[test]
    fn headers_that_lie_are_refused() {
        let good = batch(Codec::None, &[NOW, NOW]);
        type Change = fn(&mut BatchHeader);
        let table: [(&str, Change, ErrorCode); 9] = [
            (
                "magic",
                |header| header.magic = 1,
                ErrorCode::UnsupportedForMessageFormat,
            ),
            ("base offset", |header| header.base_offset = 5, ErrorCode::InvalidRecord),
            (
                "negative delta",
                |header| header.last_offset_delta = -1,
                ErrorCode::InvalidRecord,
            ),
            ("no records", |header| header.count = 0, ErrorCode::InvalidRecord),
            (
                "count and delta differ",
                |header| header.count = 3,
                ErrorCode::InvalidRecord,
            ),
            ("control", |header| header.set_control(true), ErrorCode::InvalidRecord),
            (
                "no sequence",
                |header| {
                    header.producer_id = 4;
                    header.producer_epoch = 0;
                },
                ErrorCode::InvalidRecord,
            ),
            ("codec 7", |header| header.attributes = 7, ErrorCode::UnknownServerError),
            (
                "more records than there are",
                |header| {
                    header.count = 3;
                    header.last_offset_delta = 2;
                },
                ErrorCode::InvalidRecord,
            ),
        ];
        for (case, change, code) in table {
            let rejection = judged(&with(&good, change), &rules()).unwrap_err();
            assert_eq!(rejection.code, code, "{case}: {}", rejection.message);
            assert_eq!(rejection.client_message(), None, "{case}");
        }
    }

    #[test]
    fn damage_and_size_are_found_before_anything_is_written() {
        let good = batch(Codec::None, &[NOW]);
        let mut flipped = good.to_vec();
        *flipped.last_mut().unwrap() ^= 1;
        assert_eq!(
            judged(&flipped.into(), &rules()).unwrap_err().code,
            ErrorCode::CorruptMessage
        );
        let small = BatchRules {
            max_message_bytes: good.len() as u32 - 1,
            ..rules()
        };
        assert_eq!(judged(&good, &small).unwrap_err().code, ErrorCode::MessageTooLarge);
        let two = Bytes::from([&good[..], &good[..]].concat());
        assert_eq!(judged(&two, &rules()).unwrap_err().code, ErrorCode::InvalidRecord);
        assert_eq!(
            judged(&Bytes::new(), &rules()).unwrap_err().code,
            ErrorCode::InvalidRecord
        );
        assert_eq!(
            judged(&Bytes::from(vec![0; 30]), &rules()).unwrap_err().code,
            ErrorCode::CorruptMessage
        );
    }

    #[test]
    fn records_out_of_the_allowed_time_are_named() {
        for codec in [Codec::None, Codec::Gzip] {
            let bytes = batch(codec, &[NOW, NOW + 3_600_001, NOW]);
            let rejection = judged(&bytes, &rules()).unwrap_err();
            assert_eq!(rejection.code, ErrorCode::InvalidTimestamp);
            assert_eq!(
                rejection.message,
                "One or more records have been rejected due to invalid timestamp"
            );
            let message = "Timestamp 1700003600001 of message with offset 1 is out of range. The timestamp should be within [1700000000000, 1700003600000]";
            let rules = BatchRules {
                timestamp_before_max_ms: 0,
                ..rules()
            };
            let rejection = judged(&bytes, &rules).unwrap_err();
            assert_eq!(
                rejection.records,
                vec![RecordError {
                    index: 1,
                    message: message.into()
                }]
            );
        }
    }

    #[test]
    fn a_compacted_topic_wants_keys() {
        let mut builder = BatchBuilder::new(BatchSpec::default());
        builder.push(NOW, None, Some(b"v"), &[]);
        let rules = BatchRules {
            compacted: true,
            ..rules()
        };
        let rejection = judged(&builder.finish(Compression::NONE), &rules).unwrap_err();
        assert_eq!(rejection.code, ErrorCode::InvalidRecord);
        assert_eq!(
            rejection.client_message(),
            Some(
                "One or more records have been rejected due to 1 record errors in total, and only showing the first three errors at most: [RecordError(batchIndex=0, message='Compacted topic cannot accept message without key in topic partition t-0')]"
            )
        );
    }

    #[test]
    fn another_codec_means_a_new_batch() {
        for (from, to) in [
            (Codec::None, Codec::Zstd),
            (Codec::Gzip, Codec::None),
            (Codec::Lz4, Codec::Snappy),
        ] {
            let bytes = batch(from, &[NOW, NOW + 1]);
            let rules = BatchRules {
                compression: Some(Compression::of(to)),
                ..rules()
            };
            let written = written(&judged(&bytes, &rules).unwrap());
            let stored = Batch::parse(&written).unwrap();
            assert_eq!((stored.header.codec(), stored.header.count), (Some(to), 2));
            let (mut old, mut new) = (Vec::new(), Vec::new());
            let original = Batch::parse(&bytes).unwrap();
            original
                .for_each_record(1 << 20, |record| {
                    old.push((record.timestamp, record.key.map(<[u8]>::to_vec), record.header_count));
                    true
                })
                .unwrap();
            stored
                .for_each_record(1 << 20, |record| {
                    new.push((record.timestamp, record.key.map(<[u8]>::to_vec), record.header_count));
                    true
                })
                .unwrap();
            assert_eq!(new, old, "{from:?} to {to:?}");
        }
    }

    #[test]
    fn produce_wants_exactly_one_batch_of_magic_2() {
        let good = batch(Codec::Zstd, &[NOW]);
        let two = [&good[..], &good[..]].concat();
        let old = with(&good, |header| header.magic = 1);
        for (case, version, bytes, expected) in [
            ("good", 7, &good[..], None),
            (
                "zstd too early",
                6,
                &good[..],
                Some(ErrorCode::UnsupportedCompressionType),
            ),
            ("none", 7, &[][..], Some(ErrorCode::InvalidRecord)),
            ("two", 7, &two[..], Some(ErrorCode::InvalidRecord)),
            ("magic 1", 7, &old[..], Some(ErrorCode::InvalidRecord)),
            ("noise", 7, &[9; 40][..], Some(ErrorCode::CorruptMessage)),
        ] {
            assert_eq!(
                check_produce(version, bytes).err().map(|refusal| refusal.code),
                expected,
                "{case}"
            );
        }
    }
}
