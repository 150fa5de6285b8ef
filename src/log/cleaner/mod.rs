//! Compaction: of the records with one key only the latest stays.
//!
//! A round reads the dirty part of a log into a map of keys and offsets, writes what is to stay of all segments up to
//! there into new ones, and puts those in the old ones' place. Nobody waits for it: readers keep what they have.

mod choice;
mod keep;
mod offset_map;
mod picking;
mod state;
mod swap;
mod transactions;

pub(crate) use choice::Dirt;
pub use picking::Dirty;
pub use state::Cleaning;

use crate::log::cleaner::choice::Sizes;
use crate::log::cleaner::choice::groups;
use crate::log::cleaner::keep::LastOf;
use crate::log::cleaner::keep::Round;
use crate::log::cleaner::offset_map::OffsetMap;
use crate::log::cleaner::transactions::Transactions;
use crate::log::replica::Log;
use crate::log::replica::segment_of;
use crate::log::settings::LogSettings;
use crate::record::batch::Batch;
use crate::record::header::BatchHeader;
use crate::record::retain;
use crate::record::retain::Filter;
use crate::record::retain::Left;
use crate::record::validate::Rejection;
use crate::storage::cleaned::CleanedSegment;
use crate::storage::positioned::will_read_sequentially;
use crate::storage::scan::Scan;
use crate::storage::scan::Scanned;
use crate::storage::segment::Segment;
use crate::types::Offset;
use crate::types::ProducerId;
use crate::types::Timestamp;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// What one cleaner may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CleanerLimits {
    /// For the map of keys.
    pub map_bytes: u64,
    pub load_factor: f64,
    /// For reading, and as much again for writing.
    pub buffer_bytes: usize,
}

/// Slows a cleaner down, and stops it.
pub trait Brake {
    /// So many bytes were read or written. May wait; `false` means to stop.
    fn moved(&self, bytes: u64) -> bool;
}

/// What a round has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CleanReport {
    pub first_dirty: Offset,
    /// The first offset that was not cleaned.
    pub end: Offset,
    pub keys: usize,
    pub bytes_read: u64,
    pub bytes_written: u64,
}

/// Why a round ended early.
#[derive(Debug)]
pub enum CleanError {
    /// It was told to, or the log was truncated, deleted or moved meanwhile.
    Stopped,
    /// What stands here is no batch, or not the one that was written.
    Damaged {
        file: PathBuf,
        position: u64,
    },
    Io(io::Error),
    /// The log is offline now.
    Failed(Rejection),
}

impl fmt::Display for CleanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CleanError::Stopped => f.write_str("it was stopped"),
            CleanError::Damaged { file, position } => {
                write!(f, "byte {position} of {} is damaged", file.display())
            }
            CleanError::Io(error) => error.fmt(f),
            CleanError::Failed(rejection) => f.write_str(&rejection.message),
        }
    }
}

impl From<io::Error> for CleanError {
    fn from(error: io::Error) -> CleanError {
        CleanError::Io(error)
    }
}

impl From<Rejection> for CleanError {
    fn from(rejection: Rejection) -> CleanError {
        CleanError::Failed(rejection)
    }
}

/// What the records of one batch may take when they are decompressed.
const BATCH_LIMIT: usize = 256 << 20;

impl Log {
    /// One round. The caller makes sure that nobody else cleans this log.
    pub(crate) fn clean(
        &self,
        dirt: &Dirt,
        limits: &CleanerLimits,
        brake: &dyn Brake,
        now: Timestamp,
    ) -> Result<CleanReport, CleanError> {
        let mut work = Work {
            log: self,
            settings: self.settings(),
            limits,
            brake,
            cuts: dirt.cuts,
            unbraked: 0,
            now,
            report: CleanReport::default(),
        };
        let done = work.clean(dirt);
        match done {
            // Files go when segments do, and then errors mean nothing.
            Err(CleanError::Io(_) | CleanError::Damaged { .. }) if work.is_outdated() => Err(CleanError::Stopped),
            done => done.map(|()| work.report),
        }
    }
}

/// A round under way.
struct Work<'a> {
    log: &'a Log,
    settings: Arc<LogSettings>,
    limits: &'a CleanerLimits,
    brake: &'a dyn Brake,
    /// As it was before anybody looked.
    cuts: u64,
    /// Bytes that the brake was not told of yet.
    unbraked: u64,
    now: Timestamp,
    report: CleanReport,
}

impl Work<'_> {
    fn clean(&mut self, dirt: &Dirt) -> Result<(), CleanError> {
        let segments = self.log.segments();
        let below = |offset: Offset| segments.partition_point(|segment| segment.base_offset < offset);
        let cleanable = &segments[..below(dirt.first_uncleanable).min(segments.len().saturating_sub(1))];
        let map = self.map_keys(cleanable, dirt)?;
        let end = map.latest() + 1;
        self.report.first_dirty = dirt.first_dirty;
        self.report.end = end;
        self.report.keys = map.len();
        let cleanable = &cleanable[..below(end).min(cleanable.len())];
        let sizes: Vec<Sizes> = cleanable.iter().map(|segment| sizes(segment)).collect();
        let (most_log, most_index) = (self.settings.segment_bytes, self.settings.index_bytes);
        let counts = groups(&sizes, most_log.into(), most_index.into(), dirt.first_uncleanable);
        // What they write from now on lies behind what is cleaned.
        let producers = self.log.last_of_producers();
        let round = Round {
            map: &map,
            producers: &producers,
            upper_bound: dirt.first_uncleanable,
            now: self.now,
        };
        let mut transactions = Transactions::default();
        let mut rest = cleanable;
        for count in counts {
            let (group, others) = rest.split_at(count);
            self.clean_group(group, &round, &mut transactions)?;
            rest = others;
        }
        self.log.cleaned_up_to(end, dirt.cuts);
        // Many small logs must not escape the brake. It is too late to be stopped by it.
        self.brake.moved(std::mem::take(&mut self.unbraked));
        Ok(())
    }

    /// The latest offset of each key from the first dirty offset on, of as many records as fit.
    fn map_keys(&mut self, cleanable: &[Arc<Segment>], dirt: &Dirt) -> Result<OffsetMap, CleanError> {
        let records = (dirt.first_uncleanable - dirt.first_dirty).max(0) as u64;
        let mut map = OffsetMap::new(self.limits.map_bytes, self.limits.load_factor, records);
        let mut transactions = Transactions::default();
        transactions.expect(
            self.log
                .aborted_transactions(dirt.first_dirty, dirt.first_uncleanable)?,
        );
        map.set_latest(dirt.first_dirty - 1);
        let first = segment_of(cleanable, dirt.first_dirty);
        let mut full = false;
        for (index, segment) in cleanable.iter().enumerate().skip(first) {
            let from = match index == first {
                true => segment.start_of_walk(&*segment.file()?, dirt.first_dirty)?,
                false => 0,
            };
            self.each_batch(segment, from, |_, batch| {
                full = !map_batch(&mut map, batch, &mut transactions, dirt.first_dirty)?;
                Ok(!full)
            })?;
            if full {
                break;
            }
            let next = cleanable
                .get(index + 1)
                .map_or(dirt.first_uncleanable, |next| next.base_offset);
            map.set_latest(next - 1);
        }
        Ok(map)
    }

    fn clean_group(
        &mut self,
        group: &[Arc<Segment>],
        round: &Round<'_>,
        transactions: &mut Transactions,
    ) -> Result<(), CleanError> {
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            return Ok(());
        };
        let interval = self.settings.index_interval_bytes;
        let room = self.limits.buffer_bytes;
        let mut cleaned = CleanedSegment::create(&self.log.folder, first.base_offset, interval, room)?;
        let written = self.write_group(group, round, transactions, &mut cleaned);
        let modified = last.file().and_then(|file| file.metadata()?.modified());
        let finished = written.and_then(|()| Ok(cleaned.finish(modified?, &self.log.place.pool)?));
        if let Err(error) = finished {
            // Whatever stays is removed at the next start.
            let _ = cleaned.discard();
            return Err(error);
        }
        self.report.bytes_written += cleaned.size();
        match self.log.replace_segments(group, cleaned, self.cuts, self.now)? {
            true => Ok(()),
            false => Err(CleanError::Stopped),
        }
    }

    fn write_group(
        &mut self,
        group: &[Arc<Segment>],
        round: &Round<'_>,
        transactions: &mut Transactions,
        cleaned: &mut CleanedSegment,
    ) -> Result<(), CleanError> {
        let filter = Filter {
            limit: BATCH_LIMIT,
            horizon: self.now.saturating_add(self.settings.delete_retention_ms),
            idle_marker: false,
        };
        let all = self.log.segments();
        for segment in group {
            let next = all.iter().find(|next| next.base_offset > segment.base_offset);
            let until = next.map_or(round.upper_bound, |next| next.base_offset);
            transactions.expect(self.log.aborted_transactions(segment.base_offset, until)?);
            self.each_batch(segment, 0, |work, batch| {
                let before = cleaned.size();
                write_batch(batch, round, &filter, transactions, cleaned)?;
                work.pay(cleaned.size() - before)?;
                Ok(true)
            })?;
        }
        Ok(())
    }

    /// Shows every batch, its checksum compared, until `visit` returns `false`.
    fn each_batch(
        &mut self,
        segment: &Segment,
        from: u64,
        mut visit: impl FnMut(&mut Self, &Batch<'_>) -> Result<bool, BatchError>,
    ) -> Result<(), CleanError> {
        let file = segment.file()?;
        will_read_sequentially(&file);
        let damaged = |position| CleanError::Damaged {
            file: segment.log_path(),
            position,
        };
        let mut scan = Scan::new(
            &file,
            from,
            segment.size(),
            segment.base_offset,
            self.limits.buffer_bytes,
        );
        loop {
            let (position, header) = match scan.advance()? {
                Scanned::End => return Ok(()),
                Scanned::Broken { position } => return Err(damaged(position)),
                Scanned::Batch { position, header } => (position, header),
            };
            let bytes = scan.intact_batch(position, &header)?;
            let batch = bytes.and_then(Batch::parse).ok_or_else(|| damaged(position))?;
            let size = batch.size() as u64;
            let goes_on = visit(self, &batch).map_err(|error| match error {
                BatchError::Malformed => damaged(position),
                BatchError::Other(error) => error,
            })?;
            self.report.bytes_read += size;
            self.pay(size)?;
            if !goes_on {
                return Ok(());
            }
        }
    }

    /// Tells the brake, not of every byte.
    fn pay(&mut self, bytes: u64) -> Result<(), CleanError> {
        self.unbraked += bytes;
        if self.unbraked < self.limits.buffer_bytes as u64 {
            return Ok(());
        }
        let goes_on = self.brake.moved(std::mem::take(&mut self.unbraked));
        match goes_on && !self.is_outdated() {
            true => Ok(()),
            false => Err(CleanError::Stopped),
        }
    }

    fn is_outdated(&self) -> bool {
        self.log.usable().is_err() || self.log.cleaning.cuts() != self.cuts
    }
}

/// Why a batch cannot be used.
enum BatchError {
    Malformed,
    Other(CleanError),
}

impl<E: Into<CleanError>> From<E> for BatchError {
    fn from(error: E) -> BatchError {
        BatchError::Other(error.into())
    }
}

fn sizes(segment: &Segment) -> Sizes {
    Sizes {
        base_offset: segment.base_offset,
        log: segment.size(),
        index: segment.index.file.bytes(),
        time_index: segment.time_index.file.bytes(),
    }
}

/// `false` if the map is full.
fn map_batch(
    map: &mut OffsetMap,
    batch: &Batch<'_>,
    transactions: &mut Transactions,
    first_dirty: Offset,
) -> Result<bool, BatchError> {
    let last_offset = batch.header.last_offset();
    let mut fits = true;
    if batch.header.is_control() {
        transactions.control(batch);
    } else if !transactions.data(&batch.header) {
        let read = batch.for_each_record(BATCH_LIMIT, |record| {
            if let Some(key) = record.key.filter(|_| record.offset >= first_dirty) {
                fits = map.put(key, record.offset);
            }
            fits
        });
        read.map_err(|_| BatchError::Malformed)?;
    }
    if fits && last_offset >= first_dirty {
        map.set_latest(last_offset);
    }
    Ok(fits)
}

/// Writes what stays of a batch.
fn write_batch(
    batch: &Batch<'_>,
    round: &Round<'_>,
    filter: &Filter,
    transactions: &mut Transactions,
    cleaned: &mut CleanedSegment,
) -> Result<(), BatchError> {
    let header: &BatchHeader = &batch.header;
    let discarded = match header.is_control() {
        true => {
            let control = transactions.control(batch);
            control.aborted.into_iter().for_each(|txn| cleaned.push_aborted(txn));
            control.idle
        }
        false => transactions.data(header),
    };
    let fate = round.batch(header, discarded);
    let left = match fate.records_go {
        true => Left::Nothing,
        false => {
            let filter = Filter {
                idle_marker: fate.idle_marker,
                ..*filter
            };
            let left = filter.apply(batch, |record| round.record(header, record));
            left.map_err(|_| BatchError::Malformed)?
        }
    };
    match left {
        Left::Everything => cleaned.push(header, batch.body)?,
        Left::Part(header, body) => cleaned.push(&header, &body)?,
        Left::Nothing if fate.stays => cleaned.push(&retain::emptied(header), &[])?,
        Left::Nothing => {}
    }
    Ok(())
}

impl Log {
    fn last_of_producers(&self) -> HashMap<ProducerId, LastOf> {
        let writer = self.writer();
        let last = |(id, producer): (ProducerId, &crate::log::producers::Producer)| {
            let last = LastOf {
                data_offset: producer.batches.back().map(|batch| batch.last_offset),
                epoch: producer.epoch,
            };
            (id, last)
        };
        writer.producers.iter().map(last).collect()
    }
}
