//! Metadata (key 3, v0–13): brokers, topics, partitions and their leaders; creates unknown topics if that is wished.

use crate::api::context::Context;
use crate::controller::check_topic_name;
use crate::metadata::Image;
use crate::metadata::Partition;
use crate::metadata::Topic;
use crate::protocol::operations;
use crate::protocol::topics;
use crate::schema::create_topics_request::CreatableTopic;
use crate::schema::metadata_request::MetadataRequest;
use crate::schema::metadata_response::MetadataResponse;
use crate::schema::metadata_response::MetadataResponseBroker;
use crate::schema::metadata_response::MetadataResponsePartition;
use crate::schema::metadata_response::MetadataResponseTopic;
use crate::types::ErrorCode;
use crate::types::Uuid;
use compact_str::CompactString;
use std::collections::BTreeSet;

pub async fn handle(cx: &Context, request: MetadataRequest) -> MetadataResponse {
    let version = cx.prefix.version;
    let image = cx.handles.image();
    let topics = match asked(version, &request) {
        Ok(asked) => answer_topics(cx, &image, &asked, request.allow_auto_topic_creation).await,
        Err(topics) => {
            return MetadataResponse {
                topics,
                ..MetadataResponse::default()
            };
        }
    };
    let listener = &cx.peer.listener;
    let brokers = image
        .reachable_brokers(listener)
        .map(|(broker, endpoint)| MetadataResponseBroker {
            node_id: broker.id,
            host: endpoint.host.clone(),
            port: endpoint.port.into(),
            rack: broker.rack.clone(),
        });
    let mut response = MetadataResponse {
        brokers: brokers.collect(),
        cluster_id: Some(cx.handles.cluster_id.clone()),
        controller_id: cx.any_broker(&image),
        topics,
        ..MetadataResponse::default()
    };
    if (8..=10).contains(&version) && request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = operations::ON_CLUSTER;
    }
    if version >= 8 && request.include_topic_authorized_operations {
        let known = response
            .topics
            .iter_mut()
            .filter(|topic| topic.error_code != ErrorCode::UnknownTopicId.code());
        known.for_each(|topic| topic.topic_authorized_operations = operations::ON_TOPIC);
    }
    response
}

/// Which topics a request is about.
enum Asked {
    All,
    Names(BTreeSet<CompactString>),
    Ids(BTreeSet<Uuid>),
}

fn asked(version: i16, request: &MetadataRequest) -> Result<Asked, Vec<MetadataResponseTopic>> {
    let Some(topics) = request
        .topics
        .as_ref()
        .filter(|topics| version > 0 || !topics.is_empty())
    else {
        return Ok(Asked::All);
    };
    let misused = topics
        .iter()
        .any(|topic| topic.name.is_none() || topic.topic_id != Uuid::ZERO);
    if version < 12 && misused {
        let refused = topics.iter().map(|topic| MetadataResponseTopic {
            error_code: ErrorCode::InvalidRequest.code(),
            name: Some(topic.name.clone().unwrap_or_default()),
            topic_id: topic.topic_id,
            ..MetadataResponseTopic::default()
        });
        return Err(refused.collect());
    }
    let ids: BTreeSet<Uuid> = topics
        .iter()
        .map(|topic| topic.topic_id)
        .filter(|id| *id != Uuid::ZERO)
        .collect();
    match ids.is_empty() {
        false => Ok(Asked::Ids(ids)),
        true => Ok(Asked::Names(
            topics.iter().filter_map(|topic| topic.name.clone()).collect(),
        )),
    }
}

async fn answer_topics(cx: &Context, image: &Image, asked: &Asked, may_create: bool) -> Vec<MetadataResponseTopic> {
    match asked {
        Asked::All => image.topics().map(|topic| describe(cx, image, topic)).collect(),
        Asked::Ids(ids) => {
            let answer = |id: &Uuid| match image.topic_by_id(*id) {
                Some(topic) => describe(cx, image, topic),
                None => MetadataResponseTopic {
                    error_code: ErrorCode::UnknownTopicId.code(),
                    name: None,
                    topic_id: *id,
                    ..MetadataResponseTopic::default()
                },
            };
            ids.iter().map(answer).collect()
        }
        Asked::Names(names) => {
            let mut answers = Vec::with_capacity(names.len());
            let mut missing = Vec::new();
            for name in names {
                match image.topic(name) {
                    Some(topic) => answers.push(describe(cx, image, topic)),
                    None => {
                        let valid = check_topic_name(name).is_ok();
                        let error = if valid {
                            ErrorCode::UnknownTopicOrPartition
                        } else {
                            ErrorCode::InvalidTopicException
                        };
                        answers.push(unknown(name, error));
                        missing.extend(valid.then(|| name.clone()));
                    }
                }
            }
            if may_create && cx.handles.config().auto_create_topics_enable() && !missing.is_empty() {
                create(cx, missing).await;
            }
            answers
        }
    }
}

/// Kafka answers that the topic is unknown and creates it meanwhile; the client asks again. Here it is there by then.
async fn create(cx: &Context, names: Vec<CompactString>) {
    let config = cx.handles.config();
    let replication_factor = i16::try_from(config.default_replication_factor()).unwrap_or(i16::MAX);
    let topics = names.into_iter().map(|name| CreatableTopic {
        name,
        num_partitions: config.num_partitions(),
        replication_factor,
        ..CreatableTopic::default()
    });
    cx.create_topics(topics.collect()).await;
}

fn unknown(name: &CompactString, error: ErrorCode) -> MetadataResponseTopic {
    MetadataResponseTopic {
        error_code: error.code(),
        name: Some(name.clone()),
        is_internal: topics::is_internal(name),
        ..MetadataResponseTopic::default()
    }
}

fn describe(cx: &Context, image: &Image, topic: &Topic) -> MetadataResponseTopic {
    let partitions = topic
        .partitions()
        .iter()
        .map(|partition| describe_partition(cx, image, partition));
    MetadataResponseTopic {
        name: Some(topic.name.clone()),
        topic_id: topic.id,
        is_internal: topics::is_internal(&topic.name),
        partitions: partitions.collect(),
        ..MetadataResponseTopic::default()
    }
}

fn describe_partition(cx: &Context, image: &Image, partition: &Partition) -> MetadataResponsePartition {
    let (version, listener) = (cx.prefix.version, &cx.peer.listener);
    // Version 0 names only replicas that are alive, and calls it an error when some are not.
    let shown = |ids: &[i32]| -> Vec<i32> {
        let alive = |id: &&i32| version > 0 || image.reachable(**id, listener).is_some();
        ids.iter().filter(alive).copied().collect()
    };
    let (replica_nodes, isr_nodes) = (shown(&partition.replicas), shown(&partition.isr));
    let some_missing = replica_nodes.len() < partition.replicas.len() || isr_nodes.len() < partition.isr.len();
    let leader = image.reachable(partition.leader, listener).map(|(broker, _)| broker.id);
    let error = match leader {
        None if image.broker(partition.leader).is_some() && version >= 6 => ErrorCode::ListenerNotFound,
        None => ErrorCode::LeaderNotAvailable,
        Some(_) if some_missing => ErrorCode::ReplicaNotAvailable,
        Some(_) => ErrorCode::None,
    };
    MetadataResponsePartition {
        error_code: error.code(),
        partition_index: partition.index,
        leader_id: leader.unwrap_or(-1),
        leader_epoch: partition.leader_epoch,
        replica_nodes,
        isr_nodes,
        offline_replicas: image.offline_replicas(partition, listener),
    }
}
