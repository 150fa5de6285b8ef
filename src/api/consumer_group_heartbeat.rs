//! ConsumerGroupHeartbeat (key 68, v0–1): join, stay in or leave a group whose broker assigns (KIP-848).

use crate::api::context::Context;
use crate::api::groups::only;
use crate::group::Command;
use crate::schema::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use crate::schema::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;
use crate::types::ErrorCode;

/// From this version on, members choose their ids.
const CLIENT_CHOOSES_ID: i16 = 1;

pub async fn handle(cx: &Context, mut request: ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatResponse {
    if !cx.has_consumer_protocol() {
        return refuse(ErrorCode::UnsupportedVersion);
    }
    if cx.prefix.version < CLIENT_CHOOSES_ID && request.member_epoch == 0 && request.member_id.is_empty() {
        request.member_id = (cx.handles.fresh_id)().to_string().into();
    }
    let group = request.group_id.clone();
    let command = Command::ConsumerHeartbeat(cx.client(), request);
    let answer = cx.of_group(&group, command, only!(ConsumerHeartbeat)).await;
    answer.unwrap_or_else(refuse)
}

fn refuse(error: ErrorCode) -> ConsumerGroupHeartbeatResponse {
    ConsumerGroupHeartbeatResponse {
        error_code: error.code(),
        error_message: Some(error.text().into()),
        ..ConsumerGroupHeartbeatResponse::default()
    }
}
