//! Appending: judge the batch, give it its offsets, write it, publish it.
//!
//! Whether a batch is a duplicate is decided under the same lock that writes it: two retries of one request never
//! both get in.

use crate::log::producers::Change;
use crate::log::producers::Judge;
use crate::log::producers::Verdict;
use crate::log::replica::Log;
use crate::log::replica::Writer;
use crate::log::settings::LogSettings;
use crate::record::batch::Batch;
use crate::record::batch::batches;
use crate::record::header::BatchHeader;
use crate::record::header::HEADER_SIZE;
use crate::record::header::MAGIC;
use crate::record::validate;
use crate::record::validate::Accepted;
use crate::record::validate::Origin;
use crate::record::validate::Rejection;
use crate::storage::segment::RollLimits;
use crate::types::ErrorCode;
use crate::types::LeaderEpoch;
use crate::types::Offset;
use crate::types::Timestamp;
use bytes::Bytes;

/// Who appends as a leader.
#[derive(Clone, Copy, Debug)]
pub struct How {
    pub leader_epoch: LeaderEpoch,
    pub origin: Origin,
    /// Of a transaction marker: which rule its epoch obeys. 0 for everything else.
    pub transaction_version: i16,
}

impl How {
    pub fn client(leader_epoch: LeaderEpoch) -> How {
        How {
            leader_epoch,
            origin: Origin::Client,
            transaction_version: 0,
        }
    }

    pub fn coordinator(leader_epoch: LeaderEpoch) -> How {
        How {
            leader_epoch,
            origin: Origin::Coordinator,
            transaction_version: 0,
        }
    }

    pub fn raft(leader_epoch: LeaderEpoch) -> How {
        How {
            leader_epoch,
            origin: Origin::Raft,
            transaction_version: 0,
        }
    }
}

/// Where a batch stands now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    pub first_offset: Offset,
    pub last_offset: Offset,
    /// With message.timestamp.type=LogAppendTime, and for duplicates.
    pub append_time: Option<Timestamp>,
    pub log_start: Offset,
    /// A retry of what was written before; the offsets are the old ones.
    pub duplicate: bool,
    /// `flush.messages` wants `Log::flush` before the acknowledgement.
    pub flush_due: bool,
}

impl Log {
    /// Appends one batch as the leader.
    pub fn append(&self, records: &Bytes, how: &How, now: Timestamp) -> Result<Appended, Rejection> {
        self.usable()?;
        let settings = self.settings();
        let accepted = validate::validate(records, &settings.batches, how.origin, &self.name, now)?;
        let mut writer = self.writer();
        self.usable()?;
        self.append_accepted(&mut writer, accepted, how, &settings, now)
    }

    fn append_accepted(
        &self,
        writer: &mut Writer,
        accepted: Accepted,
        how: &How,
        settings: &LogSettings,
        now: Timestamp,
    ) -> Result<Appended, Rejection> {
        let mut header = accepted.header;
        header.base_offset = self.end_offset();
        header.leader_epoch = how.leader_epoch;
        check_segment_size(&self.name, accepted.size(), settings)?;
        let batch = Batch {
            header,
            body: &accepted.body,
        };
        let judge = Judge {
            origin: Some(how.origin),
            transaction_version: how.transaction_version,
            partition: &self.name,
            now,
        };
        let change = match header
            .has_producer_id()
            .then(|| writer.producers.check(&batch, &judge))
            .transpose()?
        {
            Some(Verdict::Duplicate(written)) => {
                return Ok(Appended {
                    first_offset: written.first_offset(),
                    last_offset: written.last_offset,
                    append_time: Some(written.timestamp),
                    log_start: self.log_start(),
                    duplicate: true,
                    flush_due: false,
                });
            }
            Some(Verdict::Fresh(change)) => Some(change),
            None => None,
        };
        self.guarded(self.write(writer, &batch, change, settings, now))?;
        Ok(Appended {
            first_offset: header.base_offset,
            last_offset: header.last_offset(),
            append_time: accepted.append_time,
            log_start: self.log_start(),
            duplicate: false,
            flush_due: header.next_offset() - self.recovery_point() >= settings.flush_messages,
        })
    }

    /// Appends batches that a leader has written, with the offsets and epochs they have. Batches of an epoch above
    /// `leader_epoch` come from a leader we do not follow yet, and are left for later.
    pub fn append_as_follower(
        &self,
        records: &Bytes,
        leader_epoch: LeaderEpoch,
        now: Timestamp,
    ) -> Result<Option<Offset>, Rejection> {
        self.usable()?;
        let settings = self.settings();
        let mut writer = self.writer();
        self.usable()?;
        let mut last = None;
        for batch in batches(records) {
            self.check_replicated(&batch)?;
            if batch.header.leader_epoch > leader_epoch {
                break;
            }
            let start = self.log_start();
            if batch.header.base_offset < self.end_offset() {
                if !self.begins_inside(&batch.header) {
                    return Err(self.out_of_order(&batch.header));
                }
                // No segment holds what is below its own name.
                self.guarded(self.start_over(&mut writer, batch.header.base_offset, now))?;
            }
            self.append_replicated(&mut writer, &batch, &settings, now)?;
            if self.log_start() < start {
                self.guarded(self.cut_start(&writer, start, false))?;
            }
            last = Some(batch.header.last_offset());
        }
        Ok(last)
    }

    /// The first batch fetched by an empty log may begin below the log's start: DeleteRecords cuts inside batches.
    fn begins_inside(&self, header: &BatchHeader) -> bool {
        self.size() == 0 && header.last_offset() >= self.end_offset()
    }

    fn append_replicated(
        &self,
        writer: &mut Writer,
        batch: &Batch<'_>,
        settings: &LogSettings,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        check_segment_size(&self.name, batch.size() as u32, settings)?;
        let judge = Judge {
            origin: None,
            transaction_version: 0,
            partition: &self.name,
            now,
        };
        let change = match batch
            .header
            .has_producer_id()
            .then(|| writer.producers.check(batch, &judge))
            .transpose()?
        {
            Some(Verdict::Fresh(change)) => Some(change),
            Some(Verdict::Duplicate(_)) | None => None,
        };
        self.guarded(self.write(writer, batch, change, settings, now))
    }

    fn check_replicated(&self, batch: &Batch<'_>) -> Result<(), Rejection> {
        if batch.header.magic != MAGIC || !batch.is_intact() {
            let message = format!(
                "Record is corrupt (stored crc = {}) in topic partition {}.",
                batch.header.crc, self.name
            );
            return Err(Rejection::new(ErrorCode::CorruptMessage, message));
        }
        Ok(())
    }

    fn out_of_order(&self, header: &BatchHeader) -> Rejection {
        let message = format!(
            "Unexpected offset in append to {}. First offset {} is less than the next offset {}. Log start offset = {}",
            self.name,
            header.base_offset,
            self.end_offset(),
            self.log_start()
        );
        Rejection::new(ErrorCode::UnknownServerError, message)
    }

    /// Writes a batch that is judged, then lets everybody see it.
    fn write(
        &self,
        writer: &mut Writer,
        batch: &Batch<'_>,
        change: Option<Change>,
        settings: &LogSettings,
        now: Timestamp,
    ) -> std::io::Result<()> {
        let header = &batch.header;
        self.note_epoch(header.leader_epoch, header.base_offset)?;
        self.roll_if_full(writer, header, settings, now)?;
        let segments = self.segments();
        let active = segments
            .last()
            .ok_or_else(|| std::io::Error::other("a log has a segment"))?;
        active.append(header, batch.body, &settings.layout())?;
        if let Some(change) = change {
            if let Some(aborted) = writer.producers.apply(change) {
                active.txn_index.push(&aborted)?;
            }
            // Before the new end is visible: read_committed must never see an open transaction.
            self.publish_unstable(writer);
        }
        self.tail().advance(
            header.base_offset,
            header.next_offset(),
            (HEADER_SIZE + batch.body.len()) as u64,
        );
        Ok(())
    }

    fn roll_if_full(
        &self,
        writer: &mut Writer,
        header: &BatchHeader,
        settings: &LogSettings,
        now: Timestamp,
    ) -> std::io::Result<()> {
        let segments = self.segments();
        let Some(active) = segments.last() else { return Ok(()) };
        let limits = RollLimits {
            segment_bytes: u64::from(settings.segment_bytes),
            segment_ms: settings.segment_age_ms(self.jitter_seed(active.base_offset)),
            index_bytes: settings.index_bytes,
            now,
            created: writer.active_since,
        };
        let bytes = header.size().unwrap_or(HEADER_SIZE) as u64;
        let full = active.is_full(header, bytes, &limits);
        if full {
            self.roll_at(writer, header.base_offset, now)
        } else {
            Ok(())
        }
    }

    /// Differs from segment to segment and from partition to partition, and is the same at every call.
    fn jitter_seed(&self, base_offset: Offset) -> u64 {
        let name = u64::from(crc32c::crc32c(self.name.as_bytes()));
        (name ^ base_offset as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1
    }
}

fn check_segment_size(name: &str, bytes: u32, settings: &LogSettings) -> Result<(), Rejection> {
    if bytes <= settings.segment_bytes {
        return Ok(());
    }
    let message = format!(
        "Message batch size is {bytes} bytes in append to partition {name}, which exceeds the maximum configured segment size of {}.",
        settings.segment_bytes
    );
    Err(Rejection::new(ErrorCode::RecordListTooLarge, message))
}
