//! OffsetFetch (key 9, v1–10): how far groups have come. One group up to version 7, then several; topics by id from 10 on.

use crate::api::context::Context;
use crate::api::groups::only;
use crate::group::Command;
use crate::metadata::Image;
use crate::schema::offset_fetch_request::OffsetFetchRequest;
use crate::schema::offset_fetch_request::OffsetFetchRequestGroup;
use crate::schema::offset_fetch_request::OffsetFetchRequestTopic;
use crate::schema::offset_fetch_request::OffsetFetchRequestTopics;
use crate::schema::offset_fetch_response::OffsetFetchResponse;
use crate::schema::offset_fetch_response::OffsetFetchResponseGroup;
use crate::schema::offset_fetch_response::OffsetFetchResponsePartition;
use crate::schema::offset_fetch_response::OffsetFetchResponsePartitions;
use crate::schema::offset_fetch_response::OffsetFetchResponseTopic;
use crate::schema::offset_fetch_response::OffsetFetchResponseTopics;
use crate::types::ErrorCode;
use crate::types::Uuid;
use compact_str::CompactString;

const FIRST_VERSION_WITH_GROUPS: i16 = 8;
const FIRST_VERSION_WITH_IDS: i16 = 10;
/// Before it errors are told partition by partition only.
const FIRST_VERSION_WITH_ERROR: i16 = 2;

pub async fn handle(cx: &Context, request: OffsetFetchRequest) -> OffsetFetchResponse {
    if cx.prefix.version < FIRST_VERSION_WITH_GROUPS {
        let asked = OffsetFetchRequestGroup {
            group_id: request.group_id,
            topics: request.topics.map(|topics| topics.into_iter().map(named).collect()),
            ..OffsetFetchRequestGroup::default()
        };
        return alone(cx.prefix.version, fetch(cx, asked).await);
    }
    let mut groups = Vec::with_capacity(request.groups.len());
    for group in request.groups {
        groups.push(fetch(cx, group).await);
    }
    OffsetFetchResponse {
        groups,
        ..OffsetFetchResponse::default()
    }
}

fn named(topic: OffsetFetchRequestTopic) -> OffsetFetchRequestTopics {
    OffsetFetchRequestTopics {
        name: topic.name,
        partition_indexes: topic.partition_indexes,
        ..OffsetFetchRequestTopics::default()
    }
}

async fn fetch(cx: &Context, mut asked: OffsetFetchRequestGroup) -> OffsetFetchResponseGroup {
    let (image, by_id) = (cx.handles.image(), cx.prefix.version >= FIRST_VERSION_WITH_IDS);
    let mut unknown = Vec::new();
    if by_id && let Some(topics) = &mut asked.topics {
        unknown = without_unknown(&image, topics);
    }
    // Only the oldest version answers an error topic by topic.
    let topics = match cx.prefix.version < FIRST_VERSION_WITH_ERROR {
        true => asked.topics.clone(),
        false => None,
    };
    let group_id = asked.group_id.clone();
    let command = Command::FetchOffsets(cx.client(), asked);
    let mut answer = match cx.of_group(&group_id, command, only!(FetchOffsets)).await {
        Ok(answer) => answer,
        Err(error) => return group_error(group_id, topics, error),
    };
    if answer.error_code != 0 {
        return answer;
    }
    if by_id {
        for topic in answer.topics.iter_mut().filter(|topic| topic.topic_id == Uuid::ZERO) {
            topic.topic_id = image.topic(&topic.name).map_or(Uuid::ZERO, |known| known.id);
        }
        // Without an id it cannot be told.
        answer.topics.retain(|topic| topic.topic_id != Uuid::ZERO);
    }
    answer.topics.extend(unknown);
    answer
}

/// Fills in the names; topics whose id nobody knows are taken out and answered.
fn without_unknown(image: &Image, topics: &mut Vec<OffsetFetchRequestTopics>) -> Vec<OffsetFetchResponseTopics> {
    for topic in topics.iter_mut() {
        if let Some(known) = image.topic_by_id(topic.topic_id) {
            topic.name = known.name.clone();
        }
    }
    let unknown = topics.extract_if(.., |topic| topic.name.is_empty());
    unknown.map(|topic| failed(topic, ErrorCode::UnknownTopicId)).collect()
}

fn failed(topic: OffsetFetchRequestTopics, error: ErrorCode) -> OffsetFetchResponseTopics {
    let row = |partition_index: &i32| OffsetFetchResponsePartitions {
        partition_index: *partition_index,
        committed_offset: -1,
        metadata: Some("".into()),
        error_code: error.code(),
        ..OffsetFetchResponsePartitions::default()
    };
    OffsetFetchResponseTopics {
        partitions: topic.partition_indexes.iter().map(row).collect(),
        name: topic.name,
        topic_id: topic.topic_id,
    }
}

fn group_error(
    group_id: CompactString,
    topics: Option<Vec<OffsetFetchRequestTopics>>,
    error: ErrorCode,
) -> OffsetFetchResponseGroup {
    let topics = topics.into_iter().flatten();
    OffsetFetchResponseGroup {
        group_id,
        topics: topics.map(|topic| failed(topic, error)).collect(),
        error_code: error.code(),
    }
}

/// The answer as it was when a request was about one group.
fn alone(version: i16, group: OffsetFetchResponseGroup) -> OffsetFetchResponse {
    let topics = group.topics.into_iter().map(|topic| OffsetFetchResponseTopic {
        name: topic.name,
        partitions: topic
            .partitions
            .into_iter()
            .map(|partition| OffsetFetchResponsePartition {
                partition_index: partition.partition_index,
                committed_offset: partition.committed_offset,
                committed_leader_epoch: partition.committed_leader_epoch,
                metadata: partition.metadata,
                error_code: partition.error_code,
            })
            .collect(),
    });
    OffsetFetchResponse {
        topics: topics.collect(),
        error_code: if version >= FIRST_VERSION_WITH_ERROR {
            group.error_code
        } else {
            0
        },
        ..OffsetFetchResponse::default()
    }
}
