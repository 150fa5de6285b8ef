//! Which part of a log is dirty, which log is the dirtiest, and which segments become one. Pure.

use crate::types::Offset;
use crate::types::Timestamp;

/// A segment as far as cleaning is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentFacts {
    pub base_offset: Offset,
    pub bytes: u64,
    /// Of its first batch; `None` if it tells none, or if nobody asks.
    pub first_timestamp: Option<Timestamp>,
    /// `None` if nobody asks.
    pub largest_timestamp: Option<Timestamp>,
}

/// A log as far as cleaning is concerned.
#[derive(Clone, Debug)]
pub struct LogFacts {
    /// All, the active one last.
    pub segments: Vec<SegmentFacts>,
    pub start: Offset,
    pub end: Offset,
    pub stable: Offset,
    /// Where the last round ended.
    pub cleaned_to: Option<Offset>,
    pub min_lag_ms: i64,
    pub max_lag_ms: i64,
    /// How often its end had been cut off when this was looked up.
    pub cuts: u64,
}

/// What is to be cleaned in a log.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Dirt {
    pub first_dirty: Offset,
    /// A segment begins here; nothing from it on is touched.
    pub first_uncleanable: Offset,
    pub clean_bytes: u64,
    pub cleanable_bytes: u64,
    /// Records wait for longer than `max.compaction.lag.ms`.
    pub overdue: bool,
    /// Of the facts that this rests on.
    pub cuts: u64,
}

impl Dirt {
    pub fn of(log: &LogFacts, now: Timestamp) -> Option<Dirt> {
        let (active, sealed) = log.segments.split_last()?;
        // What the last round has left may be deleted or truncated since.
        let valid = log.cleaned_to.filter(|offset| (log.start..=log.end).contains(offset));
        let first_dirty = valid.unwrap_or(log.start);
        let from_dirty = from(&log.segments, first_dirty);
        let too_young = |segment: &&SegmentFacts| {
            let largest = segment.largest_timestamp.unwrap_or(Timestamp::MIN);
            log.min_lag_ms > 0 && largest > now.saturating_sub(log.min_lag_ms)
        };
        let too_young = from_dirty.iter().find(too_young).map(|segment| segment.base_offset);
        let bound = log.stable.min(active.base_offset).min(too_young.unwrap_or(Offset::MAX));
        let bound = bound.max(first_dirty);
        // In whole segments.
        let uncleanable = from(&log.segments, bound);
        let first_uncleanable = uncleanable.first().unwrap_or(active).base_offset;
        let bytes = |segments: &[SegmentFacts]| segments.iter().map(|segment| segment.bytes).sum();
        let dirty = from(&log.segments, first_dirty.min(first_uncleanable));
        let dirty = &dirty[..dirty.len().saturating_sub(uncleanable.len())];
        let clean = sealed.partition_point(|segment| segment.base_offset < first_dirty);
        let first = from_dirty.iter().filter_map(|segment| segment.first_timestamp);
        let earliest = first.filter(|timestamp| *timestamp > 0).min();
        Some(Dirt {
            first_dirty,
            first_uncleanable,
            clean_bytes: bytes(&sealed[..clean]),
            cleanable_bytes: bytes(dirty),
            cuts: log.cuts,
            overdue: earliest.is_some_and(|earliest| earliest < now.saturating_sub(log.max_lag_ms.max(0))),
        })
    }

    pub fn ratio(&self) -> f64 {
        self.cleanable_bytes as f64 / (self.clean_bytes + self.cleanable_bytes).max(1) as f64
    }

    /// Whether it is worth a round.
    pub fn is_enough(&self, min_ratio: f64) -> bool {
        (self.overdue && self.cleanable_bytes > 0) || self.ratio() > min_ratio
    }
}

/// The sealed segments from the one on that holds `offset`.
fn from(segments: &[SegmentFacts], offset: Offset) -> &[SegmentFacts] {
    let sealed = segments.len().saturating_sub(1);
    let holding = segments.partition_point(|segment| segment.base_offset <= offset);
    &segments[holding.saturating_sub(1).min(sealed)..sealed]
}

/// Bytes of a segment, for grouping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    pub base_offset: Offset,
    pub log: u64,
    pub index: u64,
    pub time_index: u64,
}

/// How many segments at a time become one. The last one ends before `end`.
pub fn groups(segments: &[Sizes], most_log: u64, most_index: u64, end: Offset) -> Vec<usize> {
    let mut groups = Vec::new();
    let mut rest = segments;
    while let Some((first, others)) = rest.split_first() {
        let mut sum = *first;
        let mut count = 1;
        for (index, next) in others.iter().enumerate() {
            let ends_before = others.get(index + 1).map_or(end, |after| after.base_offset);
            let fits = sum.log + next.log <= most_log
                && sum.index + next.index <= most_index
                && sum.time_index + next.time_index <= most_index
                && (next.log == 0 || ends_before - 1 - first.base_offset <= i64::from(i32::MAX));
            if !fits {
                break;
            }
            sum.log += next.log;
            sum.index += next.index;
            sum.time_index += next.time_index;
            count += 1;
        }
        groups.push(count);
        rest = &rest[count..];
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = 100_000;

    /// Sealed segments at 0, 10, 20 and 30 of 100 bytes each, the active one at 40; written at 1,000, 2,000 and so on.
    fn log() -> LogFacts {
        let segment = |index: i64| SegmentFacts {
            base_offset: 10 * index,
            bytes: 100,
            first_timestamp: Some(1_000 * (index + 1)),
            largest_timestamp: Some(1_000 * (index + 1) + 500),
        };
        LogFacts {
            segments: (0..5).map(segment).collect(),
            start: 0,
            end: 45,
            stable: 45,
            cleaned_to: None,
            min_lag_ms: 0,
            max_lag_ms: i64::MAX,
            cuts: 0,
        }
    }

    #[test]
    fn dirty_is_what_was_not_cleaned_and_may_be() {
        type Change = fn(&mut LogFacts);
        for (case, change, first_dirty, first_uncleanable, clean, cleanable) in [
            ("never cleaned", (|_| {}) as Change, 0, 40, 0, 400),
            ("cleaned in part", |log| log.cleaned_to = Some(20), 20, 40, 200, 200),
            (
                "cleaned within a segment",
                |log| log.cleaned_to = Some(25),
                25,
                40,
                300,
                200,
            ),
            ("all is clean", |log| log.cleaned_to = Some(40), 40, 40, 400, 0),
            (
                "clean up to the active one's inside",
                |log| log.cleaned_to = Some(43),
                43,
                40,
                400,
                0,
            ),
            (
                "cleaned below the start",
                |log| (log.cleaned_to, log.start) = (Some(5), 10),
                10,
                40,
                100,
                300,
            ),
            ("cleaned beyond the end", |log| log.cleaned_to = Some(46), 0, 40, 0, 400),
            ("not stable yet", |log| log.stable = 35, 0, 30, 0, 300),
            ("stable to the edge of a segment", |log| log.stable = 30, 0, 30, 0, 300),
            (
                "not stable where it is dirty",
                |log| (log.stable, log.cleaned_to) = (12, Some(25)),
                25,
                20,
                300,
                0,
            ),
            ("too young", |log| log.min_lag_ms = NOW - 3_500, 0, 30, 0, 300),
            ("just old enough", |log| log.min_lag_ms = NOW - 3_501, 0, 30, 0, 300),
            (
                "only the active one",
                |log| log.segments = log.segments.split_off(4),
                0,
                40,
                0,
                0,
            ),
        ] {
            let mut facts = log();
            change(&mut facts);
            let dirt = Dirt::of(&facts, NOW).unwrap();
            let found = (
                dirt.first_dirty,
                dirt.first_uncleanable,
                dirt.clean_bytes,
                dirt.cleanable_bytes,
            );
            assert_eq!(found, (first_dirty, first_uncleanable, clean, cleanable), "{case}");
        }
        let nothing = LogFacts {
            segments: Vec::new(),
            ..log()
        };
        assert_eq!(Dirt::of(&nothing, NOW), None);
    }

    #[test]
    fn a_log_is_cleaned_when_it_is_dirty_enough_or_has_waited_too_long() {
        for (case, cleaned_to, max_lag_ms, min_ratio, expected) in [
            ("half", 20, i64::MAX, 0.5, false),
            ("more than half", 10, i64::MAX, 0.5, true),
            ("nothing", 40, i64::MAX, 0.0, false),
            ("little, but overdue", 30, NOW - 4_001, 0.5, true),
            ("little, and due", 30, NOW - 4_000, 0.5, false),
            ("nothing, overdue", 40, 1, 0.5, false),
        ] {
            let facts = LogFacts {
                cleaned_to: Some(cleaned_to),
                max_lag_ms,
                ..log()
            };
            assert_eq!(Dirt::of(&facts, NOW).unwrap().is_enough(min_ratio), expected, "{case}");
        }
    }

    #[test]
    fn segments_are_joined_as_long_as_they_fit() {
        let far = i64::from(i32::MAX);
        for (case, segments, expected) in [
            ("all in one", vec![(0, 30, 1), (10, 30, 1), (20, 40, 1)], vec![3]),
            ("by bytes", vec![(0, 60, 1), (10, 60, 1), (20, 40, 1)], vec![1, 2]),
            ("by the index", vec![(0, 1, 9), (10, 1, 1), (20, 1, 1)], vec![2, 1]),
            ("by offsets", vec![(0, 1, 1), (10, 1, 1), (far, 1, 1)], vec![2, 1]),
            ("far, but empty", vec![(0, 1, 1), (10, 1, 1), (far, 0, 0)], vec![3]),
            ("one that is too large", vec![(0, 200, 1), (10, 1, 1)], vec![1, 1]),
            ("none", vec![], vec![]),
        ] {
            let sizes = |(base_offset, log, index): (Offset, u64, u64)| Sizes {
                base_offset,
                log,
                index,
                time_index: index,
            };
            let sizes: Vec<Sizes> = segments.into_iter().map(sizes).collect();
            let end = sizes.last().map_or(0, |last| last.base_offset + 10);
            assert_eq!(groups(&sizes, 100, 10, end), expected, "{case}");
        }
    }
}
