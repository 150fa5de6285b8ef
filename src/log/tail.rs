//! The published end of a log: what readers may see, and where its latest batches begin.

use crate::types::Offset;
use std::collections::VecDeque;

/// Batches whose places are remembered: consumers that keep up need no look into an index.
const REMEMBERED: usize = 32;

#[derive(Debug)]
pub struct Tail {
    pub end_offset: Offset,
    /// The active segment and the bytes of it that may be read.
    pub segment: Offset,
    pub size: u64,
    recent: VecDeque<Place>,
}

/// A batch in the active segment.
#[derive(Clone, Copy, Debug)]
struct Place {
    base_offset: Offset,
    position: u64,
}

/// A position in the active segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    pub position: u64,
    /// Where the next batch begins.
    pub batch_end: u64,
    pub base_offset: Offset,
}

impl Tail {
    pub fn new(end_offset: Offset, segment: Offset, size: u64) -> Tail {
        Tail {
            end_offset,
            segment,
            size,
            recent: VecDeque::new(),
        }
    }

    /// A batch was written at the end.
    pub fn advance(&mut self, base_offset: Offset, end_offset: Offset, bytes: u64) {
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back(Place {
            base_offset,
            position: self.size,
        });
        self.end_offset = end_offset;
        self.size += bytes;
    }

    /// Everything changed: a new segment, or a shorter one.
    pub fn reset(&mut self, end_offset: Offset, segment: Offset, size: u64) {
        *self = Tail::new(end_offset, segment, size);
    }

    /// The batch that holds `offset`, if it is one of the latest.
    pub fn find(&self, offset: Offset) -> Option<Known> {
        if offset >= self.end_offset {
            return None;
        }
        let index = self
            .recent
            .partition_point(|place| place.base_offset <= offset)
            .checked_sub(1)?;
        let place = self.recent.get(index)?;
        let batch_end = self.recent.get(index + 1).map_or(self.size, |next| next.position);
        Some(Known {
            position: place.position,
            batch_end,
            base_offset: place.base_offset,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_batches_are_found_and_older_ones_are_not() {
        let mut tail = Tail::new(10, 0, 500);
        assert_eq!(tail.find(9), None);
        for batch in 0..40 {
            tail.advance(10 + batch * 2, 12 + batch * 2, 100);
        }
        assert_eq!(tail.find(90), None, "not written yet");
        assert_eq!(
            tail.find(89),
            Some(Known {
                position: 4_400,
                batch_end: 4_500,
                base_offset: 88
            })
        );
        assert_eq!(
            tail.find(26),
            Some(Known {
                position: 1_300,
                batch_end: 1_400,
                base_offset: 26
            })
        );
        assert_eq!(tail.find(25), None, "forgotten");
    }
}
