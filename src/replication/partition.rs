//! One partition on this broker: its log, whether this broker leads it, and who waits for it.

pub use crate::log::Appended;
use crate::log::How;
use crate::log::Log;
use crate::log::TimedOffset;
use crate::record::validate::Rejection;
use crate::replication::session::Wanted;
use crate::replication::waiting::Waiters;
use crate::schema::fetch_response::AbortedTransaction;
use crate::schema::fetch_response::EpochEndOffset;
use crate::schema::fetch_response::PartitionData;
use crate::schema::writer::Records;
use crate::types::ErrorCode;
use crate::types::LeaderEpoch;
use crate::types::NO_TIMESTAMP;
use crate::types::Offset;
use crate::types::Timestamp;
use crate::types::Uuid;
use bytes::Bytes;
use compact_str::CompactString;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::RwLockReadGuard;
use tracing::error;

pub struct Partition {
    pub topic: CompactString,
    pub topic_id: Uuid,
    pub index: i32,
    held: RwLock<Held>,
    waiters: Waiters,
}

/// What changes together: nobody appends while leadership or the log's place changes.
struct Held {
    log: Arc<Log>,
    role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Role {
    pub leads: bool,
    pub leader_epoch: LeaderEpoch,
}

/// How far a reader may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upto {
    LogEnd,
    HighWatermark,
    LastStableOffset,
}

pub struct Reading {
    pub wanted: Wanted,
    pub max_bytes: u32,
    /// Gives the first batch whole even if it is larger than `max_bytes`.
    pub at_least_one: bool,
    pub upto: Upto,
}

/// An offset as ListOffsets tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub offset: Offset,
    pub timestamp: Timestamp,
    pub leader_epoch: Option<LeaderEpoch>,
}

impl Partition {
    pub fn new(topic: CompactString, topic_id: Uuid, index: i32, log: Arc<Log>) -> Partition {
        let role = Role {
            leads: false,
            leader_epoch: -1,
        };
        Partition {
            topic,
            topic_id,
            index,
            held: RwLock::new(Held { log, role }),
            waiters: Waiters::default(),
        }
    }

    pub fn log(&self) -> Arc<Log> {
        self.held().log.clone()
    }

    pub fn waiters(&self) -> &Waiters {
        &self.waiters
    }

    pub fn log_start(&self) -> Offset {
        self.held().log.log_start()
    }

    pub fn role(&self) -> Role {
        self.held().role
    }

    /// Takes what the metadata log says of this partition. Readers that wait are told, for they may have to go elsewhere.
    pub fn set_role(&self, role: Role) {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        if held.role == role {
            return;
        }
        if role.leads && held.role.leader_epoch < role.leader_epoch {
            held.log.assign_epoch_start(role.leader_epoch);
            // A lone replica has nobody to wait for.
            held.log.advance_high_watermark(held.log.end_offset());
        }
        held.role = role;
        drop(held);
        self.waiters.wake();
    }

    /// Puts another log in the place of this one, if `replace` gives one; nobody appends meanwhile.
    pub fn replace_log<E>(&self, replace: impl FnOnce() -> Result<Arc<Log>, E>) -> Result<(), E> {
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.log = replace()?;
        Ok(())
    }

    fn held(&self) -> RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Appends what a client sent.
    pub fn append(&self, records: &Bytes, now: Timestamp) -> Result<Appended, Rejection> {
        // Held until the batch is in: leadership does not change under an append.
        let held = self.held();
        if !held.role.leads {
            return Err(Rejection::new(
                ErrorCode::NotLeaderOrFollower,
                "this broker does not lead the partition",
            ));
        }
        let appended = held.log.append(records, &How::client(held.role.leader_epoch), now)?;
        // A lone replica has nobody to wait for.
        held.log.advance_high_watermark(appended.last_offset + 1);
        drop(held);
        self.waiters.wake();
        Ok(appended)
    }

    /// Appends what this broker itself writes as the partition's leader in this epoch.
    pub fn append_own(&self, records: &Bytes, epoch: LeaderEpoch, now: Timestamp) -> Result<Appended, Rejection> {
        let held = self.held();
        if !held.role.leads || held.role.leader_epoch != epoch {
            return Err(Rejection::new(
                ErrorCode::NotLeaderOrFollower,
                "this broker does not lead the partition any more",
            ));
        }
        let appended = held.log.append(records, &How::coordinator(epoch), now)?;
        // A lone replica has nobody to wait for.
        held.log.advance_high_watermark(appended.last_offset + 1);
        drop(held);
        self.waiters.wake();
        Ok(appended)
    }

    /// Brings what is committed to the disk; a failure takes the log offline.
    pub fn flush(&self, now: Timestamp) {
        let log = self.log();
        if let Err(rejection) = log.flush(log.end_offset(), now) {
            error!(topic = %self.topic, partition = self.index, "the log was not flushed: {}", rejection.message);
        }
    }

    pub fn read(&self, reading: &Reading) -> Result<PartitionData, ErrorCode> {
        let wanted = &reading.wanted;
        self.check_leadership(wanted.current_leader_epoch)?;
        let log = self.log();
        let mut answer = PartitionData {
            high_watermark: log.high_watermark(),
            last_stable_offset: log.last_stable_offset(),
            log_start_offset: log.log_start(),
            records: Some(Records::default()),
            aborted_transactions: None,
            ..PartitionData::default()
        };
        if let Some(diverging) = divergence(&log, wanted)? {
            answer.diverging_epoch = diverging;
            return Ok(answer);
        }
        let upto = offset_upto(&log, reading.upto);
        let slice = log.read(wanted.offset, reading.max_bytes, reading.at_least_one, upto)?;
        if reading.upto == Upto::LastStableOffset {
            let aborted = log.aborted_transactions(wanted.offset, upto);
            let aborted = aborted.map_err(|_| ErrorCode::KafkaStorageError)?;
            let told = aborted.into_iter().map(|transaction| AbortedTransaction {
                producer_id: transaction.producer_id,
                first_offset: transaction.first_offset,
            });
            answer.aborted_transactions = Some(told.collect());
        }
        answer.records = Some(Records::Files(slice.range.into_iter().collect()));
        Ok(answer)
    }

    /// Whether this broker leads, in the epoch that the client names if it names one.
    pub fn check_leadership(&self, named: LeaderEpoch) -> Result<Role, ErrorCode> {
        let role = self.role();
        match named {
            named if named >= 0 && named < role.leader_epoch => Err(ErrorCode::FencedLeaderEpoch),
            named if named > role.leader_epoch => Err(ErrorCode::UnknownLeaderEpoch),
            _ if !role.leads => Err(ErrorCode::NotLeaderOrFollower),
            _ => Ok(role),
        }
    }

    /// The largest epoch up to this one, and where it ended; -1 and -1 if there is none.
    pub fn epoch_end(&self, epoch: LeaderEpoch) -> (LeaderEpoch, Offset) {
        self.log().epoch_end_offset(epoch).unwrap_or((-1, -1))
    }

    /// Moves the start of the log; it is on the disk when this returns.
    pub fn delete_records(&self, before: Offset) -> Result<Offset, ErrorCode> {
        Ok(self.log().delete_records(before)?)
    }

    pub fn upto(&self, upto: Upto) -> Offset {
        offset_upto(&self.log(), upto)
    }

    pub fn earliest(&self) -> Position {
        let log = self.log();
        let offset = log.log_start();
        Position {
            offset,
            timestamp: NO_TIMESTAMP,
            leader_epoch: log.epoch_at(offset),
        }
    }

    pub fn latest(&self, upto: Upto) -> Position {
        let leader_epoch = Some(self.role().leader_epoch);
        Position {
            offset: self.upto(upto),
            timestamp: NO_TIMESTAMP,
            leader_epoch,
        }
    }

    /// The first record of this time or later.
    pub fn at_time(&self, timestamp: Timestamp, upto: Upto) -> Result<Option<Position>, ErrorCode> {
        Ok(self.seen(self.log().offset_for_timestamp(timestamp)?, upto))
    }

    /// The record of the latest time.
    pub fn at_max_time(&self, upto: Upto) -> Result<Option<Position>, ErrorCode> {
        Ok(self.seen(self.log().max_timestamp_offset()?, upto))
    }

    /// Only what the reader may see.
    fn seen(&self, found: Option<TimedOffset>, upto: Upto) -> Option<Position> {
        let found = found.filter(|found| found.offset < self.upto(upto))?;
        Some(Position {
            offset: found.offset,
            timestamp: found.timestamp,
            leader_epoch: found.leader_epoch,
        })
    }
}

fn offset_upto(log: &Log, upto: Upto) -> Offset {
    match upto {
        Upto::LogEnd => log.end_offset(),
        Upto::HighWatermark => log.high_watermark(),
        Upto::LastStableOffset => log.last_stable_offset(),
    }
}

/// Where the reader's log and this one part, if they do (KIP-595).
fn divergence(log: &Log, wanted: &Wanted) -> Result<Option<EpochEndOffset>, ErrorCode> {
    if wanted.last_fetched_epoch < 0 {
        return Ok(None);
    }
    let Some((epoch, end_offset)) = log.epoch_end_offset(wanted.last_fetched_epoch) else {
        return Err(ErrorCode::OffsetOutOfRange);
    };
    let parted = epoch < wanted.last_fetched_epoch || end_offset < wanted.offset;
    Ok(parted.then_some(EpochEndOffset { epoch, end_offset }))
}
