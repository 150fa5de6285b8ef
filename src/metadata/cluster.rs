//! What the image holds beside topics: nodes, configs, quotas, credentials, access rules and tokens.

use crate::metadata::directory;
use crate::schema::access_control_entry_record::AccessControlEntryRecord;
use crate::schema::client_quota_record::EntityData;
use crate::schema::delegation_token_record::DelegationTokenRecord;
use crate::schema::register_broker_record as broker_record;
use crate::schema::register_broker_record::RegisterBrokerRecord;
use crate::schema::register_controller_record as controller_record;
use crate::schema::register_controller_record::RegisterControllerRecord;
use crate::types::NodeId;
use crate::types::Uuid;
use bytes::Bytes;
use compact_str::CompactString;
use std::collections::BTreeMap;

/// Values set on one resource; what is not in it has its default.
pub type ConfigMap = BTreeMap<CompactString, CompactString>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub listener: CompactString,
    pub host: CompactString,
    pub port: u16,
    pub security_protocol: i16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    pub min: i16,
    pub max: i16,
}

impl VersionRange {
    pub fn contains(&self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Broker {
    pub id: NodeId,
    pub epoch: i64,
    pub incarnation: Uuid,
    pub endpoints: Vec<Endpoint>,
    pub features: BTreeMap<CompactString, VersionRange>,
    pub rack: Option<CompactString>,
    pub fenced: bool,
    pub in_controlled_shutdown: bool,
    /// Log directories that are online, sorted.
    pub directories: Vec<Uuid>,
    /// `None` until the broker has said, even if there are none.
    pub cordoned: Option<Vec<Uuid>>,
}

impl Broker {
    pub fn from_record(record: &RegisterBrokerRecord) -> Broker {
        let mut directories = record.log_dirs.clone();
        directories.sort();
        let range = |feature: &broker_record::BrokerFeature| VersionRange {
            min: feature.min_supported_version,
            max: feature.max_supported_version,
        };
        Broker {
            id: record.broker_id,
            epoch: record.broker_epoch,
            incarnation: record.incarnation_id,
            endpoints: record.end_points.iter().map(|endpoint| endpoint.into()).collect(),
            features: record
                .features
                .iter()
                .map(|feature| (feature.name.clone(), range(feature)))
                .collect(),
            rack: record.rack.clone(),
            fenced: record.fenced,
            in_controlled_shutdown: record.in_controlled_shutdown,
            directories,
            cordoned: record.cordoned_log_dirs.clone(),
        }
    }

    pub fn to_record(&self) -> RegisterBrokerRecord {
        let endpoint = |endpoint: &Endpoint| broker_record::BrokerEndpoint {
            name: endpoint.listener.clone(),
            host: endpoint.host.clone(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
        };
        let feature = |(name, range): (&CompactString, &VersionRange)| broker_record::BrokerFeature {
            name: name.clone(),
            min_supported_version: range.min,
            max_supported_version: range.max,
        };
        RegisterBrokerRecord {
            broker_id: self.id,
            is_migrating_zk_broker: false,
            incarnation_id: self.incarnation,
            broker_epoch: self.epoch,
            end_points: self.endpoints.iter().map(endpoint).collect(),
            features: self.features.iter().map(feature).collect(),
            rack: self.rack.clone(),
            fenced: self.fenced,
            in_controlled_shutdown: self.in_controlled_shutdown,
            log_dirs: self.directories.clone(),
            cordoned_log_dirs: self.cordoned.clone(),
        }
    }

    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    pub fn endpoint(&self, listener: &str) -> Option<&Endpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.listener == listener)
    }

    /// Whether a replica there can be served. A broker that registered before directories had ids has all of them.
    pub fn has_online(&self, id: Uuid) -> bool {
        match id {
            directory::UNASSIGNED | directory::MIGRATING => true,
            directory::LOST => false,
            id => self.directories.is_empty() || self.directories.binary_search(&id).is_ok(),
        }
    }

    pub fn takes_new_replicas(&self) -> bool {
        match &self.cordoned {
            None => true,
            Some(cordoned) => {
                self.directories.is_empty() || self.directories.iter().any(|directory| !cordoned.contains(directory))
            }
        }
    }
}

impl From<&broker_record::BrokerEndpoint> for Endpoint {
    fn from(endpoint: &broker_record::BrokerEndpoint) -> Endpoint {
        Endpoint {
            listener: endpoint.name.clone(),
            host: endpoint.host.clone(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Controller {
    pub id: NodeId,
    pub incarnation: Uuid,
    pub zk_migration_ready: bool,
    pub endpoints: Vec<Endpoint>,
    pub features: BTreeMap<CompactString, VersionRange>,
}

impl Controller {
    pub fn from_record(record: &RegisterControllerRecord) -> Controller {
        let endpoint = |endpoint: &controller_record::ControllerEndpoint| Endpoint {
            listener: endpoint.name.clone(),
            host: endpoint.host.clone(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
        };
        let feature = |feature: &controller_record::ControllerFeature| {
            let range = VersionRange {
                min: feature.min_supported_version,
                max: feature.max_supported_version,
            };
            (feature.name.clone(), range)
        };
        Controller {
            id: record.controller_id,
            incarnation: record.incarnation_id,
            zk_migration_ready: record.zk_migration_ready,
            endpoints: record.end_points.iter().map(endpoint).collect(),
            features: record.features.iter().map(feature).collect(),
        }
    }

    pub fn to_record(&self) -> RegisterControllerRecord {
        let endpoint = |endpoint: &Endpoint| controller_record::ControllerEndpoint {
            name: endpoint.listener.clone(),
            host: endpoint.host.clone(),
            port: endpoint.port,
            security_protocol: endpoint.security_protocol,
        };
        let feature = |(name, range): (&CompactString, &VersionRange)| controller_record::ControllerFeature {
            name: name.clone(),
            min_supported_version: range.min,
            max_supported_version: range.max,
        };
        RegisterControllerRecord {
            controller_id: self.id,
            incarnation_id: self.incarnation,
            zk_migration_ready: self.zk_migration_ready,
            end_points: self.endpoints.iter().map(endpoint).collect(),
            features: self.features.iter().map(feature).collect(),
        }
    }
}

/// What a config belongs to, by the protocol's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    Topic,
    Broker,
    BrokerLogger,
    ClientMetrics,
    Group,
}

impl ResourceKind {
    pub fn code(self) -> i8 {
        match self {
            ResourceKind::Topic => 2,
            ResourceKind::Broker => 4,
            ResourceKind::BrokerLogger => 8,
            ResourceKind::ClientMetrics => 16,
            ResourceKind::Group => 32,
        }
    }

    pub fn from_code(code: i8) -> Option<ResourceKind> {
        match code {
            2 => Some(ResourceKind::Topic),
            4 => Some(ResourceKind::Broker),
            8 => Some(ResourceKind::BrokerLogger),
            16 => Some(ResourceKind::ClientMetrics),
            32 => Some(ResourceKind::Group),
            _ => None,
        }
    }
}

/// A broker resource without a name stands for all brokers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigResource {
    pub kind: ResourceKind,
    pub name: CompactString,
}

impl ConfigResource {
    pub fn new(kind: ResourceKind, name: impl Into<CompactString>) -> ConfigResource {
        ConfigResource {
            kind,
            name: name.into(),
        }
    }

    pub fn topic(name: &str) -> ConfigResource {
        ConfigResource::new(ResourceKind::Topic, name)
    }

    pub fn broker(id: NodeId) -> ConfigResource {
        ConfigResource::new(ResourceKind::Broker, id.to_string())
    }

    pub fn all_brokers() -> ConfigResource {
        ConfigResource::new(ResourceKind::Broker, "")
    }
}

/// Entity types and names, sorted by type; a name that is `None` is the type's default.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuotaEntity(pub Vec<(CompactString, Option<CompactString>)>);

impl QuotaEntity {
    /// Of several names for one type the last counts.
    pub fn new(parts: impl IntoIterator<Item = (CompactString, Option<CompactString>)>) -> QuotaEntity {
        let sorted: BTreeMap<_, _> = parts.into_iter().collect();
        QuotaEntity(sorted.into_iter().collect())
    }

    pub fn from_record(data: &[EntityData]) -> QuotaEntity {
        QuotaEntity::new(
            data.iter()
                .map(|part| (part.entity_type.clone(), part.entity_name.clone())),
        )
    }

    pub fn to_record(&self) -> Vec<EntityData> {
        let part = |(kind, name): &(CompactString, Option<CompactString>)| EntityData {
            entity_type: kind.clone(),
            entity_name: name.clone(),
        };
        self.0.iter().map(part).collect()
    }
}

#[derive(Clone, PartialEq)]
pub struct ScramCredential {
    pub salt: Bytes,
    pub stored_key: Bytes,
    pub server_key: Bytes,
    pub iterations: i32,
}

/// Says nothing: what is in it must not reach a log.
impl std::fmt::Debug for ScramCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ScramCredential(hidden)")
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Acl {
    pub resource_type: i8,
    pub resource_name: CompactString,
    pub pattern_type: i8,
    pub principal: CompactString,
    pub host: CompactString,
    pub operation: i8,
    pub permission_type: i8,
}

impl Acl {
    pub fn from_record(record: &AccessControlEntryRecord) -> Acl {
        Acl {
            resource_type: record.resource_type,
            resource_name: record.resource_name.clone(),
            pattern_type: record.pattern_type,
            principal: record.principal.clone(),
            host: record.host.clone(),
            operation: record.operation,
            permission_type: record.permission_type,
        }
    }

    pub fn to_record(&self, id: Uuid) -> AccessControlEntryRecord {
        AccessControlEntryRecord {
            id,
            resource_type: self.resource_type,
            resource_name: self.resource_name.clone(),
            pattern_type: self.pattern_type,
            principal: self.principal.clone(),
            host: self.host.clone(),
            operation: self.operation,
            permission_type: self.permission_type,
        }
    }
}

/// A token, by its id in the image.
pub type DelegationToken = DelegationTokenRecord;
