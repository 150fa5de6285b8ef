//! DescribeGroups (key 15, v0–6): the members of groups and what they were assigned.

use crate::api::context::Context;
use crate::api::groups::only;
use crate::group::Command;
use crate::protocol::operations;
use crate::schema::describe_groups_request::DescribeGroupsRequest;
use crate::schema::describe_groups_response::DescribeGroupsResponse;
use crate::schema::describe_groups_response::DescribedGroup;

pub async fn handle(cx: &Context, request: DescribeGroupsRequest) -> DescribeGroupsResponse {
    let mut groups = Vec::with_capacity(request.groups.len());
    for group_id in request.groups {
        let command = Command::Describe(cx.client(), group_id.clone());
        let described = cx.of_group(&group_id, command, only!(Describe)).await;
        let mut described = described.unwrap_or_else(|error| DescribedGroup {
            error_code: error.code(),
            group_id,
            ..DescribedGroup::default()
        });
        if cx.prefix.version >= 3 && request.include_authorized_operations && described.error_code == 0 {
            described.authorized_operations = operations::ON_GROUP;
        }
        groups.push(described);
    }
    DescribeGroupsResponse {
        groups,
        ..DescribeGroupsResponse::default()
    }
}
