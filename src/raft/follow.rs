//! What an observer of a metadata quorum does: find the leader, ask for what follows, judge the answers.
//!
//! No socket, no file, no clock: `next` says whom to ask what or how long to wait, `answered` and `unanswered` say what
//! comes of it. One question is under way at a time. Nothing that a peer says is believed unchecked.

mod terms;

pub use terms::Answer;
pub use terms::Effect;
pub use terms::Fatal;
pub use terms::KnownLeader;
pub use terms::LocalLog;
pub use terms::LogEnd;
pub use terms::Question;
pub use terms::Rules;
pub use terms::Step;

use crate::config::voters::Address;
use crate::error_code::ErrorCode;
use crate::raft::fetched::judge;
use crate::raft::questions::Position;
use crate::raft::snapshot::SnapshotId;
use crate::schema::fetch_response::FetchResponse;
use crate::schema::fetch_response::PartitionData;
use crate::schema::fetch_snapshot_response::FetchSnapshotResponse;
use crate::schema::fetch_snapshot_response::PartitionSnapshot;
use crate::schema::writer::Records;
use crate::types::LeaderEpoch;
use crate::types::NodeId;
use crate::types::Offset;
use crate::types::Timestamp;
use crate::types::Uuid;
use bytes::Bytes;
use std::fmt;

/// However often nobody answers, somebody is asked again after this time.
const LONGEST_BACKOFF_MS: i64 = 1_000;
/// A larger snapshot is not one: what it holds would not fit into memory.
const LARGEST_SNAPSHOT: i64 = 1 << 31;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fetching {
    id: SnapshotId,
    position: i64,
}

/// What every answer says beside its own matter.
struct Heard {
    error: ErrorCode,
    leader: Option<NodeId>,
    epoch: LeaderEpoch,
    /// Where the answer says that the leader is.
    address: Option<Address>,
    /// Where it must be, as far as we know, if the answer does not say it.
    presumed: Option<Address>,
}

pub struct Follower {
    rules: Rules,
    epoch: LeaderEpoch,
    leader: Option<KnownLeader>,
    high_watermark: Option<Offset>,
    /// Below this everything is committed, whatever the leader says.
    floor: Offset,
    fetching: Option<Fetching>,
    /// Until then the leader is asked, afterwards the servers.
    patience_until: Timestamp,
    not_before: Timestamp,
    failures: u32,
    next_server: usize,
    asked: Option<Address>,
}

impl Follower {
    /// `epoch`: the greatest that this node ever heard of; `floor`: where its latest snapshot ends, or 0.
    pub fn new(rules: Rules, epoch: LeaderEpoch, floor: Offset) -> Follower {
        Follower {
            rules,
            epoch,
            leader: None,
            high_watermark: None,
            floor,
            fetching: None,
            patience_until: 0,
            not_before: Timestamp::MIN,
            failures: 0,
            next_server: 0,
            asked: None,
        }
    }

    pub fn epoch(&self) -> LeaderEpoch {
        self.epoch
    }

    pub fn next(&mut self, now: Timestamp, log: &dyn LocalLog) -> Step {
        if now < self.not_before {
            return Step::WaitUntil(self.not_before);
        }
        let leader = self.leader.as_ref().and_then(|leader| leader.address.clone());
        let leader = leader.filter(|_| now < self.patience_until);
        let question = match self.fetching.filter(|_| leader.is_some()) {
            Some(part) => Question::Snapshot(self.rules.asker.snapshot(self.epoch, part.id, part.position)),
            None => Question::Fetch(self.rules.asker.fetch(self.position(log))),
        };
        let Some(address) = leader.or_else(|| self.server()) else {
            return Step::WaitUntil(now + LONGEST_BACKOFF_MS);
        };
        self.asked = Some(address.clone());
        Step::Ask(address, question)
    }

    fn server(&mut self) -> Option<Address> {
        let servers = &self.rules.servers;
        let server = servers.get(self.next_server % servers.len().max(1)).cloned();
        self.next_server = self.next_server.wrapping_add(1);
        server
    }

    fn position(&self, log: &dyn LocalLog) -> Position {
        let end = log.end();
        Position {
            leader_epoch: self.epoch,
            offset: end.offset,
            last_epoch: end.epoch,
            high_watermark: self.high_watermark.unwrap_or(-1),
        }
    }

    fn committed(&self) -> Offset {
        self.high_watermark.unwrap_or(0).max(self.floor)
    }

    /// No answer came, or one that nobody can read.
    pub fn unanswered(&mut self, now: Timestamp) {
        // Another server may know of another leader.
        self.patience_until = now;
        self.back_off(now);
    }

    fn back_off(&mut self, now: Timestamp) {
        let doubled = self.rules.retry_backoff_ms.max(1) << self.failures.min(10);
        self.failures = self.failures.saturating_add(1);
        self.not_before = now.saturating_add(doubled.min(LONGEST_BACKOFF_MS));
    }

    fn refuse(&mut self, now: Timestamp, why: impl fmt::Display) -> Vec<Effect> {
        let from = match &self.asked {
            Some(address) => format!("{}:{}", address.host, address.port),
            None => "nobody".to_owned(),
        };
        self.unanswered(now);
        vec![Effect::Warn(format!("The controller at {from} answered with {why}."))]
    }

    fn succeeded(&mut self, now: Timestamp) {
        self.failures = 0;
        self.patience_until = now + self.rules.fetch_timeout_ms;
    }

    pub fn answered(&mut self, now: Timestamp, answer: Answer, log: &dyn LocalLog) -> Result<Vec<Effect>, Fatal> {
        match answer {
            Answer::Fetch(answer) => self.fetched(now, answer, log),
            Answer::Snapshot(answer) => self.snapshot_part(now, answer),
        }
    }

    fn fetched(&mut self, now: Timestamp, answer: FetchResponse, log: &dyn LocalLog) -> Result<Vec<Effect>, Fatal> {
        if answer.error_code != 0 {
            return Ok(self.refused(now, answer.error_code));
        }
        let Some(partition) = only_partition(&answer) else {
            return Ok(self.refuse(now, "something else than the metadata log"));
        };
        let current = &partition.current_leader;
        let endpoints = answer.node_endpoints.iter();
        let address = endpoints
            .filter(|node| node.node_id == current.leader_id)
            .find_map(|node| address(&node.host, node.port));
        let heard = self.heard(partition.error_code, (current.leader_id, current.leader_epoch), address);
        let (mut effects, usable) = self.learn(now, heard);
        if usable {
            effects.extend(self.take_in(now, partition, log)?);
        }
        Ok(effects)
    }

    fn heard(&self, error: i16, (id, epoch): (NodeId, LeaderEpoch), address: Option<Address>) -> Heard {
        let error = ErrorCode::from_code(error);
        let voter = self.rules.voters.iter().find(|(voter, _)| *voter == id);
        let configured = voter.map(|(_, address)| address.clone());
        // Only a leader answers without an error, so then it is where the question went.
        let asked = || self.asked.clone().filter(|_| error.is_none());
        Heard {
            error,
            leader: (id >= 0).then_some(id),
            epoch,
            address,
            presumed: configured.or_else(asked),
        }
    }

    /// Takes over who leads; `true` if the answer's own matter counts.
    fn learn(&mut self, now: Timestamp, heard: Heard) -> (Vec<Effect>, bool) {
        if heard.epoch < self.epoch || heard.error == ErrorCode::UnknownLeaderEpoch {
            self.unanswered(now);
            return (Vec::new(), false);
        }
        let newer = heard.epoch > self.epoch;
        let known = self.leader.clone().filter(|_| !newer);
        let leader = match (known, heard.leader) {
            (known, None) => known,
            (None, Some(id)) => Some(KnownLeader {
                id,
                address: heard.address.or(heard.presumed),
            }),
            (Some(known), Some(id)) if known.id == id => Some(KnownLeader {
                id,
                address: heard.address.or(known.address).or(heard.presumed),
            }),
            (Some(known), Some(id)) => {
                let why = format!("leader {id} of epoch {}, which {} leads", heard.epoch, known.id);
                return (self.refuse(now, why), false);
            }
        };
        let news = newer || leader != self.leader;
        let mut effects = Vec::new();
        if newer {
            // No two leaders have the same bytes of a snapshot.
            effects.extend(self.fetching.take().map(|part| Effect::SnapshotDropped(part.id)));
        }
        if news {
            self.epoch = heard.epoch;
            self.leader = leader;
            let (epoch, leader) = (self.epoch, self.leader.clone());
            effects.push(Effect::Leader { epoch, leader });
        }
        let redirected = matches!(
            heard.error,
            ErrorCode::FencedLeaderEpoch | ErrorCode::NotLeaderOrFollower
        );
        if !redirected && !newer && self.leader.is_some() {
            return (effects, true);
        }
        // Whoever is named gets its time to answer, and is asked at once if it is news.
        if !(news && self.leader.is_some()) {
            self.back_off(now);
        }
        self.patience_until = now + self.rules.fetch_timeout_ms;
        (effects, false)
    }

    /// An error that concerns the question as a whole.
    fn refused(&mut self, now: Timestamp, error_code: i16) -> Vec<Effect> {
        match ErrorCode::from_code(error_code) {
            ErrorCode::InconsistentClusterId => {
                let cluster = self.rules.asker.cluster_id.clone();
                let why = format!("INCONSISTENT_CLUSTER_ID: it belongs to another cluster than {cluster}");
                let effects = self.refuse(now, why);
                self.not_before = now + LONGEST_BACKOFF_MS;
                effects
            }
            error => self.refuse(now, format_args!("error {error_code} ({error:?})")),
        }
    }

    fn take_in(&mut self, now: Timestamp, answer: &PartitionData, log: &dyn LocalLog) -> Result<Vec<Effect>, Fatal> {
        let diverging = &answer.diverging_epoch;
        let snapshot = SnapshotId {
            end_offset: answer.snapshot_id.end_offset,
            epoch: answer.snapshot_id.epoch,
        };
        if answer.error_code != 0 {
            Ok(self.refused(now, answer.error_code))
        } else if diverging.epoch >= 0 {
            let at = LogEnd {
                offset: diverging.end_offset,
                epoch: diverging.epoch,
            };
            self.truncate(now, at, log)
        } else if snapshot.end_offset >= 0 || snapshot.epoch >= 0 {
            self.begin_snapshot(now, snapshot)
        } else {
            Ok(self.append(now, answer, log))
        }
    }

    fn append(&mut self, now: Timestamp, answer: &PartitionData, log: &dyn LocalLog) -> Vec<Effect> {
        let records = match &answer.records {
            Some(Records::Bytes(bytes)) => bytes.clone(),
            _ => Bytes::new(),
        };
        let (batches, end) = match judge(&records, log.end(), self.epoch) {
            Ok(judged) => judged,
            Err(fault) => return self.refuse(now, fault),
        };
        self.succeeded(now);
        // The leader wants no part of the snapshot any more.
        let mut effects: Vec<Effect> = Vec::new();
        effects.extend(self.fetching.take().map(|part| Effect::SnapshotDropped(part.id)));
        if !batches.is_empty() {
            let leader_epoch = self.epoch;
            effects.push(Effect::Append { batches, leader_epoch });
        }
        // -1 until the leader has committed something of its own epoch; what is committed stays so.
        let told = answer.high_watermark.min(end.offset);
        if told >= 0 && self.high_watermark.is_none_or(|known| told > known) {
            self.high_watermark = Some(told);
            effects.push(Effect::HighWatermark(told));
        }
        effects
    }

    /// Cuts off what this log has and the leader's has not.
    fn truncate(&mut self, now: Timestamp, leaders: LogEnd, log: &dyn LocalLog) -> Result<Vec<Effect>, Fatal> {
        let end = log.end();
        let local = match leaders.epoch {
            0 => end,
            epoch => log.end_of_epoch(epoch),
        };
        let to = match leaders.epoch == 0 || local.epoch == leaders.epoch {
            true => local.offset.min(leaders.offset),
            false => local.offset,
        };
        let committed = self.committed();
        if leaders.offset < committed || to < committed {
            let to = to.min(leaders.offset);
            return Err(Fatal::Truncation { to, committed });
        }
        if to >= end.offset {
            return Ok(self.refuse(
                now,
                format_args!("the end of epoch {} at {to}, where this log ends", leaders.epoch),
            ));
        }
        self.succeeded(now);
        Ok(vec![Effect::Truncate(to)])
    }

    fn begin_snapshot(&mut self, now: Timestamp, id: SnapshotId) -> Result<Vec<Effect>, Fatal> {
        if id.end_offset <= 0 || id.epoch < 0 || id.epoch > self.epoch {
            return Ok(self.refuse(
                now,
                format_args!("a snapshot at {} of epoch {}", id.end_offset, id.epoch),
            ));
        }
        let committed = self.committed();
        if id.end_offset < committed {
            let end = id.end_offset;
            return Err(Fatal::Snapshot { end, committed });
        }
        self.succeeded(now);
        if self.fetching.is_some_and(|part| part.id == id) {
            return Ok(Vec::new());
        }
        let dropped = self.fetching.replace(Fetching { id, position: 0 });
        Ok(dropped
            .into_iter()
            .map(|part| Effect::SnapshotDropped(part.id))
            .collect())
    }

    fn snapshot_part(&mut self, now: Timestamp, answer: FetchSnapshotResponse) -> Result<Vec<Effect>, Fatal> {
        if answer.error_code != 0 {
            return Ok(self.refused(now, answer.error_code));
        }
        let [topic] = &answer.topics[..] else {
            return Ok(self.refuse(now, "no snapshot"));
        };
        let [partition] = &topic.partitions[..] else {
            return Ok(self.refuse(now, "no snapshot"));
        };
        let current = &partition.current_leader;
        let endpoints = answer.node_endpoints.iter();
        let address = endpoints
            .filter(|node| node.node_id == current.leader_id)
            .find_map(|node| address(&node.host, node.port.into()));
        let heard = self.heard(partition.error_code, (current.leader_id, current.leader_epoch), address);
        let (mut effects, usable) = self.learn(now, heard);
        if usable {
            effects.extend(self.extend_snapshot(now, partition));
        }
        Ok(effects)
    }

    fn extend_snapshot(&mut self, now: Timestamp, part: &PartitionSnapshot) -> Vec<Effect> {
        let Some(Fetching { id, position }) = self.fetching else {
            return Vec::new();
        };
        let bytes = match &part.unaligned_records {
            Records::Bytes(bytes) => bytes.clone(),
            Records::Files(_) => Bytes::new(),
        };
        let end = position.saturating_add(i64::try_from(bytes.len()).unwrap_or(i64::MAX));
        let fits = (part.snapshot_id.end_offset, part.snapshot_id.epoch) == (id.end_offset, id.epoch)
            && part.position == position
            && !bytes.is_empty()
            && end <= part.size
            && part.size <= LARGEST_SNAPSHOT;
        if part.error_code != 0 || !fits {
            // It may have been removed meanwhile: the next fetch tells of a later one.
            let gone = ErrorCode::from_code(part.error_code) == ErrorCode::SnapshotNotFound;
            let mut effects = match (gone, part.error_code) {
                (true, _) => {
                    self.back_off(now);
                    Vec::new()
                }
                (false, 0) => self.refuse(now, "another part of the snapshot than the one asked for"),
                (false, error) => self.refused(now, error),
            };
            self.fetching = None;
            effects.push(Effect::SnapshotDropped(id));
            return effects;
        }
        self.succeeded(now);
        let mut effects = vec![Effect::Snapshot { id, position, bytes }];
        if end < part.size {
            self.fetching = Some(Fetching { id, position: end });
        } else {
            self.fetching = None;
            effects.push(Effect::SnapshotComplete(id));
        }
        effects
    }

    /// The complete snapshot stands for everything before its end, all of which is committed.
    pub fn snapshot_installed(&mut self, id: SnapshotId) {
        self.high_watermark = Some(self.committed().max(id.end_offset));
    }

    /// The bytes of the complete snapshot are none.
    pub fn snapshot_damaged(&mut self, now: Timestamp) {
        self.unanswered(now);
        self.not_before = now + LONGEST_BACKOFF_MS;
    }
}

fn only_partition(answer: &FetchResponse) -> Option<&PartitionData> {
    let [topic] = &answer.responses[..] else { return None };
    let [partition] = &topic.partitions[..] else {
        return None;
    };
    (topic.topic_id == Uuid::ONE && partition.partition_index == 0).then_some(partition)
}

fn address(host: &str, port: i32) -> Option<Address> {
    let valid = !host.is_empty() && (1..=i32::from(u16::MAX)).contains(&port);
    valid.then(|| Address {
        host: host.to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests;
