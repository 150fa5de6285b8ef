//! A broker's copy of the metadata log against controllers that answer as a test wants them to.

use bytes::Bytes;
use ottla::clock::SystemClock;
use ottla::config::BrokerConfig;
use ottla::log::Place;
use ottla::metadata::MetadataRecord;
use ottla::metadata::MetadataVersion;
use ottla::protocol::header;
use ottla::protocol::header::Prefix;
use ottla::raft::entries::data_batch;
use ottla::runtime::metadata_log::MetadataLog;
use ottla::runtime::metadata_log::MetadataRead;
use ottla::runtime::remote_log::RemoteLog;
use ottla::runtime::remote_log::RemoteSettings;
use ottla::schema::Message;
use ottla::schema::api_versions_response::ApiVersion;
use ottla::schema::api_versions_response::ApiVersionsResponse;
use ottla::schema::fetch_request::FetchRequest;
use ottla::schema::fetch_response::FetchResponse;
use ottla::schema::fetch_response::FetchableTopicResponse;
use ottla::schema::fetch_response::LeaderIdAndEpoch;
use ottla::schema::fetch_response::NodeEndpoint;
use ottla::schema::fetch_response::PartitionData;
use ottla::schema::no_op_record::NoOpRecord;
use ottla::schema::wire::Reader;
use ottla::schema::writer::Records;
use ottla::types::LeaderEpoch;
use ottla::types::NodeId;
use ottla::types::Offset;
use ottla::types::Uuid;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::net::TcpStream;

const FETCH: i16 = 1;
const FETCH_SNAPSHOT: i16 = 59;
const NOT_LEADER: i16 = 6;
const PATIENCE: Duration = Duration::from_secs(30);

/// What a controller says to every fetch.
#[derive(Clone)]
struct Says {
    leader: (NodeId, LeaderEpoch),
    port: u16,
    leads: bool,
    batches: Vec<(Offset, Bytes)>,
    high_watermark: Offset,
    /// Where its log has the end of an epoch; -1 while nobody has more of it.
    diverging: (LeaderEpoch, Offset),
}

/// A controller on a port of its own; the tests change what it says.
struct Controller {
    port: u16,
    says: Arc<Mutex<Says>>,
}

impl Controller {
    async fn start(leader: (NodeId, LeaderEpoch)) -> Controller {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let says = Arc::new(Mutex::new(Says {
            leader,
            port,
            leads: true,
            batches: Vec::new(),
            high_watermark: -1,
            diverging: (-1, -1),
        }));
        let shared = says.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone()));
            }
        });
        Controller { port, says }
    }

    fn change(&self, change: impl FnOnce(&mut Says)) {
        change(&mut self.says.lock().unwrap());
    }
}

async fn serve(mut stream: TcpStream, says: Arc<Mutex<Says>>) {
    while let Ok(size) = stream.read_u32().await {
        let mut frame = vec![0; size as usize];
        stream.read_exact(&mut frame).await.unwrap();
        let prefix = Prefix::read(&frame).unwrap();
        let mut reader = Reader::new(Bytes::from(frame));
        let client = header::client_id(&mut reader, true).unwrap();
        assert_eq!(client.as_deref(), Some("raft-client-7"));
        let mut answer = prefix.correlation_id.to_be_bytes().to_vec();
        if prefix.key == FETCH {
            let request = FetchRequest::decode(&mut reader, prefix.version).unwrap();
            answer.push(0);
            let said = says.lock().unwrap().clone();
            answer.extend_from_slice(&fetched(&said, &request).to_bytes(prefix.version));
            tokio::time::sleep(Duration::from_millis(2)).await;
        } else {
            answer.extend_from_slice(&versions().to_bytes(prefix.version));
        }
        stream.write_u32(answer.len() as u32).await.unwrap();
        stream.write_all(&answer).await.unwrap();
    }
}

fn versions() -> ApiVersionsResponse {
    let api = |api_key, max_version| ApiVersion {
        api_key,
        min_version: 0,
        max_version,
    };
    ApiVersionsResponse {
        api_keys: vec![api(FETCH, 17), api(FETCH_SNAPSHOT, 1)],
        ..Default::default()
    }
}

fn fetched(says: &Says, request: &FetchRequest) -> FetchResponse {
    let position = &request.topics[0].partitions[0];
    let (leader_id, leader_epoch) = says.leader;
    let mut partition = PartitionData {
        high_watermark: -1,
        current_leader: LeaderIdAndEpoch {
            leader_id,
            leader_epoch,
        },
        ..Default::default()
    };
    if !says.leads || position.current_leader_epoch != leader_epoch {
        partition.error_code = NOT_LEADER;
    } else if position.last_fetched_epoch <= says.diverging.0 && position.fetch_offset > says.diverging.1 {
        (partition.diverging_epoch.epoch, partition.diverging_epoch.end_offset) = says.diverging;
    } else {
        let follow = says.batches.iter().filter(|(base, _)| *base >= position.fetch_offset);
        let bytes: Vec<u8> = follow.flat_map(|(_, bytes)| bytes.to_vec()).collect();
        partition.records = Some(Records::Bytes(bytes.into()));
        partition.high_watermark = says.high_watermark;
    }
    FetchResponse {
        responses: vec![FetchableTopicResponse {
            topic_id: Uuid::ONE,
            partitions: vec![partition],
            ..Default::default()
        }],
        node_endpoints: vec![NodeEndpoint {
            node_id: leader_id,
            host: "127.0.0.1".into(),
            port: says.port.into(),
            rack: None,
        }],
        ..Default::default()
    }
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("ottla-remote-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn follow(&self, servers: &[u16]) -> RemoteLog {
        let servers: Vec<_> = servers.iter().map(|port| format!("127.0.0.1:{port}")).collect();
        let own = [
            ("node.id", "7"),
            ("process.roles", "broker"),
            ("controller.listener.names", "CONTROLLER"),
            ("listeners", "PLAINTEXT://127.0.0.1:9092"),
            ("controller.quorum.bootstrap.servers", &servers.join(",")),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = BrokerConfig::from_properties(&own.into()).unwrap();
        let settings = RemoteSettings::new(&config, "cluster", Uuid([7; 16]));
        let place = Place::alone(self.0.join("__cluster_metadata-0"), "__cluster_metadata", 0, Uuid::ONE);
        RemoteLog::start(place, settings, Arc::new(SystemClock)).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn batch(base: Offset, epoch: LeaderEpoch) -> (Offset, Bytes) {
    let record = MetadataRecord::from(NoOpRecord::default()).encode(MetadataVersion::LATEST);
    (base, data_batch(base, epoch, 1_000, [record].iter()))
}

/// The offsets and epochs of all batches that can be read.
fn readable(log: &RemoteLog) -> Vec<(Offset, LeaderEpoch)> {
    match log.handle().read(0) {
        MetadataRead::Batches(batches) => batches.iter().map(|batch| (batch.base_offset, batch.epoch)).collect(),
        MetadataRead::Snapshot(_) => panic!("so little is not worth an image"),
    }
}

async fn committed(log: &RemoteLog, end: Offset) {
    let mut high_watermark = log.handle().high_watermark();
    let reached = high_watermark.wait_for(|known| *known >= end);
    tokio::time::timeout(PATIENCE, reached).await.unwrap().unwrap();
}

#[tokio::test]
async fn only_what_is_committed_can_be_read_and_the_rest_gives_way_to_the_next_leader() {
    let folder = Folder::new("leaders");
    let (one, two) = (Controller::start((1, 1)).await, Controller::start((2, 2)).await);
    let log = folder.follow(&[one.port]);
    one.change(|says| says.batches = vec![batch(0, 1), batch(1, 1), batch(2, 1)]);
    one.change(|says| says.high_watermark = 1);
    committed(&log, 1).await;
    assert_eq!(log.handle().first_high_watermark().await, Some(1));
    assert_eq!(readable(&log), [(0, 1)]);
    two.change(|says| says.batches = vec![batch(0, 1), batch(1, 1), batch(2, 2)]);
    // It never had what the first one wrote at offset 2.
    two.change(|says| says.diverging = (1, 2));
    two.change(|says| says.high_watermark = 3);
    // The first one stays, and says where to go.
    one.change(|says| (says.leads, says.leader, says.port) = (false, (2, 2), two.port));
    let mut leader = log.handle().leader();
    let moved = leader.wait_for(|leader| leader.as_ref().is_some_and(|leader| leader.id == 2));
    tokio::time::timeout(PATIENCE, moved).await.unwrap().unwrap();
    committed(&log, 3).await;
    assert_eq!(readable(&log), [(0, 1), (1, 1), (2, 2)]);
    log.stop().await.unwrap();
    let state = std::fs::read_to_string(folder.0.join("__cluster_metadata-0/quorum-state")).unwrap();
    assert!(state.contains("\"leaderId\":2,\"leaderEpoch\":2"), "{state}");
}

#[tokio::test]
async fn a_log_that_cannot_be_followed_ends_and_says_why() {
    let wanted = |log: RemoteLog| async move {
        let failed = log.handle().failed().await.to_string();
        let mut high_watermark = log.handle().high_watermark();
        while high_watermark.changed().await.is_ok() {}
        failed
    };
    let folder = Folder::new("unknown");
    let controller = Controller::start((1, 1)).await;
    let later = data_batch(1, 1, 1_000, [Bytes::from_static(&[1, 99, 3])].iter());
    controller.change(|says| says.batches = vec![batch(0, 1), (1, later)]);
    controller.change(|says| says.high_watermark = 2);
    let failed = tokio::time::timeout(PATIENCE, wanted(folder.follow(&[controller.port])));
    let failed = failed.await.unwrap();
    assert!(
        failed.contains("metadata record 99 version 3 is not known at 1"),
        "{failed}"
    );

    let folder = Folder::new("lost");
    let controller = Controller::start((1, 1)).await;
    controller.change(|says| says.batches = vec![batch(0, 1), batch(1, 1)]);
    controller.change(|says| says.high_watermark = 2);
    let log = folder.follow(&[controller.port]);
    committed(&log, 2).await;
    controller.change(|says| says.diverging = (1, 1));
    let failed = tokio::time::timeout(PATIENCE, wanted(log)).await.unwrap();
    assert!(failed.contains("everything below offset 2 was committed"), "{failed}");
}

#[tokio::test]
async fn nobody_there_is_no_reason_to_end() {
    let folder = Folder::new("nobody");
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = gone.local_addr().unwrap().port();
    drop(gone);
    let controller = Controller::start((1, 1)).await;
    controller.change(|says| (says.batches, says.high_watermark) = (vec![batch(0, 1)], 1));
    let log = folder.follow(&[port, controller.port]);
    committed(&log, 1).await;
    log.stop().await.unwrap();
    let again = folder.follow(&[port, controller.port]);
    committed(&again, 1).await;
    assert_eq!(readable(&again), [(0, 1)]);
    again.stop().await.unwrap();
}
