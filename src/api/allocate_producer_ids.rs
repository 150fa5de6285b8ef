//! AllocateProducerIds (key 67, v0): a block of producer ids for a broker (KIP-730).

use crate::api::context::Context;
use crate::api::quorum_requests;
use crate::runtime::quorum::Stopped;
use crate::schema::allocate_producer_ids_request::AllocateProducerIdsRequest;
use crate::schema::allocate_producer_ids_response::AllocateProducerIdsResponse;

pub async fn handle(cx: &Context, request: AllocateProducerIdsRequest) -> Result<AllocateProducerIdsResponse, Stopped> {
    let quorum = quorum_requests::led(cx)?;
    let allocate = quorum.submit(|controller, _| controller.allocate_producer_ids(&request));
    let allocated = allocate.await?.reply;
    Ok(allocated.unwrap_or_else(|refusal| {
        quorum_requests::note_refusal("producer ids", request.broker_id, &refusal);
        AllocateProducerIdsResponse {
            error_code: refusal.code.code(),
            ..AllocateProducerIdsResponse::default()
        }
    }))
}
