//! Opens the files of the metadata log and takes in what they say, whoever is a voter.

use crate::log::Log;
use crate::log::OpenHow;
use crate::log::Place;
use crate::metadata::MetadataRecord;
use crate::metadata::Replay;
use crate::raft::entries::Entry;
use crate::raft::epoch::VoterSet;
use crate::raft::snapshot::SnapshotError;
use crate::raft::snapshot::SnapshotHead;
use crate::raft::snapshot::SnapshotId;
use crate::raft::snapshot::read_snapshot;
use crate::record::control::ControlType;
use crate::runtime::metadata_files::MetadataFiles;
use crate::runtime::metadata_store::StoreError;
use crate::runtime::metadata_store::StoreSettings;
use crate::runtime::snapshots;
use crate::types::Offset;
use crate::types::Timestamp;
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// What the log says up to some offset.
#[derive(Default)]
pub struct Cluster {
    pub replay: Replay,
    /// `None` with kraft.version 0.
    pub voters: Option<VoterSet>,
}

impl Cluster {
    /// What a snapshot says, and when its last record was written.
    pub fn from_snapshot(bytes: &[u8], id: SnapshotId) -> Result<(Cluster, Timestamp), StoreError> {
        let mut replay = Replay::default();
        let mut wrong = None;
        let head = read_snapshot(bytes, |value| {
            let applied = MetadataRecord::decode(value)
                .map_err(|error| StoreError::new("a snapshot cannot be read", error))
                .and_then(|record| {
                    let applied = replay.apply(id.end_offset - 1, id.epoch, &record);
                    applied.map_err(|error| StoreError::new("a snapshot contradicts itself", error))
                });
            wrong = wrong.take().or(applied.err());
        });
        let SnapshotHead { last_contained, voters } = head.map_err(|error| match error {
            SnapshotError::Unknown => StoreError::new("a snapshot cannot be read", error),
            _ => StoreError::damage("a snapshot is damaged", error),
        })?;
        if let Some(error) = wrong {
            return Err(error);
        }
        replay.passed(id.end_offset - 1, id.epoch);
        replay.publish();
        Ok((Cluster { replay, voters }, last_contained))
    }

    /// Applies one batch; returns its records.
    pub fn apply(&mut self, entries: Vec<Entry>) -> Result<Vec<MetadataRecord>, StoreError> {
        let mut records = Vec::with_capacity(entries.len());
        for entry in entries {
            let wrong = |error: &dyn fmt::Display| {
                StoreError::new(
                    "the metadata log contradicts itself",
                    format_args!("{error} at {}", entry.offset),
                )
            };
            match entry.control {
                None => {
                    let record = MetadataRecord::decode(entry.value).map_err(|error| wrong(&error))?;
                    let applied = self.replay.apply(entry.offset, entry.epoch, &record);
                    applied.map_err(|error| wrong(&error))?;
                    records.push(record);
                }
                Some(kind) => {
                    if kind == Some(ControlType::KraftVoters) {
                        self.voters = Some(VoterSet(entry.value));
                    }
                    self.replay.passed(entry.offset, entry.epoch);
                }
            }
        }
        Ok(records)
    }
}

/// The files of a folder, and what its latest snapshot says.
pub struct Loaded {
    pub files: MetadataFiles,
    pub cluster: Cluster,
    /// Where the log goes on after the snapshot.
    pub from: Offset,
    pub warnings: Vec<String>,
}

impl Loaded {
    pub fn open(place: Place, settings: StoreSettings, now: Timestamp) -> Result<Loaded, StoreError> {
        let folder = place.folder.clone();
        std::fs::create_dir_all(&folder)?;
        let snapshots = snapshots::find(&folder)?;
        let mut warnings = Vec::new();
        let (cluster, latest) = latest_snapshot(&folder, &snapshots, &mut warnings);
        let log = open_log(place, &settings, (&snapshots, latest), now, &mut warnings)?;
        Ok(Loaded {
            files: MetadataFiles::new(log, folder, settings, snapshots),
            cluster,
            from: latest.map_or(0, |id| id.end_offset),
            warnings,
        })
    }

    /// Takes in the whole log: what only somebody does who knows that all of it is committed.
    pub fn replay_log(&mut self) -> Result<(), StoreError> {
        let end = self.files.log.end_offset();
        let cluster = &mut self.cluster;
        self.files
            .walk(self.from, end, |_, entries| cluster.apply(entries).map(drop))?;
        self.cluster.replay.publish();
        Ok(())
    }
}

/// The latest snapshot that can be read.
fn latest_snapshot(
    folder: &Path,
    ids: &BTreeSet<SnapshotId>,
    warnings: &mut Vec<String>,
) -> (Cluster, Option<SnapshotId>) {
    for id in ids.iter().rev() {
        let read = snapshots::read(folder, *id).map_err(StoreError::from);
        match read.and_then(|bytes| Cluster::from_snapshot(&bytes, *id)) {
            Ok((cluster, _)) => return (cluster, Some(*id)),
            Err(error) => warnings.push(format!("Snapshot {} cannot be read: {error}.", id.file_name())),
        }
    }
    (Cluster::default(), None)
}

fn open_log(
    place: Place,
    settings: &StoreSettings,
    (snapshots, latest): (&BTreeSet<SnapshotId>, Option<SnapshotId>),
    now: Timestamp,
    warnings: &mut Vec<String>,
) -> Result<Log, StoreError> {
    let from = latest.map_or(0, |id| id.end_offset);
    let how = OpenHow {
        clean: false,
        recovery_point: from,
        log_start: snapshots.first().map_or(0, |oldest| oldest.end_offset),
        high_watermark: from,
        now,
    };
    let (log, report) = Log::open(place, Arc::new(settings.for_log()), &how)?;
    // A folder fresh from formatting has none of the log's own files.
    if log.end_offset() > 0 {
        warnings.extend(report.warnings);
    }
    if let Some(damaged) = report.damaged.iter().find(|damaged| damaged.next_offset > from) {
        let (file, from) = (damaged.file.display(), damaged.from);
        let at = format_args!("{file} at byte {from}");
        return Err(StoreError::damage("the metadata log is damaged", at));
    }
    // The snapshot came whole before the log did, as a follower gets them; what is in the log may be of no leader.
    let overtaken = latest.is_some_and(|id| log.latest_epoch().is_some_and(|epoch| epoch < id.epoch));
    if log.end_offset() < from || overtaken {
        let begun = log.truncate_fully_and_start_at(from, now);
        begun.map_err(|error| StoreError::new("cannot begin the metadata log", error.message))?;
    }
    if log.log_start() > from {
        let start = log.log_start();
        let why = format_args!("the log begins at {start}, after the last snapshot");
        return Err(StoreError::damage("metadata is missing", why));
    }
    Ok(log)
}
