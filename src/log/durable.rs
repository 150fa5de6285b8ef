//! What a log leaves on the disk: sealed segments, producer snapshots, flushes, a clean end.

use crate::log::replica::Log;
use crate::log::replica::Writer;
use crate::log::replica::segment_of;
use crate::record::validate::Rejection;
use crate::storage::folder;
use crate::storage::producer_snapshot;
use crate::storage::replace;
use crate::storage::segment::Segment;
use crate::types::Offset;
use crate::types::Timestamp;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Log {
    /// Closes the active segment and begins a new one, if there is anything in it.
    pub fn roll(&self, now: Timestamp) -> io::Result<()> {
        let mut writer = self.writer();
        let end = self.end_offset();
        self.roll_at(&mut writer, end, now)
    }

    pub(crate) fn roll_at(&self, writer: &mut Writer, base: Offset, now: Timestamp) -> io::Result<()> {
        let segments = self.segments();
        let Some(active) = segments
            .last()
            .filter(|active| active.base_offset != base || active.size() > 0)
        else {
            return Ok(());
        };
        seal(active, writer)?;
        self.snapshot_producers(writer, base)?;
        let segment = Segment::create(&self.folder, base, &self.settings().layout(), &self.place.pool)?;
        let keep = if active.size() == 0 {
            segments.len() - 1
        } else {
            segments.len()
        };
        let mut list: Vec<_> = segments.iter().take(keep).cloned().collect();
        list.push(Arc::new(segment));
        if active.size() == 0 {
            active.remove()?;
        }
        self.set_segments(list);
        writer.active_since = now;
        writer.folder_changed = true;
        self.tail().reset(base, base, 0);
        Ok(())
    }

    /// What the producers were before `offset`; recovery begins there.
    pub(crate) fn snapshot_producers(&self, writer: &mut Writer, offset: Offset) -> io::Result<()> {
        if offset <= writer.last_snapshot {
            return Ok(());
        }
        let path = self.folder.file(offset, folder::SNAPSHOT);
        producer_snapshot::write(&path, &writer.producers.to_snapshot())?;
        writer.last_snapshot = offset;
        Ok(())
    }

    /// Brings everything below `up_to` to the disk. Takes no lock while it waits.
    pub fn flush(&self, up_to: Offset, now: Timestamp) -> Result<(), Rejection> {
        self.guarded(self.flush_files(up_to.min(self.end_offset()), now))
    }

    fn flush_files(&self, up_to: Offset, now: Timestamp) -> io::Result<()> {
        let from = self.recovery_point();
        if up_to > from {
            let folder_changed = std::mem::take(&mut self.writer().folder_changed);
            let segments = self.segments();
            let first = segment_of(&segments, from);
            for (index, segment) in segments.iter().enumerate().skip(first) {
                if segment.base_offset >= up_to {
                    break;
                }
                segment.flush()?;
                if index + 1 < segments.len() {
                    segment.flush_indexes()?;
                }
            }
            if folder_changed {
                let path = self.folder.path();
                replace::sync_folder(&path)?;
                path.parent().map_or(Ok(()), replace::sync_folder)?;
            }
            self.recovery_point.fetch_max(up_to, Ordering::AcqRel);
        }
        self.last_flush.store(now, Ordering::Relaxed);
        Ok(())
    }

    /// Offsets to flush by now: sealed segments always, the active one by `flush.ms`.
    pub fn flush_due(&self, now: Timestamp) -> Option<Offset> {
        let (end, active) = {
            let tail = self.tail();
            (tail.end_offset, tail.segment)
        };
        let waited = now.saturating_sub(self.last_flush.load(Ordering::Relaxed));
        let due = if waited >= self.settings().flush_ms {
            end
        } else {
            active
        };
        (due > self.recovery_point()).then_some(due)
    }

    /// A clean end: files trimmed, producers kept, everything flushed. Nothing can be appended afterwards.
    pub fn close(&self, now: Timestamp) -> Result<(), Rejection> {
        if self.closed.swap(true, Ordering::AcqRel) || self.failed.load(Ordering::Acquire) {
            return Ok(());
        }
        self.guarded(self.close_files(now))
    }

    fn close_files(&self, now: Timestamp) -> io::Result<()> {
        let mut writer = self.writer();
        let end = self.end_offset();
        let segments = self.segments();
        if let Some(active) = segments.last() {
            seal(active, &writer)?;
        }
        self.snapshot_producers(&mut writer, end)?;
        drop(writer);
        self.flush_files(end, now)?;
        self.close_idle_files();
        Ok(())
    }
}

/// Where there are transactions, an empty list of aborted ones is written too: later a missing file is a lost one.
fn seal(active: &Segment, writer: &Writer) -> io::Result<()> {
    if writer.producers.saw_transactions() {
        active.txn_index.file.create()?;
    }
    active.seal()
}
