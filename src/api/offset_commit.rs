//! OffsetCommit (key 8, v2–10): how far a group has come. Topics are named by id from version 10 on.

use crate::api::context::Context;
use crate::api::groups::only;
use crate::group::Command;
use crate::metadata::Image;
use crate::schema::offset_commit_request::OffsetCommitRequest;
use crate::schema::offset_commit_request::OffsetCommitRequestPartition;
use crate::schema::offset_commit_request::OffsetCommitRequestTopic;
use crate::schema::offset_commit_response::OffsetCommitResponse;
use crate::schema::offset_commit_response::OffsetCommitResponsePartition;
use crate::schema::offset_commit_response::OffsetCommitResponseTopic;
use crate::types::ErrorCode;
use crate::types::Uuid;

const FIRST_VERSION_WITH_IDS: i16 = 10;

pub async fn handle(cx: &Context, mut request: OffsetCommitRequest) -> OffsetCommitResponse {
    let image = cx.handles.image();
    let asked = std::mem::take(&mut request.topics);
    let mut answered = Vec::new();
    for topic in asked {
        match known(&image, topic, cx.prefix.version >= FIRST_VERSION_WITH_IDS) {
            Ok((topic, missing)) => {
                if !missing.is_empty() {
                    answered.push(refused(&topic, &missing, ErrorCode::UnknownTopicOrPartition));
                }
                if !topic.partitions.is_empty() {
                    request.topics.push(topic);
                }
            }
            Err((topic, error)) => answered.push(refused(&topic, &topic.partitions, error)),
        }
    }
    if !request.topics.is_empty() {
        let sent: Vec<OffsetCommitRequestTopic> = request.topics.clone();
        let group = request.group_id.clone();
        let command = Command::Commit(cx.client(), request);
        match cx.of_group(&group, command, only!(Commit)).await {
            Ok(response) => response
                .topics
                .into_iter()
                .for_each(|topic| merge(&mut answered, topic)),
            Err(error) => {
                let refused = sent.iter().map(|topic| refused(topic, &topic.partitions, error));
                refused.for_each(|topic| merge(&mut answered, topic));
            }
        }
    }
    OffsetCommitResponse {
        topics: answered,
        ..OffsetCommitResponse::default()
    }
}

type Missing = Vec<OffsetCommitRequestPartition>;

/// The topic with name, id and the partitions that exist; and those that do not.
fn known(
    image: &Image,
    mut topic: OffsetCommitRequestTopic,
    by_id: bool,
) -> Result<(OffsetCommitRequestTopic, Missing), (OffsetCommitRequestTopic, ErrorCode)> {
    let found = match by_id {
        true => image.topic_by_id(topic.topic_id),
        false => image.topic(&topic.name),
    };
    let Some(found) = found else {
        let error = match by_id {
            true => ErrorCode::UnknownTopicId,
            false => ErrorCode::UnknownTopicOrPartition,
        };
        return Err((topic, error));
    };
    (topic.name, topic.topic_id) = (found.name.clone(), found.id);
    let exists = |partition: &OffsetCommitRequestPartition| found.partition(partition.partition_index).is_some();
    let (here, missing) = std::mem::take(&mut topic.partitions).into_iter().partition(exists);
    topic.partitions = here;
    Ok((topic, missing))
}

fn refused(
    topic: &OffsetCommitRequestTopic,
    partitions: &[OffsetCommitRequestPartition],
    error: ErrorCode,
) -> OffsetCommitResponseTopic {
    let row = |partition: &OffsetCommitRequestPartition| OffsetCommitResponsePartition {
        partition_index: partition.partition_index,
        error_code: error.code(),
    };
    OffsetCommitResponseTopic {
        name: topic.name.clone(),
        topic_id: topic.topic_id,
        partitions: partitions.iter().map(row).collect(),
    }
}

/// One row a topic, whoever answered for its partitions.
fn merge(answered: &mut Vec<OffsetCommitResponseTopic>, topic: OffsetCommitResponseTopic) {
    let same = |row: &&mut OffsetCommitResponseTopic| row.name == topic.name && topic.topic_id != Uuid::ZERO;
    match answered.iter_mut().find(same) {
        Some(row) => row.partitions.extend(topic.partitions),
        None => answered.push(topic),
    }
}
