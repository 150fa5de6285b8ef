//! LeaveGroup (key 13, v0–5): members go, by themselves or by an administrator.

use crate::api::context::Context;
use crate::api::groups::only;
use crate::group::Command;
use crate::schema::leave_group_request::LeaveGroupRequest;
use crate::schema::leave_group_response::LeaveGroupResponse;

pub async fn handle(cx: &Context, request: LeaveGroupRequest) -> LeaveGroupResponse {
    let group = request.group_id.clone();
    let command = Command::Leave(cx.client(), request);
    let answer = cx.of_group(&group, command, only!(Leave)).await;
    answer.unwrap_or_else(|error| LeaveGroupResponse {
        error_code: error.code(),
        ..LeaveGroupResponse::default()
    })
}
