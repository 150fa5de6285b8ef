//! One segment of a partition: a `.log` file of record batches and the indexes beside it.
//!
//! Batches are stored byte for byte as they came, so that a fetch hands the kernel a range of the file and copies
//! nothing. One writer appends; readers share the file and see only what the log has published.

use crate::file_range::FileRange;
use crate::record::header::BatchHeader;
use crate::record::header::HEADER_SIZE;
use crate::storage::crash_point;
use crate::storage::entry_file::set_aside;
use crate::storage::file_pool::FilePool;
use crate::storage::file_pool::PooledFile;
use crate::storage::folder;
use crate::storage::folder::Folder;
use crate::storage::index_builder::DEFAULT_INTERVAL;
use crate::storage::index_builder::IndexBuilder;
use crate::storage::offset_index::OffsetEntry;
use crate::storage::offset_index::OffsetIndex;
use crate::storage::positioned::read_at_most;
use crate::storage::positioned::write_pair_at;
use crate::storage::replace::remove_if_there;
use crate::storage::replace::rename_if_there;
use crate::storage::replace::with_suffix;
use crate::storage::scan::LARGE_WINDOW;
use crate::storage::scan::SMALL_WINDOW;
use crate::storage::scan::Scan;
use crate::storage::scan::Scanned;
use crate::storage::time_index::TimeEntry;
use crate::storage::time_index::TimeIndex;
use crate::storage::txn_index::TxnIndex;
use crate::types::NO_TIMESTAMP;
use crate::types::Offset;
use crate::types::Timestamp;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

/// How a segment is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    pub index_bytes: u32,
    pub index_interval_bytes: u32,
    /// The size to which a new `.log` file is blown up, if at all.
    pub preallocate: Option<u64>,
}

pub struct Segment {
    pub base_offset: Offset,
    folder: Arc<Folder>,
    log: PooledFile,
    pub index: OffsetIndex,
    pub time_index: TimeIndex,
    pub txn_index: TxnIndex,
    size: AtomicU64,
    state: Mutex<State>,
    damage: RwLock<Vec<Damage>>,
    /// Its files are called `.deleted` now.
    aside: AtomicBool,
}

/// What the writer remembers of the segment.
#[derive(Clone, Copy, Debug)]
struct State {
    /// Bytes since the last index entry.
    since_index: u64,
    /// The largest timestamp so far and the last offset of the batch that has it; `None`: not looked up yet.
    largest: Option<TimeEntry>,
    last_indexed: Timestamp,
    /// The largest of the first batch; what `segment.ms` counts from.
    first_timestamp: Option<Timestamp>,
    /// Written to since it was opened.
    dirty: bool,
}

/// Bytes that are no batches, in front of good ones: kept for repair, fenced off for readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    pub from: u64,
    pub to: u64,
    /// The offsets that may have been there.
    pub first_offset: Offset,
    pub next_offset: Offset,
}

#[derive(Debug)]
pub enum SegmentError {
    Io(io::Error),
    /// What stands here is no batch.
    Broken {
        position: u64,
    },
}

impl From<io::Error> for SegmentError {
    fn from(error: io::Error) -> SegmentError {
        SegmentError::Io(error)
    }
}

impl Segment {
    /// A segment whose `.log` holds `size` bytes of batches. No file is opened.
    pub fn new(folder: &Arc<Folder>, base_offset: Offset, size: u64, pool: &Arc<FilePool>) -> Segment {
        Segment {
            base_offset,
            folder: folder.clone(),
            log: PooledFile::new(pool),
            index: OffsetIndex::new(folder, base_offset, pool),
            time_index: TimeIndex::new(folder, base_offset, pool),
            txn_index: TxnIndex::new(folder, base_offset, pool),
            size: AtomicU64::new(size),
            state: Mutex::new(State {
                since_index: 0,
                largest: (size == 0).then_some(TimeEntry {
                    timestamp: NO_TIMESTAMP,
                    offset: base_offset,
                }),
                last_indexed: NO_TIMESTAMP,
                first_timestamp: None,
                dirty: false,
            }),
            damage: RwLock::default(),
            aside: AtomicBool::new(false),
        }
    }

    /// Makes the `.log` file of a new segment. Indexes come with their first entry.
    pub fn create(
        folder: &Arc<Folder>,
        base_offset: Offset,
        layout: &Layout,
        pool: &Arc<FilePool>,
    ) -> io::Result<Segment> {
        let segment = Segment::new(folder, base_offset, 0, pool);
        let file = match segment.log.create_new(|| segment.log_path()) {
            // A left-over file of the same name would otherwise show its old bytes behind ours.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                segment.remove()?;
                segment.log.get_or_create(|| segment.log_path())?
            }
            created => created?,
        };
        if let Some(size) = layout.preallocate {
            crash_point::reached();
            file.set_len(size)?;
        }
        // Otherwise there is nothing to trim until something is written: a broker with many idle logs stops at once.
        segment.state().dirty = layout.preallocate.is_some();
        Ok(segment)
    }

    pub fn size(&self) -> u64 {
        self.size.load(Ordering::Acquire)
    }

    pub fn log_path(&self) -> PathBuf {
        let path = self.folder.file(self.base_offset, folder::LOG);
        match self.aside.load(Ordering::Acquire) {
            true => with_suffix(&path, folder::DELETED),
            false => path,
        }
    }

    /// What the producers were before this segment.
    pub fn snapshot_path(&self) -> PathBuf {
        self.folder.file(self.base_offset, folder::SNAPSHOT)
    }

    pub fn file(&self) -> io::Result<Arc<File>> {
        self.log.get(|| self.log_path())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes one batch behind the others, to the page cache; `header` must be the one in front of `body`.
    pub fn append(&self, header: &BatchHeader, body: &[u8], layout: &Layout) -> io::Result<()> {
        let position = self.size();
        let file = self.file()?;
        write_pair_at(&file, &header.to_bytes(), body, position)?;
        let largest = self.largest()?;
        let mut state = self.state();
        state.dirty = true;
        state.first_timestamp.get_or_insert(header.max_timestamp);
        let newest = TimeEntry {
            timestamp: header.max_timestamp,
            offset: header.last_offset(),
        };
        let largest = if newest.timestamp > largest.timestamp {
            newest
        } else {
            largest
        };
        state.largest = Some(largest);
        self.index_batch(&mut state, header, position, layout)?;
        self.size
            .store(position + (HEADER_SIZE + body.len()) as u64, Ordering::Release);
        Ok(())
    }

    /// Kafka's rule: an entry just before a batch if more than the interval was written since the last.
    fn index_batch(&self, state: &mut State, header: &BatchHeader, position: u64, layout: &Layout) -> io::Result<()> {
        if state.since_index > u64::from(layout.index_interval_bytes) {
            let entry = OffsetEntry {
                last_offset: header.last_offset(),
                position: position as u32,
            };
            self.index.push(entry, layout.index_bytes)?;
            if let Some(largest) = state.largest.filter(|largest| largest.timestamp > state.last_indexed) {
                self.time_index.push(largest, layout.index_bytes)?;
                state.last_indexed = largest.timestamp;
            }
            state.since_index = 0;
        }
        state.since_index += header.size().unwrap_or(0) as u64;
        Ok(())
    }

    /// Whether a batch of `bytes` with these last offset and timestamp must go into a new segment.
    pub fn is_full(&self, batch: &BatchHeader, bytes: u64, limits: &RollLimits) -> bool {
        let size = self.size();
        let waited = match self.first_timestamp().filter(|first| *first >= 0) {
            Some(first) => batch.max_timestamp - first,
            None => limits.now - limits.created,
        };
        size + bytes > limits.segment_bytes
            || (size > 0 && waited > limits.segment_ms)
            || self.index.is_full(limits.index_bytes)
            || self.time_index.is_full(limits.index_bytes)
            || batch.last_offset() - self.base_offset > i64::from(i32::MAX)
    }

    /// The largest of the first batch.
    pub fn first_timestamp(&self) -> Option<Timestamp> {
        let known = self.state().first_timestamp;
        if known.is_some() || self.size() == 0 {
            return known;
        }
        let mut header = [0; HEADER_SIZE];
        let read = self.file().and_then(|file| read_at_most(&file, &mut header, 0));
        let first = BatchHeader::parse(&header).filter(|header| read.is_ok() && header.is_plausible(0));
        self.state().first_timestamp = first.map(|header| header.max_timestamp);
        first.map(|header| header.max_timestamp)
    }

    /// The batch that holds `offset`, or else the first behind it; `None` if all end before it.
    pub fn locate(&self, offset: Offset, end: u64) -> Result<Option<(u64, BatchHeader)>, SegmentError> {
        let file = self.file()?;
        let start = self.start_of_walk(&file, offset)?;
        let mut found = None;
        self.walk(start, end, SMALL_WINDOW, |position, header| {
            found = (header.last_offset() >= offset).then_some((position, *header));
            found.is_none()
        })?;
        Ok(found)
    }

    /// Shows the headers of the batches between two positions to `visit` until that returns `false`. Known damage is
    /// passed over.
    pub fn walk(
        &self,
        start: u64,
        end: u64,
        window: usize,
        mut visit: impl FnMut(u64, &BatchHeader) -> bool,
    ) -> Result<(), SegmentError> {
        let file = self.file()?;
        let mut scan = Scan::new(&file, start, end, self.base_offset, window);
        loop {
            match scan.advance()? {
                Scanned::Batch { position, header } => {
                    if !visit(position, &header) {
                        return Ok(());
                    }
                }
                Scanned::Broken { position } => match self.damage_at(position) {
                    Some(damage) => scan.skip_to(damage.to, damage.next_offset),
                    None => return Err(SegmentError::Broken { position }),
                },
                Scanned::End => return Ok(()),
            }
        }
    }

    /// A position to walk from. An index entry counts only if its batch is really there: the index is derived, and
    /// noise in it must not hide records.
    pub fn start_of_walk(&self, file: &File, offset: Offset) -> io::Result<u64> {
        let entry = match self.index.lookup(offset) {
            Ok(entry) => entry,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let Some(entry) = entry else { return Ok(0) };
        let genuine = self.is_batch_at(file, &entry)?;
        Ok(if genuine { u64::from(entry.position) } else { 0 })
    }

    pub fn is_batch_at(&self, file: &File, entry: &OffsetEntry) -> io::Result<bool> {
        let mut header = [0; HEADER_SIZE];
        let read = read_at_most(file, &mut header, u64::from(entry.position))?;
        let header = BatchHeader::parse(&header);
        let found = header.filter(|header| read == HEADER_SIZE && header.is_plausible(self.base_offset));
        Ok(found.is_some_and(|header| header.last_offset() == entry.last_offset))
    }

    /// Bytes `from..to` of the `.log`.
    pub fn range(&self, from: u64, to: u64) -> io::Result<FileRange> {
        let length = u32::try_from(to.saturating_sub(from)).unwrap_or(u32::MAX);
        Ok(FileRange {
            file: self.file()?,
            position: from,
            length,
        })
    }

    /// What recovery found to be no batches.
    pub fn damage(&self) -> Vec<Damage> {
        self.damage.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set_damage(&self, damage: Vec<Damage>) {
        *self.damage.write().unwrap_or_else(PoisonError::into_inner) = damage;
    }

    fn damage_at(&self, position: u64) -> Option<Damage> {
        let damage = self.damage.read().unwrap_or_else(PoisonError::into_inner);
        damage
            .iter()
            .find(|damage| (damage.from..damage.to).contains(&position))
            .copied()
    }

    /// The largest timestamp and the last offset of the batch that has it. Looked up at the first call: an entry of
    /// the index counts only if its batch is there, otherwise both indexes are made anew.
    pub fn largest(&self) -> io::Result<TimeEntry> {
        if let Some(known) = self.state().largest {
            return Ok(known);
        }
        let last = match self.time_index.last() {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(Some(last)) if self.is_time_of_batch(&last) => last,
            _ => return self.rebuild_indexes(None),
        };
        self.walk_for_largest(last)
    }

    /// Goes on from the last entry of the time index to the end of the segment.
    fn walk_for_largest(&self, mut largest: TimeEntry) -> io::Result<TimeEntry> {
        let last_indexed = self.time_index.last()?.map_or(NO_TIMESTAMP, |entry| entry.timestamp);
        let file = self.file()?;
        let start = self.start_of_walk(&file, Offset::MAX)?;
        let walked = self.walk(start, self.size(), SMALL_WINDOW, |_, header| {
            if header.max_timestamp > largest.timestamp {
                largest = TimeEntry {
                    timestamp: header.max_timestamp,
                    offset: header.last_offset(),
                };
            }
            true
        });
        readable(walked)?;
        let mut state = self.state();
        state.largest = Some(largest);
        state.last_indexed = last_indexed;
        Ok(largest)
    }

    pub fn is_time_of_batch(&self, entry: &TimeEntry) -> bool {
        match self.locate(entry.offset, self.size()) {
            Ok(Some((_, header))) => header.last_offset() == entry.offset && header.max_timestamp == entry.timestamp,
            _ => false,
        }
    }

    /// Makes both indexes anew from the batches, by the rule that appending follows. Returns the largest timestamp.
    pub fn rebuild_indexes(&self, layout: Option<&Layout>) -> io::Result<TimeEntry> {
        let interval = layout.map_or(DEFAULT_INTERVAL, |layout| layout.index_interval_bytes);
        let mut builder = IndexBuilder::new(self.base_offset, interval);
        let walked = self.walk(0, self.size(), LARGE_WINDOW, |position, header| {
            builder.add(position, header);
            true
        });
        readable(walked)?;
        self.adopt_indexes(builder, true)
    }

    /// Writes indexes that a walk over the segment has built; `sealed` adds the last timestamp.
    pub fn adopt_indexes(&self, mut builder: IndexBuilder, sealed: bool) -> io::Result<TimeEntry> {
        if sealed {
            builder.add_time();
        }
        // Held while the files change, so that two readers do not mend them at the same time.
        let mut state = self.state();
        self.index.rewrite(&builder.offsets)?;
        self.time_index.rewrite(&builder.times)?;
        state.largest = Some(builder.largest);
        state.last_indexed = builder.times.last().map_or(NO_TIMESTAMP, |entry| entry.timestamp);
        state.since_index = if sealed { 0 } else { builder.since_index };
        state.dirty |= !sealed;
        Ok(builder.largest)
    }

    /// Makes a sealed segment of the active one: the last timestamp into its index, files cut to length.
    pub fn seal(&self) -> io::Result<()> {
        if !self.state().dirty {
            return Ok(());
        }
        self.largest()?;
        let mut state = self.state();
        if let Some(largest) = state.largest.filter(|largest| largest.timestamp > state.last_indexed) {
            self.time_index.file.push(&self.time_index.encode(largest), None)?;
            state.last_indexed = largest.timestamp;
        }
        self.index.file.create()?;
        self.time_index.file.create()?;
        self.index.file.trim()?;
        self.time_index.file.trim()?;
        let file = self.file()?;
        if file.metadata()?.len() != self.size() {
            crash_point::reached();
            file.set_len(self.size())?;
        }
        state.dirty = false;
        state.since_index = 0;
        Ok(())
    }

    /// Brings the batches to the disk. Indexes are derived and need no flush: recovery makes them anew.
    pub fn flush(&self) -> io::Result<()> {
        crash_point::reached();
        self.file()?.sync_data()
    }

    pub fn flush_indexes(&self) -> io::Result<()> {
        self.index.file.flush()?;
        self.time_index.file.flush()?;
        self.txn_index.file.flush()
    }

    /// Sets the end of the batches, and cuts the file there.
    pub fn cut_to(&self, size: u64) -> io::Result<()> {
        self.size.store(size, Ordering::Release);
        let file = self.file()?;
        if file.metadata()?.len() != size {
            crash_point::reached();
            file.set_len(size)?;
        }
        Ok(())
    }

    /// A position at or before `position` where a batch begins.
    pub fn walk_start_before(&self, position: u64) -> io::Result<u64> {
        let entry = self.index.before(position)?;
        let Some(entry) = entry else { return Ok(0) };
        let genuine = self.is_batch_at(&*self.file()?, &entry)?;
        Ok(if genuine { u64::from(entry.position) } else { 0 })
    }

    /// Forgets all batches from `position` on, which begin with `offset`.
    pub fn truncate(&self, position: u64, offset: Offset) -> io::Result<()> {
        crash_point::reached();
        self.file()?.set_len(position)?;
        self.size.store(position, Ordering::Release);
        self.index.truncate(position as u32)?;
        self.time_index.truncate(offset)?;
        self.txn_index.truncate(offset)?;
        let last = self.time_index.last()?;
        self.walk_for_largest(last.unwrap_or(TimeEntry {
            timestamp: NO_TIMESTAMP,
            offset: self.base_offset,
        }))?;
        let mut state = self.state();
        state.since_index = 0;
        state.dirty = true;
        if position == 0 {
            state.first_timestamp = None;
        }
        Ok(())
    }

    /// Renames all files to `.deleted`; returns their new names, to be removed later. Until then they can be read,
    /// even if others take their names.
    pub fn set_aside(&self) -> io::Result<Vec<PathBuf>> {
        let log = self.log.while_unopened(|| set_aside(&self.log_path(), &self.aside))?;
        let others = [
            self.index.file.set_aside()?,
            self.time_index.file.set_aside()?,
            self.txn_index.file.set_aside()?,
        ];
        Ok(log.into_iter().chain(others.into_iter().flatten()).collect())
    }

    /// The same for what the producers were before this segment.
    pub fn set_snapshot_aside(&self) -> io::Result<Option<PathBuf>> {
        let path = self.snapshot_path();
        let renamed = with_suffix(&path, folder::DELETED);
        Ok(rename_if_there(&path, &renamed)?.then_some(renamed))
    }

    /// Removes all files at once.
    pub fn remove(&self) -> io::Result<()> {
        self.close();
        self.index.file.remove()?;
        self.time_index.file.remove()?;
        self.txn_index.file.remove()?;
        remove_if_there(&self.snapshot_path())?;
        remove_if_there(&self.log_path())
    }

    pub fn close(&self) {
        self.log.close();
        self.index.file.close();
        self.time_index.file.close();
        self.txn_index.file.close();
    }
}

/// For walks that take what they can get: damage nobody knew of yet is met again by whoever reads there.
fn readable(walked: Result<(), SegmentError>) -> io::Result<()> {
    match walked {
        Err(SegmentError::Io(error)) => Err(error),
        Err(SegmentError::Broken { .. }) | Ok(()) => Ok(()),
    }
}

/// What decides when a segment is full.
#[derive(Clone, Copy, Debug)]
pub struct RollLimits {
    pub segment_bytes: u64,
    /// Less this segment's jitter.
    pub segment_ms: i64,
    pub index_bytes: u32,
    pub now: Timestamp,
    pub created: Timestamp,
}
