//! The files of `__cluster_metadata-0`, whoever keeps them: the log, its snapshots, and what goes of both with time.
//!
//! Plain blocking calls.

use crate::log::Log;
use crate::metadata::Image;
use crate::metadata::MetadataVersion;
use crate::raft::entries;
use crate::raft::entries::Entry;
use crate::raft::snapshot::SnapshotBuilder;
use crate::raft::snapshot::SnapshotHead;
use crate::raft::snapshot::SnapshotId;
use crate::raft::snapshot::read_snapshot;
use crate::record::batch::batches;
use crate::runtime::metadata_store::StoreError;
use crate::runtime::metadata_store::StoreSettings;
use crate::runtime::snapshots;
use crate::types::LeaderEpoch;
use crate::types::Offset;
use crate::types::Timestamp;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// Bytes read at once while replaying.
const CHUNK_BYTES: u32 = 4 << 20;

pub struct MetadataFiles {
    pub log: Log,
    pub(super) settings: StoreSettings,
    folder: PathBuf,
    snapshots: Mutex<BTreeSet<SnapshotId>>,
}

impl MetadataFiles {
    pub fn new(log: Log, folder: PathBuf, settings: StoreSettings, snapshots: BTreeSet<SnapshotId>) -> MetadataFiles {
        MetadataFiles {
            log,
            settings,
            folder,
            snapshots: Mutex::new(snapshots),
        }
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The greatest epoch that this node ever took part in.
    pub fn greatest_epoch(&self) -> Result<LeaderEpoch, StoreError> {
        let remembered = snapshots::read_quorum_state(&self.folder)?.map_or(0, |state| state.leader_epoch);
        let snapshot = self.latest_snapshot().map_or(0, |id| id.epoch);
        Ok(remembered.max(snapshot).max(self.log.latest_epoch().unwrap_or(0)))
    }

    /// Hands out the entries from `from` on, batch by batch with its size, up to the batch that holds `until`.
    pub fn walk(
        &self,
        from: Offset,
        until: Offset,
        mut hand: impl FnMut(usize, Vec<Entry>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut next = from;
        while next < until {
            let slice = self.log.read(next, CHUNK_BYTES, true, until);
            let slice = slice
                .map_err(|error| StoreError::damage("the metadata log cannot be read", format_args!("{error:?}")))?;
            let bytes = slice.bytes()?;
            if bytes.is_empty() {
                return Ok(());
            }
            let before = next;
            // The last batch of a chunk may be cut short: the next chunk begins with it.
            for batch in batches(&bytes) {
                let found = entries::of_batch(&batch);
                let mut found = found.map_err(|error| StoreError::damage("the metadata log is damaged", error))?;
                found.retain(|entry| entry.offset >= next);
                if let Some(last) = found.last() {
                    next = last.offset + 1;
                    hand(batch.size(), found)?;
                }
            }
            if next == before {
                let at = format_args!("no whole batch at offset {next}");
                return Err(StoreError::damage("the metadata log is damaged", at));
            }
        }
        Ok(())
    }

    pub fn close(&self, now: Timestamp) -> Result<(), StoreError> {
        self.log
            .close(now)
            .map_err(|error| StoreError::new("cannot close the metadata log", error.message))
    }

    fn snapshots(&self) -> MutexGuard<'_, BTreeSet<SnapshotId>> {
        self.snapshots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn latest_snapshot(&self) -> Option<SnapshotId> {
        self.snapshots().last().copied()
    }

    pub fn earliest_snapshot(&self) -> Option<SnapshotId> {
        self.snapshots().first().copied()
    }

    /// `None` if there is no such snapshot, or none any more.
    pub fn open_snapshot(&self, id: SnapshotId) -> io::Result<Option<File>> {
        // Held meanwhile, so that nobody removes the file between the look and the opening.
        let snapshots = self.snapshots();
        match snapshots.contains(&id) {
            true => File::open(self.folder.join(id.file_name())).map(Some),
            false => Ok(None),
        }
    }

    /// Writes down a committed image.
    pub fn take_snapshot(&self, image: &Image, head: &SnapshotHead, now: Timestamp) -> Result<(), StoreError> {
        let id = SnapshotId {
            end_offset: image.offset + 1,
            epoch: image.epoch,
        };
        let level = image.metadata_version().unwrap_or(MetadataVersion::MINIMUM);
        let mut builder = SnapshotBuilder::new(image.epoch, head, now);
        image.each_record(|record| builder.push(record.encode(level)));
        snapshots::write(&self.folder, id, &builder.finish())?;
        self.snapshots().insert(id);
        Ok(())
    }

    /// A snapshot from elsewhere is there under its name: it replaces the log and all that came before.
    pub fn begin_at(&self, id: SnapshotId, now: Timestamp) -> Result<(), StoreError> {
        let begun = self.log.truncate_fully_and_start_at(id.end_offset, now);
        begun.map_err(|error| StoreError::new("cannot begin the metadata log", error.message))?;
        let mut snapshots = self.snapshots();
        for old in snapshots.iter().filter(|old| **old != id) {
            snapshots::remove(&self.folder, *old)?;
        }
        *snapshots = BTreeSet::from([id]);
        Ok(())
    }

    /// Removes the oldest snapshots, and the log below the oldest that stays, as far as retention wants it. The
    /// latest snapshot always stays.
    pub fn clean(&self, now: Timestamp) -> Result<usize, StoreError> {
        let mut snapshots = self.snapshots();
        let mut removed = 0;
        while snapshots.len() > 1 {
            let ids: Vec<SnapshotId> = snapshots.iter().copied().collect();
            let [oldest, next, ..] = ids[..] else { break };
            if !self.is_expendable(&ids, oldest, now) {
                break;
            }
            let advanced = self.log.advance_log_start(next.end_offset);
            advanced.map_err(|error| StoreError::new("cannot shorten the metadata log", error.message))?;
            snapshots::remove(&self.folder, oldest)?;
            snapshots.remove(&oldest);
            removed += 1;
        }
        drop(snapshots);
        if removed > 0 {
            self.log
                .apply_retention(now)
                .map_err(|error| StoreError::new("cannot shorten the metadata log", error.message))?;
        }
        self.log.delete_expired_files(now)?;
        Ok(removed)
    }

    fn is_expendable(&self, all: &[SnapshotId], oldest: SnapshotId, now: Timestamp) -> bool {
        let snapshots: u64 = all.iter().map(|id| snapshots::size(&self.folder, *id)).sum();
        let bytes = i64::try_from(self.log.size().saturating_add(snapshots)).unwrap_or(i64::MAX);
        if self.settings.retention_bytes >= 0 && bytes > self.settings.retention_bytes {
            return true;
        }
        let written = snapshots::read(&self.folder, oldest).ok();
        let written = written.and_then(|bytes| read_snapshot(&bytes, |_| {}).ok());
        let written = written.map(|head| head.last_contained).filter(|at| *at > 0);
        self.settings.retention_ms >= 0 && written.is_some_and(|at| now - at > self.settings.retention_ms)
    }
}
