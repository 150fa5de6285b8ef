//! AlterConfigs and IncrementalAlterConfigs: what is set on topics, brokers, groups and client metrics.

use crate::controller::Action;
use crate::controller::Caller;
use crate::controller::Controller;
use crate::controller::Outcome;
use crate::controller::Refusal;
use crate::controller::refusal::answer;
use crate::metadata::ConfigMap;
use crate::metadata::ConfigResource;
use crate::metadata::MetadataRecord;
use crate::metadata::ResourceKind;
use crate::schema::alter_configs_request::AlterConfigsRequest;
use crate::schema::alter_configs_response;
use crate::schema::alter_configs_response::AlterConfigsResponse;
use crate::schema::clear_elr_record::ClearElrRecord;
use crate::schema::config_record::ConfigRecord;
use crate::schema::incremental_alter_configs_request::IncrementalAlterConfigsRequest;
use crate::schema::incremental_alter_configs_response;
use crate::schema::incremental_alter_configs_response::IncrementalAlterConfigsResponse;
use crate::types::ErrorCode;
use compact_str::CompactString;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

const MIN_ISR: &str = "min.insync.replicas";
const CORDONED_DIRS: &str = "cordoned.log.dirs";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Set,
    Delete,
    Append,
    Subtract,
    /// A number that the protocol does not define.
    Unknown,
}

impl Operation {
    fn from_code(code: i8) -> Operation {
        match code {
            0 => Operation::Set,
            1 => Operation::Delete,
            2 => Operation::Append,
            3 => Operation::Subtract,
            _ => Operation::Unknown,
        }
    }
}

/// What is to be done with each key.
pub(super) type Operations = BTreeMap<CompactString, (Operation, Option<CompactString>)>;

/// One row of either answer.
struct Row {
    resource_type: i8,
    resource_name: CompactString,
    result: Result<(), Refusal>,
}

/// A resource's change, by what the request calls it.
struct Wanted<T> {
    resource_type: i8,
    resource_name: CompactString,
    change: T,
}

impl Controller {
    pub fn incremental_alter_configs(
        &self,
        caller: &Caller<'_>,
        request: &IncrementalAlterConfigsRequest,
    ) -> Outcome<IncrementalAlterConfigsResponse> {
        let wanted = request.resources.iter().map(|resource| Wanted {
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            change: resource
                .configs
                .iter()
                .map(|config| {
                    (
                        config.name.clone(),
                        (Operation::from_code(config.config_operation), config.value.clone()),
                    )
                })
                .collect::<Operations>(),
        });
        let alter = |resource: &ConfigResource, change: &Operations| {
            self.alter_resource(resource, change, caller.forwarded, false)
        };
        let outcome = self.alter_each(caller, wanted.collect(), request.validate_only, alter);
        outcome.map(|rows| {
            let row = |row: Row| {
                let (error_code, error_message) = answer(&row.result);
                incremental_alter_configs_response::AlterConfigsResourceResponse {
                    error_code,
                    error_message,
                    resource_type: row.resource_type,
                    resource_name: row.resource_name,
                }
            };
            IncrementalAlterConfigsResponse {
                responses: rows.into_iter().map(row).collect(),
                ..Default::default()
            }
        })
    }

    /// The old way: what the request does not name loses its value.
    pub fn alter_configs(&self, caller: &Caller<'_>, request: &AlterConfigsRequest) -> Outcome<AlterConfigsResponse> {
        let wanted = request.resources.iter().map(|resource| Wanted {
            resource_type: resource.resource_type,
            resource_name: resource.resource_name.clone(),
            change: resource
                .configs
                .iter()
                .map(|config| (config.name.clone(), config.value.clone()))
                .collect(),
        });
        let alter = |resource: &ConfigResource, change: &BTreeMap<CompactString, Option<CompactString>>| {
            self.replace_resource(resource, change, caller.forwarded)
        };
        let outcome = self.alter_each(caller, wanted.collect(), request.validate_only, alter);
        outcome.map(|rows| {
            let row = |row: Row| {
                let (error_code, error_message) = answer(&row.result);
                alter_configs_response::AlterConfigsResourceResponse {
                    error_code,
                    error_message,
                    resource_type: row.resource_type,
                    resource_name: row.resource_name,
                }
            };
            AlterConfigsResponse {
                responses: rows.into_iter().map(row).collect(),
                ..Default::default()
            }
        })
    }

    fn alter_each<T>(
        &self,
        caller: &Caller<'_>,
        wanted: Vec<Wanted<T>>,
        validate_only: bool,
        alter: impl Fn(&ConfigResource, &T) -> Result<Vec<MetadataRecord>, Refusal>,
    ) -> Outcome<Vec<Row>> {
        let mut counts: BTreeMap<(i8, CompactString), usize> = BTreeMap::new();
        for resource in &wanted {
            *counts
                .entry((resource.resource_type, resource.resource_name.clone()))
                .or_default() += 1;
        }
        let mut records = Vec::new();
        let mut rows = Vec::new();
        let mut told = BTreeSet::new();
        for Wanted {
            resource_type,
            resource_name,
            change,
        } in wanted
        {
            let key = (resource_type, resource_name.clone());
            let result = match ResourceKind::from_code(resource_type) {
                None => {
                    let message = format!("Unknown resource type {resource_type}.");
                    Err(Refusal::new(ErrorCode::UnsupportedVersion, message))
                }
                Some(_) if counts.get(&key) != Some(&1) => {
                    if !told.insert(key) {
                        continue;
                    }
                    Err(Refusal::new(ErrorCode::InvalidRequest, "Duplicate resource."))
                }
                Some(kind) => {
                    let resource = ConfigResource::new(kind, resource_name.clone());
                    let altered = self
                        .authorize(caller, &resource)
                        .and_then(|()| alter(&resource, &change));
                    altered.map(|altered| records.extend(altered))
                }
            };
            rows.push(Row {
                resource_type,
                resource_name,
                result,
            });
        }
        self.add_clear_elr(&mut records);
        if let Err(refusal) = Controller::bounded(&records) {
            records.clear();
            rows.iter_mut().for_each(|row| row.result = Err(refusal.clone()));
        }
        let outcome = Outcome::of(records, rows);
        if validate_only {
            outcome.without_records()
        } else {
            outcome
        }
    }

    fn authorize(&self, caller: &Caller<'_>, resource: &ConfigResource) -> Result<(), Refusal> {
        let denied = match resource.kind {
            ResourceKind::Topic => ErrorCode::TopicAuthorizationFailed,
            ResourceKind::Group => ErrorCode::GroupAuthorizationFailed,
            ResourceKind::Broker | ResourceKind::ClientMetrics => ErrorCode::ClusterAuthorizationFailed,
            ResourceKind::BrokerLogger => {
                let message = "Unexpected resource type BROKER_LOGGER.";
                return Err(Refusal::new(ErrorCode::InvalidRequest, message));
            }
        };
        match caller.rights.resource(Action::AlterConfigs, resource) {
            true => Ok(()),
            false => Err(Refusal::plain(denied)),
        }
    }

    /// Records that carry out the operations on one resource.
    pub(super) fn alter_resource(
        &self,
        resource: &ConfigResource,
        operations: &Operations,
        forwarded: bool,
        is_new: bool,
    ) -> Result<Vec<MetadataRecord>, Refusal> {
        let current = self.image().config(resource);
        let mut changes = Vec::new();
        for (key, (operation, value)) in operations {
            let now = current.and_then(|current| current.get(key));
            let next = match operation {
                Operation::Set => value.clone(),
                Operation::Delete => None,
                Operation::Append | Operation::Subtract => {
                    Some(self.edit_list(resource, key, now, (*operation, value.as_deref().unwrap_or("")))?)
                }
                Operation::Unknown => {
                    let message = format!("Unknown config operation for key {key}");
                    return Err(Refusal::new(ErrorCode::InvalidRequest, message));
                }
            };
            // A broker's value is written again even if it is the same: that makes brokers reload what it points to.
            if now != next.as_ref() || resource.kind == ResourceKind::Broker {
                changes.push((key.clone(), next));
            }
        }
        self.check_change(resource, &changes, &[], forwarded)?;
        if !is_new {
            self.check_exists(resource)?;
        }
        Ok(config_records(resource, changes))
    }

    fn replace_resource(
        &self,
        resource: &ConfigResource,
        values: &BTreeMap<CompactString, Option<CompactString>>,
        forwarded: bool,
    ) -> Result<Vec<MetadataRecord>, Refusal> {
        let none = ConfigMap::new();
        let current = self.image().config(resource).map_or(&none, |current| &**current);
        let differs = |key: &CompactString, value: &Option<CompactString>| {
            current.get(key) != value.as_ref() || resource.kind == ResourceKind::Broker
        };
        let explicit = values.iter().filter(|(key, value)| differs(key, value));
        let mut changes: Vec<_> = explicit.map(|(key, value)| (key.clone(), value.clone())).collect();
        let dropped: Vec<CompactString> = current
            .keys()
            .filter(|key| !values.contains_key(*key))
            .cloned()
            .collect();
        self.check_change(resource, &changes, &dropped, forwarded)?;
        self.check_exists(resource)?;
        changes.extend(dropped.into_iter().map(|key| (key, None)));
        Ok(config_records(resource, changes))
    }

    fn edit_list(
        &self,
        resource: &ConfigResource,
        key: &str,
        now: Option<&CompactString>,
        (operation, value): (Operation, &str),
    ) -> Result<CompactString, Refusal> {
        let word = if operation == Operation::Append {
            "APPEND"
        } else {
            "SUBTRACT"
        };
        if !self.rules.is_list(resource.kind, key) {
            let message = format!("Can't {word} to key {key} because its type is not LIST.");
            return Err(Refusal::new(ErrorCode::InvalidConfig, message));
        }
        let before = now
            .cloned()
            .or_else(|| self.rules.default_value(resource.kind, key))
            .unwrap_or_default();
        let mut parts: Vec<&str> = before.split(',').filter(|part| !part.is_empty()).collect();
        for part in value.split(',') {
            let at = parts.iter().position(|known| *known == part);
            match (operation, at) {
                (Operation::Append, None) => parts.push(part),
                (Operation::Subtract, Some(at)) => {
                    parts.remove(at);
                }
                _ => {}
            }
        }
        Ok(parts.join(",").into())
    }

    fn check_change(
        &self,
        resource: &ConfigResource,
        changes: &[(CompactString, Option<CompactString>)],
        dropped: &[CompactString],
        forwarded: bool,
    ) -> Result<(), Refusal> {
        let old = self
            .image()
            .config(resource)
            .map(|old| (**old).clone())
            .unwrap_or_default();
        let mut new = old.clone();
        for (key, value) in changes {
            self.check_key(resource, key, value.as_deref())?;
            self.check_cordoned(resource, key, (value.as_deref(), old.get(key)), forwarded)?;
            match value {
                None => {
                    new.remove(key);
                }
                Some(value) if value.encode_utf16().count() > i16::MAX as usize => {
                    let message = "The configuration value cannot be added because it exceeds the maximum value size \
                                   of 32767 bytes.";
                    return Err(Refusal::new(ErrorCode::InvalidConfig, message));
                }
                Some(value) => {
                    new.insert(key.clone(), value.clone());
                }
            }
        }
        for key in dropped {
            self.check_key(resource, key, None)?;
            new.remove(key);
        }
        self.rules.validate(resource, &new, &old)
    }

    /// What no rule about the value itself could know.
    fn check_key(&self, resource: &ConfigResource, key: &str, value: Option<&str>) -> Result<(), Refusal> {
        if resource.kind != ResourceKind::Broker {
            return Ok(());
        }
        let refuse = |message: &str| Err(Refusal::new(ErrorCode::InvalidConfig, message));
        let elr = self.image().elr_enabled();
        match key {
            MIN_ISR if elr && !resource.name.is_empty() => {
                refuse("Broker-level min.insync.replicas cannot be altered while ELR is enabled.")
            }
            MIN_ISR if elr && value.is_none() => {
                refuse("Cluster-level min.insync.replicas cannot be removed while ELR is enabled.")
            }
            CORDONED_DIRS if !self.level().cordoned_directories() => refuse(
                "The cordoned.log.dirs configuration value cannot be set because it requires metadata.version >= \
                 4.3-IV0",
            ),
            _ => Ok(()),
        }
    }

    /// Only the broker knows its directories; without it, cordons can only be lifted.
    fn check_cordoned(
        &self,
        resource: &ConfigResource,
        key: &str,
        (value, old): (Option<&str>, Option<&CompactString>),
        forwarded: bool,
    ) -> Result<(), Refusal> {
        let value = value.map(str::trim).filter(|value| !value.is_empty());
        let Some(value) = value.filter(|_| key == CORDONED_DIRS && resource.kind == ResourceKind::Broker) else {
            return Ok(());
        };
        let known: Vec<&str> = old
            .map(|old| old.split(',').map(str::trim).collect())
            .unwrap_or_default();
        if forwarded || value.split(',').all(|directory| known.contains(&directory.trim())) {
            return Ok(());
        }
        // The two spaces are Kafka's.
        let message = "When updating cordoned.log.dirs via controllers,  the new value must be a subset of the current \
                       configuration value.";
        Err(Refusal::new(ErrorCode::InvalidConfig, message))
    }

    fn check_exists(&self, resource: &ConfigResource) -> Result<(), Refusal> {
        match resource.kind {
            ResourceKind::Topic if self.image().topic_id(&resource.name).is_none() => {
                let message = format!("The topic '{}' does not exist.", resource.name);
                Err(Refusal::new(ErrorCode::UnknownTopicOrPartition, message))
            }
            ResourceKind::Broker if !resource.name.is_empty() => {
                let id = resource.name.parse().unwrap_or(-1);
                match self.image().broker(id).is_some() || self.image().controller(id).is_some() {
                    true => Ok(()),
                    false => {
                        let message = format!("No node with id {} found.", resource.name);
                        Err(Refusal::new(ErrorCode::BrokerIdNotRegistered, message))
                    }
                }
            }
            _ => Ok(()),
        }
    }

    /// A changed minimum of in-sync replicas makes eligible leaders doubtful: they were found under the old one.
    pub(super) fn add_clear_elr(&self, records: &mut Vec<MetadataRecord>) {
        if !self.image().elr_enabled() {
            return;
        }
        let mut clear = Vec::new();
        for record in records.iter() {
            if let MetadataRecord::Config(config) = record
                && config.name == MIN_ISR
            {
                let is_topic = config.resource_type == ResourceKind::Topic.code();
                let topic_name = if is_topic {
                    config.resource_name.clone()
                } else {
                    CompactString::default()
                };
                clear.push(ClearElrRecord { topic_name }.into());
            }
        }
        records.extend(clear);
    }
}

fn config_records(
    resource: &ConfigResource,
    changes: Vec<(CompactString, Option<CompactString>)>,
) -> Vec<MetadataRecord> {
    let record = |(name, value)| ConfigRecord {
        resource_type: resource.kind.code(),
        resource_name: resource.name.clone(),
        name,
        value,
    };
    changes.into_iter().map(|change| record(change).into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::testing::World;
    use crate::schema::alter_configs_request;
    use crate::schema::incremental_alter_configs_request as incremental;

    fn alter(world: &mut World, kind: i8, name: &str, configs: &[(&str, i8, Option<&str>)]) -> (i16, String) {
        let config = |(name, config_operation, value): &(&str, i8, Option<&str>)| incremental::AlterableConfig {
            name: (*name).into(),
            config_operation: *config_operation,
            value: value.map(|value| value.into()),
        };
        let resource = incremental::AlterConfigsResource {
            resource_type: kind,
            resource_name: name.into(),
            configs: configs.iter().map(config).collect(),
        };
        let request = IncrementalAlterConfigsRequest {
            resources: vec![resource],
            validate_only: false,
        };
        let reply = world.run(|controller, _| controller.incremental_alter_configs(&Caller::any(1), &request));
        let row = &reply.responses[0];
        (
            row.error_code,
            row.error_message.as_deref().unwrap_or_default().to_owned(),
        )
    }

    #[test]
    fn operations_work_on_what_is_set_or_else_on_the_default() {
        let mut world = World::with_brokers(1);
        world.topic("a", 1, 1);
        for (operation, value, after) in [
            (2, Some("compact"), Some("delete,compact")),
            (2, Some("compact"), Some("delete,compact")),
            (3, Some("delete"), Some("compact")),
            (0, Some("delete"), Some("delete")),
            (1, None, None),
        ] {
            assert_eq!(alter(&mut world, 2, "a", &[("cleanup.policy", operation, value)]).0, 0);
            let set = world
                .image()
                .topic_config("a")
                .and_then(|set| set.get("cleanup.policy").cloned());
            assert_eq!(set.as_deref(), after);
        }
    }

    #[test]
    fn what_cannot_be_altered_is_refused_in_kafkas_words() {
        let long = "x".repeat(32_768);
        for (kind, name, config, code, message) in [
            (
                2,
                "x",
                ("cleanup.policy", 0, Some("delete")),
                3,
                "The topic 'x' does not exist.",
            ),
            (
                2,
                "a",
                ("no.such", 0, Some("1")),
                40,
                "Unknown topic config name: no.such",
            ),
            (
                2,
                "a",
                ("min.insync.replicas", 2, Some("1")),
                40,
                "Can't APPEND to key min.insync.replicas because its type is not LIST.",
            ),
            (
                2,
                "a",
                ("cleanup.policy", 9, Some("1")),
                42,
                "Unknown config operation for key cleanup.policy",
            ),
            (
                2,
                "a",
                ("cleanup.policy", 0, Some(&long[..])),
                40,
                "The configuration value cannot be added because it exceeds the maximum value size of 32767 bytes.",
            ),
            (4, "9", ("x", 0, Some("1")), 102, "No node with id 9 found."),
            (
                4,
                "0",
                ("min.insync.replicas", 0, Some("1")),
                40,
                "Broker-level min.insync.replicas cannot be altered while ELR is enabled.",
            ),
            (
                4,
                "",
                ("min.insync.replicas", 1, None),
                40,
                "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.",
            ),
            (
                8,
                "0",
                ("x", 0, Some("1")),
                42,
                "Unexpected resource type BROKER_LOGGER.",
            ),
            (77, "0", ("x", 0, Some("1")), 35, "Unknown resource type 77."),
        ] {
            let mut world = World::with_brokers(1);
            world.topic("a", 1, 1);
            let answer = alter(&mut world, kind, name, &[config]);
            assert_eq!(answer, (code, message.to_owned()), "{kind} {name}");
        }
    }

    #[test]
    fn a_changed_minimum_clears_eligible_leaders() {
        let mut world = World::with_brokers(1);
        world.topic("a", 1, 1);
        world.fence(0);
        assert_eq!(
            world.image().topic("a").unwrap().partition(0).unwrap().eligible_leaders,
            [0]
        );
        assert_eq!(alter(&mut world, 2, "a", &[("min.insync.replicas", 0, Some("1"))]).0, 0);
        assert!(
            world
                .image()
                .topic("a")
                .unwrap()
                .partition(0)
                .unwrap()
                .eligible_leaders
                .is_empty()
        );
    }

    #[test]
    fn the_old_way_drops_what_is_not_named() {
        let mut world = World::with_brokers(1);
        world.topic("a", 1, 1);
        alter(
            &mut world,
            2,
            "a",
            &[
                ("min.insync.replicas", 0, Some("1")),
                ("cleanup.policy", 0, Some("compact")),
            ],
        );
        let config = alter_configs_request::AlterableConfig {
            name: "cleanup.policy".into(),
            value: Some("delete".into()),
        };
        let resource = alter_configs_request::AlterConfigsResource {
            resource_type: 2,
            resource_name: "a".into(),
            configs: vec![config],
        };
        let request = AlterConfigsRequest {
            resources: vec![resource],
            validate_only: false,
        };
        world.run(|controller, _| controller.alter_configs(&Caller::any(2), &request));
        let set: Vec<_> = world
            .image()
            .topic_config("a")
            .unwrap()
            .iter()
            .map(|(k, v)| format!("{k}={v}"))
            .collect();
        assert_eq!(set, ["cleanup.policy=delete"]);
    }
}
