//! EndQuorumEpoch (key 54, v0–1): a node says that it leads the metadata quorum no more (KIP-595).
//!
//! The only voter hears that of nobody but itself.

use crate::api::context::Context;
use crate::api::quorum_requests;
use crate::runtime::quorum::QuorumHandle;
use crate::runtime::quorum::Stopped;
use crate::schema::end_quorum_epoch_request as end;
use crate::schema::end_quorum_epoch_request::EndQuorumEpochRequest;
use crate::schema::end_quorum_epoch_response::EndQuorumEpochResponse;
use crate::schema::end_quorum_epoch_response::NodeEndpoint;
use crate::schema::end_quorum_epoch_response::PartitionData;
use crate::schema::end_quorum_epoch_response::TopicData;
use crate::types::ErrorCode;

pub async fn handle(cx: &Context, request: EndQuorumEpochRequest) -> Result<EndQuorumEpochResponse, Stopped> {
    let quorum = quorum_requests::led(cx)?;
    if quorum_requests::is_other_cluster(quorum, request.cluster_id.as_ref()) {
        return Ok(refused(ErrorCode::InconsistentClusterId));
    }
    let Some(claim) = only_partition(&request) else {
        return Ok(refused(ErrorCode::InvalidRequest));
    };
    let error = match check(quorum, claim) {
        Err(ErrorCode::UnknownServerError) => return Ok(refused(ErrorCode::UnknownServerError)),
        checked => checked.err().map_or(0, ErrorCode::code),
    };
    let status = quorum.status();
    let partition = PartitionData {
        error_code: error,
        leader_id: status.leader_id,
        leader_epoch: status.leader_epoch,
        ..PartitionData::default()
    };
    let endpoint = quorum_requests::leader_endpoint(cx, quorum).map(|endpoint| NodeEndpoint {
        node_id: endpoint.node_id,
        host: endpoint.host,
        port: endpoint.port,
    });
    Ok(EndQuorumEpochResponse {
        topics: vec![TopicData {
            topic_name: quorum_requests::METADATA_TOPIC.into(),
            partitions: vec![partition],
        }],
        node_endpoints: endpoint.into_iter().collect(),
        ..EndQuorumEpochResponse::default()
    })
}

fn refused(error: ErrorCode) -> EndQuorumEpochResponse {
    EndQuorumEpochResponse {
        error_code: error.code(),
        ..EndQuorumEpochResponse::default()
    }
}

fn only_partition(request: &EndQuorumEpochRequest) -> Option<&end::PartitionData> {
    let [topic] = &request.topics[..] else { return None };
    let [partition] = &topic.partitions[..] else {
        return None;
    };
    (topic.topic_name == quorum_requests::METADATA_TOPIC && partition.partition_index == 0).then_some(partition)
}

fn check(quorum: &QuorumHandle, claim: &end::PartitionData) -> Result<(), ErrorCode> {
    quorum_requests::check_voter_request(quorum, claim.leader_id, claim.leader_epoch)?;
    quorum_requests::check_leader_claim(quorum, claim.leader_id, claim.leader_epoch)
}
