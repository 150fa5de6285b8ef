//! CreatePartitions (key 37, v0–3): more partitions for topics that there are.

use crate::api::context::Context;
use crate::api::context::Controlled;
use crate::controller::Caller;
use crate::controller::Controller;
use crate::controller::Moment;
use crate::controller::Outcome;
use crate::runtime::quorum::Stopped;
use crate::schema::create_partitions_request::CreatePartitionsRequest;
use crate::schema::create_partitions_response::CreatePartitionsResponse;

pub async fn handle(cx: &Context, request: CreatePartitionsRequest) -> Result<CreatePartitionsResponse, Stopped> {
    cx.control(request).await
}

impl Controlled for CreatePartitionsRequest {
    type Answer = CreatePartitionsResponse;

    fn decide(
        &self,
        controller: &Controller,
        moment: &mut Moment<'_>,
        caller: &Caller<'_>,
    ) -> Outcome<CreatePartitionsResponse> {
        controller.create_partitions(moment, caller, self)
    }
}
