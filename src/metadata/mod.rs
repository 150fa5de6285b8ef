//! The cluster as an immutable image, and the records of `__cluster_metadata` that change it.
//!
//! `Image` is cheap to clone and to read; `Replay` turns records into the next image and says what changed.

mod changes;
mod cluster;
mod image;
mod partition;
mod record;
mod release;
mod replay;
mod snapshot;
mod view;

pub use changes::Changes;
pub use cluster::Acl;
pub use cluster::Broker;
pub use cluster::ConfigMap;
pub use cluster::ConfigResource;
pub use cluster::Controller;
pub use cluster::DelegationToken;
pub use cluster::Endpoint;
pub use cluster::QuotaEntity;
pub use cluster::ResourceKind;
pub use cluster::ScramCredential;
pub use cluster::VersionRange;
pub use image::Image;
pub use image::Topic;
pub use partition::LeaderRecovery;
pub use partition::NO_LEADER;
pub use partition::Partition;
pub use partition::UNCHANGED_LEADER;
pub use record::MetadataRecord;
pub use record::RecordError;
pub use release::MetadataVersion;
pub use replay::Replay;
pub use replay::ReplayError;

/// Names of the features that the metadata log finalises.
pub mod feature {
    pub const METADATA_VERSION: &str = "metadata.version";
    pub const KRAFT_VERSION: &str = "kraft.version";
    pub const ELIGIBLE_LEADER_REPLICAS: &str = "eligible.leader.replicas.version";
    pub const GROUP_VERSION: &str = "group.version";
    pub const SHARE_VERSION: &str = "share.version";
    pub const STREAMS_VERSION: &str = "streams.version";
    pub const TRANSACTION_VERSION: &str = "transaction.version";
}

/// Directory ids with a meaning of their own.
pub mod directory {
    use crate::types::Uuid;

    /// The broker has not said yet where the replica lies.
    pub const UNASSIGNED: Uuid = Uuid::ZERO;
    /// The replica's directory failed before the broker could say which it was.
    pub const LOST: Uuid = Uuid::ONE;
    /// Written before assignments named directories.
    pub const MIGRATING: Uuid = Uuid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
}
