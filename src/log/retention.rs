//! Removing what is too old or too much, a whole segment at a time; files go later than their records.

use crate::log::replica::Log;
use crate::log::replica::Writer;
use crate::log::settings::LogSettings;
use crate::record::validate::Rejection;
use crate::storage::replace::remove_if_there;
use crate::storage::segment::Segment;
use crate::types::Timestamp;
use std::io;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

impl Log {
    /// Removes the oldest segments that the settings do not want any more, never past the high watermark. Returns
    /// how many went.
    pub fn apply_retention(&self, now: Timestamp) -> Result<usize, Rejection> {
        self.usable()?;
        let settings = self.settings();
        let mut writer = self.writer();
        self.guarded(self.retain(&mut writer, &settings, now))
    }

    fn retain(&self, writer: &mut Writer, settings: &LogSettings, now: Timestamp) -> io::Result<usize> {
        let segments = self.segments();
        let expendable = self.expendable(&segments, settings, now)?;
        if expendable == 0 {
            return Ok(0);
        }
        if expendable == segments.len() {
            let end = self.end_offset();
            self.roll_at(writer, end, now)?;
        }
        let segments = self.segments();
        let (gone, kept) = segments.split_at(expendable);
        let start = kept.first().map_or(self.end_offset(), |first| first.base_offset);
        // In this order: a reader that misses a segment must find the start moved.
        if start > self.log_start() {
            self.cut_start(writer, start, false)?;
        }
        self.set_segments(kept.to_vec());
        writer.folder_changed = true;
        for segment in gone {
            let due = now.saturating_add(settings.file_delete_delay_ms);
            let mut files = segment.set_aside()?;
            files.extend(segment.set_snapshot_aside()?);
            writer.set_aside.extend(files.into_iter().map(|path| (due, path)));
        }
        Ok(expendable)
    }

    /// How many segments from the oldest on may go.
    fn expendable(&self, segments: &[Arc<Segment>], settings: &LogSettings, now: Timestamp) -> io::Result<usize> {
        let (start, high_watermark) = (self.log_start(), self.high_watermark());
        let mut surplus = match settings.delete && settings.retention_bytes >= 0 {
            true => self.size() as i64 - settings.retention_bytes,
            false => -1,
        };
        let mut count = 0;
        for (index, segment) in segments.iter().enumerate() {
            let next = segments.get(index + 1).map(|next| next.base_offset);
            let end = next.unwrap_or_else(|| self.end_offset());
            if end > high_watermark || (next.is_none() && segment.size() == 0) {
                break;
            }
            let below_start = next.is_some_and(|next| next <= start);
            let size = segment.size() as i64;
            let too_much = surplus >= size && surplus > 0;
            if !(below_start || too_much || (settings.delete && is_too_old(segment, settings, now)?)) {
                break;
            }
            surplus -= size;
            count += 1;
        }
        Ok(count)
    }

    /// Removes the files whose time has come.
    pub fn delete_expired_files(&self, now: Timestamp) -> io::Result<usize> {
        let due: Vec<_> = {
            let mut writer = self.writer();
            let (due, later) = std::mem::take(&mut writer.set_aside)
                .into_iter()
                .partition(|(at, _)| *at <= now);
            writer.set_aside = later;
            due
        };
        for (_, path) in &due {
            remove_if_there(path)?;
        }
        Ok(due.len())
    }
}

fn is_too_old(segment: &Segment, settings: &LogSettings, now: Timestamp) -> io::Result<bool> {
    if settings.retention_ms < 0 {
        return Ok(false);
    }
    let mut latest = segment.largest()?.timestamp;
    if latest < 0 {
        // No record tells a time: the file does.
        let modified = segment.file()?.metadata()?.modified()?;
        latest = modified
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_millis() as Timestamp);
    }
    Ok(now.saturating_sub(latest) > settings.retention_ms)
}
