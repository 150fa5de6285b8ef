//! The metadata log as a broker keeps it whose leader is elsewhere: what is fetched, what of it is committed, snapshots.
//!
//! Plain blocking calls, one at a time. Nothing here is the only copy: a damaged log is thrown away and fetched again,
//! and nothing but snapshots and `quorum-state` waits for the disk.

use crate::log::Place;
use crate::metadata::Image;
use crate::raft::epoch::VoterSet;
use crate::raft::follow::LocalLog;
use crate::raft::follow::LogEnd;
use crate::raft::quorum_state::QuorumState;
use crate::raft::snapshot::SnapshotHead;
use crate::raft::snapshot::SnapshotId;
use crate::record::control::ControlType;
use crate::runtime::metadata_files::MetadataFiles;
use crate::runtime::metadata_loading::Cluster;
use crate::runtime::metadata_loading::Loaded;
use crate::runtime::metadata_log::MetadataBatch;
use crate::runtime::metadata_log::MetadataRead;
use crate::runtime::metadata_store::StoreError;
use crate::runtime::metadata_store::StoreSettings;
use crate::runtime::snapshots;
use crate::runtime::snapshots::Part;
use crate::runtime::tail::Tail;
use crate::types::LeaderEpoch;
use crate::types::NodeId;
use crate::types::Offset;
use crate::types::Timestamp;
use bytes::Bytes;
use std::io;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

/// When a snapshot is due.
#[derive(Clone, Copy, Debug)]
pub struct SnapshotLimits {
    pub bytes: u64,
    pub interval_ms: i64,
}

impl SnapshotLimits {
    fn reached(&self, progress: &Progress, now: Timestamp) -> bool {
        let late = self.interval_ms > 0 && now - progress.last_snapshot >= self.interval_ms;
        let due = progress.unsnapped_bytes >= self.bytes || late;
        // A long transaction has not moved the image yet, and without a version the cluster has not begun.
        let image = &progress.stable.image;
        due && image.offset >= progress.snapped && image.metadata_version().is_some()
    }
}

pub struct ObserverStore {
    files: MetadataFiles,
    limits: SnapshotLimits,
    progress: Mutex<Progress>,
    tail: Mutex<Tail>,
    /// As of the log's end: the voters of a quorum count from the moment they are written.
    voters: Mutex<Option<VoterSet>>,
}

/// What is committed and taken in.
struct Progress {
    cluster: Cluster,
    next: Offset,
    stable: Stable,
    part: Option<Part>,
    /// Committed since the latest snapshot.
    unsnapped_bytes: u64,
    last_snapshot: Timestamp,
    /// Where the latest snapshot ends.
    snapped: Offset,
}

/// The cluster at the end of a batch that leaves no transaction open.
#[derive(Clone)]
struct Stable {
    image: Arc<Image>,
    voters: Option<VoterSet>,
    written: Timestamp,
}

/// What became of a snapshot that has all its bytes.
#[derive(Debug)]
pub enum Installed {
    Yes,
    Damaged(StoreError),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ObserverStore {
    /// Opens the folder, or begins it; returns what deserves a warning, too.
    pub fn open(
        place: Place,
        settings: StoreSettings,
        limits: SnapshotLimits,
        now: Timestamp,
    ) -> Result<(ObserverStore, Vec<String>), StoreError> {
        let folder = place.folder.clone();
        match ObserverStore::open_as_it_is(place.clone(), settings.clone(), limits, now) {
            Err(error) if error.is_damage() => {
                snapshots::throw_away_log(&folder)?;
                let (store, mut warnings) = ObserverStore::open_as_it_is(place, settings, limits, now)?;
                warnings.push(format!(
                    "The metadata log is fetched again from its beginning: {error}."
                ));
                Ok((store, warnings))
            }
            other => other,
        }
    }

    fn open_as_it_is(
        place: Place,
        settings: StoreSettings,
        limits: SnapshotLimits,
        now: Timestamp,
    ) -> Result<(ObserverStore, Vec<String>), StoreError> {
        let Loaded {
            files,
            mut cluster,
            from,
            warnings,
        } = Loaded::open(place, settings, now)?;
        let (image, _) = cluster.replay.publish();
        let voters = cluster.voters.clone();
        let stable = Stable {
            image,
            voters: voters.clone(),
            written: -1,
        };
        let progress = Progress {
            cluster,
            next: from,
            stable,
            part: None,
            unsnapped_bytes: 0,
            last_snapshot: now,
            snapped: from,
        };
        let store = ObserverStore {
            files,
            limits,
            progress: Mutex::new(progress),
            tail: Mutex::default(),
            voters: Mutex::new(voters),
        };
        store.look_for_voters(from)?;
        Ok((store, warnings))
    }

    /// Takes over the voters that the log names from here on, the latest last.
    fn look_for_voters(&self, from: Offset) -> Result<(), StoreError> {
        let end = self.files.log.end_offset();
        self.files.walk(from, end, |_, entries| {
            let named = entries
                .into_iter()
                .filter(|entry| entry.control == Some(Some(ControlType::KraftVoters)));
            if let Some(entry) = named.last() {
                *lock(&self.voters) = Some(VoterSet(entry.value));
            }
            Ok(())
        })
    }

    /// The greatest epoch that this node ever heard of.
    pub fn greatest_epoch(&self) -> Result<LeaderEpoch, StoreError> {
        self.files.greatest_epoch()
    }

    /// Up to here everything is committed, whoever leads.
    pub fn floor(&self) -> Offset {
        self.files.latest_snapshot().map_or(0, |id| id.end_offset)
    }

    pub fn kraft_version(&self) -> i16 {
        i16::from(lock(&self.voters).is_some())
    }

    pub fn read(&self, from: Offset) -> MetadataRead {
        lock(&self.tail).read(from)
    }

    /// Before anybody acts on it: a node that starts again must not follow a leader of an older epoch.
    pub fn remember_leader(&self, leader: Option<NodeId>, epoch: LeaderEpoch) -> io::Result<()> {
        let listed = (self.kraft_version() == 0).then(|| self.files.settings.static_voters.clone());
        let state = QuorumState::led_by(leader.unwrap_or(-1), epoch, listed);
        snapshots::write_quorum_state(self.files.folder(), &state)
    }

    /// Appends batches that follow on.
    pub fn append(&self, batches: &Bytes, leader_epoch: LeaderEpoch, now: Timestamp) -> Result<(), StoreError> {
        let from = self.files.log.end_offset();
        let appended = self.files.log.append_as_follower(batches, leader_epoch, now);
        appended.map_err(|error| StoreError::new("cannot write metadata", error.message))?;
        self.look_for_voters(from)
    }

    /// Takes away what the leader never had.
    pub fn truncate(&self, to: Offset, now: Timestamp) -> Result<(), StoreError> {
        let progress = lock(&self.progress);
        let cut = self.files.log.truncate_to(to, now);
        cut.map_err(|error| StoreError::new("cannot cut the metadata log", error.message))?;
        lock(&self.voters).clone_from(&progress.cluster.voters);
        self.look_for_voters(progress.next)
    }

    /// Takes in everything below `high_watermark` and lets it be read.
    pub fn commit(&self, high_watermark: Offset) -> Result<(), StoreError> {
        let mut progress = lock(&self.progress);
        let Progress {
            cluster,
            next,
            stable,
            unsnapped_bytes,
            ..
        } = &mut *progress;
        {
            let mut tail = lock(&self.tail);
            if !tail.has_image() {
                tail.begin_with(stable.image.clone());
            }
        }
        self.files.log.advance_high_watermark(high_watermark);
        self.files.walk(*next, high_watermark, |size, entries| {
            let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
                return Ok(());
            };
            let (base_offset, last_offset) = (first.offset, last.offset);
            if base_offset != *next || last_offset - base_offset + 1 != entries.len() as Offset {
                let at = format_args!("offset {base_offset} where {next} was due");
                return Err(StoreError::damage("the metadata log has gaps", at));
            }
            if let Some(unknown) = entries.iter().find(|entry| !entry.is_understood()) {
                let at = format_args!("a control record at offset {} is not known", unknown.offset);
                return Err(StoreError::new("the metadata log cannot be followed", at));
            }
            let (epoch, timestamp) = (last.epoch, last.timestamp);
            let records = cluster.apply(entries)?;
            let closed = cluster.replay.transaction_start().is_none();
            if closed {
                *stable = Stable {
                    image: cluster.replay.publish().0,
                    voters: cluster.voters.clone(),
                    written: timestamp,
                };
            }
            let batch = MetadataBatch {
                base_offset,
                last_offset,
                epoch,
                timestamp,
                records,
            };
            lock(&self.tail).push(batch, closed.then(|| stable.image.clone()));
            *next = last_offset + 1;
            *unsnapped_bytes += size as u64;
            Ok(())
        })
    }

    /// Keeps a part of a snapshot; at position 0 it begins.
    pub fn extend_snapshot(&self, id: SnapshotId, position: i64, bytes: &[u8]) -> Result<(), StoreError> {
        let mut progress = lock(&self.progress);
        if position == 0 {
            progress.part = Some(Part::begin(self.files.folder(), id)?);
        }
        match &mut progress.part {
            Some(part) if part.id == id && part.length() == position => Ok(part.extend(bytes)?),
            _ => Err(StoreError::new("a snapshot lacks its beginning", id.file_name())),
        }
    }

    pub fn drop_snapshot(&self) -> io::Result<()> {
        lock(&self.progress).part.take().map_or(Ok(()), Part::drop_file)
    }

    /// Takes in the snapshot that now has all its parts: it replaces everything known so far.
    pub fn install_snapshot(&self, id: SnapshotId, now: Timestamp) -> Result<Installed, StoreError> {
        let mut progress = lock(&self.progress);
        let part = progress.part.take().filter(|part| part.id == id);
        let part = part.ok_or_else(|| StoreError::new("a snapshot is missing", id.file_name()))?;
        let (mut cluster, written) = match Cluster::from_snapshot(&part.read()?, id) {
            Ok(read) => read,
            Err(error) if error.is_damage() => {
                part.drop_file()?;
                return Ok(Installed::Damaged(error));
            }
            Err(error) => return Err(error),
        };
        part.finish(self.files.folder())?;
        self.files.begin_at(id, now)?;
        let (image, _) = cluster.replay.publish();
        let voters = cluster.voters.clone();
        lock(&self.voters).clone_from(&voters);
        lock(&self.tail).begin_with(image.clone());
        *progress = Progress {
            cluster,
            next: id.end_offset,
            stable: Stable { image, voters, written },
            part: None,
            unsnapped_bytes: 0,
            last_snapshot: now,
            snapped: id.end_offset,
        };
        Ok(Installed::Yes)
    }

    pub fn snapshot_is_due(&self, now: Timestamp) -> bool {
        self.limits.reached(&lock(&self.progress), now)
    }

    /// Writes a snapshot if enough has happened since the last one.
    pub fn snapshot_if_due(&self, now: Timestamp) -> Result<bool, StoreError> {
        let stable = {
            let mut progress = lock(&self.progress);
            if !self.limits.reached(&progress, now) {
                return Ok(false);
            }
            progress.unsnapped_bytes = 0;
            progress.last_snapshot = now;
            progress.snapped = progress.stable.image.offset + 1;
            progress.stable.clone()
        };
        let head = SnapshotHead {
            last_contained: stable.written,
            voters: stable.voters,
        };
        self.files.take_snapshot(&stable.image, &head, now).map(|()| true)
    }

    pub fn clean(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.files.clean(now)
    }

    pub fn close(&self, now: Timestamp) -> Result<(), StoreError> {
        self.files.close(now)
    }
}

impl LocalLog for ObserverStore {
    fn end(&self) -> LogEnd {
        let offset = self.files.log.end_offset();
        // Without a batch the snapshot tells the epoch that the log goes on from.
        let of_snapshot = || self.files.latest_snapshot().filter(|id| id.end_offset == offset);
        let epoch = self
            .files
            .log
            .latest_epoch()
            .or_else(|| of_snapshot().map(|id| id.epoch));
        LogEnd {
            offset,
            epoch: epoch.unwrap_or(0),
        }
    }

    fn end_of_epoch(&self, epoch: LeaderEpoch) -> LogEnd {
        let found = self.files.log.epoch_end_offset(epoch);
        found.map_or_else(|| self.end(), |(epoch, offset)| LogEnd { offset, epoch })
    }
}

#[cfg(test)]
mod tests;
