//! Opening a log: cheap after a clean stop, thorough after a crash.
//!
//! The `.log` files are the truth, side files are derived: one that is missing, short, long or noise is made anew.
//! Nothing below the recovery point is ever cut off.

use crate::log::epochs::Epochs;
use crate::log::history::Load;
use crate::log::inventory::Files;
use crate::log::inventory::Inventory;
use crate::log::producers::Producers;
use crate::log::recover;
use crate::log::recover::Recovered;
use crate::log::recover::Replay;
use crate::log::replica::Beginning;
use crate::log::replica::Log;
use crate::log::replica::Place;
use crate::log::replica::Writer;
use crate::log::replica::segment_of;
use crate::log::settings::LogSettings;
use crate::storage::epoch_checkpoint;
use crate::storage::folder;
use crate::storage::folder::Folder;
use crate::storage::partition_metadata;
use crate::storage::replace::read_small;
use crate::storage::replace::remove_if_there;
use crate::storage::replace::replace;
use crate::storage::scan::SMALL_WINDOW;
use crate::storage::segment::Segment;
use crate::storage::segment::SegmentError;
use crate::types::LeaderEpoch;
use crate::types::Offset;
use crate::types::Timestamp;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// What is known of a log before it is opened.
#[derive(Clone, Copy, Debug)]
pub struct OpenHow {
    /// The broker stopped cleanly, so that sizes may be believed.
    pub clean: bool,
    /// Everything below was on the disk.
    pub recovery_point: Offset,
    /// As DeleteRecords left it, or 0.
    pub log_start: Offset,
    pub high_watermark: Offset,
    pub now: Timestamp,
}

/// What opening has done and found.
#[derive(Debug, Default)]
pub struct OpenReport {
    /// Bytes whose checksums were compared.
    pub scanned_bytes: u64,
    /// Bytes of a torn tail that were cut off.
    pub cut_bytes: u64,
    pub damaged: Vec<Damaged>,
    /// One sentence for each thing that was not as it should be.
    pub warnings: Vec<String>,
}

/// Bytes in front of good batches that are none: kept, and refused to readers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damaged {
    pub file: PathBuf,
    pub from: u64,
    pub to: u64,
    pub first_offset: Offset,
    pub next_offset: Offset,
}

impl Log {
    /// Opens the folder of a replica. An error means that this one replica is offline.
    pub fn open(place: Place, settings: Arc<LogSettings>, how: &OpenHow) -> io::Result<(Log, OpenReport)> {
        let folder = Arc::new(Folder::new(place.folder.clone()));
        let inventory = Inventory::take(&folder)?;
        let mut opening = Opening {
            place: &place,
            folder: &folder,
            settings: &settings,
            how,
            report: OpenReport::default(),
            doubtful: Vec::new(),
        };
        opening.note_strange(&inventory);
        opening.identity(inventory.segments.is_empty())?;
        let beginning = opening.begin(inventory)?;
        let report = opening.report;
        Ok((Log::begin(place, folder, beginning), report))
    }

    pub(crate) fn snapshots(&self) -> io::Result<BTreeMap<Offset, PathBuf>> {
        Ok(Inventory::take(&self.folder)?.snapshots)
    }

    /// After a truncation: the producers as they were at `end`.
    pub(crate) fn reload_producers(&self, writer: &mut Writer, end: Offset, now: Timestamp) -> io::Result<()> {
        let mut snapshots = self.snapshots()?;
        for (_, path) in snapshots.split_off(&(end + 1)) {
            remove_if_there(&path)?;
        }
        let mut warnings = Vec::new();
        let segments = self.segments();
        let mut load = Load {
            segments: &segments,
            until: end,
            now,
            warnings: &mut warnings,
        };
        let (producers, snapshot) = load.producers(&snapshots)?;
        writer.producers = producers;
        writer.producers.on_high_watermark(self.high_watermark());
        writer.last_snapshot = snapshot;
        Ok(())
    }
}

struct Opening<'a> {
    place: &'a Place,
    folder: &'a Arc<Folder>,
    settings: &'a Arc<LogSettings>,
    how: &'a OpenHow,
    report: OpenReport,
    /// Segments whose lists of aborted transactions cannot be trusted.
    doubtful: Vec<Offset>,
}

impl Opening<'_> {
    fn warn(&mut self, message: String) {
        self.report.warnings.push(message);
    }

    fn note_strange(&mut self, inventory: &Inventory) {
        if !inventory.strange.is_empty() {
            self.warn(format!(
                "ignored files of unknown names: {}",
                inventory.strange.join(", ")
            ));
        }
    }

    /// The metadata log knows whose folder this is; the file only repeats it.
    fn identity(&mut self, fresh: bool) -> io::Result<()> {
        let path = self.folder.named(folder::METADATA);
        match partition_metadata::read(&path)? {
            partition_metadata::Read::TopicId(id) if id == self.place.topic_id => Ok(()),
            partition_metadata::Read::TopicId(id) => Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the folder belongs to topic id {id}, not to {}", self.place.topic_id),
            )),
            partition_metadata::Read::Missing | partition_metadata::Read::Noise => {
                // A folder without logs was only just made.
                if !fresh {
                    self.warn("partition.metadata was missing or unreadable and is written anew".into());
                }
                partition_metadata::write(&path, self.place.topic_id)
            }
        }
    }

    fn begin(&mut self, inventory: Inventory) -> io::Result<Beginning> {
        let mut segments = self.segments(&inventory)?;
        let (mut epochs, rebuild_epochs) = self.epochs(&inventory)?;
        let last_has_list = inventory
            .segments
            .values()
            .next_back()
            .is_some_and(|files| files.txn_index.is_some());
        let snapshots = inventory.snapshots;
        let first_scanned = self.first_scanned(&segments)?;
        if rebuild_epochs {
            let until = first_scanned.map_or(segments.len(), |index| index);
            epochs = recover::epochs_of(&segments[..until])?;
        }
        let before = epochs.clone();
        let until = first_scanned
            .and_then(|index| segments.get(index))
            .map(|segment| segment.base_offset);
        let (producers, last_snapshot, end_offset) = match until {
            Some(until) => {
                let (producers, snapshot) = self.load(&segments, until, &snapshots)?;
                let mut replay = Replay::new(producers, epochs, self.how.now);
                let end = self.recover(&mut segments, first_scanned.unwrap_or(0), &mut replay)?;
                epochs = replay.epochs;
                (replay.producers, snapshot, end)
            }
            None => {
                let (end, epoch) = self.clean_end(&segments)?.unwrap_or((0, -1));
                if epochs.latest().unwrap_or(-1) < epoch {
                    self.warn("leader-epoch-checkpoint was older than the log and is made anew".into());
                    epochs = recover::epochs_of(&segments)?;
                }
                let (producers, snapshot) = self.load(&segments, end, &snapshots)?;
                if let Some(last) = segments
                    .last()
                    .filter(|_| producers.saw_transactions() && !last_has_list)
                {
                    self.doubtful.push(last.base_offset);
                }
                (producers, snapshot, end)
            }
        };
        self.mend_txn_indexes(&segments[..first_scanned.unwrap_or(segments.len())], &snapshots)?;
        let cut = epochs.truncate_end(end_offset.saturating_add(1));
        if cut || rebuild_epochs || epochs != before {
            let text = epoch_checkpoint::encode(epochs.entries());
            replace(&self.folder.named(folder::EPOCHS), text.as_bytes(), false)?;
        }
        self.remove_stray_snapshots(&snapshots, &segments, end_offset)?;
        self.finish(segments, (end_offset, last_snapshot), epochs, producers)
    }

    fn finish(
        &mut self,
        mut segments: Vec<Arc<Segment>>,
        (mut end_offset, last_snapshot): (Offset, Offset),
        epochs: Epochs,
        mut producers: Producers,
    ) -> io::Result<Beginning> {
        let base = segments.first().map_or(0, |first| first.base_offset);
        // DeleteRecords leaves its mark in two files; the later one counts.
        let by_epochs = epochs.entries().first().map_or(0, |entry| entry.start);
        let log_start = base.max(self.how.log_start).max(by_epochs);
        if log_start > end_offset {
            // All that was left has been deleted by somebody who knew.
            for segment in &segments {
                segment.remove()?;
            }
            let segment = Segment::create(self.folder, log_start, &self.settings.layout(), &self.place.pool)?;
            segments = vec![Arc::new(segment)];
            end_offset = log_start;
            producers = Producers::default();
        }
        let high_watermark = self.how.high_watermark.clamp(log_start, end_offset);
        producers.on_high_watermark(high_watermark);
        Ok(Beginning {
            settings: self.settings.clone(),
            segments,
            end_offset,
            log_start,
            high_watermark,
            recovery_point: self.how.recovery_point.clamp(log_start, end_offset),
            epochs,
            producers,
            last_snapshot,
            now: self.how.now,
        })
    }

    fn segments(&mut self, inventory: &Inventory) -> io::Result<Vec<Arc<Segment>>> {
        let mut segments = Vec::with_capacity(inventory.segments.len().max(1));
        for (base, files) in &inventory.segments {
            segments.push(Arc::new(self.segment(*base, files)?));
        }
        if segments.is_empty() {
            // Offsets that were given out are not given out again, even if their records are lost.
            let base = self.how.log_start.max(self.how.recovery_point).max(0);
            let segment = Segment::create(self.folder, base, &self.settings.layout(), &self.place.pool)?;
            segments.push(Arc::new(segment));
        }
        Ok(segments)
    }

    fn segment(&mut self, base: Offset, files: &Files) -> io::Result<Segment> {
        let size = files.log.unwrap_or(0);
        let segment = Segment::new(self.folder, base, size, &self.place.pool);
        let whole = [
            segment.index.file.adopt(files.index.unwrap_or(0)),
            segment.time_index.file.adopt(files.time_index.unwrap_or(0)),
        ];
        let enough = u64::from(self.settings.index_interval_bytes).saturating_mul(16);
        let lost = size > enough && (segment.index.file.count() == 0 || segment.time_index.file.count() == 0);
        let sealed_size = size > 0 && self.how.clean;
        if sealed_size && (lost || whole.contains(&false)) {
            self.warn(format!(
                "the indexes of segment {base} were lost or damaged and are made anew"
            ));
            segment.rebuild_indexes(Some(&self.settings.layout()))?;
        } else if whole.contains(&false) {
            segment.index.file.adopt(0);
            segment.time_index.file.adopt(0);
        }
        if !segment.txn_index.file.adopt(files.txn_index.unwrap_or(0)) || segment.txn_index.all()?.is_none() {
            self.doubtful.push(base);
        }
        Ok(segment)
    }

    /// The entries, and whether they have to be found again in the batches.
    fn epochs(&mut self, inventory: &Inventory) -> io::Result<(Epochs, bool)> {
        let has_data = inventory.segments.values().any(|files| files.log.unwrap_or(0) > 0);
        let path = self.folder.named(folder::EPOCHS);
        let read = match inventory.has_epochs {
            true => read_small(&path, epoch_checkpoint::MAX_BYTES),
            false => Ok(None),
        };
        let entries = match read {
            Ok(bytes) => bytes.and_then(|bytes| epoch_checkpoint::decode(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
            Err(error) => return Err(error),
        };
        match entries {
            Some(entries) if !(entries.is_empty() && has_data) => Ok((Epochs::new(entries), false)),
            Some(_) | None if !has_data => Ok((Epochs::default(), false)),
            Some(_) | None => {
                self.warn("leader-epoch-checkpoint was lost or damaged and is made anew".into());
                Ok((Epochs::default(), true))
            }
        }
    }

    /// From which segment on checksums must be compared; `None` after a clean stop that left everything in order.
    fn first_scanned(&mut self, segments: &[Arc<Segment>]) -> io::Result<Option<usize>> {
        let last = segments.len().saturating_sub(1);
        if self.how.clean {
            let whole = self
                .clean_end(segments)?
                .is_some_and(|(end, _)| end >= self.how.recovery_point);
            if !whole {
                self.warn("the log is not as the clean stop left it and is looked through".into());
            }
            return Ok((!whole).then_some(last));
        }
        Ok(Some(segment_of(segments, self.how.recovery_point)))
    }

    /// End offset and latest epoch as the headers of the last batches tell them; `None` if something else than
    /// batches is there.
    fn clean_end(&mut self, segments: &[Arc<Segment>]) -> io::Result<Option<(Offset, LeaderEpoch)>> {
        let Some(last) = segments.last() else { return Ok(None) };
        let mut end = (last.base_offset, -1);
        if last.size() == 0 {
            return Ok(Some(end));
        }
        let file = last.file()?;
        let entry = last.index.last().unwrap_or_default();
        let genuine = match &entry {
            Some(entry) => last.is_batch_at(&file, entry)?,
            None => true,
        };
        if !genuine {
            self.warn(format!(
                "the index of segment {} does not fit its log and is made anew",
                last.base_offset
            ));
            last.rebuild_indexes(Some(&self.settings.layout()))?;
        }
        let start = last.start_of_walk(&file, Offset::MAX)?;
        let walked = last.walk(start, last.size(), SMALL_WINDOW, |_, header| {
            end = (header.next_offset(), header.leader_epoch);
            true
        });
        match walked {
            Ok(()) => Ok(Some(end)),
            Err(SegmentError::Broken { .. }) => Ok(None),
            Err(SegmentError::Io(error)) => Err(error),
        }
    }

    /// Makes lists of aborted transactions anew that cannot be trusted: without them aborted records would be served.
    fn mend_txn_indexes(&mut self, segments: &[Arc<Segment>], snapshots: &BTreeMap<Offset, PathBuf>) -> io::Result<()> {
        let doubtful = std::mem::take(&mut self.doubtful);
        for segment in segments
            .iter()
            .filter(|segment| doubtful.contains(&segment.base_offset))
        {
            self.warn(format!(
                "the list of aborted transactions of segment {} is made anew",
                segment.base_offset
            ));
            let (producers, _) = self.load(segments, segment.base_offset, snapshots)?;
            let mut replay = Replay::new(producers, Epochs::default(), self.how.now);
            replay.walk(segment, 0, Offset::MAX)?;
            segment.txn_index.rewrite(&replay.aborted)?;
            segment.txn_index.file.create()?;
        }
        Ok(())
    }

    fn load(
        &mut self,
        segments: &[Arc<Segment>],
        until: Offset,
        snapshots: &BTreeMap<Offset, PathBuf>,
    ) -> io::Result<(Producers, Offset)> {
        let warnings = &mut self.report.warnings;
        Load {
            segments,
            until,
            now: self.how.now,
            warnings,
        }
        .producers(snapshots)
    }

    fn recover(&mut self, segments: &mut Vec<Arc<Segment>>, first: usize, replay: &mut Replay) -> io::Result<Offset> {
        let recovered = recover::recover(segments, first, self.how.recovery_point, self.settings, replay)?;
        let Recovered {
            end_offset,
            scanned_bytes,
            cut_bytes,
            damaged,
            needs_segment,
        } = recovered;
        if needs_segment {
            let segment = Segment::create(self.folder, end_offset, &self.settings.layout(), &self.place.pool)?;
            segments.push(Arc::new(segment));
        }
        for damage in &damaged {
            self.report.warnings.push(format!(
                "bytes {}..{} of {} are damaged: offsets {}..{} cannot be read until they are repaired",
                damage.from,
                damage.to,
                damage.file.display(),
                damage.first_offset,
                damage.next_offset
            ));
        }
        self.report.scanned_bytes += scanned_bytes;
        self.report.cut_bytes += cut_bytes;
        self.report.damaged.extend(damaged);
        Ok(end_offset)
    }

    /// Kept are those at the beginning of a segment, and the latest.
    fn remove_stray_snapshots(
        &self,
        snapshots: &BTreeMap<Offset, PathBuf>,
        segments: &[Arc<Segment>],
        end: Offset,
    ) -> io::Result<()> {
        let latest = snapshots.range(..=end).next_back().map(|(offset, _)| *offset);
        for (offset, path) in snapshots {
            let begins = segments.iter().any(|segment| segment.base_offset == *offset);
            if !begins && Some(*offset) != latest {
                remove_if_there(path)?;
            }
        }
        Ok(())
    }
}
