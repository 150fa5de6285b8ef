//! The log of one replica: its segments, its published offsets, its writer.
//!
//! Readers take a snapshot of the list of segments and of the tail; whoever writes holds `writer` meanwhile, and
//! publishes a batch only when it is in the page cache in whole.

use crate::log::cleaner::Cleaning;
use crate::log::epochs::Epochs;
use crate::log::producers::Producer;
use crate::log::producers::Producers;
use crate::log::settings::LogSettings;
use crate::log::tail::Tail;
use crate::record::validate::Rejection;
use crate::storage::crash_point;
use crate::storage::epoch_checkpoint;
use crate::storage::file_pool::FilePool;
use crate::storage::folder;
use crate::storage::folder::Folder;
use crate::storage::partition_metadata;
use crate::storage::replace;
use crate::storage::segment::Segment;
use crate::storage::txn_index::AbortedTxn;
use crate::types::ErrorCode;
use crate::types::LeaderEpoch;
use crate::types::Offset;
use crate::types::PartitionId;
use crate::types::ProducerEpoch;
use crate::types::ProducerId;
use crate::types::Timestamp;
use crate::types::Uuid;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::RwLockReadGuard;
use std::sync::RwLockWriteGuard;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;

/// Where a log lives and whose it is.
#[derive(Clone)]
pub struct Place {
    pub folder: PathBuf,
    pub topic: Arc<str>,
    pub partition: PartitionId,
    pub topic_id: Uuid,
    pub pool: Arc<FilePool>,
}

impl Place {
    /// A replica that shares its open files with no other: the metadata log.
    pub fn alone(folder: PathBuf, topic: &str, partition: PartitionId, topic_id: Uuid) -> Place {
        Place {
            folder,
            topic: Arc::from(topic),
            partition,
            topic_id,
            pool: FilePool::new(FILES_OF_ONE),
        }
    }
}

/// A few segments with their indexes.
const FILES_OF_ONE: usize = 32;

pub(crate) type Segments = Arc<[Arc<Segment>]>;

/// Index of the segment that `offset` falls into; the first one if all lie behind it.
pub(crate) fn segment_of(segments: &[Arc<Segment>], offset: Offset) -> usize {
    segments
        .partition_point(|segment| segment.base_offset <= offset)
        .saturating_sub(1)
}

pub struct Log {
    pub(crate) place: Place,
    pub(crate) folder: Arc<Folder>,
    /// `<topic>-<partition>`, for messages.
    pub(crate) name: Arc<str>,
    settings: RwLock<Arc<LogSettings>>,
    writer: Mutex<Writer>,
    segments: RwLock<Segments>,
    tail: Mutex<Tail>,
    epochs: RwLock<Epochs>,
    /// The latest epoch is not in its file yet.
    epochs_unwritten: AtomicBool,
    log_start: AtomicI64,
    high_watermark: AtomicI64,
    /// Where the first transaction begins that is not over and replicated; `i64::MAX` if there is none.
    first_unstable: AtomicI64,
    pub(super) recovery_point: AtomicI64,
    pub(super) last_flush: AtomicI64,
    pub(super) failed: AtomicBool,
    pub(super) closed: AtomicBool,
    pub(super) cleaning: Cleaning,
}

/// What only the holder of the writer's lock touches.
pub(crate) struct Writer {
    pub producers: Producers,
    /// When the active segment was made; `segment.ms` counts from here while no record has told a time.
    pub active_since: Timestamp,
    pub last_snapshot: Offset,
    /// Files to remove and when.
    pub set_aside: Vec<(Timestamp, PathBuf)>,
    /// Segments were made or removed since the folder was last flushed.
    pub folder_changed: bool,
}

/// Everything a log begins with; put together by `create` and `open`.
pub(crate) struct Beginning {
    pub settings: Arc<LogSettings>,
    pub segments: Vec<Arc<Segment>>,
    pub end_offset: Offset,
    pub log_start: Offset,
    pub high_watermark: Offset,
    pub recovery_point: Offset,
    pub epochs: Epochs,
    pub producers: Producers,
    pub last_snapshot: Offset,
    pub now: Timestamp,
}

/// A producer as DescribeProducers tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveProducer {
    pub producer_id: ProducerId,
    pub epoch: ProducerEpoch,
    pub last_sequence: i32,
    pub last_timestamp: Timestamp,
    pub coordinator_epoch: i32,
    pub txn_first_offset: Option<Offset>,
}

impl Log {
    /// Makes the folder of a new replica, beginning at offset 0.
    pub fn create(place: Place, settings: Arc<LogSettings>, now: Timestamp) -> io::Result<Log> {
        Log::create_at(place, settings, 0, now)
    }

    /// As `create`, for a log whose first records are gone elsewhere already.
    pub fn create_at(place: Place, settings: Arc<LogSettings>, start: Offset, now: Timestamp) -> io::Result<Log> {
        crash_point::reached();
        std::fs::create_dir(&place.folder)?;
        partition_metadata::write(&place.folder.join(folder::METADATA), place.topic_id)?;
        let folder = Arc::new(Folder::new(place.folder.clone()));
        let segment = Segment::create(&folder, start, &settings.layout(), &place.pool)?;
        let beginning = Beginning {
            settings,
            segments: vec![Arc::new(segment)],
            end_offset: start,
            log_start: start,
            high_watermark: start,
            recovery_point: start,
            epochs: Epochs::default(),
            producers: Producers::default(),
            last_snapshot: start,
            now,
        };
        Ok(Log::begin(place, folder, beginning))
    }

    pub(crate) fn begin(place: Place, folder: Arc<Folder>, from: Beginning) -> Log {
        let name = format!("{}-{}", place.topic, place.partition);
        let active = from
            .segments
            .last()
            .map_or((from.end_offset, 0), |last| (last.base_offset, last.size()));
        let unstable = from.producers.first_unstable_offset();
        let writer = Writer {
            producers: from.producers,
            active_since: from.now,
            last_snapshot: from.last_snapshot,
            set_aside: Vec::new(),
            folder_changed: true,
        };
        Log {
            place,
            folder,
            name: Arc::from(name),
            settings: RwLock::new(from.settings),
            writer: Mutex::new(writer),
            segments: RwLock::new(Arc::from(from.segments)),
            tail: Mutex::new(Tail::new(from.end_offset, active.0, active.1)),
            epochs: RwLock::new(from.epochs),
            epochs_unwritten: AtomicBool::new(false),
            log_start: AtomicI64::new(from.log_start),
            high_watermark: AtomicI64::new(from.high_watermark),
            first_unstable: AtomicI64::new(unstable.unwrap_or(i64::MAX)),
            recovery_point: AtomicI64::new(from.recovery_point),
            last_flush: AtomicI64::new(from.now),
            failed: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            cleaning: Cleaning::default(),
        }
    }

    pub fn topic(&self) -> &Arc<str> {
        &self.place.topic
    }

    pub fn partition(&self) -> PartitionId {
        self.place.partition
    }

    pub fn topic_id(&self) -> Uuid {
        self.place.topic_id
    }

    pub fn path(&self) -> Arc<Path> {
        self.folder.path()
    }

    pub fn settings(&self) -> Arc<LogSettings> {
        self.settings.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_settings(&self, settings: Arc<LogSettings>) {
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    pub fn log_start(&self) -> Offset {
        self.log_start.load(Ordering::Acquire)
    }

    /// The offset that the next record will get.
    pub fn end_offset(&self) -> Offset {
        self.tail().end_offset
    }

    pub fn high_watermark(&self) -> Offset {
        self.high_watermark.load(Ordering::Acquire)
    }

    /// How far read_committed consumers may read.
    pub fn last_stable_offset(&self) -> Offset {
        self.high_watermark().min(self.first_unstable.load(Ordering::Acquire))
    }

    /// Everything below is on the disk.
    pub fn recovery_point(&self) -> Offset {
        self.recovery_point.load(Ordering::Acquire)
    }

    /// Bytes of all batches.
    pub fn size(&self) -> u64 {
        self.segments().iter().map(|segment| segment.size()).sum()
    }

    /// Moves the high watermark forward, never behind the end; returns where it stands now.
    pub fn advance_high_watermark(&self, to: Offset) -> Offset {
        let to = to.min(self.end_offset());
        let before = self.high_watermark.fetch_max(to, Ordering::AcqRel);
        if to > before && self.first_unstable.load(Ordering::Acquire) != i64::MAX {
            let mut writer = self.writer();
            writer.producers.on_high_watermark(to);
            self.publish_unstable(&writer);
        }
        before.max(to)
    }

    pub(crate) fn publish_unstable(&self, writer: &Writer) {
        let first = writer
            .producers
            .first_unstable_offset()
            .map(|first| first.max(self.log_start()));
        self.first_unstable.store(first.unwrap_or(i64::MAX), Ordering::Release);
    }

    /// Sets the high watermark wherever a truncation wants it.
    pub(crate) fn clamp_offsets(&self, start: Offset, end: Offset) {
        self.log_start.store(start, Ordering::Release);
        let clamp =
            |offset: &AtomicI64| offset.store(offset.load(Ordering::Acquire).clamp(start, end), Ordering::Release);
        clamp(&self.high_watermark);
        clamp(&self.recovery_point);
    }

    pub(crate) fn set_log_start(&self, start: Offset) {
        self.log_start.fetch_max(start, Ordering::AcqRel);
        self.high_watermark.fetch_max(start, Ordering::AcqRel);
        self.recovery_point.fetch_max(start, Ordering::AcqRel);
    }

    pub fn latest_epoch(&self) -> Option<LeaderEpoch> {
        self.epochs().latest()
    }

    /// The epoch of the record at `offset`.
    pub fn epoch_at(&self, offset: Offset) -> Option<LeaderEpoch> {
        self.epochs().at(offset)
    }

    /// Where an epoch ended: what OffsetForLeaderEpoch answers.
    pub fn epoch_end_offset(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        let end = self.end_offset();
        self.epochs().end_of(epoch, end)
    }

    /// This replica leads from its end on in `epoch`. The first epoch of a new log is written down at once; a later one
    /// with its first batch: without batches it means nothing after a restart, and many idle logs start at once.
    pub fn assign_epoch_start(&self, epoch: LeaderEpoch) {
        let _writer = self.writer();
        let mut epochs = self.epochs_mut();
        let is_new = epochs.latest().is_none();
        if epochs.assign(epoch, self.end_offset()) {
            let text = epoch_checkpoint::encode(epochs.entries());
            // Nothing is there that a half-written file could spoil.
            let write = || {
                crash_point::reached();
                std::fs::write(self.folder.named(folder::EPOCHS), text)
            };
            let written = is_new && write().is_ok();
            self.epochs_unwritten.store(!written, Ordering::Release);
        }
    }

    /// Written without waiting for the disk: a crash loses nothing that the batches do not tell.
    pub(crate) fn note_epoch(&self, epoch: LeaderEpoch, start: Offset) -> io::Result<()> {
        if self.epochs().latest() == Some(epoch) && !self.epochs_unwritten.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut epochs = self.epochs_mut();
        if epochs.assign(epoch, start) || self.epochs_unwritten.load(Ordering::Acquire) {
            self.write_epochs(&epochs, false)
        } else {
            Ok(())
        }
    }

    pub(crate) fn write_epochs(&self, epochs: &Epochs, durable: bool) -> io::Result<()> {
        let path = self.folder.named(folder::EPOCHS);
        replace::replace(&path, epoch_checkpoint::encode(epochs.entries()).as_bytes(), durable)?;
        self.epochs_unwritten.store(false, Ordering::Release);
        Ok(())
    }

    pub fn producers(&self) -> Vec<ActiveProducer> {
        let writer = self.writer();
        let mut found: Vec<_> = writer
            .producers
            .iter()
            .map(|(id, producer)| active(id, producer))
            .collect();
        found.sort_by_key(|producer| producer.producer_id);
        found
    }

    pub fn has_ongoing_transaction(&self, id: ProducerId, epoch: ProducerEpoch) -> bool {
        self.writer().producers.has_ongoing_transaction(id, epoch)
    }

    /// Aborted transactions that overlap `from..until`, for read_committed consumers.
    pub fn aborted_transactions(&self, from: Offset, until: Offset) -> io::Result<Vec<AbortedTxn>> {
        let mut found = Vec::new();
        let segments = self.segments();
        let first = segment_of(&segments, from);
        for segment in segments.iter().skip(first) {
            if segment.txn_index.collect(from, until, &mut found)? {
                break;
            }
        }
        Ok(found)
    }

    pub fn expire_producers(&self, now: Timestamp) {
        let silent_ms = self.settings().producer_id_expiration_ms;
        self.writer().producers.expire(now, silent_ms);
    }

    /// Closes what is open; the next use opens it again.
    pub fn close_idle_files(&self) {
        self.segments().iter().for_each(|segment| segment.close());
    }

    /// Its dir is offline.
    pub(crate) fn fail(&self) {
        self.failed.store(true, Ordering::Release);
        self.close_idle_files();
    }

    /// Its replica is deleted: nothing may be appended any more; what is being read can be read to its end.
    pub(crate) fn retire(&self) {
        self.closed.store(true, Ordering::Release);
        // Whoever appends right now finishes first.
        drop(self.writer());
    }

    /// Gives the folder another name. Open files stay open.
    pub(crate) fn rename_folder(&self, to: PathBuf, durable: bool) -> io::Result<()> {
        let _writer = self.writer();
        crash_point::reached();
        std::fs::rename(self.folder.path(), &to)?;
        if let Some(parent) = to.parent().filter(|_| durable) {
            replace::sync_folder(parent)?;
        }
        self.folder.moved_to(to);
        Ok(())
    }

    /// Takes over the epochs of the log that this one is a copy of, also those in which nothing was written.
    pub(crate) fn inherit_epochs(&self, other: &Log) -> Result<(), Rejection> {
        let entries = other.epochs().clone();
        let mut epochs = self.epochs_mut();
        *epochs = entries;
        self.guarded(self.write_epochs(&epochs, true))
    }

    /// The log's start, if it lies behind the first record of the first segment.
    pub(crate) fn start_within_segment(&self) -> Option<Offset> {
        let start = self.log_start();
        let base = self.segments().first().map_or(0, |first| first.base_offset);
        (start > base).then_some(start)
    }

    /// After an error in writing nothing is known of the file's end any more, so nothing is appended until a restart.
    pub fn is_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    pub(crate) fn usable(&self) -> Result<(), Rejection> {
        if self.is_failed() || self.closed.load(Ordering::Acquire) {
            let message = format!("The log of {} is offline", self.name);
            return Err(Rejection::new(ErrorCode::KafkaStorageError, message));
        }
        Ok(())
    }

    /// Turns an error of the disk into a log that is offline.
    pub(crate) fn guarded<T>(&self, result: io::Result<T>) -> Result<T, Rejection> {
        result.map_err(|error| {
            self.failed.store(true, Ordering::Release);
            Rejection::new(
                ErrorCode::KafkaStorageError,
                format!("{}: {error}", self.folder.path().display()),
            )
        })
    }

    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn segments(&self) -> Segments {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_segments(&self, segments: Vec<Arc<Segment>>) {
        *self.segments.write().unwrap_or_else(PoisonError::into_inner) = Arc::from(segments);
    }

    pub(crate) fn epochs(&self) -> RwLockReadGuard<'_, Epochs> {
        self.epochs.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn epochs_mut(&self) -> RwLockWriteGuard<'_, Epochs> {
        self.epochs.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn active(id: ProducerId, producer: &Producer) -> ActiveProducer {
    ActiveProducer {
        producer_id: id,
        epoch: producer.epoch,
        last_sequence: producer.last_sequence(),
        last_timestamp: producer.last_timestamp,
        coordinator_epoch: producer.coordinator_epoch,
        txn_first_offset: producer.txn_first_offset,
    }
}
