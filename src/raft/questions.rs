//! The requests of an observer, and the versions in which a controller understands them.

use crate::raft::snapshot::SnapshotId;
use crate::schema::Message;
use crate::schema::api_versions_response::ApiVersionsResponse;
use crate::schema::fetch_request::FetchPartition;
use crate::schema::fetch_request::FetchRequest;
use crate::schema::fetch_request::FetchTopic;
use crate::schema::fetch_request::ReplicaState;
use crate::schema::fetch_snapshot_request::FetchSnapshotRequest;
use crate::schema::fetch_snapshot_request::PartitionSnapshot;
use crate::schema::fetch_snapshot_request::SnapshotId as WireSnapshotId;
use crate::schema::fetch_snapshot_request::TopicSnapshot;
use crate::types::LeaderEpoch;
use crate::types::NodeId;
use crate::types::Offset;
use crate::types::Uuid;
use compact_str::CompactString;

pub const TOPIC: &str = "__cluster_metadata";
/// How long a leader may wait for something new.
const MAX_WAIT_MS: i32 = 500;
/// The first that names the directory of the one who asks, and whose answers say where the leader is: Kafka 3.9.
const FIRST_FETCH: i16 = 17;
const LAST_FETCH: i16 = 18;
const LAST_SNAPSHOT: i16 = 1;

/// Who asks.
#[derive(Clone, Debug)]
pub struct Asker {
    pub node_id: NodeId,
    pub cluster_id: CompactString,
    /// Of the folder that holds the metadata log.
    pub directory: Uuid,
    pub fetch_bytes: i32,
    pub snapshot_bytes: i32,
}

/// In which versions a controller is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    pub fetch: i16,
    pub snapshot: i16,
}

impl Versions {
    /// `None`: it is too old, or no controller.
    pub fn common(peer: &ApiVersionsResponse) -> Option<Versions> {
        let common = |key: i16, first: i16, last: i16| {
            let offered = peer.api_keys.iter().find(|api| api.api_key == key)?;
            let highest = offered.max_version.min(last);
            (highest >= offered.min_version.max(first)).then_some(highest)
        };
        Some(Versions {
            fetch: common(FetchRequest::KEY, FIRST_FETCH, LAST_FETCH)?,
            snapshot: common(FetchSnapshotRequest::KEY, 0, LAST_SNAPSHOT)?,
        })
    }
}

/// What is to be fetched from where.
#[derive(Clone, Copy, Debug)]
pub struct Position {
    pub leader_epoch: LeaderEpoch,
    pub offset: Offset,
    /// Of the batch before `offset`.
    pub last_epoch: LeaderEpoch,
    /// -1 while it is not known.
    pub high_watermark: Offset,
}

impl Asker {
    pub fn fetch(&self, position: Position) -> FetchRequest {
        let partition = FetchPartition {
            partition: 0,
            current_leader_epoch: position.leader_epoch,
            fetch_offset: position.offset,
            last_fetched_epoch: position.last_epoch,
            replica_directory_id: self.directory,
            high_watermark: position.high_watermark,
            ..FetchPartition::default()
        };
        FetchRequest {
            cluster_id: Some(self.cluster_id.clone()),
            replica_state: ReplicaState {
                replica_id: self.node_id,
                replica_epoch: -1,
            },
            max_wait_ms: MAX_WAIT_MS,
            max_bytes: self.fetch_bytes,
            topics: vec![FetchTopic {
                topic_id: Uuid::ONE,
                partitions: vec![partition],
                ..FetchTopic::default()
            }],
            ..FetchRequest::default()
        }
    }

    pub fn snapshot(&self, leader_epoch: LeaderEpoch, id: SnapshotId, position: i64) -> FetchSnapshotRequest {
        let partition = PartitionSnapshot {
            partition: 0,
            current_leader_epoch: leader_epoch,
            snapshot_id: WireSnapshotId {
                end_offset: id.end_offset,
                epoch: id.epoch,
            },
            position,
            replica_directory_id: self.directory,
        };
        FetchSnapshotRequest {
            cluster_id: Some(self.cluster_id.clone()),
            replica_id: self.node_id,
            max_bytes: self.snapshot_bytes,
            topics: vec![TopicSnapshot {
                name: TOPIC.into(),
                partitions: vec![partition],
            }],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::api_versions_response::ApiVersion;

    #[test]
    fn the_highest_version_that_both_know_is_spoken() {
        for (case, fetch, snapshot, expected) in [
            ("4.3", Some((4, 18)), Some((0, 1)), Some((18, 1))),
            ("3.9", Some((4, 17)), Some((0, 1)), Some((17, 1))),
            ("later", Some((17, 25)), Some((0, 7)), Some((18, 1))),
            ("3.7", Some((0, 16)), Some((0, 0)), None),
            ("far too new", Some((19, 25)), Some((0, 1)), None),
            ("a broker", Some((4, 18)), None, None),
        ] {
            let api = |key: i16, range: Option<(i16, i16)>| {
                range.map(|(min_version, max_version)| ApiVersion {
                    api_key: key,
                    min_version,
                    max_version,
                })
            };
            let peer = ApiVersionsResponse {
                api_keys: [api(1, fetch), api(59, snapshot)].into_iter().flatten().collect(),
                ..Default::default()
            };
            let expected = expected.map(|(fetch, snapshot)| Versions { fetch, snapshot });
            assert_eq!(Versions::common(&peer), expected, "{case}");
        }
    }
}
