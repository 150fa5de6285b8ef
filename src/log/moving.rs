//! Moving a log to another log dir: a copy grows beside it, and takes its place when it has caught up.

use crate::log::dir::Dir;
use crate::log::dir::FUTURE;
use crate::log::dir::FolderName;
use crate::log::dirs::Hosted;
use crate::log::dirs::LogDirs;
use crate::log::dirs::insert;
use crate::log::dirs::remove;
use crate::log::read::ReadError;
use crate::log::replica::Log;
use crate::record::validate::Rejection;
use crate::types::ErrorCode;
use crate::types::LeaderEpoch;
use crate::types::PartitionId;
use crate::types::Timestamp;
use crate::types::Uuid;
use std::path::Path;
use std::sync::Arc;

/// How far a copy has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copied {
    Bytes(u32),
    /// Nothing is missing right now.
    CaughtUp,
}

impl LogDirs {
    /// Begins a copy in `target`. A copy elsewhere is given up; the log's own dir means: stay where you are.
    pub fn begin_move(
        &self,
        (topic, partition): (&str, PartitionId),
        target: &Path,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let dir = self.dirs.iter().find(|dir| dir.path() == target);
        let dir = dir.ok_or_else(|| refuse(ErrorCode::LogDirNotFound, "no such log dir"))?;
        if !dir.is_online() {
            return Err(refuse(ErrorCode::KafkaStorageError, "the log dir is offline"));
        }
        let current = self.hosted(topic, partition);
        let current = current.ok_or_else(|| refuse(ErrorCode::ReplicaNotAvailable, "no such replica here"))?;
        if self
            .future(topic, partition)
            .is_some_and(|future| Arc::ptr_eq(&future.dir, dir))
        {
            return Ok(());
        }
        self.abandon_move(topic, partition, now)?;
        if Arc::ptr_eq(&current.dir, dir) {
            return Ok(());
        }
        self.create_future(&current, dir, now)
    }

    fn create_future(&self, current: &Hosted, dir: &Arc<Dir>, now: Timestamp) -> Result<(), Rejection> {
        let log = &current.log;
        let (topic, partition) = (log.topic(), log.partition());
        let name = FolderName::with_suffix(topic, partition, Uuid((self.random)()), FUTURE);
        let place = self.place(dir, name, (topic, partition), log.topic_id());
        let made = Log::create_at(place, log.settings(), log.log_start(), now);
        let made = made.map_err(|error| refuse(ErrorCode::KafkaStorageError, &error.to_string()))?;
        // What is cleaned from now on may have been copied before.
        made.set_cleaned_to(log.cleaned_to());
        insert(
            &mut self.futures_mut(),
            Hosted {
                log: Arc::new(made),
                dir: dir.clone(),
            },
        );
        Ok(())
    }

    pub fn abandon_move(&self, topic: &str, partition: PartitionId, now: Timestamp) -> Result<(), Rejection> {
        let future = remove(&mut self.futures_mut(), topic, partition);
        future.map_or(Ok(()), |future| self.doom(&future, now))
    }

    /// Copies the next `max_bytes`, up to the high watermark.
    pub fn copy_some(
        &self,
        (topic, partition): (&str, PartitionId),
        max_bytes: u32,
        now: Timestamp,
    ) -> Result<Copied, Rejection> {
        let pair = self.hosted(topic, partition).zip(self.future(topic, partition));
        let (current, future) = pair.ok_or_else(|| refuse(ErrorCode::ReplicaNotAvailable, "nothing is moved"))?;
        let (from, up_to) = (future.log.end_offset(), current.log.high_watermark());
        let slice = match current.log.read(from, max_bytes, true, up_to) {
            Ok(slice) => slice,
            Err(ReadError::OutOfRange { log_start, .. }) => {
                future.log.truncate_fully_and_start_at(log_start, now)?;
                return Ok(Copied::Bytes(0));
            }
            Err(error) => return Err(refuse(ErrorCode::from(error), "the log cannot be read")),
        };
        let bytes = slice
            .bytes()
            .map_err(|error| refuse(ErrorCode::KafkaStorageError, &error.to_string()))?;
        if bytes.is_empty() {
            return Ok(Copied::CaughtUp);
        }
        future.log.append_as_follower(&bytes, LeaderEpoch::MAX, now)?;
        future.log.advance_high_watermark(future.log.end_offset());
        Ok(Copied::Bytes(bytes.len() as u32))
    }

    /// Puts the copy in the place of the log, if it has everything. Nobody may append meanwhile: the caller holds off
    /// the partition's writers. Returns the log that counts from now on.
    pub fn finish_move(&self, topic: &str, partition: PartitionId, now: Timestamp) -> Result<Arc<Log>, Rejection> {
        let pair = self.hosted(topic, partition).zip(self.future(topic, partition));
        let (current, future) = pair.ok_or_else(|| refuse(ErrorCode::ReplicaNotAvailable, "nothing is moved"))?;
        if future.log.end_offset() != current.log.end_offset() {
            return Err(refuse(ErrorCode::ReassignmentInProgress, "the copy has not caught up"));
        }
        future.log.inherit_epochs(&current.log)?;
        // Records may have been deleted since they were copied.
        future.log.advance_log_start(current.log.log_start())?;
        future.log.flush(future.log.end_offset(), now)?;
        // A copy that was whole before a restart has not learnt since what is committed.
        future.log.advance_high_watermark(current.log.high_watermark());
        let mut logs = self.logs_mut();
        // First the new one gets its name, then the old one loses its: a crash in between leaves both, never none.
        let name = future.dir.path().join(format!("{topic}-{partition}"));
        let renamed = future.log.rename_folder(name, true);
        renamed.map_err(|error| refuse(ErrorCode::KafkaStorageError, &error.to_string()))?;
        remove(&mut self.futures_mut(), topic, partition);
        insert(&mut logs, future.clone());
        drop(logs);
        self.doom(&current, now)?;
        Ok(future.log)
    }
}

fn refuse(code: ErrorCode, message: &str) -> Rejection {
    Rejection::new(code, message)
}
