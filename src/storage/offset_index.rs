//! `.index`: (last offset of a batch, position where that batch begins), sparse.

use crate::storage::entry_file::EntryFile;
use crate::storage::file_pool::FilePool;
use crate::storage::folder::Folder;
use crate::storage::folder::INDEX;
use crate::types::Offset;
use std::io;
use std::sync::Arc;

const ENTRY: usize = 8;

/// An entry with its whole offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffsetEntry {
    pub last_offset: Offset,
    pub position: u32,
}

pub struct OffsetIndex {
    base_offset: Offset,
    pub file: EntryFile<ENTRY>,
}

impl OffsetIndex {
    pub fn new(folder: &Arc<Folder>, base_offset: Offset, pool: &Arc<FilePool>) -> OffsetIndex {
        OffsetIndex {
            base_offset,
            file: EntryFile::new(folder, base_offset, INDEX, pool),
        }
    }

    /// The largest multiple of an entry that fits `segment.index.bytes`.
    pub fn full_size(index_bytes: u32) -> u64 {
        u64::from(index_bytes) / ENTRY as u64 * ENTRY as u64
    }

    pub fn is_full(&self, index_bytes: u32) -> bool {
        u64::from(self.file.count()) >= u64::from(index_bytes) / ENTRY as u64
    }

    /// The greatest entry at or below `offset`. Only a hint: the caller looks whether the batch is there.
    pub fn lookup(&self, offset: Offset) -> io::Result<Option<OffsetEntry>> {
        let relative = offset - self.base_offset;
        let found = self
            .file
            .last_where(|entry| i64::from(self.parse(entry).0) <= relative)?;
        Ok(found.map(|(_, entry)| self.entry(&entry)))
    }

    /// The last entry at or before a position in the log.
    pub fn before(&self, position: u64) -> io::Result<Option<OffsetEntry>> {
        let found = self
            .file
            .last_where(|entry| u64::from(self.parse(entry).1) <= position)?;
        Ok(found.map(|(_, entry)| self.entry(&entry)))
    }

    pub fn last(&self) -> io::Result<Option<OffsetEntry>> {
        Ok(self.file.last()?.map(|entry| self.entry(&entry)))
    }

    pub fn push(&self, entry: OffsetEntry, index_bytes: u32) -> io::Result<()> {
        self.file.push(&self.encode(entry), Some(Self::full_size(index_bytes)))
    }

    pub fn rewrite(&self, entries: &[OffsetEntry]) -> io::Result<()> {
        let bytes: Vec<_> = entries.iter().map(|entry| self.encode(*entry)).collect();
        self.file.rewrite(&bytes)
    }

    /// Forgets entries of batches that begin at or behind `position`.
    pub fn truncate(&self, position: u32) -> io::Result<()> {
        let kept = self.file.last_where(|entry| self.parse(entry).1 < position)?;
        self.file.truncate(kept.map_or(0, |(index, _)| index + 1))
    }

    pub fn encode(&self, entry: OffsetEntry) -> [u8; ENTRY] {
        let mut bytes = [0; ENTRY];
        bytes[..4].copy_from_slice(&((entry.last_offset - self.base_offset) as i32).to_be_bytes());
        bytes[4..].copy_from_slice(&entry.position.to_be_bytes());
        bytes
    }

    fn parse(&self, [a, b, c, d, e, f, g, h]: &[u8; ENTRY]) -> (u32, u32) {
        (
            u32::from_be_bytes([*a, *b, *c, *d]),
            u32::from_be_bytes([*e, *f, *g, *h]),
        )
    }

    fn entry(&self, bytes: &[u8; ENTRY]) -> OffsetEntry {
        let (relative, position) = self.parse(bytes);
        OffsetEntry {
            last_offset: self.base_offset + i64::from(relative),
            position,
        }
    }
}
