//! The files of `__cluster_metadata-0`: opens and replays them, appends, flushes, takes snapshots and removes old ones.
//!
//! Plain blocking calls. Whatever is unsure about a damaged log is an error: metadata is not to be guessed.

use crate::config::BrokerConfig;
use crate::log::How;
use crate::log::Log;
use crate::log::LogSettings;
use crate::log::OpenHow;
use crate::log::Place;
use crate::metadata::Image;
use crate::metadata::MetadataRecord;
use crate::metadata::MetadataVersion;
use crate::metadata::Replay;
use crate::raft::entries::Entry;
use crate::raft::entries::EntryError;
use crate::raft::entries::data_batch;
use crate::raft::entries::each_batch;
use crate::raft::epoch::VoterSet;
use crate::raft::epoch::begin_epoch;
use crate::raft::quorum_state::QuorumState;
use crate::raft::snapshot::SnapshotBuilder;
use crate::raft::snapshot::SnapshotHead;
use crate::raft::snapshot::SnapshotId;
use crate::raft::snapshot::read_snapshot;
use crate::record::control::ControlType;
use crate::runtime::snapshots;
use crate::schema::Message;
use crate::schema::voters_record::VotersRecord;
use crate::schema::wire::Reader;
use crate::types::LeaderEpoch;
use crate::types::NodeId;
use crate::types::Offset;
use crate::types::Timestamp;
use crate::types::Uuid;
use bytes::Bytes;
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

pub use crate::raft::questions::TOPIC;
/// Bytes read at once while replaying.
const CHUNK_BYTES: u32 = 4 << 20;

/// Why the metadata cannot be opened, in one line.
#[derive(Debug)]
pub struct StoreError(String);

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StoreError {}

impl StoreError {
    /// What we wrote ourselves cannot be applied.
    pub(super) fn contradiction(error: &dyn fmt::Display) -> StoreError {
        failed("the metadata contradicts itself", error)
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> StoreError {
        StoreError(error.to_string())
    }
}

fn failed(what: &str, why: impl fmt::Display) -> StoreError {
    StoreError(format!("{what}: {why}"))
}

/// How the metadata log is kept.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    pub segment_bytes: u32,
    pub segment_ms: i64,
    pub retention_bytes: i64,
    pub retention_ms: i64,
    pub file_delete_delay_ms: i64,
    /// Of `controller.quorum.voters`; what counts while the log itself names none.
    pub static_voters: Vec<NodeId>,
}

impl StoreSettings {
    pub fn new(config: &BrokerConfig) -> StoreSettings {
        let internal = config.internal_metadata_segment_bytes();
        let segment_bytes = internal.unwrap_or_else(|| config.metadata_segment_bytes().into());
        StoreSettings {
            segment_bytes: u32::try_from(segment_bytes).unwrap_or(1 << 30),
            segment_ms: config.metadata_segment_ms(),
            retention_bytes: config.metadata_max_retention_bytes(),
            retention_ms: config.metadata_max_retention_ms(),
            file_delete_delay_ms: config.internal_metadata_delete_delay_ms(),
            static_voters: config.voters.iter().map(|(id, _)| *id).collect(),
        }
    }

    fn for_log(&self) -> LogSettings {
        LogSettings {
            delete: false,
            segment_bytes: self.segment_bytes,
            segment_ms: self.segment_ms,
            file_delete_delay_ms: self.file_delete_delay_ms,
            ..LogSettings::default()
        }
    }
}

pub struct MetadataStore {
    log: Log,
    folder: PathBuf,
    node_id: NodeId,
    epoch: LeaderEpoch,
    settings: StoreSettings,
    /// `None` with kraft.version 0, whose voters are in the configuration.
    voters: Option<VoterSet>,
    voter_directory: Uuid,
    snapshots: Mutex<BTreeSet<SnapshotId>>,
}

/// What was found.
pub struct Opened {
    pub store: MetadataStore,
    /// Everything that is in the log.
    pub replay: Replay,
    /// For the first controller of a new cluster.
    pub bootstrap: Vec<MetadataRecord>,
    pub warnings: Vec<String>,
}

impl MetadataStore {
    /// Opens the metadata of `log_dir`, a formatted folder, as its sole voter.
    pub fn open(place: Place, settings: StoreSettings, node_id: NodeId, now: Timestamp) -> Result<Opened, StoreError> {
        let folder = place.folder.clone();
        std::fs::create_dir_all(&folder)?;
        let mut loading = Loading {
            folder: &folder,
            replay: Replay::default(),
            voters: None,
            warnings: Vec::new(),
        };
        let snapshots = snapshots::find(&folder)?;
        let from = loading.snapshots(&snapshots)?;
        let log = loading.open_log(place, &settings, (&snapshots, from), now)?;
        loading.log(&log, from)?;
        let Loading {
            replay,
            voters,
            warnings,
            ..
        } = loading;
        let voter_directory = check_voters(voters.as_ref(), &settings.static_voters, node_id)?;
        let bootstrap = match replay.image().metadata_version() {
            Some(_) => Vec::new(),
            None => bootstrap_records(&folder)?,
        };
        let remembered = snapshots::read_quorum_state(&folder)?.map_or(0, |state| state.leader_epoch);
        let epoch = remembered.max(log.latest_epoch().unwrap_or(0)).saturating_add(1);
        let store = MetadataStore {
            log,
            folder,
            node_id,
            epoch,
            settings,
            voters,
            voter_directory,
            snapshots: Mutex::new(snapshots),
        };
        Ok(Opened {
            store,
            replay,
            bootstrap,
            warnings,
        })
    }

    /// Takes the leadership of a new epoch: remembered before the log says so.
    pub fn begin_epoch(&self, now: Timestamp) -> Result<(), StoreError> {
        let listed = self.voters.is_none().then(|| vec![self.node_id]);
        snapshots::write_quorum_state(&self.folder, &QuorumState::led_by(self.node_id, self.epoch, listed))?;
        let first = (self.log.end_offset() == 0).then_some(self.voters.as_ref()).flatten();
        let batch = begin_epoch(self.log.end_offset(), self.epoch, self.node_id, first, now);
        self.append_batch(&batch, now).map(|_| ())
    }

    /// Appends one batch to the page cache; returns its first offset and its size.
    pub fn append(
        &self,
        records: &[MetadataRecord],
        level: MetadataVersion,
        now: Timestamp,
    ) -> Result<(Offset, usize), StoreError> {
        let values: Vec<Bytes> = records.iter().map(|record| record.encode(level)).collect();
        let batch = data_batch(self.log.end_offset(), self.epoch, now, values.iter());
        self.append_batch(&batch, now).map(|base| (base, batch.len()))
    }

    fn append_batch(&self, batch: &Bytes, now: Timestamp) -> Result<Offset, StoreError> {
        let appended = self.log.append(batch, &How::raft(self.epoch), now);
        appended
            .map(|appended| appended.first_offset)
            .map_err(|error| failed("cannot write metadata", error.message))
    }

    /// Brings everything below `up_to` to the disk.
    pub fn flush(&self, up_to: Offset, now: Timestamp) -> Result<(), StoreError> {
        self.log
            .flush(up_to, now)
            .map_err(|error| failed("cannot flush metadata", error.message))?;
        self.log.advance_high_watermark(up_to);
        Ok(())
    }

    pub fn close(&self, now: Timestamp) -> Result<(), StoreError> {
        self.log
            .close(now)
            .map_err(|error| failed("cannot close the metadata log", error.message))
    }

    pub fn log(&self) -> &Log {
        &self.log
    }

    pub fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    pub fn node_id(&self) -> NodeId {
        self.node_id
    }

    pub fn kraft_version(&self) -> i16 {
        i16::from(self.voters.is_some())
    }

    /// The directory id by which the quorum knows this node; zero with kraft.version 0.
    pub fn voter_directory(&self) -> Uuid {
        self.voter_directory
    }

    pub fn latest_snapshot(&self) -> Option<SnapshotId> {
        self.snapshots
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .last()
            .copied()
    }

    /// Writes down a committed image, then removes what is not needed any more.
    pub fn take_snapshot(&self, image: &Image, last_contained: Timestamp, now: Timestamp) -> Result<(), StoreError> {
        let id = SnapshotId {
            end_offset: image.offset + 1,
            epoch: image.epoch,
        };
        let level = image.metadata_version().unwrap_or(MetadataVersion::MINIMUM);
        let head = SnapshotHead {
            last_contained,
            voters: self.voters.clone(),
        };
        let mut builder = SnapshotBuilder::new(image.epoch, &head, now);
        image.each_record(|record| builder.push(record.encode(level)));
        snapshots::write(&self.folder, id, &builder.finish())?;
        self.snapshots.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
        Ok(())
    }

    /// Removes the oldest snapshots, and the log below the oldest that stays, as far as retention wants it. The
    /// latest snapshot always stays.
    pub fn clean(&self, now: Timestamp) -> Result<usize, StoreError> {
        let mut snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        let mut removed = 0;
        while snapshots.len() > 1 {
            let ids: Vec<SnapshotId> = snapshots.iter().copied().collect();
            let [oldest, next, ..] = ids[..] else { break };
            if !self.is_expendable(&ids, oldest, now) {
                break;
            }
            let advanced = self.log.advance_log_start(next.end_offset);
            advanced.map_err(|error| failed("cannot shorten the metadata log", error.message))?;
            snapshots::remove(&self.folder, oldest)?;
            snapshots.remove(&oldest);
            removed += 1;
        }
        drop(snapshots);
        if removed > 0 {
            self.log
                .apply_retention(now)
                .map_err(|error| failed("cannot shorten the metadata log", error.message))?;
        }
        self.log.delete_expired_files(now)?;
        Ok(removed)
    }

    fn is_expendable(&self, all: &[SnapshotId], oldest: SnapshotId, now: Timestamp) -> bool {
        let snapshots: u64 = all.iter().map(|id| snapshots::size(&self.folder, *id)).sum();
        let bytes = i64::try_from(self.log.size().saturating_add(snapshots)).unwrap_or(i64::MAX);
        if self.settings.retention_bytes >= 0 && bytes > self.settings.retention_bytes {
            return true;
        }
        let written = snapshots::read(&self.folder, oldest).ok();
        let written = written.and_then(|bytes| read_snapshot(&bytes, |_| {}).ok());
        let written = written.map(|head| head.last_contained).filter(|at| *at > 0);
        self.settings.retention_ms >= 0 && written.is_some_and(|at| now - at > self.settings.retention_ms)
    }
}

/// What the folder's files tell, file by file.
struct Loading<'a> {
    folder: &'a Path,
    replay: Replay,
    voters: Option<VoterSet>,
    warnings: Vec<String>,
}

impl Loading<'_> {
    /// Takes in the latest snapshot that can be read; returns where the log goes on.
    fn snapshots(&mut self, ids: &BTreeSet<SnapshotId>) -> Result<Offset, StoreError> {
        for id in ids.iter().rev() {
            match self.snapshot(*id) {
                Ok(()) => return Ok(id.end_offset),
                Err(error) => {
                    self.warnings
                        .push(format!("Snapshot {} cannot be read: {error}.", id.file_name()));
                    self.replay = Replay::default();
                }
            }
        }
        Ok(0)
    }

    fn snapshot(&mut self, id: SnapshotId) -> Result<(), StoreError> {
        let bytes = snapshots::read(self.folder, id)?;
        let mut wrong = None;
        let head = read_snapshot(&bytes, |value| {
            let record = MetadataRecord::decode(value).map_err(|error| StoreError(error.to_string()));
            let applied = record.and_then(|record| {
                let applied = self.replay.apply(id.end_offset - 1, id.epoch, &record);
                applied.map_err(|error| StoreError(error.to_string()))
            });
            wrong = wrong.take().or(applied.err());
        });
        let head = head.map_err(|error| StoreError(error.to_string()))?;
        if let Some(error) = wrong {
            return Err(error);
        }
        self.voters = head.voters;
        self.replay.passed(id.end_offset - 1, id.epoch);
        self.replay.publish();
        Ok(())
    }

    fn open_log(
        &mut self,
        place: Place,
        settings: &StoreSettings,
        (snapshots, from): (&BTreeSet<SnapshotId>, Offset),
        now: Timestamp,
    ) -> Result<Log, StoreError> {
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
            self.warnings.extend(report.warnings);
        }
        if let Some(damaged) = report.damaged.iter().find(|damaged| damaged.next_offset > from) {
            let file = damaged.file.display();
            return Err(failed(
                "the metadata log is damaged",
                format!("{file} at byte {}", damaged.from),
            ));
        }
        if log.end_offset() < from {
            // The snapshot came whole before the log did, as a follower gets them.
            let begun = log.truncate_fully_and_start_at(from, now);
            begun.map_err(|error| failed("cannot begin the metadata log", error.message))?;
        }
        if log.log_start() > from {
            let start = log.log_start();
            return Err(failed(
                "metadata is missing",
                format!("the log begins at {start}, after the last snapshot"),
            ));
        }
        Ok(log)
    }

    fn log(&mut self, log: &Log, from: Offset) -> Result<(), StoreError> {
        let end = log.end_offset();
        let mut next = from;
        while next < end {
            let slice = log.read(next, CHUNK_BYTES, true, end);
            let slice = slice.map_err(|error| failed("the metadata log cannot be read", format!("{error:?}")))?;
            let before = next;
            let mut wrong = None;
            let walked = each_batch(&slice.bytes()?, |entries| {
                for entry in entries.into_iter().filter(|entry| entry.offset >= before) {
                    next = entry.offset + 1;
                    wrong = wrong.take().or(self.entry(entry).err());
                }
            });
            if let Some(error) = wrong {
                return Err(error);
            }
            match walked {
                // The last batch of a chunk may be cut short: the next chunk begins with it.
                Ok(()) | Err(EntryError::Torn { .. }) if next > before => {}
                other => {
                    return Err(failed(
                        "the metadata log is damaged",
                        format!("{other:?} at offset {next}"),
                    ));
                }
            }
        }
        self.replay.publish();
        Ok(())
    }

    fn entry(&mut self, entry: Entry) -> Result<(), StoreError> {
        let at = |error: &dyn fmt::Display| {
            failed(
                "the metadata log contradicts itself",
                format!("{error} at {}", entry.offset),
            )
        };
        match entry.control {
            None => {
                let record = MetadataRecord::decode(entry.value).map_err(|error| at(&error))?;
                self.replay
                    .apply(entry.offset, entry.epoch, &record)
                    .map_err(|error| at(&error))
            }
            Some(kind) => {
                if kind == Some(ControlType::KraftVoters) {
                    self.voters = Some(VoterSet(entry.value));
                }
                self.replay.passed(entry.offset, entry.epoch);
                Ok(())
            }
        }
    }
}

/// The directory id of the only voter, which must be this node.
fn check_voters(voters: Option<&VoterSet>, configured: &[NodeId], node_id: NodeId) -> Result<Uuid, StoreError> {
    let (ids, directory) = match voters {
        None => (configured.to_vec(), Uuid::ZERO),
        Some(VoterSet(bytes)) => {
            let record = VotersRecord::decode(&mut Reader::new(bytes.clone()), 0);
            let record = record.map_err(|error| failed("the voters of the metadata log cannot be read", error))?;
            let ids = record.voters.iter().map(|voter| voter.voter_id).collect();
            (
                ids,
                record
                    .voters
                    .first()
                    .map_or(Uuid::ZERO, |voter| voter.voter_directory_id),
            )
        }
    };
    if ids == [node_id] {
        return Ok(directory);
    }
    let listed: Vec<String> = ids.iter().map(|id| id.to_string()).collect();
    Err(StoreError(match ids.is_empty() {
        true => "the metadata log has no voters: format the folder with --standalone".to_owned(),
        false => {
            let listed = listed.join(", ");
            format!("node {node_id} is not the only voter of the metadata log; its voters are {listed}")
        }
    }))
}

fn bootstrap_records(folder: &Path) -> Result<Vec<MetadataRecord>, StoreError> {
    let Some(bytes) = folder.parent().map(snapshots::read_bootstrap).transpose()?.flatten() else {
        return Ok(Vec::new());
    };
    let mut records = Vec::new();
    let mut wrong = None;
    let head = read_snapshot(&bytes, |value| match MetadataRecord::decode(value) {
        Ok(record) => records.push(record),
        Err(error) => wrong = Some(error),
    });
    match (head, wrong) {
        (Ok(_), None) => Ok(records),
        (Err(error), _) => Err(failed("bootstrap.checkpoint cannot be read", error)),
        (_, Some(error)) => Err(failed("bootstrap.checkpoint cannot be read", error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::testing::Folder;
    use crate::schema::no_op_record::NoOpRecord;
    use crate::schema::topic_record::TopicRecord;
    use std::fs::OpenOptions;
    use std::io::Write;

    const NOW: Timestamp = 1_000;

    fn topic(number: u8) -> MetadataRecord {
        TopicRecord {
            name: format!("topic-{number}").into(),
            topic_id: Uuid([number; 16]),
        }
        .into()
    }

    /// A led store, and its metadata so far.
    fn led(folder: &Folder) -> (MetadataStore, Replay) {
        let Opened { store, mut replay, .. } = folder.open().unwrap();
        store.begin_epoch(NOW).unwrap();
        replay.passed(store.log().end_offset() - 1, store.epoch());
        (store, replay)
    }

    fn write(store: &MetadataStore, replay: &mut Replay, record: MetadataRecord) {
        let (base, _) = store
            .append(std::slice::from_ref(&record), MetadataVersion::LATEST, NOW)
            .unwrap();
        replay.apply(base, store.epoch(), &record).unwrap();
        store.flush(base + 1, NOW).unwrap();
    }

    fn log_file(folder: &Folder) -> PathBuf {
        folder.metadata().join("00000000000000000000.log")
    }

    #[test]
    fn a_torn_tail_is_cut_and_nothing_before_it_is_lost() {
        for torn in (1..100).step_by(9) {
            let folder = Folder::formatted();
            let (store, mut replay) = led(&folder);
            write(&store, &mut replay, topic(1));
            let whole = std::fs::metadata(log_file(&folder)).unwrap().len();
            store.append(&[topic(2)], MetadataVersion::LATEST, NOW).unwrap();
            drop(store);
            let longer = std::fs::metadata(log_file(&folder)).unwrap().len();
            let file = OpenOptions::new().write(true).open(log_file(&folder)).unwrap();
            file.set_len((whole + torn).min(longer - 1)).unwrap();
            let opened = folder.open().unwrap();
            let names: Vec<_> = opened
                .replay
                .image()
                .topics()
                .map(|topic| topic.name.as_str())
                .collect();
            assert_eq!(names, ["topic-1"], "{torn} bytes of the torn batch");
        }
    }

    #[test]
    fn noise_behind_the_last_batch_is_cut() {
        let folder = Folder::formatted();
        let (store, mut replay) = led(&folder);
        write(&store, &mut replay, topic(1));
        drop(store);
        let mut file = OpenOptions::new().append(true).open(log_file(&folder)).unwrap();
        file.write_all(&[0xa5; 5000]).unwrap();
        let (store, replay) = led(&folder);
        assert_eq!(replay.image().topic_count(), 1);
        assert_eq!(store.epoch(), 2);
    }

    #[test]
    fn a_batch_that_was_flushed_and_is_damaged_stops_the_start() {
        let folder = Folder::formatted();
        let (store, mut replay) = led(&folder);
        let at = std::fs::metadata(log_file(&folder)).unwrap().len();
        write(&store, &mut replay, topic(1));
        write(&store, &mut replay, topic(2));
        drop(store);
        let mut bytes = std::fs::read(log_file(&folder)).unwrap();
        bytes[at as usize + 70] ^= 1;
        std::fs::write(log_file(&folder), bytes).unwrap();
        let error = folder.open().err().unwrap().to_string();
        assert!(error.contains("damaged"), "{error}");
    }

    #[test]
    fn an_epoch_is_never_used_twice_even_if_the_quorum_state_is_lost_or_noise() {
        for damage in [None, Some(&b""[..]), Some(b"noise")] {
            let folder = Folder::formatted();
            drop(led(&folder));
            let path = folder.metadata().join("quorum-state");
            match damage {
                None => std::fs::remove_file(path).unwrap(),
                Some(bytes) => std::fs::write(path, bytes).unwrap(),
            }
            assert_eq!(folder.open().unwrap().store.epoch(), 2, "{damage:?}");
        }
    }

    #[test]
    fn only_the_sole_voter_opens_the_log_whoever_names_it() {
        let refused = |listed: &str| {
            Err(format!(
                "node 1 is not the only voter of the metadata log; its voters are {listed}"
            ))
        };
        let none = "the metadata log has no voters: format the folder with --standalone".to_owned();
        for (case, named, configured, expected) in [
            ("in the log", Some(vec![1]), vec![], Ok(1)),
            ("the log wins", Some(vec![1]), vec![7], Ok(1)),
            ("other in the log", Some(vec![2]), vec![1], refused("2")),
            ("several in the log", Some(vec![1, 2]), vec![], refused("1, 2")),
            ("configured", None, vec![1], Ok(0)),
            ("several configured", None, vec![1, 2, 3], refused("1, 2, 3")),
            ("nobody", None, vec![], Err(none)),
        ] {
            let folder = Folder::formatted_for(named.as_deref());
            let place = Place::alone(folder.metadata(), TOPIC, 0, Uuid::ONE);
            let mut settings = StoreSettings::new(&crate::runtime::testing::config(&[]));
            settings.static_voters = configured;
            let opened = MetadataStore::open(place, settings, 1, NOW);
            let kraft_version = opened
                .map(|opened| opened.store.kraft_version())
                .map_err(|error| error.to_string());
            assert_eq!(kraft_version, expected, "{case}");
        }
    }

    #[test]
    fn old_snapshots_and_the_log_below_them_go_and_what_is_left_is_the_whole_cluster() {
        let folder = Folder::formatted();
        let (mut store, mut replay) = led(&folder);
        store.settings.retention_bytes = 0;
        for number in 1..=3 {
            write(&store, &mut replay, topic(number));
            store.log().roll(NOW).unwrap();
            store.take_snapshot(replay.image(), NOW, NOW).unwrap();
        }
        write(&store, &mut replay, NoOpRecord::default().into());
        assert_eq!(store.clean(NOW).unwrap(), 3, "the one from formatting and two of three");
        assert_eq!(store.log().log_start(), store.latest_snapshot().unwrap().end_offset);
        let image = replay.image().clone();
        store.close(NOW).unwrap();
        drop(store);
        let opened = folder.open().unwrap();
        assert_eq!(*opened.replay.image(), image);
        assert_eq!(opened.store.kraft_version(), 1, "the snapshot knows the voters");
    }

    #[test]
    fn a_snapshot_that_cannot_be_read_gives_way_to_the_one_before_it() {
        let folder = Folder::formatted();
        let (store, mut replay) = led(&folder);
        write(&store, &mut replay, topic(1));
        store.take_snapshot(replay.image(), NOW, NOW).unwrap();
        let id = store.latest_snapshot().unwrap();
        let image = replay.image().clone();
        drop(store);
        let path = folder.metadata().join(id.file_name());
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, b"noise").unwrap();
        let opened = folder.open().unwrap();
        assert_eq!(*opened.replay.image(), image);
        assert!(opened.warnings[0].contains(&id.file_name()), "{:?}", opened.warnings);
    }
}
