//! AssignReplicasToDirs (key 73, v0): a broker says in which of its directories replicas lie (KIP-858).

use crate::api::context::Context;
use crate::api::quorum_requests;
use crate::runtime::quorum::Stopped;
use crate::schema::assign_replicas_to_dirs_request::AssignReplicasToDirsRequest;
use crate::schema::assign_replicas_to_dirs_response::AssignReplicasToDirsResponse;

pub async fn handle(
    cx: &Context,
    request: AssignReplicasToDirsRequest,
) -> Result<AssignReplicasToDirsResponse, Stopped> {
    let quorum = quorum_requests::led(cx)?;
    let assign = quorum.submit(|controller, _| controller.assign_replicas_to_dirs(&request));
    let assigned = assign.await?.reply;
    Ok(assigned.unwrap_or_else(|refusal| {
        quorum_requests::note_refusal("where replicas lie", request.broker_id, &refusal);
        AssignReplicasToDirsResponse {
            error_code: refusal.code.code(),
            ..AssignReplicasToDirsResponse::default()
        }
    }))
}
