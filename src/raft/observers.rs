//! Who follows the metadata log without a vote, and how far each has read: what DescribeQuorum tells of observers.

use crate::types::NodeId;
use crate::types::Offset;
use crate::types::Timestamp;
use crate::types::Uuid;
use std::collections::BTreeMap;

/// One that does not fetch for so long is forgotten, as in Kafka.
const SILENCE_MS: i64 = 300_000;
/// Far more than any cluster has; ids are what strangers say they are.
const MOST: usize = 1_000;

/// A node with another directory is another replica: it lost its disk.
pub type ReplicaKey = (NodeId, Uuid);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Everything below was fetched.
    pub end_offset: Offset,
    pub last_fetch: Timestamp,
    /// -1 while it never had the whole log.
    pub last_caught_up: Timestamp,
    /// Where the log ended at its last fetch.
    log_end: Offset,
}

#[derive(Debug, Default)]
pub struct Observers(BTreeMap<ReplicaKey, Progress>);

impl Observers {
    /// A replica asks for what follows `offset`, so it has everything before.
    pub fn fetched(&mut self, replica: ReplicaKey, offset: Offset, log_end: Offset, now: Timestamp) {
        if !self.0.contains_key(&replica) {
            self.make_room(now);
        }
        let known = self.0.entry(replica).or_insert(Progress {
            end_offset: offset,
            last_fetch: -1,
            last_caught_up: -1,
            log_end: 0,
        });
        if offset >= log_end {
            known.last_caught_up = known.last_caught_up.max(now);
        } else if known.log_end > 0 && offset >= known.log_end {
            // It has now what there was when it asked the time before.
            known.last_caught_up = known.last_caught_up.max(known.last_fetch);
        }
        known.end_offset = offset;
        known.last_fetch = known.last_fetch.max(now);
        known.log_end = log_end;
    }

    fn make_room(&mut self, now: Timestamp) {
        self.forget_silent(now);
        while self.0.len() >= MOST {
            let oldest = self.0.iter().min_by_key(|(_, progress)| progress.last_fetch);
            let Some(oldest) = oldest.map(|(replica, _)| *replica) else {
                return;
            };
            self.0.remove(&oldest);
        }
    }

    fn forget_silent(&mut self, now: Timestamp) {
        self.0.retain(|_, progress| now - progress.last_fetch < SILENCE_MS);
    }

    /// Those that fetched lately, by id.
    pub fn list(&mut self, now: Timestamp) -> Vec<(ReplicaKey, Progress)> {
        self.forget_silent(now);
        self.0.iter().map(|(replica, progress)| (*replica, *progress)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPLICA: ReplicaKey = (2, Uuid([7; 16]));

    #[test]
    fn a_replica_is_caught_up_when_it_has_what_there_was_at_its_fetch_before() {
        let mut observers = Observers::default();
        for (case, offset, log_end, now, caught_up) in [
            ("far behind", 0, 10, 100, -1),
            ("has what there was before", 10, 20, 200, 100),
            ("behind again", 15, 20, 300, 100),
            ("at the end", 20, 20, 400, 400),
            ("the end moved on", 20, 30, 500, 400),
        ] {
            observers.fetched(REPLICA, offset, log_end, now);
            let [(key, progress)] = observers.list(now)[..] else {
                panic!("{case}: one replica")
            };
            assert_eq!(
                (key, progress.end_offset, progress.last_fetch),
                (REPLICA, offset, now),
                "{case}"
            );
            assert_eq!(progress.last_caught_up, caught_up, "{case}");
        }
    }

    #[test]
    fn the_silent_are_forgotten_and_strangers_do_not_fill_the_memory() {
        let mut observers = Observers::default();
        observers.fetched(REPLICA, 5, 5, 0);
        assert_eq!(observers.list(SILENCE_MS - 1).len(), 1);
        assert_eq!(observers.list(SILENCE_MS).len(), 0);
        for id in 0..=MOST as NodeId {
            observers.fetched((id, Uuid::ZERO), 0, 5, i64::from(id));
        }
        let listed = observers.list(0);
        assert_eq!(listed.len(), MOST);
        assert_eq!(listed[0].0.0, 1, "the one that was silent for longest made room");
    }
}
