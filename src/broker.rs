//! The only file that knows every room: builds a node, wires it, starts it, and stops it in reverse order.

mod changes;
mod cluster;
mod folders;
mod registering;
mod sockets;

use crate::api::context::ControllerAt;
use crate::api::context::Handles;
use crate::broker::changes::Changed;
use crate::broker::cluster::Cluster;
use crate::broker::cluster::Engine;
use crate::broker::folders::Folders;
use crate::broker::registering::register_controller;
use crate::broker::registering::registration;
use crate::broker::sockets::Bound;
use crate::clock::SharedClock;
use crate::clock::SystemClock;
use crate::config::BrokerConfig;
use crate::config::LiveConfig;
use crate::log::FailedDir;
use crate::log::LogDirs;
use crate::metadata::Image;
use crate::net::buffers::Buffers;
use crate::net::connection::Limits;
use crate::net::listener;
use crate::net::listener::Listener;
use crate::net::listener::MostPerAddress;
use crate::observe::Logging;
use crate::protocol::features::Features;
use crate::replication::hosting::Hosting;
use crate::replication::session::Sessions;
use crate::runtime::cleaning;
use crate::runtime::controller_channel::ControllerChannel;
use crate::runtime::groups::GroupCoordinators;
use crate::runtime::housekeeping;
use crate::runtime::lifecycle::Lifecycle;
use crate::runtime::lifecycle::NotRegistered;
use crate::runtime::lifecycle::Timing;
use crate::runtime::metadata_log::MetadataLog;
use crate::runtime::observer::Observer;
use crate::runtime::observer::Published;
use crate::runtime::placing;
use crate::runtime::producer_ids::ProducerIds;
use crate::schema::broker_registration_request::BrokerRegistrationRequest;
use crate::types::Timestamp;
use crate::types::Uuid;
use std::collections::HashMap;
use std::net::ToSocketAddrs;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio::time::timeout_at;
use tracing::error;
use tracing::warn;

/// Fetch sessions unused for longer give way to others, as in Kafka.
const STALE_SESSION_MS: i64 = 120_000;
/// How long a broker that stops waits for the controller to let it go.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(5);

/// Why a node does not start, as one line for the person who started it.
pub type Failure = String;

/// Runs a node until it is told to stop.
pub fn run(config: BrokerConfig, logging: Logging) -> Result<(), Failure> {
    let threads = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads((2 * threads).max(4))
        .enable_all()
        .build()
        .map_err(|error| format!("no threads to work with: {error}"))?;
    let ended = runtime.block_on(async {
        // Heard from the first moment: whoever has read that this node listens may ask it to stop.
        let mut stop = pin!(signals()?);
        let node = tokio::select! {
            node = Node::start(config, logging, threads) => node?,
            () = &mut stop => return Ok(()),
        };
        tokio::select! {
            () = stop => node.stop().await,
            failure = node.engine.failed() => return Err(failure),
        }
        Ok(())
    });
    // Everything is on the disk; what idle threads still wait for is not worth waiting for.
    runtime.shutdown_background();
    ended
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
    listening: JoinSet<()>,
    /// Not in a node that only is a controller.
    broker: Option<Broker>,
    observing: JoinHandle<()>,
    engine: Engine,
    dirs: Arc<LogDirs>,
    clock: SharedClock,
    threads: usize,
}

/// What a node has because it is a broker.
struct Broker {
    lifecycle: Arc<Lifecycle>,
    stop_chores: watch::Sender<bool>,
    chores: JoinSet<()>,
    groups: Arc<GroupCoordinators>,
}

impl Node {
    async fn start(config: BrokerConfig, logging: Logging, threads: usize) -> Result<Node, Failure> {
        crate::storage::limits::raise_open_files();
        let clock: SharedClock = Arc::new(SystemClock);
        let timing = timing(&config);
        let sockets = sockets::bind(&config)?;
        let folders = Folders::open(&config, clock.now())?;
        let Cluster {
            log,
            controller,
            channel,
            engine,
        } = Cluster::start(&config, &folders, &sockets, &clock)?;
        let hosting = Arc::new(Hosting::new(config.node_id, folders.dirs.clone(), clock.clone()));
        let handles = Arc::new(handles(
            &config,
            logging,
            &folders,
            &hosting,
            (log.clone(), controller, channel.clone(), clock.clone()),
        ));
        let mut observer = Observer::new(log);
        let image = tokio::select! {
            image = catch_up(&mut observer, timing.register_until) => image?,
            failure = engine.failed() => return Err(failure),
        };
        if config.roles.broker {
            let finalized = image.features().map(|(name, level)| (name.as_str(), level));
            if let Some(line) = handles.features.not_served(finalized) {
                warn!("{line}");
            }
            load(&hosting, &handles, &image, (threads, clock.now())).await?;
        }
        let observing = tokio::spawn(observe(observer, handles.clone()));
        handles.published.wait_for(image.offset).await;
        if let Engine::Leads(quorum) = &engine {
            register_controller(&quorum.handle(), &config).await;
            // Whoever connects finds the controller in its own cluster.
            let end = quorum.handle().status().high_watermark;
            handles.published.wait_for(end - 1).await;
        }
        let broker = match config.roles.broker {
            true => {
                let request = registration(&config, &handles, &folders, &sockets)?;
                Some(Broker::start(&config, request, timing, channel, &handles).await?)
            }
            false => None,
        };
        let (stop_listening, stopping) = watch::channel(false);
        let announcement = announce(&config, &sockets);
        let listening = listen(sockets, &config, &handles, stopping);
        println!("{announcement}");
        Ok(Node {
            stop_listening,
            listening,
            broker,
            observing,
            engine,
            dirs: folders.dirs,
            clock,
            threads,
        })
    }

    /// Leaves the cluster, answers nobody any more, brings everything to the disk, and says so with the marker of a
    /// clean stop.
    async fn stop(mut self) {
        let epoch = match self.broker {
            Some(broker) => Some(broker.stop().await),
            None => None,
        };
        self.stop_listening.send_replace(true);
        while self.listening.join_next().await.is_some() {}
        self.observing.abort();
        self.engine.stop().await;
        let Some(epoch) = epoch else { return };
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

impl Broker {
    /// Resolves once the broker is unfenced.
    async fn start(
        config: &BrokerConfig,
        request: BrokerRegistrationRequest,
        timing: Timing,
        channel: Arc<dyn ControllerChannel>,
        handles: &Arc<Handles>,
    ) -> Result<Broker, Failure> {
        let lifecycle = Lifecycle::start(request, timing, channel, handles.published.clone());
        let lifecycle = lifecycle.await.map_err(|refused| refusal(refused, config, handles))?;
        let lifecycle = Arc::new(lifecycle);
        if !lifecycle.ready().await {
            return Err("the controller stopped before this broker was ready".into());
        }
        let (stop_chores, ending) = watch::channel(false);
        let chores = do_chores(&handles.hosting, handles, &lifecycle, ending);
        Ok(Broker {
            lifecycle,
            stop_chores,
            chores,
            groups: handles.groups.clone(),
        })
    }

    /// Hands over what it leads; returns its epoch, for the marker of a clean stop.
    async fn stop(mut self) -> i64 {
        self.stop_chores.send_replace(true);
        while self.chores.join_next().await.is_some() {}
        let epoch = self.lifecycle.broker_epoch();
        if let Some(lifecycle) = Arc::into_inner(self.lifecycle) {
            lifecycle.shut_down(SHUTDOWN_PATIENCE).await;
        }
        // Nothing is written any more once the logs are closed.
        self.groups.stop();
        epoch
    }
}

/// Why this broker cannot join, and what to do about it.
fn refusal(refused: NotRegistered, config: &BrokerConfig, handles: &Handles) -> Failure {
    let image = handles.image();
    let finalized = image.features().map(|(name, level)| (name.as_str(), level));
    let advice = match (refused, config.quorum_addresses().first()) {
        (NotRegistered::Unsupported, Some(controller)) => {
            let controller = format!("{}:{}", controller.host, controller.port);
            handles.features.how_to_join(finalized, &controller)
        }
        _ => None,
    };
    advice.unwrap_or_else(|| refused.to_string())
}

fn timing(config: &BrokerConfig) -> Timing {
    let milliseconds = |count: i32| Duration::from_millis(u64::try_from(count).unwrap_or(0));
    Timing {
        heartbeat_interval: milliseconds(config.broker_heartbeat_interval_ms().max(1)),
        register_until: Instant::now() + milliseconds(config.initial_broker_registration_timeout_ms()),
    }
}

/// The cluster as it was when its log could first be read to the end.
async fn catch_up(observer: &mut Observer, until: Instant) -> Result<Arc<Image>, Failure> {
    match timeout_at(until, observer.catch_up()).await {
        Ok(Ok(Some(image))) => Ok(image),
        Ok(Ok(None)) => Err("the metadata log ended before this node had read it".into()),
        Ok(Err(error)) => Err(format!("the metadata log cannot be followed: {error}")),
        Err(_) => Err(NotRegistered::TooLate.to_string()),
    }
}

/// Opens the logs that are there.
async fn load(
    hosting: &Arc<Hosting>,
    handles: &Arc<Handles>,
    image: &Arc<Image>,
    (threads, now): (usize, Timestamp),
) -> Result<(), Failure> {
    let (hosting, config, image) = (hosting.clone(), handles.config(), image.clone());
    let loaded = tokio::task::spawn_blocking(move || hosting.load(&image, &config, threads, now)).await;
    loaded
        .map(|_| ())
        .map_err(|error| format!("the logs could not be opened: {error}"))
}

async fn observe(observer: Observer, handles: Arc<Handles>) {
    let listener = Arc::new(Changed::new(handles.clone()));
    if let Err(error) = observer.run(listener, handles.published.clone()).await {
        error!("the metadata log cannot be followed any more: {error}");
        // What this node would serve from now on could be wrong.
        std::process::exit(1);
    }
}

type Doors = (
    Arc<dyn MetadataLog>,
    ControllerAt,
    Arc<dyn ControllerChannel>,
    SharedClock,
);

fn handles(
    config: &BrokerConfig,
    logging: Logging,
    folders: &Folders,
    hosting: &Arc<Hosting>,
    (log, controller, channel, clock): Doors,
) -> Handles {
    let slots = usize::try_from(config.values().int("max.incremental.fetch.session.cache.slots")).unwrap_or(0);
    let published = Arc::new(Published::default());
    let live = Arc::new(RwLock::new(Arc::new(LiveConfig::new(config.clone()))));
    let current = live.clone();
    let groups = GroupCoordinators::new(
        config.node_id,
        hosting.replicas.clone(),
        published.clone(),
        move || {
            let live = current.read().unwrap_or_else(PoisonError::into_inner);
            live.current().clone()
        },
        clock.clone(),
    );
    Handles {
        node_id: config.node_id,
        cluster_id: folders.cluster_id.clone(),
        clock,
        features: Features::new(config),
        log,
        replicas: hosting.replicas.clone(),
        hosting: hosting.clone(),
        sessions: Sessions::new(slots, STALE_SESSION_MS),
        producer_ids: ProducerIds::default(),
        loggers: Box::new(logging),
        published,
        live,
        controller,
        channel,
        groups: Arc::new(groups),
        fresh_id: || Uuid::from_random(random()),
        session_seed: AtomicU64::new(u64::from_be_bytes(random())),
    }
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
        config.clone(),
        handles.clock.clone(),
        failed.clone(),
        stop.clone(),
    ));
    chores.spawn(cleaning::run(
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
        .filter(|bound| bound.controller != config.roles.broker)
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
