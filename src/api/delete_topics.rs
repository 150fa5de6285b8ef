//! DeleteTopics (key 20, v1–6): by name, and from v6 on by id.

use crate::api::context::Context;
use crate::api::context::Controlled;
use crate::controller::Caller;
use crate::controller::Controller;
use crate::controller::Moment;
use crate::controller::Outcome;
use crate::runtime::quorum::Stopped;
use crate::schema::delete_topics_request::DeleteTopicsRequest;
use crate::schema::delete_topics_response::DeleteTopicsResponse;

pub async fn handle(cx: &Context, request: DeleteTopicsRequest) -> Result<DeleteTopicsResponse, Stopped> {
    cx.control(request).await
}

impl Controlled for DeleteTopicsRequest {
    type Answer = DeleteTopicsResponse;

    fn decide(
        &self,
        controller: &Controller,
        _: &mut Moment<'_>,
        caller: &Caller<'_>,
    ) -> Outcome<DeleteTopicsResponse> {
        controller.delete_topics(caller, self)
    }
}
