//! From timestamps to offsets: what ListOffsets asks.

use crate::log::read::ReadError;
use crate::log::replica::Log;
use crate::record::batch::Batch;
use crate::record::header::BatchHeader;
use crate::record::header::HEADER_SIZE;
use crate::record::reader::RecordFault;
use crate::storage::positioned::read_at_most;
use crate::storage::scan::SMALL_WINDOW;
use crate::storage::segment::Segment;
use crate::types::LeaderEpoch;
use crate::types::Offset;
use crate::types::Timestamp;
use std::sync::Arc;

/// A record found by its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimedOffset {
    pub timestamp: Timestamp,
    pub offset: Offset,
    pub leader_epoch: Option<LeaderEpoch>,
}

/// What one batch may grow to when its records are looked through.
const BATCH_LIMIT: usize = 256 << 20;

impl Log {
    /// The first record at or after the log's start whose timestamp is `timestamp` or later.
    pub fn offset_for_timestamp(&self, timestamp: Timestamp) -> Result<Option<TimedOffset>, ReadError> {
        let start = self.log_start();
        for segment in self.segments().iter() {
            if segment.largest()?.timestamp < timestamp {
                continue;
            }
            let hint = segment
                .time_index
                .lookup(timestamp.saturating_sub(1))
                .unwrap_or_default();
            // The entry is about a batch before the one we look for; one that is not genuine is no help.
            let hint = hint.filter(|entry| segment.is_time_of_batch(entry));
            let from = hint.map_or(segment.base_offset, |entry| entry.offset).max(start);
            let wanted = |header: &BatchHeader| header.max_timestamp >= timestamp && header.last_offset() >= start;
            let found = self.first_record(segment, from, wanted, |record_time, offset| {
                record_time >= timestamp && offset >= start
            })?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The record with the largest timestamp; the first of them.
    pub fn max_timestamp_offset(&self) -> Result<Option<TimedOffset>, ReadError> {
        let segments = self.segments();
        let mut best: Option<(Timestamp, &Arc<Segment>)> = None;
        for segment in segments.iter() {
            let largest = segment.largest()?.timestamp;
            if best.is_none_or(|(known, _)| largest > known) {
                best = Some((largest, segment));
            }
        }
        let Some((largest, segment)) = best.filter(|(largest, _)| *largest >= 0) else {
            return Ok(None);
        };
        let from = segment.largest()?.offset;
        let wanted = |header: &BatchHeader| header.max_timestamp == largest;
        self.first_record(segment, from, wanted, |timestamp, _| timestamp == largest)
    }

    /// Walks from the batch that holds `from` to a wanted batch with a matching record.
    fn first_record(
        &self,
        segment: &Segment,
        from: Offset,
        wanted: impl Fn(&BatchHeader) -> bool,
        matches: impl Fn(Timestamp, Offset) -> bool,
    ) -> Result<Option<TimedOffset>, ReadError> {
        let size = segment.size();
        let Some((mut position, _)) = segment.locate(from, size)? else {
            return Ok(None);
        };
        loop {
            let mut candidate = None;
            segment.walk(position, size, SMALL_WINDOW, |at, header| {
                candidate = wanted(header).then_some((at, *header));
                candidate.is_none()
            })?;
            let Some((at, header)) = candidate else { return Ok(None) };
            if let Some(found) = record_in(segment, at, &header, &matches)? {
                return Ok(Some(found));
            }
            position = at + header.size().unwrap_or(HEADER_SIZE) as u64;
        }
    }
}

fn record_in(
    segment: &Segment,
    position: u64,
    header: &BatchHeader,
    matches: &impl Fn(Timestamp, Offset) -> bool,
) -> Result<Option<TimedOffset>, ReadError> {
    let mut bytes = vec![0; header.size().unwrap_or(HEADER_SIZE)];
    read_at_most(&*segment.file()?, &mut bytes, position)?;
    let batch = Batch::parse(&bytes).ok_or(ReadError::Corrupt)?;
    let mut found = None;
    let walked: Result<(), RecordFault> = batch.for_each_record(BATCH_LIMIT, |record| {
        if matches(record.timestamp, record.offset) {
            let leader_epoch = (header.leader_epoch >= 0).then_some(header.leader_epoch);
            found = Some(TimedOffset {
                timestamp: record.timestamp,
                offset: record.offset,
                leader_epoch,
            });
        }
        found.is_none()
    });
    walked.map_err(|_| ReadError::Corrupt)?;
    Ok(found)
}
