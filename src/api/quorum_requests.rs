//! What the requests of the metadata quorum have in common: whose they are, and where the leader is.

use crate::api::context::Context;
use crate::api::context::ControllerAt;
use crate::controller::Refusal;
use crate::runtime::quorum::QuorumHandle;
use crate::runtime::quorum::Stopped;
use crate::types::ErrorCode;
use crate::types::LeaderEpoch;
use crate::types::NodeId;
use crate::types::Uuid;
use compact_str::CompactString;

pub const METADATA_TOPIC: &str = "__cluster_metadata";

/// The quorum that this node leads.
pub fn led(cx: &Context) -> Result<&QuorumHandle, Stopped> {
    match &cx.handles.controller {
        ControllerAt::Here(quorum) => Ok(quorum),
        ControllerAt::Elsewhere(_) => Err(Stopped),
    }
}

/// Who names no cluster may mean any.
pub fn is_other_cluster(quorum: &QuorumHandle, named: Option<&CompactString>) -> bool {
    named.is_some_and(|named| named != quorum.cluster_id())
}

/// The leader as those see it who came by the same listener.
pub struct LeaderEndpoint {
    pub node_id: NodeId,
    pub host: CompactString,
    pub port: u16,
}

pub fn leader_endpoint(cx: &Context, quorum: &QuorumHandle) -> Option<LeaderEndpoint> {
    let endpoint = quorum.endpoint(&cx.peer.listener)?;
    Some(LeaderEndpoint {
        node_id: quorum.status().leader_id,
        host: endpoint.host.clone(),
        port: endpoint.port,
    })
}

/// What every request between voters must hold: not of the past, and from somebody.
pub fn check_voter_request(quorum: &QuorumHandle, sender: NodeId, epoch: LeaderEpoch) -> Result<(), ErrorCode> {
    if epoch < quorum.status().leader_epoch {
        return Err(ErrorCode::FencedLeaderEpoch);
    }
    if sender < 0 {
        return Err(ErrorCode::InvalidRequest);
    }
    Ok(())
}

/// Whether a request that names its addressee is meant for this node, with this disk. Old versions name nobody.
pub fn is_addressee(quorum: &QuorumHandle, id: NodeId, directory: Uuid) -> bool {
    let status = quorum.status();
    let same_disk = [directory, status.voter_directory].contains(&Uuid::ZERO) || directory == status.voter_directory;
    id < 0 || (id == status.leader_id && same_disk)
}

/// Another node says who leads. In a quorum of one that can only be this node, in its own epoch.
pub fn check_leader_claim(quorum: &QuorumHandle, leader: NodeId, epoch: LeaderEpoch) -> Result<(), ErrorCode> {
    let status = quorum.status();
    if (leader, epoch) == (status.leader_id, status.leader_epoch) {
        return Ok(());
    }
    tracing::error!(
        "Node {leader} is said to lead the metadata in epoch {epoch}, but node {} is the only voter and leads in epoch {}.",
        status.leader_id,
        status.leader_epoch
    );
    Err(ErrorCode::UnknownServerError)
}

/// The answers to brokers have a number only; what it means is told here.
pub fn note_refusal(what: &str, broker: NodeId, refusal: &Refusal) {
    let message = refusal.message.as_deref().unwrap_or_default();
    tracing::warn!("Refused {what} of broker {broker}: {:?} {message}", refusal.code);
}
