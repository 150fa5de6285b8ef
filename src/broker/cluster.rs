//! The metadata log that this node follows, and the way to its controller: both in this process, or in another.

use crate::api::context::ControllerAt;
use crate::broker::Failure;
use crate::broker::folders::Folders;
use crate::broker::random;
use crate::broker::registering::controller_endpoints;
use crate::broker::sockets::Bound;
use crate::clock::SharedClock;
use crate::config::BrokerConfig;
use crate::metadata::VersionRange;
use crate::protocol::features::Features;
use crate::runtime::controller_channel::ControllerChannel;
use crate::runtime::controller_channel::LocalChannel;
use crate::runtime::metadata_log::MetadataLog;
use crate::runtime::metadata_store::MetadataStore;
use crate::runtime::metadata_store::StoreSettings;
use crate::runtime::quorum::Identity;
use crate::runtime::quorum::Quorum;
use crate::runtime::remote_controller::RemoteController;
use crate::runtime::remote_log::RemoteLog;
use crate::runtime::remote_log::RemoteSettings;
use compact_str::CompactString;
use std::sync::Arc;
use tracing::error;
use tracing::warn;

pub struct Cluster {
    pub log: Arc<dyn MetadataLog>,
    pub controller: ControllerAt,
    pub channel: Arc<dyn ControllerChannel>,
    pub engine: Engine,
}

/// What keeps the log going.
pub enum Engine {
    Leads(Quorum),
    Follows(RemoteLog),
}

impl Cluster {
    pub fn start(
        config: &BrokerConfig,
        folders: &Folders,
        sockets: &[Bound],
        clock: &SharedClock,
    ) -> Result<Cluster, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            let folder = folders.metadata.display();
            format!("the metadata log in {folder}: {error}")
        };
        if config.roles.controller {
            let quorum = lead(config, folders, sockets, clock).map_err(|error| failed(&error))?;
            return Ok(Cluster {
                log: Arc::new(quorum.handle()),
                controller: ControllerAt::Here(quorum.handle()),
                channel: Arc::new(LocalChannel::new(quorum.handle())),
                engine: Engine::Leads(quorum),
            });
        }
        let settings = RemoteSettings::new(config, &folders.cluster_id, folders.metadata_id());
        let remote = RemoteLog::start(folders.metadata_place(), settings, clock.clone());
        let remote = remote.map_err(|error| failed(&error))?;
        let controller = Arc::new(RemoteController::new(config, remote.handle().leader()));
        Ok(Cluster {
            log: Arc::new(remote.handle()),
            controller: ControllerAt::Elsewhere(controller.clone()),
            channel: controller,
            engine: Engine::Follows(remote),
        })
    }
}

impl Engine {
    /// Resolves when the metadata log has failed: then this process is of no use any more.
    pub async fn failed(&self) -> Failure {
        match self {
            Engine::Leads(quorum) => {
                quorum.handle().failed().await;
                "the metadata log failed".into()
            }
            Engine::Follows(log) => log.handle().failed().await.to_string(),
        }
    }

    pub async fn stop(self) {
        let stopped = match self {
            Engine::Leads(quorum) => quorum.stop().await,
            Engine::Follows(log) => log.stop().await,
        };
        if let Err(failure) = stopped {
            error!("the metadata log was not closed: {failure}");
        }
    }
}

/// As the sole voter of the quorum.
fn lead(config: &BrokerConfig, folders: &Folders, sockets: &[Bound], clock: &SharedClock) -> Result<Quorum, Failure> {
    let opened = MetadataStore::open(
        folders.metadata_place(),
        StoreSettings::new(config),
        config.node_id,
        clock.now(),
    );
    let opened = opened.map_err(|error| error.to_string())?;
    opened.warnings.iter().for_each(|warning| warn!("{warning}"));
    // A new cluster has no partitions: without this they would all be set aside as nobody's.
    if opened.replay.image().metadata_version().is_none()
        && let Some(partition) = folders.dirs.any_partition()
    {
        let lost = format!("nothing is in it, yet {} is there; bring it back", partition.display());
        return Err(lost);
    }
    let supported = Features::new(config);
    let features = supported.supported().iter().map(|feature| {
        let range = VersionRange {
            min: feature.lowest,
            max: feature.highest,
        };
        (CompactString::from(feature.name), range)
    });
    let identity = Identity {
        cluster_id: folders.cluster_id.clone(),
        features: features.collect(),
        endpoints: controller_endpoints(config, sockets),
        seed: random(),
    };
    Quorum::start(opened, identity, config, clock.clone()).map_err(|error| error.to_string())
}
