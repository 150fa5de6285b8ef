//! BrokerHeartbeat (key 63, v0–2): a broker lives, and says whether it is ready to serve or about to leave (KIP-631).

use crate::api::context::Context;
use crate::api::quorum_requests;
use crate::runtime::quorum::Stopped;
use crate::schema::broker_heartbeat_request::BrokerHeartbeatRequest;
use crate::schema::broker_heartbeat_response::BrokerHeartbeatResponse;

pub async fn handle(cx: &Context, request: BrokerHeartbeatRequest) -> Result<BrokerHeartbeatResponse, Stopped> {
    let quorum = quorum_requests::led(cx)?;
    let beat = quorum.submit(|controller, moment| controller.heartbeat(moment, &request));
    let heard = beat.await?.reply;
    Ok(heard.unwrap_or_else(|refusal| {
        quorum_requests::note_refusal("a heartbeat", request.broker_id, &refusal);
        BrokerHeartbeatResponse {
            error_code: refusal.code.code(),
            ..BrokerHeartbeatResponse::default()
        }
    }))
}
