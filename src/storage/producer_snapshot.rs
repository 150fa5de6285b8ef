//! `.snapshot`: what a partition knew of its producers before the offset in the file's name.

use crate::storage::crash_point;
use crate::storage::crash_point::half;
use crate::types::Offset;
use crate::types::ProducerEpoch;
use crate::types::ProducerId;
use crate::types::Timestamp;
use crate::types::part;
use std::io;
use std::path::Path;

const VERSION: i16 = 1;
const HEADER: usize = 10;
const ENTRY: usize = 46;
/// Nobody has millions of producers on a partition; a larger file is noise.
pub const MAX_BYTES: u64 = 512 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerEntry {
    pub producer_id: ProducerId,
    pub epoch: ProducerEpoch,
    pub last_sequence: i32,
    pub last_offset: Offset,
    /// Last minus first sequence of the last batch.
    pub offset_delta: i32,
    pub timestamp: Timestamp,
    pub coordinator_epoch: i32,
    /// Where the open transaction began, or -1.
    pub txn_first_offset: Offset,
}

/// Not replaced atomically: half a file has a wrong checksum and is made anew from the log.
pub fn write(path: &Path, entries: &[ProducerEntry]) -> io::Result<()> {
    let bytes = encode(entries);
    crash_point::reached_before_writing(|| std::fs::write(path, half(&bytes)));
    std::fs::write(path, bytes)
}

pub fn encode(entries: &[ProducerEntry]) -> Vec<u8> {
    let mut body = Vec::with_capacity(4 + entries.len() * ENTRY);
    body.extend_from_slice(&(entries.len() as i32).to_be_bytes());
    for entry in entries {
        body.extend_from_slice(&entry.producer_id.to_be_bytes());
        body.extend_from_slice(&entry.epoch.to_be_bytes());
        body.extend_from_slice(&entry.last_sequence.to_be_bytes());
        body.extend_from_slice(&entry.last_offset.to_be_bytes());
        body.extend_from_slice(&entry.offset_delta.to_be_bytes());
        body.extend_from_slice(&entry.timestamp.to_be_bytes());
        body.extend_from_slice(&entry.coordinator_epoch.to_be_bytes());
        body.extend_from_slice(&entry.txn_first_offset.to_be_bytes());
    }
    let mut bytes = VERSION.to_be_bytes().to_vec();
    bytes.extend_from_slice(&crc32c::crc32c(&body).to_be_bytes());
    bytes.extend_from_slice(&body);
    bytes
}

/// `None` if the bytes are not a snapshot in whole.
pub fn decode(bytes: &[u8]) -> Option<Vec<ProducerEntry>> {
    let (version, rest) = bytes.split_first_chunk::<2>()?;
    let (crc, body) = rest.split_first_chunk::<4>()?;
    let intact = i16::from_be_bytes(*version) == VERSION && u32::from_be_bytes(*crc) == crc32c::crc32c(body);
    let (count, entries) = body.split_first_chunk::<4>()?;
    let count = usize::try_from(i32::from_be_bytes(*count)).ok()?;
    let (entries, rest) = entries.as_chunks::<ENTRY>();
    (intact && rest.is_empty() && entries.len() == count && bytes.len() == HEADER + count * ENTRY).then_some(())?;
    Some(entries.iter().map(entry).collect())
}

fn entry(bytes: &[u8; ENTRY]) -> ProducerEntry {
    ProducerEntry {
        producer_id: i64::from_be_bytes(part(bytes, 0)),
        epoch: i16::from_be_bytes(part(bytes, 8)),
        last_sequence: i32::from_be_bytes(part(bytes, 10)),
        last_offset: i64::from_be_bytes(part(bytes, 14)),
        offset_delta: i32::from_be_bytes(part(bytes, 22)),
        timestamp: i64::from_be_bytes(part(bytes, 26)),
        coordinator_epoch: i32::from_be_bytes(part(bytes, 34)),
        txn_first_offset: i64::from_be_bytes(part(bytes, 38)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: ProducerEntry = ProducerEntry {
        producer_id: 1,
        epoch: 2,
        last_sequence: 3,
        last_offset: 4,
        offset_delta: 5,
        timestamp: 6,
        coordinator_epoch: -1,
        txn_first_offset: -1,
    };

    #[test]
    fn an_empty_snapshot_has_kafkas_bytes() {
        assert_eq!(encode(&[]), [0x00, 0x01, 0x48, 0x67, 0x4b, 0xc7, 0, 0, 0, 0]);
    }

    #[test]
    fn snapshots_read_back_and_anything_else_does_not() {
        let entries = [
            SAMPLE,
            ProducerEntry {
                producer_id: 9,
                ..SAMPLE
            },
        ];
        let bytes = encode(&entries);
        assert_eq!(decode(&bytes).unwrap(), entries);
        for cut in 0..bytes.len() {
            assert_eq!(decode(&bytes[..cut]), None, "cut at {cut}");
        }
        let mut flipped = bytes.clone();
        flipped[20] ^= 1;
        assert_eq!(decode(&flipped), None);
        assert_eq!(decode(&[bytes, vec![0]].concat()), None);
    }
}
