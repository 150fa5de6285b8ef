//! The controller in another process: this broker's own requests to it, and those of clients that it passes on.

use crate::config::BrokerConfig;
use crate::peers::connection::Connection;
use crate::protocol::header;
use crate::protocol::header::Prefix;
use crate::protocol::principal::Principal;
use crate::runtime::controller_channel::Answer;
use crate::runtime::controller_channel::ControllerChannel;
use crate::runtime::controller_channel::Unreachable;
use crate::runtime::leader::Leader;
use crate::runtime::quorum::Stopped;
use crate::schema::Message;
use crate::schema::allocate_producer_ids_request::AllocateProducerIdsRequest;
use crate::schema::allocate_producer_ids_response::AllocateProducerIdsResponse;
use crate::schema::alter_partition_request::AlterPartitionRequest;
use crate::schema::alter_partition_response::AlterPartitionResponse;
use crate::schema::api_versions_response::ApiVersion;
use crate::schema::assign_replicas_to_dirs_request::AssignReplicasToDirsRequest;
use crate::schema::assign_replicas_to_dirs_response::AssignReplicasToDirsResponse;
use crate::schema::broker_heartbeat_request::BrokerHeartbeatRequest;
use crate::schema::broker_heartbeat_response::BrokerHeartbeatResponse;
use crate::schema::broker_registration_request::BrokerRegistrationRequest;
use crate::schema::broker_registration_response::BrokerRegistrationResponse;
use crate::schema::envelope_request::EnvelopeRequest;
use crate::schema::envelope_response::EnvelopeResponse;
use crate::schema::wire::Reader;
use crate::types::ErrorCode;
use arc_swap::ArcSwapOption;
use bytes::Bytes;
use compact_str::CompactString;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio::time::sleep;
use tokio::time::timeout_at;
use tracing::debug;

/// What a client sent is tried again for so long while no controller takes it.
const FORWARDING_PATIENCE: Duration = Duration::from_secs(60);
const RETRY_PAUSE: Duration = Duration::from_millis(50);

pub struct RemoteController {
    /// Heartbeats must not wait behind anything else.
    life: Lane,
    partitions: Lane,
    forwarding: Lane,
    /// What the controller serves; `None` before it was asked.
    served: Arc<ArcSwapOption<Vec<ApiVersion>>>,
}

/// Who asked for what is passed on.
pub struct Asker<'a> {
    pub principal: &'a Principal,
    pub version: i16,
    pub correlation_id: i32,
    pub client_id: Option<&'a CompactString>,
    pub address: IpAddr,
}

impl RemoteController {
    pub fn new(config: &BrokerConfig, leader: watch::Receiver<Option<Leader>>) -> RemoteController {
        let served = Arc::default();
        let lane = || Lane {
            served: Arc::clone(&served),
            client_id: config.node_id.to_string(),
            patience: Duration::from_millis(u64::try_from(config.controller_socket_timeout_ms()).unwrap_or(0)),
            leader: leader.clone(),
            open: Mutex::new(None),
        };
        RemoteController {
            life: lane(),
            partitions: lane(),
            forwarding: lane(),
            served: served.clone(),
        }
    }

    /// Has the controller decide what a client asked this broker for.
    pub async fn forward<Q: Message, A: Message>(&self, request: &Q, asker: &Asker<'_>) -> Result<A, Stopped> {
        let prefix = Prefix {
            key: Q::KEY,
            version: asker.version,
            correlation_id: asker.correlation_id,
        };
        let envelope = EnvelopeRequest {
            request_data: header::request(prefix, asker.client_id, request),
            request_principal: Some(asker.principal.encode()),
            client_host_address: match asker.address {
                IpAddr::V4(address) => Bytes::copy_from_slice(&address.octets()),
                IpAddr::V6(address) => Bytes::copy_from_slice(&address.octets()),
            },
        };
        let deadline = Instant::now() + FORWARDING_PATIENCE;
        loop {
            let answered = timeout_at(deadline, self.forwarding.call::<_, EnvelopeResponse>(&envelope));
            match answered.await {
                Err(_) => return Err(Stopped),
                Ok(Ok(answer)) => match ErrorCode::from_code(answer.error_code) {
                    ErrorCode::None => return open_envelope(answer, prefix),
                    ErrorCode::NotController => {}
                    error => {
                        debug!("the controller does not take what a client asked for: {error:?}");
                        return Err(Stopped);
                    }
                },
                Ok(Err(error)) => debug!("a client's request could not be passed on: {error}"),
            }
            sleep(RETRY_PAUSE).await;
        }
    }

    /// Which of these versions of an API the controller takes, too. Before it was asked, all of them.
    pub fn common_versions(&self, key: i16, (min, max): (i16, i16)) -> Option<(i16, i16)> {
        let served = self.served.load();
        let Some(served) = served.as_ref() else {
            return Some((min, max));
        };
        let row = served.iter().find(|row| row.api_key == key)?;
        let common = (min.max(row.min_version), max.min(row.max_version));
        (common.0 <= common.1).then_some(common)
    }
}

fn open_envelope<A: Message>(envelope: EnvelopeResponse, prefix: Prefix) -> Result<A, Stopped> {
    let mut reader = Reader::new(envelope.response_data.unwrap_or_default());
    let read = header::read_answer::<A>(&mut reader, prefix).and_then(|_| A::decode(&mut reader, prefix.version));
    read.map_err(|error| {
        debug!("the controller's answer cannot be read: {error}");
        Stopped
    })
}

/// Requests that go to the controller one after the other.
struct Lane {
    served: Arc<ArcSwapOption<Vec<ApiVersion>>>,
    client_id: String,
    patience: Duration,
    leader: watch::Receiver<Option<Leader>>,
    open: Mutex<Option<Open>>,
}

struct Open {
    leader: Leader,
    connection: Connection,
    served: Arc<Vec<ApiVersion>>,
}

impl Lane {
    /// In the newest version that both sides know.
    async fn call<Q: Message, A: Message>(&self, request: &Q) -> io::Result<A> {
        let mut place = self.open.lock().await;
        let leader = self.leader.borrow().clone().ok_or(io::ErrorKind::NotConnected)?;
        // Taken out: whoever is cancelled half-way leaves no connection behind that another would use.
        let mut open = match place.take().filter(|open| open.leader == leader) {
            Some(open) => open,
            None => self.open(leader).await?,
        };
        let version = open.version::<Q>()?;
        let answer = open.connection.call(request, version, self.patience).await?;
        *place = Some(open);
        Ok(answer)
    }

    async fn open(&self, leader: Leader) -> io::Result<Open> {
        let mut connection = Connection::open(&leader.address, &self.client_id, self.patience).await?;
        let served = Arc::new(connection.versions(self.patience).await?.api_keys);
        self.served.store(Some(served.clone()));
        Ok(Open {
            leader,
            connection,
            served,
        })
    }
}

impl Open {
    fn version<Q: Message>(&self) -> io::Result<i16> {
        let served = self.served.iter().find(|served| served.api_key == Q::KEY);
        let version = served.map_or(-1, |served| served.max_version.min(Q::LAST_VERSION));
        if served.is_none_or(|served| version < served.min_version.max(Q::FIRST_VERSION)) {
            let text = format!(
                "the controller has no version of API key {} that this broker knows",
                Q::KEY
            );
            return Err(io::Error::new(io::ErrorKind::Unsupported, text));
        }
        Ok(version)
    }
}

impl RemoteController {
    async fn ask<Q: Message, A: Message>(&self, lane: &Lane, request: Q) -> Result<A, Unreachable> {
        lane.call(&request).await.map_err(|error| {
            debug!("the controller did not answer (API key {}): {error}", Q::KEY);
            Unreachable
        })
    }
}

impl ControllerChannel for RemoteController {
    fn register(&self, request: BrokerRegistrationRequest) -> Answer<'_, BrokerRegistrationResponse> {
        Box::pin(self.ask(&self.life, request))
    }

    fn heartbeat(&self, request: BrokerHeartbeatRequest) -> Answer<'_, BrokerHeartbeatResponse> {
        Box::pin(self.ask(&self.life, request))
    }

    fn alter_partition(&self, request: AlterPartitionRequest) -> Answer<'_, AlterPartitionResponse> {
        Box::pin(self.ask(&self.partitions, request))
    }

    fn assign_replicas(&self, request: AssignReplicasToDirsRequest) -> Answer<'_, AssignReplicasToDirsResponse> {
        Box::pin(self.ask(&self.partitions, request))
    }

    fn allocate_producer_ids(&self, request: AllocateProducerIdsRequest) -> Answer<'_, AllocateProducerIdsResponse> {
        Box::pin(self.ask(&self.partitions, request))
    }
}
