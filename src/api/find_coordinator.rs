//! FindCoordinator (key 10, v0–6): which broker keeps a group. The topic behind it is created when somebody first asks.

use crate::api::context::Context;
use crate::metadata::Image;
use crate::schema::create_topics_request::CreatableTopic;
use crate::schema::create_topics_request::CreatableTopicConfig;
use crate::schema::find_coordinator_request::FindCoordinatorRequest;
use crate::schema::find_coordinator_response::Coordinator;
use crate::schema::find_coordinator_response::FindCoordinatorResponse;
use crate::types::ErrorCode;
use crate::types::NodeId;
use compact_str::CompactString;
use std::sync::Arc;

const GROUP: i8 = 0;
const SHARE: i8 = 2;
const FIRST_VERSION_WITH_LIST: i16 = 4;
const FIRST_VERSION_WITH_SHARE: i16 = 6;

/// Where a coordinator is.
struct Found {
    node_id: NodeId,
    host: CompactString,
    port: i32,
}

pub async fn handle(cx: &Context, request: FindCoordinatorRequest) -> FindCoordinatorResponse {
    if cx.prefix.version < FIRST_VERSION_WITH_LIST {
        return match find(cx, request.key_type, &request.key).await {
            Ok(Found { node_id, host, port }) => FindCoordinatorResponse {
                error_message: Some(ErrorCode::None.name().into()),
                node_id,
                host,
                port,
                ..FindCoordinatorResponse::default()
            },
            Err(error) => FindCoordinatorResponse {
                error_code: error.code(),
                error_message: Some(error.text().into()),
                node_id: -1,
                port: -1,
                ..FindCoordinatorResponse::default()
            },
        };
    }
    let mut coordinators = Vec::with_capacity(request.coordinator_keys.len());
    for key in request.coordinator_keys {
        let found = find(cx, request.key_type, &key).await;
        coordinators.push(match found {
            Ok(Found { node_id, host, port }) => Coordinator {
                key,
                node_id,
                host,
                port,
                ..Coordinator::default()
            },
            Err(error) => Coordinator {
                key,
                node_id: -1,
                port: -1,
                error_code: error.code(),
                ..Coordinator::default()
            },
        });
    }
    FindCoordinatorResponse {
        coordinators,
        ..FindCoordinatorResponse::default()
    }
}

async fn find(cx: &Context, kind: i8, key: &str) -> Result<Found, ErrorCode> {
    match kind {
        GROUP => {}
        SHARE if cx.prefix.version < FIRST_VERSION_WITH_SHARE => return Err(ErrorCode::InvalidRequest),
        // Nobody coordinates transactions or shares yet.
        _ => return Err(ErrorCode::CoordinatorNotAvailable),
    }
    let topic = cx.handles.groups.topic();
    let mut image = cx.handles.image();
    if image.topic(topic).is_none() {
        image = create(cx, topic).await;
    }
    let partition = cx.handles.groups.partition_of(&image, key);
    let partition = partition.and_then(|index| image.topic(topic)?.partition(index).cloned());
    let leader = partition.and_then(|partition| {
        let (broker, endpoint) = cx.endpoint_of(&image, partition.leader)?;
        Some(Found {
            node_id: broker.id,
            host: endpoint.host.clone(),
            port: endpoint.port.into(),
        })
    });
    leader.ok_or(ErrorCode::CoordinatorNotAvailable)
}

/// Returns the cluster as it is then; without the topic if it could not be created, or not yet.
async fn create(cx: &Context, topic: &str) -> Arc<Image> {
    let config = cx.handles.config();
    let set = |name: &str, value: String| CreatableTopicConfig {
        name: name.into(),
        value: Some(value.into()),
    };
    let topic = CreatableTopic {
        name: topic.into(),
        num_partitions: config.offsets_topic_num_partitions(),
        replication_factor: i16::try_from(config.offsets_topic_replication_factor()).unwrap_or(i16::MAX),
        configs: vec![
            set("cleanup.policy", "compact".into()),
            set("compression.type", "producer".into()),
            set("segment.bytes", config.offsets_topic_segment_bytes().to_string()),
        ],
        ..CreatableTopic::default()
    };
    cx.create_topics(vec![topic]).await;
    cx.handles.image()
}
