//! A controller in a process of its own (`process.roles=controller`): it leads the metadata quorum and serves those who
//! follow it. It hosts no partitions.

use crate::api::context::Handles;
use crate::broker::Failure;
use crate::broker::announce;
use crate::broker::bind;
use crate::broker::changes::Watched;
use crate::broker::folders::Folders;
use crate::broker::handles;
use crate::broker::listen;
use crate::broker::observe;
use crate::broker::registering::register_controller;
use crate::broker::start_quorum;
use crate::clock::SharedClock;
use crate::clock::SystemClock;
use crate::config::BrokerConfig;
use crate::log::LogDirs;
use crate::observe::Logging;
use crate::replication::hosting::Hosting;
use crate::runtime::controller_channel::ControllerChannel;
use crate::runtime::controller_channel::LocalChannel;
use crate::runtime::observer::Observer;
use crate::runtime::observer::Published;
use crate::runtime::quorum::Quorum;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::task::JoinSet;
use tracing::error;

pub struct ControllerNode {
    stop_listening: watch::Sender<bool>,
    listening: JoinSet<()>,
    observing: JoinHandle<()>,
    quorum: Quorum,
    /// Locked for as long as the node runs.
    _dirs: Arc<LogDirs>,
}

impl ControllerNode {
    pub async fn start(config: BrokerConfig, logging: Logging) -> Result<ControllerNode, Failure> {
        crate::storage::limits::raise_open_files();
        let clock: SharedClock = Arc::new(SystemClock);
        let sockets = bind(&config)?;
        let folders = Folders::open(&config, clock.now())?;
        let quorum = start_quorum(&config, &folders, &sockets, &clock)?;
        let handle = quorum.handle();
        let hosting = Arc::new(Hosting::new(config.node_id, folders.dirs.clone(), clock.clone()));
        let published = Arc::new(Published::default());
        let channel: Arc<dyn ControllerChannel> = Arc::new(LocalChannel::new(handle.clone()));
        let doors = (&handle, &channel, &published, &clock);
        let handles: Arc<Handles> = Arc::new(handles(&config, logging, &folders, &hosting, doors)?);
        let listener = Watched::new(handles.clone());
        let observer = Observer::new(Arc::new(handle.clone()), Arc::new(listener), published.clone());
        let observing = tokio::spawn(observe(observer));
        register_controller(&handle, &config).await;
        // Whoever connects finds the cluster as it is, not an empty one.
        published.wait_for(handle.status().high_watermark - 1).await;
        let (stop_listening, stopping) = watch::channel(false);
        let announcement = announce(&config, &sockets);
        let listening = listen(sockets, &config, &handles, stopping);
        println!("{announcement}");
        Ok(ControllerNode {
            stop_listening,
            listening,
            observing,
            quorum,
            _dirs: folders.dirs,
        })
    }

    /// Resolves when the metadata log has failed: then this process is of no use any more.
    pub async fn failed(&self) {
        self.quorum.handle().failed().await;
    }

    /// Answers nobody any more, and brings everything to the disk.
    pub async fn stop(mut self) {
        self.stop_listening.send_replace(true);
        while self.listening.join_next().await.is_some() {}
        self.observing.abort();
        if let Err(failure) = self.quorum.stop().await {
            error!("the metadata log was not closed: {failure}");
        }
    }
}
