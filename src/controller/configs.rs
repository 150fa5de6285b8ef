//! AlterConfigs and IncrementalAlterConfigs: what is set on topics, brokers, groups and client metrics.

use crate::config::ConfigError;
use crate::config::Properties;
use crate::config::alter;
use crate::config::alter::Change;
use crate::config::alter::Operation;
use crate::config::alter::ResourceType;
use crate::config::alter::Rules;
use crate::controller::Action;
use crate::controller::Caller;
use crate::controller::Controller;
use crate::controller::Outcome;
use crate::controller::Refusal;
use crate::controller::check_topic_name;
use crate::controller::configuration::properties;
use crate::controller::refusal::answer;
use crate::metadata::ConfigResource;
use crate::metadata::MetadataRecord;
use crate::metadata::ResourceKind;
use crate::schema::alter_configs_request;
use crate::schema::alter_configs_request::AlterConfigsRequest;
use crate::schema::alter_configs_response;
use crate::schema::alter_configs_response::AlterConfigsResponse;
use crate::schema::clear_elr_record::ClearElrRecord;
use crate::schema::config_record::ConfigRecord;
use crate::schema::incremental_alter_configs_request;
use crate::schema::incremental_alter_configs_request::IncrementalAlterConfigsRequest;
use crate::schema::incremental_alter_configs_response;
use crate::schema::incremental_alter_configs_response::IncrementalAlterConfigsResponse;
use crate::types::ErrorCode;
use compact_str::CompactString;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

const MIN_ISR: &str = "min.insync.replicas";
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
            change: changes(&resource.configs),
        });
        let alter = |resource: &ConfigResource, change: &Vec<Change>| {
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
            change: values(&resource.configs),
        });
        let alter =
            |resource: &ConfigResource, change: &Properties| self.replace_resource(resource, change, caller.forwarded);
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

    /// Records that carry out the changes of one resource.
    pub(super) fn alter_resource(
        &self,
        resource: &ConfigResource,
        changes: &[Change],
        forwarded: bool,
        is_new: bool,
    ) -> Result<Vec<MetadataRecord>, Refusal> {
        let stored = self.stored(resource);
        let outcomes = alter::apply(config_kind(resource.kind), &stored, changes).map_err(refusal)?;
        self.check_outcomes(resource, &stored, &outcomes, forwarded)?;
        if !is_new {
            self.check_exists(resource)?;
        }
        Ok(config_records(resource, outcomes))
    }

    fn replace_resource(
        &self,
        resource: &ConfigResource,
        values: &Properties,
        forwarded: bool,
    ) -> Result<Vec<MetadataRecord>, Refusal> {
        let stored = self.stored(resource);
        let (mut outcomes, dropped) = alter::replace(config_kind(resource.kind), &stored, values);
        outcomes.extend(dropped);
        self.check_outcomes(resource, &stored, &outcomes, forwarded)?;
        self.check_exists(resource)?;
        Ok(config_records(resource, outcomes))
    }

    fn stored(&self, resource: &ConfigResource) -> Properties {
        self.image()
            .config(resource)
            .map(|stored| properties(stored))
            .unwrap_or_default()
    }

    fn check_outcomes(
        &self,
        resource: &ConfigResource,
        stored: &Properties,
        outcomes: &[alter::Outcome],
        forwarded: bool,
    ) -> Result<(), Refusal> {
        if resource.kind == ResourceKind::Topic {
            if resource.name.is_empty() {
                let message = "Default topic resources are not allowed.";
                return Err(Refusal::new(ErrorCode::InvalidRequest, message));
            }
            let named = check_topic_name(&resource.name);
            named.map_err(|message| Refusal::new(ErrorCode::InvalidTopicException, message))?;
        }
        let rules = Rules {
            broker: self.config(),
            elr_enabled: self.image().elr_enabled(),
            cordoned_log_dirs: self.level().cordoned_directories(),
            forwarded,
        };
        rules
            .check(config_kind(resource.kind), &resource.name, stored, outcomes)
            .map_err(refusal)
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

fn config_records(resource: &ConfigResource, outcomes: Vec<alter::Outcome>) -> Vec<MetadataRecord> {
    let record = |(name, value): alter::Outcome| ConfigRecord {
        resource_type: resource.kind.code(),
        resource_name: resource.name.clone(),
        name: name.into(),
        value: value.map(|value| value.into()),
    };
    outcomes.into_iter().map(|outcome| record(outcome).into()).collect()
}

fn config_kind(kind: ResourceKind) -> ResourceType {
    match kind {
        ResourceKind::Topic => ResourceType::Topic,
        ResourceKind::Broker => ResourceType::Broker,
        ResourceKind::BrokerLogger => ResourceType::BrokerLogger,
        ResourceKind::ClientMetrics => ResourceType::ClientMetrics,
        ResourceKind::Group => ResourceType::Group,
    }
}

fn refusal(error: ConfigError) -> Refusal {
    Refusal::new(error.code(), error.message())
}

/// Of several changes of one key the last counts.
fn changes(configs: &[incremental_alter_configs_request::AlterableConfig]) -> Vec<Change> {
    let change = |config: &incremental_alter_configs_request::AlterableConfig| Change {
        name: config.name.to_string(),
        operation: Operation::from(config.config_operation),
        value: config.value.as_ref().map(|value| value.to_string()),
    };
    let last: BTreeMap<&CompactString, Change> = configs.iter().map(|config| (&config.name, change(config))).collect();
    last.into_values().collect()
}

fn values(configs: &[alter_configs_request::AlterableConfig]) -> Properties {
    let given = configs
        .iter()
        .filter_map(|config| Some((config.name.to_string(), config.value.as_ref()?.to_string())));
    given.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::testing::World;
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
                "Unknown operations type 9",
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
