//! A cluster, a clock and members for the tests of consumer groups.

use crate::config::BrokerConfig;
use crate::config::Properties;
use crate::group::Client;
use crate::group::World;
use crate::group::consumer::Changes;
use crate::group::consumer::ConsumerGroup;
use crate::group::consumer::Refusal;
use crate::group::consumer::Timer;
use crate::group::records::Record;
use crate::machine::Written;
use crate::metadata::Image;
use crate::metadata::MetadataRecord;
use crate::metadata::Replay;
use crate::schema::config_record::ConfigRecord;
use crate::schema::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use crate::schema::consumer_group_heartbeat_request::TopicPartitions;
use crate::schema::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;
use crate::schema::partition_record::PartitionRecord;
use crate::schema::register_broker_record::RegisterBrokerRecord;
use crate::schema::remove_topic_record::RemoveTopicRecord;
use crate::schema::topic_record::TopicRecord;
use crate::types::Timestamp;
use crate::types::Uuid;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

#[derive(Default)]
pub struct Cluster {
    replay: Replay,
    offset: i64,
    topics: u8,
}

impl Cluster {
    pub fn write(&mut self, record: impl Into<MetadataRecord>) {
        self.offset += 1;
        self.replay.apply(self.offset, 1, &record.into()).unwrap();
    }

    pub fn broker(&mut self, id: i32, rack: Option<&str>) {
        self.write(RegisterBrokerRecord {
            broker_id: id,
            rack: rack.map(Into::into),
            ..Default::default()
        });
    }

    pub fn topic(&mut self, name: &str, partitions: usize) -> Uuid {
        self.topics += 1;
        let id = Uuid([self.topics; 16]);
        self.topic_with_id(name, id, &vec![&[1][..]; partitions]);
        id
    }

    pub fn topic_with_id(&mut self, name: &str, id: Uuid, replicas: &[&[i32]]) {
        self.write(TopicRecord {
            name: name.into(),
            topic_id: id,
        });
        for (index, replicas) in replicas.iter().enumerate() {
            self.partition(id, index as i32, replicas);
        }
    }

    pub fn partition(&mut self, topic_id: Uuid, partition_id: i32, replicas: &[i32]) {
        self.write(PartitionRecord {
            partition_id,
            topic_id,
            replicas: replicas.to_vec(),
            isr: replicas.to_vec(),
            leader: replicas.first().copied().unwrap_or(-1),
            ..Default::default()
        });
    }

    pub fn delete(&mut self, topic_id: Uuid) {
        self.write(RemoveTopicRecord { topic_id });
    }

    pub fn group_config(&mut self, group: &str, name: &str, value: &str) {
        self.write(ConfigRecord {
            resource_type: 32,
            resource_name: group.into(),
            name: name.into(),
            value: Some(value.into()),
        });
    }

    pub fn image(&self) -> Image {
        self.replay.image().clone()
    }
}

/// A group with its log, as the runtime would drive it.
pub struct House {
    pub cluster: Cluster,
    pub group: ConsumerGroup,
    pub log: Vec<Record>,
    pub timers: BTreeMap<Timer, Timestamp>,
    pub now: Timestamp,
    pub config: Arc<BrokerConfig>,
    image: Option<Arc<Image>>,
    pub version: i16,
}

pub const START: Timestamp = 1_000_000;

impl House {
    pub fn new(settings: &[(&str, &str)]) -> House {
        let mut properties: Properties = [
            ("process.roles", "broker,controller"),
            ("node.id", "1"),
            ("controller.quorum.voters", "1@localhost:9093"),
            ("listeners", "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093"),
            ("controller.listener.names", "CONTROLLER"),
            ("log.dirs", "/tmp/none"),
            ("group.consumer.assignment.interval.ms", "0"),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
        properties.extend(
            settings
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        );
        House {
            cluster: Cluster::default(),
            group: ConsumerGroup::new("g".into()),
            log: Vec::new(),
            timers: BTreeMap::new(),
            now: START,
            config: Arc::new(BrokerConfig::from_properties(&properties).unwrap()),
            image: None,
            version: 1,
        }
    }

    pub fn world(&mut self) -> World {
        let offset = self.cluster.replay.image().offset;
        if self.image.as_ref().is_none_or(|image| image.offset != offset) {
            self.image = Some(Arc::new(self.cluster.image()));
        }
        World {
            now: self.now,
            image: self.image.clone().unwrap(),
            config: self.config.clone(),
        }
    }

    pub fn carry_out(&mut self, changes: Changes) {
        for record in changes.records {
            self.group.apply(&record);
            self.log.push(record);
        }
        for (timer, due) in changes.timers {
            match due {
                Some(due) => self.timers.insert(timer, due),
                None => self.timers.remove(&timer),
            };
        }
    }

    pub fn client(&self) -> Client {
        Client {
            version: self.version,
            id: "c".into(),
            host: "/127.0.0.1".into(),
        }
    }

    pub fn send(&mut self, request: &ConsumerGroupHeartbeatRequest) -> Result<ConsumerGroupHeartbeatResponse, Refusal> {
        let client = self.client();
        let world = self.world();
        let outcome = self.group.heartbeat(&world, &client, request)?;
        self.carry_out(outcome.changes);
        // Patterns are due at once; whoever waits for another timer sleeps.
        if self.timers.remove(&Timer::Resolve).is_some() {
            let world = self.world();
            let changes = self.group.expire(&world, &Timer::Resolve);
            self.carry_out(changes);
        }
        Ok(outcome.response)
    }

    pub fn sleep(&mut self, ms: i64) {
        let until = self.now + ms;
        while let Some(due) = self.timers.values().copied().filter(|due| *due <= until).min() {
            self.now = self.now.max(due);
            self.run_due();
        }
        self.now = until;
    }

    fn run_due(&mut self) {
        while let Some(timer) = self
            .timers
            .iter()
            .find(|(_, due)| **due <= self.now)
            .map(|(timer, _)| timer.clone())
        {
            self.timers.remove(&timer);
            let world = self.world();
            let changes = self.group.expire(&world, &timer);
            self.carry_out(changes);
        }
    }

    /// A group that was made of these records alone.
    pub fn loaded(records: &[Record]) -> ConsumerGroup {
        let mut group = ConsumerGroup::new("g".into());
        records.iter().for_each(|record| group.apply(record));
        group
    }

    /// What the log would still hold if it were compacted up to this place.
    pub fn compacted(&self, end: usize) -> Vec<Record> {
        let (old, new) = self.log.split_at(end);
        let mut last = BTreeMap::new();
        for (place, record) in old.iter().enumerate() {
            last.insert(record.encode().0, place);
        }
        let kept: BTreeSet<usize> = last.into_values().collect();
        let kept = old.iter().enumerate().filter(|(place, _)| kept.contains(place));
        kept.map(|(_, record)| record).chain(new).cloned().collect()
    }
}

impl ConsumerGroup {
    /// All that must come back when it is loaded.
    pub fn hard_state(&self) -> String {
        let mut targets: Vec<_> = self.targets.iter().collect();
        targets.sort();
        let target = (self.target_epoch.max(0), self.target_timestamp, targets);
        let group = (
            self.epoch,
            self.metadata_hash,
            self.is_written,
            self.has_partition_record,
        );
        format!("{group:?} {target:?} {:#?} {:?}", self.members, self.resolved)
    }

    pub fn same_index(&self, other: &ConsumerGroup) -> bool {
        self.index == other.index
    }
}

pub fn join(member: &str, topics: &[&str]) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: member.into(),
        member_epoch: 0,
        rebalance_timeout_ms: 30_000,
        subscribed_topic_names: Some(topics.iter().map(|topic| (*topic).into()).collect()),
        topic_partitions: Some(Vec::new()),
        ..Default::default()
    }
}

pub fn beat(member: &str, epoch: i32) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        group_id: "g".into(),
        member_id: member.into(),
        member_epoch: epoch,
        ..Default::default()
    }
}

pub fn owning(member: &str, epoch: i32, owned: &[(Uuid, &[i32])]) -> ConsumerGroupHeartbeatRequest {
    let owned = owned.iter().map(|(topic_id, partitions)| TopicPartitions {
        topic_id: *topic_id,
        partitions: partitions.to_vec(),
    });
    ConsumerGroupHeartbeatRequest {
        topic_partitions: Some(owned.collect()),
        ..beat(member, epoch)
    }
}

pub fn given(response: &ConsumerGroupHeartbeatResponse) -> Option<Vec<(Uuid, Vec<i32>)>> {
    let assignment = response.assignment.as_ref()?;
    let topics = assignment.topic_partitions.iter();
    Some(topics.map(|topic| (topic.topic_id, topic.partitions.clone())).collect())
}
