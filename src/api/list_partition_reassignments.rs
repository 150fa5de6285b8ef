//! ListPartitionReassignments (key 46, v0): replicas that are on the move.

use crate::api::context::Context;
use crate::api::context::Controlled;
use crate::controller::Caller;
use crate::controller::Controller;
use crate::controller::Moment;
use crate::controller::Outcome;
use crate::runtime::quorum::Stopped;
use crate::schema::list_partition_reassignments_request::ListPartitionReassignmentsRequest;
use crate::schema::list_partition_reassignments_response::ListPartitionReassignmentsResponse;

pub async fn handle(
    cx: &Context,
    request: ListPartitionReassignmentsRequest,
) -> Result<ListPartitionReassignmentsResponse, Stopped> {
    cx.control(request).await
}

impl Controlled for ListPartitionReassignmentsRequest {
    type Answer = ListPartitionReassignmentsResponse;

    fn decide(
        &self,
        controller: &Controller,
        _: &mut Moment<'_>,
        _: &Caller<'_>,
    ) -> Outcome<ListPartitionReassignmentsResponse> {
        Outcome::reply(controller.list_reassignments(self))
    }
}
