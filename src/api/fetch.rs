//! Fetch (key 1, v4–18): reads batches as ranges of the log's files, waiting for more if the client wants to.

use crate::api::context::Context;
use crate::metadata::Image;
use crate::replication::partition::Partition;
use crate::replication::partition::Reading;
use crate::replication::partition::Upto;
use crate::replication::session::Fetch;
use crate::replication::session::Key;
use crate::replication::session::NO_SESSION;
use crate::replication::session::NewSession;
use crate::replication::session::Opening;
use crate::replication::session::Wanted;
use crate::schema::fetch_request::FetchRequest;
use crate::schema::fetch_response::FetchResponse;
use crate::schema::fetch_response::FetchableTopicResponse;
use crate::schema::fetch_response::LeaderIdAndEpoch;
use crate::schema::fetch_response::NodeEndpoint;
use crate::schema::fetch_response::PartitionData;
use crate::schema::writer::Records;
use crate::types::ErrorCode;
use crate::types::Uuid;
use bytes::Bytes;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio::time::timeout_at;

/// Topic ids instead of names.
const FIRST_WITH_IDS: i16 = 13;

pub async fn handle(cx: &Context, request: FetchRequest) -> FetchResponse {
    let with_ids = cx.prefix.version >= FIRST_WITH_IDS;
    let opening = opening(&request, with_ids);
    let fetch = match cx.handles.sessions.open(cx.handles.clock.now(), opening) {
        Ok(fetch) => fetch,
        Err(error) => {
            return FetchResponse {
                error_code: error.code(),
                ..FetchResponse::default()
            };
        }
    };
    let limits = Limits::new(cx, &request);
    let mut answers = read_or_wait(cx, &fetch, &limits).await;
    let image = cx.handles.image();
    let mut response = FetchResponse::default();
    for (key, answer) in &mut answers {
        adapt_to_version(cx, &image, key, answer, &mut response.node_endpoints);
    }
    let new_session = NewSession {
        id: cx.handles.random_session_id(),
        uses_topic_ids: with_ids,
        privileged: request.replica_id >= 0 || request.replica_state.replica_id >= 0,
    };
    match cx
        .handles
        .sessions
        .close(cx.handles.clock.now(), &fetch, &mut answers, new_session)
    {
        Ok(id) => response.session_id = if cx.prefix.version >= 7 { id } else { NO_SESSION },
        Err((error, id)) => {
            (response.error_code, response.session_id) = (error.code(), id);
            answers.clear();
        }
    }
    response.responses = by_topic(answers);
    response
}

fn opening(request: &FetchRequest, uses_topic_ids: bool) -> Opening {
    let mut partitions = Vec::new();
    let mut seen = HashSet::new();
    for topic in &request.topics {
        for partition in &topic.partitions {
            let key = Key {
                topic: topic.topic.clone(),
                topic_id: topic.topic_id,
                partition: partition.partition,
            };
            let wanted = Wanted {
                offset: partition.fetch_offset,
                log_start_offset: partition.log_start_offset,
                max_bytes: partition.partition_max_bytes,
                current_leader_epoch: partition.current_leader_epoch,
                last_fetched_epoch: partition.last_fetched_epoch,
            };
            if seen.insert(key.clone()) {
                partitions.push((key, wanted));
            }
        }
    }
    let forgotten = request.forgotten_topics_data.iter().flat_map(|topic| {
        let key = |partition: &i32| Key {
            topic: topic.topic.clone(),
            topic_id: topic.topic_id,
            partition: *partition,
        };
        topic.partitions.iter().map(key)
    });
    Opening {
        session_id: request.session_id,
        session_epoch: request.session_epoch,
        uses_topic_ids,
        partitions,
        forgotten: forgotten.collect(),
    }
}

/// What the request as a whole may take and wait for.
struct Limits {
    max_bytes: u32,
    min_bytes: usize,
    max_wait: Duration,
    upto: Upto,
}

impl Limits {
    fn new(cx: &Context, request: &FetchRequest) -> Limits {
        let most = cx.handles.config().fetch_max_bytes();
        let max_bytes = request.max_bytes.min(most).max(0);
        let follower = request.replica_id >= 0 || request.replica_state.replica_id >= 0;
        Limits {
            max_bytes: max_bytes as u32,
            min_bytes: request.min_bytes.min(max_bytes).max(0) as usize,
            max_wait: Duration::from_millis(request.max_wait_ms.max(0) as u64),
            upto: match (follower, request.isolation_level) {
                (true, _) => Upto::LogEnd,
                (false, 1) => Upto::LastStableOffset,
                (false, _) => Upto::HighWatermark,
            },
        }
    }
}

type Answers = Vec<(Key, PartitionData)>;

async fn read_or_wait(cx: &Context, fetch: &Fetch, limits: &Limits) -> Answers {
    let deadline = Instant::now() + limits.max_wait;
    let first = read(cx, fetch.partitions(), limits);
    if limits.max_wait.is_zero() || fetch.partitions().is_empty() || first.enough(limits) {
        return first.answers;
    }
    loop {
        // Registered before the second look, so that nothing appended between the two is missed.
        let waiting = Waiting::register(cx, fetch.partitions());
        let again = read(cx, fetch.partitions(), limits);
        if again.enough(limits) {
            return again.answers;
        }
        if timeout_at(deadline, waiting.notify.notified()).await.is_err() {
            return read(cx, fetch.partitions(), limits).answers;
        }
    }
}

struct Read {
    answers: Answers,
    bytes: usize,
    /// An error or a divergence is told at once.
    urgent: bool,
}

impl Read {
    fn enough(&self, limits: &Limits) -> bool {
        self.urgent || self.bytes >= limits.min_bytes
    }
}

fn read(cx: &Context, partitions: &[(Key, Wanted)], limits: &Limits) -> Read {
    let image = cx.handles.image();
    let mut read = Read {
        answers: Vec::with_capacity(partitions.len()),
        bytes: 0,
        urgent: false,
    };
    // What there is not is told last, as Kafka does.
    let mut unknown = Vec::new();
    let mut left = limits.max_bytes;
    for (key, wanted) in partitions {
        let id = match known_topic(cx, &image, key) {
            Ok(id) => id,
            Err(error) => {
                unknown.push((key.clone(), failed(key, error)));
                continue;
            }
        };
        let reading = Reading {
            wanted: *wanted,
            max_bytes: left.min(wanted.max_bytes.max(0) as u32),
            // The first batch is given whole, however large: a reader must be able to go on.
            at_least_one: read.bytes == 0,
            upto: limits.upto,
        };
        let found = cx.handles.replicas.find(&image, id, key.partition);
        let answer = found.and_then(|partition| partition.read(&reading));
        // Kafka sends null here, and an empty list where it did not get as far as reading.
        let answer = answer.unwrap_or_else(|error| PartitionData {
            aborted_transactions: None,
            ..failed(key, error)
        });
        let bytes = answer.records.as_ref().map_or(0, Records::len);
        left = left.saturating_sub(bytes as u32);
        read.bytes += bytes;
        read.urgent |= answer.error_code != 0 || answer.diverging_epoch.end_offset >= 0;
        let partition_index = key.partition;
        read.answers.push((
            key.clone(),
            PartitionData {
                partition_index,
                ..answer
            },
        ));
    }
    read.urgent |= read.answers.is_empty();
    read.answers.append(&mut unknown);
    read
}

fn known_topic(cx: &Context, image: &Image, key: &Key) -> Result<Uuid, ErrorCode> {
    let id = topic_id(cx, image, key)?;
    match image.partition(id, key.partition) {
        Some(_) => Ok(id),
        None => Err(ErrorCode::UnknownTopicOrPartition),
    }
}

fn topic_id(cx: &Context, image: &Image, key: &Key) -> Result<Uuid, ErrorCode> {
    if cx.prefix.version >= FIRST_WITH_IDS {
        let known = image.topic_by_id(key.topic_id);
        return known.map(|topic| topic.id).ok_or(ErrorCode::UnknownTopicId);
    }
    image.topic_id(&key.topic).ok_or(ErrorCode::UnknownTopicOrPartition)
}

fn failed(key: &Key, error: ErrorCode) -> PartitionData {
    PartitionData {
        partition_index: key.partition,
        error_code: error.code(),
        high_watermark: -1,
        records: Some(Records::Bytes(Bytes::new())),
        ..PartitionData::default()
    }
}

/// A fetch on the waiting lists of its partitions, until it is dropped.
struct Waiting<'a> {
    cx: &'a Context,
    partitions: &'a [(Key, Wanted)],
    notify: Arc<Notify>,
}

impl Waiting<'_> {
    fn register<'a>(cx: &'a Context, partitions: &'a [(Key, Wanted)]) -> Waiting<'a> {
        let waiting = Waiting {
            cx,
            partitions,
            notify: Arc::new(Notify::new()),
        };
        waiting.each(|partition, notify| partition.waiters().add(notify));
        waiting
    }

    fn each(&self, act: impl Fn(&Partition, &Arc<Notify>)) {
        let image = self.cx.handles.image();
        for (key, _) in self.partitions {
            let found = topic_id(self.cx, &image, key).ok();
            let partition = found.and_then(|id| self.cx.handles.replicas.get(id, key.partition));
            if let Some(partition) = partition {
                act(&partition, &self.notify);
            }
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.each(|partition, notify| partition.waiters().remove(notify));
    }
}

/// Old clients do not know every error; new ones are told where the leader is (KIP-951).
fn adapt_to_version(
    cx: &Context,
    image: &Image,
    key: &Key,
    answer: &mut PartitionData,
    endpoints: &mut Vec<NodeEndpoint>,
) {
    let (version, error) = (cx.prefix.version, ErrorCode::from_code(answer.error_code));
    if error == ErrorCode::KafkaStorageError && version <= 5 {
        answer.error_code = ErrorCode::NotLeaderOrFollower.code();
    }
    if version < 16 || !matches!(error, ErrorCode::NotLeaderOrFollower | ErrorCode::FencedLeaderEpoch) {
        return;
    }
    let Ok(id) = topic_id(cx, image, key) else { return };
    let Some(known) = image.partition(id, key.partition) else {
        return;
    };
    answer.current_leader = LeaderIdAndEpoch {
        leader_id: known.leader,
        leader_epoch: known.leader_epoch,
    };
    let Some((broker, endpoint)) = cx.endpoint_of(image, known.leader) else {
        return;
    };
    if endpoints.iter().all(|told| told.node_id != broker.id) {
        endpoints.push(NodeEndpoint {
            node_id: broker.id,
            host: endpoint.host.clone(),
            port: endpoint.port.into(),
            rack: broker.rack.clone(),
        });
    }
}

/// Neighbouring partitions of one topic share a topic entry.
fn by_topic(answers: Answers) -> Vec<FetchableTopicResponse> {
    let mut topics: Vec<FetchableTopicResponse> = Vec::new();
    for (key, answer) in answers {
        match topics.last_mut() {
            Some(last) if last.topic == key.topic && last.topic_id == key.topic_id => last.partitions.push(answer),
            _ => {
                let partitions = vec![answer];
                topics.push(FetchableTopicResponse {
                    topic: key.topic,
                    topic_id: key.topic_id,
                    partitions,
                });
            }
        }
    }
    topics
}
