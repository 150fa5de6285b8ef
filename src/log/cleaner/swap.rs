//! Puts a cleaned segment in the place of those it was made of.
//!
//! A crash on the way leaves either all that was there, or the files called `.swap`, and the next start goes on.

use crate::log::replica::Log;
use crate::log::replica::Writer;
use crate::record::validate::Rejection;
use crate::storage::cleaned::CleanedSegment;
use crate::storage::replace::sync_folder;
use crate::storage::segment::Segment;
use crate::types::Timestamp;
use std::io;
use std::sync::Arc;

impl Log {
    /// `false`: the log is not what it was when the cleaner read it, and stays as it is.
    pub(crate) fn replace_segments(
        &self,
        old: &[Arc<Segment>],
        cleaned: CleanedSegment,
        cuts: u64,
        now: Timestamp,
    ) -> Result<bool, Rejection> {
        let swapped = {
            let mut writer = self.writer();
            let place = self.place_of(old).filter(|_| self.cleaning.cuts() == cuts);
            match place.filter(|_| self.usable().is_ok()) {
                Some(place) => self.guarded(self.swap(&mut writer, place, cleaned, now)).map(|()| true),
                None => self.guarded(cleaned.discard()).map(|()| false),
            }
        }?;
        if swapped {
            self.guarded(sync_folder(&self.path()))?;
        }
        Ok(swapped)
    }

    /// Where these segments stand in the list, if they still do.
    fn place_of(&self, old: &[Arc<Segment>]) -> Option<std::ops::Range<usize>> {
        let segments = self.segments();
        let first = old.first()?;
        let from = segments.iter().position(|segment| Arc::ptr_eq(segment, first))?;
        let there = segments.get(from..from + old.len())?;
        let same = there.iter().zip(old).all(|(one, other)| Arc::ptr_eq(one, other));
        // The active segment is never among them.
        (same && from + old.len() < segments.len()).then_some(from..from + old.len())
    }

    fn swap(
        &self,
        writer: &mut Writer,
        place: std::ops::Range<usize>,
        cleaned: CleanedSegment,
        now: Timestamp,
    ) -> io::Result<()> {
        cleaned.announce()?;
        let segments = self.segments();
        let due = now.saturating_add(self.settings().file_delete_delay_ms);
        for (index, segment) in segments.iter().enumerate().take(place.end).skip(place.start) {
            let mut files = segment.set_aside()?;
            if index > place.start {
                files.extend(segment.set_snapshot_aside()?);
            }
            writer.set_aside.extend(files.into_iter().map(|path| (due, path)));
        }
        let cleaned = Arc::new(cleaned.settle(&self.place.pool)?);
        let mut list = segments.to_vec();
        list.splice(place, [cleaned]);
        self.set_segments(list);
        writer.folder_changed = true;
        Ok(())
    }
}
