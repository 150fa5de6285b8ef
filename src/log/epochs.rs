//! Which leader epoch began where: what followers compare to find out where their log diverges.

use crate::record::header::BatchHeader;
use crate::storage::epoch_checkpoint::EpochEntry;
use crate::types::LeaderEpoch;
use crate::types::Offset;

/// Entries ascend in both fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Epochs(Vec<EpochEntry>);

impl Epochs {
    pub fn new(entries: Vec<EpochEntry>) -> Epochs {
        Epochs(entries)
    }

    pub fn entries(&self) -> &[EpochEntry] {
        &self.0
    }

    pub fn latest(&self) -> Option<LeaderEpoch> {
        self.0.last().map(|entry| entry.epoch)
    }

    /// Notes that `epoch` begins at `start`; `true` if that was news. Entries that contradict it go.
    pub fn assign(&mut self, epoch: LeaderEpoch, start: Offset) -> bool {
        if epoch < 0 || start < 0 {
            return false;
        }
        let news = self
            .0
            .last()
            .is_none_or(|last| last.epoch != epoch || start < last.start);
        if news {
            self.0.retain(|entry| entry.epoch < epoch && entry.start < start);
            self.0.push(EpochEntry { epoch, start });
        }
        news
    }

    /// Takes what a batch says that was written long ago. The first epoch begins where the log does, even if
    /// compaction took its first records.
    pub fn learn(&mut self, header: &BatchHeader, log_begins: Offset) {
        match self.latest() {
            None => self.assign(header.leader_epoch, log_begins),
            Some(latest) if header.leader_epoch > latest => self.assign(header.leader_epoch, header.base_offset),
            Some(_) => false,
        };
    }

    /// The epoch of the record at `offset`.
    pub fn at(&self, offset: Offset) -> Option<LeaderEpoch> {
        let index = self.0.partition_point(|entry| entry.start <= offset).checked_sub(1)?;
        self.0.get(index).map(|entry| entry.epoch)
    }

    /// Where `epoch` ended, with the epoch that is meant: the asked one or the greatest before it.
    pub fn end_of(&self, epoch: LeaderEpoch, log_end: Offset) -> Option<(LeaderEpoch, Offset)> {
        if epoch < 0 {
            return None;
        }
        if self.latest() == Some(epoch) {
            return Some((epoch, log_end));
        }
        let next = self.0.partition_point(|entry| entry.epoch <= epoch);
        let end = self.0.get(next)?.start;
        let held = next.checked_sub(1).and_then(|index| self.0.get(index));
        Some((held.map_or(epoch, |entry| entry.epoch), end))
    }

    /// Forgets epochs that begin at `end` or later.
    pub fn truncate_end(&mut self, end: Offset) -> bool {
        let before = self.0.len();
        self.0.retain(|entry| entry.start < end);
        self.0.len() != before
    }

    /// Forgets epochs that ended before `start` and lets the first that remains begin there.
    pub fn truncate_start(&mut self, start: Offset) -> bool {
        let held = self.0.partition_point(|entry| entry.start <= start);
        let Some(first) = held.checked_sub(1) else { return false };
        let unchanged = first == 0 && self.0.first().is_some_and(|entry| entry.start == start);
        self.0.drain(..first);
        if let Some(entry) = self.0.first_mut() {
            entry.start = start;
        }
        !unchanged
    }

    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(entries: &[(LeaderEpoch, Offset)]) -> Epochs {
        Epochs(
            entries
                .iter()
                .map(|(epoch, start)| EpochEntry {
                    epoch: *epoch,
                    start: *start,
                })
                .collect(),
        )
    }

    #[test]
    fn the_end_of_an_epoch_is_the_start_of_the_next() {
        let known = epochs(&[(1, 0), (3, 10), (5, 20)]);
        for (asked, expected) in [
            (-1, None),
            (0, Some((0, 0))),
            (1, Some((1, 10))),
            (2, Some((1, 10))),
            (3, Some((3, 20))),
            (4, Some((3, 20))),
            (5, Some((5, 99))),
            (6, None),
        ] {
            assert_eq!(known.end_of(asked, 99), expected, "epoch {asked}");
        }
    }

    #[test]
    fn a_new_entry_removes_what_contradicts_it() {
        for (case, epoch, start, news, expected) in [
            ("next", 6, 30, true, vec![(1, 0), (3, 10), (5, 20), (6, 30)]),
            ("same", 5, 25, false, vec![(1, 0), (3, 10), (5, 20)]),
            ("same, earlier", 5, 15, true, vec![(1, 0), (3, 10), (5, 15)]),
            (
                "nothing written in the last",
                6,
                20,
                true,
                vec![(1, 0), (3, 10), (6, 20)],
            ),
            ("back in time", 2, 10, true, vec![(1, 0), (2, 10)]),
            ("none", -1, 30, false, vec![(1, 0), (3, 10), (5, 20)]),
        ] {
            let mut known = epochs(&[(1, 0), (3, 10), (5, 20)]);
            assert_eq!(known.assign(epoch, start), news, "{case}");
            assert_eq!(known, epochs(&expected), "{case}");
        }
    }

    #[test]
    fn truncation_keeps_the_epochs_of_what_remains() {
        let all = [(1, 0), (3, 10), (5, 20)];
        for (start, expected) in [
            (0, &[(1, 0), (3, 10), (5, 20)][..]),
            (5, &[(1, 5), (3, 10), (5, 20)]),
            (10, &[(3, 10), (5, 20)]),
            (50, &[(5, 50)]),
        ] {
            let mut known = epochs(&all);
            assert_eq!(known.truncate_start(start), start != 0);
            assert_eq!(known, epochs(expected), "start {start}");
        }
        for (end, expected) in [
            (0, &[][..]),
            (20, &[(1, 0), (3, 10)]),
            (21, &[(1, 0), (3, 10), (5, 20)]),
        ] {
            let mut known = epochs(&all);
            known.truncate_end(end);
            assert_eq!(known, epochs(expected), "end {end}");
        }
        assert_eq!(epochs(&all).at(10), Some(3));
        assert_eq!(epochs(&[(3, 10)]).at(9), None);
    }
}
