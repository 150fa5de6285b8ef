//! UnregisterBroker (key 64, v0): forgets a broker that will not come back (KIP-500).

use crate::api::context::Context;
use crate::api::context::Controlled;
use crate::controller::Caller;
use crate::controller::Controller;
use crate::controller::Moment;
use crate::controller::Outcome;
use crate::runtime::quorum::Stopped;
use crate::schema::unregister_broker_request::UnregisterBrokerRequest;
use crate::schema::unregister_broker_response::UnregisterBrokerResponse;

pub async fn handle(cx: &Context, request: UnregisterBrokerRequest) -> Result<UnregisterBrokerResponse, Stopped> {
    cx.control(request).await
}

impl Controlled for UnregisterBrokerRequest {
    type Answer = UnregisterBrokerResponse;

    fn decide(&self, controller: &Controller, _: &mut Moment<'_>, _: &Caller<'_>) -> Outcome<UnregisterBrokerResponse> {
        controller.unregister_broker(self)
    }
}
