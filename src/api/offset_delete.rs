//! OffsetDelete (key 47, v0): a group forgets offsets of topics that it does not read any more.

use crate::api::context::Context;
use crate::api::groups::only;
use crate::group::Command;
use crate::schema::offset_delete_request::OffsetDeleteRequest;
use crate::schema::offset_delete_request::OffsetDeleteRequestTopic;
use crate::schema::offset_delete_response::OffsetDeleteResponse;
use crate::schema::offset_delete_response::OffsetDeleteResponsePartition;
use crate::schema::offset_delete_response::OffsetDeleteResponseTopic;
use crate::types::ErrorCode;
use compact_str::CompactString;

pub async fn handle(cx: &Context, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let image = cx.handles.image();
    let mut unknown: Vec<OffsetDeleteResponseTopic> = Vec::new();
    let mut topics = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let known = image.topic(&topic.name);
        let (here, missing): (Vec<_>, Vec<_>) = topic
            .partitions
            .into_iter()
            .partition(|partition| known.is_some_and(|known| known.partition(partition.partition_index).is_some()));
        for partition in missing {
            let rows = rows_of(&mut unknown, &topic.name);
            rows.push(OffsetDeleteResponsePartition {
                partition_index: partition.partition_index,
                error_code: ErrorCode::UnknownTopicOrPartition.code(),
            });
        }
        if !here.is_empty() {
            topics.push(OffsetDeleteRequestTopic {
                name: topic.name,
                partitions: here,
            });
        }
    }
    let group = request.group_id.clone();
    let command = Command::DeleteOffsets(OffsetDeleteRequest {
        group_id: request.group_id,
        topics,
    });
    let answer = cx.of_group(&group, command, only!(DeleteOffsets)).await;
    let mut response = answer.unwrap_or_else(|error| OffsetDeleteResponse {
        error_code: error.code(),
        ..OffsetDeleteResponse::default()
    });
    if response.error_code == 0 {
        for topic in unknown {
            rows_of(&mut response.topics, &topic.name).extend(topic.partitions);
        }
    }
    response
}

fn rows_of<'a>(
    topics: &'a mut Vec<OffsetDeleteResponseTopic>,
    name: &CompactString,
) -> &'a mut Vec<OffsetDeleteResponsePartition> {
    let at = topics.iter().position(|topic| topic.name == *name).unwrap_or_else(|| {
        topics.push(OffsetDeleteResponseTopic {
            name: name.clone(),
            partitions: Vec::new(),
        });
        topics.len() - 1
    });
    &mut topics[at].partitions
}
