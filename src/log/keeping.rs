//! What must be done for all logs now and then. Plain functions: somebody else decides when, and on which thread.

use crate::log::dir::Dir;
use crate::log::dirs::Hosted;
use crate::log::dirs::LogDirs;
use crate::log::dirs::lock;
use crate::record::validate::Rejection;
use crate::storage::checkpoint;
use crate::storage::checkpoint::Offsets;
use crate::storage::crash_point;
use crate::types::Offset;
use crate::types::Timestamp;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

/// A dir that went offline, why, and the logs that went with it.
pub struct FailedDir {
    pub dir: Arc<Dir>,
    pub reason: String,
    pub lost: Vec<Arc<crate::log::Log>>,
}

/// Offsets that are written down for all logs of a dir.
type OffsetOf = fn(&Hosted) -> Option<Offset>;

const KEPT: [(&str, OffsetOf); 3] = [
    (checkpoint::RECOVERY_POINTS, |hosted| Some(hosted.log.recovery_point())),
    (checkpoint::HIGH_WATERMARKS, |hosted| Some(hosted.log.high_watermark())),
    (checkpoint::LOG_STARTS, |hosted| hosted.log.start_within_segment()),
];

const CLEANED: (&str, OffsetOf) = (checkpoint::CLEANER_OFFSETS, |hosted| hosted.log.cleaned_to());

impl LogDirs {
    /// Removes old segments of all logs.
    pub fn apply_retention(&self, now: Timestamp) -> Vec<FailedDir> {
        self.each(|hosted| hosted.log.apply_retention(now).map(|_| ()))
    }

    /// Brings sealed segments to the disk, and what `flush.ms` asks for.
    pub fn flush(&self, now: Timestamp) -> Vec<FailedDir> {
        self.each(|hosted| match hosted.log.flush_due(now) {
            Some(up_to) => hosted.log.flush(up_to, now),
            None => Ok(()),
        })
    }

    pub fn expire_producers(&self, now: Timestamp) {
        self.all().iter().for_each(|hosted| hosted.log.expire_producers(now));
    }

    /// Every 60 s, and at the end.
    pub fn checkpoint_recovery_points(&self) -> Vec<FailedDir> {
        self.checkpoint(&KEPT[0])
    }

    /// Every 5 s, and at the end.
    pub fn checkpoint_high_watermarks(&self) -> Vec<FailedDir> {
        self.checkpoint(&KEPT[1])
    }

    /// Every 60 s, and at the end.
    pub fn checkpoint_log_starts(&self) -> Vec<FailedDir> {
        self.checkpoint(&KEPT[2])
    }

    /// Removes files and folders whose time has come.
    pub fn delete_expired(&self, now: Timestamp) -> Vec<FailedDir> {
        let due: Vec<_> = {
            let mut doomed = lock(&self.doomed);
            let (due, later) = std::mem::take(&mut *doomed).into_iter().partition(|(at, _)| *at <= now);
            *doomed = later;
            due
        };
        for (_, path) in due {
            // What cannot be removed now is tried again at the next start.
            crash_point::reached();
            let _ = std::fs::remove_dir_all(path);
        }
        self.each(|hosted| hosted.log.guarded(hosted.log.delete_expired_files(now).map(|_| ())))
    }

    /// Finds logs that failed while they were written, and takes their dirs offline.
    pub fn collect_failed(&self) -> Vec<FailedDir> {
        self.each(|hosted| hosted.log.usable())
    }

    /// A clean stop: everything closed and written down, the marker last, the lock gone.
    pub fn close_clean(&self, broker_epoch: i64, threads: usize, now: Timestamp) -> Vec<FailedDir> {
        let mut all = self.all();
        all.extend(self.futures().values().flat_map(HashMap::values).cloned());
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..threads.clamp(1, all.len().max(1)) {
                scope.spawn(|| {
                    while let Some(hosted) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
                        // A log that fails here says so at the next question, below.
                        let _ = hosted.log.close(now);
                    }
                });
            }
        });
        let mut failed = self.each(|hosted| match hosted.log.is_failed() {
            true => hosted.log.usable(),
            false => Ok(()),
        });
        for kept in &KEPT {
            failed.extend(self.checkpoint(kept));
        }
        failed.extend(self.checkpoint(&CLEANED));
        for dir in self.dirs.iter().filter(|dir| dir.is_online()) {
            if let Err(error) = dir.write_clean_stop(broker_epoch) {
                failed.push(self.failed(dir, error.to_string()));
            }
        }
        self.dirs.iter().for_each(|dir| dir.unlock());
        failed
    }

    /// How far each compacted log is clean. Costs nothing while that does not change.
    pub fn checkpoint_cleaned(&self) -> Vec<FailedDir> {
        self.each_dir(CLEANED.1, Dir::write_cleaned)
    }

    fn checkpoint(&self, (name, offset): &(&str, OffsetOf)) -> Vec<FailedDir> {
        self.each_dir(*offset, |dir, offsets| dir.write_checkpoint(name, &offsets))
    }

    /// Collects offsets of the logs of each dir, and lets them be written.
    fn each_dir(&self, offset: OffsetOf, write: impl Fn(&Dir, Offsets) -> io::Result<()>) -> Vec<FailedDir> {
        let mut offsets: HashMap<*const Dir, Offsets> = HashMap::new();
        for hosted in self.all() {
            if let Some(offset) = offset(&hosted) {
                let key = (hosted.log.topic().to_string(), hosted.log.partition());
                offsets.entry(Arc::as_ptr(&hosted.dir)).or_default().insert(key, offset);
            }
        }
        let mut failed = Vec::new();
        for dir in self.dirs.iter().filter(|dir| dir.is_online()) {
            let offsets = offsets.remove(&Arc::as_ptr(dir)).unwrap_or_default();
            if let Err(error) = write(dir, offsets) {
                failed.push(self.failed(dir, error.to_string()));
            }
        }
        failed
    }

    /// Does something for each log. The first error of a dir takes that dir offline.
    pub(super) fn each(&self, act: impl Fn(&Hosted) -> Result<(), Rejection>) -> Vec<FailedDir> {
        let mut failed = Vec::new();
        for hosted in self.all() {
            if !hosted.dir.is_online() {
                continue;
            }
            if let Err(rejection) = act(&hosted)
                && hosted.log.is_failed()
                // A log that was deleted or moved meanwhile, its files away under its hands, has no say over its dir.
                && self.is_hosted(&hosted)
            {
                failed.push(self.failed(&hosted.dir, rejection.message));
            }
        }
        failed
    }

    fn is_hosted(&self, hosted: &Hosted) -> bool {
        let known = self.hosted(hosted.log.topic(), hosted.log.partition());
        known.is_some_and(|known| Arc::ptr_eq(&known.log, &hosted.log))
    }

    fn failed(&self, dir: &Arc<Dir>, reason: String) -> FailedDir {
        FailedDir {
            dir: dir.clone(),
            reason,
            lost: self.fail(dir),
        }
    }
}
