//! Heartbeat (key 12, v0–4): a member lives, and learns whether the group is about to change.

use crate::api::context::Context;
use crate::api::groups::only;
use crate::group::Command;
use crate::schema::heartbeat_request::HeartbeatRequest;
use crate::schema::heartbeat_response::HeartbeatResponse;

pub async fn handle(cx: &Context, request: HeartbeatRequest) -> HeartbeatResponse {
    let group = request.group_id.clone();
    let command = Command::Heartbeat(cx.client(), request);
    let answer = cx.of_group(&group, command, only!(Heartbeat)).await;
    answer.unwrap_or_else(|error| HeartbeatResponse {
        error_code: error.code(),
        ..HeartbeatResponse::default()
    })
}
