//! What the leader of the metadata log hands to those who follow it: batches, where they went astray, snapshots.
//!
//! Only what is on the disk is handed out, so nobody ever holds more than the leader finds after a crash.

use crate::file_range::FileRange;
use crate::log::ReadError;
use crate::metadata::Endpoint;
pub use crate::raft::observers::Progress;
pub use crate::raft::observers::ReplicaKey;
use crate::raft::snapshot::SnapshotId;
use crate::runtime::metadata_store::MetadataStore;
use crate::runtime::quorum::QuorumHandle;
use crate::types::ErrorCode;
use crate::types::LeaderEpoch;
use crate::types::NodeId;
use crate::types::Offset;
use crate::types::Uuid;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::PoisonError;
use tokio::sync::watch;

/// A follower's question: it has everything below `offset`, the last of it from `last_epoch`.
#[derive(Clone, Copy, Debug)]
pub struct FollowerFetch {
    /// Negative for those that are no replicas.
    pub replica_id: NodeId,
    pub directory: Uuid,
    /// Of the leader, as the follower knows it.
    pub leader_epoch: LeaderEpoch,
    pub offset: Offset,
    pub last_epoch: LeaderEpoch,
    pub max_bytes: u32,
}

/// What a follower does next.
#[derive(Debug)]
pub enum Next {
    /// Append these; `None` while there is nothing new.
    Append(Option<FileRange>),
    /// Forget what lies behind this end of this epoch.
    Truncate { epoch: LeaderEpoch, end_offset: Offset },
    /// Take this snapshot.
    Load { end_offset: Offset, epoch: LeaderEpoch },
}

#[derive(Debug)]
pub struct Served {
    pub next: Next,
    pub log_start: Offset,
    pub high_watermark: Offset,
}

/// A part of a snapshot's bytes.
#[derive(Debug)]
pub struct SnapshotPart {
    pub size: i64,
    pub range: FileRange,
}

impl QuorumHandle {
    pub fn cluster_id(&self) -> &str {
        &self.0.identity.cluster_id
    }

    /// Where this controller is found by those who came by `listener`.
    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        let mut endpoints = self.endpoints().iter();
        endpoints.find(|endpoint| endpoint.listener == listener)
    }

    pub fn endpoints(&self) -> &[Endpoint] {
        &self.0.identity.endpoints
    }

    /// Whether a request that names this leader epoch may be answered.
    pub fn check_epoch(&self, epoch: LeaderEpoch) -> Result<(), ErrorCode> {
        let known = self.0.store.epoch();
        match epoch.cmp(&known) {
            std::cmp::Ordering::Less => Err(ErrorCode::FencedLeaderEpoch),
            std::cmp::Ordering::Greater => Err(ErrorCode::UnknownLeaderEpoch),
            std::cmp::Ordering::Equal if self.0.lock().stopped => Err(ErrorCode::BrokerNotAvailable),
            std::cmp::Ordering::Equal => Ok(()),
        }
    }

    pub fn watch_high_watermark(&self) -> watch::Receiver<Offset> {
        self.0.high_watermark.subscribe()
    }

    pub fn log_start(&self) -> Offset {
        self.0.store.log().log_start()
    }

    /// Answers a fetch with what there is now, and remembers how far the follower has come.
    pub fn serve_fetch(&self, fetch: &FollowerFetch) -> Result<Served, ErrorCode> {
        self.check_epoch(fetch.leader_epoch)?;
        let store = &self.0.store;
        let high_watermark = *self.0.high_watermark.borrow();
        let next = match astray(store, fetch) {
            Some(next) => next,
            None => {
                let range = read(store, fetch, high_watermark)?;
                self.note_progress(fetch)?;
                Next::Append(range)
            }
        };
        Ok(Served {
            next,
            log_start: store.log().log_start(),
            high_watermark,
        })
    }

    fn note_progress(&self, fetch: &FollowerFetch) -> Result<(), ErrorCode> {
        if fetch.replica_id < 0 {
            return Ok(());
        }
        let store = &self.0.store;
        if fetch.replica_id == store.node_id() {
            tracing::error!(
                "Another node fetches the metadata as node {}, which leads it.",
                store.node_id()
            );
            return Err(ErrorCode::UnknownServerError);
        }
        let mut observers = self.0.observers.lock().unwrap_or_else(PoisonError::into_inner);
        let (end, now) = (store.log().end_offset(), self.0.clock.now());
        observers.fetched((fetch.replica_id, fetch.directory), fetch.offset, end, now);
        Ok(())
    }

    /// Those that follow the log without a vote.
    pub fn observers(&self) -> Vec<(ReplicaKey, Progress)> {
        let mut observers = self.0.observers.lock().unwrap_or_else(PoisonError::into_inner);
        observers.list(self.0.clock.now())
    }

    /// At most `max_bytes` of a snapshot from `position` on, cut anywhere.
    pub async fn serve_snapshot(
        &self,
        (end_offset, epoch): (Offset, LeaderEpoch),
        position: i64,
        max_bytes: u32,
    ) -> Result<SnapshotPart, ErrorCode> {
        let id = SnapshotId { end_offset, epoch };
        // What formatting left is in the log, too: the first leader wrote it there.
        if id == SnapshotId::FORMATTED {
            return Err(ErrorCode::SnapshotNotFound);
        }
        let shared = self.0.clone();
        let open = move || -> io::Result<Option<(File, u64)>> {
            let Some(file) = shared.store.open_snapshot(id)? else {
                return Ok(None);
            };
            let size = file.metadata()?.len();
            Ok(Some((file, size)))
        };
        let opened = tokio::task::spawn_blocking(open).await;
        let opened = opened.unwrap_or_else(|error| Err(io::Error::other(error)));
        let opened = opened.map_err(|error| {
            tracing::error!("A snapshot of the metadata cannot be read: {error}");
            ErrorCode::UnknownServerError
        })?;
        let (file, size) = opened.ok_or(ErrorCode::SnapshotNotFound)?;
        let wanted = u64::try_from(position).ok().filter(|position| *position < size);
        let position = wanted.ok_or(ErrorCode::PositionOutOfRange)?;
        let length = (size - position).min(max_bytes.into());
        Ok(SnapshotPart {
            size: i64::try_from(size).unwrap_or(i64::MAX),
            range: FileRange {
                file: Arc::new(file),
                position,
                length: u32::try_from(length).unwrap_or(max_bytes),
            },
        })
    }
}

fn read(store: &MetadataStore, fetch: &FollowerFetch, high_watermark: Offset) -> Result<Option<FileRange>, ErrorCode> {
    // What is not on the disk yet is nobody's; who has more than that would have been told to truncate.
    if fetch.offset >= high_watermark {
        return Ok(None);
    }
    let slice = store.log().read(fetch.offset, fetch.max_bytes, true, high_watermark);
    let slice = slice.map_err(|error| {
        if !matches!(error, ReadError::OutOfRange { .. }) {
            tracing::error!("The metadata log cannot be read at {}: {error:?}", fetch.offset);
        }
        ErrorCode::UnknownServerError
    })?;
    Ok(slice.range)
}

/// What a follower must do whose log does not continue into this one.
fn astray(store: &MetadataStore, fetch: &FollowerFetch) -> Option<Next> {
    let (offset, epoch) = (fetch.offset, fetch.last_epoch);
    let latest = store.latest_snapshot().filter(|id| *id != SnapshotId::FORMATTED);
    let load = |id: SnapshotId| Next::Load {
        end_offset: id.end_offset,
        epoch: id.epoch,
    };
    let log_start = store.log().log_start();
    if offset == 0 && latest.is_some() {
        // With nothing in hand a snapshot is the shorter way.
        return latest.map(load);
    }
    if offset == 0 && log_start == 0 {
        return None;
    }
    let earliest = store.earliest_snapshot();
    if let Some(earliest) = earliest
        && (offset < log_start || (offset == log_start && epoch != earliest.epoch) || epoch < earliest.epoch)
    {
        return store.latest_snapshot().map(load);
    }
    let (known, end_offset) = end_of_epoch(store, epoch);
    (known != epoch || end_offset < offset).then_some(Next::Truncate {
        epoch: known,
        end_offset,
    })
}

/// Where this epoch ended here, or else the last one before it.
fn end_of_epoch(store: &MetadataStore, epoch: LeaderEpoch) -> (LeaderEpoch, Offset) {
    let log = store.log();
    let Some((known, end_offset)) = log.epoch_end_offset(epoch) else {
        return (log.latest_epoch().unwrap_or(0), log.end_offset());
    };
    match store.earliest_snapshot() {
        // The log begins after it: its last epoch is that of the snapshot.
        Some(earliest) if end_offset == earliest.end_offset && known == epoch => (earliest.epoch, earliest.end_offset),
        _ => (known, end_offset),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::controller::Controller;
    use crate::controller::Moment;
    use crate::controller::Outcome;
    use crate::log::Place;
    use crate::runtime::metadata_store::MetadataStore;
    use crate::runtime::metadata_store::StoreSettings;
    use crate::runtime::metadata_store::TOPIC;
    use crate::runtime::quorum::Quorum;
    use crate::runtime::testing::Folder;
    use crate::runtime::testing::config;
    use crate::runtime::testing::identity;
    use crate::schema::no_op_record::NoOpRecord;

    fn no_op(_: &Controller, _: &mut Moment<'_>) -> Outcome<()> {
        Outcome::of(vec![NoOpRecord::default().into()], ())
    }

    /// A quorum that keeps nothing of its log below its latest snapshot.
    fn start(folder: &Folder) -> Quorum {
        let keeping_nothing = StoreSettings {
            retention_bytes: 0,
            ..StoreSettings::new(&config(&[]))
        };
        let place = Place::alone(folder.metadata(), TOPIC, 0, Uuid::ONE);
        let opened = MetadataStore::open(place, keeping_nothing, 1, 1_000).unwrap();
        let quiet = config(&[("metadata.max.idle.interval.ms", "0")]);
        Quorum::start(opened, identity(), &quiet, Arc::new(ManualClock::at(1_000))).unwrap()
    }

    fn fetch(handle: &QuorumHandle, offset: Offset, last_epoch: LeaderEpoch) -> Served {
        let fetch = FollowerFetch {
            replica_id: 2,
            directory: Uuid::ZERO,
            leader_epoch: handle.status().leader_epoch,
            offset,
            last_epoch,
            max_bytes: 1 << 20,
        };
        handle.serve_fetch(&fetch).unwrap()
    }

    /// What a follower is to do, in few words.
    fn told(served: &Served) -> (&'static str, LeaderEpoch, Offset) {
        match served.next {
            Next::Append(None) => ("nothing", 0, 0),
            Next::Append(Some(_)) => ("append", 0, 0),
            Next::Truncate { epoch, end_offset } => ("truncate", epoch, end_offset),
            Next::Load { end_offset, epoch } => ("load", epoch, end_offset),
        }
    }

    #[tokio::test]
    async fn a_follower_appends_truncates_or_loads_by_where_its_log_ends() {
        let folder = Folder::formatted();
        let first = start(&folder);
        first.handle().submit(no_op).await.unwrap();
        let first_end = first.handle().status().log_end;
        first.stop().await.unwrap();
        let second = start(&folder);
        let handle = second.handle();
        handle.submit(no_op).await.unwrap();
        handle.0.take_snapshot();
        let snapshot = handle.0.store.latest_snapshot().unwrap();
        for _ in 0..2 {
            handle.submit(no_op).await.unwrap();
        }
        let end = handle.status().high_watermark;
        for (case, offset, epoch, expected) in [
            ("nothing in hand", 0, 0, ("load", 2, snapshot.end_offset)),
            ("the end of the first epoch", first_end, 1, ("append", 0, 0)),
            (
                "too much of the first epoch",
                first_end + 1,
                1,
                ("truncate", 1, first_end),
            ),
            ("at the end", end, 2, ("nothing", 0, 0)),
            ("behind the end", end + 1, 2, ("truncate", 2, end)),
        ] {
            assert_eq!(told(&fetch(&handle, offset, epoch)), expected, "{case}");
        }

        assert_eq!(handle.0.store.clean(2_000).unwrap(), 1, "what formatting left goes");
        let log_start = fetch(&handle, end, 2).log_start;
        assert_eq!(log_start, snapshot.end_offset);
        for (case, offset, epoch, expected) in [
            ("before the log", log_start - 1, 1, ("load", 2, log_start)),
            ("where it begins", log_start, 2, ("append", 0, 0)),
            (
                "where it begins, with another past",
                log_start,
                1,
                ("load", 2, log_start),
            ),
            ("in it, with another past", log_start + 1, 1, ("load", 2, log_start)),
        ] {
            assert_eq!(told(&fetch(&handle, offset, epoch)), expected, "{case}");
        }
        second.stop().await.unwrap();
    }

    #[tokio::test]
    async fn a_quorum_that_stopped_answers_nobody() {
        let folder = Folder::formatted();
        let quorum = start(&folder);
        let handle = quorum.handle();
        quorum.stop().await.unwrap();
        handle.failed().await;
        assert_eq!(handle.check_epoch(1), Err(ErrorCode::BrokerNotAvailable));
    }
}
