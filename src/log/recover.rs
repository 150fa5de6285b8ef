//! After a crash: compares checksums from the recovery point on, and makes side files anew on the way.
//!
//! Only what lies behind the recovery point and behind the last good batch is a torn tail. Everything else that is no
//! batch is damage: it stays where it is and is fenced off.

use crate::log::epochs::Epochs;
use crate::log::open::Damaged;
use crate::log::producers::Judge;
use crate::log::producers::Producers;
use crate::log::producers::Verdict;
use crate::log::settings::LogSettings;
use crate::record::batch::Batch;
use crate::record::header::BatchHeader;
use crate::record::header::HEADER_SIZE;
use crate::storage::index_builder::IndexBuilder;
use crate::storage::positioned::read_at_most;
use crate::storage::positioned::will_read_sequentially;
use crate::storage::producer_snapshot;
use crate::storage::scan::LARGE_WINDOW;
use crate::storage::scan::Scan;
use crate::storage::scan::Scanned;
use crate::storage::segment::Damage;
use crate::storage::segment::Segment;
use crate::storage::segment::SegmentError;
use crate::storage::txn_index::AbortedTxn;
use crate::types::Offset;
use crate::types::Timestamp;
use std::io;
use std::sync::Arc;

/// What the batches say when they are read one after the other.
pub struct Replay {
    pub producers: Producers,
    pub epochs: Epochs,
    pub aborted: Vec<AbortedTxn>,
    now: Timestamp,
}

/// The larger ones hold more than a marker.
const MAX_CONTROL_BATCH: usize = 1 << 20;

impl Replay {
    pub fn new(producers: Producers, epochs: Epochs, now: Timestamp) -> Replay {
        Replay {
            producers,
            epochs,
            aborted: Vec::new(),
            now,
        }
    }

    /// Takes the batches of a segment from a position on, as long as they begin below `until`.
    pub fn walk(&mut self, segment: &Segment, from: u64, until: Offset) -> io::Result<()> {
        let mut failed = None;
        let walked = segment.walk(from, segment.size(), LARGE_WINDOW.min(64 << 10), |position, header| {
            if header.base_offset >= until {
                return false;
            }
            failed = self.batch(segment, position, header).err();
            failed.is_none()
        });
        match (failed, walked) {
            (Some(error), _) | (None, Err(SegmentError::Io(error))) => Err(error),
            (None, Ok(()) | Err(SegmentError::Broken { .. })) => Ok(()),
        }
    }

    fn batch(&mut self, segment: &Segment, position: u64, header: &BatchHeader) -> io::Result<()> {
        self.epochs.learn(header, segment.base_offset);
        if !header.has_producer_id() {
            return Ok(());
        }
        let size = header.size().unwrap_or(HEADER_SIZE);
        let mut body = Vec::new();
        if header.is_control() && size <= MAX_CONTROL_BATCH {
            body.resize(size - HEADER_SIZE, 0);
            read_at_most(&*segment.file()?, &mut body, position + HEADER_SIZE as u64)?;
        }
        let judge = Judge {
            origin: None,
            transaction_version: 0,
            partition: "",
            now: self.now,
        };
        let batch = Batch {
            header: *header,
            body: &body,
        };
        // Without an origin nothing is refused: what stands in the log was judged when it was written.
        if let Ok(Verdict::Fresh(change)) = self.producers.check(&batch, &judge) {
            self.aborted.extend(self.producers.apply(change));
        }
        Ok(())
    }
}

/// What recovery has done.
pub struct Recovered {
    pub end_offset: Offset,
    pub scanned_bytes: u64,
    pub cut_bytes: u64,
    pub damaged: Vec<Damaged>,
    /// Damage at the very end: new records go into a segment behind it.
    pub needs_segment: bool,
}

/// A segment after its scan.
struct Outcome {
    damage: Vec<Damage>,
    /// Behind the last good batch.
    good_end: u64,
    next_offset: Offset,
    has_batches: bool,
    length: u64,
    builder: IndexBuilder,
    aborted: Vec<AbortedTxn>,
}

impl Outcome {
    fn is_torn(&self) -> bool {
        self.good_end < self.length
    }
}

/// Scans `segments` from `first` on and puts them in order.
pub fn recover(
    segments: &mut Vec<Arc<Segment>>,
    first: usize,
    recovery_point: Offset,
    settings: &LogSettings,
    replay: &mut Replay,
) -> io::Result<Recovered> {
    let mut outcomes = Vec::new();
    for (index, segment) in segments.iter().enumerate().skip(first) {
        if index > 0 {
            // Where a segment begins, the next recovery may begin too.
            producer_snapshot::write(&segment.snapshot_path(), &replay.producers.to_snapshot())?;
        }
        outcomes.push(scan(segment, settings, replay)?);
    }
    let mut cut_bytes = drop_empty_end(segments, &mut outcomes, first, recovery_point)?;
    let scanned_bytes = outcomes.iter().map(|outcome| outcome.good_end).sum();
    let mut end_offset = segments.first().map_or(0, |segment| segment.base_offset);
    let mut needs_segment = false;
    let mut damaged = Vec::new();
    let count = outcomes.len();
    for (index, mut outcome) in outcomes.into_iter().enumerate() {
        let Some(segment) = segments.get(first + index) else {
            break;
        };
        let next_base = segments.get(first + index + 1).map(|next| next.base_offset);
        end_offset = outcome.next_offset;
        if outcome.is_torn() || (next_base.is_none() && end_offset < recovery_point) {
            let fenced_until = next_base.unwrap_or(recovery_point);
            if next_base.is_some() || outcome.next_offset < recovery_point {
                outcome.damage.push(Damage {
                    from: outcome.good_end,
                    to: outcome.length,
                    first_offset: outcome.next_offset,
                    next_offset: fenced_until,
                });
                outcome.good_end = outcome.length;
                needs_segment |= next_base.is_none();
                end_offset = fenced_until;
            } else {
                cut_bytes += outcome.length - outcome.good_end;
            }
        }
        damaged.extend(outcome.damage.iter().map(|damage| describe(segment, damage)));
        let sealed = index + 1 < count || needs_segment;
        settle(segment, outcome, sealed)?;
    }
    Ok(Recovered {
        end_offset,
        scanned_bytes,
        cut_bytes,
        damaged,
        needs_segment,
    })
}

fn scan(segment: &Segment, settings: &LogSettings, replay: &mut Replay) -> io::Result<Outcome> {
    let file = segment.file()?;
    let length = file.metadata()?.len();
    will_read_sequentially(&file);
    let mut outcome = Outcome {
        damage: Vec::new(),
        good_end: 0,
        next_offset: segment.base_offset,
        has_batches: false,
        length,
        builder: IndexBuilder::new(segment.base_offset, settings.index_interval_bytes),
        aborted: Vec::new(),
    };
    let mut scan = Scan::new(&file, 0, length, segment.base_offset, LARGE_WINDOW);
    // A batch counts once its successor agrees with it: offset and epoch are not covered by the checksum.
    let mut pending: Option<(u64, BatchHeader)> = None;
    loop {
        match scan.advance()? {
            Scanned::Batch { position, header } if scan.is_intact(position, &header)? => {
                let agreed = pending
                    .replace((position, header))
                    .filter(|(_, before)| before.agrees_with(&header));
                outcome.take(segment, agreed, replay)?;
            }
            Scanned::End => break,
            Scanned::Batch { position, .. } | Scanned::Broken { position } => {
                // Any field may be wrong, the length too: look for the next batch byte by byte. Where two intact
                // batches contradict each other, the one that continues its predecessor without a gap is right.
                let trusted = pending.filter(|(_, last)| last.base_offset == outcome.next_offset);
                scan.skip_to(
                    position,
                    trusted.map_or(outcome.next_offset, |(_, last)| last.next_offset()),
                );
                if !scan.resynchronize()? {
                    break;
                }
                let next = scan.peek()?;
                let agreed = pending
                    .take()
                    .filter(|(_, last)| next.is_some_and(|next| last.agrees_with(&next)));
                outcome.take(segment, agreed, replay)?;
            }
        }
    }
    outcome.take(segment, pending, replay)?;
    outcome.aborted = std::mem::take(&mut replay.aborted);
    Ok(outcome)
}

impl Outcome {
    /// Takes over a good batch. Whatever stands between it and the last good one is damage.
    fn take(&mut self, segment: &Segment, batch: Option<(u64, BatchHeader)>, replay: &mut Replay) -> io::Result<()> {
        let Some((position, header)) = batch else { return Ok(()) };
        if position > self.good_end {
            self.damage.push(Damage {
                from: self.good_end,
                to: position,
                first_offset: self.next_offset,
                next_offset: header.base_offset,
            });
        }
        replay.batch(segment, position, &header)?;
        self.builder.add(position, &header);
        self.good_end = position + header.size().unwrap_or(HEADER_SIZE) as u64;
        self.next_offset = header.next_offset();
        self.has_batches = true;
        Ok(())
    }
}

/// Segments at the end in which nothing good is left, behind a torn tail or behind another empty one.
fn drop_empty_end(
    segments: &mut Vec<Arc<Segment>>,
    outcomes: &mut Vec<Outcome>,
    first: usize,
    recovery_point: Offset,
) -> io::Result<u64> {
    let mut dropped = 0;
    while let [.., before, last] = outcomes.as_slice() {
        let base = segments.last().map_or(0, |segment| segment.base_offset);
        let follows = !before.is_torn() && before.next_offset == base;
        if last.has_batches || base < recovery_point || follows {
            break;
        }
        dropped += last.length;
        outcomes.pop();
        if let Some(segment) = segments.pop() {
            segment.remove()?;
        }
    }
    debug_assert!(
        segments.len() == first + outcomes.len(),
        "every scanned segment has its outcome"
    );
    Ok(dropped)
}

/// Brings the files of a segment in line with what its scan has found.
fn settle(segment: &Segment, outcome: Outcome, sealed: bool) -> io::Result<()> {
    segment.set_damage(outcome.damage);
    segment.cut_to(outcome.good_end)?;
    segment.txn_index.rewrite(&outcome.aborted)?;
    segment.adopt_indexes(outcome.builder, sealed)?;
    Ok(())
}

fn describe(segment: &Segment, damage: &Damage) -> Damaged {
    Damaged {
        file: segment.log_path(),
        from: damage.from,
        to: damage.to,
        first_offset: damage.first_offset,
        next_offset: damage.next_offset,
    }
}

/// The epochs that the batches of these segments name.
pub fn epochs_of(segments: &[Arc<Segment>]) -> io::Result<Epochs> {
    let mut epochs = Epochs::default();
    for segment in segments {
        let walked = segment.walk(0, segment.size(), LARGE_WINDOW, |_, header| {
            epochs.learn(header, segment.base_offset);
            true
        });
        if let Err(SegmentError::Io(error)) = walked {
            return Err(error);
        }
    }
    Ok(epochs)
}
