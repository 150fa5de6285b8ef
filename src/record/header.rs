//! The 61 bytes in front of every record batch (magic 2).

use crate::record::compress::Codec;
use crate::types::LeaderEpoch;
use crate::types::NO_PRODUCER_ID;
use crate::types::Offset;
use crate::types::ProducerEpoch;
use crate::types::ProducerId;
use crate::types::Timestamp;
use crate::types::part;

/// Bytes of a batch before its records.
pub const HEADER_SIZE: usize = 61;
/// Base offset and length: what the length field does not count.
pub const LOG_OVERHEAD: usize = 12;
/// Where the bytes begin that the checksum covers.
pub const CRC_START: usize = 21;
pub const MAGIC_AT: usize = 16;
pub const MAGIC: i8 = 2;

const CODEC_MASK: i16 = 0x07;
const LOG_APPEND_TIME: i16 = 0x08;
const TRANSACTIONAL: i16 = 0x10;
const CONTROL: i16 = 0x20;
const DELETE_HORIZON: i16 = 0x40;

/// The fields of a batch header, as they stand on disk and on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    pub base_offset: Offset,
    /// Bytes that follow the length field.
    pub length: i32,
    pub leader_epoch: LeaderEpoch,
    pub magic: i8,
    pub crc: u32,
    pub attributes: i16,
    pub last_offset_delta: i32,
    pub base_timestamp: Timestamp,
    pub max_timestamp: Timestamp,
    pub producer_id: ProducerId,
    pub producer_epoch: ProducerEpoch,
    pub base_sequence: i32,
    pub count: i32,
}

impl BatchHeader {
    /// Takes the fields as they are; `None` only if there are fewer than 61 bytes.
    pub fn parse(bytes: &[u8]) -> Option<BatchHeader> {
        let header: &[u8; HEADER_SIZE] = bytes.first_chunk()?;
        Some(BatchHeader {
            base_offset: i64::from_be_bytes(part(header, 0)),
            length: i32::from_be_bytes(part(header, 8)),
            leader_epoch: i32::from_be_bytes(part(header, 12)),
            magic: i8::from_be_bytes(part(header, MAGIC_AT)),
            crc: u32::from_be_bytes(part(header, 17)),
            attributes: i16::from_be_bytes(part(header, CRC_START)),
            last_offset_delta: i32::from_be_bytes(part(header, 23)),
            base_timestamp: i64::from_be_bytes(part(header, 27)),
            max_timestamp: i64::from_be_bytes(part(header, 35)),
            producer_id: i64::from_be_bytes(part(header, 43)),
            producer_epoch: i16::from_be_bytes(part(header, 51)),
            base_sequence: i32::from_be_bytes(part(header, 53)),
            count: i32::from_be_bytes(part(header, 57)),
        })
    }

    pub fn to_bytes(&self) -> [u8; HEADER_SIZE] {
        let mut bytes = [0; HEADER_SIZE];
        bytes[0..8].copy_from_slice(&self.base_offset.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.length.to_be_bytes());
        bytes[12..16].copy_from_slice(&self.leader_epoch.to_be_bytes());
        bytes[MAGIC_AT..17].copy_from_slice(&self.magic.to_be_bytes());
        bytes[17..21].copy_from_slice(&self.crc.to_be_bytes());
        bytes[CRC_START..23].copy_from_slice(&self.attributes.to_be_bytes());
        bytes[23..27].copy_from_slice(&self.last_offset_delta.to_be_bytes());
        bytes[27..35].copy_from_slice(&self.base_timestamp.to_be_bytes());
        bytes[35..43].copy_from_slice(&self.max_timestamp.to_be_bytes());
        bytes[43..51].copy_from_slice(&self.producer_id.to_be_bytes());
        bytes[51..53].copy_from_slice(&self.producer_epoch.to_be_bytes());
        bytes[53..57].copy_from_slice(&self.base_sequence.to_be_bytes());
        bytes[57..61].copy_from_slice(&self.count.to_be_bytes());
        bytes
    }

    /// The checksum of the header's own part; the records' checksum is appended to it.
    pub fn crc_of_fields(&self) -> u32 {
        crc32c::crc32c(&self.to_bytes()[CRC_START..])
    }

    /// Bytes of the whole batch; `None` if the length field makes no sense.
    pub fn size(&self) -> Option<usize> {
        let length = usize::try_from(self.length).ok()?;
        let size = length + LOG_OVERHEAD;
        (size >= HEADER_SIZE).then_some(size)
    }

    /// A batch that could stand at or after `expected` in a log, judged by the header alone.
    pub fn is_plausible(&self, expected: Offset) -> bool {
        self.magic == MAGIC
            && self.size().is_some()
            && self.last_offset_delta >= 0
            && self.count >= 0
            && self.base_offset >= expected
            && self.base_offset < Offset::MAX - i64::from(i32::MAX)
            && self.codec().is_some()
    }

    /// Whether `next` can be the batch behind this one: neither offsets nor epochs ever go back in a log.
    pub fn agrees_with(&self, next: &BatchHeader) -> bool {
        self.next_offset() <= next.base_offset && self.leader_epoch <= next.leader_epoch
    }

    pub fn last_offset(&self) -> Offset {
        self.base_offset.saturating_add(i64::from(self.last_offset_delta))
    }

    pub fn next_offset(&self) -> Offset {
        self.last_offset().saturating_add(1)
    }

    /// Sequence numbers wrap from 2^31-1 to 0.
    pub fn last_sequence(&self) -> i32 {
        if self.base_sequence < 0 {
            return -1;
        }
        let last = i64::from(self.base_sequence) + i64::from(self.last_offset_delta);
        (last % (i64::from(i32::MAX) + 1)) as i32
    }

    /// `None` for a codec nobody knows.
    pub fn codec(&self) -> Option<Codec> {
        Codec::from_id(self.attributes & CODEC_MASK)
    }

    pub fn set_codec(&mut self, codec: Codec) {
        self.attributes = (self.attributes & !CODEC_MASK) | codec.id();
    }

    pub fn is_log_append_time(&self) -> bool {
        self.attributes & LOG_APPEND_TIME != 0
    }

    pub fn set_log_append_time(&mut self, set: bool) {
        self.set_flag(LOG_APPEND_TIME, set);
    }

    pub fn is_transactional(&self) -> bool {
        self.attributes & TRANSACTIONAL != 0
    }

    pub fn set_transactional(&mut self, set: bool) {
        self.set_flag(TRANSACTIONAL, set);
    }

    pub fn is_control(&self) -> bool {
        self.attributes & CONTROL != 0
    }

    pub fn set_control(&mut self, set: bool) {
        self.set_flag(CONTROL, set);
    }

    /// From when on compaction may take the tombstones or the marker in here; the base timestamp says it then.
    pub fn delete_horizon(&self) -> Option<Timestamp> {
        (self.attributes & DELETE_HORIZON != 0).then_some(self.base_timestamp)
    }

    pub fn set_delete_horizon(&mut self, horizon: Option<Timestamp>) {
        self.set_flag(DELETE_HORIZON, horizon.is_some());
        self.base_timestamp = horizon.unwrap_or(self.base_timestamp);
    }

    pub fn has_producer_id(&self) -> bool {
        self.producer_id > NO_PRODUCER_ID
    }

    fn set_flag(&mut self, flag: i16, set: bool) {
        self.attributes = if set {
            self.attributes | flag
        } else {
            self.attributes & !flag
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_as_it_was_written() {
        let header = BatchHeader {
            base_offset: 3,
            length: 0x76,
            leader_epoch: 5,
            magic: 2,
            crc: 0x4d39_f964,
            attributes: 0x31,
            last_offset_delta: 2,
            base_timestamp: 1_700_000_000_000,
            max_timestamp: 1_700_000_000_002,
            producer_id: 7,
            producer_epoch: 1,
            base_sequence: i32::MAX,
            count: 3,
        };
        assert_eq!(BatchHeader::parse(&header.to_bytes()), Some(header));
        assert_eq!(BatchHeader::parse(&header.to_bytes()[..60]), None);
        assert_eq!(header.last_offset(), 5);
        assert_eq!(header.last_sequence(), 1, "sequences wrap");
        assert_eq!(header.codec(), Some(Codec::Gzip));
        assert!(header.is_transactional() && header.is_control());
    }
}
