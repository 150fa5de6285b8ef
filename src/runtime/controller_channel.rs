//! What a broker asks of the controller on its own behalf: in this process now, over a socket later.

use crate::controller::Controller;
use crate::controller::Moment;
use crate::controller::Refusal;
use crate::runtime::quorum::Done;
use crate::runtime::quorum::QuorumHandle;
use crate::runtime::quorum::Stopped;
use crate::schema::allocate_producer_ids_request::AllocateProducerIdsRequest;
use crate::schema::allocate_producer_ids_response::AllocateProducerIdsResponse;
use crate::schema::alter_partition_request::AlterPartitionRequest;
use crate::schema::alter_partition_response::AlterPartitionResponse;
use crate::schema::assign_replicas_to_dirs_request::AssignReplicasToDirsRequest;
use crate::schema::assign_replicas_to_dirs_response::AssignReplicasToDirsResponse;
use crate::schema::broker_heartbeat_request::BrokerHeartbeatRequest;
use crate::schema::broker_heartbeat_response::BrokerHeartbeatResponse;
use crate::schema::broker_registration_request::BrokerRegistrationRequest;
use crate::schema::broker_registration_response::BrokerRegistrationResponse;
use std::future::Future;
use std::pin::Pin;

/// The controller could not be asked; worth another try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreachable;

impl From<Stopped> for Unreachable {
    fn from(_: Stopped) -> Unreachable {
        Unreachable
    }
}

pub type Answer<'a, R> = Pin<Box<dyn Future<Output = Result<R, Unreachable>> + Send + 'a>>;

/// Refusals are in the responses.
pub trait ControllerChannel: Send + Sync {
    fn register(&self, request: BrokerRegistrationRequest) -> Answer<'_, BrokerRegistrationResponse>;
    fn heartbeat(&self, request: BrokerHeartbeatRequest) -> Answer<'_, BrokerHeartbeatResponse>;
    fn alter_partition(&self, request: AlterPartitionRequest) -> Answer<'_, AlterPartitionResponse>;
    fn assign_replicas(&self, request: AssignReplicasToDirsRequest) -> Answer<'_, AssignReplicasToDirsResponse>;
    fn allocate_producer_ids(&self, request: AllocateProducerIdsRequest) -> Answer<'_, AllocateProducerIdsResponse>;
}

/// To the controller in the same process, whose lock on the folder says that no other incarnation lives.
pub struct LocalChannel {
    quorum: QuorumHandle,
}

/// In process both sides speak the newest version.
const REGISTRATION_VERSION: i16 = 4;
const ALTER_PARTITION_VERSION: i16 = 3;

impl LocalChannel {
    pub fn new(quorum: QuorumHandle) -> LocalChannel {
        LocalChannel { quorum }
    }
}

/// The response, or one that says why not.
fn unwrap<R>(done: Done<Result<R, Refusal>>, refuse: impl FnOnce(i16) -> R) -> R {
    done.reply.unwrap_or_else(|refusal| {
        tracing::warn!(
            "The controller refused: {:?} {}",
            refusal.code,
            refusal.message.as_deref().unwrap_or_default()
        );
        refuse(refusal.code.code())
    })
}

impl ControllerChannel for LocalChannel {
    fn register(&self, request: BrokerRegistrationRequest) -> Answer<'_, BrokerRegistrationResponse> {
        Box::pin(async move {
            let register = self
                .quorum
                .submit(|controller, moment| controller.register_broker(moment, REGISTRATION_VERSION, &request, true));
            let refuse = |error_code| BrokerRegistrationResponse {
                error_code,
                ..Default::default()
            };
            Ok(unwrap(register.await?, refuse))
        })
    }

    fn heartbeat(&self, request: BrokerHeartbeatRequest) -> Answer<'_, BrokerHeartbeatResponse> {
        Box::pin(async move {
            let beat = self
                .quorum
                .submit(|controller, moment| controller.heartbeat(moment, &request));
            let refuse = |error_code| BrokerHeartbeatResponse {
                error_code,
                ..Default::default()
            };
            Ok(unwrap(beat.await?, refuse))
        })
    }

    fn alter_partition(&self, request: AlterPartitionRequest) -> Answer<'_, AlterPartitionResponse> {
        Box::pin(async move {
            let alter = |controller: &Controller, _: &mut Moment<'_>| {
                controller.alter_partition(ALTER_PARTITION_VERSION, &request)
            };
            let refuse = |error_code| AlterPartitionResponse {
                error_code,
                ..Default::default()
            };
            Ok(unwrap(self.quorum.submit(alter).await?, refuse))
        })
    }

    fn assign_replicas(&self, request: AssignReplicasToDirsRequest) -> Answer<'_, AssignReplicasToDirsResponse> {
        Box::pin(async move {
            let assign = self
                .quorum
                .submit(|controller, _| controller.assign_replicas_to_dirs(&request));
            let refuse = |error_code| AssignReplicasToDirsResponse {
                error_code,
                ..Default::default()
            };
            Ok(unwrap(assign.await?, refuse))
        })
    }

    fn allocate_producer_ids(&self, request: AllocateProducerIdsRequest) -> Answer<'_, AllocateProducerIdsResponse> {
        Box::pin(async move {
            let allocate = self
                .quorum
                .submit(|controller, _| controller.allocate_producer_ids(&request));
            let refuse = |error_code| AllocateProducerIdsResponse {
                error_code,
                ..Default::default()
            };
            Ok(unwrap(allocate.await?, refuse))
        })
    }
}
