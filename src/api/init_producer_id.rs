//! InitProducerId (key 22, v0–5): an id for an idempotent producer (KIP-98).

use crate::api::context::Context;
use crate::schema::init_producer_id_request::InitProducerIdRequest;
use crate::schema::init_producer_id_response::InitProducerIdResponse;
use crate::types::ErrorCode;
use crate::types::NO_PRODUCER_ID;
use crate::types::ProducerId;

const NO_EPOCH: i16 = -1;

pub async fn handle(cx: &Context, request: InitProducerIdRequest) -> InitProducerIdResponse {
    match assign(cx, &request).await {
        Ok(producer_id) => InitProducerIdResponse {
            producer_id,
            producer_epoch: 0,
            ..Default::default()
        },
        Err(error) => InitProducerIdResponse {
            error_code: error.code(),
            producer_id: NO_PRODUCER_ID,
            producer_epoch: NO_EPOCH,
            ..Default::default()
        },
    }
}

async fn assign(cx: &Context, request: &InitProducerIdRequest) -> Result<ProducerId, ErrorCode> {
    // A producer that names what it has names both, or neither.
    if (request.producer_id == NO_PRODUCER_ID) != (request.producer_epoch == NO_EPOCH) {
        return Err(ErrorCode::InvalidRequest);
    }
    match request.transactional_id.as_deref() {
        None => cx.handles.next_producer_id().await,
        Some("") => Err(ErrorCode::InvalidRequest),
        // No coordinator of transactions serves this cluster.
        Some(_) => Err(ErrorCode::CoordinatorNotAvailable),
    }
}
