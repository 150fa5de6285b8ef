//! The metadata log of its sole voter: opened and replayed, led, appended to, flushed.
//!
//! Plain blocking calls. Whatever is unsure about a damaged log is an error: metadata is not to be guessed.

use crate::config::BrokerConfig;
use crate::log::How;
use crate::log::Log;
use crate::log::LogSettings;
use crate::log::Place;
use crate::metadata::Image;
use crate::metadata::MetadataRecord;
use crate::metadata::MetadataVersion;
use crate::metadata::Replay;
use crate::raft::entries::data_batch;
use crate::raft::epoch::VoterSet;
use crate::raft::epoch::begin_epoch;
use crate::raft::quorum_state::QuorumState;
use crate::raft::snapshot::SnapshotHead;
use crate::raft::snapshot::SnapshotId;
use crate::raft::snapshot::read_snapshot;
use crate::runtime::metadata_files::MetadataFiles;
use crate::runtime::metadata_loading::Cluster;
use crate::runtime::metadata_loading::Loaded;
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
use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;

pub use crate::raft::questions::TOPIC;

/// Why the metadata cannot be opened, in one line.
#[derive(Debug)]
pub struct StoreError {
    text: String,
    damage: bool,
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::error::Error for StoreError {}

impl StoreError {
    pub(super) fn new(what: &str, why: impl fmt::Display) -> StoreError {
        StoreError::of(format!("{what}: {why}"))
    }

    pub(super) fn of(text: String) -> StoreError {
        StoreError { text, damage: false }
    }

    /// The files are not what was written.
    pub(super) fn damage(what: &str, why: impl fmt::Display) -> StoreError {
        StoreError {
            damage: true,
            ..StoreError::new(what, why)
        }
    }

    /// What we wrote ourselves cannot be applied.
    pub(super) fn contradiction(error: &dyn fmt::Display) -> StoreError {
        StoreError::new("the metadata contradicts itself", error)
    }

    /// Whether the files are at fault, which somebody else may have whole.
    pub(super) fn is_damage(&self) -> bool {
        self.damage
    }
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> StoreError {
        StoreError::of(error.to_string())
    }
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

    pub(super) fn for_log(&self) -> LogSettings {
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
    files: MetadataFiles,
    node_id: NodeId,
    epoch: LeaderEpoch,
    /// `None` with kraft.version 0, whose voters are in the configuration.
    voters: Option<VoterSet>,
    voter_directory: Uuid,
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
        let static_voters = settings.static_voters.clone();
        let mut loaded = Loaded::open(place, settings, now)?;
        loaded.replay_log()?;
        let Loaded {
            files,
            cluster,
            warnings,
            ..
        } = loaded;
        let Cluster { replay, voters } = cluster;
        let voter_directory = check_voters(voters.as_ref(), &static_voters, node_id)?;
        let bootstrap = match replay.image().metadata_version() {
            Some(_) => Vec::new(),
            None => bootstrap_records(files.folder())?,
        };
        let store = MetadataStore {
            epoch: files.greatest_epoch()?.saturating_add(1),
            files,
            node_id,
            voters,
            voter_directory,
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
        snapshots::write_quorum_state(
            self.files.folder(),
            &QuorumState::led_by(self.node_id, self.epoch, listed),
        )?;
        let first = (self.log().end_offset() == 0).then_some(self.voters.as_ref()).flatten();
        let batch = begin_epoch(self.log().end_offset(), self.epoch, self.node_id, first, now);
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
        let batch = data_batch(self.log().end_offset(), self.epoch, now, values.iter());
        self.append_batch(&batch, now).map(|base| (base, batch.len()))
    }

    fn append_batch(&self, batch: &Bytes, now: Timestamp) -> Result<Offset, StoreError> {
        let appended = self.log().append(batch, &How::raft(self.epoch), now);
        appended
            .map(|appended| appended.first_offset)
            .map_err(|error| StoreError::new("cannot write metadata", error.message))
    }

    /// Brings everything below `up_to` to the disk.
    pub fn flush(&self, up_to: Offset, now: Timestamp) -> Result<(), StoreError> {
        self.log()
            .flush(up_to, now)
            .map_err(|error| StoreError::new("cannot flush metadata", error.message))?;
        self.log().advance_high_watermark(up_to);
        Ok(())
    }

    pub fn close(&self, now: Timestamp) -> Result<(), StoreError> {
        self.files.close(now)
    }

    pub fn log(&self) -> &Log {
        &self.files.log
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
        self.files.latest_snapshot()
    }

    pub fn earliest_snapshot(&self) -> Option<SnapshotId> {
        self.files.earliest_snapshot()
    }

    pub fn open_snapshot(&self, id: SnapshotId) -> io::Result<Option<File>> {
        self.files.open_snapshot(id)
    }

    /// Writes down a committed image.
    pub fn take_snapshot(&self, image: &Image, last_contained: Timestamp, now: Timestamp) -> Result<(), StoreError> {
        let voters = self.voters.clone();
        let head = SnapshotHead { last_contained, voters };
        self.files.take_snapshot(image, &head, now)
    }

    /// Removes what retention does not want any more.
    pub fn clean(&self, now: Timestamp) -> Result<usize, StoreError> {
        self.files.clean(now)
    }
}

/// The directory id of the only voter, which must be this node.
fn check_voters(voters: Option<&VoterSet>, configured: &[NodeId], node_id: NodeId) -> Result<Uuid, StoreError> {
    let (ids, directory) = match voters {
        None => (configured.to_vec(), Uuid::ZERO),
        Some(VoterSet(bytes)) => {
            let record = VotersRecord::decode(&mut Reader::new(bytes.clone()), 0);
            let record =
                record.map_err(|error| StoreError::new("the voters of the metadata log cannot be read", error))?;
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
    Err(StoreError::of(match ids.is_empty() {
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
        (Err(error), _) => Err(StoreError::new("bootstrap.checkpoint cannot be read", error)),
        (_, Some(error)) => Err(StoreError::new("bootstrap.checkpoint cannot be read", error)),
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
    use std::path::PathBuf;

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
        store.files.settings.retention_bytes = 0;
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
