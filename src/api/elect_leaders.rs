//! ElectLeaders (key 43, v0–2): preferred or unclean elections on demand.

use crate::api::context::Context;
use crate::api::context::Controlled;
use crate::controller::Caller;
use crate::controller::Controller;
use crate::controller::Moment;
use crate::controller::Outcome;
use crate::runtime::quorum::Stopped;
use crate::schema::elect_leaders_request::ElectLeadersRequest;
use crate::schema::elect_leaders_response::ElectLeadersResponse;

pub async fn handle(cx: &Context, request: ElectLeadersRequest) -> Result<ElectLeadersResponse, Stopped> {
    cx.control(request).await
}

impl Controlled for ElectLeadersRequest {
    type Answer = ElectLeadersResponse;

    fn decide(&self, controller: &Controller, _: &mut Moment<'_>, _: &Caller<'_>) -> Outcome<ElectLeadersResponse> {
        controller.elect_leaders(self)
    }
}
