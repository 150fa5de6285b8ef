//! ConsumerGroupDescribe (key 69, v0–1): groups whose broker assigns, with what members have and are to have (KIP-848).

use crate::api::context::Context;
use crate::api::groups::only;
use crate::group::Command;
use crate::protocol::operations;
use crate::schema::consumer_group_describe_request::ConsumerGroupDescribeRequest;
use crate::schema::consumer_group_describe_response::ConsumerGroupDescribeResponse;
use crate::schema::consumer_group_describe_response::DescribedGroup;
use crate::types::ErrorCode;

pub async fn handle(cx: &Context, request: ConsumerGroupDescribeRequest) -> ConsumerGroupDescribeResponse {
    let mut groups = Vec::with_capacity(request.group_ids.len());
    for group_id in request.group_ids {
        let command = Command::DescribeConsumer(group_id.clone());
        let described = match cx.has_consumer_protocol() {
            true => cx.of_group(&group_id, command, only!(DescribeConsumer)).await,
            false => Err(ErrorCode::UnsupportedVersion),
        };
        let mut described = described.unwrap_or_else(|error| DescribedGroup {
            error_code: error.code(),
            group_id,
            ..DescribedGroup::default()
        });
        if request.include_authorized_operations && described.error_code == 0 {
            described.authorized_operations = operations::ON_GROUP;
        }
        groups.push(described);
    }
    ConsumerGroupDescribeResponse {
        groups,
        ..ConsumerGroupDescribeResponse::default()
    }
}
