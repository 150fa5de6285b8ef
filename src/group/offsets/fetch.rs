//! OffsetFetch: what was committed; an unknown group has committed nothing.

use crate::group::Groups;
use crate::group::groups::Group;
use crate::group::offsets::ByTopic;
use crate::group::offsets::Committed;
use crate::schema::offset_fetch_request::OffsetFetchRequestGroup;
use crate::schema::offset_fetch_request::OffsetFetchRequestTopics;
use crate::schema::offset_fetch_response::OffsetFetchResponseGroup;
use crate::schema::offset_fetch_response::OffsetFetchResponsePartitions;
use crate::schema::offset_fetch_response::OffsetFetchResponseTopics;
use crate::types::PartitionId;
use crate::types::Uuid;

impl Groups {
    pub(in crate::group) fn fetch(&self, request: OffsetFetchRequestGroup) -> OffsetFetchResponseGroup {
        let known = self.groups.get(&request.group_id);
        if let Some(Group::Consumer(group)) = known
            && let Err(refusal) = group.may_fetch(request.member_id.as_deref(), request.member_epoch)
        {
            return OffsetFetchResponseGroup {
                group_id: request.group_id,
                error_code: refusal.error.code(),
                ..Default::default()
            };
        }
        let offsets = known.and_then(|_| self.offsets.of(&request.group_id));
        let topics = match request.topics {
            None => all(offsets),
            Some(topics) => topics.into_iter().map(|topic| asked(offsets, topic)).collect(),
        };
        OffsetFetchResponseGroup {
            group_id: request.group_id,
            topics,
            ..Default::default()
        }
    }
}

fn asked(offsets: Option<&ByTopic>, topic: OffsetFetchRequestTopics) -> OffsetFetchResponseTopics {
    let known = offsets.and_then(|offsets| offsets.get(&topic.name));
    let partitions = topic.partition_indexes.iter().map(|index| {
        let committed = known.and_then(|known| known.get(index));
        // A topic of this name that was deleted since is another topic.
        let same = |committed: &&Committed| {
            [committed.topic_id, topic.topic_id].contains(&Uuid::ZERO) || committed.topic_id == topic.topic_id
        };
        told(*index, committed.filter(same))
    });
    OffsetFetchResponseTopics {
        partitions: partitions.collect(),
        name: topic.name,
        topic_id: topic.topic_id,
    }
}

/// The caller knows the ids of topics.
fn all(offsets: Option<&ByTopic>) -> Vec<OffsetFetchResponseTopics> {
    let topics = offsets.into_iter().flatten();
    let told = topics.map(|(name, partitions)| OffsetFetchResponseTopics {
        name: name.clone(),
        topic_id: Uuid::ZERO,
        partitions: partitions
            .iter()
            .map(|(index, committed)| told(*index, Some(committed)))
            .collect(),
    });
    told.collect()
}

fn told(partition_index: PartitionId, committed: Option<&Committed>) -> OffsetFetchResponsePartitions {
    OffsetFetchResponsePartitions {
        partition_index,
        committed_offset: committed.map_or(-1, |committed| committed.offset),
        committed_leader_epoch: committed.map_or(-1, |committed| committed.leader_epoch),
        metadata: Some(
            committed
                .map(|committed| committed.metadata.clone())
                .unwrap_or_default(),
        ),
        ..Default::default()
    }
}
