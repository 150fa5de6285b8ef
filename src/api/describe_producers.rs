//! DescribeProducers (key 61, v0): which producers a partition's leader remembers (KIP-664).

use crate::api::context::Context;
use crate::controller::check_topic_name;
use crate::metadata::Image;
use crate::schema::describe_producers_request::DescribeProducersRequest;
use crate::schema::describe_producers_response::DescribeProducersResponse;
use crate::schema::describe_producers_response::PartitionResponse;
use crate::schema::describe_producers_response::ProducerState;
use crate::schema::describe_producers_response::TopicResponse;
use crate::types::ErrorCode;
use crate::types::Offset;
use compact_str::CompactString;

/// For a producer without an open transaction.
const NO_OFFSET: Offset = -1;

pub async fn handle(cx: &Context, request: DescribeProducersRequest) -> DescribeProducersResponse {
    let image = cx.handles.image();
    let topics = request.topics.into_iter().map(|topic| {
        let describe = |index: &i32| describe(cx, &image, &topic.name, *index);
        let partitions = topic.partition_indexes.iter().map(describe).collect();
        TopicResponse {
            name: topic.name,
            partitions,
        }
    });
    let topics = topics.collect();
    DescribeProducersResponse {
        topics,
        ..DescribeProducersResponse::default()
    }
}

fn describe(cx: &Context, image: &Image, topic: &str, partition_index: i32) -> PartitionResponse {
    let answer = PartitionResponse {
        partition_index,
        ..PartitionResponse::default()
    };
    match find(cx, image, topic, partition_index) {
        Ok(active_producers) => PartitionResponse {
            active_producers,
            ..answer
        },
        Err((error, error_message)) => PartitionResponse {
            error_code: error.code(),
            error_message,
            ..answer
        },
    }
}

/// Only what is wrong with the whole topic is said in words.
type Failure = (ErrorCode, Option<CompactString>);

fn find(cx: &Context, image: &Image, topic: &str, index: i32) -> Result<Vec<ProducerState>, Failure> {
    if let Err(reason) = check_topic_name(topic) {
        return Err((ErrorCode::InvalidTopicException, Some(reason.into())));
    }
    let unknown = ErrorCode::UnknownTopicOrPartition;
    let id = image
        .topic_id(topic)
        .ok_or_else(|| (unknown, Some(unknown.text().into())))?;
    let bare = |error: ErrorCode| (error, None);
    let partition = cx.handles.replicas.find(image, id, index).map_err(bare)?;
    partition.check_leadership(-1).map_err(bare)?;
    let producers = partition.log().producers().into_iter().map(|producer| ProducerState {
        producer_id: producer.producer_id,
        producer_epoch: producer.epoch.into(),
        last_sequence: producer.last_sequence,
        last_timestamp: producer.last_timestamp,
        coordinator_epoch: producer.coordinator_epoch,
        current_txn_start_offset: producer.txn_first_offset.unwrap_or(NO_OFFSET),
    });
    Ok(producers.collect())
}
