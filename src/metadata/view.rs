//! The image as a client on one listener sees it: who can be reached there, and which replicas cannot.

use crate::metadata::Broker;
use crate::metadata::Endpoint;
use crate::metadata::Image;
use crate::metadata::Partition;
use crate::types::NodeId;
use std::sync::Arc;

impl Image {
    /// An unfenced broker and where it listens under this name.
    pub fn reachable(&self, broker: NodeId, listener: &str) -> Option<(&Arc<Broker>, &Endpoint)> {
        let broker = self.broker(broker).filter(|broker| !broker.fenced)?;
        Some((broker, broker.endpoint(listener)?))
    }

    /// All brokers that can be reached on this listener.
    pub fn reachable_brokers(&self, listener: &str) -> impl Iterator<Item = (&Arc<Broker>, &Endpoint)> {
        self.brokers()
            .filter_map(move |broker| self.reachable(broker.id, listener))
    }

    /// Replicas on brokers that are gone, fenced or not on this listener, or in a failed directory.
    pub fn offline_replicas(&self, partition: &Partition, listener: &str) -> Vec<NodeId> {
        let online = |id: NodeId| {
            let directory = partition.directory_of(id);
            let found = self.reachable(id, listener);
            found.is_some_and(|(broker, _)| directory.is_none_or(|directory| broker.has_online(directory)))
        };
        partition.replicas.iter().copied().filter(|id| !online(*id)).collect()
    }
}
