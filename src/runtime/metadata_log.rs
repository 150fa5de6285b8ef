//! The one door through which a broker sees the cluster's metadata, whoever leads it and wherever.

use crate::metadata::Image;
use crate::metadata::MetadataRecord;
use crate::types::LeaderEpoch;
use crate::types::Offset;
use crate::types::Timestamp;
use std::sync::Arc;
use tokio::sync::watch;

/// What was appended together, and takes effect together. A batch of the quorum's own has no records.
#[derive(Debug)]
pub struct MetadataBatch {
    pub base_offset: Offset,
    pub last_offset: Offset,
    pub epoch: LeaderEpoch,
    pub timestamp: Timestamp,
    pub records: Vec<MetadataRecord>,
}

/// What there is from an offset on.
pub enum MetadataRead {
    /// In order; the first may begin below the offset asked for.
    Batches(Vec<Arc<MetadataBatch>>),
    /// The offset lies too far back: this replaces everything known so far.
    Snapshot(Arc<Image>),
}

pub trait MetadataLog: Send + Sync {
    /// Committed batches from `from` on; an empty list if there is nothing yet.
    fn read(&self, from: Offset) -> MetadataRead;

    /// Of the quorum's own features: 1 if its voters are in the log.
    fn kraft_version(&self) -> i16;

    /// The end of what is committed, now and whenever it moves. Closes when the log does.
    fn high_watermark(&self) -> watch::Receiver<Offset>;
}
