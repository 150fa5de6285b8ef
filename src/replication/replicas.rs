//! All partitions on this broker, by topic id and index.

use crate::metadata::Image;
use crate::replication::partition::Partition;
use crate::types::ErrorCode;
use crate::types::PartitionId;
use crate::types::Uuid;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;

/// `None` is a partition whose log directory has failed.
type Held = HashMap<(Uuid, PartitionId), Option<Arc<Partition>>>;

#[derive(Default)]
pub struct Replicas {
    held: RwLock<Held>,
}

impl Replicas {
    pub fn get(&self, topic_id: Uuid, index: PartitionId) -> Option<Arc<Partition>> {
        self.held().get(&(topic_id, index)).cloned().flatten()
    }

    /// The partition, or what Kafka answers when it is not here.
    pub fn find(&self, image: &Image, topic_id: Uuid, index: PartitionId) -> Result<Arc<Partition>, ErrorCode> {
        match self.held().get(&(topic_id, index)) {
            Some(Some(partition)) => Ok(partition.clone()),
            Some(None) => Err(ErrorCode::KafkaStorageError),
            None if image.partition(topic_id, index).is_some() => Err(ErrorCode::NotLeaderOrFollower),
            None => Err(ErrorCode::UnknownTopicOrPartition),
        }
    }

    pub fn insert(&self, partition: Arc<Partition>) {
        let key = (partition.topic_id, partition.index);
        self.held_mut().insert(key, Some(partition));
    }

    /// Marks a partition whose directory has failed, so that it is not taken for one that is elsewhere.
    pub fn take_offline(&self, topic_id: Uuid, index: PartitionId) -> Option<Arc<Partition>> {
        self.held_mut().insert((topic_id, index), None).flatten()
    }

    pub fn remove(&self, topic_id: Uuid, index: PartitionId) -> Option<Arc<Partition>> {
        self.held_mut().remove(&(topic_id, index)).flatten()
    }

    pub fn all(&self) -> Vec<Arc<Partition>> {
        self.held().values().flatten().cloned().collect()
    }

    fn held(&self) -> std::sync::RwLockReadGuard<'_, Held> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn held_mut(&self) -> std::sync::RwLockWriteGuard<'_, Held> {
        self.held.write().unwrap_or_else(PoisonError::into_inner)
    }
}
