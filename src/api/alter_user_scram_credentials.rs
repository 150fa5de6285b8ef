//! AlterUserScramCredentials (key 51, v0): SCRAM credentials, salted by the client (KIP-554).

use crate::api::context::Context;
use crate::api::context::Controlled;
use crate::controller::Caller;
use crate::controller::Controller;
use crate::controller::Moment;
use crate::controller::Outcome;
use crate::runtime::quorum::Stopped;
use crate::schema::alter_user_scram_credentials_request::AlterUserScramCredentialsRequest;
use crate::schema::alter_user_scram_credentials_response::AlterUserScramCredentialsResponse;

pub async fn handle(
    cx: &Context,
    request: AlterUserScramCredentialsRequest,
) -> Result<AlterUserScramCredentialsResponse, Stopped> {
    cx.control(request).await
}

impl Controlled for AlterUserScramCredentialsRequest {
    type Answer = AlterUserScramCredentialsResponse;

    fn decide(
        &self,
        controller: &Controller,
        _: &mut Moment<'_>,
        _: &Caller<'_>,
    ) -> Outcome<AlterUserScramCredentialsResponse> {
        controller.alter_scram(self)
    }
}
