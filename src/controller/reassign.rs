//! AlterPartitionReassignments and ListPartitionReassignments: partitions move to other brokers, or back.

use crate::controller::Controller;
use crate::controller::Outcome;
use crate::controller::Refusal;
use crate::controller::change::Election;
use crate::controller::refusal::answer;
use crate::metadata::MetadataRecord;
use crate::metadata::Partition;
use crate::metadata::Topic;
use crate::schema::alter_partition_reassignments_request::AlterPartitionReassignmentsRequest;
use crate::schema::alter_partition_reassignments_request::ReassignablePartition;
use crate::schema::alter_partition_reassignments_response::AlterPartitionReassignmentsResponse;
use crate::schema::alter_partition_reassignments_response::ReassignablePartitionResponse;
use crate::schema::alter_partition_reassignments_response::ReassignableTopicResponse;
use crate::schema::list_partition_reassignments_request::ListPartitionReassignmentsRequest;
use crate::schema::list_partition_reassignments_response::ListPartitionReassignmentsResponse;
use crate::schema::list_partition_reassignments_response::OngoingPartitionReassignment;
use crate::schema::list_partition_reassignments_response::OngoingTopicReassignment;
use crate::types::ErrorCode;
use crate::types::NodeId;
use std::collections::BTreeSet;

impl Controller {
    pub fn alter_reassignments(
        &self,
        request: &AlterPartitionReassignmentsRequest,
    ) -> Outcome<AlterPartitionReassignmentsResponse> {
        let mut records = Vec::new();
        let mut responses = Vec::with_capacity(request.topics.len());
        for topic in &request.topics {
            let mut partitions = Vec::with_capacity(topic.partitions.len());
            for partition in &topic.partitions {
                let altered = self.reassign(&topic.name, partition, request.allow_replication_factor_change);
                let (error_code, error_message) = answer(&altered.map(|record| records.extend(record)));
                let partition_index = partition.partition_index;
                partitions.push(ReassignablePartitionResponse {
                    partition_index,
                    error_code,
                    error_message,
                });
            }
            responses.push(ReassignableTopicResponse {
                name: topic.name.clone(),
                partitions,
            });
        }
        let mut response = AlterPartitionReassignmentsResponse {
            allow_replication_factor_change: request.allow_replication_factor_change,
            responses,
            error_message: None,
            ..Default::default()
        };
        if let Err(refusal) = Controller::bounded(&records) {
            (response.error_code, response.error_message) = answer(&Err(refusal));
            records.clear();
        }
        Outcome::of(records, response)
    }

    fn reassign(
        &self,
        name: &str,
        wanted: &ReassignablePartition,
        factor_may_change: bool,
    ) -> Result<Option<MetadataRecord>, Refusal> {
        let unknown = |message: String| Refusal::new(ErrorCode::UnknownTopicOrPartition, message);
        let index = wanted.partition_index;
        let topic = self.image().topic(name);
        let topic = topic.ok_or_else(|| unknown(format!("Unable to find a topic named {name}.")))?;
        let partition = topic.partition(index);
        let partition = partition.ok_or_else(|| unknown(format!("Unable to find partition {name}:{index}.")))?;
        match &wanted.replicas {
            None => self.cancel_reassignment(topic, partition),
            Some(replicas) => {
                self.check_assignment(replicas, None)?;
                if !factor_may_change {
                    check_factor(partition, replicas.len())?;
                }
                let (removing, adding) = (
                    without(&partition.replicas, replicas),
                    without(replicas, &partition.replicas),
                );
                let mut change = self.change(topic, partition);
                change.replicas = replicas.iter().chain(&removing).copied().collect();
                if !removing.is_empty() {
                    change.removing = removing;
                }
                if !adding.is_empty() {
                    change.adding = adding;
                }
                Ok(change.build())
            }
        }
    }

    fn cancel_reassignment(&self, topic: &Topic, partition: &Partition) -> Result<Option<MetadataRecord>, Refusal> {
        if !partition.is_reassigning() {
            return Err(Refusal::bare(ErrorCode::NoReassignmentInProgress));
        }
        let refuse = |message: String| Refusal::new(ErrorCode::InvalidReplicaAssignment, message);
        let original = |list: &[NodeId]| {
            list.iter()
                .filter(|id| !partition.adding.contains(id))
                .copied()
                .collect()
        };
        let replicas: Vec<NodeId> = original(&partition.replicas);
        let mut isr: Vec<NodeId> = original(&partition.isr);
        let unclean_allowed = self.unclean_election_allowed(&topic.name);
        if isr.is_empty() {
            let message = "Invalid replica assignment: addingReplicas contains all replicas.";
            isr.push(*replicas.first().ok_or_else(|| refuse(message.to_owned()))?);
            if !unclean_allowed {
                return Err(refuse(format!(
                    "Unable to revert partition assignment for {}:{} because it would require an unclean leader \
                     election.",
                    topic.name, partition.index
                )));
            }
        }
        let mut change = self.change(topic, partition);
        if unclean_allowed {
            change.election = Election::Unclean;
        }
        change.isr = isr;
        change.replicas = replicas;
        change.removing.clear();
        change.adding.clear();
        Ok(change.build())
    }

    pub fn list_reassignments(
        &self,
        request: &ListPartitionReassignmentsRequest,
    ) -> ListPartitionReassignmentsResponse {
        let ongoing = |partition: &Partition| OngoingPartitionReassignment {
            partition_index: partition.index,
            replicas: partition.replicas.clone(),
            adding_replicas: partition.adding.clone(),
            removing_replicas: partition.removing.clone(),
        };
        let moving = |partition: Option<&std::sync::Arc<Partition>>| {
            partition
                .filter(|partition| partition.is_reassigning())
                .map(|partition| ongoing(partition))
        };
        let topics: Vec<OngoingTopicReassignment> = match &request.topics {
            None => {
                let all = self.image().topics().map(|topic| OngoingTopicReassignment {
                    name: topic.name.clone(),
                    partitions: topic
                        .partitions()
                        .iter()
                        .filter_map(|partition| moving(Some(partition)))
                        .collect(),
                });
                all.collect()
            }
            Some(topics) => {
                let known = topics
                    .iter()
                    .filter_map(|wanted| Some((wanted, self.image().topic(&wanted.name)?)));
                let listed = known.map(|(wanted, topic)| OngoingTopicReassignment {
                    name: topic.name.clone(),
                    partitions: wanted
                        .partition_indexes
                        .iter()
                        .filter_map(|i| moving(topic.partition(*i)))
                        .collect(),
                });
                listed.collect()
            }
        };
        let topics = topics
            .into_iter()
            .filter(|topic| !topic.partitions.is_empty())
            .collect();
        ListPartitionReassignmentsResponse {
            topics,
            error_message: None,
            ..Default::default()
        }
    }
}

/// What is in `these` and not in `those`, in ascending order.
fn without(these: &[NodeId], those: &[NodeId]) -> Vec<NodeId> {
    let difference: BTreeSet<NodeId> = these.iter().filter(|id| !those.contains(id)).copied().collect();
    difference.into_iter().collect()
}

fn check_factor(partition: &Partition, wanted: usize) -> Result<(), Refusal> {
    let stays = partition
        .replicas
        .iter()
        .chain(&partition.adding)
        .filter(|id| !partition.removing.contains(id));
    let current = stays.collect::<BTreeSet<_>>().len();
    if current == wanted {
        return Ok(());
    }
    let message = format!("The replication factor is changed from {current} to {wanted}");
    Err(Refusal::new(ErrorCode::InvalidReplicationFactor, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::testing::World;
    use crate::schema::alter_partition_reassignments_request::ReassignableTopic;
    use crate::schema::alter_partition_request as isr;
    use crate::types::Uuid;

    fn ask(world: &mut World, index: i32, replicas: Option<&[i32]>, factor_may_change: bool) -> (i16, Option<String>) {
        let partition = ReassignablePartition {
            partition_index: index,
            replicas: replicas.map(|ids| ids.to_vec()),
        };
        let request = AlterPartitionReassignmentsRequest {
            allow_replication_factor_change: factor_may_change,
            topics: vec![ReassignableTopic {
                name: "a".into(),
                partitions: vec![partition],
            }],
            ..Default::default()
        };
        let reply = world.run(|controller, _| controller.alter_reassignments(&request));
        let row = &reply.responses[0].partitions[0];
        (
            row.error_code,
            row.error_message.as_ref().map(|message| message.to_string()),
        )
    }

    fn in_sync(world: &mut World, topic_id: Uuid, leader: i32, ids: &[i32]) {
        let partition = world.image().partition(topic_id, 0).unwrap().clone();
        let wanted = isr::PartitionData {
            leader_epoch: partition.leader_epoch,
            partition_epoch: partition.partition_epoch,
            new_isr_with_epochs: ids
                .iter()
                .map(|id| isr::BrokerState {
                    broker_id: *id,
                    broker_epoch: -1,
                })
                .collect(),
            ..Default::default()
        };
        let request = isr::AlterPartitionRequest {
            broker_id: leader,
            broker_epoch: world.epoch(leader),
            topics: vec![isr::TopicData {
                topic_id,
                partitions: vec![wanted],
            }],
        };
        world
            .run(|controller, _| controller.alter_partition(3, &request))
            .unwrap();
    }

    #[test]
    fn a_partition_moves_once_its_new_replicas_are_in_sync() {
        let mut world = World::with_brokers(4);
        let topic = world.assigned_topic("a", &[&[0, 1]]);
        assert_eq!(ask(&mut world, 0, Some(&[2, 3]), true).0, 0);
        let moving = world.image().partition(topic, 0).unwrap().clone();
        assert_eq!(
            (&moving.replicas[..], &moving.removing[..], &moving.adding[..]),
            (&[2, 3, 0, 1][..], &[0, 1][..], &[2, 3][..])
        );
        let listed = world
            .controller
            .list_reassignments(&ListPartitionReassignmentsRequest::default());
        assert_eq!(listed.topics[0].partitions[0].adding_replicas, [2, 3]);
        in_sync(&mut world, topic, 0, &[0, 1, 2]);
        assert!(world.image().partition(topic, 0).unwrap().is_reassigning());
        in_sync(&mut world, topic, 0, &[0, 1, 2, 3]);
        let moved = world.image().partition(topic, 0).unwrap().clone();
        assert_eq!(
            (&moved.replicas[..], moved.leader, &moved.isr[..]),
            (&[2, 3][..], 2, &[2, 3][..])
        );
        assert_eq!(moved.directories, [World::directory(2), World::directory(3)]);
        assert!(!moved.is_reassigning());
    }

    #[test]
    fn a_move_can_be_taken_back() {
        let mut world = World::with_brokers(3);
        let topic = world.assigned_topic("a", &[&[0, 1]]);
        assert_eq!(ask(&mut world, 0, None, true).0, 85);
        ask(&mut world, 0, Some(&[2]), true);
        assert_eq!(ask(&mut world, 0, None, true), (0, None));
        let back = world.image().partition(topic, 0).unwrap();
        assert_eq!(
            (&back.replicas[..], back.leader, back.leader_epoch),
            (&[0, 1][..], 0, 1)
        );
    }

    #[test]
    fn wrong_moves_are_refused() {
        let mut world = World::with_brokers(3);
        world.assigned_topic("a", &[&[0, 1]]);
        for (index, replicas, may_change, code, message) in [
            (9, &[0][..], true, 3, "Unable to find partition a:9."),
            (
                0,
                &[],
                true,
                39,
                "The manual partition assignment includes an empty replica list.",
            ),
            (0, &[2], false, 38, "The replication factor is changed from 2 to 1"),
        ] {
            let answer = ask(&mut world, index, Some(replicas), may_change);
            assert_eq!(answer, (code, Some(message.to_owned())));
        }
    }
}
