//! ControllerRegistration (key 70, v0): a controller says what it can do and where it listens (KIP-919).

use crate::api::context::Context;
use crate::api::quorum_requests;
use crate::runtime::quorum::Stopped;
use crate::schema::controller_registration_request::ControllerRegistrationRequest;
use crate::schema::controller_registration_response::ControllerRegistrationResponse;

pub async fn handle(
    cx: &Context,
    request: ControllerRegistrationRequest,
) -> Result<ControllerRegistrationResponse, Stopped> {
    let quorum = quorum_requests::led(cx)?;
    let register = quorum.submit(|controller, _| controller.register_controller(&request));
    Ok(register.await?.reply)
}
