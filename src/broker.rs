//! The only file that knows every room: builds a node, wires it, starts it, and stops it in reverse order.

mod changes;
mod controller;
mod folders;
mod registering;

use crate::api::context::Handles;
use crate::broker::changes::Changed;
use crate::broker::controller::ControllerNode;
use crate::broker::folders::Folders;
use crate::broker::registering::controller_endpoints;
use crate::broker::registering::register_controller;
use crate::broker::registering::registration;
use crate::clock::SharedClock;
use crate::clock::SystemClock;
use crate::config::BrokerConfig;
use crate::config::LiveConfig;
use crate::config::listener::Endpoint;
use crate::log::FailedDir;
use crate::log::LogDirs;
use crate::metadata::VersionRange;
use crate::net::buffers::Buffers;
use crate::net::connection::Limits;
use crate::net::listener;
use crate::net::listener::Listener;
use crate::net::listener::MostPerAddress;
use crate::observe::Logging;
use crate::protocol::features::Features;
use crate::replication::hosting::Hosting;
use crate::replication::session::Sessions;
use crate::runtime::controller_channel::ControllerChannel;
use crate::runtime::controller_channel::LocalChannel;
use crate::runtime::housekeeping;
use crate::runtime::lifecycle::Lifecycle;
use crate::runtime::metadata_store::MetadataStore;
use crate::runtime::metadata_store::StoreSettings;
use crate::runtime::observer::Observer;
use crate::runtime::observer::Published;
use crate::runtime::placing;
use crate::runtime::producer_ids::ProducerIds;
use crate::runtime::quorum::Identity;
use crate::runtime::quorum::Quorum;
use crate::runtime::quorum::QuorumHandle;
use crate::types::Timestamp;
use compact_str::CompactString;
use std::collections::HashMap;
use std::io;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::net::SocketAddr;
use std::net::ToSocketAddrs;
use std::path::Path;
use std::pin::Pin;
use std::pin::pin;
use std::sync::Arc;
use std::sync::RwLock;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::task::JoinSet;
use tracing::error;
use tracing::warn;

/// Fetch sessions unused for longer give way to others, as in Kafka.
const STALE_SESSION_MS: i64 = 120_000;

/// Why a node does not start, as one line for the person who started it.
pub type Failure = String;

/// Runs a node until it is told to stop.
pub fn run(config: BrokerConfig, logging: Logging) -> Result<(), Failure> {
    if !config.roles.controller {
        return Err("process.roles: a broker without a controller in the same process does not work so far".into());
    }
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads((2 * threads).max(4))
        .enable_all()
        .build()
        .map_err(|error| format!("no threads to work with: {error}"))?;
    let ended = runtime.block_on(async {
        // Heard from the first moment: whoever has read that this node listens may ask it to stop.
        let mut stop = pin!(signals()?);
        if !config.roles.broker {
            return run_controller(config, logging, stop).await;
        }
        let node = tokio::select! {
            node = Node::start(config, logging, threads) => node?,
            () = &mut stop => return Ok(()),
        };
        stop.await;
        node.stop().await;
        Ok(())
    });
    // Everything is on the disk; what idle threads still wait for is not worth waiting for.
    runtime.shutdown_background();
    ended
}

async fn run_controller(
    config: BrokerConfig,
    logging: Logging,
    mut stop: Pin<&mut impl Future<Output = ()>>,
) -> Result<(), Failure> {
    let node = tokio::select! {
        node = ControllerNode::start(config, logging) => node?,
        () = &mut stop => return Ok(()),
    };
    tokio::select! {
        () = stop => {}
        () = node.failed() => return Err("the metadata log failed".into()),
    }
    node.stop().await;
    Ok(())
}

/// Ends when somebody asks this process to stop.
fn signals() -> Result<impl Future<Output = ()>, Failure> {
    let listen = |kind| signal(kind).map_err(|error| format!("signals cannot be heard: {error}"));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// A node that serves.
struct Node {
    stop_listening: watch::Sender<bool>,
    stop_chores: watch::Sender<bool>,
    listening: JoinSet<()>,
    chores: JoinSet<()>,
    lifecycle: Arc<Lifecycle>,
    observing: JoinHandle<()>,
    quorum: Quorum,
    dirs: Arc<LogDirs>,
    clock: SharedClock,
    threads: usize,
    shutdown_patience: Duration,
}

impl Node {
    async fn start(config: BrokerConfig, logging: Logging, threads: usize) -> Result<Node, Failure> {
        crate::storage::limits::raise_open_files();
        let clock: SharedClock = Arc::new(SystemClock);
        let sockets = bind(&config)?;
        let folders = Folders::open(&config, clock.now())?;
        let quorum = start_quorum(&config, &folders, &sockets, &clock)?;
        let handle = quorum.handle();
        let hosting = Arc::new(Hosting::new(config.node_id, folders.dirs.clone(), clock.clone()));
        let published = Arc::new(Published::default());
        let channel: Arc<dyn ControllerChannel> = Arc::new(LocalChannel::new(handle.clone()));
        let handles = Arc::new(handles(
            &config,
            logging,
            &folders,
            &hosting,
            (&handle, &channel, &published, &clock),
        )?);
        let image = handle.committed_image();
        let finalized = image.features().map(|(name, level)| (name.as_str(), level));
        if let Some(line) = handles.features.not_served(finalized) {
            warn!("{line}");
        }
        load(&hosting, &handles, &image, (threads, clock.now())).await?;
        let listener = Changed::new(handles.clone());
        let observer = Observer::new(Arc::new(handle.clone()), Arc::new(listener), published.clone());
        let observing = tokio::spawn(observe(observer));
        register_controller(&handle, &config).await;
        let request = registration(&config, &handles, &folders, &sockets)?;
        let interval = Duration::from_millis(config.broker_heartbeat_interval_ms().max(1) as u64);
        let lifecycle = Lifecycle::start(request, interval, channel, published).await;
        let lifecycle = Arc::new(lifecycle.map_err(|refused| refused.to_string())?);
        if !lifecycle.ready().await {
            return Err("the controller stopped before this broker was ready".into());
        }
        let (stop_listening, stopping) = watch::channel(false);
        let announcement = announce(&config, &sockets);
        let listening = listen(sockets, &config, &handles, stopping);
        let (stop_chores, ending) = watch::channel(false);
        let chores = do_chores(&hosting, &handles, &lifecycle, ending);
        println!("{announcement}");
        Ok(Node {
            stop_listening,
            stop_chores,
            listening,
            chores,
            lifecycle,
            observing,
            quorum,
            dirs: folders.dirs,
            clock,
            threads,
            shutdown_patience: Duration::from_secs(5),
        })
    }

    /// Leaves the cluster, answers nobody any more, brings everything to the disk, and says so with the marker of a
    /// clean stop.
    async fn stop(mut self) {
        self.stop_chores.send_replace(true);
        while self.chores.join_next().await.is_some() {}
        let epoch = self.lifecycle.broker_epoch();
        if let Some(lifecycle) = Arc::into_inner(self.lifecycle) {
            lifecycle.shut_down(self.shutdown_patience).await;
        }
        self.stop_listening.send_replace(true);
        while self.listening.join_next().await.is_some() {}
        self.observing.abort();
        if let Err(failure) = self.quorum.stop().await {
            error!("the metadata log was not closed: {failure}");
        }
        let (dirs, threads, now) = (self.dirs, self.threads, self.clock.now());
        let closed = tokio::task::spawn_blocking(move || dirs.close_clean(epoch, threads, now));
        for failed in closed.await.unwrap_or_default() {
            error!(
                "log dir {} was not closed: {}",
                failed.dir.path().display(),
                failed.reason
            );
        }
    }
}

/// A socket and the listener that it belongs to.
struct Bound {
    socket: TcpListener,
    endpoint: Endpoint,
    controller: bool,
}

/// Opened before anything else, so that a taken port ends the start at once.
fn bind(config: &BrokerConfig) -> Result<Vec<Bound>, Failure> {
    let controllers = config.controller_listeners().map(|endpoint| (endpoint, true));
    let all = config
        .broker_listeners()
        .map(|endpoint| (endpoint, false))
        .chain(controllers);
    let mut bound = Vec::new();
    for (endpoint, controller) in all {
        if endpoint.protocol.uses_tls() || endpoint.protocol.uses_sasl() {
            let protocol = endpoint.protocol.name();
            return Err(format!(
                "listeners: {endpoint}: {protocol} is not supported yet, only PLAINTEXT is"
            ));
        }
        let backlog = config.socket_listen_backlog_size().max(1) as u32;
        let socket = open(endpoint, backlog)?;
        bound.push(Bound {
            socket,
            endpoint: endpoint.clone(),
            controller,
        });
    }
    Ok(bound)
}

/// Where to listen, the best first: without a host on every address of both families, with one preferably on IPv4,
/// which every client tries.
fn addresses(endpoint: &Endpoint) -> Result<Vec<SocketAddr>, Failure> {
    let port = u16::try_from(endpoint.port).unwrap_or(0);
    let Some(host) = endpoint.host.as_deref() else {
        let all: [IpAddr; 2] = [Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()];
        return Ok(all.map(|address| SocketAddr::new(address, port)).to_vec());
    };
    let found = (host, port).to_socket_addrs();
    let mut found: Vec<SocketAddr> = found
        .map_err(|error| format!("listeners: {endpoint}: {error}"))?
        .collect();
    found.sort_by_key(|address| !address.is_ipv4());
    Ok(found)
}

/// Opens the first address that this machine has.
fn open(endpoint: &Endpoint, backlog: u32) -> Result<TcpListener, Failure> {
    let mut failure = format!("listeners: {endpoint}: the host has no address");
    for address in addresses(endpoint)? {
        match listener::bind(address, backlog) {
            Ok(socket) => return Ok(socket),
            Err(error) => {
                failure = format!("listeners: {endpoint}: {error}");
                // Only a machine without this family of addresses is given another try.
                let missing = [io::ErrorKind::AddrNotAvailable, io::ErrorKind::Unsupported];
                if !missing.contains(&error.kind()) && error.raw_os_error() != Some(NO_SUCH_FAMILY) {
                    break;
                }
            }
        }
    }
    Err(failure)
}

/// EAFNOSUPPORT of Linux.
const NO_SUCH_FAMILY: i32 = 97;

fn start_quorum(
    config: &BrokerConfig,
    folders: &Folders,
    sockets: &[Bound],
    clock: &SharedClock,
) -> Result<Quorum, Failure> {
    let failed = |error: &dyn std::fmt::Display| format!("the metadata log in {}: {error}", folders.metadata.display());
    let opened = MetadataStore::open(
        folders.metadata_place(),
        StoreSettings::new(config),
        config.node_id,
        clock.now(),
    );
    let opened = opened.map_err(|error| failed(&error))?;
    opened.warnings.iter().for_each(|warning| warn!("{warning}"));
    // A new cluster has no partitions: without this they would all be set aside as nobody's.
    if opened.replay.image().metadata_version().is_none()
        && let Some(partition) = folders.dirs.any_partition()
    {
        let lost = format!("nothing is in it, yet {} is there; bring it back", partition.display());
        return Err(failed(&lost));
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
    Quorum::start(opened, identity, config, clock.clone()).map_err(|error| failed(&error))
}

/// Opens the logs that are there.
async fn load(
    hosting: &Arc<Hosting>,
    handles: &Arc<Handles>,
    image: &Arc<crate::metadata::Image>,
    (threads, now): (usize, Timestamp),
) -> Result<(), Failure> {
    let (hosting, config, image) = (hosting.clone(), handles.config(), image.clone());
    let loaded = tokio::task::spawn_blocking(move || hosting.load(&image, &config, threads, now)).await;
    loaded
        .map(|_| ())
        .map_err(|error| format!("the logs could not be opened: {error}"))
}

async fn observe(observer: Observer) {
    if let Err(error) = observer.run().await {
        error!("the metadata log cannot be followed any more: {error}");
        // What this broker would serve from now on could be wrong.
        std::process::exit(1);
    }
}

type Doors<'a> = (
    &'a QuorumHandle,
    &'a Arc<dyn ControllerChannel>,
    &'a Arc<Published>,
    &'a SharedClock,
);

fn handles(
    config: &BrokerConfig,
    logging: Logging,
    folders: &Folders,
    hosting: &Arc<Hosting>,
    (quorum, channel, published, clock): Doors<'_>,
) -> Result<Handles, Failure> {
    let slots = usize::try_from(config.values().int("max.incremental.fetch.session.cache.slots")).unwrap_or(0);
    Ok(Handles {
        node_id: config.node_id,
        cluster_id: folders.cluster_id.clone(),
        clock: clock.clone(),
        features: Features::new(config),
        kraft_version: quorum.status().kraft_version,
        replicas: hosting.replicas.clone(),
        hosting: hosting.clone(),
        sessions: Sessions::new(slots, STALE_SESSION_MS),
        producer_ids: ProducerIds::default(),
        loggers: Box::new(logging),
        published: published.clone(),
        live: RwLock::new(Arc::new(LiveConfig::new(config.clone()))),
        quorum: Some(quorum.clone()),
        channel: channel.clone(),
        session_seed: AtomicU64::new(u64::from_be_bytes(random())),
    })
}

fn listen(
    sockets: Vec<Bound>,
    config: &BrokerConfig,
    handles: &Arc<Handles>,
    stop: watch::Receiver<bool>,
) -> JoinSet<()> {
    let buffers = Arc::new(Buffers::default());
    let idle_ms = u64::try_from(config.connections_max_idle_ms()).unwrap_or(u64::MAX);
    let limits = Limits {
        largest_frame: usize::try_from(config.socket_request_max_bytes()).unwrap_or(0),
        idle: Duration::from_millis(idle_ms.min(u64::from(u32::MAX))),
    };
    let mut listening = JoinSet::new();
    for Bound {
        socket,
        endpoint,
        controller,
    } in sockets
    {
        let listener = Listener {
            name: endpoint.listener.as_str().into(),
            controller,
            limits,
            most_per_address: most_per_address(config),
        };
        listening.spawn(listener::serve(
            socket,
            Arc::new(listener),
            handles.clone(),
            buffers.clone(),
            stop.clone(),
        ));
    }
    listening
}

fn most_per_address(config: &BrokerConfig) -> MostPerAddress {
    let mut overrides = HashMap::new();
    for (host, most) in config.max_connections_per_ip_overrides() {
        let addresses = (host.as_str(), 0).to_socket_addrs().into_iter().flatten();
        overrides.extend(addresses.map(|address| (address.ip(), u32::try_from(most).unwrap_or(0))));
    }
    MostPerAddress {
        usual: u32::try_from(config.max_connections_per_ip()).unwrap_or(u32::MAX),
        overrides,
    }
}

fn do_chores(
    hosting: &Arc<Hosting>,
    handles: &Arc<Handles>,
    lifecycle: &Arc<Lifecycle>,
    stop: watch::Receiver<bool>,
) -> JoinSet<()> {
    let mut chores = JoinSet::new();
    let (failed, mut failures) = mpsc::channel::<FailedDir>(16);
    let config = {
        let handles = handles.clone();
        move || handles.config()
    };
    chores.spawn(housekeeping::run(
        hosting.clone(),
        config,
        handles.clock.clone(),
        failed,
        stop.clone(),
    ));
    let (published, channel) = (handles.published.clone(), handles.channel.clone());
    chores.spawn(placing::run(hosting.clone(), published, channel, stop));
    let (lifecycle, dirs) = (lifecycle.clone(), hosting.dirs.clone());
    chores.spawn(async move {
        while let Some(failed) = failures.recv().await {
            lifecycle.directories_failed(failed.dir.id().as_slice());
            if !dirs.dirs().iter().any(|dir| dir.is_online()) {
                error!("all log dirs are offline: nothing is left to serve");
                std::process::exit(1);
            }
        }
    });
    chores
}

fn announce(config: &BrokerConfig, sockets: &[Bound]) -> String {
    let told = sockets
        .iter()
        .filter(|bound| !(config.roles.broker && bound.controller))
        .filter_map(|bound| bound.socket.local_addr().ok());
    let told: Vec<String> = told.map(|address| address.to_string()).collect();
    let (id, told) = (config.node_id, told.join(", "));
    if !config.roles.broker {
        let data = config.metadata_log_dir();
        return format!("Ottla controller {id} listens on {told}, metadata in {data}, acknowledged from the disk");
    }
    let data = config.log_dirs().join(", ");
    format!("Ottla node {id} listens on {told}, data in {data}, acknowledged from the page cache, as Kafka does")
}

/// Bytes by chance; a machine that has none cannot be trusted with ids.
fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    if let Err(error) = getrandom::fill(&mut bytes) {
        error!("this machine gives no random bytes: {error}");
        std::process::exit(1);
    }
    bytes
}

/// A path that means the same wherever the process goes, as DescribeLogDirs tells it.
fn absolute(path: &str) -> std::path::PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| Path::new(path).to_path_buf())
}
