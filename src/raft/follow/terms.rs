//! The words between an observer's head and its hands.

use crate::config::voters::Address;
use crate::raft::questions::Asker;
use crate::raft::snapshot::SnapshotId;
use crate::schema::fetch_request::FetchRequest;
use crate::schema::fetch_response::FetchResponse;
use crate::schema::fetch_snapshot_request::FetchSnapshotRequest;
use crate::schema::fetch_snapshot_response::FetchSnapshotResponse;
use crate::types::LeaderEpoch;
use crate::types::NodeId;
use crate::types::Offset;
use crate::types::Timestamp;
use bytes::Bytes;
use std::fmt;

/// Where a log ends, and the epoch of its last batch; 0 before the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogEnd {
    pub offset: Offset,
    pub epoch: LeaderEpoch,
}

/// The log that the answers are for.
pub trait LocalLog {
    fn end(&self) -> LogEnd;
    /// Where the greatest epoch ends that is not above this one.
    fn end_of_epoch(&self, epoch: LeaderEpoch) -> LogEnd;
}

/// What does not change while a node runs.
#[derive(Clone, Debug)]
pub struct Rules {
    pub asker: Asker,
    /// Asked in turn while no leader is known or it is silent; at least one.
    pub servers: Vec<Address>,
    /// Of `controller.quorum.voters`: where a leader is whose answer did not say it.
    pub voters: Vec<(NodeId, Address)>,
    pub fetch_timeout_ms: i64,
    pub retry_backoff_ms: i64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownLeader {
    pub id: NodeId,
    /// `None`: only its number is known yet.
    pub address: Option<Address>,
}

#[derive(Debug, PartialEq)]
pub enum Step {
    Ask(Address, Question),
    WaitUntil(Timestamp),
}

#[derive(Debug, PartialEq)]
pub enum Question {
    Fetch(FetchRequest),
    Snapshot(FetchSnapshotRequest),
}

#[derive(Debug)]
pub enum Answer {
    Fetch(FetchResponse),
    Snapshot(FetchSnapshotResponse),
}

/// What is to be done before the next question, in this order.
#[derive(Debug, PartialEq)]
pub enum Effect {
    /// To be remembered on the disk, then told.
    Leader {
        epoch: LeaderEpoch,
        leader: Option<KnownLeader>,
    },
    /// Whole batches that follow on.
    Append {
        batches: Bytes,
        leader_epoch: LeaderEpoch,
    },
    Truncate(Offset),
    /// A part of a snapshot; at position 0 it begins, whatever was there.
    Snapshot {
        id: SnapshotId,
        position: i64,
        bytes: Bytes,
    },
    /// Has all its bytes. It replaces the log: `snapshot_installed`, or `snapshot_damaged` if it cannot be read.
    SnapshotComplete(SnapshotId),
    SnapshotDropped(SnapshotId),
    /// Everything below is committed.
    HighWatermark(Offset),
    /// For people.
    Warn(String),
}

/// The quorum wants what no quorum may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fatal {
    Truncation { to: Offset, committed: Offset },
    Snapshot { end: Offset, committed: Offset },
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, to, committed) = match self {
            Fatal::Truncation { to, committed } => ("the log cut at", to, committed),
            Fatal::Snapshot { end, committed } => ("a snapshot taken in that ends at", end, committed),
        };
        write!(
            f,
            "the controller wants {what} offset {to}, yet everything below offset {committed} was committed"
        )
    }
}

impl std::error::Error for Fatal {}
