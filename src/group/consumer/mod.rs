//! One consumer group of KIP-848, as a machine without I/O.
//!
//! A heartbeat says who the member is and what it wants; the group answers with what it may read. What it wants makes
//! the group epoch; the group epoch makes a target for everybody; each member goes to its target in steps, and nobody
//! gets a partition that another has not let go.
//!
//! Hard state changes only by `apply`, of records in any order that a compacted log may hold them in.

mod apply;
pub mod assignor;
pub mod commit;
mod describe;
mod hash;
mod heartbeat;
mod index;
mod leave;
pub mod member;
mod range;
mod reconcile;
mod regex;
mod resolve;
mod settings;
mod target;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod uniform;
mod uniform_mixed;
mod write;

use crate::group::World;
pub use crate::group::consumer::apply::subject;
pub use crate::group::consumer::describe::GroupState;
use crate::group::consumer::hash::TopicHashes;
use crate::group::consumer::index::Index;
use crate::group::consumer::member::Member;
use crate::group::consumer::member::Partitions;
use crate::group::consumer::member::State;
use crate::group::consumer::settings::Settings;
use crate::group::records::Record;
use crate::schema::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;
use crate::types::ErrorCode;
use crate::types::Offset;
use crate::types::Timestamp;
use compact_str::CompactString;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;

/// What a member is told instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub error: ErrorCode,
    pub message: String,
}

impl Refusal {
    pub fn new(error: ErrorCode, message: impl Into<String>) -> Refusal {
        Refusal {
            error,
            message: message.into(),
        }
    }

    /// For a group that does not exist, of any type.
    pub fn no_such_group(id: &str) -> Refusal {
        Refusal::new(ErrorCode::GroupIdNotFound, format!("Consumer group {id} not found."))
    }
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Timer {
    /// The member has been silent for its whole session.
    Session(CompactString),
    /// The member has not let go in time what it was asked to.
    Rebalance(CompactString),
    /// Patterns are to be held against the names of topics; due at once, but not inside a heartbeat.
    Resolve,
}

/// To append as one batch and then to apply, and timers as of `machine::Decision`.
#[derive(Debug, Default, PartialEq)]
pub struct Changes {
    pub records: Vec<Record>,
    pub timers: Vec<(Timer, Option<Timestamp>)>,
}

#[derive(Debug, PartialEq)]
pub struct Outcome {
    pub response: ConsumerGroupHeartbeatResponse,
    pub changes: Changes,
}

/// The topics that a pattern was found to mean.
#[derive(Clone, Debug, PartialEq)]
struct Resolved {
    topics: BTreeSet<CompactString>,
    version: Offset,
    timestamp: Timestamp,
}

#[derive(Debug)]
pub struct ConsumerGroup {
    pub id: CompactString,
    epoch: i32,
    metadata_hash: i64,
    /// Whether there is a record with the group's epoch.
    is_written: bool,
    /// Kafka before 4.1 wrote what it knew of topics; such a record is taken back.
    has_partition_record: bool,
    members: BTreeMap<CompactString, Member>,
    targets: HashMap<CompactString, Arc<Partitions>>,
    target_epoch: i32,
    /// When the target was made; 0 if nobody knows.
    target_timestamp: Timestamp,
    resolved: BTreeMap<CompactString, Resolved>,
    index: Index,
    soft: Soft,
}

/// What may be lost when the group is loaded anew.
#[derive(Debug, Default)]
struct Soft {
    settings: Option<Settings>,
    hashes: TopicHashes,
    /// The image whose topics the metadata hash was last held against.
    checked: Option<Offset>,
    /// The epochs in which members were asked to let partitions go.
    revoking_since: HashMap<CompactString, i32>,
    is_resolving: bool,
    /// All topics, as one number, when patterns were last resolved.
    resolved_topics: Option<u64>,
    /// That number for the image of this offset.
    all_topics: Option<(Offset, u64)>,
}

impl ConsumerGroup {
    pub fn new(id: CompactString) -> ConsumerGroup {
        ConsumerGroup {
            id,
            epoch: 1,
            metadata_hash: 0,
            is_written: false,
            has_partition_record: false,
            members: BTreeMap::new(),
            targets: HashMap::new(),
            target_epoch: 0,
            target_timestamp: 0,
            resolved: BTreeMap::new(),
            index: Index::default(),
            soft: Soft::default(),
        }
    }

    /// Nothing of it is in the log: it need not be kept.
    pub fn is_gone(&self) -> bool {
        !self.is_written
            && !self.has_partition_record
            && self.members.is_empty()
            && self.targets.is_empty()
            && self.resolved.is_empty()
            && self.target_epoch <= 0
    }

    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    pub fn member(&self, id: &str) -> Option<&Member> {
        self.members.get(id)
    }

    pub fn is_subscribed_to(&self, topic: &str) -> bool {
        self.index.topics.contains_key(topic)
    }

    /// Named by members, or meant by their patterns.
    pub fn subscribed_topics(&self) -> impl Iterator<Item = &CompactString> {
        self.index.topics.keys()
    }

    /// The timers of a group that was just loaded.
    pub fn loaded(&mut self, world: &World) -> Vec<(Timer, Option<Timestamp>)> {
        let session = i64::from(self.settings(world).session_timeout_ms);
        let mut timers = Vec::with_capacity(self.members.len());
        for member in self.members.values() {
            timers.push((Timer::Session(member.id.clone()), Some(world.now + session)));
            if member.standing.state == State::Unrevoked {
                let due = world.now + i64::from(member.about.rebalance_timeout_ms.max(0));
                self.soft.revoking_since.insert(member.id.clone(), member.epoch());
                timers.push((Timer::Rebalance(member.id.clone()), Some(due)));
            }
        }
        timers
    }

    fn settings(&mut self, world: &World) -> &Settings {
        let current = self
            .soft
            .settings
            .take()
            .filter(|settings| settings.are_of(&self.id, world));
        self.soft
            .settings
            .insert(current.unwrap_or_else(|| Settings::of(&self.id, world)))
    }

    fn target(&self, member: &str) -> Arc<Partitions> {
        self.targets.get(member).cloned().unwrap_or_default()
    }
}
