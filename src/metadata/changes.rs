//! What a batch of records, or a snapshot, changed: what a broker has to act on.

use crate::metadata::ConfigResource;
use crate::metadata::Image;
use crate::metadata::Topic;
use crate::types::NodeId;
use crate::types::PartitionId;
use crate::types::Uuid;
use compact_str::CompactString;
use std::collections::BTreeSet;
use std::collections::HashSet;
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub struct Changes {
    pub topics_created: Vec<Uuid>,
    /// As they were.
    pub topics_deleted: Vec<Arc<Topic>>,
    /// Created or changed, by topic id and index; those of deleted topics are not in it.
    pub partitions: BTreeSet<(Uuid, PartitionId)>,
    pub configs: BTreeSet<ConfigResource>,
    pub brokers: BTreeSet<NodeId>,
    pub controllers: bool,
    pub features: bool,
    pub quotas: bool,
    pub scram: BTreeSet<(CompactString, i8)>,
    pub acls: bool,
    pub tokens: bool,
    pub producer_ids: bool,
}

impl Changes {
    pub fn is_empty(&self) -> bool {
        let lists = self.topics_created.len() + self.topics_deleted.len() + self.partitions.len();
        let more = self.configs.len() + self.brokers.len() + self.scram.len();
        let flags = [
            self.controllers,
            self.features,
            self.quotas,
            self.acls,
            self.tokens,
            self.producer_ids,
        ];
        lists + more == 0 && !flags.contains(&true)
    }

    /// What lies between two images, for a snapshot that replaces what was there.
    pub fn between(old: &Image, new: &Image) -> Changes {
        let mut changes = Changes {
            controllers: old.controllers != new.controllers,
            features: old.features != new.features,
            quotas: old.quotas != new.quotas,
            acls: old.acls != new.acls,
            tokens: old.tokens != new.tokens,
            producer_ids: old.next_producer_id != new.next_producer_id,
            ..Changes::default()
        };
        changes.topics_between(old, new);
        let resources: HashSet<&ConfigResource> = old.configs.keys().chain(new.configs.keys()).collect();
        let changed = resources
            .into_iter()
            .filter(|resource| old.config(resource) != new.config(resource));
        changes.configs = changed.cloned().collect();
        let brokers = old.brokers.keys().chain(new.brokers.keys());
        changes.brokers = brokers
            .filter(|id| old.broker(**id) != new.broker(**id))
            .copied()
            .collect();
        let users = old.scram.keys().chain(new.scram.keys());
        changes.scram = users
            .filter(|user| old.scram.get(*user) != new.scram.get(*user))
            .cloned()
            .collect();
        changes
    }

    fn topics_between(&mut self, old: &Image, new: &Image) {
        for topic in new.topics() {
            let before = old.topic_by_id(topic.id);
            if before.is_none() {
                self.topics_created.push(topic.id);
            }
            for partition in topic.partitions() {
                let same = before.and_then(|before| before.partition(partition.index)) == Some(partition);
                if !same {
                    self.partitions.insert((topic.id, partition.index));
                }
            }
        }
        let deleted = old.topics().filter(|topic| new.topic_by_id(topic.id).is_none());
        self.topics_deleted = deleted.cloned().collect();
    }
}
