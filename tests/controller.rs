//! A controller in a process of its own, as those see it who follow its log: brokers and other controllers.

#[allow(dead_code, reason = "each test uses its part of what they share")]
mod support;

use crate::support::Broker;
use crate::support::Start;
use crate::support::TestFolder;
use crate::support::client::Client;
use bytes::Bytes;
use ottla::protocol::header;
use ottla::protocol::header::Prefix;
use ottla::protocol::principal::Principal;
use ottla::record::batch::batches;
use ottla::schema::Message;
use ottla::schema::allocate_producer_ids_request::AllocateProducerIdsRequest;
use ottla::schema::allocate_producer_ids_response::AllocateProducerIdsResponse;
use ottla::schema::api_versions_request::ApiVersionsRequest;
use ottla::schema::api_versions_response::ApiVersionsResponse;
use ottla::schema::begin_quorum_epoch_request as begin;
use ottla::schema::begin_quorum_epoch_request::BeginQuorumEpochRequest;
use ottla::schema::begin_quorum_epoch_response::BeginQuorumEpochResponse;
use ottla::schema::broker_heartbeat_request::BrokerHeartbeatRequest;
use ottla::schema::broker_heartbeat_response::BrokerHeartbeatResponse;
use ottla::schema::broker_registration_request as registration;
use ottla::schema::broker_registration_request::BrokerRegistrationRequest;
use ottla::schema::broker_registration_response::BrokerRegistrationResponse;
use ottla::schema::create_topics_request as create;
use ottla::schema::create_topics_request::CreateTopicsRequest;
use ottla::schema::create_topics_response::CreateTopicsResponse;
use ottla::schema::describe_cluster_request::DescribeClusterRequest;
use ottla::schema::describe_cluster_response::DescribeClusterResponse;
use ottla::schema::describe_quorum_request as quorum;
use ottla::schema::describe_quorum_request::DescribeQuorumRequest;
use ottla::schema::describe_quorum_response::DescribeQuorumResponse;
use ottla::schema::end_quorum_epoch_request as end;
use ottla::schema::end_quorum_epoch_request::EndQuorumEpochRequest;
use ottla::schema::end_quorum_epoch_response::EndQuorumEpochResponse;
use ottla::schema::envelope_request::EnvelopeRequest;
use ottla::schema::envelope_response::EnvelopeResponse;
use ottla::schema::fetch_request as fetch;
use ottla::schema::fetch_request::FetchRequest;
use ottla::schema::fetch_response::FetchResponse;
use ottla::schema::fetch_response::PartitionData;
use ottla::schema::fetch_snapshot_request as snapshot;
use ottla::schema::fetch_snapshot_request::FetchSnapshotRequest;
use ottla::schema::fetch_snapshot_response::FetchSnapshotResponse;
use ottla::schema::fetch_snapshot_response::PartitionSnapshot;
use ottla::schema::vote_request as vote;
use ottla::schema::vote_request::VoteRequest;
use ottla::schema::vote_response::VoteResponse;
use ottla::schema::wire::Reader;
use ottla::schema::writer::Records;
use ottla::types::Uuid;

const CLUSTER: &str = "bW9ja2NsdXN0ZXJpZDEyMw";
const DIRECTORY: Uuid = Uuid([0x42; 16]);
const TOPIC: &str = "__cluster_metadata";

fn with_settings(folder: &TestFolder) -> Start {
    Start::bare()
        .set("process.roles", "controller")
        .set("node.id", "100")
        .set("controller.listener.names", "CONTROLLER,SECOND")
        .set("listeners", "CONTROLLER://127.0.0.1:0,SECOND://127.0.0.1:0")
        .set(
            "listener.security.protocol.map",
            "CONTROLLER:PLAINTEXT,SECOND:PLAINTEXT",
        )
        .set("controller.quorum.bootstrap.servers", "127.0.0.1:1")
        // The log grows only when somebody wants something.
        .set("metadata.max.idle.interval.ms", "0")
        .set("log.dirs", &folder.join("data").display().to_string())
}

fn format(folder: &TestFolder) {
    let file = folder.join("server.properties");
    let text = format!(
        "process.roles=controller\nnode.id=100\ncontroller.listener.names=CONTROLLER\n\
         listeners=CONTROLLER://127.0.0.1:1\ncontroller.quorum.bootstrap.servers=127.0.0.1:1\nlog.dirs={}\n",
        folder.join("data").display()
    );
    std::fs::write(&file, text).unwrap();
    let arguments = ["storage", "format", "-t", CLUSTER, "--standalone", "-c"];
    let start = arguments.iter().fold(Start::bare(), |start, text| start.argument(text));
    let output = start.argument(&file.display().to_string()).run();
    assert!(output.status.success(), "{output:?}");
}

fn connect(node: &Broker) -> Client {
    Client::connect(node.address()).unwrap()
}

fn started(folder: &TestFolder) -> (Broker, Client) {
    format(folder);
    let node = with_settings(folder).start();
    let client = connect(&node);
    (node, client)
}

/// What an observer with an empty log asks first, once it knows the leader.
fn fetch_from(offset: i64, last_fetched_epoch: i32, current_leader_epoch: i32) -> FetchRequest {
    let partition = fetch::FetchPartition {
        fetch_offset: offset,
        last_fetched_epoch,
        current_leader_epoch,
        replica_directory_id: DIRECTORY,
        ..Default::default()
    };
    FetchRequest {
        cluster_id: Some(CLUSTER.into()),
        replica_state: fetch::ReplicaState {
            replica_id: 1,
            replica_epoch: -1,
        },
        max_bytes: 1 << 20,
        session_epoch: -1,
        topics: vec![fetch::FetchTopic {
            topic_id: Uuid::ONE,
            partitions: vec![partition],
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn ask(client: &mut Client, version: i16, request: &FetchRequest) -> (FetchResponse, PartitionData) {
    let answer: FetchResponse = client.call(version, request).unwrap();
    let partition = answer.responses.first().and_then(|topic| topic.partitions.first());
    let partition = partition.cloned().unwrap_or_default();
    (answer, partition)
}

fn bytes(records: Option<Records>) -> Bytes {
    match records {
        Some(Records::Bytes(bytes)) => bytes,
        other => panic!("no records: {other:?}"),
    }
}

fn register(client: &mut Client, change: impl FnOnce(&mut BrokerRegistrationRequest)) -> BrokerRegistrationResponse {
    let feature = |(name, min, max): (&str, i16, i16)| registration::Feature {
        name: name.into(),
        min_supported_version: min,
        max_supported_version: max,
    };
    let features = [
        ("metadata.version", 7, 30),
        ("kraft.version", 0, 1),
        ("eligible.leader.replicas.version", 0, 1),
        ("group.version", 0, 1),
    ];
    let mut request = BrokerRegistrationRequest {
        broker_id: 1,
        cluster_id: CLUSTER.into(),
        incarnation_id: Uuid([1; 16]),
        listeners: vec![registration::Listener {
            name: "PLAINTEXT".into(),
            host: "localhost".into(),
            port: 9092,
            security_protocol: 0,
        }],
        features: features.map(feature).into(),
        log_dirs: vec![DIRECTORY],
        ..Default::default()
    };
    change(&mut request);
    client.call(4, &request).unwrap()
}

fn beat(
    client: &mut Client,
    broker_epoch: i64,
    change: impl FnOnce(&mut BrokerHeartbeatRequest),
) -> BrokerHeartbeatResponse {
    let mut request = BrokerHeartbeatRequest {
        broker_id: 1,
        broker_epoch,
        current_metadata_offset: broker_epoch + 1_000,
        ..Default::default()
    };
    change(&mut request);
    client.call(1, &request).unwrap()
}

fn topic(name: &str) -> CreateTopicsRequest {
    CreateTopicsRequest {
        topics: vec![create::CreatableTopic {
            name: name.into(),
            num_partitions: 1,
            replication_factor: 1,
            ..Default::default()
        }],
        timeout_ms: 10_000,
        ..Default::default()
    }
}

fn unfenced_broker(client: &mut Client) -> i64 {
    let epoch = register(client, |_| ()).broker_epoch;
    assert!(!beat(client, epoch, |_| ()).is_fenced);
    epoch
}

fn described(client: &mut Client) -> DescribeQuorumResponse {
    let request = DescribeQuorumRequest {
        topics: vec![quorum::TopicData {
            topic_name: TOPIC.into(),
            partitions: vec![quorum::PartitionData { partition_index: 0 }],
        }],
    };
    client.call(2, &request).unwrap()
}

#[test]
fn an_unformatted_folder_ends_the_start_and_a_stop_is_clean() {
    let folder = TestFolder::make();
    let output = with_settings(&folder).run();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("No `meta.properties` found in "), "{said}");
    let (node, _) = started(&folder);
    assert!(node.stop().0);
}

#[test]
fn a_follower_gets_the_log_and_is_listed_with_how_far_it_came() {
    let folder = TestFolder::make();
    let (_node, mut client) = started(&folder);
    let (answer, first) = ask(&mut client, 17, &fetch_from(0, 0, 1));
    assert_eq!((answer.error_code, first.error_code), (0, 0));
    assert_eq!(
        (first.current_leader.leader_id, first.current_leader.leader_epoch),
        (100, 1)
    );
    let endpoint = &answer.node_endpoints[0];
    assert_eq!((endpoint.node_id, endpoint.host.as_str()), (100, "127.0.0.1"));
    assert_eq!(endpoint.port, i32::from(client.stream.peer_addr().unwrap().port()));
    let records = bytes(first.records);
    let found: Vec<_> = batches(&records).map(|batch| batch.header).collect();
    assert!(found[0].is_control(), "an epoch begins with who leads it");
    assert_eq!(found.last().unwrap().next_offset(), first.high_watermark);

    let mut at_end = fetch_from(first.high_watermark, 1, 1);
    let (_, nothing) = ask(&mut client, 18, &at_end);
    assert_eq!((nothing.error_code, nothing.high_watermark), (0, first.high_watermark));
    assert!(bytes(nothing.records).is_empty());
    let answer = described(&mut client);
    let partition = &answer.topics[0].partitions[0];
    assert_eq!((partition.leader_id, partition.current_voters.len()), (100, 1));
    let observer = &partition.observers[0];
    assert_eq!((observer.replica_id, observer.replica_directory_id), (1, DIRECTORY));
    assert_eq!(observer.log_end_offset, first.high_watermark);
    assert_eq!(observer.last_caught_up_timestamp, observer.last_fetch_timestamp);
    assert_eq!(answer.nodes[0].listeners.len(), 2);

    // A replica with an older high watermark hears of the later one at once, and one that has it waits for news.
    at_end.max_wait_ms = 60_000;
    at_end.topics[0].partitions[0].high_watermark = first.high_watermark - 1;
    let (_, told) = ask(&mut client, 18, &at_end);
    assert_eq!(told.high_watermark, first.high_watermark);
    at_end.topics[0].partitions[0].high_watermark = first.high_watermark;
    let address = client.stream.peer_addr().unwrap();
    let other = std::thread::spawn(move || {
        let mut other = Client::connect(("127.0.0.1", address.port())).unwrap();
        register(&mut other, |_| ()).error_code
    });
    let (_, news) = ask(&mut client, 18, &at_end);
    assert!(news.high_watermark > first.high_watermark);
    assert!(!bytes(news.records).is_empty());
    assert_eq!(other.join().unwrap(), 0);
}

#[test]
fn what_no_follower_asks_is_refused_where_kafka_refuses_it() {
    let folder = TestFolder::make();
    let (_node, mut client) = started(&folder);
    type Change = fn(&mut FetchRequest);
    let cases: [(&str, i16, Change, (i16, i16)); 11] = [
        (
            "another cluster",
            17,
            |all| all.cluster_id = Some("other".into()),
            (104, 0),
        ),
        ("no cluster", 17, |all| all.cluster_id = None, (0, 0)),
        ("another topic", 17, |all| all.topics[0].topic_id = Uuid::ZERO, (42, 0)),
        (
            "another partition",
            17,
            |all| all.topics[0].partitions[0].partition = 1,
            (42, 0),
        ),
        ("no topic", 17, |all| all.topics.clear(), (42, 0)),
        ("a topic by name", 12, |all| all.topics[0].topic = TOPIC.into(), (42, 0)),
        (
            "an epoch of the past",
            17,
            |all| all.topics[0].partitions[0].current_leader_epoch = 0,
            (0, 74),
        ),
        (
            "an epoch to come",
            17,
            |all| all.topics[0].partitions[0].current_leader_epoch = 9,
            (0, 75),
        ),
        (
            "records later than the leader",
            17,
            |all| all.topics[0].partitions[0].last_fetched_epoch = 9,
            (0, 42),
        ),
        (
            "before the beginning",
            17,
            |all| all.topics[0].partitions[0].fetch_offset = -1,
            (0, 42),
        ),
        (
            "as the leader itself",
            17,
            |all| all.replica_state.replica_id = 100,
            (0, -1),
        ),
    ];
    for (case, version, change, expected) in cases {
        let mut request = fetch_from(0, 0, 1);
        change(&mut request);
        let (answer, partition) = ask(&mut client, version, &request);
        assert_eq!((answer.error_code, partition.error_code), expected, "{case}");
        if expected.1 != 0 {
            assert_eq!(partition.high_watermark, -1, "{case}");
            assert_eq!(partition.current_leader.leader_id, 100, "{case}");
            assert_eq!(answer.node_endpoints.len(), 1, "{case}");
        }
    }
}

#[test]
fn a_follower_that_went_astray_is_told_where_to_truncate() {
    let folder = TestFolder::make();
    let (node, mut client) = started(&folder);
    let (_, first) = ask(&mut client, 17, &fetch_from(0, 0, 1));
    let end = first.high_watermark;
    node.kill();
    let node = with_settings(&folder).start();
    let mut client = connect(&node);
    for (case, offset, epoch, expected) in [
        ("in step", end, 1, (-1, -1)),
        ("more of an epoch than there was", end + 5, 1, (1, end)),
        ("nothing yet", 0, 0, (-1, -1)),
    ] {
        let (_, partition) = ask(&mut client, 17, &fetch_from(offset, epoch, 2));
        let diverging = &partition.diverging_epoch;
        assert_eq!((diverging.epoch, diverging.end_offset), expected, "{case}");
        assert_eq!(partition.error_code, 0, "{case}");
        assert_eq!(bytes(partition.records).is_empty(), expected.0 >= 0, "{case}");
    }
}

/// A piece of a snapshot.
fn piece(client: &mut Client, (end_offset, epoch): (i64, i32), position: i64, leader_epoch: i32) -> PartitionSnapshot {
    let request = FetchSnapshotRequest {
        cluster_id: Some(CLUSTER.into()),
        replica_id: 1,
        max_bytes: 100,
        topics: vec![snapshot::TopicSnapshot {
            name: TOPIC.into(),
            partitions: vec![snapshot::PartitionSnapshot {
                current_leader_epoch: leader_epoch,
                snapshot_id: snapshot::SnapshotId { end_offset, epoch },
                position,
                ..Default::default()
            }],
        }],
    };
    let answer: FetchSnapshotResponse = client.call(1, &request).unwrap();
    assert_eq!((answer.error_code, answer.node_endpoints[0].node_id), (0, 100));
    answer.topics[0].partitions[0].clone()
}

#[test]
fn a_follower_with_nothing_takes_the_snapshot_piece_by_piece() {
    let folder = TestFolder::make();
    format(&folder);
    let settings = with_settings(&folder).set("metadata.log.max.record.bytes.between.snapshots", "1");
    let node = settings.start();
    let mut client = connect(&node);
    // It is taken in the background.
    let id = loop {
        let (_, partition) = ask(&mut client, 17, &fetch_from(0, 0, 1));
        let id = (partition.snapshot_id.end_offset, partition.snapshot_id.epoch);
        if id.0 >= 0 {
            assert!(bytes(partition.records).is_empty());
            break id;
        }
        std::thread::yield_now();
    };
    let mut whole = Vec::new();
    loop {
        let piece = piece(&mut client, id, whole.len() as i64, 1);
        assert_eq!((piece.error_code, piece.position), (0, whole.len() as i64));
        let Records::Bytes(bytes) = &piece.unaligned_records else {
            panic!("bytes were to come")
        };
        assert!((1..=100).contains(&bytes.len()));
        whole.extend_from_slice(bytes);
        if whole.len() as i64 == piece.size {
            break;
        }
    }
    assert!(batches(&whole).count() >= 3, "a header, records, a footer");
    let size = whole.len() as i64;
    for (case, id, position, leader_epoch, expected) in [
        ("behind the end", id, size, 1, 99),
        ("before the beginning", id, -1, 1, 99),
        ("none of ours", (id.0 + 100, id.1), 0, 1, 98),
        ("what formatting left", (0, 0), 0, 1, 98),
        ("an epoch of the past", id, 0, 0, 74),
        ("an epoch to come", id, 0, 2, 75),
    ] {
        let refused = piece(&mut client, id, position, leader_epoch);
        assert_eq!(refused.error_code, expected, "{case}");
        assert_eq!(refused.current_leader.leader_id, 100, "{case}");
    }
}

#[test]
fn the_only_voter_grants_no_vote_and_says_who_leads() {
    let folder = TestFolder::make();
    let (_node, mut client) = started(&folder);
    let voters = &described(&mut client).topics[0].partitions[0].current_voters;
    let own = voters[0].replica_directory_id;
    for (case, voter, directory, (epoch, last_epoch, candidate), pre_vote, expected) in [
        ("a candidate", 100, own, (2, 1, 2), false, 0),
        ("one that only asks", 100, own, (1, 1, 2), true, 0),
        ("an epoch of the past", 100, own, (0, 0, 2), true, 74),
        ("nobody", 100, own, (2, 1, -1), false, 42),
        ("records of its own epoch", 100, own, (2, 2, 2), false, 42),
        ("meant for another node", 99, own, (2, 1, 2), false, 125),
        ("meant for another disk", 100, DIRECTORY, (2, 1, 2), false, 125),
    ] {
        let candidacy = vote::PartitionData {
            replica_epoch: epoch,
            replica_id: candidate,
            replica_directory_id: DIRECTORY,
            voter_directory_id: directory,
            last_offset_epoch: last_epoch,
            last_offset: 5,
            pre_vote,
            ..Default::default()
        };
        let request = VoteRequest {
            cluster_id: Some(CLUSTER.into()),
            voter_id: voter,
            topics: vec![vote::TopicData {
                topic_name: TOPIC.into(),
                partitions: vec![candidacy],
            }],
        };
        let answer: VoteResponse = client.call(2, &request).unwrap();
        let partition = &answer.topics[0].partitions[0];
        assert_eq!((answer.error_code, partition.error_code), (0, expected), "{case}");
        assert!(!partition.vote_granted, "{case}");
        assert_eq!((partition.leader_id, partition.leader_epoch), (100, 1), "{case}");
        assert_eq!(answer.node_endpoints.len(), 1, "{case}");
    }
}

#[test]
fn nobody_else_begins_or_ends_an_epoch_of_the_only_voter() {
    let folder = TestFolder::make();
    let (_node, mut client) = started(&folder);
    for (case, cluster, leader_id, leader_epoch, expected) in [
        ("an epoch of the past", CLUSTER, 2, 0, (0, 74)),
        ("nobody", CLUSTER, -1, 1, (0, 42)),
        ("another leader", CLUSTER, 2, 5, (-1, 0)),
        ("its own words", CLUSTER, 100, 1, (0, 0)),
        ("another cluster", "other", 2, 5, (104, 0)),
    ] {
        let request = BeginQuorumEpochRequest {
            cluster_id: Some(cluster.into()),
            voter_id: 100,
            topics: vec![begin::TopicData {
                topic_name: TOPIC.into(),
                partitions: vec![begin::PartitionData {
                    leader_id,
                    leader_epoch,
                    ..Default::default()
                }],
            }],
            ..Default::default()
        };
        let answer: BeginQuorumEpochResponse = client.call(1, &request).unwrap();
        let errors = answer.topics.first().map_or(0, |topic| topic.partitions[0].error_code);
        assert_eq!((answer.error_code, errors), expected, "begin: {case}");
        let request = EndQuorumEpochRequest {
            cluster_id: Some(cluster.into()),
            topics: vec![end::TopicData {
                topic_name: TOPIC.into(),
                partitions: vec![end::PartitionData {
                    leader_id,
                    leader_epoch,
                    ..Default::default()
                }],
            }],
            ..Default::default()
        };
        let answer: EndQuorumEpochResponse = client.call(1, &request).unwrap();
        let errors = answer.topics.first().map_or(0, |topic| topic.partitions[0].error_code);
        assert_eq!((answer.error_code, errors), expected, "end: {case}");
    }
}

#[test]
fn a_broker_registers_serves_and_leaves_over_the_wire() {
    let folder = TestFolder::make();
    let (node, mut client) = started(&folder);
    let without = |name: &'static str| {
        move |request: &mut BrokerRegistrationRequest| request.features.retain(|feature| feature.name != name)
    };
    let refused = register(&mut client, |request| request.cluster_id = "other".into());
    assert_eq!((refused.error_code, refused.broker_epoch), (104, -1));
    assert_eq!(register(&mut client, without("kraft.version")).error_code, 35);
    assert_eq!(
        register(&mut client, without("eligible.leader.replicas.version")).error_code,
        35
    );
    assert_eq!(register(&mut client, without("group.version")).error_code, 35);
    assert_eq!(register(&mut client, without("metadata.version")).error_code, 119);
    assert_eq!(
        register(&mut client, |request| request.log_dirs.clear()).error_code,
        119
    );

    let epoch = unfenced_broker(&mut client);
    let other = register(&mut client, |request| request.incarnation_id = Uuid([2; 16]));
    assert_eq!(other.error_code, 101, "the session of the first one lives");
    assert_eq!(register(&mut client, |_| ()).broker_epoch, epoch, "the same one again");
    assert_eq!(beat(&mut client, epoch + 1, |_| ()).error_code, 77);
    let allocate = |broker_epoch: i64| AllocateProducerIdsRequest {
        broker_id: 1,
        broker_epoch,
    };
    let block: AllocateProducerIdsResponse = client.call(0, &allocate(epoch)).unwrap();
    assert_eq!((block.error_code, block.producer_id_len), (0, 1000));
    let block: AllocateProducerIdsResponse = client.call(0, &allocate(epoch - 1)).unwrap();
    assert_eq!(block.error_code, 77);

    let created: CreateTopicsResponse = client.call(7, &topic("plain")).unwrap();
    assert_eq!(created.topics[0].error_code, 0);
    drop(node);
    let node = with_settings(&folder).start();
    let mut client = connect(&node);
    assert!(!beat(&mut client, epoch, |_| ()).is_fenced, "its session begins afresh");
    let leaving = beat(&mut client, epoch, |request| request.want_shut_down = true);
    assert!(
        !leaving.should_shut_down,
        "it leads something still, until this is written"
    );
    let gone = beat(&mut client, epoch, |request| request.want_shut_down = true);
    assert_eq!((gone.should_shut_down, gone.is_fenced), (true, true));
}

fn envelope(data: Bytes) -> EnvelopeRequest {
    EnvelopeRequest {
        request_data: data,
        request_principal: Some(Principal::anonymous().encode()),
        client_host_address: Bytes::from_static(&[127, 0, 0, 1]),
    }
}

fn inner<Q: Message>(version: i16, request: &Q) -> Bytes {
    let prefix = Prefix {
        key: Q::KEY,
        version,
        correlation_id: 77,
    };
    header::request(prefix, Some(&"client".into()), request)
}

#[test]
fn a_forwarded_request_is_answered_within_its_envelope() {
    let folder = TestFolder::make();
    let (_node, mut client) = started(&folder);
    unfenced_broker(&mut client);
    let answer: EnvelopeResponse = client.call(0, &envelope(inner(7, &topic("a")))).unwrap();
    assert_eq!(answer.error_code, 0);
    let mut reader = Reader::new(answer.response_data.unwrap());
    assert_eq!(
        (reader.i32().unwrap(), reader.i8().unwrap()),
        (77, 0),
        "a header of its own"
    );
    let created = CreateTopicsResponse::decode(&mut reader, 7).unwrap();
    assert_eq!((created.topics[0].error_code, reader.remaining()), (0, 0));

    let whole = inner(7, &topic("b"));
    let cut = whole.slice(..whole.len() - 3);
    let mut nameless = envelope(whole.clone());
    nameless.request_principal = None;
    let mut strange = envelope(whole.clone());
    strange.request_principal = Some(Bytes::from_static(b"\0\x07x"));
    let mut nowhere = envelope(whole);
    nowhere.client_host_address = Bytes::from_static(&[1, 2, 3]);
    for (case, request, expected) in [
        ("nobody's", nameless, 97),
        ("a principal that nobody can read", strange, 97),
        ("from nowhere", nowhere, 42),
        ("nothing in it", envelope(Bytes::new()), 35),
        ("a request cut short", envelope(cut), 35),
        (
            "a version that nobody knows",
            envelope(
                inner(7, &topic("b"))
                    .slice(..2)
                    .into_iter()
                    .chain([0, 99, 0, 0, 0, 1])
                    .collect(),
            ),
            35,
        ),
        (
            "not to be passed on",
            envelope(inner(0, &ApiVersionsRequest::default())),
            42,
        ),
        (
            "an envelope in an envelope",
            envelope(inner(0, &envelope(Bytes::new()))),
            42,
        ),
    ] {
        let answer: EnvelopeResponse = client.call(0, &request).unwrap();
        assert_eq!((answer.error_code, answer.response_data), (expected, None), "{case}");
    }
}

#[test]
fn each_listener_tells_of_itself_and_of_what_it_serves() {
    let folder = TestFolder::make();
    let (_node, mut client) = started(&folder);
    let request = ApiVersionsRequest {
        client_software_name: "test".into(),
        client_software_version: "1".into(),
    };
    let answer: ApiVersionsResponse = client.call(4, &request).unwrap();
    let keys: Vec<i16> = answer.api_keys.iter().map(|row| row.api_key).collect();
    for key in [1, 18, 19, 52, 53, 54, 55, 56, 57, 58, 59, 60, 62, 63, 64, 67, 70, 73] {
        assert!(keys.contains(&key), "{key}");
    }
    assert!(!keys.contains(&0) && !keys.contains(&3), "what only brokers do");
    let finalized: Vec<&str> = answer.finalized_features.iter().map(|row| row.name.as_str()).collect();
    assert!(finalized.contains(&"metadata.version") && finalized.contains(&"kraft.version"));
    for (kind, expected) in [(2, (0, 1)), (1, (114, 0)), (9, (115, 0))] {
        let request = DescribeClusterRequest {
            endpoint_type: kind,
            ..Default::default()
        };
        let answer: DescribeClusterResponse = client.call(2, &request).unwrap();
        assert_eq!((answer.error_code, answer.brokers.len()), expected, "type {kind}");
    }
}
