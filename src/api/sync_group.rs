//! SyncGroup (key 14, v0–5): the leader hands in the assignment, everybody gets his part.

use crate::api::context::Context;
use crate::api::groups::only;
use crate::group::Command;
use crate::schema::sync_group_request::SyncGroupRequest;
use crate::schema::sync_group_response::SyncGroupResponse;
use crate::types::ErrorCode;

pub async fn handle(cx: &Context, request: SyncGroupRequest) -> SyncGroupResponse {
    // From version 5 on both are required.
    if cx.prefix.version >= 5 && (request.protocol_type.is_none() || request.protocol_name.is_none()) {
        return refuse(ErrorCode::InconsistentGroupProtocol);
    }
    let group = request.group_id.clone();
    let command = Command::Sync(cx.client(), request);
    let answer = cx.of_group(&group, command, only!(Sync)).await;
    answer.unwrap_or_else(refuse)
}

fn refuse(error: ErrorCode) -> SyncGroupResponse {
    SyncGroupResponse {
        error_code: error.code(),
        ..SyncGroupResponse::default()
    }
}
