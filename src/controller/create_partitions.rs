//! CreatePartitions: more partitions for a topic, never fewer.

use crate::controller::Action;
use crate::controller::Caller;
use crate::controller::Controller;
use crate::controller::MAX_RECORDS_PER_COMMAND;
use crate::controller::Moment;
use crate::controller::Outcome;
use crate::controller::Refusal;
use crate::controller::placement::place;
use crate::controller::refusal::answer;
use crate::metadata::MetadataRecord;
use crate::metadata::Partition;
use crate::metadata::Topic;
use crate::schema::create_partitions_request::CreatePartitionsAssignment;
use crate::schema::create_partitions_request::CreatePartitionsRequest;
use crate::schema::create_partitions_request::CreatePartitionsTopic;
use crate::schema::create_partitions_response::CreatePartitionsResponse;
use crate::schema::create_partitions_response::CreatePartitionsTopicResult;
use crate::types::ErrorCode;
use crate::types::PartitionId;
use compact_str::CompactString;
use std::collections::BTreeMap;

impl Controller {
    pub fn create_partitions(
        &self,
        moment: &mut Moment<'_>,
        caller: &Caller<'_>,
        request: &CreatePartitionsRequest,
    ) -> Outcome<CreatePartitionsResponse> {
        let mut counts: BTreeMap<&CompactString, usize> = BTreeMap::new();
        request
            .topics
            .iter()
            .for_each(|topic| *counts.entry(&topic.name).or_default() += 1);
        let row = |name: &CompactString, result: Result<(), Refusal>| {
            let (error_code, error_message) = answer(&result);
            CreatePartitionsTopicResult {
                name: name.clone(),
                error_code,
                error_message,
            }
        };
        let twice = Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name.");
        let duplicates = counts.iter().filter(|(_, count)| **count > 1);
        let mut results: Vec<_> = duplicates.map(|(name, _)| row(name, Err(twice.clone()))).collect();
        let mut records = Vec::new();
        for topic in request
            .topics
            .iter()
            .filter(|topic| counts.get(&topic.name) == Some(&1))
        {
            let result = match caller.rights.topic(Action::Alter, &topic.name) {
                true => self.add_partitions(moment, topic, &mut records),
                false => Err(Refusal::bare(ErrorCode::TopicAuthorizationFailed)),
            };
            results.push(row(&topic.name, result));
        }
        let outcome = Outcome::of(
            records,
            CreatePartitionsResponse {
                results,
                ..Default::default()
            },
        );
        if request.validate_only {
            outcome.without_records()
        } else {
            outcome
        }
    }

    fn add_partitions(
        &self,
        moment: &mut Moment<'_>,
        request: &CreatePartitionsTopic,
        records: &mut Vec<MetadataRecord>,
    ) -> Result<(), Refusal> {
        let topic = self.image().topic(&request.name);
        let topic = topic.ok_or_else(|| Refusal::bare(ErrorCode::UnknownTopicOrPartition))?;
        let additional = check_count(request, topic)?;
        if let Some(assignments) = &request.assignments
            && assignments.len() != additional
        {
            let message = format!(
                "Attempted to add {additional} additional partition(s), but only {} assignment(s) were specified.",
                assignments.len()
            );
            return Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message));
        }
        if records.len() + additional > MAX_RECORDS_PER_COMMAND {
            return Err(Refusal::too_large());
        }
        let partitions = match &request.assignments {
            Some(assignments) => self.assigned_additions(topic, assignments)?,
            None => self.placed_additions(moment, topic, additional)?,
        };
        let (level, elr) = (self.level(), self.image().elr_enabled());
        records.extend(
            partitions
                .iter()
                .map(|partition| partition.to_record(topic.id, level, elr).into()),
        );
        Ok(())
    }

    fn assigned_additions(
        &self,
        topic: &Topic,
        assignments: &[CreatePartitionsAssignment],
    ) -> Result<Vec<Partition>, Refusal> {
        let factor = topic.partitions().first().map(|partition| partition.replicas.len());
        let mut partitions = Vec::with_capacity(assignments.len());
        for (index, assignment) in (next_index(topic)..).zip(assignments) {
            self.check_assignment(&assignment.broker_ids, factor)?;
            partitions.push(self.assigned_partition(index, &assignment.broker_ids)?);
        }
        Ok(partitions)
    }

    fn placed_additions(
        &self,
        moment: &mut Moment<'_>,
        topic: &Topic,
        additional: usize,
    ) -> Result<Vec<Partition>, Refusal> {
        let refuse = |message: String| Refusal::new(ErrorCode::InvalidReplicationFactor, message);
        let factor = topic
            .partitions()
            .first()
            .map_or(0, |partition| partition.replicas.len());
        let factor = i16::try_from(factor).unwrap_or(i16::MAX);
        let placed = place(additional, factor, self.usable_brokers(), moment.random).map_err(refuse)?;
        let mut partitions = Vec::with_capacity(additional);
        for (index, replicas) in (next_index(topic)..).zip(placed) {
            let isr = self.active_of(&replicas);
            if isr.is_empty() {
                return Err(refuse(format!(
                    "Unable to replicate the partition {factor} time(s): All brokers are currently fenced or in \
                     controlled shutdown."
                )));
            }
            let directories = self.default_directories(&replicas);
            partitions.push(Partition::new(index, replicas, directories, isr));
        }
        Ok(partitions)
    }
}

fn next_index(topic: &Topic) -> PartitionId {
    PartitionId::try_from(topic.partitions().len()).unwrap_or(PartitionId::MAX)
}

/// How many partitions are to be added.
fn check_count(request: &CreatePartitionsTopic, topic: &Topic) -> Result<usize, Refusal> {
    let (count, current) = (request.count, next_index(topic));
    let refuse = |message: String| Err(Refusal::new(ErrorCode::InvalidPartitions, message));
    if count == current {
        return refuse(format!("Topic already has {current} partition(s)."));
    }
    match usize::try_from(i64::from(count) - i64::from(current)) {
        Ok(additional) => Ok(additional),
        Err(_) => refuse(format!(
            "The topic {} currently has {current} partition(s); {count} would not be an increase.",
            request.name
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::testing::World;

    fn request(name: &str, count: i32, assignments: Option<&[&[i32]]>) -> CreatePartitionsRequest {
        let assignment = |brokers: &&[i32]| CreatePartitionsAssignment {
            broker_ids: brokers.to_vec(),
        };
        let assignments = assignments.map(|lists| lists.iter().map(assignment).collect());
        let topics = vec![CreatePartitionsTopic {
            name: name.into(),
            count,
            assignments,
        }];
        CreatePartitionsRequest {
            topics,
            ..Default::default()
        }
    }

    #[test]
    fn partitions_only_become_more() {
        let mut world = World::with_brokers(2);
        world.topic("a", 2, 1);
        for (name, count, assignments, code, message) in [
            ("x", 3, None, 3, None),
            ("a", 2, None, 37, Some("Topic already has 2 partition(s).")),
            (
                "a",
                1,
                None,
                37,
                Some("The topic a currently has 2 partition(s); 1 would not be an increase."),
            ),
            (
                "a",
                4,
                Some(&[&[0][..]][..]),
                39,
                Some("Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified."),
            ),
            (
                "a",
                3,
                Some(&[&[0, 1][..]][..]),
                39,
                Some(
                    "The manual partition assignment includes a partition with 2 replica(s), but this is not \
                     consistent with previous partitions, which have 1 replica(s).",
                ),
            ),
            (
                "a",
                i32::MAX,
                None,
                44,
                Some("Unable to perform excessively large batch operation."),
            ),
            ("a", 3, None, 0, None),
            ("a", 5, Some(&[&[1][..], &[0]][..]), 0, None),
        ] {
            let request = request(name, count, assignments);
            let reply = world.run(|controller, moment| controller.create_partitions(moment, &Caller::any(3), &request));
            let row = &reply.results[0];
            assert_eq!(
                (row.error_code, row.error_message.as_deref()),
                (code, message),
                "{name} {count}"
            );
        }
        let leaders: Vec<i32> = world
            .image()
            .topic("a")
            .unwrap()
            .partitions()
            .iter()
            .map(|p| p.leader)
            .collect();
        assert_eq!((leaders.len(), &leaders[3..]), (5, &[1, 0][..]));
    }
}
