//! AlterPartition: a leader says who is in sync with it.

use crate::controller::Controller;
use crate::controller::Outcome;
use crate::controller::Refusal;
use crate::controller::change::Election;
use crate::metadata::LeaderRecovery;
use crate::metadata::MetadataRecord;
use crate::metadata::Partition;
use crate::metadata::Topic;
use crate::metadata::UNCHANGED_LEADER;
use crate::schema::alter_partition_request as request;
use crate::schema::alter_partition_request::AlterPartitionRequest;
use crate::schema::alter_partition_response as response;
use crate::schema::alter_partition_response::AlterPartitionResponse;
use crate::types::ErrorCode;
use crate::types::NodeId;
use std::collections::BTreeSet;

/// From this version on the ISR comes with broker epochs.
const FIRST_VERSION_WITH_EPOCHS: i16 = 3;

impl Controller {
    pub fn alter_partition(
        &self,
        version: i16,
        request: &AlterPartitionRequest,
    ) -> Outcome<Result<AlterPartitionResponse, Refusal>> {
        // Who changes nothing is not even asked who he is.
        if request.topics.is_empty() {
            return Outcome::reply(Ok(AlterPartitionResponse::default()));
        }
        if let Err(refusal) = self.checked_broker(request.broker_id, request.broker_epoch) {
            return Outcome::reply(Err(refusal));
        }
        let mut records = Vec::new();
        let mut topics = Vec::with_capacity(request.topics.len());
        for wanted in &request.topics {
            let mut partitions = Vec::with_capacity(wanted.partitions.len());
            for partition in &wanted.partitions {
                let altered = match self.image().topic_by_id(wanted.topic_id) {
                    Some(topic) => self.alter_one(version, request.broker_id, topic, partition),
                    None => Err(ErrorCode::UnknownTopicId),
                };
                partitions.push(match altered {
                    Ok(Altered { record, answer }) => {
                        records.extend(record);
                        answer
                    }
                    Err(error) => failed(partition.partition_index, error),
                });
            }
            topics.push(response::TopicData {
                topic_id: wanted.topic_id,
                partitions,
            });
        }
        Outcome::of(
            records,
            Ok(AlterPartitionResponse {
                topics,
                ..Default::default()
            }),
        )
    }

    fn alter_one(
        &self,
        version: i16,
        leader: NodeId,
        topic: &Topic,
        wanted: &request::PartitionData,
    ) -> Result<Altered, ErrorCode> {
        let partition = topic
            .partition(wanted.partition_index)
            .ok_or(ErrorCode::UnknownTopicOrPartition)?;
        let isr: Vec<(NodeId, i64)> = match version {
            ..FIRST_VERSION_WITH_EPOCHS => wanted.new_isr.iter().map(|id| (*id, -1)).collect(),
            _ => wanted
                .new_isr_with_epochs
                .iter()
                .map(|state| (state.broker_id, state.broker_epoch))
                .collect(),
        };
        check_epochs(leader, partition, wanted)?;
        let recovery = check_isr(partition, wanted, &isr)?;
        if isr.iter().any(|(id, epoch)| !self.is_eligible(*id, *epoch)) {
            return Err(ErrorCode::IneligibleReplica);
        }
        let mut change = self.change(topic, partition);
        change.isr = isr.iter().map(|(id, _)| *id).collect();
        change.recovery = recovery;
        if self.unclean_election_allowed(&topic.name) {
            change.election = Election::Unclean;
        }
        let record = change.build();
        let mut after = (**partition).clone();
        if let Some(MetadataRecord::PartitionChange(change)) = &record {
            after.apply(change);
            if change.leader != leader && change.leader != UNCHANGED_LEADER {
                let answer = failed(wanted.partition_index, ErrorCode::NewLeaderElected);
                return Ok(Altered { record, answer });
            }
        }
        let answer = response::PartitionData {
            partition_index: wanted.partition_index,
            error_code: 0,
            leader_id: after.leader,
            leader_epoch: after.leader_epoch,
            isr: after.isr,
            leader_recovery_state: after.leader_recovery.code(),
            partition_epoch: after.partition_epoch,
        };
        Ok(Altered { record, answer })
    }

    /// An epoch of -1 stands for "whichever".
    fn is_eligible(&self, id: NodeId, epoch: i64) -> bool {
        let broker = self.image().broker(id);
        broker.is_some_and(|broker| broker.is_active() && (epoch == -1 || broker.epoch == epoch))
    }
}

struct Altered {
    record: Option<MetadataRecord>,
    answer: response::PartitionData,
}

fn failed(partition_index: i32, error: ErrorCode) -> response::PartitionData {
    response::PartitionData {
        partition_index,
        error_code: error.code(),
        ..Default::default()
    }
}

/// The order of the checks is Kafka's: each answer makes a leader do something else.
fn check_epochs(leader: NodeId, partition: &Partition, wanted: &request::PartitionData) -> Result<(), ErrorCode> {
    if wanted.leader_epoch > partition.leader_epoch || wanted.partition_epoch > partition.partition_epoch {
        return Err(ErrorCode::NotController);
    }
    if wanted.leader_epoch < partition.leader_epoch {
        return Err(ErrorCode::FencedLeaderEpoch);
    }
    if leader != partition.leader {
        return Err(ErrorCode::InvalidRequest);
    }
    if wanted.partition_epoch < partition.partition_epoch {
        return Err(ErrorCode::InvalidUpdateVersion);
    }
    Ok(())
}

fn check_isr(
    partition: &Partition,
    wanted: &request::PartitionData,
    isr: &[(NodeId, i64)],
) -> Result<LeaderRecovery, ErrorCode> {
    let distinct: BTreeSet<NodeId> = isr.iter().map(|(id, _)| *id).collect();
    let assigned = distinct.iter().all(|id| partition.replicas.contains(id));
    if distinct.len() != isr.len() || !assigned || !distinct.contains(&partition.leader) {
        return Err(ErrorCode::InvalidRequest);
    }
    let recovery = LeaderRecovery::from_code(wanted.leader_recovery_state).ok_or(ErrorCode::InvalidRequest)?;
    let recovering = recovery == LeaderRecovery::Recovering;
    if recovering && (isr.len() > 1 || partition.leader_recovery == LeaderRecovery::Recovered) {
        return Err(ErrorCode::InvalidRequest);
    }
    Ok(recovery)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::testing::World;

    #[test]
    fn what_a_leader_may_say_depends_on_epochs_and_on_who_is_alive() {
        for (case, leader, epochs, isr, code, expected) in [
            ("shrink", 0, (0, 0), &[(0, -1)][..], 0, &[0][..]),
            ("later leader epoch", 0, (1, 0), &[(0, -1)], 41, &[0, 1, 2]),
            ("later partition epoch", 0, (0, 1), &[(0, -1)], 41, &[0, 1, 2]),
            ("earlier leader epoch", 0, (-1, 0), &[(0, -1)], 74, &[0, 1, 2]),
            ("earlier partition epoch", 0, (0, -1), &[(0, -1)], 95, &[0, 1, 2]),
            ("not the leader", 1, (0, 0), &[(1, -1)], 42, &[0, 1, 2]),
            ("without itself", 0, (0, 0), &[(1, -1)], 42, &[0, 1, 2]),
            ("not a replica", 0, (0, 0), &[(0, -1), (3, -1)], 42, &[0, 1, 2]),
            ("twice", 0, (0, 0), &[(0, -1), (0, -1)], 42, &[0, 1, 2]),
            ("another epoch", 0, (0, 0), &[(0, -1), (1, 999)], 107, &[0, 1, 2]),
        ] {
            let mut world = World::with_brokers(4);
            let topic_id = world.assigned_topic("a", &[&[0, 1, 2]]);
            let state = |(broker_id, broker_epoch): &(i32, i64)| request::BrokerState {
                broker_id: *broker_id,
                broker_epoch: *broker_epoch,
            };
            let wanted = request::PartitionData {
                leader_epoch: epochs.0,
                partition_epoch: epochs.1,
                new_isr_with_epochs: isr.iter().map(state).collect(),
                ..Default::default()
            };
            let request = AlterPartitionRequest {
                broker_id: leader,
                broker_epoch: world.epoch(leader),
                topics: vec![request::TopicData {
                    topic_id,
                    partitions: vec![wanted],
                }],
            };
            let reply = world
                .run(|controller, _| controller.alter_partition(3, &request))
                .unwrap();
            assert_eq!(reply.topics[0].partitions[0].error_code, code, "{case}");
            assert_eq!(world.image().partition(topic_id, 0).unwrap().isr, expected, "{case}");
        }
    }

    #[test]
    fn a_broker_of_the_past_changes_nothing() {
        let mut world = World::with_brokers(1);
        let request = AlterPartitionRequest {
            broker_id: 0,
            broker_epoch: 12345,
            topics: vec![request::TopicData::default()],
        };
        let reply = world.run(|controller, _| controller.alter_partition(3, &request));
        assert_eq!(reply.unwrap_err().code, ErrorCode::StaleBrokerEpoch);
    }
}
