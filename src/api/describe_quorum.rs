//! DescribeQuorum (key 55, v0–2): who leads the metadata quorum, and how far its voters and observers are (KIP-595,
//! KIP-853).

use crate::api::context::Context;
use crate::api::context::ControllerAt;
use crate::api::quorum_requests;
use crate::runtime::quorum::QuorumHandle;
use crate::runtime::quorum::Stopped;
use crate::runtime::replicating::Progress;
use crate::runtime::replicating::ReplicaKey;
use crate::schema::describe_quorum_request::DescribeQuorumRequest;
use crate::schema::describe_quorum_response::DescribeQuorumResponse;
use crate::schema::describe_quorum_response::Listener;
use crate::schema::describe_quorum_response::Node;
use crate::schema::describe_quorum_response::PartitionData;
use crate::schema::describe_quorum_response::ReplicaState;
use crate::schema::describe_quorum_response::TopicData;
use crate::types::ErrorCode;

pub async fn handle(cx: &Context, request: DescribeQuorumRequest) -> Result<DescribeQuorumResponse, Stopped> {
    match &cx.handles.controller {
        ControllerAt::Here(quorum) => Ok(answer(cx, quorum, &request)),
        ControllerAt::Elsewhere(remote) => cx.pass_on(remote, cx.prefix.version, &request).await,
    }
}

fn answer(cx: &Context, quorum: &QuorumHandle, request: &DescribeQuorumRequest) -> DescribeQuorumResponse {
    let topics = request.topics.iter().map(|topic| {
        let describe = |index: i32| match (topic.topic_name.as_str(), index) {
            (quorum_requests::METADATA_TOPIC, 0) => describe(cx, quorum),
            _ => PartitionData {
                partition_index: index,
                error_code: ErrorCode::UnknownTopicOrPartition.code(),
                error_message: Some(ErrorCode::UnknownTopicOrPartition.text().into()),
                ..PartitionData::default()
            },
        };
        let partitions = topic
            .partitions
            .iter()
            .map(|partition| describe(partition.partition_index));
        TopicData {
            topic_name: topic.topic_name.clone(),
            partitions: partitions.collect(),
        }
    });
    let topics: Vec<TopicData> = topics.collect();
    let described = topics
        .iter()
        .flat_map(|topic| &topic.partitions)
        .any(|partition| partition.error_code == 0);
    let nodes = if described { nodes(quorum) } else { Vec::new() };
    DescribeQuorumResponse {
        topics,
        nodes,
        ..DescribeQuorumResponse::default()
    }
}

fn describe(cx: &Context, quorum: &QuorumHandle) -> PartitionData {
    let status = quorum.status();
    let now = cx.handles.clock.now();
    let leader = ReplicaState {
        replica_id: status.leader_id,
        replica_directory_id: status.voter_directory,
        log_end_offset: status.log_end,
        last_fetch_timestamp: now,
        last_caught_up_timestamp: now,
    };
    PartitionData {
        leader_id: status.leader_id,
        leader_epoch: status.leader_epoch,
        high_watermark: status.high_watermark,
        current_voters: vec![leader],
        observers: quorum.observers().into_iter().map(observer).collect(),
        ..PartitionData::default()
    }
}

fn observer(((replica_id, replica_directory_id), progress): (ReplicaKey, Progress)) -> ReplicaState {
    ReplicaState {
        replica_id,
        replica_directory_id,
        log_end_offset: progress.end_offset,
        last_fetch_timestamp: progress.last_fetch,
        last_caught_up_timestamp: progress.last_caught_up,
    }
}

/// The voters, of which there is one; observers have no listeners that others must know.
fn nodes(quorum: &QuorumHandle) -> Vec<Node> {
    let listeners = quorum.endpoints().iter().map(|endpoint| Listener {
        name: endpoint.listener.clone(),
        host: endpoint.host.clone(),
        port: endpoint.port,
    });
    vec![Node {
        node_id: quorum.status().leader_id,
        listeners: listeners.collect(),
    }]
}
