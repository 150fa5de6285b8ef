//! UpdateFeatures (key 57, v0–2): levels of the features that the cluster has agreed on (KIP-584).

use crate::api::context::Context;
use crate::api::context::Controlled;
use crate::controller::Caller;
use crate::controller::Controller;
use crate::controller::Moment;
use crate::controller::Outcome;
use crate::runtime::quorum::Stopped;
use crate::schema::update_features_request::UpdateFeaturesRequest;
use crate::schema::update_features_response::UpdateFeaturesResponse;

pub async fn handle(cx: &Context, request: UpdateFeaturesRequest) -> Result<UpdateFeaturesResponse, Stopped> {
    cx.control(request).await
}

impl Controlled for UpdateFeaturesRequest {
    type Answer = UpdateFeaturesResponse;

    fn decide(
        &self,
        controller: &Controller,
        _: &mut Moment<'_>,
        caller: &Caller<'_>,
    ) -> Outcome<UpdateFeaturesResponse> {
        controller.update_features(caller, self)
    }
}
