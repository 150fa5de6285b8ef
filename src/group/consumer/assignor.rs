//! What a server-side assignor sees of a group, and which assignors there are.

use crate::group::consumer::member::Partitions;
use crate::group::consumer::range;
use crate::group::consumer::uniform;
use crate::group::consumer::uniform_mixed;
use crate::types::PartitionId;
use crate::types::Uuid;
use compact_str::CompactString;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A member as the assignors see it.
pub struct Candidate {
    pub id: CompactString,
    pub instance_id: Option<CompactString>,
    /// Topics that exist, and that it wants.
    pub topics: Arc<BTreeSet<Uuid>>,
    /// What it was to have until now.
    pub target: Arc<Partitions>,
}

/// All members in the order of their ids, and how many partitions each of their topics has.
pub struct Group {
    pub members: Vec<Candidate>,
    pub topics: BTreeMap<Uuid, PartitionId>,
}

impl Group {
    /// Whether all want the same.
    fn is_uniform(&self) -> bool {
        let Some(first) = self.members.first() else { return true };
        let same = |member: &Candidate| Arc::ptr_eq(&member.topics, &first.topics) || member.topics == first.topics;
        self.members.iter().all(same)
    }

    pub fn exists(&self, topic: Uuid, index: PartitionId) -> bool {
        self.topics
            .get(&topic)
            .is_some_and(|count| (0..*count).contains(&index))
    }
}

/// Racks play no part: in Kafka 4.3 they play none either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignor {
    Uniform,
    Range,
}

impl Assignor {
    /// By its name, or by the class that a configuration may name instead.
    pub fn named(name: &str) -> Option<Assignor> {
        match name
            .strip_prefix("org.apache.kafka.coordinator.group.assignor.")
            .unwrap_or(name)
        {
            "uniform" | "UniformAssignor" => Some(Assignor::Uniform),
            "range" | "RangeAssignor" => Some(Assignor::Range),
            _ => None,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Assignor::Uniform => "uniform",
            Assignor::Range => "range",
        }
    }

    /// A target for each member, in their order; each partition that somebody wants has exactly one owner.
    pub fn assign(self, group: &Group) -> Vec<Arc<Partitions>> {
        match self {
            Assignor::Range => range::assign(group),
            Assignor::Uniform if group.is_uniform() => uniform::assign(group),
            Assignor::Uniform => uniform_mixed::assign(group),
        }
    }
}

pub fn give(target: &mut Arc<Partitions>, topic: Uuid, index: PartitionId) {
    Arc::make_mut(target).entry(topic).or_default().insert(index);
}

pub fn take(target: &mut Arc<Partitions>, topic: Uuid, index: PartitionId) {
    let target = Arc::make_mut(target);
    if let Some(partitions) = target.get_mut(&topic) {
        partitions.remove(&index);
        if partitions.is_empty() {
            target.remove(&topic);
        }
    }
}
