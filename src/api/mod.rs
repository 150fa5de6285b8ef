//! One file per API key, named as Kafka names it, and the table that leads to them. ApiVersions answers from it too.

pub mod allocate_producer_ids;
pub mod alter_client_quotas;
pub mod alter_configs;
pub mod alter_partition;
pub mod alter_partition_reassignments;
pub mod alter_replica_log_dirs;
pub mod alter_user_scram_credentials;
pub mod altering;
pub mod api_versions;
pub mod assign_replicas_to_dirs;
pub mod begin_quorum_epoch;
pub mod broker_heartbeat;
pub mod broker_registration;
pub mod consumer_group_describe;
pub mod consumer_group_heartbeat;
pub mod context;
pub mod controller_registration;
pub mod create_partitions;
pub mod create_topics;
pub mod delete_groups;
pub mod delete_records;
pub mod delete_topics;
pub mod describe_client_quotas;
pub mod describe_cluster;
pub mod describe_configs;
pub mod describe_groups;
pub mod describe_log_dirs;
pub mod describe_producers;
pub mod describe_quorum;
pub mod describe_topic_partitions;
pub mod describe_user_scram_credentials;
pub mod elect_leaders;
pub mod end_quorum_epoch;
pub mod envelope;
pub mod fetch;
pub mod fetch_metadata_log;
pub mod fetch_snapshot;
pub mod find_coordinator;
pub mod groups;
pub mod heartbeat;
pub mod incremental_alter_configs;
pub mod init_producer_id;
pub mod join_group;
pub mod leave_group;
pub mod list_config_resources;
pub mod list_groups;
pub mod list_offsets;
pub mod list_partition_reassignments;
pub mod metadata;
pub mod offset_commit;
pub mod offset_delete;
pub mod offset_fetch;
pub mod offset_for_leader_epoch;
pub mod produce;
pub mod quorum_requests;
pub mod sync_group;
pub mod unregister_broker;
pub mod update_features;
pub mod vote;

use crate::api::context::Context;
use crate::api::context::Handles;
use crate::api::context::Peer;
use crate::protocol::header;
use crate::protocol::header::Prefix;
use crate::runtime::quorum::Stopped;
use crate::schema::Message;
use crate::schema::wire::DecodeError;
use crate::schema::wire::Reader;
use crate::schema::writer::Part;
use bytes::Bytes;
use std::pin::Pin;
use std::sync::Arc;

/// Which listeners serve an API.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum On {
    Broker,
    Controller,
    Both,
}

type Answering = Pin<Box<dyn Future<Output = Outcome> + Send>>;

pub struct Api {
    pub key: i16,
    /// What ApiVersions tells.
    pub advertised: (i16, i16),
    /// What can be decoded: old producers want to see Produce 0, which nobody sends.
    first_served: i16,
    first_flexible: i16,
    on: On,
    run: fn(Context, Reader) -> Result<Answering, DecodeError>,
}

impl Api {
    pub fn is_on(&self, controller: bool) -> bool {
        match self.on {
            On::Both => true,
            On::Broker => !controller,
            On::Controller => controller,
        }
    }

    /// First and last version, with those that may still change if `unstable.api.versions.enable` wants them.
    pub fn versions(&self, handles: &Handles) -> (i16, i16) {
        let (first, last) = self.advertised;
        let unstable = UNSTABLE.iter().find(|(key, _)| *key == self.key);
        match unstable.filter(|_| handles.config().unstable_api_versions()) {
            Some((_, unstable)) => (first, *unstable),
            None => (first, last),
        }
    }

    fn serves(&self, version: i16, handles: &Handles) -> bool {
        let stable = (self.first_served..=self.advertised.1).contains(&version);
        stable || version > self.advertised.1 && version <= self.versions(handles).1
    }
}

macro_rules! apis {
    ($($on:ident $module:ident $schema:ident::$request:ident $first:literal..=$last:literal;)*) => {
        pub static APIS: &[Api] = &[$({
            use crate::schema::$schema::$request as Request;
            Api {
                key: Request::KEY,
                advertised: ($first, $last),
                first_served: Request::FIRST_VERSION,
                first_flexible: Request::FIRST_FLEXIBLE,
                on: On::$on,
                run: |cx, mut reader| {
                    let request = Request::decode(&mut reader, cx.prefix.version)?;
                    Ok(Box::pin(async move {
                        let prefix = cx.prefix;
                        $module::handle(&cx, request).await.into_outcome(prefix)
                    }))
                },
            }
        }),*];
    };
}

apis! {
    Broker produce produce_request::ProduceRequest 0..=13;
    Broker fetch fetch_request::FetchRequest 4..=18;
    Broker list_offsets list_offsets_request::ListOffsetsRequest 1..=11;
    Broker metadata metadata_request::MetadataRequest 0..=13;
    Both api_versions api_versions_request::ApiVersionsRequest 0..=4;
    Both create_topics create_topics_request::CreateTopicsRequest 2..=7;
    Both delete_topics delete_topics_request::DeleteTopicsRequest 1..=6;
    Broker delete_records delete_records_request::DeleteRecordsRequest 0..=2;
    Broker init_producer_id init_producer_id_request::InitProducerIdRequest 0..=5;
    Broker offset_for_leader_epoch offset_for_leader_epoch_request::OffsetForLeaderEpochRequest 2..=4;
    Both describe_configs describe_configs_request::DescribeConfigsRequest 1..=4;
    Both alter_configs alter_configs_request::AlterConfigsRequest 0..=2;
    Broker alter_replica_log_dirs alter_replica_log_dirs_request::AlterReplicaLogDirsRequest 1..=2;
    Broker describe_log_dirs describe_log_dirs_request::DescribeLogDirsRequest 1..=5;
    Both create_partitions create_partitions_request::CreatePartitionsRequest 0..=3;
    Both elect_leaders elect_leaders_request::ElectLeadersRequest 0..=2;
    Both incremental_alter_configs incremental_alter_configs_request::IncrementalAlterConfigsRequest 0..=1;
    Both alter_partition_reassignments alter_partition_reassignments_request::AlterPartitionReassignmentsRequest 0..=1;
    Both list_partition_reassignments list_partition_reassignments_request::ListPartitionReassignmentsRequest 0..=0;
    Broker describe_client_quotas describe_client_quotas_request::DescribeClientQuotasRequest 0..=1;
    Both alter_client_quotas alter_client_quotas_request::AlterClientQuotasRequest 0..=1;
    Both describe_user_scram_credentials describe_user_scram_credentials_request::DescribeUserScramCredentialsRequest 0..=0;
    Both alter_user_scram_credentials alter_user_scram_credentials_request::AlterUserScramCredentialsRequest 0..=0;
    Both describe_quorum describe_quorum_request::DescribeQuorumRequest 0..=2;
    Both update_features update_features_request::UpdateFeaturesRequest 0..=2;
    Both describe_cluster describe_cluster_request::DescribeClusterRequest 0..=2;
    Broker describe_producers describe_producers_request::DescribeProducersRequest 0..=0;
    Both unregister_broker unregister_broker_request::UnregisterBrokerRequest 0..=0;
    Controller fetch_metadata_log fetch_request::FetchRequest 4..=18;
    Controller vote vote_request::VoteRequest 0..=2;
    Controller begin_quorum_epoch begin_quorum_epoch_request::BeginQuorumEpochRequest 0..=1;
    Controller end_quorum_epoch end_quorum_epoch_request::EndQuorumEpochRequest 0..=1;
    Controller alter_partition alter_partition_request::AlterPartitionRequest 2..=3;
    Controller envelope envelope_request::EnvelopeRequest 0..=0;
    Controller fetch_snapshot fetch_snapshot_request::FetchSnapshotRequest 0..=1;
    Controller broker_registration broker_registration_request::BrokerRegistrationRequest 0..=4;
    Controller broker_heartbeat broker_heartbeat_request::BrokerHeartbeatRequest 0..=2;
    Controller allocate_producer_ids allocate_producer_ids_request::AllocateProducerIdsRequest 0..=0;
    Controller controller_registration controller_registration_request::ControllerRegistrationRequest 0..=0;
    Controller assign_replicas_to_dirs assign_replicas_to_dirs_request::AssignReplicasToDirsRequest 0..=0;
    Broker offset_commit offset_commit_request::OffsetCommitRequest 2..=10;
    Broker offset_fetch offset_fetch_request::OffsetFetchRequest 1..=10;
    Broker find_coordinator find_coordinator_request::FindCoordinatorRequest 0..=6;
    Broker join_group join_group_request::JoinGroupRequest 0..=9;
    Broker heartbeat heartbeat_request::HeartbeatRequest 0..=4;
    Broker leave_group leave_group_request::LeaveGroupRequest 0..=5;
    Broker sync_group sync_group_request::SyncGroupRequest 0..=5;
    Broker describe_groups describe_groups_request::DescribeGroupsRequest 0..=6;
    Broker list_groups list_groups_request::ListGroupsRequest 0..=5;
    Broker delete_groups delete_groups_request::DeleteGroupsRequest 0..=2;
    Broker offset_delete offset_delete_request::OffsetDeleteRequest 0..=0;
    Broker consumer_group_heartbeat consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest 0..=1;
    Broker consumer_group_describe consumer_group_describe_request::ConsumerGroupDescribeRequest 0..=1;
    Broker list_config_resources list_config_resources_request::ListConfigResourcesRequest 0..=1;
    Broker describe_topic_partitions describe_topic_partitions_request::DescribeTopicPartitionsRequest 0..=0;
}

/// Keys with a version that Kafka may still change.
const UNSTABLE: &[(i16, i16)] = &[(22, 6)];

/// What becomes of a request.
pub enum Outcome {
    Answer(Vec<Part>),
    /// Nothing is sent: a Produce that wants no acknowledgement.
    Silence,
    /// Nothing is sent, and the connection ends.
    Close(String),
}

/// What a handler returns: mostly just the answer.
trait IntoOutcome {
    fn into_outcome(self, prefix: Prefix) -> Outcome;
}

impl<T: Message> IntoOutcome for T {
    fn into_outcome(self, prefix: Prefix) -> Outcome {
        let mut writer = header::answer(prefix, prefix.version >= T::FIRST_FLEXIBLE, 256);
        self.encode(&mut writer, prefix.version);
        Outcome::Answer(writer.into_parts())
    }
}

/// For handlers that do not always answer.
pub enum Reply<T> {
    Send(T),
    Silence,
    Close(String),
}

impl<T: Message> IntoOutcome for Reply<T> {
    fn into_outcome(self, prefix: Prefix) -> Outcome {
        match self {
            Reply::Send(answer) => answer.into_outcome(prefix),
            Reply::Silence => Outcome::Silence,
            Reply::Close(reason) => Outcome::Close(reason),
        }
    }
}

/// Nothing can be said of a command that a stopping controller may or may not have carried out.
impl<T: Message> IntoOutcome for Result<T, Stopped> {
    fn into_outcome(self, prefix: Prefix) -> Outcome {
        match self {
            Ok(answer) => answer.into_outcome(prefix),
            Err(stopped) => Outcome::Close(stopped.to_string()),
        }
    }
}

/// Answers one frame. What is not served ends the connection, as in Kafka; only ApiVersions tells its versions instead.
pub async fn answer(handles: &Arc<Handles>, peer: &Arc<Peer>, frame: Bytes) -> Outcome {
    match begin(handles, peer, frame) {
        Ok(answering) => answering.await,
        Err(outcome) => outcome,
    }
}

/// The API of a request, if it is served here at all.
fn find(key: i16, controller: bool) -> Option<&'static Api> {
    APIS.iter().find(|api| api.key == key && api.is_on(controller))
}

fn begin(handles: &Arc<Handles>, peer: &Arc<Peer>, frame: Bytes) -> Result<Answering, Outcome> {
    let close = |reason: String| Outcome::Close(reason);
    let prefix = Prefix::read(&frame).ok_or_else(|| close("a request without a whole header".into()))?;
    let (key, version) = (prefix.key, prefix.version);
    let api = find(key, peer.controller).ok_or_else(|| close(format!("API key {key} is not served here")))?;
    if !api.serves(version, handles) {
        return Err(match key {
            header::API_VERSIONS => api_versions::refuse(prefix),
            _ => close(format!("version {version} of API key {key} is not served")),
        });
    }
    let mut reader = Reader::new(frame);
    let malformed = |error| {
        close(format!(
            "a malformed request (API key {key}, version {version}): {error}"
        ))
    };
    let client_id = header::client_id(&mut reader, version >= api.first_flexible).map_err(malformed)?;
    let cx = Context {
        handles: handles.clone(),
        peer: peer.clone(),
        prefix,
        client_id,
    };
    (api.run)(cx, reader).map_err(malformed)
}
