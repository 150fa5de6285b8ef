//! Finds out what the producers of a log were at an offset: from a snapshot, and from the batches around it.

use crate::log::epochs::Epochs;
use crate::log::producers::Producers;
use crate::log::recover::Replay;
use crate::log::replica::segment_of;
use crate::record::header::BatchHeader;
use crate::storage::producer_snapshot;
use crate::storage::replace::read_small;
use crate::storage::replace::remove_if_there;
use crate::storage::scan::SMALL_WINDOW;
use crate::storage::segment::Segment;
use crate::storage::segment::SegmentError;
use crate::types::Offset;
use crate::types::Timestamp;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// One such search.
pub struct Load<'a> {
    pub segments: &'a [Arc<Segment>],
    pub until: Offset,
    pub now: Timestamp,
    pub warnings: &'a mut Vec<String>,
}

/// How far before a snapshot its producers' earlier batches are looked for, step by step.
const LOOK_BACK: [u64; 3] = [64 << 10, 512 << 10, 8 << 20];
/// Producers that were silent for longer before the stop have no retries under way.
const RECENT_MS: i64 = 600_000;

impl Load<'_> {
    /// The producers, and the offset of the snapshot that they began with.
    pub fn producers(&mut self, snapshots: &BTreeMap<Offset, PathBuf>) -> io::Result<(Producers, Offset)> {
        let begins = self.segments.first().map_or(0, |first| first.base_offset);
        let (mut producers, snapshot) = self.latest(snapshots)?.unwrap_or((Producers::default(), begins));
        self.remember_older(&mut producers, snapshot)?;
        let mut replay = Replay::new(producers, Epochs::default(), self.now);
        for segment in self.overlapping(snapshot) {
            let from = match segment.locate(snapshot, segment.size()) {
                Ok(Some((position, _))) => position,
                Ok(None) => continue,
                Err(SegmentError::Broken { .. }) => 0,
                Err(SegmentError::Io(error)) => return Err(error),
            };
            replay.walk(segment, from, self.until)?;
        }
        Ok((replay.producers, snapshot))
    }

    fn overlapping(&self, from: Offset) -> impl Iterator<Item = &Arc<Segment>> {
        let first = segment_of(self.segments, from);
        let until = self.until;
        self.segments
            .iter()
            .skip(first)
            .take_while(move |segment| segment.base_offset < until)
    }

    fn latest(&mut self, snapshots: &BTreeMap<Offset, PathBuf>) -> io::Result<Option<(Producers, Offset)>> {
        for (offset, path) in snapshots.range(..=self.until).rev() {
            let bytes = match read_small(path, producer_snapshot::MAX_BYTES) {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::InvalidData => None,
                Err(error) => return Err(error),
            };
            match bytes.and_then(|bytes| producer_snapshot::decode(&bytes)) {
                Some(entries) => return Ok(Some((Producers::from_snapshot(&entries, self.now), *offset))),
                None => {
                    self.warnings
                        .push(format!("producer snapshot {offset} cannot be read and is made anew"));
                    remove_if_there(path)?;
                }
            }
        }
        Ok(None)
    }

    /// A snapshot has only the last batch of each producer; the four before it are in the log.
    fn remember_older(&self, producers: &mut Producers, snapshot: Offset) -> io::Result<()> {
        for look_back in LOOK_BACK {
            if !producers.wants_older(RECENT_MS) {
                break;
            }
            let mut headers: Vec<BatchHeader> = Vec::new();
            let mut wanted = look_back;
            let before = self.segments.partition_point(|segment| segment.base_offset < snapshot);
            let mut pieces = Vec::new();
            for segment in self.segments[..before].iter().rev() {
                let end = match segment.locate(snapshot, segment.size()) {
                    Ok(Some((position, _))) => position,
                    Ok(None) => segment.size(),
                    Err(_) => break,
                };
                pieces.push((segment, segment.walk_start_before(end.saturating_sub(wanted))?, end));
                wanted = wanted.saturating_sub(end);
                if wanted == 0 {
                    break;
                }
            }
            for (segment, start, end) in pieces.into_iter().rev() {
                let walked = segment.walk(start, end, SMALL_WINDOW, |_, header| {
                    if producers.get(header.producer_id).is_some() && !header.is_control() {
                        headers.push(*header);
                    }
                    true
                });
                if let Err(SegmentError::Io(error)) = walked {
                    return Err(error);
                }
            }
            producers.remember_older(&headers);
        }
        Ok(())
    }
}
