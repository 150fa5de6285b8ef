//! A file of entries of one size in ascending order: what both indexes and the list of aborted transactions are.
//!
//! While a segment is written its index files are sparse and of full size, as Kafka maps them; they are cut to their
//! entries when the segment is sealed or closed.

use crate::storage::crash_point;
use crate::storage::crash_point::half;
use crate::storage::file_pool::FilePool;
use crate::storage::file_pool::PooledFile;
use crate::storage::folder::DELETED;
use crate::storage::folder::Folder;
use crate::storage::positioned::read_at_most;
use crate::storage::replace::remove_if_there;
use crate::storage::replace::rename_if_there;
use crate::storage::replace::with_suffix;
use crate::types::Offset;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

pub struct EntryFile<const N: usize> {
    folder: Arc<Folder>,
    base_offset: Offset,
    suffix: &'static str,
    file: PooledFile,
    count: AtomicU32,
    /// The file has its full sparse size.
    blown_up: AtomicBool,
    /// Another file has its name by now, or will have it.
    aside: AtomicBool,
}

/// Renames a file to `.deleted` and notes that it has that name from now on. Returns it, if there was a file.
pub fn set_aside(path: &Path, aside: &AtomicBool) -> io::Result<Option<PathBuf>> {
    let renamed = with_suffix(path, DELETED);
    let was_there = rename_if_there(path, &renamed)?;
    aside.store(true, Ordering::Release);
    Ok(was_there.then_some(renamed))
}

impl<const N: usize> EntryFile<N> {
    pub fn new(folder: &Arc<Folder>, base_offset: Offset, suffix: &'static str, pool: &Arc<FilePool>) -> EntryFile<N> {
        EntryFile {
            folder: folder.clone(),
            base_offset,
            suffix,
            file: PooledFile::new(pool),
            count: AtomicU32::new(0),
            blown_up: AtomicBool::new(false),
            aside: AtomicBool::new(false),
        }
    }

    pub fn path(&self) -> PathBuf {
        let path = self.folder.file(self.base_offset, self.suffix);
        match self.aside.load(Ordering::Acquire) {
            true => with_suffix(&path, DELETED),
            false => path,
        }
    }

    /// Renames the file to `.deleted`, where those who still read it find it; returns its new name.
    pub fn set_aside(&self) -> io::Result<Option<PathBuf>> {
        self.file.while_unopened(|| set_aside(&self.path(), &self.aside))
    }

    /// Of all entries.
    pub fn bytes(&self) -> u64 {
        u64::from(self.count()) * N as u64
    }

    pub fn count(&self) -> u32 {
        self.count.load(Ordering::Acquire)
    }

    /// Takes over a file that is `length` bytes long; `false` if that is no whole number of entries.
    pub fn adopt(&self, length: u64) -> bool {
        let whole = length.is_multiple_of(N as u64);
        let count = u32::try_from(length / N as u64);
        self.count.store(count.unwrap_or(0), Ordering::Release);
        whole && count.is_ok()
    }

    /// Takes over a file that we have just written.
    pub fn adopt_count(&self, count: usize) {
        self.count.store(count as u32, Ordering::Release);
    }

    pub fn get(&self, index: u32) -> io::Result<Option<[u8; N]>> {
        if index >= self.count() {
            return Ok(None);
        }
        let file = self.file.get(|| self.path())?;
        let mut entry = [0; N];
        let read = read_at_most(&file, &mut entry, u64::from(index) * N as u64)?;
        Ok((read == N).then_some(entry))
    }

    pub fn last(&self) -> io::Result<Option<[u8; N]>> {
        match self.count().checked_sub(1) {
            Some(index) => self.get(index),
            None => Ok(None),
        }
    }

    /// The last entry for which `before` holds, if it holds for a beginning of the file and for nothing after it.
    pub fn last_where(&self, before: impl Fn(&[u8; N]) -> bool) -> io::Result<Option<(u32, [u8; N])>> {
        let (mut low, mut high) = (0, self.count());
        let mut found = None;
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle)? {
                Some(entry) if before(&entry) => {
                    found = Some((middle, entry));
                    low = middle + 1;
                }
                Some(_) => high = middle,
                // Shorter than it was when it was opened: whatever is gone cannot be trusted.
                None => high = middle,
            }
        }
        Ok(found)
    }

    /// Appends an entry. With `full_size` the file first grows to that many bytes of zeros.
    pub fn push(&self, entry: &[u8; N], full_size: Option<u64>) -> io::Result<()> {
        let file = self.file.get_or_create(|| self.path())?;
        if let Some(size) = full_size
            && !self.blown_up.swap(true, Ordering::Relaxed)
        {
            crash_point::reached();
            file.set_len(size)?;
        }
        let count = self.count();
        let position = u64::from(count) * N as u64;
        crash_point::reached_before_writing(|| file.write_all_at(half(entry), position));
        file.write_all_at(entry, position)?;
        self.count.store(count + 1, Ordering::Release);
        Ok(())
    }

    /// Replaces the whole file by these entries.
    pub fn rewrite(&self, entries: &[[u8; N]]) -> io::Result<()> {
        let file = self.file.get_or_create(|| self.path())?;
        crash_point::reached_before_writing(|| file.write_all_at(half(entries.as_flattened()), 0));
        file.write_all_at(entries.as_flattened(), 0)?;
        crash_point::reached();
        file.set_len(entries.as_flattened().len() as u64)?;
        self.blown_up.store(false, Ordering::Relaxed);
        self.count.store(entries.len() as u32, Ordering::Release);
        Ok(())
    }

    /// Forgets all entries from `count` on.
    pub fn truncate(&self, count: u32) -> io::Result<()> {
        if count < self.count() {
            self.count.store(count, Ordering::Release);
            self.cut()?;
        }
        Ok(())
    }

    /// Cuts the file to its entries.
    pub fn trim(&self) -> io::Result<()> {
        if self.blown_up.load(Ordering::Relaxed) {
            self.cut()
        } else {
            Ok(())
        }
    }

    fn cut(&self) -> io::Result<()> {
        let file = self.file.get_or_create(|| self.path())?;
        crash_point::reached();
        file.set_len(u64::from(self.count()) * N as u64)?;
        self.blown_up.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// Makes an empty file if there is none: Kafka expects each closed segment to have its indexes.
    pub fn create(&self) -> io::Result<()> {
        self.file.get_or_create(|| self.path()).map(|_| ())
    }

    pub fn flush(&self) -> io::Result<()> {
        if self.count() == 0 {
            return Ok(());
        }
        crash_point::reached();
        self.file.get(|| self.path())?.sync_data()
    }

    pub fn close(&self) {
        self.file.close();
    }

    pub fn remove(&self) -> io::Result<()> {
        self.close();
        self.count.store(0, Ordering::Release);
        self.blown_up.store(false, Ordering::Relaxed);
        remove_if_there(&self.path())
    }
}
