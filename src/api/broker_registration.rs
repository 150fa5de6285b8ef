//! BrokerRegistration (key 62, v0–4): a broker joins the cluster, or amends what it said of itself (KIP-631).

use crate::api::context::Context;
use crate::api::quorum_requests;
use crate::runtime::quorum::Stopped;
use crate::schema::broker_registration_request::BrokerRegistrationRequest;
use crate::schema::broker_registration_response::BrokerRegistrationResponse;

pub async fn handle(cx: &Context, request: BrokerRegistrationRequest) -> Result<BrokerRegistrationResponse, Stopped> {
    let quorum = quorum_requests::led(cx)?;
    let version = cx.prefix.version;
    let register = quorum.submit(|controller, moment| controller.register_broker(moment, version, &request, false));
    let registered = register.await?.reply;
    Ok(registered.unwrap_or_else(|refusal| {
        quorum_requests::note_refusal("the registration", request.broker_id, &refusal);
        BrokerRegistrationResponse {
            error_code: refusal.code.code(),
            ..BrokerRegistrationResponse::default()
        }
    }))
}
