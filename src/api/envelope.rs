//! Envelope (key 58, v0): a broker passes a client's request on, with who the client is (KIP-590).
//!
//! The request within is judged as the client's; its answer goes back with a header of its own. An error of the envelope
//! is about the envelope only.

use crate::api;
use crate::api::Outcome;
use crate::api::Reply;
use crate::api::context::Context;
use crate::api::context::Peer;
use crate::protocol::header::Prefix;
use crate::protocol::principal::Principal;
use crate::schema::envelope_request::EnvelopeRequest;
use crate::schema::envelope_response::EnvelopeResponse;
use crate::schema::writer::Part;
use crate::types::ErrorCode;
use bytes::Bytes;
use bytes::BytesMut;
use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::Arc;

/// What a broker may pass on; the keys that Kafka marks so.
pub const FORWARDABLE: &[i16] = &[
    19, 20, 30, 31, 33, 37, 38, 39, 40, 43, 44, 45, 46, 49, 51, 55, 57, 64, 67, 80, 81,
];
/// In front of every answer: how long it is.
const LENGTH_SIZE: usize = 4;

pub async fn handle(cx: &Context, request: EnvelopeRequest) -> Reply<EnvelopeResponse> {
    let (peer, frame) = match open(cx, request) {
        Ok(opened) => opened,
        Err(error) => {
            return Reply::Send(EnvelopeResponse {
                response_data: None,
                error_code: error.code(),
            });
        }
    };
    let begun = match api::begin(&cx.handles, &peer, frame) {
        Ok(answering) => answering.await,
        // The envelope was sound, what is in it is not.
        Err(_) => {
            return Reply::Send(EnvelopeResponse {
                response_data: None,
                error_code: ErrorCode::UnsupportedVersion.code(),
            });
        }
    };
    match begun {
        Outcome::Answer(parts) => Reply::Send(EnvelopeResponse {
            response_data: Some(without_length(&parts)),
            error_code: 0,
        }),
        Outcome::Silence => Reply::Close("a forwarded request without an answer".into()),
        Outcome::Close(reason) => Reply::Close(reason),
    }
}

/// The client and its request, or what is wrong with the envelope; in the order in which Kafka looks.
fn open(cx: &Context, request: EnvelopeRequest) -> Result<(Arc<Peer>, Bytes), ErrorCode> {
    let principal = request.request_principal.and_then(Principal::decode);
    let principal = principal.ok_or(ErrorCode::PrincipalDeserializationFailure)?;
    let address = address(&request.client_host_address).ok_or(ErrorCode::InvalidRequest)?;
    let prefix = Prefix::read(&request.request_data).ok_or(ErrorCode::UnsupportedVersion)?;
    if !FORWARDABLE.contains(&prefix.key) {
        return Err(match is_known(prefix.key) {
            true => ErrorCode::InvalidRequest,
            false => ErrorCode::UnsupportedVersion,
        });
    }
    let peer = Peer {
        address: SocketAddr::new(address, 0),
        local: cx.peer.local,
        listener: cx.peer.listener.clone(),
        principal,
        controller: cx.peer.controller,
        forwarded: true,
    };
    Ok((Arc::new(peer), request.request_data))
}

/// An address as it goes over the wire of the network itself.
fn address(bytes: &Bytes) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(&bytes[..]).map(IpAddr::from);
    let sixteen = || <[u8; 16]>::try_from(&bytes[..]).map(IpAddr::from);
    four.or_else(|_| sixteen()).ok().map(|address| address.to_canonical())
}

/// Whether Kafka has such an API at all.
fn is_known(key: i16) -> bool {
    (0..=92).contains(&key)
}

fn without_length(parts: &[Part]) -> Bytes {
    let mut all = BytesMut::new();
    for part in parts {
        match part {
            Part::Own(bytes) => all.extend_from_slice(bytes),
            Part::Shared(bytes) => all.extend_from_slice(bytes),
            // Only reads answer with files, and they are not passed on.
            Part::File(_) => {}
        }
    }
    all.freeze().slice(LENGTH_SIZE..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_has_an_address_of_either_family() {
        for (bytes, expected) in [
            (&[127, 0, 0, 1][..], Some("127.0.0.1")),
            (&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], Some("::1")),
            (&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 10, 0, 0, 1], Some("10.0.0.1")),
            (&[127, 0, 0], None),
            (&[], None),
        ] {
            let found = address(&Bytes::copy_from_slice(bytes)).map(|address| address.to_string());
            assert_eq!(found.as_deref(), expected, "{bytes:?}");
        }
    }
}
