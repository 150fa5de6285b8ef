//! ListGroups (key 16, v0–5): the groups that this broker coordinates, of all states and types or of some.

use crate::api::context::Context;
use crate::group::Command;
use crate::group::Reply;
use crate::schema::list_groups_request::ListGroupsRequest;
use crate::schema::list_groups_response::ListGroupsResponse;
use crate::types::ErrorCode;
use compact_str::CompactString;

pub async fn handle(cx: &Context, request: ListGroupsRequest) -> ListGroupsResponse {
    let lower =
        |filter: &[CompactString]| -> Vec<String> { filter.iter().map(|name| name.as_str().to_lowercase()).collect() };
    let (states, types) = (lower(&request.states_filter), lower(&request.types_filter));
    let replies = cx
        .handles
        .groups
        .run_all(|| Command::List(states.clone(), types.clone()))
        .await;
    let mut response = ListGroupsResponse::default();
    for reply in replies {
        match reply {
            Ok(Reply::List(groups)) => response.groups.extend(groups),
            // Somebody else leads it by now.
            Ok(_) | Err(ErrorCode::NotCoordinator) => {}
            Err(error) => response.error_code = error.code(),
        }
    }
    if response.error_code != 0 {
        response.groups.clear();
    }
    response
}
