//! The cluster at one offset of the metadata log. Clones share all that did not change between them.

use crate::metadata::Acl;
use crate::metadata::Broker;
use crate::metadata::ConfigMap;
use crate::metadata::ConfigResource;
use crate::metadata::Controller;
use crate::metadata::DelegationToken;
use crate::metadata::MetadataVersion;
use crate::metadata::Partition;
use crate::metadata::QuotaEntity;
use crate::metadata::ScramCredential;
use crate::metadata::feature;
use crate::types::LeaderEpoch;
use crate::types::NodeId;
use crate::types::Offset;
use crate::types::PartitionId;
use crate::types::Uuid;
use compact_str::CompactString;
use imbl::HashMap;
use imbl::OrdMap;
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq)]
pub struct Topic {
    pub name: CompactString,
    pub id: Uuid,
    /// By index, without gaps once the topic is complete.
    pub(super) partitions: Vec<Arc<Partition>>,
}

impl Topic {
    pub fn partition(&self, index: PartitionId) -> Option<&Arc<Partition>> {
        self.partitions.get(self.find(index).ok()?)
    }

    pub fn partitions(&self) -> &[Arc<Partition>] {
        &self.partitions
    }

    /// The place of the partition, or the one it would take. Indexes nearly always equal places.
    pub(super) fn find(&self, index: PartitionId) -> Result<usize, usize> {
        if let Ok(place) = usize::try_from(index)
            && self
                .partitions
                .get(place)
                .is_some_and(|partition| partition.index == index)
        {
            return Ok(place);
        }
        self.partitions
            .binary_search_by_key(&index, |partition| partition.index)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    /// Offset of the last record in it; -1 before the first.
    pub offset: Offset,
    /// Leader epoch of the controller that wrote that record.
    pub epoch: LeaderEpoch,
    pub(super) names: OrdMap<CompactString, Uuid>,
    pub(super) topics: HashMap<Uuid, Arc<Topic>>,
    pub(super) brokers: OrdMap<NodeId, Arc<Broker>>,
    pub(super) controllers: OrdMap<NodeId, Arc<Controller>>,
    pub(super) configs: HashMap<ConfigResource, Arc<ConfigMap>>,
    pub(super) quotas: OrdMap<QuotaEntity, Arc<BTreeMap<CompactString, f64>>>,
    pub(super) scram: OrdMap<(CompactString, i8), ScramCredential>,
    pub(super) acls: OrdMap<Uuid, Arc<Acl>>,
    pub(super) tokens: OrdMap<CompactString, Arc<DelegationToken>>,
    pub(super) features: OrdMap<CompactString, i16>,
    /// -1 before the first block was given away.
    pub(super) next_producer_id: i64,
}

impl Default for Image {
    fn default() -> Image {
        Image {
            offset: -1,
            epoch: 0,
            names: OrdMap::new(),
            topics: HashMap::new(),
            brokers: OrdMap::new(),
            controllers: OrdMap::new(),
            configs: HashMap::new(),
            quotas: OrdMap::new(),
            scram: OrdMap::new(),
            acls: OrdMap::new(),
            tokens: OrdMap::new(),
            features: OrdMap::new(),
            next_producer_id: -1,
        }
    }
}

impl Image {
    pub fn topic(&self, name: &str) -> Option<&Arc<Topic>> {
        self.topics.get(self.names.get(name)?)
    }

    pub fn topic_by_id(&self, id: Uuid) -> Option<&Arc<Topic>> {
        self.topics.get(&id)
    }

    pub fn topic_id(&self, name: &str) -> Option<Uuid> {
        self.names.get(name).copied()
    }

    pub fn partition(&self, topic_id: Uuid, index: PartitionId) -> Option<&Arc<Partition>> {
        self.topics.get(&topic_id)?.partition(index)
    }

    pub fn topic_count(&self) -> usize {
        self.topics.len()
    }

    /// All topics by name.
    pub fn topics(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.names.values().filter_map(|id| self.topics.get(id))
    }

    /// Topics by name, from this name on: for answers that come in pages.
    pub fn topics_from(&self, name: &str) -> impl Iterator<Item = &Arc<Topic>> {
        let from = self.names.range(CompactString::from(name)..);
        from.filter_map(|(_, id)| self.topics.get(id))
    }

    pub fn broker(&self, id: NodeId) -> Option<&Arc<Broker>> {
        self.brokers.get(&id)
    }

    pub fn brokers(&self) -> impl Iterator<Item = &Arc<Broker>> {
        self.brokers.values()
    }

    pub fn controller(&self, id: NodeId) -> Option<&Arc<Controller>> {
        self.controllers.get(&id)
    }

    pub fn controllers(&self) -> impl Iterator<Item = &Arc<Controller>> {
        self.controllers.values()
    }

    /// Values set on this resource, if any.
    pub fn config(&self, resource: &ConfigResource) -> Option<&Arc<ConfigMap>> {
        self.configs.get(resource)
    }

    pub fn topic_config(&self, name: &str) -> Option<&Arc<ConfigMap>> {
        self.configs.get(&ConfigResource::topic(name))
    }

    pub fn configs(&self) -> impl Iterator<Item = (&ConfigResource, &Arc<ConfigMap>)> {
        self.configs.iter()
    }

    pub fn quota(&self, entity: &QuotaEntity) -> Option<&Arc<BTreeMap<CompactString, f64>>> {
        self.quotas.get(entity)
    }

    pub fn quotas(&self) -> impl Iterator<Item = (&QuotaEntity, &Arc<BTreeMap<CompactString, f64>>)> {
        self.quotas.iter()
    }

    pub fn scram(&self, user: &str, mechanism: i8) -> Option<&ScramCredential> {
        self.scram.get(&(CompactString::from(user), mechanism))
    }

    /// Credentials by user and mechanism.
    pub fn scram_credentials(&self) -> impl Iterator<Item = (&(CompactString, i8), &ScramCredential)> {
        self.scram.iter()
    }

    pub fn acls(&self) -> impl Iterator<Item = (&Uuid, &Arc<Acl>)> {
        self.acls.iter()
    }

    pub fn delegation_tokens(&self) -> impl Iterator<Item = &Arc<DelegationToken>> {
        self.tokens.values()
    }

    /// Finalised features and their levels, `metadata.version` among them.
    pub fn features(&self) -> impl Iterator<Item = (&CompactString, i16)> {
        self.features.iter().map(|(name, level)| (name, *level))
    }

    /// 0 for a feature that is not finalised.
    pub fn feature(&self, name: &str) -> i16 {
        self.features.get(name).copied().unwrap_or(0)
    }

    /// `None` only before the bootstrap records are in.
    pub fn metadata_version(&self) -> Option<MetadataVersion> {
        self.features
            .get(feature::METADATA_VERSION)
            .map(|level| MetadataVersion(*level))
    }

    pub fn elr_enabled(&self) -> bool {
        self.feature(feature::ELIGIBLE_LEADER_REPLICAS) >= 1
    }

    /// The first producer id of the next block.
    pub fn next_producer_id(&self) -> i64 {
        self.next_producer_id.max(0)
    }
}
