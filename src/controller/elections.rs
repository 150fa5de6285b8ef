//! Who leads: ElectLeaders, and what happens to partitions when brokers come and go.

use crate::controller::Controller;
use crate::controller::MAX_RECORDS_PER_COMMAND;
use crate::controller::Outcome;
use crate::controller::Refusal;
use crate::controller::change::Comings;
use crate::controller::change::Election;
use crate::controller::refusal::answer;
use crate::metadata::MetadataRecord;
use crate::metadata::Partition;
use crate::metadata::Topic;
use crate::schema::elect_leaders_request::ElectLeadersRequest;
use crate::schema::elect_leaders_response::ElectLeadersResponse;
use crate::schema::elect_leaders_response::PartitionResult;
use crate::schema::elect_leaders_response::ReplicaElectionResult;
use crate::types::ErrorCode;
use crate::types::PartitionId;
use compact_str::CompactString;

/// How many leaders one round of balancing moves.
const MAX_ELECTIONS_PER_ROUND: usize = 1_000;

impl Controller {
    /// Changes every partition that matches, as these brokers come or go.
    pub(super) fn change_matching(
        &self,
        comings: Comings,
        matches: impl Fn(&Partition) -> bool,
    ) -> Vec<MetadataRecord> {
        let mut records = Vec::new();
        for topic in self.image().topics() {
            let unclean = std::cell::OnceCell::new();
            for partition in topic.partitions().iter().filter(|partition| matches(partition)) {
                let unclean = *unclean.get_or_init(|| self.unclean_election_allowed(&topic.name));
                records.extend(self.change_leaving(topic, partition, comings, unclean));
            }
        }
        records
    }

    pub(super) fn change_leaving(
        &self,
        topic: &Topic,
        partition: &Partition,
        comings: Comings,
        unclean: bool,
    ) -> Option<MetadataRecord> {
        let mut change = self.change(topic, partition);
        change.comings = comings;
        if unclean {
            change.election = Election::Unclean;
        }
        change
            .isr
            .retain(|replica| comings.leaves != Some(*replica) && comings.crashed != Some(*replica));
        change.build()
    }

    pub fn elect_leaders(&self, request: &ElectLeadersRequest) -> Outcome<ElectLeadersResponse> {
        let election = match request.election_type {
            0 => Election::Preferred,
            1 => Election::Unclean,
            other => {
                let refusal = Refusal::new(ErrorCode::InvalidRequest, format!("Unknown election type {other}"));
                return Outcome::reply(refuse_all(request, &refusal));
            }
        };
        let mut records = Vec::new();
        let replica_election_results = match &request.topic_partitions {
            None => self.elect_everywhere(election, &mut records),
            Some(topics) => {
                let elect = |topic: &crate::schema::elect_leaders_request::TopicPartitions| {
                    let partitions = topic.partitions.iter();
                    let rows = partitions.map(|index| row(*index, self.elect(&topic.topic, *index, election)));
                    (topic.topic.clone(), rows.collect::<Vec<_>>())
                };
                topics
                    .iter()
                    .map(elect)
                    .map(|elected| collect(elected, &mut records))
                    .collect()
            }
        };
        if let Err(refusal) = Controller::bounded(&records) {
            return Outcome::reply(refuse_all(request, &refusal));
        }
        Outcome::of(
            records,
            ElectLeadersResponse {
                replica_election_results,
                ..Default::default()
            },
        )
    }

    fn elect_everywhere(&self, election: Election, records: &mut Vec<MetadataRecord>) -> Vec<ReplicaElectionResult> {
        let elect = |topic: &std::sync::Arc<Topic>| {
            let partitions = topic.partitions().iter();
            let rows = partitions.map(|partition| row(partition.index, self.elect_in(topic, partition, election)));
            let needed = rows.filter(|row| row.0.error_code != ErrorCode::ElectionNotNeeded.code());
            (topic.name.clone(), needed.collect::<Vec<_>>())
        };
        self.image()
            .topics()
            .map(elect)
            .map(|elected| collect(elected, records))
            .collect()
    }

    fn elect(&self, topic: &str, index: PartitionId, election: Election) -> Result<MetadataRecord, Refusal> {
        let unknown = |message: String| Refusal::new(ErrorCode::UnknownTopicOrPartition, message);
        let found = self
            .image()
            .topic(topic)
            .ok_or_else(|| unknown(format!("No such topic as {topic}")))?;
        let partition = found.partition(index);
        let partition = partition.ok_or_else(|| unknown(format!("No such partition as {topic}-{index}")))?;
        self.elect_in(found, partition, election)
    }

    fn elect_in(&self, topic: &Topic, partition: &Partition, election: Election) -> Result<MetadataRecord, Refusal> {
        let preferred = election == Election::Preferred;
        let needless = match preferred {
            true => partition.leader == partition.preferred_leader(),
            false => partition.has_leader(),
        };
        if needless {
            return Err(Refusal::plain(ErrorCode::ElectionNotNeeded));
        }
        let mut change = self.change(topic, partition);
        change.election = election;
        change.build().ok_or_else(|| {
            Refusal::plain(match preferred {
                true => ErrorCode::PreferredLeaderNotAvailable,
                false => ErrorCode::EligibleLeadersNotAvailable,
            })
        })
    }

    /// Gives leadership back to preferred replicas; `true` if a further round may find more to do.
    pub fn balance_leaders(&self) -> Outcome<bool> {
        let mut records = Vec::new();
        for topic in self.image().topics() {
            for partition in topic.partitions() {
                if records.len() >= MAX_ELECTIONS_PER_ROUND {
                    return Outcome::of(records, true);
                }
                if partition.leader != partition.preferred_leader() {
                    let mut change = self.change(topic, partition);
                    change.election = Election::Preferred;
                    records.extend(change.build());
                }
            }
        }
        Outcome::of(records, false)
    }

    /// Elects a replica out of sync where nobody else is left and the topic allows it.
    pub fn elect_unclean_leaders(&self) -> Outcome<bool> {
        let mut records = Vec::new();
        for topic in self.image().topics() {
            let leaderless = topic.partitions().iter().filter(|partition| !partition.has_leader());
            for partition in leaderless {
                if records.len() >= MAX_ELECTIONS_PER_ROUND {
                    return Outcome::of(records, true);
                }
                if self.unclean_election_allowed(&topic.name) {
                    records.extend(self.elect_in(topic, partition, Election::Unclean).ok());
                }
            }
        }
        assert!(
            records.len() <= MAX_RECORDS_PER_COMMAND,
            "a round is smaller than a command"
        );
        Outcome::of(records, false)
    }
}

fn row(index: PartitionId, result: Result<MetadataRecord, Refusal>) -> (PartitionResult, Option<MetadataRecord>) {
    let (record, result) = match result {
        Ok(record) => (Some(record), Ok(())),
        Err(refusal) => (None, Err(refusal)),
    };
    let (error_code, error_message) = answer(&result);
    (
        PartitionResult {
            partition_id: index,
            error_code,
            error_message,
        },
        record,
    )
}

fn collect(
    (topic, rows): (CompactString, Vec<(PartitionResult, Option<MetadataRecord>)>),
    records: &mut Vec<MetadataRecord>,
) -> ReplicaElectionResult {
    let mut partition_result = Vec::with_capacity(rows.len());
    for (row, record) in rows {
        partition_result.push(row);
        records.extend(record);
    }
    ReplicaElectionResult {
        topic,
        partition_result,
    }
}

/// Kafka repeats the refusal in every row that was asked for.
fn refuse_all(request: &ElectLeadersRequest, refusal: &Refusal) -> ElectLeadersResponse {
    let (error_code, error_message) = answer(&Err(refusal.clone()));
    let topics = request.topic_partitions.iter().flatten();
    let replica_election_results = topics.map(|topic| ReplicaElectionResult {
        topic: topic.topic.clone(),
        partition_result: topic
            .partitions
            .iter()
            .map(|partition_id| PartitionResult {
                partition_id: *partition_id,
                error_code,
                error_message: error_message.clone(),
            })
            .collect(),
    });
    ElectLeadersResponse {
        error_code,
        replica_election_results: replica_election_results.collect(),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::testing::World;
    use crate::metadata::ConfigResource;
    use crate::metadata::NO_LEADER;
    use crate::schema::config_record::ConfigRecord;
    use crate::schema::elect_leaders_request::TopicPartitions;

    fn ask(world: &mut World, election_type: i8, topic: &str, index: i32) -> (i16, String) {
        let topics = vec![TopicPartitions {
            topic: topic.into(),
            partitions: vec![index],
        }];
        let request = ElectLeadersRequest {
            election_type,
            topic_partitions: Some(topics),
            ..Default::default()
        };
        let reply = world.run(|controller, _| controller.elect_leaders(&request));
        let row = &reply.replica_election_results[0].partition_result[0];
        (
            row.error_code,
            row.error_message.as_deref().unwrap_or_default().to_owned(),
        )
    }

    #[test]
    fn preferred_leaders_come_back_when_asked_or_in_a_round() {
        let mut world = World::with_brokers(2);
        let topic = world.assigned_topic("a", &[&[0, 1]]);
        assert_eq!(ask(&mut world, 0, "a", 0).0, 84);
        world.fence(0);
        assert_eq!(ask(&mut world, 0, "a", 0).0, 80, "the preferred one is not there");
        world.beat(0, false, false);
        assert_eq!(ask(&mut world, 0, "a", 0).0, 80, "and not in sync");
        let isr = crate::schema::partition_change_record::PartitionChangeRecord {
            topic_id: topic,
            partition_id: 0,
            isr: Some(vec![1, 0]),
            ..Default::default()
        };
        world.write(vec![isr.clone().into()]);
        assert!(!world.run(|controller, _| controller.balance_leaders()));
        assert_eq!(world.image().partition(topic, 0).unwrap().leader, 0);
    }

    #[test]
    fn what_is_not_there_cannot_be_elected() {
        let mut world = World::with_brokers(1);
        world.topic("a", 1, 1);
        assert_eq!(ask(&mut world, 0, "x", 0), (3, "No such topic as x".to_owned()));
        assert_eq!(ask(&mut world, 1, "a", 7), (3, "No such partition as a-7".to_owned()));
        assert_eq!(ask(&mut world, 1, "a", 0).0, 84);
        assert_eq!(ask(&mut world, 5, "a", 0), (42, "Unknown election type 5".to_owned()));
    }

    #[test]
    fn a_replica_out_of_sync_leads_only_if_that_is_asked_for_or_allowed() {
        for allowed in [false, true] {
            let mut world = World::with_brokers(2);
            let topic = world.assigned_topic("a", &[&[0, 1]]);
            world.write(vec![
                crate::schema::partition_change_record::PartitionChangeRecord {
                    topic_id: topic,
                    partition_id: 0,
                    isr: Some(vec![0]),
                    ..Default::default()
                }
                .into(),
            ]);
            world.fence(0);
            assert_eq!(world.image().partition(topic, 0).unwrap().leader, NO_LEADER);
            let resource = ConfigResource::topic("a");
            let value = Some(allowed.to_string().into());
            let name = "unclean.leader.election.enable".into();
            let record = ConfigRecord {
                resource_type: 2,
                resource_name: resource.name,
                name,
                value,
            };
            world.write(vec![record.into()]);
            world.run(|controller, _| controller.elect_unclean_leaders());
            let leader = world.image().partition(topic, 0).unwrap().leader;
            assert_eq!(leader, if allowed { 1 } else { NO_LEADER });
            if !allowed {
                assert_eq!(ask(&mut world, 1, "a", 0).0, 0);
                let partition = world.image().partition(topic, 0).unwrap();
                assert_eq!(
                    (partition.leader, partition.leader_recovery.code(), &partition.isr[..]),
                    (1, 1, &[1][..])
                );
            }
        }
    }
}
