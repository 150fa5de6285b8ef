//! Produce (key 0, v3–13): appends batches to the partitions that this broker leads.
//!
//! Every append happens before the first `.await`, so that requests of one connection are appended in their order.
//! Version 0 is advertised for old producers that look for it; nobody sends it.

use crate::api::Reply;
use crate::api::context::Context;
use crate::metadata::Image;
use crate::protocol::topics;
use crate::record::validate;
use crate::record::validate::Rejection;
use crate::replication::partition::Appended;
use crate::replication::partition::Partition;
use crate::schema::produce_request::PartitionProduceData;
use crate::schema::produce_request::ProduceRequest;
use crate::schema::produce_request::TopicProduceData;
use crate::schema::produce_response::BatchIndexAndErrorMessage;
use crate::schema::produce_response::LeaderIdAndEpoch;
use crate::schema::produce_response::NodeEndpoint;
use crate::schema::produce_response::PartitionProduceResponse;
use crate::schema::produce_response::ProduceResponse;
use crate::schema::produce_response::TopicProduceResponse;
use crate::schema::writer::Records;
use crate::types::ErrorCode;
use crate::types::NO_TIMESTAMP;
use crate::types::Uuid;
use compact_str::CompactString;
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// Clients with this name may write to internal topics.
const ADMIN_CLIENT: &str = "__admin_client";

pub async fn handle(cx: &Context, request: ProduceRequest) -> Reply<ProduceResponse> {
    if let Err(rejection) = check_framing(&request) {
        return refuse_whole(&request, &rejection);
    }
    let image = cx.handles.image();
    let mut appender = Appender {
        cx,
        image: &image,
        acks: request.acks,
        to_flush: Vec::new(),
    };
    let topics = request.topic_data.iter().map(|topic| appender.append_topic(topic));
    let mut response = ProduceResponse {
        responses: topics.collect(),
        ..ProduceResponse::default()
    };
    let to_flush = appender.to_flush;
    drop(request.topic_data);
    if !to_flush.is_empty() {
        flush(cx, to_flush).await;
    }
    if request.acks == 0 {
        return unanswered(&response);
    }
    if cx.prefix.version >= 10 {
        name_leaders(cx, &image, &mut response);
    }
    Reply::Send(response)
}

/// Bytes that are no batches at all.
fn check_framing(request: &ProduceRequest) -> Result<(), Rejection> {
    let partitions = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    let mut records = partitions.filter_map(|partition| match &partition.records {
        Some(Records::Bytes(records)) => Some(records),
        _ => None,
    });
    records.try_for_each(|records| validate::framed(records))
}

fn refuse_whole(request: &ProduceRequest, rejection: &Rejection) -> Reply<ProduceResponse> {
    let responses = request.topic_data.iter().map(|topic| {
        let refused = topic.partition_data.iter().map(|data| {
            let message = Some(rejection.message.as_str().into());
            encode(
                data.index,
                Err(Refusal {
                    message,
                    ..Refusal::from(rejection.code)
                }),
            )
        });
        TopicProduceResponse {
            name: topic.name.clone(),
            topic_id: topic.topic_id,
            partition_responses: refused.collect(),
        }
    });
    let response = ProduceResponse {
        responses: responses.collect(),
        ..ProduceResponse::default()
    };
    match request.acks {
        0 => unanswered(&response),
        _ => Reply::Send(response),
    }
}

/// `flush.messages` wants these on the disk before they are acknowledged.
async fn flush(cx: &Context, partitions: Vec<Arc<Partition>>) {
    let now = cx.handles.clock.now();
    let flushed = spawn_blocking(move || partitions.iter().for_each(|partition| partition.flush(now)));
    // A log that cannot be flushed is offline from then on, and says so itself.
    let _ = flushed.await;
}

/// Appends what one request brings.
struct Appender<'a> {
    cx: &'a Context,
    image: &'a Image,
    acks: i16,
    to_flush: Vec<Arc<Partition>>,
}

impl Appender<'_> {
    fn append_topic(&mut self, topic: &TopicProduceData) -> TopicProduceResponse {
        let found = match topic.topic_id {
            Uuid::ZERO => self.image.topic(&topic.name),
            id => self.image.topic_by_id(id),
        };
        let (name, target) = match found {
            Some(found) => (found.name.clone(), Ok(found.id)),
            None if self.cx.prefix.version > 12 => (topic.name.clone(), Err(ErrorCode::UnknownTopicId)),
            None => (topic.name.clone(), Err(ErrorCode::UnknownTopicOrPartition)),
        };
        let answers = topic.partition_data.iter().map(|data| {
            let appended = target
                .map_err(Refusal::from)
                .and_then(|id| self.append(&name, id, data));
            encode(data.index, appended)
        });
        let partition_responses = answers.collect();
        TopicProduceResponse {
            name,
            topic_id: topic.topic_id,
            partition_responses,
        }
    }

    fn append(&mut self, topic: &str, id: Uuid, data: &PartitionProduceData) -> Result<Appended, Refusal> {
        if self.image.partition(id, data.index).is_none() {
            return Err(ErrorCode::UnknownTopicOrPartition.into());
        }
        let Some(Records::Bytes(records)) = &data.records else {
            return Err(ErrorCode::InvalidRecord.into());
        };
        let checked = validate::check_produce(self.cx.prefix.version, records);
        checked.map_err(|rejection| Refusal::from(rejection.code))?;
        if !(-1..=1).contains(&self.acks) {
            return Err(ErrorCode::InvalidRequiredAcks.into());
        }
        if topics::is_internal(topic) && self.cx.client_id.as_deref() != Some(ADMIN_CLIENT) {
            return Err(ErrorCode::InvalidTopicException.into());
        }
        let partition = self.cx.handles.replicas.find(self.image, id, data.index)?;
        let appended = partition.append(records, self.cx.handles.clock.now());
        let appended = appended.map_err(|rejection| Refusal::new(rejection, partition.log_start()))?;
        if appended.flush_due {
            self.to_flush.push(partition);
        }
        Ok(appended)
    }
}

/// Why nothing was appended, with what the client is told of it.
struct Refusal {
    code: ErrorCode,
    message: Option<CompactString>,
    records: Vec<BatchIndexAndErrorMessage>,
    log_start: i64,
}

impl From<ErrorCode> for Refusal {
    fn from(code: ErrorCode) -> Refusal {
        Refusal {
            code,
            message: None,
            records: Vec::new(),
            log_start: -1,
        }
    }
}

impl Refusal {
    fn new(rejection: Rejection, log_start: i64) -> Refusal {
        let message = rejection.client_message().map(CompactString::from);
        let told = rejection.records.into_iter().map(|record| BatchIndexAndErrorMessage {
            batch_index: record.index,
            batch_index_error_message: Some(record.message.into()),
        });
        Refusal {
            code: rejection.code,
            message,
            records: told.collect(),
            log_start: if tells_log_start(rejection.code) { log_start } else { -1 },
        }
    }
}

/// Kafka tells where the log starts with errors of the records, not with those of the partition.
fn tells_log_start(code: ErrorCode) -> bool {
    !matches!(
        code,
        ErrorCode::UnknownTopicOrPartition
            | ErrorCode::NotLeaderOrFollower
            | ErrorCode::MessageTooLarge
            | ErrorCode::RecordListTooLarge
            | ErrorCode::CorruptMessage
            | ErrorCode::KafkaStorageError
            | ErrorCode::UnknownTopicId
    )
}

fn encode(index: i32, appended: Result<Appended, Refusal>) -> PartitionProduceResponse {
    match appended {
        Ok(appended) => PartitionProduceResponse {
            index,
            base_offset: appended.first_offset,
            log_append_time_ms: appended.append_time.unwrap_or(NO_TIMESTAMP),
            log_start_offset: appended.log_start,
            ..PartitionProduceResponse::default()
        },
        Err(refusal) => PartitionProduceResponse {
            index,
            error_code: refusal.code.code(),
            base_offset: -1,
            log_append_time_ms: NO_TIMESTAMP,
            log_start_offset: refusal.log_start,
            record_errors: refusal.records,
            error_message: refusal.message,
            ..PartitionProduceResponse::default()
        },
    }
}

/// A producer that wants no answer learns of an error by losing its connection.
fn unanswered(response: &ProduceResponse) -> Reply<ProduceResponse> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partition_responses);
    let failed = partitions.map(|partition| partition.error_code).find(|code| *code != 0);
    match failed {
        None => Reply::Silence,
        Some(code) => Reply::Close(format!(
            "a Produce without acknowledgement failed: {}",
            ErrorCode::from_code(code).text()
        )),
    }
}

/// Where to go instead (KIP-951).
fn name_leaders(cx: &Context, image: &Image, response: &mut ProduceResponse) {
    for topic in &mut response.responses {
        let id = match topic.topic_id {
            Uuid::ZERO => image.topic_id(&topic.name).unwrap_or_default(),
            id => id,
        };
        for partition in &mut topic.partition_responses {
            if partition.error_code != ErrorCode::NotLeaderOrFollower.code() {
                continue;
            }
            let Some(known) = image.partition(id, partition.index) else {
                continue;
            };
            partition.current_leader = LeaderIdAndEpoch {
                leader_id: known.leader,
                leader_epoch: known.leader_epoch,
            };
            let Some((broker, endpoint)) = cx.endpoint_of(image, known.leader) else {
                continue;
            };
            if response.node_endpoints.iter().all(|told| told.node_id != broker.id) {
                response.node_endpoints.push(NodeEndpoint {
                    node_id: broker.id,
                    host: endpoint.host.clone(),
                    port: endpoint.port.into(),
                    rack: broker.rack.clone(),
                });
            }
        }
    }
}
