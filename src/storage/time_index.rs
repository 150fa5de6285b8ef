//! `.timeindex`: (largest timestamp so far, last offset of the batch that had it); both ascend.

use crate::storage::entry_file::EntryFile;
use crate::storage::file_pool::FilePool;
use crate::storage::folder::Folder;
use crate::storage::folder::TIME_INDEX;
use crate::types::Offset;
use crate::types::Timestamp;
use std::io;
use std::sync::Arc;

const ENTRY: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeEntry {
    pub timestamp: Timestamp,
    pub offset: Offset,
}

pub struct TimeIndex {
    base_offset: Offset,
    pub file: EntryFile<ENTRY>,
}

impl TimeIndex {
    pub fn new(folder: &Arc<Folder>, base_offset: Offset, pool: &Arc<FilePool>) -> TimeIndex {
        TimeIndex {
            base_offset,
            file: EntryFile::new(folder, base_offset, TIME_INDEX, pool),
        }
    }

    pub fn full_size(index_bytes: u32) -> u64 {
        u64::from(index_bytes) / ENTRY as u64 * ENTRY as u64
    }

    /// One place is kept for the entry that sealing the segment adds.
    pub fn is_full(&self, index_bytes: u32) -> bool {
        u64::from(self.file.count()) + 1 >= u64::from(index_bytes) / ENTRY as u64
    }

    /// The last entry with a timestamp at or below `timestamp`.
    pub fn lookup(&self, timestamp: Timestamp) -> io::Result<Option<TimeEntry>> {
        let found = self.file.last_where(|bytes| self.entry(bytes).timestamp <= timestamp)?;
        Ok(found.map(|(_, entry)| self.entry(&entry)))
    }

    pub fn last(&self) -> io::Result<Option<TimeEntry>> {
        Ok(self.file.last()?.map(|entry| self.entry(&entry)))
    }

    pub fn push(&self, entry: TimeEntry, index_bytes: u32) -> io::Result<()> {
        self.file.push(&self.encode(entry), Some(Self::full_size(index_bytes)))
    }

    pub fn rewrite(&self, entries: &[TimeEntry]) -> io::Result<()> {
        let bytes: Vec<_> = entries.iter().map(|entry| self.encode(*entry)).collect();
        self.file.rewrite(&bytes)
    }

    /// Forgets entries that name `offset` or later ones.
    pub fn truncate(&self, offset: Offset) -> io::Result<()> {
        let kept = self.file.last_where(|bytes| self.entry(bytes).offset < offset)?;
        self.file.truncate(kept.map_or(0, |(index, _)| index + 1))
    }

    pub fn encode(&self, entry: TimeEntry) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        bytes[..8].copy_from_slice(&entry.timestamp.to_be_bytes());
        bytes[8..].copy_from_slice(&((entry.offset - self.base_offset) as i32).to_be_bytes());
        bytes
    }

    fn entry(&self, bytes: &[u8; ENTRY]) -> TimeEntry {
        let mut timestamp = [0; 8];
        timestamp.copy_from_slice(&bytes[..8]);
        let mut relative = [0; 4];
        relative.copy_from_slice(&bytes[8..]);
        TimeEntry {
            timestamp: i64::from_be_bytes(timestamp),
            offset: self.base_offset + i64::from(u32::from_be_bytes(relative)),
        }
    }
}
