//! FetchSnapshot (key 59, v0–1): a snapshot of the metadata, piece by piece (KIP-630).

use crate::api::context::Context;
use crate::api::quorum_requests;
use crate::runtime::quorum::QuorumHandle;
use crate::runtime::quorum::Stopped;
use crate::schema::fetch_snapshot_request as request;
use crate::schema::fetch_snapshot_request::FetchSnapshotRequest;
use crate::schema::fetch_snapshot_response::FetchSnapshotResponse;
use crate::schema::fetch_snapshot_response::LeaderIdAndEpoch;
use crate::schema::fetch_snapshot_response::NodeEndpoint;
use crate::schema::fetch_snapshot_response::PartitionSnapshot;
use crate::schema::fetch_snapshot_response::SnapshotId;
use crate::schema::fetch_snapshot_response::TopicSnapshot;
use crate::schema::writer::Records;
use crate::types::ErrorCode;
use compact_str::CompactString;

pub async fn handle(cx: &Context, request: FetchSnapshotRequest) -> Result<FetchSnapshotResponse, Stopped> {
    let quorum = quorum_requests::led(cx)?;
    if quorum_requests::is_other_cluster(quorum, request.cluster_id.as_ref()) {
        return Ok(refused(ErrorCode::InconsistentClusterId));
    }
    let [topic] = &request.topics[..] else {
        return Ok(refused(ErrorCode::InvalidRequest));
    };
    let [wanted] = &topic.partitions[..] else {
        return Ok(refused(ErrorCode::InvalidRequest));
    };
    let Ok(max_bytes) = u32::try_from(request.max_bytes) else {
        return Ok(refused(ErrorCode::UnknownServerError));
    };
    let piece = match (topic.name.as_str(), wanted.partition) {
        (quorum_requests::METADATA_TOPIC, 0) => with_leader(quorum, piece(quorum, wanted, max_bytes).await),
        _ => PartitionSnapshot {
            index: wanted.partition,
            error_code: ErrorCode::UnknownTopicOrPartition.code(),
            ..PartitionSnapshot::default()
        },
    };
    Ok(encode(cx, quorum, topic.name.clone(), piece))
}

fn refused(error: ErrorCode) -> FetchSnapshotResponse {
    FetchSnapshotResponse {
        error_code: error.code(),
        ..FetchSnapshotResponse::default()
    }
}

async fn piece(
    quorum: &QuorumHandle,
    wanted: &request::PartitionSnapshot,
    max_bytes: u32,
) -> Result<PartitionSnapshot, ErrorCode> {
    quorum.check_epoch(wanted.current_leader_epoch)?;
    let id = (wanted.snapshot_id.end_offset, wanted.snapshot_id.epoch);
    let part = quorum.serve_snapshot(id, wanted.position, max_bytes).await?;
    Ok(PartitionSnapshot {
        snapshot_id: SnapshotId {
            end_offset: id.0,
            epoch: id.1,
        },
        size: part.size,
        position: wanted.position,
        unaligned_records: Records::Files(vec![part.range]),
        ..PartitionSnapshot::default()
    })
}

fn with_leader(quorum: &QuorumHandle, piece: Result<PartitionSnapshot, ErrorCode>) -> PartitionSnapshot {
    let piece = piece.unwrap_or_else(|error| PartitionSnapshot {
        error_code: error.code(),
        ..PartitionSnapshot::default()
    });
    let status = quorum.status();
    PartitionSnapshot {
        current_leader: LeaderIdAndEpoch {
            leader_id: status.leader_id,
            leader_epoch: status.leader_epoch,
        },
        ..piece
    }
}

fn encode(cx: &Context, quorum: &QuorumHandle, name: CompactString, piece: PartitionSnapshot) -> FetchSnapshotResponse {
    let endpoint = quorum_requests::leader_endpoint(cx, quorum).map(|endpoint| NodeEndpoint {
        node_id: endpoint.node_id,
        host: endpoint.host,
        port: endpoint.port,
    });
    FetchSnapshotResponse {
        topics: vec![TopicSnapshot {
            name,
            partitions: vec![piece],
        }],
        node_endpoints: endpoint.into_iter().collect(),
        ..FetchSnapshotResponse::default()
    }
}
