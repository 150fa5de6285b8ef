//! AssignReplicasToDirs, and what becomes of replicas whose directory failed.

use crate::controller::Controller;
use crate::controller::Outcome;
use crate::controller::Refusal;
use crate::controller::change::Comings;
use crate::metadata::Broker;
use crate::metadata::MetadataRecord;
use crate::metadata::Partition;
use crate::metadata::Topic;
use crate::schema::assign_replicas_to_dirs_request::AssignReplicasToDirsRequest;
use crate::schema::assign_replicas_to_dirs_request::TopicData;
use crate::schema::assign_replicas_to_dirs_response as response;
use crate::schema::assign_replicas_to_dirs_response::AssignReplicasToDirsResponse;
use crate::schema::broker_registration_change_record::BrokerRegistrationChangeRecord;
use crate::types::ErrorCode;
use crate::types::Uuid;

impl Controller {
    pub fn assign_replicas_to_dirs(
        &self,
        request: &AssignReplicasToDirsRequest,
    ) -> Outcome<Result<AssignReplicasToDirsResponse, Refusal>> {
        if !self.level().directory_assignment() {
            let message = "Directory assignment is not supported yet.";
            return Outcome::reply(Err(Refusal::new(ErrorCode::UnsupportedVersion, message)));
        }
        let broker = match self.checked_broker(request.broker_id, request.broker_epoch) {
            Ok(broker) => broker,
            Err(refusal) => return Outcome::reply(Err(refusal)),
        };
        let mut records = Vec::new();
        let mut elections = Vec::new();
        let mut directories = Vec::with_capacity(request.directories.len());
        for directory in &request.directories {
            let mut assign =
                |topic: &TopicData| self.assign_topic(broker, directory.id, topic, (&mut records, &mut elections));
            let topics = directory.topics.iter().map(&mut assign).collect();
            directories.push(response::DirectoryData {
                id: directory.id,
                topics,
            });
        }
        records.extend(elections);
        Outcome::of(
            records,
            Ok(AssignReplicasToDirsResponse {
                directories,
                ..Default::default()
            }),
        )
    }

    fn assign_topic(
        &self,
        broker: &Broker,
        directory: Uuid,
        wanted: &TopicData,
        (records, elections): (&mut Vec<MetadataRecord>, &mut Vec<MetadataRecord>),
    ) -> response::TopicData {
        let topic = self.image().topic_by_id(wanted.topic_id);
        let mut assign = |index: i32| {
            let topic = topic.ok_or(ErrorCode::UnknownTopicId)?;
            let partition = topic.partition(index).ok_or(ErrorCode::UnknownTopicOrPartition)?;
            if !partition.replicas.contains(&broker.id) {
                return Err(ErrorCode::NotLeaderOrFollower);
            }
            let mut change = self.change(topic, partition);
            change.place(broker.id, directory);
            records.extend(change.build());
            if !broker.has_online(directory) {
                elections.extend(self.replica_offline(broker, topic, partition));
            }
            Ok(())
        };
        let partitions = wanted.partitions.iter().map(|partition| response::PartitionData {
            partition_index: partition.partition_index,
            error_code: assign(partition.partition_index).err().map_or(0, ErrorCode::code),
        });
        response::TopicData {
            topic_id: wanted.topic_id,
            partitions: partitions.collect(),
        }
    }

    fn replica_offline(&self, broker: &Broker, topic: &Topic, partition: &Partition) -> Option<MetadataRecord> {
        let comings = Comings {
            leaves: Some(broker.id),
            ..Comings::default()
        };
        self.change_leaving(topic, partition, comings, self.unclean_election_allowed(&topic.name))
    }

    /// A broker that lost a directory stays, but what lay there is led by others.
    pub(super) fn directories_offline(&self, broker: &Broker, offline: &[Uuid]) -> Vec<MetadataRecord> {
        let (lost, left): (Vec<Uuid>, Vec<Uuid>) = broker
            .directories
            .iter()
            .partition(|directory| offline.contains(directory));
        if lost.is_empty() {
            return Vec::new();
        }
        let comings = Comings {
            leaves: Some(broker.id),
            ..Comings::default()
        };
        let mut records = self.change_matching(comings, |partition| {
            partition
                .directory_of(broker.id)
                .is_some_and(|directory| lost.contains(&directory))
        });
        let change = BrokerRegistrationChangeRecord {
            broker_id: broker.id,
            broker_epoch: broker.epoch,
            log_dirs: left,
            ..Default::default()
        };
        records.push(change.into());
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::testing::World;
    use crate::schema::assign_replicas_to_dirs_request::DirectoryData;
    use crate::schema::assign_replicas_to_dirs_request::PartitionData;

    #[test]
    fn a_replica_lies_where_its_broker_says_and_one_that_lies_nowhere_does_not_lead() {
        for (case, broker_id, id, index, code, leader) in [
            ("online", 0, World::directory(0), 0, 0, 0),
            ("lost", 0, Uuid::ONE, 0, 0, 1),
            ("not a replica", 2, World::directory(2), 0, 6, 0),
            ("no such partition", 0, World::directory(0), 5, 3, 0),
        ] {
            let mut world = World::with_brokers(3);
            let topic_id = world.assigned_topic("a", &[&[0, 1]]);
            let partitions = vec![PartitionData { partition_index: index }];
            let request = AssignReplicasToDirsRequest {
                broker_id,
                broker_epoch: world.epoch(broker_id),
                directories: vec![DirectoryData {
                    id,
                    topics: vec![TopicData { topic_id, partitions }],
                }],
            };
            let reply = world
                .run(|controller, _| controller.assign_replicas_to_dirs(&request))
                .unwrap();
            assert_eq!(reply.directories[0].topics[0].partitions[0].error_code, code, "{case}");
            assert_eq!(world.image().partition(topic_id, 0).unwrap().leader, leader, "{case}");
        }
    }
}
