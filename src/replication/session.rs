//! Incremental fetch sessions (KIP-227): a client names its partitions once, then only what changes.
//!
//! Pure: the clock and the random session id are handed in. The cache is bounded; when it is full, a session gives
//! way that has been unused for long or holds fewer partitions than the new one, as in Kafka.

use crate::schema::fetch_response::PartitionData;
use crate::types::ErrorCode;
use crate::types::Timestamp;
use crate::types::Uuid;
use compact_str::CompactString;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

pub const NO_SESSION: i32 = 0;
const FIRST_EPOCH: i32 = 0;
const FINAL_EPOCH: i32 = -1;

/// Which partition a fetch names: by id from version 13 on, by name before it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub topic: CompactString,
    pub topic_id: Uuid,
    pub partition: i32,
}

/// What a fetch asks of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    pub offset: i64,
    pub log_start_offset: i64,
    pub max_bytes: i32,
    pub current_leader_epoch: i32,
    pub last_fetched_epoch: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cached {
    wanted: Wanted,
    high_watermark: i64,
    log_start_offset: i64,
}

impl Cached {
    /// Whether the client has to be told, and what it will then know.
    fn update(&mut self, answer: &PartitionData) -> bool {
        let records = answer.records.as_ref().is_some_and(|records| !records.is_empty());
        let failed = answer.error_code != 0;
        let moved = self.high_watermark != answer.high_watermark || self.log_start_offset != answer.log_start_offset;
        let diverging = answer.diverging_epoch.end_offset >= 0;
        self.log_start_offset = answer.log_start_offset;
        // An error sets it to nothing, so that the partition is sent again once the error is gone.
        self.high_watermark = if failed { -1 } else { answer.high_watermark };
        records || failed || moved || diverging || answer.preferred_read_replica >= 0
    }
}

/// Partitions in the order in which they are to be served; one that gave records goes to the end.
#[derive(Default)]
struct Partitions {
    order: BTreeMap<u64, (Key, Cached)>,
    places: HashMap<Key, u64>,
    next: u64,
}

impl Partitions {
    fn push(&mut self, key: Key, cached: Cached) {
        self.places.insert(key.clone(), self.next);
        self.order.insert(self.next, (key, cached));
        self.next += 1;
    }

    fn get_mut(&mut self, key: &Key) -> Option<&mut Cached> {
        let place = self.places.get(key)?;
        self.order.get_mut(place).map(|(_, cached)| cached)
    }

    fn remove(&mut self, key: &Key) -> Option<Cached> {
        let place = self.places.remove(key)?;
        self.order.remove(&place).map(|(_, cached)| cached)
    }
}

struct Session {
    partitions: Partitions,
    uses_topic_ids: bool,
    privileged: bool,
    created: Timestamp,
    used: Timestamp,
    epoch: i32,
}

/// How this fetch is to be answered.
pub enum Fetch {
    /// All partitions of the request, and a session may be made of them.
    Full(Vec<(Key, Wanted)>),
    /// All partitions of the request, without a session.
    Sessionless(Vec<(Key, Wanted)>),
    /// All partitions of the session; only those that changed are answered.
    Incremental {
        id: i32,
        expected_epoch: i32,
        partitions: Vec<(Key, Wanted)>,
    },
}

impl Fetch {
    pub fn partitions(&self) -> &[(Key, Wanted)] {
        match self {
            Fetch::Full(partitions) | Fetch::Sessionless(partitions) => partitions,
            Fetch::Incremental { partitions, .. } => partitions,
        }
    }
}

/// What of the request concerns its session.
pub struct Opening {
    pub session_id: i32,
    pub session_epoch: i32,
    pub uses_topic_ids: bool,
    pub partitions: Vec<(Key, Wanted)>,
    pub forgotten: Vec<Key>,
}

pub struct Sessions {
    held: Mutex<HashMap<i32, Arc<Mutex<Session>>>>,
    most: usize,
    /// A session unused for longer gives way to any other.
    stale_after_ms: i64,
}

impl Sessions {
    pub fn new(most: usize, stale_after_ms: i64) -> Sessions {
        Sessions {
            held: Mutex::default(),
            most,
            stale_after_ms,
        }
    }

    pub fn open(&self, now: Timestamp, opening: Opening) -> Result<Fetch, ErrorCode> {
        let Opening {
            session_id,
            session_epoch,
            ..
        } = opening;
        if session_epoch == FIRST_EPOCH || session_epoch == FINAL_EPOCH {
            if session_id != NO_SESSION {
                self.held().remove(&session_id);
            }
            return Ok(match session_epoch {
                FINAL_EPOCH => Fetch::Sessionless(opening.partitions),
                _ => Fetch::Full(opening.partitions),
            });
        }
        let session = self
            .held()
            .get(&session_id)
            .cloned()
            .ok_or(ErrorCode::FetchSessionIdNotFound)?;
        let mut session = lock(&session);
        if session.epoch != session_epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.uses_topic_ids != opening.uses_topic_ids {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        for (key, wanted) in &opening.partitions {
            match session.partitions.get_mut(key) {
                Some(cached) => cached.wanted = *wanted,
                None => {
                    let cached = Cached {
                        wanted: *wanted,
                        high_watermark: -1,
                        log_start_offset: -1,
                    };
                    session.partitions.push(key.clone(), cached);
                }
            }
        }
        for key in &opening.forgotten {
            session.partitions.remove(key);
        }
        if session.partitions.order.is_empty() {
            self.held().remove(&session_id);
            return Ok(Fetch::Sessionless(opening.partitions));
        }
        session.used = now;
        session.epoch = next_epoch(session.epoch);
        let partitions = session
            .partitions
            .order
            .values()
            .map(|(key, cached)| (key.clone(), cached.wanted))
            .collect();
        Ok(Fetch::Incremental {
            id: session_id,
            expected_epoch: session.epoch,
            partitions,
        })
    }

    /// Keeps what the client will know after this answer, and leaves out of it what it knows already.
    /// Gives the session's id.
    pub fn close(
        &self,
        now: Timestamp,
        fetch: &Fetch,
        answers: &mut Vec<(Key, PartitionData)>,
        new_session: NewSession,
    ) -> Result<i32, (ErrorCode, i32)> {
        match fetch {
            Fetch::Sessionless(_) => Ok(NO_SESSION),
            Fetch::Full(asked) => Ok(self.create(now, asked, answers, new_session)),
            Fetch::Incremental { id, expected_epoch, .. } => {
                let session = self.held().get(id).cloned();
                let stale = (ErrorCode::InvalidFetchSessionEpoch, *id);
                let session = session.ok_or(stale)?;
                let mut session = lock(&session);
                if session.epoch != *expected_epoch {
                    return Err(stale);
                }
                answers.retain(|(key, answer)| session.tell(key, answer));
                Ok(*id)
            }
        }
    }

    fn create(
        &self,
        now: Timestamp,
        asked: &[(Key, Wanted)],
        answers: &[(Key, PartitionData)],
        new_session: NewSession,
    ) -> i32 {
        let mut held = self.held();
        if held.len() >= self.most && !self.evict(&mut held, now, &new_session, answers.len()) {
            return NO_SESSION;
        }
        let wanted: HashMap<&Key, Wanted> = asked.iter().map(|(key, wanted)| (key, *wanted)).collect();
        let mut partitions = Partitions::default();
        for (key, answer) in answers {
            if let Some(wanted) = wanted.get(key) {
                let (high_watermark, log_start_offset) = (answer.high_watermark, answer.log_start_offset);
                partitions.push(
                    key.clone(),
                    Cached {
                        wanted: *wanted,
                        high_watermark,
                        log_start_offset,
                    },
                );
            }
        }
        let id = (0..)
            .map(|step| new_session.id.wrapping_add(step))
            .find(|id| *id > 0 && !held.contains_key(id));
        let id = id.unwrap_or(NO_SESSION);
        let (uses_topic_ids, privileged) = (new_session.uses_topic_ids, new_session.privileged);
        let epoch = next_epoch(FIRST_EPOCH);
        let session = Session {
            partitions,
            uses_topic_ids,
            privileged,
            created: now,
            used: now,
            epoch,
        };
        held.insert(id, Arc::new(Mutex::new(session)));
        id
    }

    /// Makes room for a session of `size` partitions, if one of those held is worth less.
    fn evict(
        &self,
        held: &mut HashMap<i32, Arc<Mutex<Session>>>,
        now: Timestamp,
        new_session: &NewSession,
        size: usize,
    ) -> bool {
        let facts = held.iter().map(|(id, session)| {
            let session = lock(session);
            (
                *id,
                session.used,
                session.created,
                session.privileged,
                session.partitions.order.len(),
            )
        });
        let facts: Vec<_> = facts.collect();
        let oldest = facts.iter().min_by_key(|(id, used, ..)| (*used, *id));
        let Some((oldest, used, ..)) = oldest else { return false };
        if now - used > self.stale_after_ms {
            return held.remove(oldest).is_some();
        }
        let evictable = facts.iter().filter(|(_, _, created, privileged, _)| {
            now - created > self.stale_after_ms || (new_session.privileged && !privileged)
        });
        let least = evictable.min_by_key(|(id, _, _, privileged, size)| (*privileged, *size, *id));
        match least {
            Some((id, _, _, privileged, held_size)) if (new_session.privileged, size) >= (*privileged, *held_size) => {
                held.remove(id).is_some()
            }
            _ => false,
        }
    }

    fn held(&self) -> MutexGuard<'_, HashMap<i32, Arc<Mutex<Session>>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a session made of a full fetch will be.
pub struct NewSession {
    /// Drawn by chance; the next free one is taken.
    pub id: i32,
    pub uses_topic_ids: bool,
    /// A follower's.
    pub privileged: bool,
}

impl Session {
    fn tell(&mut self, key: &Key, answer: &PartitionData) -> bool {
        let Some(cached) = self.partitions.get_mut(key) else {
            return false;
        };
        let told = cached.update(answer);
        let cached = *cached;
        if answer.records.as_ref().is_some_and(|records| !records.is_empty()) {
            self.partitions.remove(key);
            self.partitions.push(key.clone(), cached);
        }
        told
    }
}

fn next_epoch(epoch: i32) -> i32 {
    epoch.checked_add(1).unwrap_or(1)
}

fn lock(session: &Mutex<Session>) -> MutexGuard<'_, Session> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::writer::Records;
    use bytes::Bytes;

    fn key(partition: i32) -> Key {
        Key {
            topic: "t".into(),
            topic_id: Uuid::ONE,
            partition,
        }
    }

    fn wanted(offset: i64) -> Wanted {
        Wanted {
            offset,
            log_start_offset: -1,
            max_bytes: 1,
            current_leader_epoch: -1,
            last_fetched_epoch: -1,
        }
    }

    fn opening(session_id: i32, session_epoch: i32, partitions: &[i32]) -> Opening {
        let partitions = partitions
            .iter()
            .map(|partition| (key(*partition), wanted(0)))
            .collect();
        Opening {
            session_id,
            session_epoch,
            uses_topic_ids: true,
            partitions,
            forgotten: Vec::new(),
        }
    }

    fn answer(partition: i32, high_watermark: i64, records: &'static [u8]) -> (Key, PartitionData) {
        let records = Some(Records::Bytes(Bytes::from_static(records)));
        (
            key(partition),
            PartitionData {
                high_watermark,
                records,
                ..PartitionData::default()
            },
        )
    }

    fn new_session() -> NewSession {
        NewSession {
            id: 7,
            uses_topic_ids: true,
            privileged: false,
        }
    }

    /// A session over partitions 0 and 1 whose client knows a high watermark of 5 for both.
    fn session_over_two(sessions: &Sessions) {
        let fetch = sessions.open(0, opening(0, 0, &[0, 1])).unwrap();
        let mut answers = vec![answer(0, 5, b""), answer(1, 5, b"")];
        assert_eq!(sessions.close(0, &fetch, &mut answers, new_session()), Ok(7));
    }

    #[test]
    fn only_what_changed_is_answered() {
        let sessions = Sessions::new(10, 1000);
        session_over_two(&sessions);
        let fetch = sessions.open(1, opening(7, 1, &[])).unwrap();
        assert_eq!(fetch.partitions().len(), 2);
        let mut answers = vec![answer(0, 5, b""), answer(1, 6, b"")];
        assert_eq!(sessions.close(1, &fetch, &mut answers, new_session()), Ok(7));
        assert_eq!(answers.iter().map(|(key, _)| key.partition).collect::<Vec<_>>(), [1]);
    }

    #[test]
    fn a_partition_that_gave_records_goes_to_the_end() {
        let sessions = Sessions::new(10, 1000);
        session_over_two(&sessions);
        let fetch = sessions.open(1, opening(7, 1, &[])).unwrap();
        let mut answers = vec![answer(0, 6, b"x"), answer(1, 5, b"")];
        sessions.close(1, &fetch, &mut answers, new_session()).unwrap();
        let fetch = sessions.open(2, opening(7, 2, &[])).unwrap();
        let order: Vec<i32> = fetch.partitions().iter().map(|(key, _)| key.partition).collect();
        assert_eq!(order, [1, 0]);
    }

    #[test]
    fn a_wrong_session_is_refused() {
        let sessions = Sessions::new(10, 1000);
        session_over_two(&sessions);
        for (case, id, epoch, expected) in [
            ("unknown", 8, 1, ErrorCode::FetchSessionIdNotFound),
            ("an epoch that was answered", 7, 3, ErrorCode::InvalidFetchSessionEpoch),
        ] {
            assert_eq!(
                sessions.open(1, opening(id, epoch, &[])).err(),
                Some(expected),
                "{case}"
            );
        }
        let by_name = Opening {
            uses_topic_ids: false,
            ..opening(7, 1, &[])
        };
        assert_eq!(
            sessions.open(1, by_name).err(),
            Some(ErrorCode::FetchSessionTopicIdError)
        );
    }

    #[test]
    fn a_full_cache_keeps_what_is_in_use_and_lets_go_of_what_is_stale() {
        let sessions = Sessions::new(1, 1000);
        session_over_two(&sessions);
        let fetch = sessions.open(10, opening(0, 0, &[0, 1])).unwrap();
        let mut answers = vec![answer(0, 5, b""), answer(1, 5, b"")];
        assert_eq!(sessions.close(10, &fetch, &mut answers, new_session()), Ok(NO_SESSION));
        let later = NewSession { id: 9, ..new_session() };
        assert_eq!(sessions.close(1001, &fetch, &mut answers, later), Ok(9));
    }

    #[test]
    fn a_session_without_partitions_ends() {
        let sessions = Sessions::new(10, 1000);
        session_over_two(&sessions);
        let forgetting = Opening {
            forgotten: vec![key(0), key(1)],
            ..opening(7, 1, &[])
        };
        assert!(matches!(sessions.open(1, forgetting), Ok(Fetch::Sessionless(_))));
        assert_eq!(
            sessions.open(2, opening(7, 2, &[])).err(),
            Some(ErrorCode::FetchSessionIdNotFound)
        );
    }
}
