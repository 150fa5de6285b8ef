//! OffsetForLeaderEpoch (key 23, v2–4): where a leader epoch ended, so that readers find where logs part (KIP-320).

use crate::api::context::Context;
use crate::metadata::Image;
use crate::schema::offset_for_leader_epoch_request::OffsetForLeaderEpochRequest;
use crate::schema::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use crate::schema::offset_for_leader_epoch_response::EpochEndOffset;
use crate::schema::offset_for_leader_epoch_response::OffsetForLeaderEpochResponse;
use crate::schema::offset_for_leader_epoch_response::OffsetForLeaderTopicResult;
use crate::types::ErrorCode;
use crate::types::LeaderEpoch;
use crate::types::Offset;

pub async fn handle(cx: &Context, request: OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse {
    let image = cx.handles.image();
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let nothing = EpochEndOffset {
                partition: asked.partition,
                ..EpochEndOffset::default()
            };
            match find(cx, &image, &topic.topic, asked) {
                Ok((leader_epoch, end_offset)) => EpochEndOffset {
                    leader_epoch,
                    end_offset,
                    ..nothing
                },
                Err(error) => EpochEndOffset {
                    error_code: error.code(),
                    ..nothing
                },
            }
        });
        let partitions = partitions.collect();
        OffsetForLeaderTopicResult {
            topic: topic.topic,
            partitions,
        }
    });
    let topics = topics.collect();
    OffsetForLeaderEpochResponse {
        topics,
        ..OffsetForLeaderEpochResponse::default()
    }
}

fn find(
    cx: &Context,
    image: &Image,
    topic: &str,
    asked: &OffsetForLeaderPartition,
) -> Result<(LeaderEpoch, Offset), ErrorCode> {
    let id = image.topic_id(topic).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let partition = cx.handles.replicas.find(image, id, asked.partition)?;
    partition.check_leadership(asked.current_leader_epoch)?;
    Ok(partition.epoch_end(asked.leader_epoch))
}
