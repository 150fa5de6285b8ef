//! AlterPartitionReassignments (key 45, v0–1): moves replicas, or gives the move up.

use crate::api::context::Context;
use crate::api::context::Controlled;
use crate::controller::Caller;
use crate::controller::Controller;
use crate::controller::Moment;
use crate::controller::Outcome;
use crate::runtime::quorum::Stopped;
use crate::schema::alter_partition_reassignments_request::AlterPartitionReassignmentsRequest;
use crate::schema::alter_partition_reassignments_response::AlterPartitionReassignmentsResponse;

pub async fn handle(
    cx: &Context,
    request: AlterPartitionReassignmentsRequest,
) -> Result<AlterPartitionReassignmentsResponse, Stopped> {
    cx.control(request).await
}

impl Controlled for AlterPartitionReassignmentsRequest {
    type Answer = AlterPartitionReassignmentsResponse;

    fn decide(
        &self,
        controller: &Controller,
        _: &mut Moment<'_>,
        _: &Caller<'_>,
    ) -> Outcome<AlterPartitionReassignmentsResponse> {
        controller.alter_reassignments(self)
    }
}
