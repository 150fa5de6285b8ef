//! ListOffsets (key 2, v1–11): the offset at a time, or at one of the times with a meaning of their own.

use crate::api::context::Context;
use crate::metadata::Image;
use crate::replication::partition::Partition;
use crate::replication::partition::Position;
use crate::replication::partition::Upto;
use crate::schema::list_offsets_request::ListOffsetsPartition;
use crate::schema::list_offsets_request::ListOffsetsRequest;
use crate::schema::list_offsets_response::ListOffsetsPartitionResponse;
use crate::schema::list_offsets_response::ListOffsetsResponse;
use crate::schema::list_offsets_response::ListOffsetsTopicResponse;
use crate::types::ErrorCode;
use std::collections::HashMap;
use std::collections::HashSet;
use std::sync::Arc;
use tokio::task::spawn_blocking;

const CONSUMER: i32 = -1;
/// May ask a follower too.
const DEBUGGING: i32 = -2;

pub async fn handle(cx: &Context, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let image = cx.handles.image();
    let seen = count(&request);
    let asker = Asker {
        version: cx.prefix.version,
        upto: match (request.replica_id, request.isolation_level) {
            (CONSUMER, 1) => Upto::LastStableOffset,
            (CONSUMER, _) => Upto::HighWatermark,
            _ => Upto::LogEnd,
        },
        any_replica: request.replica_id == DEBUGGING,
    };
    let mut response = ListOffsetsResponse::default();
    for topic in &request.topics {
        let mut partitions = Vec::with_capacity(topic.partitions.len());
        // What is asked for twice is refused once.
        let mut told = HashSet::new();
        for wanted in &topic.partitions {
            let twice = seen
                .get(&(topic.name.as_str(), wanted.partition_index))
                .is_some_and(|count| *count > 1);
            let found = match twice {
                true => Err(ErrorCode::InvalidRequest),
                false => asker.find(cx, &image, &topic.name, wanted).await,
            };
            if twice && !told.insert(wanted.partition_index) {
                continue;
            }
            partitions.push(encode(wanted.partition_index, asker.version, found));
        }
        response.topics.push(ListOffsetsTopicResponse {
            name: topic.name.clone(),
            partitions,
        });
    }
    response
}

fn count(request: &ListOffsetsRequest) -> HashMap<(&str, i32), usize> {
    let mut seen = HashMap::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            *seen
                .entry((topic.name.as_str(), partition.partition_index))
                .or_insert(0) += 1;
        }
    }
    seen
}

struct Asker {
    version: i16,
    upto: Upto,
    any_replica: bool,
}

type Found = Result<Option<Position>, ErrorCode>;

impl Asker {
    async fn find(&self, cx: &Context, image: &Image, topic: &str, wanted: &ListOffsetsPartition) -> Found {
        if is_unknown_time(wanted.timestamp, self.version) {
            return Err(ErrorCode::UnsupportedVersion);
        }
        let id = image.topic_id(topic).ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let partition = cx.handles.replicas.find(image, id, wanted.partition_index)?;
        match partition.check_leadership(wanted.current_leader_epoch) {
            Err(ErrorCode::NotLeaderOrFollower) if self.any_replica => {}
            checked => drop(checked?),
        }
        self.at(partition, wanted.timestamp).await
    }

    async fn at(&self, partition: Arc<Partition>, timestamp: i64) -> Found {
        match timestamp {
            special::EARLIEST | special::EARLIEST_LOCAL => Ok(Some(partition.earliest())),
            special::LATEST => Ok(Some(partition.latest(self.upto))),
            // Without tiered storage nothing lies there.
            special::LATEST_TIERED | special::EARLIEST_PENDING_UPLOAD => Ok(None),
            _ => {
                let upto = self.upto;
                let search = spawn_blocking(move || match timestamp {
                    special::MAX_TIMESTAMP => partition.at_max_time(upto),
                    _ => partition.at_time(timestamp, upto),
                });
                search.await.unwrap_or(Err(ErrorCode::UnknownServerError))
            }
        }
    }
}

mod special {
    pub const LATEST: i64 = -1;
    pub const EARLIEST: i64 = -2;
    pub const MAX_TIMESTAMP: i64 = -3;
    pub const EARLIEST_LOCAL: i64 = -4;
    pub const LATEST_TIERED: i64 = -5;
    pub const EARLIEST_PENDING_UPLOAD: i64 = -6;
}

/// Times below zero came with later versions, one by one.
fn is_unknown_time(timestamp: i64, version: i16) -> bool {
    match timestamp {
        special::EARLIEST | special::LATEST | 0.. => false,
        special::MAX_TIMESTAMP => version < 7,
        special::EARLIEST_LOCAL => version < 8,
        special::LATEST_TIERED => version < 9,
        special::EARLIEST_PENDING_UPLOAD => version < 11,
        _ => true,
    }
}

fn encode(partition_index: i32, version: i16, found: Found) -> ListOffsetsPartitionResponse {
    let nothing = ListOffsetsPartitionResponse {
        partition_index,
        timestamp: -1,
        offset: -1,
        ..Default::default()
    };
    match found {
        Ok(None) => nothing,
        Ok(Some(position)) => ListOffsetsPartitionResponse {
            timestamp: position.timestamp,
            offset: position.offset,
            leader_epoch: if version >= 4 {
                position.leader_epoch.unwrap_or(-1)
            } else {
                -1
            },
            ..nothing
        },
        Err(error) => ListOffsetsPartitionResponse {
            error_code: error.code(),
            ..nothing
        },
    }
}
