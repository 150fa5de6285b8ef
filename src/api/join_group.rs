//! JoinGroup (key 11, v0–9): a member enters a group, or a new generation of it.

use crate::api::context::Context;
use crate::api::groups::only;
use crate::group::Command;
use crate::schema::join_group_request::JoinGroupRequest;
use crate::schema::join_group_response::JoinGroupResponse;
use compact_str::CompactString;

pub async fn handle(cx: &Context, request: JoinGroupRequest) -> JoinGroupResponse {
    let fresh = (cx.handles.fresh_id)();
    let group = request.group_id.clone();
    let command = Command::Join(cx.client(), request, fresh);
    let answer = cx.of_group(&group, command, only!(Join)).await;
    answer.unwrap_or_else(|error| JoinGroupResponse {
        error_code: error.code(),
        protocol_name: (cx.prefix.version < 7).then(CompactString::default),
        ..JoinGroupResponse::default()
    })
}
