//! CreateTopics (key 19, v2–7): new topics, by count or by assignment.

use crate::api::context::Context;
use crate::api::context::Controlled;
use crate::controller::Caller;
use crate::controller::Controller;
use crate::controller::Moment;
use crate::controller::Outcome;
use crate::runtime::quorum::Stopped;
use crate::schema::create_topics_request::CreateTopicsRequest;
use crate::schema::create_topics_response::CreateTopicsResponse;

pub async fn handle(cx: &Context, request: CreateTopicsRequest) -> Result<CreateTopicsResponse, Stopped> {
    cx.control(request).await
}

impl Controlled for CreateTopicsRequest {
    type Answer = CreateTopicsResponse;

    fn decide(
        &self,
        controller: &Controller,
        moment: &mut Moment<'_>,
        caller: &Caller<'_>,
    ) -> Outcome<CreateTopicsResponse> {
        controller.create_topics(moment, caller, self)
    }
}
