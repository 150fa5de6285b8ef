//! DeleteGroups (key 42, v0–2): groups without members go, with their offsets.

use crate::api::context::Context;
use crate::api::groups::only;
use crate::group::Command;
use crate::schema::delete_groups_request::DeleteGroupsRequest;
use crate::schema::delete_groups_response::DeletableGroupResult;
use crate::schema::delete_groups_response::DeleteGroupsResponse;
use std::collections::HashSet;

pub async fn handle(cx: &Context, request: DeleteGroupsRequest) -> DeleteGroupsResponse {
    let (mut seen, mut results) = (HashSet::new(), Vec::new());
    for group_id in request.groups_names {
        if !seen.insert(group_id.clone()) {
            continue;
        }
        let command = Command::Delete(group_id.clone());
        let deleted = cx.of_group(&group_id, command, only!(Delete)).await;
        results.push(deleted.unwrap_or_else(|error| DeletableGroupResult {
            error_code: error.code(),
            group_id,
        }));
    }
    DeleteGroupsResponse {
        results,
        ..DeleteGroupsResponse::default()
    }
}
