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
use std::time::Duration;
use tokio::time::timeout;

/// How long an answer waits for the folders of new partitions.
const PATIENCE: Duration = Duration::from_millis(50);

pub async fn handle(cx: &Context, request: CreateTopicsRequest) -> Result<CreateTopicsResponse, Stopped> {
    let mut made = cx.handles.hosting.made.subscribe();
    let answer = cx.control(request).await?;
    if cx.handles.replicas.has_planned() {
        // Whoever writes at once finds the folders there; what takes longer is made in the background, or when used.
        let _ = timeout(PATIENCE, made.changed()).await;
    }
    Ok(answer)
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
