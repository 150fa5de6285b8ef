//! An image as records: what a snapshot holds. Replaying them makes the same image.

use crate::metadata::Image;
use crate::metadata::MetadataRecord;
use crate::metadata::MetadataVersion;
use crate::metadata::feature;
use crate::schema::client_quota_record::ClientQuotaRecord;
use crate::schema::config_record::ConfigRecord;
use crate::schema::feature_level_record::FeatureLevelRecord;
use crate::schema::producer_ids_record::ProducerIdsRecord;
use crate::schema::topic_record::TopicRecord;
use crate::schema::user_scram_credential_record::UserScramCredentialRecord;

impl Image {
    /// Hands out the records one by one, features first: whoever reads them must know the level before anything else.
    pub fn each_record(&self, mut hand: impl FnMut(MetadataRecord)) {
        let level = self.metadata_version().unwrap_or(MetadataVersion::MINIMUM);
        let first = self
            .features
            .iter()
            .filter(|(name, _)| *name == feature::METADATA_VERSION);
        let others = self
            .features
            .iter()
            .filter(|(name, _)| *name != feature::METADATA_VERSION);
        for (name, feature_level) in first.chain(others) {
            hand(
                FeatureLevelRecord {
                    name: name.clone(),
                    feature_level: *feature_level,
                }
                .into(),
            );
        }
        self.brokers().for_each(|broker| hand(broker.to_record().into()));
        self.controllers()
            .for_each(|controller| hand(controller.to_record().into()));
        for topic in self.topics() {
            hand(
                TopicRecord {
                    name: topic.name.clone(),
                    topic_id: topic.id,
                }
                .into(),
            );
            for partition in topic.partitions() {
                hand(partition.to_record(topic.id, level, self.elr_enabled()).into());
            }
        }
        for (resource, values) in self.configs() {
            for (name, value) in values.iter() {
                hand(MetadataRecord::Config(ConfigRecord {
                    resource_type: resource.kind.code(),
                    resource_name: resource.name.clone(),
                    name: name.clone(),
                    value: Some(value.clone()),
                }));
            }
        }
        self.each_security_record(&mut hand);
    }

    fn each_security_record(&self, hand: &mut impl FnMut(MetadataRecord)) {
        for (entity, quotas) in self.quotas() {
            for (key, value) in quotas.iter() {
                let entity = entity.to_record();
                hand(
                    ClientQuotaRecord {
                        entity,
                        key: key.clone(),
                        value: *value,
                        remove: false,
                    }
                    .into(),
                );
            }
        }
        if self.next_producer_id >= 0 {
            let next_producer_id = self.next_producer_id;
            hand(
                ProducerIdsRecord {
                    broker_id: -1,
                    broker_epoch: -1,
                    next_producer_id,
                }
                .into(),
            );
        }
        self.acls().for_each(|(id, acl)| hand(acl.to_record(*id).into()));
        for ((name, mechanism), credential) in self.scram_credentials() {
            hand(MetadataRecord::UserScramCredential(UserScramCredentialRecord {
                name: name.clone(),
                mechanism: *mechanism,
                salt: credential.salt.clone(),
                stored_key: credential.stored_key.clone(),
                server_key: credential.server_key.clone(),
                iterations: credential.iterations,
            }));
        }
        self.delegation_tokens()
            .for_each(|token| hand((**token).clone().into()));
    }
}
