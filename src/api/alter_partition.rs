//! AlterPartition (key 56, v2–3): the leader of partitions says who is in sync with it (KIP-497, KIP-903).

use crate::api::context::Context;
use crate::api::quorum_requests;
use crate::runtime::quorum::Stopped;
use crate::schema::alter_partition_request::AlterPartitionRequest;
use crate::schema::alter_partition_response::AlterPartitionResponse;

pub async fn handle(cx: &Context, request: AlterPartitionRequest) -> Result<AlterPartitionResponse, Stopped> {
    let quorum = quorum_requests::led(cx)?;
    let version = cx.prefix.version;
    let alter = quorum.submit(|controller, _| controller.alter_partition(version, &request));
    let altered = alter.await?.reply;
    Ok(altered.unwrap_or_else(|refusal| {
        quorum_requests::note_refusal("who is in sync", request.broker_id, &refusal);
        AlterPartitionResponse {
            error_code: refusal.code.code(),
            ..AlterPartitionResponse::default()
        }
    }))
}
