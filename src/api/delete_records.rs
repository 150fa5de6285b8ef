//! DeleteRecords (key 21, v0–2): moves the start of a log forward. The new start is on the disk before the answer.

use crate::api::context::Context;
use crate::metadata::Image;
use crate::replication::partition::Partition;
use crate::schema::delete_records_request::DeleteRecordsRequest;
use crate::schema::delete_records_response::DeleteRecordsPartitionResult;
use crate::schema::delete_records_response::DeleteRecordsResponse;
use crate::schema::delete_records_response::DeleteRecordsTopicResult;
use crate::types::ErrorCode;
use crate::types::Offset;
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// Up to the high watermark.
const ALL: Offset = -1;

pub async fn handle(cx: &Context, request: DeleteRecordsRequest) -> DeleteRecordsResponse {
    let image = cx.handles.image();
    let mut response = DeleteRecordsResponse::default();
    for topic in request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        for asked in topic.partitions {
            let low_watermark = match find(cx, &image, &topic.name, asked.partition_index) {
                Ok(partition) => delete(partition, asked.offset).await,
                Err(error) => Err(error),
            };
            partitions.push(DeleteRecordsPartitionResult {
                partition_index: asked.partition_index,
                low_watermark: low_watermark.unwrap_or(-1),
                error_code: low_watermark.err().map_or(0, ErrorCode::code),
            });
        }
        response.topics.push(DeleteRecordsTopicResult {
            name: topic.name,
            partitions,
        });
    }
    response
}

fn find(cx: &Context, image: &Image, topic: &str, index: i32) -> Result<Arc<Partition>, ErrorCode> {
    let id = image.topic_id(topic).ok_or(ErrorCode::UnknownTopicOrPartition)?;
    let partition = cx.handles.replicas.find(image, id, index)?;
    partition.check_leadership(-1)?;
    Ok(partition)
}

async fn delete(partition: Arc<Partition>, before: Offset) -> Result<Offset, ErrorCode> {
    let high_watermark = partition.log().high_watermark();
    let before = if before == ALL { high_watermark } else { before };
    if before < 0 || before > high_watermark {
        return Err(ErrorCode::OffsetOutOfRange);
    }
    if !partition.log().settings().delete {
        return Err(ErrorCode::PolicyViolation);
    }
    let deleted = spawn_blocking(move || partition.delete_records(before));
    deleted.await.unwrap_or(Err(ErrorCode::UnknownServerError))
}
