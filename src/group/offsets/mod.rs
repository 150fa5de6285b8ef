//! What was committed: by group, topic and partition.

mod commit;
mod expiry;
mod fetch;
#[cfg(test)]
mod tests;

use crate::group::records::Record;
use crate::schema::offset_commit_key::OffsetCommitKey;
use crate::schema::offset_commit_value::OffsetCommitValue;
use crate::types::PartitionId;
use crate::types::Uuid;
use compact_str::CompactString;
use std::collections::BTreeMap;

type ByPartition = BTreeMap<PartitionId, Committed>;
type ByTopic = BTreeMap<CompactString, ByPartition>;

#[derive(Clone, Debug, PartialEq)]
pub struct Committed {
    pub offset: i64,
    pub leader_epoch: i32,
    pub metadata: CompactString,
    pub commit_timestamp: i64,
    /// Where the client said itself how long the offset is to be kept.
    pub expire_timestamp: Option<i64>,
    pub topic_id: Uuid,
}

impl Committed {
    fn loaded(value: &OffsetCommitValue) -> Committed {
        Committed {
            offset: value.offset,
            leader_epoch: value.leader_epoch,
            metadata: value.metadata.clone(),
            commit_timestamp: value.commit_timestamp,
            expire_timestamp: (value.expire_timestamp != -1).then_some(value.expire_timestamp),
            topic_id: value.topic_id,
        }
    }
}

#[derive(Default)]
pub struct Offsets {
    by_group: BTreeMap<CompactString, ByTopic>,
}

impl Offsets {
    pub fn groups(&self) -> impl Iterator<Item = &CompactString> {
        self.by_group.keys()
    }

    pub fn put(&mut self, key: &OffsetCommitKey, value: &OffsetCommitValue) {
        // The names are there already, nearly always.
        if !self.by_group.contains_key(&key.group) {
            self.by_group.insert(key.group.clone(), ByTopic::new());
        }
        if let Some(topics) = self.by_group.get_mut(&key.group) {
            let partitions = topics.entry(key.topic.clone()).or_default();
            partitions.insert(key.partition, Committed::loaded(value));
        }
    }

    pub fn remove(&mut self, key: &OffsetCommitKey) {
        let Some(topics) = self.by_group.get_mut(&key.group) else {
            return;
        };
        if let Some(partitions) = topics.get_mut(&key.topic) {
            partitions.remove(&key.partition);
            if partitions.is_empty() {
                topics.remove(&key.topic);
            }
        }
        if topics.is_empty() {
            self.by_group.remove(&key.group);
        }
    }

    pub fn of(&self, group: &str) -> Option<&ByTopic> {
        self.by_group.get(group)
    }

    pub fn get(&self, group: &str, topic: &str, partition: PartitionId) -> Option<&Committed> {
        self.of(group)?.get(topic)?.get(&partition)
    }

    /// How many offsets the group has.
    pub fn count(&self, group: &str) -> usize {
        self.of(group)
            .into_iter()
            .flatten()
            .map(|(_, partitions)| partitions.len())
            .sum()
    }

    /// The group is deleted, and all that it has committed.
    pub fn tombstones(&self, group: &CompactString) -> Vec<Record> {
        let topics = self.of(group).into_iter().flatten();
        let keys = topics.flat_map(|(topic, partitions)| partitions.keys().map(move |partition| (topic, *partition)));
        keys.map(|(topic, partition)| tombstone(group, topic, partition))
            .collect()
    }
}

fn tombstone(group: &CompactString, topic: &CompactString, partition: PartitionId) -> Record {
    Record::Offset(key(group, topic, partition), None)
}

fn key(group: &CompactString, topic: &CompactString, partition: PartitionId) -> OffsetCommitKey {
    OffsetCommitKey {
        group: group.clone(),
        topic: topic.clone(),
        partition,
    }
}
