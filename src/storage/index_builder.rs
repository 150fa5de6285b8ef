//! The index entries of a segment, made anew from its batches.

use crate::record::header::BatchHeader;
use crate::storage::offset_index::OffsetEntry;
use crate::storage::time_index::TimeEntry;
use crate::types::NO_TIMESTAMP;
use crate::types::Offset;

/// Kafka's default of `index.interval.bytes`, for indexes that are mended without knowing the topic's settings.
pub const DEFAULT_INTERVAL: u32 = 4096;

/// Collects the index entries that appending the same batches would have written.
pub struct IndexBuilder {
    interval: u32,
    pub since_index: u64,
    pub largest: TimeEntry,
    pub offsets: Vec<OffsetEntry>,
    pub times: Vec<TimeEntry>,
}

impl IndexBuilder {
    pub fn new(base_offset: Offset, interval: u32) -> IndexBuilder {
        IndexBuilder {
            interval,
            since_index: 0,
            largest: TimeEntry {
                timestamp: NO_TIMESTAMP,
                offset: base_offset,
            },
            offsets: Vec::new(),
            times: Vec::new(),
        }
    }

    pub fn add(&mut self, position: u64, header: &BatchHeader) {
        let last_offset = header.last_offset();
        if header.max_timestamp > self.largest.timestamp {
            self.largest = TimeEntry {
                timestamp: header.max_timestamp,
                offset: last_offset,
            };
        }
        if self.since_index > u64::from(self.interval) {
            self.offsets.push(OffsetEntry {
                last_offset,
                position: position as u32,
            });
            self.add_time();
            self.since_index = 0;
        }
        self.since_index += header.size().unwrap_or(0) as u64;
    }

    /// Adds the largest timestamp so far, as an entry or as the end of a sealed segment.
    pub fn add_time(&mut self) {
        let last = self.times.last().map_or(NO_TIMESTAMP, |entry| entry.timestamp);
        if self.largest.timestamp > last {
            self.times.push(self.largest);
        }
    }
}
