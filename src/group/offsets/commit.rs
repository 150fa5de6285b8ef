//! OffsetCommit and OffsetDelete.

use crate::group::Client;
use crate::group::Groups;
use crate::group::groups::Group;
use crate::group::heartbeats;
use crate::group::offsets::key;
use crate::group::offsets::tombstone;
use crate::group::records::Record;
use crate::group::size::LONGEST_TEXT;
use crate::group::turn::Turn;
use crate::schema::offset_commit_request::OffsetCommitRequest;
use crate::schema::offset_commit_request::OffsetCommitRequestPartition;
use crate::schema::offset_commit_request::OffsetCommitRequestTopic;
use crate::schema::offset_commit_response::OffsetCommitResponse;
use crate::schema::offset_commit_response::OffsetCommitResponsePartition;
use crate::schema::offset_commit_response::OffsetCommitResponseTopic;
use crate::schema::offset_commit_value::OffsetCommitValue;
use crate::schema::offset_delete_request::OffsetDeleteRequest;
use crate::schema::offset_delete_request::OffsetDeleteRequestTopic;
use crate::schema::offset_delete_response::OffsetDeleteResponse;
use crate::schema::offset_delete_response::OffsetDeleteResponsePartition;
use crate::schema::offset_delete_response::OffsetDeleteResponseTopic;
use crate::types::ErrorCode;
use crate::types::Uuid;

/// From this version on an unknown group is called so.
const FIRST_WITH_GROUP_ID_NOT_FOUND: i16 = 9;

impl Groups {
    pub(in crate::group) fn commit(
        &self,
        turn: &mut Turn<'_>,
        client: &Client,
        request: &OffsetCommitRequest,
    ) -> OffsetCommitResponse {
        let checked = self.check_commit(turn, client, request);
        let checked = checked.and_then(|()| write(turn, request));
        let too_long = |partition: &OffsetCommitRequestPartition| is_too_long(turn, partition);
        let error = |partition: &OffsetCommitRequestPartition| match checked {
            Err(error) => error,
            Ok(()) if too_long(partition) => ErrorCode::OffsetMetadataTooLarge,
            Ok(()) => ErrorCode::None,
        };
        let topic = |topic: &OffsetCommitRequestTopic| OffsetCommitResponseTopic {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partitions: topic
                .partitions
                .iter()
                .map(|partition| OffsetCommitResponsePartition {
                    partition_index: partition.partition_index,
                    error_code: error(partition).code(),
                })
                .collect(),
        };
        OffsetCommitResponse {
            topics: request.topics.iter().map(topic).collect(),
            ..Default::default()
        }
    }

    fn check_commit(
        &self,
        turn: &mut Turn<'_>,
        client: &Client,
        request: &OffsetCommitRequest,
    ) -> Result<(), ErrorCode> {
        if request.group_id.len() > LONGEST_TEXT {
            return Err(ErrorCode::InvalidGroupId);
        }
        let generation = request.generation_id_or_member_epoch;
        let instance = request.group_instance_id.as_deref();
        match self.groups.get(&request.group_id) {
            Some(Group::Classic(group)) => group.check_commit(turn, &request.member_id, instance, generation),
            Some(Group::Consumer(group)) => heartbeats::check_commit(group, client, request),
            // Somebody who only commits.
            None if generation < 0 => Ok(()),
            None if client.version >= FIRST_WITH_GROUP_ID_NOT_FOUND => Err(ErrorCode::GroupIdNotFound),
            None => Err(ErrorCode::IllegalGeneration),
        }
    }

    pub(in crate::group) fn delete_offsets(
        &self,
        turn: &mut Turn<'_>,
        request: OffsetDeleteRequest,
    ) -> OffsetDeleteResponse {
        let refuse = |error: ErrorCode| OffsetDeleteResponse {
            error_code: error.code(),
            ..Default::default()
        };
        if request.group_id.is_empty() {
            return refuse(ErrorCode::InvalidGroupId);
        }
        let group = match self.groups.get(&request.group_id) {
            // Of members of other kinds nobody can tell what they still read.
            Some(Group::Classic(group)) if !group.is_empty() && !group.uses_consumer_protocol() => {
                return refuse(ErrorCode::NonEmptyGroup);
            }
            Some(group) => group,
            None => return refuse(ErrorCode::GroupIdNotFound),
        };
        let (mut topics, mut records) = (Vec::with_capacity(request.topics.len()), Vec::new());
        for OffsetDeleteRequestTopic { name, partitions } in request.topics {
            let error = match group.is_subscribed_to(&name) {
                true => ErrorCode::GroupSubscribedToTopic,
                false => ErrorCode::None,
            };
            let indexes = partitions.iter().map(|partition| partition.partition_index);
            for index in indexes.clone().filter(|_| error.is_none()) {
                if self.offsets.get(&request.group_id, &name, index).is_some() {
                    records.push(tombstone(&request.group_id, &name, index));
                }
            }
            let partitions = indexes.map(|partition_index| OffsetDeleteResponsePartition {
                partition_index,
                error_code: error.code(),
            });
            topics.push(OffsetDeleteResponseTopic {
                partitions: partitions.collect(),
                name,
            });
        }
        if let Err(error) = turn.record_all(records) {
            return refuse(error);
        }
        OffsetDeleteResponse {
            topics,
            ..Default::default()
        }
    }
}

/// Java counts a text in units of UTF-16.
fn is_too_long(turn: &Turn<'_>, partition: &OffsetCommitRequestPartition) -> bool {
    let text = partition.committed_metadata.as_deref().unwrap_or_default();
    let most = usize::try_from(turn.int("offset.metadata.max.bytes")).unwrap_or(0);
    text.len() > LONGEST_TEXT || text.len() > most && text.encode_utf16().count() > most
}

fn write(turn: &mut Turn<'_>, request: &OffsetCommitRequest) -> Result<(), ErrorCode> {
    let mut records = Vec::new();
    let now = turn.now();
    let expire_timestamp = match request.retention_time_ms {
        -1 => -1,
        retention => now.saturating_add(retention),
    };
    for topic in &request.topics {
        let topic_id = match topic.topic_id {
            Uuid::ZERO => turn.world.image.topic_id(&topic.name).unwrap_or(Uuid::ZERO),
            id => id,
        };
        for partition in &topic.partitions {
            if is_too_long(turn, partition) {
                continue;
            }
            let value = OffsetCommitValue {
                offset: partition.committed_offset,
                leader_epoch: partition.committed_leader_epoch,
                metadata: partition.committed_metadata.clone().unwrap_or_default(),
                commit_timestamp: now,
                expire_timestamp,
                topic_id,
            };
            let key = key(&request.group_id, &topic.name, partition.partition_index);
            records.push(Record::Offset(key, Some(value)));
        }
    }
    turn.record_all(records)
}
