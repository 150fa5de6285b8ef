//! Taking records away: at the end because a leader never had them, at the start because somebody deleted them.

use crate::log::read::ReadError;
use crate::log::replica::Log;
use crate::log::replica::Writer;
use crate::record::validate::Rejection;
use crate::storage::replace::remove_if_there;
use crate::storage::segment::Segment;
use crate::types::Offset;
use crate::types::Timestamp;
use std::io;
use std::sync::Arc;

impl Log {
    /// Removes everything at and above `offset`. The batch that holds it goes in whole.
    pub fn truncate_to(&self, offset: Offset, now: Timestamp) -> Result<(), Rejection> {
        self.usable()?;
        let mut writer = self.writer();
        let end = self.end_offset();
        if offset >= end {
            return Ok(());
        }
        let begins = self.segments().first().map_or(0, |first| first.base_offset);
        if offset < begins {
            return self.guarded(self.start_over(&mut writer, offset, now));
        }
        self.guarded(self.cut_end(&mut writer, offset, now))
    }

    /// Removes everything; the next record gets `offset`.
    pub fn truncate_fully_and_start_at(&self, offset: Offset, now: Timestamp) -> Result<(), Rejection> {
        self.usable()?;
        let mut writer = self.writer();
        self.guarded(self.start_over(&mut writer, offset, now))
    }

    /// Moves the log's start up to `before`: DeleteRecords. On the disk when this returns, in the only file of the
    /// partition that tells a start; the log dir's checkpoint follows in its own time.
    pub fn delete_records(&self, before: Offset) -> Result<Offset, ReadError> {
        let high_watermark = self.high_watermark();
        let before = if before < 0 { high_watermark } else { before };
        if before > high_watermark {
            return Err(ReadError::OutOfRange {
                log_start: self.log_start(),
                end: high_watermark,
            });
        }
        let writer = self.writer();
        if before > self.log_start() {
            self.cut_start(&writer, before, true)?;
        }
        Ok(self.log_start())
    }

    /// Followers take over their leader's start.
    pub fn advance_log_start(&self, to: Offset) -> Result<(), Rejection> {
        let writer = self.writer();
        if to <= self.log_start() || to > self.end_offset() {
            return Ok(());
        }
        self.guarded(self.cut_start(&writer, to, false))
    }

    pub(crate) fn cut_start(&self, writer: &Writer, start: Offset, durable: bool) -> io::Result<()> {
        let mut epochs = self.epochs_mut();
        if epochs.truncate_start(start) || durable {
            self.write_epochs(&epochs, durable)?;
        }
        drop(epochs);
        self.set_log_start(start);
        self.publish_unstable(writer);
        Ok(())
    }

    fn cut_end(&self, writer: &mut Writer, offset: Offset, now: Timestamp) -> io::Result<()> {
        let segments = self.segments();
        let kept = segments.partition_point(|segment| segment.base_offset <= offset).max(1);
        let Some(last) = segments.get(kept - 1) else {
            return Ok(());
        };
        let found = last.locate(offset, last.size());
        let found =
            found.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "damage where the log is to be cut"))?;
        // Readers first, files after: nobody may be handed a range that is about to vanish.
        let (position, end) = match found {
            Some((position, header)) => (position, header.base_offset.min(offset)),
            None => (last.size(), offset),
        };
        self.tail().reset(end, last.base_offset, position);
        self.set_segments(segments.iter().take(kept).cloned().collect());
        last.truncate(position, end)?;
        for segment in segments.iter().skip(kept) {
            segment.remove()?;
        }
        {
            let mut epochs = self.epochs_mut();
            if epochs.truncate_end(end) {
                self.write_epochs(&epochs, false)?;
            }
        }
        self.clamp_offsets(self.log_start().min(end), end);
        self.cleaning.cut_to(end);
        writer.active_since = now;
        writer.folder_changed = true;
        self.reload_producers(writer, end, now)?;
        self.publish_unstable(writer);
        Ok(())
    }

    pub(crate) fn start_over(&self, writer: &mut Writer, offset: Offset, now: Timestamp) -> io::Result<()> {
        for segment in self.segments().iter() {
            segment.remove()?;
        }
        for (_, path) in self.snapshots()? {
            remove_if_there(&path)?;
        }
        let segment = Segment::create(&self.folder, offset, &self.settings().layout(), &self.place.pool)?;
        self.set_segments(vec![Arc::new(segment)]);
        self.tail().reset(offset, offset, 0);
        {
            let mut epochs = self.epochs_mut();
            epochs.clear();
            self.write_epochs(&epochs, false)?;
        }
        writer.producers = Default::default();
        writer.last_snapshot = offset;
        writer.active_since = now;
        writer.folder_changed = true;
        self.clamp_offsets(offset, offset);
        self.cleaning.cut_to(offset);
        self.publish_unstable(writer);
        Ok(())
    }
}
