//! AlterClientQuotas (key 49, v0–1): quotas of users, client ids and addresses (KIP-546).

use crate::api::context::Context;
use crate::api::context::Controlled;
use crate::controller::Caller;
use crate::controller::Controller;
use crate::controller::Moment;
use crate::controller::Outcome;
use crate::runtime::quorum::Stopped;
use crate::schema::alter_client_quotas_request::AlterClientQuotasRequest;
use crate::schema::alter_client_quotas_response::AlterClientQuotasResponse;

pub async fn handle(cx: &Context, request: AlterClientQuotasRequest) -> Result<AlterClientQuotasResponse, Stopped> {
    cx.control(request).await
}

impl Controlled for AlterClientQuotasRequest {
    type Answer = AlterClientQuotasResponse;

    fn decide(
        &self,
        controller: &Controller,
        _: &mut Moment<'_>,
        _: &Caller<'_>,
    ) -> Outcome<AlterClientQuotasResponse> {
        controller.alter_client_quotas(self)
    }
}
