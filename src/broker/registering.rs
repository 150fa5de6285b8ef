//! What a node tells its controller of itself: as a broker, and as a controller.

use crate::api::context::Handles;
use crate::broker::Failure;
use crate::broker::folders::Folders;
use crate::broker::random;
use crate::broker::sockets::Bound;
use crate::config::BrokerConfig;
use crate::config::listener::Endpoint;
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
        // Port 0 means any; what was opened is what clients must be told.
        let opened = sockets
            .iter()
            .find(|bound| bound.endpoint.listener == endpoint.listener);
        let opened = opened
            .and_then(|bound| bound.socket.local_addr().ok())
            .map_or(0, |address| address.port());
        listeners.push(registration::Listener {
            name: endpoint.listener.as_str().into(),
            host: advertised_host(&endpoint).into(),
            port: if endpoint.port == 0 {
                opened
            } else {
                u16::try_from(endpoint.port).unwrap_or(opened)
            },
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

/// The name of this machine, where no host is given.
fn advertised_host(endpoint: &Endpoint) -> String {
    let own = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    endpoint.host.clone().unwrap_or_else(own)
}

/// The controller is in its own log, like every controller of a quorum.
pub async fn register_controller(quorum: &QuorumHandle, config: &BrokerConfig) {
    let listeners = config.advertised_controller_listeners();
    let listeners = listeners.iter().map(|endpoint| controller_registration::Listener {
        name: endpoint.listener.as_str().into(),
        host: advertised_host(endpoint).into(),
        port: u16::try_from(endpoint.port).unwrap_or(0),
        security_protocol: endpoint.protocol as i16,
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
