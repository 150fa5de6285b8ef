//! The coordinators of consumer groups on this broker: which group belongs to which, and which partitions they have.

use crate::clock::SharedClock;
use crate::config::BrokerConfig;
use crate::group::Command;
use crate::group::Groups;
use crate::group::Reply;
use crate::group::World;
use crate::metadata::Changes;
use crate::metadata::Image;
use crate::record::compress::Compression;
use crate::replication::replicas::Replicas;
use crate::runtime::coordinator::Coordinators;
use crate::runtime::coordinator::Maker;
use crate::runtime::observer::Published;
use crate::types::ErrorCode;
use crate::types::NodeId;
use crate::types::PartitionId;
use std::sync::Arc;

const TOPIC: &str = "__consumer_offsets";

pub struct GroupCoordinators {
    node_id: NodeId,
    replicas: Arc<Replicas>,
    coordinators: Arc<Coordinators<Groups>>,
}

impl GroupCoordinators {
    /// Must be called where tokio runs.
    pub fn new(
        node_id: NodeId,
        replicas: Arc<Replicas>,
        published: Arc<Published>,
        config: impl Fn() -> Arc<BrokerConfig> + Send + Sync + 'static,
        clock: SharedClock,
    ) -> GroupCoordinators {
        let time = clock.clone();
        let world = move || World {
            now: time.now(),
            image: published.image(),
            config: config(),
        };
        let maker = Maker {
            machine: Box::new(Groups::new),
            world: Box::new(world),
            compression: Box::new(|| Compression::NONE),
        };
        GroupCoordinators {
            node_id,
            replicas,
            coordinators: Coordinators::new(maker, clock),
        }
    }

    pub fn topic(&self) -> &'static str {
        TOPIC
    }

    /// The partition that keeps a group; `None` while there is no such topic.
    pub fn partition_of(&self, image: &Image, group: &str) -> Option<PartitionId> {
        let count = i32::try_from(image.topic(TOPIC)?.partitions().len()).ok()?;
        (hash(group) & i32::MAX).checked_rem(count)
    }

    pub async fn run(&self, image: &Image, group: &str, command: Command) -> Result<Reply, ErrorCode> {
        let partition = self
            .partition_of(image, group)
            .ok_or(ErrorCode::CoordinatorNotAvailable)?;
        self.coordinators.run(partition, command).await
    }

    /// Asks all coordinators of this broker.
    pub async fn run_all(&self, command: impl FnMut() -> Command) -> Vec<Result<Reply, ErrorCode>> {
        self.coordinators.run_all(command).await
    }

    /// Takes in who leads the partitions of the topic now.
    pub fn follow(&self, image: &Image, changes: &Changes) {
        let Some(topic) = image.topic(TOPIC) else {
            if changes.topics_deleted.iter().any(|topic| topic.name == TOPIC) {
                self.coordinators.resign_all();
            }
            return;
        };
        if !changes.topics_deleted.is_empty() {
            let names: Vec<_> = changes.topics_deleted.iter().map(|topic| topic.name.clone()).collect();
            self.coordinators
                .tell_all(move || Command::TopicsDeleted(names.clone()));
        }
        for (_, index) in changes.partitions.iter().filter(|(id, _)| *id == topic.id) {
            let Some(partition) = topic.partition(*index) else {
                continue;
            };
            let led = (partition.leader == self.node_id).then_some(partition.leader_epoch);
            match led.zip(self.replicas.get(topic.id, *index)) {
                Some((epoch, replica)) => self.coordinators.elected(replica, epoch),
                None => self.coordinators.resigned(*index),
            }
        }
    }

    /// Nobody is answered any more.
    pub fn stop(&self) {
        self.coordinators.resign_all();
    }
}

/// Java's hash of a string: over its UTF-16 units.
fn hash(text: &str) -> i32 {
    text.encode_utf16()
        .fold(0, |hash: i32, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_spread_as_java_hashes_them() {
        for (text, expected) in [("", 0), ("group", 98629247), ("größe", 98762257), ("𝄞", 1772394)] {
            assert_eq!(hash(text), expected, "{text}");
        }
    }
}
