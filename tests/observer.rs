//! A broker's copy of the metadata log against Apache Kafka's own controller and broker.
//!
//! Takes a minute and JVMs, so it runs only when asked: `KAFKA=compat/kafka cargo test --test observer --
//! --test-threads 1`; with `KEEP=1` the folders stay. `KAFKA_VERSION` chooses the controllers' release.

use ottla::clock::SystemClock;
use ottla::config::BrokerConfig;
use ottla::config::voters::Address;
use ottla::log::Place;
use ottla::metadata::Changes;
use ottla::metadata::Image;
use ottla::peers::connection::Connection;
use ottla::runtime::metadata_log::MetadataLog;
use ottla::runtime::observer::ImageListener;
use ottla::runtime::observer::Observer;
use ottla::runtime::observer::Published;
use ottla::runtime::remote_log::RemoteHandle;
use ottla::runtime::remote_log::RemoteLog;
use ottla::runtime::remote_log::RemoteSettings;
use ottla::schema::create_topics_request::CreatableTopic;
use ottla::schema::create_topics_request::CreateTopicsRequest;
use ottla::schema::create_topics_response::CreateTopicsResponse;
use ottla::types::Uuid;
use std::path::Path;
use std::path::PathBuf;
use std::process::Child;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const PORT: i32 = 29_092;
const CONTROLLER_PORT: i32 = PORT + 1;
const OBSERVER_ID: i32 = 7;
const DIRECTORY: Uuid = Uuid([0x42; 16]);
const PATIENCE: Duration = Duration::from_secs(30);

struct Nobody;

impl ImageListener for Nobody {
    fn on_change(&self, _: &Arc<Image>, _: &Changes) {}
}

/// Kafka's nodes in a folder; they end with it.
struct Kafka {
    tool: PathBuf,
    folder: PathBuf,
}

impl Kafka {
    fn in_folder(name: &str) -> Option<Kafka> {
        let tool = std::fs::canonicalize(std::env::var_os("KAFKA")?).unwrap();
        let _ = tracing_subscriber::fmt().try_init();
        let folder = std::env::temp_dir().join(format!("ottla-observer-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Some(Kafka { tool, folder })
    }

    /// As many combined nodes; `None` unless somebody asked for this test.
    fn start(name: &str, nodes: usize) -> Option<Kafka> {
        let kafka = Kafka::in_folder(name)?;
        kafka.broker("start", &["--port", &PORT.to_string(), "--nodes", &nodes.to_string()]);
        Some(kafka)
    }

    /// One node whose only voter is in the configuration, as quorums were before their members could change.
    fn start_static(name: &str) -> Option<Kafka> {
        let kafka = Kafka::in_folder(name)?;
        let node = kafka.folder("kafka/node-1");
        let properties = node.join("server.properties");
        let text = format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.listener.names=CONTROLLER\n\
             listeners=PLAINTEXT://127.0.0.1:{PORT},CONTROLLER://127.0.0.1:{CONTROLLER_PORT}\n\
             controller.quorum.voters=1@127.0.0.1:{CONTROLLER_PORT}\nlog.dirs={}\n",
            node.join("data").display()
        );
        std::fs::write(&properties, text).unwrap();
        let id = "5hO2aO6bq5y_KaI2H4Gi3Q";
        kafka.run(&["cmd", "storage", "format", "-t", id, "-c", properties.to_str().unwrap()]);
        kafka.broker("start", &[]);
        Some(kafka)
    }

    fn folder(&self, name: &str) -> PathBuf {
        let path = self.folder.join(name);
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    fn run(&self, arguments: &[&str]) -> String {
        // The nodes may be of another release, the tools are the latest.
        let tool = Command::new(&self.tool)
            .args(arguments)
            .env_remove("KAFKA_VERSION")
            .output();
        let done = tool.unwrap();
        let (out, error) = (
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr),
        );
        assert!(done.status.success(), "{arguments:?}: {out} {error}");
        out.into_owned()
    }

    fn broker(&self, verb: &str, more: &[&str]) {
        let cluster = self.folder.join("kafka");
        let mut arguments = vec!["broker", verb, cluster.to_str().unwrap()];
        arguments.extend(more);
        // Whoever stays in the background keeps the pipe open, so nothing is read from it.
        let done = Command::new(&self.tool)
            .args(arguments)
            .stdout(std::process::Stdio::null())
            .status();
        assert!(done.unwrap().success(), "{verb}");
    }

    fn kill(&self, node: i32) {
        let pid = std::fs::read_to_string(self.folder.join(format!("kafka/node-{node}/pid"))).unwrap();
        let killed = Command::new("kill").args(["-9", pid.trim()]).status();
        assert!(killed.unwrap().success());
    }

    fn node(&self) -> PathBuf {
        self.folder.join("kafka/node-1")
    }

    fn cluster_id(&self) -> String {
        let meta = std::fs::read_to_string(self.node().join("data/meta.properties")).unwrap();
        let id = meta.lines().find_map(|line| line.strip_prefix("cluster.id="));
        id.unwrap().to_owned()
    }
}

impl Kafka {
    /// How a broker's configuration names the controllers.
    fn controllers(&self) -> String {
        let own = std::fs::read_to_string(self.node().join("server.properties")).unwrap();
        let voters = own.lines().find(|line| line.starts_with("controller.quorum.voters="));
        let servers = || format!("controller.quorum.bootstrap.servers=127.0.0.1:{CONTROLLER_PORT}");
        voters.map_or_else(servers, str::to_owned)
    }

    /// Apache Kafka's broker of the observer's number, on its folder.
    fn broker_on(&self, folder: &Path, cluster_id: &str) -> Broker {
        let meta = format!("version=1\ncluster.id={cluster_id}\nnode.id={OBSERVER_ID}\ndirectory.id={DIRECTORY}\n");
        std::fs::write(folder.join("meta.properties"), meta).unwrap();
        let properties = self.folder.join("broker.properties");
        let text = format!(
            "process.roles=broker\nnode.id={OBSERVER_ID}\nlisteners=PLAINTEXT://127.0.0.1:29097\n\
             controller.listener.names=CONTROLLER\nlog.dirs={}\n{}\n",
            folder.display(),
            self.controllers(),
        );
        std::fs::write(&properties, text).unwrap();
        let output = std::fs::File::create(self.folder.join("broker.log")).unwrap();
        let started = Command::new(&self.tool)
            .args(["run", "kafka.Kafka", properties.to_str().unwrap()])
            .env("LOG_LEVEL", "INFO")
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn();
        Broker(started.unwrap())
    }
}

struct Broker(Child);

impl Broker {
    /// As an operator does, so that it leaves the folder clean.
    fn stop(&mut self) {
        let asked = Command::new("kill").arg(self.0.id().to_string()).status();
        assert!(asked.unwrap().success());
        self.0.wait().unwrap();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Kafka {
    fn drop(&mut self) {
        let cluster = self.folder.join("kafka");
        let _ = Command::new(&self.tool)
            .args(["broker", "stop", cluster.to_str().unwrap()])
            .status();
        if std::env::var_os("KEEP").is_none() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}

struct Following {
    log: RemoteLog,
    published: Arc<Published>,
}

impl Following {
    fn start(folder: &Path, cluster_id: &str, more: &[(&str, &str)]) -> Following {
        let server = format!("127.0.0.1:{CONTROLLER_PORT}");
        let own = [
            ("node.id", "7"),
            ("process.roles", "broker"),
            ("controller.listener.names", "CONTROLLER"),
            ("listeners", "PLAINTEXT://127.0.0.1:29097"),
            ("controller.quorum.bootstrap.servers", server.as_str()),
        ];
        let all = own.iter().chain(more);
        let all = all.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let config = BrokerConfig::from_properties(&all.collect()).unwrap();
        let settings = RemoteSettings::new(&config, cluster_id, DIRECTORY);
        let place = Place::alone(folder.join("__cluster_metadata-0"), "__cluster_metadata", 0, Uuid::ONE);
        let log = RemoteLog::start(place, settings, Arc::new(SystemClock)).unwrap();
        let published = Arc::new(Published::default());
        let observer = Observer::new(Arc::new(log.handle()));
        tokio::spawn(observer.run(Arc::new(Nobody), published.clone()));
        Following { log, published }
    }

    fn handle(&self) -> RemoteHandle {
        self.log.handle()
    }

    async fn sees_topic(&self, name: &str) {
        let seen = self.published.wait_until(|image| image.topic_id(name));
        within(seen).await.expect("the log goes on");
    }
}

async fn within<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("in time")
}

async fn create(names: &[String]) {
    let address = Address {
        host: "127.0.0.1".into(),
        port: PORT,
    };
    let mut connection = Connection::open(&address, "test", PATIENCE).await.unwrap();
    let topics = names.iter().map(|name| CreatableTopic {
        name: name.as_str().into(),
        num_partitions: 2,
        replication_factor: 1,
        ..Default::default()
    });
    let request = CreateTopicsRequest {
        topics: topics.collect(),
        timeout_ms: 10_000,
        ..Default::default()
    };
    let answer: CreateTopicsResponse = connection.call(&request, 7, PATIENCE).await.unwrap();
    assert!(answer.topics.iter().all(|topic| topic.error_code == 0), "{answer:?}");
}

/// Everything but how far the log is, which goes on by itself.
fn same(one: &Image, other: &Image) -> bool {
    let mut other = other.clone();
    (other.offset, other.epoch) = (one.offset, one.epoch);
    *one == other
}

fn snapshots(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder.join("__cluster_metadata-0")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.ends_with(".checkpoint")).collect();
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_follows_kafkas_controller() {
    let Some(kafka) = Kafka::start("one", 1) else { return };
    let (a, b) = (kafka.folder("a"), kafka.folder("b"));
    let cluster_id = kafka.cluster_id();

    println!("from the log, then live");
    let often = [("metadata.log.max.record.bytes.between.snapshots", "2000")];
    let following = Following::start(&a, &cluster_id, &often);
    let first = within(following.handle().first_high_watermark()).await.unwrap();
    assert!(within(following.published.wait_for(first - 1)).await);
    assert!(following.published.image().broker(1).is_some());
    assert_eq!(following.handle().kraft_version(), 1);
    assert_eq!(snapshots(&a), Vec::<String>::new(), "Kafka had none to give");
    create(&["live".into()]).await;
    following.sees_topic("live").await;
    let leader = following.handle().leader().borrow().clone().unwrap();
    assert_eq!((leader.id, leader.address.port), (1, CONTROLLER_PORT));

    let controller = format!("127.0.0.1:{CONTROLLER_PORT}");
    let describe = [
        "cmd",
        "metadata-quorum",
        "--bootstrap-controller",
        &controller,
        "describe",
        "--replication",
    ];
    let described = kafka.run(&describe);
    let observers = described.lines().filter(|line| line.contains("Observer"));
    let own =
        observers.filter(|line| line.starts_with(&format!("{OBSERVER_ID}")) && line.contains(&DIRECTORY.to_string()));
    assert_eq!(own.count(), 1, "{described}");

    println!("over a restart of the controller");
    kafka.broker("stop", &[]);
    let properties = kafka.node().join("server.properties");
    let mut text = std::fs::read_to_string(&properties).unwrap();
    text.push_str("metadata.log.max.record.bytes.between.snapshots=1000\n");
    std::fs::write(&properties, text).unwrap();
    kafka.broker("start", &[]);
    let names: Vec<_> = (0..40).map(|number| format!("topic-{number}")).collect();
    create(&names).await;
    following.sees_topic("topic-39").await;
    let later = following.handle().leader().borrow().clone().unwrap();
    assert!(later.epoch > leader.epoch, "{later:?}");

    println!("from a snapshot, in small parts");
    let small = [("controller.quorum.fetch.snapshot.max.bytes", "512")];
    let second = Following::start(&b, &cluster_id, &small);
    let first = within(second.handle().first_high_watermark()).await.unwrap();
    assert!(within(second.published.wait_for(first - 1)).await);
    second.sees_topic("topic-39").await;
    assert_eq!(snapshots(&b).len(), 1, "what Kafka gave");
    assert!(same(&following.published.image(), &second.published.image()));
    assert!(!snapshots(&a).is_empty(), "its own");

    println!("once more on the same folder");
    let before = following.published.image();
    following.log.stop().await.unwrap();
    let following = Following::start(&a, &cluster_id, &often);
    let first = within(following.handle().first_high_watermark()).await.unwrap();
    assert!(within(following.published.wait_for(first - 1)).await);
    assert!(same(&before, &following.published.image()));
    create(&["between".into()]).await;
    following.sees_topic("between").await;
    second.sees_topic("between").await;
    following.log.stop().await.unwrap();
    second.log.stop().await.unwrap();

    println!("a Kafka broker goes on where it ended, and it where that ended");
    let second = Following::start(&b, &cluster_id, &small);
    let mut broker = kafka.broker_on(&a, &cluster_id);
    let registered = second.published.wait_until(|image| {
        let broker = image.broker(OBSERVER_ID)?;
        (!broker.fenced).then_some(())
    });
    within(registered).await.unwrap();
    create(&["while-kafka".into()]).await;
    second.sees_topic("while-kafka").await;
    broker.stop();
    let following = Following::start(&a, &cluster_id, &often);
    following.sees_topic("while-kafka").await;
    create(&["after".into()]).await;
    following.sees_topic("after").await;
    second.sees_topic("after").await;
    following.log.stop().await.unwrap();
    second.log.stop().await.unwrap();

    println!("Kafka reads what was written");
    for path in [&a, &b] {
        let metadata = path.join("__cluster_metadata-0");
        let mut files = Vec::new();
        for entry in std::fs::read_dir(&metadata).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|kind| kind == "log" || kind == "checkpoint")
            {
                files.push(path.to_str().unwrap().to_owned());
            }
        }
        let dumped = kafka.run(&[
            "cmd",
            "dump-log",
            "--cluster-metadata-decoder",
            "--files",
            &files.join(","),
        ]);
        assert!(dumped.contains("\"name\":\"after\"") && dumped.contains("SnapshotFooter"));
        println!(
            "{}: {files:?}",
            std::fs::read_to_string(metadata.join("quorum-state")).unwrap()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_goes_with_the_leader_of_several_controllers() {
    let Some(kafka) = Kafka::start("three", 3) else { return };
    let cluster_id = kafka.cluster_id();
    // One is not in the configuration: it is found through the others.
    let servers = format!("127.0.0.1:{},127.0.0.1:{}", PORT + 5, PORT + 4);
    let known = [("controller.quorum.bootstrap.servers", servers.as_str())];
    let following = Following::start(&kafka.folder("a"), &cluster_id, &known);
    within(following.handle().first_high_watermark()).await.unwrap();
    let mut leader = following.handle().leader();
    for number in 0..2 {
        let before = leader.borrow().clone().unwrap();
        println!("{before:?} is killed");
        kafka.kill(before.id);
        let moved = leader.wait_for(|now| {
            now.as_ref()
                .is_some_and(|now| now.id != before.id && now.epoch > before.epoch)
        });
        drop(within(moved).await.unwrap());
        kafka.broker("start", &[]);
        let name = format!("topic-{number}");
        create(std::slice::from_ref(&name)).await;
        following.sees_topic(&name).await;
    }
    following.log.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_follows_voters_of_its_configuration() {
    let Some(kafka) = Kafka::start_static("static") else {
        return;
    };
    let (a, cluster_id) = (kafka.folder("a"), kafka.cluster_id());
    let voters = format!("1@127.0.0.1:{CONTROLLER_PORT}");
    let known = [
        ("controller.quorum.bootstrap.servers", ""),
        ("controller.quorum.voters", voters.as_str()),
        ("metadata.log.max.record.bytes.between.snapshots", "1000"),
    ];
    for life in 0..3 {
        let following = Following::start(&a, &cluster_id, &known);
        let name = format!("topic-{life}");
        create(std::slice::from_ref(&name)).await;
        following.sees_topic(&name).await;
        assert_eq!(following.handle().kraft_version(), 0);
        // Without a stop it ends as if it had been killed.
        if life == 1 {
            following.log.stop().await.unwrap();
        }
    }
    let state = std::fs::read_to_string(a.join("__cluster_metadata-0/quorum-state")).unwrap();
    assert!(
        state.contains("\"currentVoters\":[{\"voterId\":1}],\"data_version\":0"),
        "{state}"
    );
    let mut broker = kafka.broker_on(&a, &cluster_id);
    let second = Following::start(&kafka.folder("b"), &cluster_id, &known);
    let registered = second.published.wait_until(|image| {
        let broker = image.broker(OBSERVER_ID)?;
        (!broker.fenced).then_some(())
    });
    within(registered).await.unwrap();
    broker.stop();
    second.log.stop().await.unwrap();
}
