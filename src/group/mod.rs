//! Consumer groups and their offsets, as the coordinator of one partition of `__consumer_offsets` keeps them.
//!
//! Commands and replies are Kafka's own requests and answers, one group each.

mod classic;
pub mod consumer;
mod describing;
mod groups;
mod heartbeats;
mod offsets;
pub mod records;
#[cfg(test)]
mod seeds;
mod size;
#[cfg(test)]
mod testing;
mod turn;

use crate::config::BrokerConfig;
use crate::metadata::Image;
use crate::schema::consumer_group_describe_response::DescribedGroup as DescribedConsumerGroup;
use crate::schema::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use crate::schema::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;
use crate::schema::delete_groups_response::DeletableGroupResult;
use crate::schema::describe_groups_response::DescribedGroup;
use crate::schema::heartbeat_request::HeartbeatRequest;
use crate::schema::heartbeat_response::HeartbeatResponse;
use crate::schema::join_group_request::JoinGroupRequest;
use crate::schema::join_group_response::JoinGroupResponse;
use crate::schema::leave_group_request::LeaveGroupRequest;
use crate::schema::leave_group_response::LeaveGroupResponse;
use crate::schema::list_groups_response::ListedGroup;
use crate::schema::offset_commit_request::OffsetCommitRequest;
use crate::schema::offset_commit_response::OffsetCommitResponse;
use crate::schema::offset_delete_request::OffsetDeleteRequest;
use crate::schema::offset_delete_response::OffsetDeleteResponse;
use crate::schema::offset_fetch_request::OffsetFetchRequestGroup;
use crate::schema::offset_fetch_response::OffsetFetchResponseGroup;
use crate::schema::sync_group_request::SyncGroupRequest;
use crate::schema::sync_group_response::SyncGroupResponse;
use crate::types::Timestamp;
use crate::types::Uuid;
use compact_str::CompactString;
use std::sync::Arc;

pub use groups::Groups;
pub use groups::Timer;

/// Who asks, and in which version.
#[derive(Clone, Debug)]
pub struct Client {
    pub version: i16,
    pub id: CompactString,
    /// As Kafka shows it: `/127.0.0.1`.
    pub host: CompactString,
}

/// What a group may look at beside its own state.
pub struct World {
    pub now: Timestamp,
    pub image: Arc<Image>,
    pub config: Arc<BrokerConfig>,
}

pub enum Command {
    /// `fresh` makes the id of a member that has none.
    Join(Client, JoinGroupRequest, Uuid),
    Sync(Client, SyncGroupRequest),
    Heartbeat(Client, HeartbeatRequest),
    Leave(Client, LeaveGroupRequest),
    ConsumerHeartbeat(Client, ConsumerGroupHeartbeatRequest),
    Commit(Client, OffsetCommitRequest),
    FetchOffsets(Client, OffsetFetchRequestGroup),
    DeleteOffsets(OffsetDeleteRequest),
    Describe(Client, CompactString),
    DescribeConsumer(CompactString),
    Delete(CompactString),
    /// All groups of this coordinator, by state and type, in lower case; nothing means any.
    List(Vec<String>, Vec<String>),
    /// These topics are gone, and so is what was committed for them.
    TopicsDeleted(Vec<CompactString>),
}

pub enum Reply {
    Join(JoinGroupResponse),
    Sync(SyncGroupResponse),
    Heartbeat(HeartbeatResponse),
    Leave(LeaveGroupResponse),
    ConsumerHeartbeat(ConsumerGroupHeartbeatResponse),
    Commit(OffsetCommitResponse),
    FetchOffsets(OffsetFetchResponseGroup),
    DeleteOffsets(OffsetDeleteResponse),
    Describe(DescribedGroup),
    DescribeConsumer(DescribedConsumerGroup),
    Delete(DeletableGroupResult),
    List(Vec<ListedGroup>),
    Done,
}
