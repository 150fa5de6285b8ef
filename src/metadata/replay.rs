//! Applies metadata records to an image, in order, and keeps what they changed.
//!
//! Records of a metadata transaction take effect together when it ends; an aborted one leaves no trace.

use crate::metadata::Acl;
use crate::metadata::Broker;
use crate::metadata::Changes;
use crate::metadata::ConfigResource;
use crate::metadata::Controller;
use crate::metadata::Image;
use crate::metadata::MetadataRecord;
use crate::metadata::Partition;
use crate::metadata::QuotaEntity;
use crate::metadata::ResourceKind;
use crate::metadata::ScramCredential;
use crate::metadata::Topic;
use crate::schema::broker_registration_change_record::BrokerRegistrationChangeRecord;
use crate::schema::client_quota_record::ClientQuotaRecord;
use crate::schema::config_record::ConfigRecord;
use crate::schema::partition_change_record::PartitionChangeRecord;
use crate::schema::partition_record::PartitionRecord;
use crate::schema::topic_record::TopicRecord;
use crate::types::LeaderEpoch;
use crate::types::NodeId;
use crate::types::Offset;
use crate::types::Uuid;
use std::fmt;
use std::sync::Arc;

/// The log contradicts itself: it was not written by one controller after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplayError {
    DuplicateTopic(String),
    UnknownTopic(Uuid),
    UnknownPartition(Uuid, i32),
    UnknownBroker {
        id: NodeId,
        epoch: i64,
    },
    UnknownResource(i8),
    /// A transaction inside a transaction, or the end of none.
    Transaction,
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReplayError::DuplicateTopic(name) => write!(f, "topic {name} is created twice"),
            ReplayError::UnknownTopic(id) => write!(f, "topic id {id} does not exist"),
            ReplayError::UnknownPartition(id, index) => write!(f, "partition {index} of topic id {id} does not exist"),
            ReplayError::UnknownBroker { id, epoch } => write!(f, "broker {id} is not registered with epoch {epoch}"),
            ReplayError::UnknownResource(kind) => write!(f, "config resources have no type {kind}"),
            ReplayError::Transaction => f.write_str("a metadata transaction begins or ends where it may not"),
        }
    }
}

impl std::error::Error for ReplayError {}

#[derive(Default)]
pub struct Replay {
    image: Image,
    changes: Changes,
    /// Records of the open transaction, with its first offset.
    held: Option<(Offset, Vec<MetadataRecord>)>,
}

impl Replay {
    pub fn new(image: Image) -> Replay {
        Replay {
            image,
            ..Replay::default()
        }
    }

    pub fn image(&self) -> &Image {
        &self.image
    }

    /// The image with everything applied so far, and what changed since the last call.
    pub fn publish(&mut self) -> (Arc<Image>, Changes) {
        (Arc::new(self.image.clone()), std::mem::take(&mut self.changes))
    }

    /// Where the open transaction began.
    pub fn transaction_start(&self) -> Option<Offset> {
        self.held.as_ref().map(|(start, _)| *start)
    }

    pub fn apply(&mut self, offset: Offset, epoch: LeaderEpoch, record: &MetadataRecord) -> Result<(), ReplayError> {
        match record {
            MetadataRecord::BeginTransaction(_) if self.held.is_none() => self.held = Some((offset, Vec::new())),
            MetadataRecord::BeginTransaction(_) => return Err(ReplayError::Transaction),
            MetadataRecord::AbortTransaction(_) => {
                self.held.take().ok_or(ReplayError::Transaction)?;
            }
            MetadataRecord::EndTransaction(_) => {
                let (_, records) = self.held.take().ok_or(ReplayError::Transaction)?;
                records.iter().try_for_each(|record| self.change(record))?;
            }
            record => match &mut self.held {
                Some((_, records)) => records.push(record.clone()),
                None => self.change(record)?,
            },
        }
        self.passed(offset, epoch);
        Ok(())
    }

    /// Control records and the like move the image on, too.
    pub fn passed(&mut self, offset: Offset, epoch: LeaderEpoch) {
        self.image.offset = offset;
        self.image.epoch = epoch;
    }

    fn change(&mut self, record: &MetadataRecord) -> Result<(), ReplayError> {
        match record {
            MetadataRecord::Topic(record) => self.topic(record)?,
            MetadataRecord::Partition(record) => self.partition(record)?,
            MetadataRecord::PartitionChange(record) => self.partition_change(record)?,
            MetadataRecord::RemoveTopic(record) => self.remove_topic(record.topic_id)?,
            MetadataRecord::ClearElr(record) => self.clear_elr(&record.topic_name),
            MetadataRecord::Config(record) => self.config(record)?,
            MetadataRecord::RegisterBroker(record) => {
                self.changes.brokers.insert(record.broker_id);
                self.image
                    .brokers
                    .insert(record.broker_id, Arc::new(Broker::from_record(record)));
            }
            MetadataRecord::UnregisterBroker(record) => {
                self.broker(record.broker_id, record.broker_epoch)?;
                self.image.brokers.remove(&record.broker_id);
            }
            MetadataRecord::FenceBroker(record) => self.broker(record.id, record.epoch)?.fenced = true,
            MetadataRecord::UnfenceBroker(record) => self.broker(record.id, record.epoch)?.fenced = false,
            MetadataRecord::BrokerRegistrationChange(record) => self.broker_change(record)?,
            MetadataRecord::RegisterController(record) => {
                self.changes.controllers = true;
                self.image
                    .controllers
                    .insert(record.controller_id, Arc::new(Controller::from_record(record)));
            }
            other => self.security(other),
        }
        Ok(())
    }

    fn security(&mut self, record: &MetadataRecord) {
        match record {
            MetadataRecord::ClientQuota(record) => self.quota(record),
            MetadataRecord::UserScramCredential(record) => {
                let user = (record.name.clone(), record.mechanism);
                let credential = ScramCredential {
                    salt: record.salt.clone(),
                    stored_key: record.stored_key.clone(),
                    server_key: record.server_key.clone(),
                    iterations: record.iterations,
                };
                self.changes.scram.insert(user.clone());
                self.image.scram.insert(user, credential);
            }
            MetadataRecord::RemoveUserScramCredential(record) => {
                let user = (record.name.clone(), record.mechanism);
                self.image.scram.remove(&user);
                self.changes.scram.insert(user);
            }
            MetadataRecord::AccessControlEntry(record) => {
                self.changes.acls = true;
                self.image.acls.insert(record.id, Arc::new(Acl::from_record(record)));
            }
            MetadataRecord::RemoveAccessControlEntry(record) => {
                self.changes.acls = true;
                self.image.acls.remove(&record.id);
            }
            MetadataRecord::DelegationToken(record) => {
                self.changes.tokens = true;
                self.image
                    .tokens
                    .insert(record.token_id.clone(), Arc::new(record.clone()));
            }
            MetadataRecord::RemoveDelegationToken(record) => {
                self.changes.tokens = true;
                self.image.tokens.remove(&record.token_id);
            }
            MetadataRecord::FeatureLevel(record) => {
                self.changes.features = true;
                match record.feature_level {
                    0 => self.image.features.remove(&record.name),
                    level => self.image.features.insert(record.name.clone(), level),
                };
            }
            MetadataRecord::ProducerIds(record) => {
                self.changes.producer_ids = true;
                self.image.next_producer_id = record.next_producer_id;
            }
            // NoOp and ZkMigrationState say nothing; all others have been dealt with.
            _ => {}
        }
    }

    fn topic(&mut self, record: &TopicRecord) -> Result<(), ReplayError> {
        if self.image.names.contains_key(&record.name) || self.image.topics.contains_key(&record.topic_id) {
            return Err(ReplayError::DuplicateTopic(record.name.to_string()));
        }
        let topic = Topic {
            name: record.name.clone(),
            id: record.topic_id,
            partitions: Vec::new(),
        };
        self.image.names.insert(record.name.clone(), record.topic_id);
        self.image.topics.insert(record.topic_id, Arc::new(topic));
        self.changes.topics_created.push(record.topic_id);
        Ok(())
    }

    fn topic_mut(&mut self, id: Uuid) -> Result<&mut Topic, ReplayError> {
        let topic = self.image.topics.get_mut(&id).ok_or(ReplayError::UnknownTopic(id))?;
        Ok(Arc::make_mut(topic))
    }

    fn partition(&mut self, record: &PartitionRecord) -> Result<(), ReplayError> {
        let partition = Arc::new(Partition::from_record(record));
        let topic = self.topic_mut(record.topic_id)?;
        match topic.find(record.partition_id) {
            Ok(place) => topic.partitions[place] = partition,
            Err(place) => topic.partitions.insert(place, partition),
        }
        self.changes.partitions.insert((record.topic_id, record.partition_id));
        Ok(())
    }

    fn partition_change(&mut self, record: &PartitionChangeRecord) -> Result<(), ReplayError> {
        let unknown = ReplayError::UnknownPartition(record.topic_id, record.partition_id);
        let topic = self.topic_mut(record.topic_id)?;
        let place = topic.find(record.partition_id).map_err(|_| unknown)?;
        Arc::make_mut(&mut topic.partitions[place]).apply(record);
        self.changes.partitions.insert((record.topic_id, record.partition_id));
        Ok(())
    }

    fn remove_topic(&mut self, id: Uuid) -> Result<(), ReplayError> {
        let topic = self.image.topics.remove(&id).ok_or(ReplayError::UnknownTopic(id))?;
        self.image.names.remove(&topic.name);
        let resource = ConfigResource::topic(&topic.name);
        if self.image.configs.remove(&resource).is_some() {
            self.changes.configs.insert(resource);
        }
        self.changes.topics_created.retain(|created| *created != id);
        for partition in topic.partitions() {
            self.changes.partitions.remove(&(id, partition.index));
        }
        self.changes.topics_deleted.push(topic);
        Ok(())
    }

    /// Without a name: in all topics.
    fn clear_elr(&mut self, name: &str) {
        let ids: Vec<Uuid> = match name {
            "" => self.image.topics.keys().copied().collect(),
            name => self.image.topic_id(name).into_iter().collect(),
        };
        let empty = PartitionChangeRecord {
            eligible_leader_replicas: Some(Vec::new()),
            last_known_elr: Some(Vec::new()),
            ..Default::default()
        };
        let holds =
            |partition: &Partition| !partition.eligible_leaders.is_empty() || !partition.last_known_leaders.is_empty();
        for id in ids {
            let Some(topic) = self.image.topics.get_mut(&id) else {
                continue;
            };
            if !topic.partitions.iter().any(|partition| holds(partition)) {
                continue;
            }
            for partition in Arc::make_mut(topic)
                .partitions
                .iter_mut()
                .filter(|partition| holds(partition))
            {
                Arc::make_mut(partition).apply(&empty);
                self.changes.partitions.insert((id, partition.index));
            }
        }
    }

    fn broker(&mut self, id: NodeId, epoch: i64) -> Result<&mut Broker, ReplayError> {
        self.changes.brokers.insert(id);
        let broker = self.image.brokers.get_mut(&id).filter(|broker| broker.epoch == epoch);
        broker
            .map(Arc::make_mut)
            .ok_or(ReplayError::UnknownBroker { id, epoch })
    }

    fn broker_change(&mut self, record: &BrokerRegistrationChangeRecord) -> Result<(), ReplayError> {
        let broker = self.broker(record.broker_id, record.broker_epoch)?;
        match record.fenced {
            1 => broker.fenced = true,
            -1 => broker.fenced = false,
            _ => {}
        }
        if record.in_controlled_shutdown == 1 {
            broker.in_controlled_shutdown = true;
        }
        if !record.log_dirs.is_empty() {
            broker.directories.clone_from(&record.log_dirs);
            broker.directories.sort();
        }
        if record.cordoned_log_dirs.is_some() {
            broker.cordoned.clone_from(&record.cordoned_log_dirs);
        }
        Ok(())
    }

    fn config(&mut self, record: &ConfigRecord) -> Result<(), ReplayError> {
        let kind = ResourceKind::from_code(record.resource_type);
        let kind = kind.ok_or(ReplayError::UnknownResource(record.resource_type))?;
        let resource = ConfigResource::new(kind, record.resource_name.clone());
        let values = self.image.configs.entry(resource.clone()).or_default();
        match &record.value {
            Some(value) => Arc::make_mut(values).insert(record.name.clone(), value.clone()),
            None => Arc::make_mut(values).remove(&record.name),
        };
        if values.is_empty() {
            self.image.configs.remove(&resource);
        }
        self.changes.configs.insert(resource);
        Ok(())
    }

    fn quota(&mut self, record: &ClientQuotaRecord) {
        self.changes.quotas = true;
        let entity = QuotaEntity::from_record(&record.entity);
        let quotas = self.image.quotas.entry(entity.clone()).or_default();
        match record.remove {
            true => Arc::make_mut(quotas).remove(&record.key),
            false => Arc::make_mut(quotas).insert(record.key.clone(), record.value),
        };
        if quotas.is_empty() {
            self.image.quotas.remove(&entity);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::abort_transaction_record::AbortTransactionRecord;
    use crate::schema::begin_transaction_record::BeginTransactionRecord;
    use crate::schema::end_transaction_record::EndTransactionRecord;
    use crate::schema::feature_level_record::FeatureLevelRecord;
    use crate::schema::no_op_record::NoOpRecord;
    use crate::schema::producer_ids_record::ProducerIdsRecord;
    use crate::schema::register_broker_record::RegisterBrokerRecord;
    use crate::schema::remove_topic_record::RemoveTopicRecord;
    use crate::schema::user_scram_credential_record::UserScramCredentialRecord;

    fn apply(replay: &mut Replay, record: impl Into<MetadataRecord>) -> Result<(), ReplayError> {
        let offset = replay.image().offset + 1;
        replay.apply(offset, 1, &record.into())
    }

    fn topic(name: &str, id: u8) -> TopicRecord {
        TopicRecord {
            name: name.into(),
            topic_id: Uuid([id; 16]),
        }
    }

    #[test]
    fn a_transaction_takes_effect_when_it_ends_and_not_at_all_when_it_is_aborted() {
        let mut replay = Replay::default();
        apply(&mut replay, BeginTransactionRecord::default()).unwrap();
        apply(&mut replay, topic("a", 1)).unwrap();
        assert_eq!((replay.image().topic_count(), replay.transaction_start()), (0, Some(0)));
        apply(&mut replay, EndTransactionRecord::default()).unwrap();
        assert_eq!((replay.image().topic_count(), replay.transaction_start()), (1, None));
        apply(&mut replay, BeginTransactionRecord::default()).unwrap();
        assert_eq!(
            apply(&mut replay, BeginTransactionRecord::default()),
            Err(ReplayError::Transaction)
        );
        apply(&mut replay, topic("b", 2)).unwrap();
        apply(&mut replay, AbortTransactionRecord::default()).unwrap();
        assert_eq!(replay.image().topic_count(), 1);
        assert_eq!(
            apply(&mut replay, EndTransactionRecord::default()),
            Err(ReplayError::Transaction)
        );
    }

    #[test]
    fn a_log_that_contradicts_itself_is_not_applied() {
        let unknown = Uuid([9; 16]);
        for (record, error) in [
            (topic("a", 2).into(), ReplayError::DuplicateTopic("a".to_owned())),
            (topic("b", 1).into(), ReplayError::DuplicateTopic("b".to_owned())),
            (
                RemoveTopicRecord { topic_id: unknown }.into(),
                ReplayError::UnknownTopic(unknown),
            ),
            (
                PartitionChangeRecord {
                    topic_id: Uuid([1; 16]),
                    partition_id: 3,
                    ..Default::default()
                }
                .into(),
                ReplayError::UnknownPartition(Uuid([1; 16]), 3),
            ),
            (
                BrokerRegistrationChangeRecord {
                    broker_id: 4,
                    broker_epoch: 5,
                    ..Default::default()
                }
                .into(),
                ReplayError::UnknownBroker { id: 4, epoch: 5 },
            ),
            (
                ConfigRecord {
                    resource_type: 99,
                    ..Default::default()
                }
                .into(),
                ReplayError::UnknownResource(99),
            ),
        ] {
            let mut replay = Replay::default();
            apply(&mut replay, topic("a", 1)).unwrap();
            let record: MetadataRecord = record;
            assert_eq!(apply(&mut replay, record), Err(error));
        }
    }

    #[test]
    fn changes_name_what_is_left_to_do() {
        let mut replay = Replay::default();
        apply(&mut replay, topic("a", 1)).unwrap();
        apply(&mut replay, topic("gone", 2)).unwrap();
        let partition = PartitionRecord {
            partition_id: 0,
            topic_id: Uuid([1; 16]),
            ..Default::default()
        };
        apply(
            &mut replay,
            PartitionRecord {
                topic_id: Uuid([2; 16]),
                ..partition.clone()
            },
        )
        .unwrap();
        apply(&mut replay, partition).unwrap();
        apply(
            &mut replay,
            RemoveTopicRecord {
                topic_id: Uuid([2; 16]),
            },
        )
        .unwrap();
        let (image, changes) = replay.publish();
        assert_eq!(changes.topics_created, [Uuid([1; 16])]);
        assert_eq!(changes.partitions.into_iter().collect::<Vec<_>>(), [(Uuid([1; 16]), 0)]);
        assert_eq!(changes.topics_deleted[0].name, "gone");
        apply(&mut replay, NoOpRecord::default()).unwrap();
        let (later, changes) = replay.publish();
        assert!(changes.is_empty());
        assert_eq!((image.offset, later.offset), (4, 5));
    }

    /// A small generator, good enough to walk through many different clusters.
    struct Dice(u64);

    impl Dice {
        fn roll(&mut self, sides: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            (self.0 >> 33) % sides
        }
    }

    fn any_record(dice: &mut Dice) -> MetadataRecord {
        let topic_id = Uuid([dice.roll(6) as u8 + 1; 16]);
        let name = format!("name-{}", dice.roll(6));
        let ids: Vec<i32> = (0..dice.roll(3) as i32 + 1).collect();
        match dice.roll(12) {
            0 => TopicRecord {
                name: name.into(),
                topic_id,
            }
            .into(),
            1 => PartitionRecord {
                partition_id: dice.roll(4) as i32,
                topic_id,
                directories: vec![Uuid([7; 16]); ids.len()],
                replicas: ids.clone(),
                isr: ids,
                ..Default::default()
            }
            .into(),
            2 | 3 => PartitionChangeRecord {
                partition_id: dice.roll(4) as i32,
                topic_id,
                leader: dice.roll(4) as i32 - 2,
                isr: (dice.roll(2) == 0).then(|| ids.clone()),
                eligible_leader_replicas: (dice.roll(3) == 0).then_some(ids),
                ..Default::default()
            }
            .into(),
            4 => RemoveTopicRecord { topic_id }.into(),
            5 => ConfigRecord {
                resource_type: 2,
                resource_name: name.into(),
                name: format!("key-{}", dice.roll(3)).into(),
                value: (dice.roll(2) == 0).then(|| "value".into()),
            }
            .into(),
            6 => RegisterBrokerRecord {
                broker_id: dice.roll(3) as i32,
                broker_epoch: dice.roll(2) as i64,
                log_dirs: vec![Uuid([9; 16]), Uuid([8; 16])],
                ..Default::default()
            }
            .into(),
            7 => BrokerRegistrationChangeRecord {
                broker_id: dice.roll(3) as i32,
                broker_epoch: dice.roll(2) as i64,
                fenced: dice.roll(3) as i8 - 1,
                ..Default::default()
            }
            .into(),
            8 => FeatureLevelRecord {
                name: name.into(),
                feature_level: dice.roll(3) as i16,
            }
            .into(),
            9 => ProducerIdsRecord {
                next_producer_id: dice.roll(5000) as i64,
                ..Default::default()
            }
            .into(),
            10 => UserScramCredentialRecord {
                name: name.into(),
                mechanism: 1,
                ..Default::default()
            }
            .into(),
            _ => ClientQuotaRecord {
                key: name.into(),
                value: 1.0,
                remove: dice.roll(2) == 0,
                ..Default::default()
            }
            .into(),
        }
    }

    #[test]
    fn an_image_made_from_its_own_snapshot_is_the_same() {
        for seed in 0..300 {
            let mut dice = Dice(seed);
            let mut replay = Replay::default();
            let level = |name: &str, feature_level| FeatureLevelRecord {
                name: name.into(),
                feature_level,
            };
            apply(&mut replay, level("metadata.version", 30)).unwrap();
            apply(&mut replay, level("eligible.leader.replicas.version", 1)).unwrap();
            for _ in 0..200 {
                // Contradictions are refused, and leave no trace.
                let before = replay.image().clone();
                if apply(&mut replay, any_record(&mut dice)).is_err() {
                    assert_eq!(*replay.image(), before, "seed {seed}");
                }
            }
            let mut copy = Replay::default();
            let level = replay.image().metadata_version().unwrap();
            replay.image().each_record(|record| {
                let bytes = record.encode(level);
                copy.apply(0, 0, &MetadataRecord::decode(bytes).unwrap()).unwrap();
            });
            copy.passed(replay.image().offset, replay.image().epoch);
            assert_eq!(copy.image(), replay.image(), "seed {seed}");
            assert!(Changes::between(replay.image(), copy.image()).is_empty());
        }
    }
}
