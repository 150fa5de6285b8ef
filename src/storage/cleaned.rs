//! The segment that compaction makes of others: written as `.cleaned`, and renamed twice to take their place.
//!
//! While one file of it is still called `.cleaned`, all of it is worth nothing; once all are called `.swap`, it counts.

use crate::record::header::BatchHeader;
use crate::record::header::HEADER_SIZE;
use crate::storage::crash_point;
use crate::storage::crash_point::half;
use crate::storage::file_pool::FilePool;
use crate::storage::folder;
use crate::storage::folder::Folder;
use crate::storage::index_builder::IndexBuilder;
use crate::storage::replace::remove_if_there;
use crate::storage::replace::with_suffix;
use crate::storage::segment::Segment;
use crate::storage::txn_index;
use crate::storage::txn_index::AbortedTxn;
use crate::types::Offset;
use std::fs::File;
use std::io;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

/// Files of Kafka's are no larger, and positions in them fit an index.
const LARGEST: u64 = i32::MAX as u64;

pub struct CleanedSegment {
    folder: Arc<Folder>,
    base_offset: Offset,
    log: File,
    buffer: Vec<u8>,
    room: usize,
    size: u64,
    builder: IndexBuilder,
    aborted: Vec<AbortedTxn>,
    /// The kinds of files that are there, in the order in which they are renamed.
    kinds: Vec<&'static str>,
}

impl CleanedSegment {
    /// Begins one; at most `room` bytes wait in memory.
    pub fn create(
        folder: &Arc<Folder>,
        base_offset: Offset,
        index_interval_bytes: u32,
        room: usize,
    ) -> io::Result<CleanedSegment> {
        let path = with_suffix(&folder.file(base_offset, folder::LOG), folder::CLEANED);
        crash_point::reached();
        Ok(CleanedSegment {
            folder: folder.clone(),
            base_offset,
            log: File::create(path)?,
            buffer: Vec::new(),
            room,
            size: 0,
            builder: IndexBuilder::new(base_offset, index_interval_bytes),
            aborted: Vec::new(),
            kinds: vec![folder::LOG],
        })
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a batch: its header, and the bytes behind it.
    pub fn push(&mut self, header: &BatchHeader, body: &[u8]) -> io::Result<()> {
        let bytes = HEADER_SIZE + body.len();
        let relative = header.last_offset() - self.base_offset;
        if self.size + bytes as u64 > LARGEST || relative > i64::from(i32::MAX) {
            return Err(io::Error::other("the cleaned segment would be too large for its index"));
        }
        self.builder.add(self.size, header);
        self.size += bytes as u64;
        if self.buffer.len() + bytes > self.room {
            self.write_out()?;
        }
        self.buffer.extend_from_slice(&header.to_bytes());
        if bytes > self.room {
            self.write_out()?;
            return write(&mut self.log, body);
        }
        self.buffer.extend_from_slice(body);
        Ok(())
    }

    pub fn push_aborted(&mut self, txn: AbortedTxn) {
        self.aborted.push(txn);
    }

    fn write_out(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            write(&mut self.log, &self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }

    /// Writes the indexes, and waits until all of it is on the disk. `modified` is what the files it replaces say.
    pub fn finish(&mut self, modified: SystemTime, pool: &Arc<FilePool>) -> io::Result<()> {
        self.write_out()?;
        self.builder.add_time();
        self.log.set_modified(modified)?;
        crash_point::reached();
        self.log.sync_all()?;
        let segment = Segment::new(&self.folder, self.base_offset, self.size, pool);
        let offsets: Vec<_> = self
            .builder
            .offsets
            .iter()
            .map(|entry| segment.index.encode(*entry))
            .collect();
        let times: Vec<_> = self
            .builder
            .times
            .iter()
            .map(|entry| segment.time_index.encode(*entry))
            .collect();
        let aborted: Vec<_> = self.aborted.iter().map(txn_index::encode).collect();
        self.side_file(folder::INDEX, offsets.as_flattened())?;
        self.side_file(folder::TIME_INDEX, times.as_flattened())?;
        if !aborted.is_empty() {
            self.side_file(folder::TXN_INDEX, aborted.as_flattened())?;
        }
        Ok(())
    }

    fn side_file(&mut self, kind: &'static str, bytes: &[u8]) -> io::Result<()> {
        crash_point::reached();
        let mut file = File::create(self.path(kind, folder::CLEANED))?;
        self.kinds.push(kind);
        write(&mut file, bytes)?;
        crash_point::reached();
        file.sync_all()
    }

    /// From now on a crash does not undo it.
    pub fn announce(&self) -> io::Result<()> {
        self.rename_all(folder::CLEANED, folder::SWAP)
    }

    /// Gives the files their final names, which nobody else has any more.
    pub fn settle(self, pool: &Arc<FilePool>) -> io::Result<Segment> {
        self.rename_all(folder::SWAP, "")?;
        let segment = Segment::new(&self.folder, self.base_offset, self.size, pool);
        segment.index.file.adopt_count(self.builder.offsets.len());
        segment.time_index.file.adopt_count(self.builder.times.len());
        segment.txn_index.file.adopt_count(self.aborted.len());
        Ok(segment)
    }

    fn rename_all(&self, from: &str, to: &str) -> io::Result<()> {
        for kind in &self.kinds {
            crash_point::reached();
            std::fs::rename(self.path(kind, from), self.path(kind, to))?;
        }
        Ok(())
    }

    /// It was for nothing.
    pub fn discard(self) -> io::Result<()> {
        for kind in &self.kinds {
            remove_if_there(&self.path(kind, folder::CLEANED))?;
        }
        Ok(())
    }

    fn path(&self, kind: &str, suffix: &str) -> PathBuf {
        with_suffix(&self.folder.file(self.base_offset, kind), suffix)
    }
}

fn write(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    crash_point::reached_before_writing(|| (&*file).write_all(half(bytes)));
    file.write_all(bytes)
}
