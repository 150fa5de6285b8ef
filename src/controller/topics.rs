//! CreateTopics: names, assignments, configs; a topic is created whole or not at all.

use crate::config::Properties;
use crate::config::alter::Change;
use crate::config::alter::Operation;
use crate::config::describe;
use crate::controller::Action;
use crate::controller::Caller;
use crate::controller::Controller;
use crate::controller::MAX_RECORDS_PER_COMMAND;
use crate::controller::Moment;
use crate::controller::Outcome;
use crate::controller::Refusal;

use crate::controller::names::check_topic_name;
use crate::controller::placement::place;

use crate::metadata::ConfigResource;
use crate::metadata::MetadataRecord;
use crate::metadata::Partition;
use crate::schema::create_topics_request::CreatableReplicaAssignment;
use crate::schema::create_topics_request::CreatableTopic;
use crate::schema::create_topics_request::CreateTopicsRequest;
use crate::schema::create_topics_response::CreatableTopicConfigs;
use crate::schema::create_topics_response::CreatableTopicResult;
use crate::schema::create_topics_response::CreateTopicsResponse;
use crate::schema::topic_record::TopicRecord;
use crate::types::ErrorCode;
use crate::types::NodeId;
use crate::types::Uuid;
use compact_str::CompactString;
use std::collections::BTreeMap;
use std::collections::HashMap;

const CLUSTER_METADATA: &str = "__cluster_metadata";

impl Controller {
    pub fn create_topics(
        &self,
        moment: &mut Moment<'_>,
        caller: &Caller<'_>,
        request: &CreateTopicsRequest,
    ) -> Outcome<CreateTopicsResponse> {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        request
            .topics
            .iter()
            .for_each(|topic| *counts.entry(&topic.name).or_default() += 1);
        let allowed = |topic: &&CreatableTopic| {
            counts.get(topic.name.as_str()) == Some(&1)
                && topic.name != CLUSTER_METADATA
                && caller.rights.topic(Action::Create, &topic.name)
        };
        let topics: Vec<&CreatableTopic> = request.topics.iter().filter(allowed).collect();
        let (records, mut results) = match self.create_all(moment, caller, &topics) {
            Ok(done) => done,
            Err(refusal) => (
                Vec::new(),
                topics.iter().map(|topic| failed(&topic.name, &refusal)).collect(),
            ),
        };
        results.extend(not_allowed(request, &counts, caller));
        let outcome = Outcome::of(
            records,
            CreateTopicsResponse {
                topics: results,
                ..Default::default()
            },
        );
        if request.validate_only {
            outcome.without_records()
        } else {
            outcome
        }
    }

    /// Fails as a whole only if the request asks for too much at once.
    fn create_all(
        &self,
        moment: &mut Moment<'_>,
        caller: &Caller<'_>,
        topics: &[&CreatableTopic],
    ) -> Result<(Vec<MetadataRecord>, Vec<CreatableTopicResult>), Refusal> {
        let partitions = topics
            .iter()
            .map(|topic| self.partition_count(topic))
            .fold(0, i64::saturating_add);
        if partitions > MAX_RECORDS_PER_COMMAND as i64 {
            let message = "Excessively large number of partitions per request.";
            return Err(Refusal::new(ErrorCode::PolicyViolation, message));
        }
        let mut records = Vec::new();
        let mut results = Vec::with_capacity(topics.len());
        for topic in topics {
            match self.create_topic(moment, caller, topic, &mut records) {
                Ok(result) => results.push(result),
                Err(refusal) => results.push(failed(&topic.name, &refusal)),
            }
        }
        Controller::bounded(&records)?;
        Ok((records, results))
    }

    fn partition_count(&self, topic: &CreatableTopic) -> i64 {
        match topic.num_partitions {
            _ if !topic.assignments.is_empty() => topic.assignments.len() as i64,
            -1 => self.config().num_partitions().into(),
            count => i64::from(count.max(0)),
        }
    }

    fn create_topic(
        &self,
        moment: &mut Moment<'_>,
        caller: &Caller<'_>,
        topic: &CreatableTopic,
        records: &mut Vec<MetadataRecord>,
    ) -> Result<CreatableTopicResult, Refusal> {
        self.check_new_name(&topic.name)?;
        let config_records = self.creation_configs(caller, topic)?;
        let partitions = match topic.assignments.is_empty() {
            false => self.assigned_partitions(topic)?,
            true => self.placed_partitions(moment, topic)?,
        };
        let topic_id = self.fresh_topic_id(moment);
        let result = CreatableTopicResult {
            topic_id,
            ..self.describe_new(caller, topic, &partitions)
        };
        records.push(
            TopicRecord {
                name: topic.name.clone(),
                topic_id,
            }
            .into(),
        );
        records.extend(config_records);
        let (level, elr) = (self.level(), self.image().elr_enabled());
        records.extend(
            partitions
                .iter()
                .map(|partition| partition.to_record(topic_id, level, elr).into()),
        );
        Ok(result)
    }

    fn fresh_topic_id(&self, moment: &mut Moment<'_>) -> Uuid {
        loop {
            let id = moment.random.uuid();
            if self.image().topic_by_id(id).is_none() {
                return id;
            }
        }
    }

    fn check_new_name(&self, name: &str) -> Result<(), Refusal> {
        if self.image().topic_id(name).is_some() {
            return Err(Refusal::new(
                ErrorCode::TopicAlreadyExists,
                format!("Topic '{name}' already exists."),
            ));
        }
        if let Some(other) = self.collisions.find(name) {
            let message = format!("Topic '{name}' collides with existing topic: {other}");
            return Err(Refusal::new(ErrorCode::InvalidTopicException, message));
        }
        check_topic_name(name).map_err(|message| Refusal::new(ErrorCode::InvalidTopicException, message))
    }

    fn creation_configs(&self, caller: &Caller<'_>, topic: &CreatableTopic) -> Result<Vec<MetadataRecord>, Refusal> {
        let nulls: Vec<&str> = topic
            .configs
            .iter()
            .filter(|c| c.value.is_none())
            .map(|c| c.name.as_str())
            .collect();
        if !nulls.is_empty() {
            let message = format!("Null value not supported for topic configs: {}", nulls.join(","));
            return Err(Refusal::new(ErrorCode::InvalidConfig, message));
        }
        if topic.configs.is_empty() {
            return Ok(Vec::new());
        }
        let text = |value: &CompactString| value.to_string();
        let set = topic
            .configs
            .iter()
            .map(|c| (c.name.to_string(), c.value.as_ref().map(text)));
        let set: BTreeMap<_, _> = set.collect();
        let set = set.into_iter().map(|(name, value)| Change {
            name,
            operation: Operation::Set,
            value,
        });
        let resource = ConfigResource::topic(&topic.name);
        let mut records = self.alter_resource(&resource, &set.collect::<Vec<_>>(), caller.forwarded, true)?;
        self.add_clear_elr(&mut records);
        Ok(records)
    }

    fn assigned_partitions(&self, topic: &CreatableTopic) -> Result<Vec<Partition>, Refusal> {
        let invalid = |what| {
            let message = format!("A manual partition assignment was specified, but {what} was not set to -1.");
            Err(Refusal::new(ErrorCode::InvalidRequest, message))
        };
        if topic.replication_factor != -1 {
            return invalid("replication factor");
        }
        if topic.num_partitions != -1 {
            return invalid("numPartitions");
        }
        let refuse = |message: String| Refusal::new(ErrorCode::InvalidReplicaAssignment, message);
        let mut by_index: BTreeMap<i32, &CreatableReplicaAssignment> = BTreeMap::new();
        let mut partitions = Vec::with_capacity(topic.assignments.len());
        let mut factor = None;
        for assignment in &topic.assignments {
            let index = assignment.partition_index;
            if by_index.insert(index, assignment).is_some() {
                return Err(refuse(format!(
                    "Found multiple manual partition assignments for partition {index}"
                )));
            }
            self.check_assignment(&assignment.broker_ids, factor)?;
            factor = Some(assignment.broker_ids.len());
            partitions.push(self.assigned_partition(index, &assignment.broker_ids)?);
        }
        partitions.sort_by_key(|partition| partition.index);
        if (0..)
            .zip(&partitions)
            .any(|(place, partition)| partition.index != place)
        {
            return Err(refuse(
                "partitions should be a consecutive 0-based integer sequence".to_owned(),
            ));
        }
        Ok(partitions)
    }

    pub(super) fn assigned_partition(&self, index: i32, replicas: &[NodeId]) -> Result<Partition, Refusal> {
        let isr = self.active_of(replicas);
        if isr.is_empty() {
            let message = format!(
                "All brokers specified in the manual partition assignment for partition {index} are fenced or in \
                 controlled shutdown."
            );
            return Err(Refusal::new(ErrorCode::InvalidReplicaAssignment, message));
        }
        Ok(Partition::new(
            index,
            replicas.to_vec(),
            self.default_directories(replicas),
            isr,
        ))
    }

    fn placed_partitions(&self, moment: &mut Moment<'_>, topic: &CreatableTopic) -> Result<Vec<Partition>, Refusal> {
        if topic.replication_factor < -1 || topic.replication_factor == 0 {
            let message = "Replication factor must be larger than 0, or -1 to use the default value.";
            return Err(Refusal::new(ErrorCode::InvalidReplicationFactor, message));
        }
        if topic.num_partitions < -1 || topic.num_partitions == 0 {
            let message = "Number of partitions was set to an invalid non-positive value.";
            return Err(Refusal::new(ErrorCode::InvalidPartitions, message));
        }
        let factor = match topic.replication_factor {
            -1 => i16::try_from(self.config().default_replication_factor()).unwrap_or(i16::MAX),
            factor => factor,
        };
        let refuse = |why: &str| {
            let message = format!("Unable to replicate the partition {factor} time(s): {why}");
            Refusal::new(ErrorCode::InvalidReplicationFactor, message)
        };
        // Bounded by the check of the whole request.
        let count = usize::try_from(self.partition_count(topic)).unwrap_or(0);
        let placed = place(count, factor, self.usable_brokers(), moment.random).map_err(|why| refuse(&why))?;
        let mut partitions = Vec::with_capacity(placed.len());
        for (index, replicas) in (0..).zip(placed) {
            let isr = self.active_of(&replicas);
            if isr.is_empty() {
                return Err(refuse("All brokers are currently fenced or in controlled shutdown."));
            }
            let directories = self.default_directories(&replicas);
            partitions.push(Partition::new(index, replicas, directories, isr));
        }
        Ok(partitions)
    }

    pub(super) fn active_of(&self, replicas: &[NodeId]) -> Vec<NodeId> {
        replicas
            .iter()
            .filter(|replica| self.is_active(**replica))
            .copied()
            .collect()
    }

    fn describe_new(
        &self,
        caller: &Caller<'_>,
        topic: &CreatableTopic,
        partitions: &[Partition],
    ) -> CreatableTopicResult {
        let name = topic.name.clone();
        if !caller.rights.topic(Action::DescribeConfigs, &name) {
            let topic_config_error_code = ErrorCode::TopicAuthorizationFailed.code();
            return CreatableTopicResult {
                name,
                topic_config_error_code,
                ..empty_result()
            };
        }
        let set = topic
            .configs
            .iter()
            .filter_map(|c| Some((c.name.to_string(), c.value.as_ref()?.to_string())));
        let own: Properties = set.collect();
        let mut configs = describe::created_topic(&self.configuration.live, &own);
        configs.sort_by(|one, other| one.name.cmp(&other.name));
        let configs = configs.into_iter().map(|entry| CreatableTopicConfigs {
            name: entry.name.into(),
            value: entry.value.filter(|_| !entry.sensitive).map(|value| value.into()),
            read_only: false,
            config_source: entry.source as i8,
            is_sensitive: entry.sensitive,
        });
        let factor = partitions.first().map_or(0, |partition| partition.replicas.len());
        CreatableTopicResult {
            name,
            num_partitions: i32::try_from(partitions.len()).unwrap_or(i32::MAX),
            replication_factor: i16::try_from(factor).unwrap_or(i16::MAX),
            configs: Some(configs.collect()),
            error_message: None,
            ..Default::default()
        }
    }
}

fn empty_result() -> CreatableTopicResult {
    CreatableTopicResult {
        configs: Some(Vec::new()),
        error_message: None,
        ..Default::default()
    }
}

fn failed(name: &CompactString, refusal: &Refusal) -> CreatableTopicResult {
    CreatableTopicResult {
        name: name.clone(),
        error_code: refusal.code.code(),
        error_message: refusal.message.clone(),
        ..empty_result()
    }
}

/// Rows of topics that were not even tried, after all others.
fn not_allowed(
    request: &CreateTopicsRequest,
    counts: &HashMap<&str, usize>,
    caller: &Caller<'_>,
) -> Vec<CreatableTopicResult> {
    let mut duplicates: Vec<CompactString> = Vec::new();
    let mut refused = Vec::new();
    for topic in &request.topics {
        if counts.get(topic.name.as_str()) != Some(&1) {
            if !duplicates.contains(&topic.name) {
                duplicates.push(topic.name.clone());
            }
        } else if topic.name == CLUSTER_METADATA {
            let message = format!("Creation of internal topic {CLUSTER_METADATA} is prohibited.");
            refused.push(failed(&topic.name, &Refusal::new(ErrorCode::InvalidRequest, message)));
        } else if !caller.rights.topic(Action::Create, &topic.name) {
            let refusal = Refusal::new(ErrorCode::TopicAuthorizationFailed, "Authorization failed.");
            refused.push(failed(&topic.name, &refusal));
        }
    }
    let duplicate = Refusal::new(ErrorCode::InvalidRequest, "Duplicate topic name.");
    duplicates
        .iter()
        .map(|name| failed(name, &duplicate))
        .chain(refused)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::testing::World;
    use crate::schema::create_topics_request::CreatableTopicConfig;

    fn topic(name: &str, partitions: i32, factor: i16) -> CreatableTopic {
        CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: factor,
            ..Default::default()
        }
    }

    fn assigned(name: &str, replicas: &[&[i32]]) -> CreatableTopic {
        let assignment = |(index, brokers): (i32, &&[i32])| CreatableReplicaAssignment {
            partition_index: index,
            broker_ids: brokers.to_vec(),
        };
        CreatableTopic {
            assignments: (0..).zip(replicas).map(assignment).collect(),
            ..topic(name, -1, -1)
        }
    }

    #[test]
    fn what_cannot_be_created_is_refused_in_kafkas_words() {
        let mut world = World::with_brokers(3);
        world.create(topic("there.is", 1, 1));
        world.fence(2);
        let configured = |name: &str, value: Option<&str>| CreatableTopic {
            configs: vec![CreatableTopicConfig {
                name: name.into(),
                value: value.map(|value| value.into()),
            }],
            ..topic("new", 1, 1)
        };
        for (topic, code, message) in [
            (topic("there.is", 1, 1), 36, "Topic 'there.is' already exists."),
            (
                topic("there_is", 1, 1),
                17,
                "Topic 'there_is' collides with existing topic: there.is",
            ),
            (topic(".", 1, 1), 17, "Topic name is invalid: '.' is not allowed"),
            (
                topic("new", 0, 1),
                37,
                "Number of partitions was set to an invalid non-positive value.",
            ),
            (
                topic("new", -2, 1),
                37,
                "Number of partitions was set to an invalid non-positive value.",
            ),
            (
                topic("new", 1, 0),
                38,
                "Replication factor must be larger than 0, or -1 to use the default value.",
            ),
            (
                topic("new", 1, 4),
                38,
                "Unable to replicate the partition 4 time(s): The target replication factor of 4 cannot be reached \
                 because only 3 broker(s) are registered or some brokers have all their log directories cordoned.",
            ),
            (
                topic("new", 10_001, 1),
                44,
                "Excessively large number of partitions per request.",
            ),
            (
                topic("new", 10_000, 1),
                44,
                "Unable to perform excessively large batch operation.",
            ),
            (
                CreatableTopic {
                    num_partitions: 1,
                    ..assigned("new", &[&[0]])
                },
                42,
                "A manual partition assignment was specified, but numPartitions was not set to -1.",
            ),
            (
                CreatableTopic {
                    replication_factor: 1,
                    ..assigned("new", &[&[0]])
                },
                42,
                "A manual partition assignment was specified, but replication factor was not set to -1.",
            ),
            (
                assigned("new", &[&[]]),
                39,
                "The manual partition assignment includes an empty replica list.",
            ),
            (
                assigned("new", &[&[9]]),
                39,
                "The manual partition assignment includes broker 9, but no such broker is registered.",
            ),
            (
                assigned("new", &[&[1, 1]]),
                39,
                "The manual partition assignment includes the broker 1 more than once.",
            ),
            (
                assigned("new", &[&[0], &[0, 1]]),
                39,
                "The manual partition assignment includes a partition with 2 replica(s), but this is not consistent \
                 with previous partitions, which have 1 replica(s).",
            ),
            (
                assigned("new", &[&[2]]),
                39,
                "All brokers specified in the manual partition assignment for partition 0 are fenced or in controlled \
                 shutdown.",
            ),
            (
                configured("a", None),
                40,
                "Null value not supported for topic configs: a",
            ),
            (
                configured("no.such", Some("1")),
                40,
                "Unknown topic config name: no.such",
            ),
            (
                topic("__cluster_metadata", 1, 1),
                42,
                "Creation of internal topic __cluster_metadata is prohibited.",
            ),
        ] {
            let name = topic.name.clone();
            let result = world.create(topic);
            assert_eq!(
                (result.error_code, result.error_message.as_deref()),
                (code, Some(message)),
                "{name}"
            );
        }
    }

    #[test]
    fn a_topic_that_is_named_twice_is_not_created() {
        let mut world = World::with_brokers(1);
        let request = CreateTopicsRequest {
            topics: vec![topic("a", 1, 1), topic("b", 1, 1), topic("a", 2, 1)],
            ..Default::default()
        };
        let reply = world.run(|controller, moment| controller.create_topics(moment, &Caller::any(7), &request));
        let rows: Vec<_> = reply
            .topics
            .iter()
            .map(|row| (row.name.as_str(), row.error_code))
            .collect();
        assert_eq!(rows, [("b", 0), ("a", 42)]);
        assert!(world.image().topic("a").is_none());
    }

    #[test]
    fn validation_alone_answers_as_if_it_were_done() {
        let mut world = World::with_brokers(1);
        let request = CreateTopicsRequest {
            topics: vec![topic("a", 3, -1)],
            validate_only: true,
            ..Default::default()
        };
        let reply = world.run(|controller, moment| controller.create_topics(moment, &Caller::any(7), &request));
        assert_eq!((reply.topics[0].error_code, reply.topics[0].num_partitions), (0, 3));
        assert!(world.image().topic("a").is_none());
    }

    #[test]
    fn a_new_partition_is_led_by_its_first_active_replica_and_lies_in_the_only_directory() {
        let mut world = World::with_brokers(3);
        world.fence(1);
        assert_eq!(world.create(assigned("a", &[&[1, 2, 0], &[0, 1, 2]])).error_code, 0);
        let topic = world.image().topic("a").unwrap().clone();
        let partition = topic.partition(0).unwrap();
        assert_eq!((partition.leader, &partition.isr[..]), (2, &[2, 0][..]));
        assert_eq!(
            partition.directories,
            [World::directory(1), World::directory(2), World::directory(0)]
        );
        assert_eq!(topic.partition(1).unwrap().leader, 0);
    }

    #[test]
    fn configs_are_written_between_the_topic_and_its_partitions() {
        let mut world = World::with_brokers(1);
        let configs = vec![CreatableTopicConfig {
            name: "min.insync.replicas".into(),
            value: Some("1".into()),
        }];
        let request = CreateTopicsRequest {
            topics: vec![CreatableTopic {
                configs,
                ..topic("a", 1, 1)
            }],
            ..Default::default()
        };
        world.run(|controller, moment| controller.create_topics(moment, &Caller::any(7), &request));
        let keys: Vec<i16> = world.written().iter().map(|record| record.key()).collect();
        assert_eq!(keys, [2, 4, 28, 3]);
    }
}
