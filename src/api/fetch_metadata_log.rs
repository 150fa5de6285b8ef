//! Fetch (key 1, v4–18) on a controller's listener: nodes follow the metadata log (KIP-595, KIP-630, KIP-853).
//!
//! Every answer names the leader and its epoch: a follower drops one that does not, and waits for ever.

use crate::api::context::Context;
use crate::api::quorum_requests;
use crate::runtime::quorum::QuorumHandle;
use crate::runtime::quorum::Stopped;
use crate::runtime::replicating::FollowerFetch;
use crate::runtime::replicating::Next;
use crate::runtime::replicating::Served;
use crate::schema::fetch_request::FetchPartition;
use crate::schema::fetch_request::FetchRequest;
use crate::schema::fetch_response::EpochEndOffset;
use crate::schema::fetch_response::FetchResponse;
use crate::schema::fetch_response::FetchableTopicResponse;
use crate::schema::fetch_response::LeaderIdAndEpoch;
use crate::schema::fetch_response::NodeEndpoint;
use crate::schema::fetch_response::PartitionData;
use crate::schema::fetch_response::SnapshotId;
use crate::schema::writer::Records;
use crate::types::ErrorCode;
use crate::types::Offset;
use crate::types::Uuid;
use std::time::Duration;
use tokio::time::Instant;
use tokio::time::timeout_at;

const FIRST_WITH_REPLICA_STATE: i16 = 15;
/// Kafka's leader tells it from here on, though the field is older.
const FIRST_WITH_ENDPOINTS: i16 = 17;

pub async fn handle(cx: &Context, request: FetchRequest) -> Result<FetchResponse, Stopped> {
    let quorum = quorum_requests::led(cx)?;
    if quorum_requests::is_other_cluster(quorum, request.cluster_id.as_ref()) {
        return Ok(refused(ErrorCode::InconsistentClusterId));
    }
    let Some(partition) = only_partition(&request) else {
        return Ok(refused(ErrorCode::InvalidRequest));
    };
    let served = match follower_fetch(cx, &request, partition) {
        Some(fetch) => {
            let deadline = Instant::now() + Duration::from_millis(request.max_wait_ms.max(0) as u64);
            serve_or_wait(quorum, &fetch, partition.high_watermark, deadline).await
        }
        None => Err(ErrorCode::InvalidRequest),
    };
    Ok(encode(cx, quorum, served))
}

fn refused(error: ErrorCode) -> FetchResponse {
    FetchResponse {
        error_code: error.code(),
        ..FetchResponse::default()
    }
}

/// There is one log to be had here. Versions that name it instead of giving its id are refused, as by Kafka.
fn only_partition(request: &FetchRequest) -> Option<&FetchPartition> {
    let [topic] = &request.topics[..] else { return None };
    let [partition] = &topic.partitions[..] else {
        return None;
    };
    (topic.topic_id == Uuid::ONE && partition.partition == 0).then_some(partition)
}

/// `None` for what no follower asks.
fn follower_fetch(cx: &Context, request: &FetchRequest, partition: &FetchPartition) -> Option<FollowerFetch> {
    let senseless = request.max_wait_ms < 0
        || partition.fetch_offset < 0
        || partition.last_fetched_epoch < 0
        || partition.last_fetched_epoch > partition.current_leader_epoch;
    let replica_id = match cx.prefix.version {
        ..FIRST_WITH_REPLICA_STATE => request.replica_id,
        _ => request.replica_state.replica_id,
    };
    (!senseless).then_some(FollowerFetch {
        replica_id,
        directory: partition.replica_directory_id,
        leader_epoch: partition.current_leader_epoch,
        offset: partition.fetch_offset,
        last_epoch: partition.last_fetched_epoch,
        max_bytes: u32::try_from(request.max_bytes).unwrap_or(0),
    })
}

/// Answers at once with what is news to the follower, a later high watermark included; else when there is some.
async fn serve_or_wait(
    quorum: &QuorumHandle,
    fetch: &FollowerFetch,
    known_high_watermark: Offset,
    deadline: Instant,
) -> Result<Served, ErrorCode> {
    let mut moved = quorum.watch_high_watermark();
    loop {
        // Looked at before the log, so that nothing written between the two is missed.
        moved.borrow_and_update();
        let served = quorum.serve_fetch(fetch)?;
        let nothing_new = matches!(served.next, Next::Append(None)) && served.high_watermark <= known_high_watermark;
        if !nothing_new {
            return Ok(served);
        }
        match timeout_at(deadline, moved.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return Ok(served),
        }
    }
}

fn encode(cx: &Context, quorum: &QuorumHandle, served: Result<Served, ErrorCode>) -> FetchResponse {
    let status = quorum.status();
    let mut partition = PartitionData {
        current_leader: LeaderIdAndEpoch {
            leader_id: status.leader_id,
            leader_epoch: status.leader_epoch,
        },
        high_watermark: -1,
        log_start_offset: quorum.log_start(),
        records: Some(Records::default()),
        ..PartitionData::default()
    };
    match served {
        Err(error) => partition.error_code = error.code(),
        Ok(served) => {
            partition.high_watermark = served.high_watermark;
            partition.log_start_offset = served.log_start;
            match served.next {
                Next::Append(range) => partition.records = Some(Records::Files(range.into_iter().collect())),
                Next::Truncate { epoch, end_offset } => {
                    partition.diverging_epoch = EpochEndOffset { epoch, end_offset };
                }
                Next::Load { end_offset, epoch } => partition.snapshot_id = SnapshotId { end_offset, epoch },
            }
        }
    }
    let endpoint = quorum_requests::leader_endpoint(cx, quorum).filter(|_| cx.prefix.version >= FIRST_WITH_ENDPOINTS);
    let endpoint = endpoint.map(|endpoint| NodeEndpoint {
        node_id: endpoint.node_id,
        host: endpoint.host,
        port: endpoint.port.into(),
        rack: None,
    });
    FetchResponse {
        responses: vec![FetchableTopicResponse {
            topic: quorum_requests::METADATA_TOPIC.into(),
            topic_id: Uuid::ONE,
            partitions: vec![partition],
        }],
        node_endpoints: endpoint.into_iter().collect(),
        ..FetchResponse::default()
    }
}
