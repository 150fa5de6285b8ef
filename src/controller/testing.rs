//! A controller with a clock that stands still and brokers that do as they are told.

use crate::config::BrokerConfig;
use crate::controller::Caller;
use crate::controller::Controller;
use crate::controller::Moment;
use crate::controller::Outcome;
use crate::controller::Random;
use crate::controller::Refusal;
use crate::controller::Settings;
use crate::metadata::Image;
use crate::metadata::MetadataRecord;
use crate::metadata::Replay;
use crate::metadata::VersionRange;
use crate::metadata::feature;
use crate::schema::broker_heartbeat_request::BrokerHeartbeatRequest;
use crate::schema::broker_heartbeat_response::BrokerHeartbeatResponse;
use crate::schema::broker_registration_request::BrokerRegistrationRequest;
use crate::schema::broker_registration_request::Feature;
use crate::schema::create_topics_request::CreatableReplicaAssignment;
use crate::schema::create_topics_request::CreatableTopic;
use crate::schema::create_topics_request::CreateTopicsRequest;
use crate::schema::create_topics_response::CreatableTopicResult;
use crate::schema::feature_level_record::FeatureLevelRecord;
use crate::types::NodeId;
use crate::types::Timestamp;
use crate::types::Uuid;

pub struct World {
    pub controller: Controller,
    pub now: Timestamp,
    random: Random,
    written: Vec<MetadataRecord>,
}

impl World {
    pub fn new() -> World {
        let range = |min, max| VersionRange { min, max };
        let settings = Settings {
            cluster_id: "cluster".into(),
            features: [
                (feature::METADATA_VERSION.into(), range(7, 30)),
                (feature::KRAFT_VERSION.into(), range(0, 1)),
                (feature::ELIGIBLE_LEADER_REPLICAS.into(), range(0, 1)),
                (feature::GROUP_VERSION.into(), range(0, 1)),
            ]
            .into(),
            kraft_version: 1,
        };
        let given = [
            ("node.id", "0"),
            ("controller.quorum.bootstrap.servers", "localhost:9093"),
        ];
        let given = given
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config = BrokerConfig::from_properties(&given.collect()).unwrap_or_else(|error| panic!("{error}"));
        let controller = Controller::new(settings, config, Replay::default(), (0, 0));
        let mut world = World {
            controller,
            now: 0,
            random: Random::new([1; 32]),
            written: Vec::new(),
        };
        let level = |name: &str, feature_level| {
            FeatureLevelRecord {
                name: name.into(),
                feature_level,
            }
            .into()
        };
        let bootstrap = [
            level(feature::METADATA_VERSION, 30),
            level(feature::ELIGIBLE_LEADER_REPLICAS, 1),
        ];
        let records = world.controller.activation_records(&bootstrap);
        world.write(records);
        world
    }

    /// Brokers 0, 1, … all registered, unfenced, with one directory each.
    pub fn with_brokers(count: NodeId) -> World {
        let mut world = World::new();
        for id in 0..count {
            world.start(id, -1, false).unwrap();
        }
        world
    }

    pub fn directory(broker: NodeId) -> Uuid {
        Uuid([100 + broker as u8; 16])
    }

    pub fn image(&self) -> &Image {
        self.controller.image()
    }

    pub fn epoch(&self, broker: NodeId) -> i64 {
        self.image().broker(broker).unwrap().epoch
    }

    /// What the latest command wrote.
    pub fn written(&self) -> &[MetadataRecord] {
        &self.written
    }

    pub fn write(&mut self, records: Vec<MetadataRecord>) {
        let base = self.controller.end();
        self.controller.apply(base, 1, &records).unwrap();
        self.controller.publish();
        self.written = records;
    }

    pub fn run<R>(&mut self, decide: impl FnOnce(&Controller, &mut Moment<'_>) -> Outcome<R>) -> R {
        let mut moment = Moment {
            now: self.now,
            random: &mut self.random,
        };
        let outcome = decide(&self.controller, &mut moment);
        self.write(outcome.records);
        outcome.notes.iter().for_each(|note| self.controller.remember(note));
        outcome.reply
    }

    pub fn registration(broker_id: NodeId, incarnation: u8) -> BrokerRegistrationRequest {
        let feature = |name: &str, min, max| Feature {
            name: name.into(),
            min_supported_version: min,
            max_supported_version: max,
        };
        BrokerRegistrationRequest {
            broker_id,
            cluster_id: "cluster".into(),
            incarnation_id: Uuid([incarnation; 16]),
            features: vec![
                feature(feature::METADATA_VERSION, 7, 30),
                feature(feature::KRAFT_VERSION, 0, 1),
                feature(feature::ELIGIBLE_LEADER_REPLICAS, 0, 1),
            ],
            log_dirs: vec![World::directory(broker_id)],
            ..Default::default()
        }
    }

    /// Registers a new incarnation and unfences it.
    pub fn start(&mut self, broker: NodeId, previous_epoch: i64, holds_lock: bool) -> Result<i64, Refusal> {
        let incarnation = (self.random.draw() % 200) as u8 + 1;
        let request = BrokerRegistrationRequest {
            previous_broker_epoch: previous_epoch,
            ..World::registration(broker, incarnation)
        };
        let registered = self.run(|controller, moment| controller.register_broker(moment, 4, &request, holds_lock))?;
        self.beat(broker, false, false);
        Ok(registered.broker_epoch)
    }

    pub fn beat(&mut self, broker_id: NodeId, want_fence: bool, want_shut_down: bool) -> BrokerHeartbeatResponse {
        let request = BrokerHeartbeatRequest {
            broker_id,
            broker_epoch: self.epoch(broker_id),
            current_metadata_offset: self.image().offset,
            want_fence,
            want_shut_down,
            ..Default::default()
        };
        self.run(|controller, moment| controller.heartbeat(moment, &request))
            .unwrap()
    }

    pub fn fence(&mut self, broker: NodeId) {
        self.beat(broker, true, false);
    }

    pub fn create(&mut self, topic: CreatableTopic) -> CreatableTopicResult {
        let request = CreateTopicsRequest {
            topics: vec![topic],
            ..Default::default()
        };
        let reply = self.run(|controller, moment| controller.create_topics(moment, &Caller::any(7), &request));
        reply.topics[0].clone()
    }

    pub fn topic(&mut self, name: &str, num_partitions: i32, replication_factor: i16) -> Uuid {
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions,
            replication_factor,
            ..Default::default()
        };
        self.create(topic).topic_id
    }

    pub fn assigned_topic(&mut self, name: &str, replicas: &[&[NodeId]]) -> Uuid {
        let assignment = |(partition_index, ids): (i32, &&[NodeId])| CreatableReplicaAssignment {
            partition_index,
            broker_ids: ids.to_vec(),
        };
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: -1,
            replication_factor: -1,
            assignments: (0..).zip(replicas).map(assignment).collect(),
            ..Default::default()
        };
        self.create(topic).topic_id
    }
}
