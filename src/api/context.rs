//! Who asks, and what a handler may use.

use crate::clock::SharedClock;
use crate::config::BrokerConfig;
use crate::config::LiveConfig;
use crate::config::Properties;
use crate::config::loggers::Loggers;
use crate::controller::AllRights;
use crate::controller::Caller;
use crate::controller::Controller;
use crate::controller::Moment;
use crate::controller::Outcome;
use crate::metadata::Broker;
use crate::metadata::ConfigResource;
use crate::metadata::Endpoint;
use crate::metadata::Image;
use crate::metadata::ResourceKind;
use crate::protocol::features::Features;
use crate::protocol::header::Prefix;
use crate::protocol::principal::Principal;
use crate::replication::hosting::Hosting;
use crate::replication::replicas::Replicas;
use crate::replication::session::Sessions;
use crate::runtime::controller_channel::ControllerChannel;
use crate::runtime::groups::GroupCoordinators;
use crate::runtime::metadata_log::MetadataLog;
use crate::runtime::observer::Published;
use crate::runtime::producer_ids::ProducerIds;
use crate::runtime::quorum::QuorumHandle;
use crate::runtime::quorum::Stopped;
use crate::runtime::remote_controller::Asker;
use crate::runtime::remote_controller::RemoteController;
use crate::schema::Message;
use crate::schema::allocate_producer_ids_request::AllocateProducerIdsRequest;
use crate::schema::create_topics_request::CreatableTopic;
use crate::schema::create_topics_request::CreateTopicsRequest;
use crate::types::ErrorCode;
use crate::types::NodeId;
use crate::types::ProducerId;
use crate::types::Uuid;
use compact_str::CompactString;
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering;

/// What every controller understands.
const CREATE_TOPICS_VERSION: i16 = 7;

/// The other end of a connection.
pub struct Peer {
    pub address: SocketAddr,
    pub local: SocketAddr,
    pub listener: Arc<str>,
    pub principal: Principal,
    /// Whether the connection came in by the controller's listener.
    pub controller: bool,
    /// Whether a broker speaks for the client, having checked what only it can check.
    pub forwarded: bool,
}

impl Peer {
    /// Who comes by a listener that asks nobody for his name.
    pub fn anonymous() -> Principal {
        Principal::anonymous()
    }
}

/// One request.
pub struct Context {
    pub handles: Arc<Handles>,
    pub peer: Arc<Peer>,
    pub prefix: Prefix,
    pub client_id: Option<CompactString>,
}

/// Where the active controller is.
pub enum ControllerAt {
    Here(QuorumHandle),
    Elsewhere(Arc<RemoteController>),
}

/// What this node offers to handlers.
pub struct Handles {
    pub node_id: NodeId,
    pub cluster_id: CompactString,
    pub clock: SharedClock,
    pub features: Features,
    /// What this node knows of the cluster comes from here.
    pub log: Arc<dyn MetadataLog>,
    pub replicas: Arc<Replicas>,
    pub hosting: Arc<Hosting>,
    pub sessions: Sessions,
    pub producer_ids: ProducerIds,
    pub loggers: Box<dyn Loggers + Send + Sync>,
    pub published: Arc<Published>,
    /// As the metadata log overlays the file.
    pub live: Arc<RwLock<Arc<LiveConfig>>>,
    pub controller: ControllerAt,
    pub channel: Arc<dyn ControllerChannel>,
    pub groups: Arc<GroupCoordinators>,
    /// An id that nobody has.
    pub fresh_id: fn() -> Uuid,
    /// Where the ids of fetch sessions come from; seeded by chance.
    pub session_seed: AtomicU64,
}

impl Handles {
    /// The cluster as this broker knows it. A handler takes it once and reads it to its end.
    pub fn image(&self) -> Arc<Image> {
        self.published.image()
    }

    pub fn live(&self) -> Arc<LiveConfig> {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn config(&self) -> Arc<BrokerConfig> {
        self.live().current().clone()
    }

    /// An id for a producer, out of the block that the controller gave this broker.
    pub async fn next_producer_id(&self) -> Result<ProducerId, ErrorCode> {
        self.producer_ids.next(|| self.fetch_producer_ids()).await
    }

    async fn fetch_producer_ids(&self) -> Result<Range<ProducerId>, ErrorCode> {
        let epoch = self.image().broker(self.node_id).map(|broker| broker.epoch);
        let request = AllocateProducerIdsRequest {
            broker_id: self.node_id,
            broker_epoch: epoch.ok_or(ErrorCode::CoordinatorNotAvailable)?,
        };
        let block = self.channel.allocate_producer_ids(request).await;
        let block = block.map_err(|_| ErrorCode::CoordinatorNotAvailable)?;
        match ErrorCode::from_code(block.error_code) {
            ErrorCode::None => {
                let first = block.producer_id_start;
                Ok(first..first.saturating_add(block.producer_id_len.into()))
            }
            _ => Err(ErrorCode::CoordinatorNotAvailable),
        }
    }

    /// An id that nobody guesses; the session cache takes the next free one.
    pub fn random_session_id(&self) -> i32 {
        let mut bits = self.session_seed.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits >> 33) as i32).max(1)
    }

    /// What the metadata log holds for a resource.
    pub fn stored_configs(&self, kind: ResourceKind, name: &str) -> Properties {
        let image = self.image();
        let held = image.config(&ConfigResource::new(kind, name));
        let pairs = held.into_iter().flat_map(|values| values.iter());
        pairs.map(|(key, value)| (key.to_string(), value.to_string())).collect()
    }
}

impl Context {
    /// An unfenced broker, and where it listens for clients like this one.
    pub fn endpoint_of<'a>(&self, image: &'a Image, broker: NodeId) -> Option<(&'a Arc<Broker>, &'a Endpoint)> {
        image.reachable(broker, &self.peer.listener)
    }

    /// Brokers name one of them as the controller: whichever it is passes requests on to the real one.
    pub fn any_broker(&self, image: &Image) -> NodeId {
        let own = image.reachable(self.handles.node_id, &self.peer.listener);
        let any = own.or_else(|| image.reachable_brokers(&self.peer.listener).next());
        any.map_or(-1, |(broker, _)| broker.id)
    }

    /// Has the controller decide. If it is here, answers once this broker has seen what came of it: a client reads its
    /// own writes.
    pub async fn control<R: Controlled>(&self, request: R) -> Result<R::Answer, Stopped> {
        self.control_as(self.prefix.version, request).await
    }

    /// Has topics created that nobody asked for by CreateTopics. Whether it came about, the image tells: whoever asked
    /// asks again.
    pub async fn create_topics(&self, topics: Vec<CreatableTopic>) {
        let request = CreateTopicsRequest {
            topics,
            timeout_ms: self.handles.config().request_timeout_ms(),
            ..CreateTopicsRequest::default()
        };
        let _ = self.control_as(CREATE_TOPICS_VERSION, request).await;
    }

    /// As `control`, for what this broker asks for on behalf of a client.
    async fn control_as<R: Controlled>(&self, version: i16, request: R) -> Result<R::Answer, Stopped> {
        let quorum = match &self.handles.controller {
            ControllerAt::Here(quorum) => quorum,
            ControllerAt::Elsewhere(remote) => return self.pass_on(remote, version, &request).await,
        };
        let forwarded = self.peer.forwarded || !self.peer.controller;
        let decide = |controller: &Controller, moment: &mut Moment<'_>| {
            let caller = Caller {
                version,
                rights: &AllRights,
                forwarded,
            };
            request.decide(controller, moment, &caller)
        };
        let done = quorum.submit(decide).await?;
        self.handles.published.wait_for(done.offset).await;
        Ok(done.reply)
    }

    /// Lets the controller in another process answer this client.
    pub async fn pass_on<Q: Message, A: Message>(
        &self,
        remote: &RemoteController,
        version: i16,
        request: &Q,
    ) -> Result<A, Stopped> {
        let asker = Asker {
            principal: &self.peer.principal,
            version,
            correlation_id: self.prefix.correlation_id,
            client_id: self.client_id.as_ref(),
            address: self.peer.address.ip(),
        };
        remote.forward(request, &asker).await
    }
}

/// A request that only the active controller can answer.
pub trait Controlled: Message + Send + 'static {
    type Answer: Message + Send + 'static;

    fn decide(&self, controller: &Controller, moment: &mut Moment<'_>, caller: &Caller<'_>) -> Outcome<Self::Answer>;
}
