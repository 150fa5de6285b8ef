//! Vote (key 52, v0–2): a node wants to lead the metadata quorum (KIP-595; KIP-996 asks beforehand).
//!
//! The only voter leads and has nothing to elect: it grants no vote and says who leads. A later epoch does not unseat
//! it either, for nobody can win one without its vote.

use crate::api::context::Context;
use crate::api::quorum_requests;
use crate::runtime::quorum::QuorumHandle;
use crate::runtime::quorum::Stopped;
use crate::schema::vote_request;
use crate::schema::vote_request::VoteRequest;
use crate::schema::vote_response::NodeEndpoint;
use crate::schema::vote_response::PartitionData;
use crate::schema::vote_response::TopicData;
use crate::schema::vote_response::VoteResponse;
use crate::types::ErrorCode;

pub async fn handle(cx: &Context, request: VoteRequest) -> Result<VoteResponse, Stopped> {
    let quorum = quorum_requests::led(cx)?;
    if quorum_requests::is_other_cluster(quorum, request.cluster_id.as_ref()) {
        return Ok(refused(ErrorCode::InconsistentClusterId));
    }
    let Some(candidacy) = only_partition(&request) else {
        return Ok(refused(ErrorCode::InvalidRequest));
    };
    let status = quorum.status();
    let partition = PartitionData {
        error_code: check(quorum, request.voter_id, candidacy)
            .err()
            .map_or(0, ErrorCode::code),
        leader_id: status.leader_id,
        leader_epoch: status.leader_epoch,
        vote_granted: false,
        ..PartitionData::default()
    };
    let endpoint = quorum_requests::leader_endpoint(cx, quorum).map(|endpoint| NodeEndpoint {
        node_id: endpoint.node_id,
        host: endpoint.host,
        port: endpoint.port,
    });
    Ok(VoteResponse {
        topics: vec![TopicData {
            topic_name: quorum_requests::METADATA_TOPIC.into(),
            partitions: vec![partition],
        }],
        node_endpoints: endpoint.into_iter().collect(),
        ..VoteResponse::default()
    })
}

fn refused(error: ErrorCode) -> VoteResponse {
    VoteResponse {
        error_code: error.code(),
        ..VoteResponse::default()
    }
}

fn only_partition(request: &VoteRequest) -> Option<&vote_request::PartitionData> {
    let [topic] = &request.topics[..] else { return None };
    let [partition] = &topic.partitions[..] else {
        return None;
    };
    (topic.topic_name == quorum_requests::METADATA_TOPIC && partition.partition_index == 0).then_some(partition)
}

fn check(quorum: &QuorumHandle, voter_id: i32, candidacy: &vote_request::PartitionData) -> Result<(), ErrorCode> {
    let (last, epoch) = (candidacy.last_offset_epoch, candidacy.replica_epoch);
    // Who only asks beforehand stays in its epoch, which may have records; a candidate's epoch is new.
    let impossible = match candidacy.pre_vote {
        true => last > epoch,
        false => last >= epoch,
    };
    if candidacy.last_offset < 0 || last < 0 || impossible {
        return Err(ErrorCode::InvalidRequest);
    }
    quorum_requests::check_voter_request(quorum, candidacy.replica_id, epoch)?;
    match quorum_requests::is_addressee(quorum, voter_id, candidacy.voter_directory_id) {
        true => Ok(()),
        false => Err(ErrorCode::InvalidVoterKey),
    }
}
