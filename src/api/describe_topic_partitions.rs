//! DescribeTopicPartitions (key 75, v0): topics in pages, so that no answer grows with the cluster (KIP-966).

use crate::api::Reply;
use crate::api::context::Context;
use crate::controller::check_topic_name;
use crate::metadata::Image;
use crate::metadata::Topic;
use crate::protocol::operations;
use crate::protocol::topics;
use crate::schema::describe_topic_partitions_request::DescribeTopicPartitionsRequest;
use crate::schema::describe_topic_partitions_response::Cursor;
use crate::schema::describe_topic_partitions_response::DescribeTopicPartitionsResponse;
use crate::schema::describe_topic_partitions_response::DescribeTopicPartitionsResponsePartition;
use crate::schema::describe_topic_partitions_response::DescribeTopicPartitionsResponseTopic;
use crate::types::ErrorCode;
use compact_str::CompactString;
use std::collections::BTreeSet;

type Answer = DescribeTopicPartitionsResponse;

pub async fn handle(cx: &Context, request: DescribeTopicPartitionsRequest) -> Reply<Answer> {
    let image = cx.handles.image();
    let (first, first_partition) = match &request.cursor {
        Some(cursor) => (cursor.topic_name.clone(), cursor.partition_index),
        None => (CompactString::default(), 0),
    };
    let all = request.topics.is_empty();
    let names: BTreeSet<CompactString> = match all {
        true => image.topics_from(&first).map(|topic| topic.name.clone()).collect(),
        false => request
            .topics
            .iter()
            .map(|topic| topic.name.clone())
            .filter(|name| *name >= first)
            .collect(),
    };
    let cursor_is_listed = all || request.cursor.is_none() || names.contains(&first);
    if !cursor_is_listed || first_partition < 0 {
        return Reply::Send(refused(&request));
    }
    let most = cx.handles.config().max_request_partition_size_limit();
    let mut left = request.response_partition_limit.min(most).max(1) as usize;
    let mut answer = Answer::default();
    for name in names {
        if left == 0 {
            answer.next_cursor = Some(Cursor {
                topic_name: name,
                partition_index: 0,
            });
            break;
        }
        let from = if name == first { first_partition as usize } else { 0 };
        match image.topic(&name) {
            Some(topic) => {
                let (described, next) = describe(cx, &image, topic, from, left);
                left -= described.partitions.len();
                answer.topics.push(described);
                if let Some(partition_index) = next {
                    answer.next_cursor = Some(Cursor {
                        topic_name: name,
                        partition_index,
                    });
                    break;
                }
            }
            None if all => {}
            None => answer.topics.push(unknown(name)),
        }
    }
    Reply::Send(answer)
}

/// An unusable cursor is told with every topic of the request.
fn refused(request: &DescribeTopicPartitionsRequest) -> Answer {
    let topics = request.topics.iter().map(|topic| DescribeTopicPartitionsResponseTopic {
        error_code: ErrorCode::InvalidRequest.code(),
        name: Some(topic.name.clone()),
        ..DescribeTopicPartitionsResponseTopic::default()
    });
    Answer {
        topics: topics.collect(),
        ..Answer::default()
    }
}

fn unknown(name: CompactString) -> DescribeTopicPartitionsResponseTopic {
    let error = match check_topic_name(&name) {
        Ok(()) => ErrorCode::UnknownTopicOrPartition,
        Err(_) => ErrorCode::InvalidTopicException,
    };
    DescribeTopicPartitionsResponseTopic {
        error_code: error.code(),
        is_internal: topics::is_internal(&name),
        name: Some(name),
        topic_authorized_operations: operations::ON_TOPIC,
        ..DescribeTopicPartitionsResponseTopic::default()
    }
}

/// At most `most` partitions of a topic, and where the next page begins if there is more.
fn describe(
    cx: &Context,
    image: &Image,
    topic: &Topic,
    from: usize,
    most: usize,
) -> (DescribeTopicPartitionsResponseTopic, Option<i32>) {
    let listener = &cx.peer.listener;
    let end = topic.partitions().len().min(from.saturating_add(most));
    let page = topic.partitions().get(from..end).unwrap_or_default();
    let partitions = page.iter().map(|partition| DescribeTopicPartitionsResponsePartition {
        partition_index: partition.index,
        leader_id: image
            .reachable(partition.leader, listener)
            .map_or(-1, |(broker, _)| broker.id),
        leader_epoch: partition.leader_epoch,
        replica_nodes: partition.replicas.clone(),
        isr_nodes: partition.isr.clone(),
        eligible_leader_replicas: Some(partition.eligible_leaders.clone()),
        last_known_elr: Some(partition.last_known_leaders.clone()),
        offline_replicas: image.offline_replicas(partition, listener),
        ..DescribeTopicPartitionsResponsePartition::default()
    });
    let described = DescribeTopicPartitionsResponseTopic {
        name: Some(topic.name.clone()),
        topic_id: topic.id,
        is_internal: topics::is_internal(&topic.name),
        partitions: partitions.collect(),
        topic_authorized_operations: operations::ON_TOPIC,
        ..DescribeTopicPartitionsResponseTopic::default()
    };
    (described, (end < topic.partitions().len()).then_some(end as i32))
}
