//! What this broker does when the cluster changes: partitions, configs. It is told before others can see the change.

use crate::api::context::Handles;
use crate::config::LiveConfig;
use crate::config::Properties;
use crate::metadata::Changes;
use crate::metadata::ConfigResource;
use crate::metadata::Image;
use crate::replication::hosting::Placed;
use crate::runtime::observer::ImageListener;
use crate::schema::assign_replicas_to_dirs_request::AssignReplicasToDirsRequest;
use crate::schema::assign_replicas_to_dirs_request::DirectoryData;
use crate::schema::assign_replicas_to_dirs_request::PartitionData;
use crate::schema::assign_replicas_to_dirs_request::TopicData;
use crate::types::Uuid;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::PoisonError;
use tokio::runtime::Handle;
use tracing::warn;

/// At most so many replicas in one AssignReplicasToDirs.
const PLACED_AT_ONCE: usize = 2250;

pub struct Changed {
    handles: Arc<Handles>,
}

impl Changed {
    pub fn new(handles: Arc<Handles>) -> Changed {
        Changed { handles }
    }

    /// Overlays the file with what the metadata log has for all brokers and for this one.
    fn update_config(&self, image: &Image) -> Arc<LiveConfig> {
        let stored = |resource: ConfigResource| -> Properties {
            let held = image.config(&resource);
            let pairs = held.into_iter().flat_map(|values| values.iter());
            pairs
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect()
        };
        let for_all = stored(ConfigResource::all_brokers());
        let for_this = stored(ConfigResource::broker(self.handles.node_id));
        let update = self.handles.live().with(&for_all, &for_this);
        update.warnings.iter().for_each(|warning| warn!("{warning}"));
        let live = Arc::new(update.config);
        *self.handles.live.write().unwrap_or_else(PoisonError::into_inner) = live.clone();
        live
    }

    /// Tells the controller where replicas were put that it had no place for.
    fn report(&self, image: &Image, placed: Vec<Placed>) {
        let Some(broker) = image.broker(self.handles.node_id) else {
            return;
        };
        for some in placed.chunks(PLACED_AT_ONCE) {
            let request = request(self.handles.node_id, broker.epoch, some);
            let channel = self.handles.channel.clone();
            let tell = async move {
                if channel.assign_replicas(request).await.is_err() {
                    warn!("the controller was not told where new replicas lie");
                }
            };
            // Waits for a later image than the one that is being made here.
            Handle::current().spawn(tell);
        }
    }
}

impl ImageListener for Changed {
    fn on_change(&self, image: &Arc<Image>, changes: &Changes) {
        let own = [
            ConfigResource::all_brokers(),
            ConfigResource::broker(self.handles.node_id),
        ];
        let live = match own.iter().any(|resource| changes.configs.contains(resource)) {
            true => self.update_config(image),
            false => self.handles.live(),
        };
        let placed = self
            .handles
            .hosting
            .apply(image, changes, &live, self.handles.clock.now());
        if !placed.is_empty() {
            self.report(image, placed);
        }
    }
}

fn request(broker_id: i32, broker_epoch: i64, placed: &[Placed]) -> AssignReplicasToDirsRequest {
    let mut directories: BTreeMap<Uuid, BTreeMap<Uuid, Vec<PartitionData>>> = BTreeMap::new();
    for replica in placed {
        let topics = directories.entry(replica.directory).or_default();
        let partition = PartitionData {
            partition_index: replica.partition,
        };
        topics.entry(replica.topic_id).or_default().push(partition);
    }
    let topics = |topics: BTreeMap<Uuid, Vec<PartitionData>>| {
        topics
            .into_iter()
            .map(|(topic_id, partitions)| TopicData { topic_id, partitions })
            .collect()
    };
    let directories = directories
        .into_iter()
        .map(|(id, of)| DirectoryData { id, topics: topics(of) })
        .collect();
    AssignReplicasToDirsRequest {
        broker_id,
        broker_epoch,
        directories,
    }
}
