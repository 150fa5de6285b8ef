//! What a node tells its controller of itself: as a broker, and as a controller.

use crate::api::context::Handles;
use crate::broker::Failure;
use crate::broker::folders::Folders;
use crate::broker::random;
use crate::broker::sockets::Bound;
use crate::config::BrokerConfig;
use crate::config::listener::Endpoint;
use crate::metadata;
use crate::protocol::features::Features;
use crate::runtime::quorum::QuorumHandle;
use crate::schema::broker_registration_request as registration;
use crate::schema::broker_registration_request::BrokerRegistrationRequest;
use crate::schema::controller_registration_request as controller_registration;
use crate::schema::controller_registration_request::ControllerRegistrationRequest;
use crate::types::Uuid;
use compact_str::CompactString;
use tracing::error;

pub fn registration(
    config: &BrokerConfig,
    handles: &Handles,
    folders: &Folders,
    sockets: &[Bound],
) -> Result<BrokerRegistrationRequest, Failure> {
    let mut listeners = Vec::new();
    for endpoint in config.advertised_broker_listeners() {
        listeners.push(registration::Listener {
            name: endpoint.listener.as_str().into(),
            host: advertised_host(&endpoint).into(),
            port: told_port(&endpoint, sockets),
            security_protocol: endpoint.protocol as i16,
        });
    }
    let features = handles
        .features
        .supported()
        .iter()
        .map(|feature| registration::Feature {
            name: feature.name.into(),
            min_supported_version: feature.lowest,
            max_supported_version: feature.highest,
        });
    Ok(BrokerRegistrationRequest {
        broker_id: config.node_id,
        cluster_id: folders.cluster_id.clone(),
        incarnation_id: Uuid::from_random(random()),
        listeners,
        features: features.collect(),
        rack: config.values().text("broker.rack").map(CompactString::from),
        log_dirs: folders.directory_ids(),
        previous_broker_epoch: folders.previous_epoch(),
        ..BrokerRegistrationRequest::default()
    })
}

/// Port 0 means any; what was opened is what others must be told.
fn told_port(endpoint: &Endpoint, sockets: &[Bound]) -> u16 {
    let given = u16::try_from(endpoint.port).ok().filter(|port| *port != 0);
    let opened = || {
        let bound = sockets
            .iter()
            .find(|bound| bound.endpoint.listener == endpoint.listener)?;
        bound.socket.local_addr().ok().map(|address| address.port())
    };
    given.or_else(opened).unwrap_or(0)
}

/// The name of this machine, where no host is given.
fn advertised_host(endpoint: &Endpoint) -> String {
    let own = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    endpoint.host.clone().unwrap_or_else(own)
}

/// Where this controller listens, as others are told.
pub fn controller_endpoints(config: &BrokerConfig, sockets: &[Bound]) -> Vec<metadata::Endpoint> {
    let listeners = config.advertised_controller_listeners();
    let told = listeners.iter().map(|endpoint| metadata::Endpoint {
        listener: endpoint.listener.as_str().into(),
        host: advertised_host(endpoint).into(),
        port: told_port(endpoint, sockets),
        security_protocol: endpoint.protocol as i16,
    });
    told.collect()
}

/// The controller is in its own log, like every controller of a quorum.
pub async fn register_controller(quorum: &QuorumHandle, config: &BrokerConfig) {
    let listeners = quorum.endpoints().iter();
    let listeners = listeners.map(|endpoint| controller_registration::Listener {
        name: endpoint.listener.clone(),
        host: endpoint.host.clone(),
        port: endpoint.port,
        security_protocol: endpoint.security_protocol,
    });
    let features = Features::new(config);
    let features = features
        .supported()
        .iter()
        .map(|feature| controller_registration::Feature {
            name: feature.name.into(),
            min_supported_version: feature.lowest,
            max_supported_version: feature.highest,
        });
    let request = ControllerRegistrationRequest {
        controller_id: config.node_id,
        incarnation_id: Uuid::from_random(random()),
        zk_migration_ready: false,
        listeners: listeners.collect(),
        features: features.collect(),
    };
    if let Err(stopped) = quorum
        .submit(|controller, _| controller.register_controller(&request))
        .await
    {
        error!("the controller is not registered: {stopped}");
    }
}
