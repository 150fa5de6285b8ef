//! Opens files when they are needed and closes those that were not used for longest, so that tens of thousands of
//! partitions live below the limit of open files.

use crate::storage::crash_point;
use std::collections::VecDeque;
use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::Weak;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

pub struct FilePool {
    limit: usize,
    open: AtomicUsize,
    /// Files that were opened, oldest first. One that was used since gets a second round.
    queue: Mutex<VecDeque<Weak<Slot>>>,
}

impl FilePool {
    /// Keeps about `limit` files open.
    pub fn new(limit: usize) -> Arc<FilePool> {
        Arc::new(FilePool {
            limit: limit.max(1),
            open: AtomicUsize::new(0),
            queue: Mutex::default(),
        })
    }

    pub fn open_files(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    fn opened(&self, slot: &Arc<Slot>) {
        self.open.fetch_add(1, Ordering::Relaxed);
        let mut queue = lock(&self.queue);
        if !slot.queued.swap(true, Ordering::Relaxed) {
            queue.push_back(Arc::downgrade(slot));
        }
        // Bounded: after one round every file has lost its second chance.
        for _ in 0..2 * queue.len() {
            if self.open.load(Ordering::Relaxed) <= self.limit {
                break;
            }
            let Some(oldest) = queue.pop_front().map(|weak| weak.upgrade()) else {
                break;
            };
            let Some(oldest) = oldest else { continue };
            if Arc::ptr_eq(&oldest, slot) || oldest.used.swap(false, Ordering::Relaxed) {
                queue.push_back(Arc::downgrade(&oldest));
                continue;
            }
            oldest.queued.store(false, Ordering::Relaxed);
            // A slot whose lock is held is being opened or used right now.
            if let Ok(mut handle) = oldest.handle.try_lock() {
                oldest.forget(&mut handle);
            }
        }
        if queue.len() > 2 * self.limit + 64 {
            queue.retain(|weak| weak.strong_count() > 0);
        }
    }
}

/// A file that is opened on first use.
pub struct PooledFile {
    slot: Arc<Slot>,
}

struct Slot {
    pool: Arc<FilePool>,
    handle: Mutex<Option<Arc<File>>>,
    used: AtomicBool,
    queued: AtomicBool,
}

impl Slot {
    fn forget(&self, handle: &mut Option<Arc<File>>) {
        if handle.take().is_some() {
            self.pool.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let taken = self.handle.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if taken.is_some() {
            self.pool.open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl PooledFile {
    pub fn new(pool: &Arc<FilePool>) -> PooledFile {
        let slot = Slot {
            pool: pool.clone(),
            handle: Mutex::new(None),
            used: AtomicBool::new(false),
            queued: AtomicBool::new(false),
        };
        PooledFile { slot: Arc::new(slot) }
    }

    /// The open file; it stays open as long as the caller holds it, whatever the pool does.
    pub fn get(&self, path: impl FnOnce() -> PathBuf) -> io::Result<Arc<File>> {
        self.open_with(path, OpenOptions::new().read(true).write(true))
    }

    /// As `get`, but makes the file if it does not exist.
    pub fn get_or_create(&self, path: impl FnOnce() -> PathBuf) -> io::Result<Arc<File>> {
        self.open_with(path, OpenOptions::new().read(true).write(true).create(true))
    }

    /// As `get`, but the file must not exist yet.
    pub fn create_new(&self, path: impl FnOnce() -> PathBuf) -> io::Result<Arc<File>> {
        self.open_with(path, OpenOptions::new().read(true).write(true).create_new(true))
    }

    fn open_with(&self, path: impl FnOnce() -> PathBuf, how: &OpenOptions) -> io::Result<Arc<File>> {
        let slot = &self.slot;
        slot.used.store(true, Ordering::Relaxed);
        let file = {
            let mut handle = lock(&slot.handle);
            if let Some(file) = &*handle {
                return Ok(file.clone());
            }
            crash_point::reached();
            let file = Arc::new(how.open(path())?);
            *handle = Some(file.clone());
            file
        };
        slot.pool.opened(slot);
        Ok(file)
    }

    /// Does something to the file's name while nobody opens it. Whoever has it open keeps it.
    pub fn while_unopened<T>(&self, act: impl FnOnce() -> T) -> T {
        let _handle = lock(&self.slot.handle);
        act()
    }

    pub fn close(&self) {
        let slot = &self.slot;
        slot.forget(&mut lock(&slot.handle));
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::replace::TestFolder;

    #[test]
    fn no_more_files_stay_open_than_allowed_and_every_file_stays_usable() {
        let folder = TestFolder::make();
        let pool = FilePool::new(3);
        let files: Vec<PooledFile> = (0..10).map(|_| PooledFile::new(&pool)).collect();
        for round in 0..3u8 {
            for (index, file) in files.iter().enumerate() {
                let open = file.get_or_create(|| folder.path().join(index.to_string())).unwrap();
                std::os::unix::fs::FileExt::write_all_at(&*open, &[round], u64::from(round)).unwrap();
                assert!(pool.open_files() <= 3);
            }
        }
        for index in 0..10 {
            assert_eq!(std::fs::read(folder.path().join(index.to_string())).unwrap(), [0, 1, 2]);
        }
        drop(files);
        assert_eq!(pool.open_files(), 0);
    }
}
