//! Changes of configurations: what a request may ask for, what it makes of the stored values, and whether that is valid.
//!
//! A broker checks what concerns itself (`check_broker`) before the controller checks all (`Rules`) and writes records.

use crate::config::BrokerConfig;
use crate::config::LiveConfig;
use crate::config::Properties;
use crate::config::error::ConfigError;
use crate::config::group;
use crate::config::key::Key;
use crate::config::key::Kind;
use crate::config::keys;
use crate::config::topic;
use crate::config::value;
use crate::config::values::Values;
use crate::types::NodeId;
use std::collections::HashSet;

/// What configurations belong to; the numbers are those of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(i8)]
pub enum ResourceType {
    Topic = 2,
    Broker = 4,
    BrokerLogger = 8,
    ClientMetrics = 16,
    Group = 32,
}

impl ResourceType {
    pub fn from_number(number: i8) -> Option<ResourceType> {
        let all = [
            Self::Topic,
            Self::Broker,
            Self::BrokerLogger,
            Self::ClientMetrics,
            Self::Group,
        ];
        all.into_iter().find(|one| *one as i8 == number)
    }

    fn key(self, name: &str) -> Option<&'static Key> {
        match self {
            ResourceType::Topic => keys::topic(name),
            ResourceType::Broker => keys::broker(name),
            // Kafka's controller knows no lists of these.
            ResourceType::Group | ResourceType::ClientMetrics | ResourceType::BrokerLogger => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Set,
    Delete,
    Append,
    Subtract,
    Unknown(i8),
}

impl Operation {
    pub fn name(self) -> &'static str {
        match self {
            Operation::Set => "SET",
            Operation::Delete => "DELETE",
            Operation::Append => "APPEND",
            Operation::Subtract => "SUBTRACT",
            Operation::Unknown(_) => "UNKNOWN",
        }
    }
}

impl From<i8> for Operation {
    fn from(number: i8) -> Operation {
        match number {
            0 => Operation::Set,
            1 => Operation::Delete,
            2 => Operation::Append,
            3 => Operation::Subtract,
            other => Operation::Unknown(other),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub name: String,
    pub operation: Operation,
    pub value: Option<String>,
}

/// A value to store, or to remove.
pub type Outcome = (String, Option<String>);

/// What is wrong with a request whatever its resource is.
pub fn check_shape(changes: &[Change]) -> Result<(), ConfigError> {
    let mut seen = HashSet::new();
    if !changes.iter().all(|change| seen.insert(change.name.as_str())) {
        return Err(ConfigError::BadRequest("Error due to duplicate config keys".to_owned()));
    }
    let without = changes
        .iter()
        .filter(|change| change.operation != Operation::Delete && change.value.is_none());
    let names: Vec<&str> = without.map(|change| change.name.as_str()).collect();
    match names.is_empty() {
        true => Ok(()),
        false => Err(ConfigError::BadRequest(format!(
            "Null value not supported for : {}",
            names.join(", ")
        ))),
    }
}

/// Whether the broker of this number may take the changes; `stored` is what the metadata log has for the resource.
pub fn check_broker(
    live: &LiveConfig,
    resource: &str,
    stored: &Properties,
    changes: &[Change],
) -> Result<(), ConfigError> {
    check_is_this_broker(live.current().node_id, resource)?;
    let for_this = !resource.is_empty();
    let mut values = live.usable(stored, for_this);
    for change in changes {
        if let Operation::Unknown(number) = change.operation {
            return Err(ConfigError::BadRequest(format!("Unknown operations type {number}")));
        }
    }
    for change in changes {
        let text = change.value.as_deref().unwrap_or_default();
        let new = match change.operation {
            Operation::Set => Some(text.to_owned()),
            Operation::Delete | Operation::Unknown(_) => None,
            Operation::Append | Operation::Subtract => Some(broker_list(&values, change, text)?),
        };
        match new {
            Some(text) => values.insert(change.name.clone(), text),
            None => values.remove(&change.name),
        };
    }
    as_request(live.validate(&values, for_this))
}

/// As `check_broker`, for a request that states all values.
pub fn check_broker_replacement(live: &LiveConfig, resource: &str, values: &Properties) -> Result<(), ConfigError> {
    check_is_this_broker(live.current().node_id, resource)?;
    as_request(live.validate(values, !resource.is_empty()))
}

/// An empty name means all brokers.
fn check_is_this_broker(node: NodeId, resource: &str) -> Result<(), ConfigError> {
    let refuse = |text: String| Err(ConfigError::BadRequest(text));
    match resource.parse::<NodeId>() {
        _ if resource.is_empty() => Ok(()),
        Err(_) => refuse(format!("Node id must be an integer, but it is: {resource}")),
        Ok(id) if id != node => refuse(format!(
            "Unexpected broker id, expected {node}, but received {resource}"
        )),
        Ok(_) => Ok(()),
    }
}

/// Kafka's brokers answer INVALID_REQUEST where the controller would answer INVALID_CONFIG.
fn as_request(checked: Result<(), ConfigError>) -> Result<(), ConfigError> {
    checked.map_err(|error| match error {
        ConfigError::Invalid(_) | ConfigError::Requirement(_) => ConfigError::BadRequest(error.message()),
        other => other,
    })
}

fn broker_list(values: &Properties, change: &Change, text: &str) -> Result<String, ConfigError> {
    let name = &change.name;
    let Some(key) = keys::broker(name) else {
        return Err(ConfigError::Refused(format!("Unknown config name: {name}")));
    };
    if key.kind != Kind::List {
        let operation = change.operation.name().to_lowercase();
        let text = format!("Config value {operation} is not allowed for config key: {name}");
        return Err(ConfigError::Refused(text));
    }
    let old = values.get(name).map(String::as_str).or(key.default_text());
    Ok(edit_list(old, change.operation, text))
}

fn edit_list(old: Option<&str>, operation: Operation, text: &str) -> String {
    let mut entries: Vec<&str> = old
        .unwrap_or_default()
        .split(',')
        .filter(|entry| !entry.is_empty())
        .collect();
    for entry in text.split(',') {
        match (operation, entries.iter().position(|held| *held == entry)) {
            (Operation::Append, None) => entries.push(entry),
            (Operation::Subtract, Some(place)) => drop(entries.remove(place)),
            _ => {}
        }
    }
    entries.join(",")
}

/// What the changes make of the stored values. Values of brokers are written even when they stay as they are, because
/// that makes brokers read key files anew.
pub fn apply(kind: ResourceType, stored: &Properties, changes: &[Change]) -> Result<Vec<Outcome>, ConfigError> {
    let mut outcomes = Vec::new();
    for change in changes {
        let old = stored.get(&change.name);
        let new = match change.operation {
            Operation::Set => change.value.clone(),
            Operation::Delete => None,
            Operation::Append | Operation::Subtract => Some(controller_list(kind, old, change)?),
            Operation::Unknown(number) => {
                return Err(ConfigError::BadRequest(format!("Unknown operations type {number}")));
            }
        };
        if old != new.as_ref() || kind == ResourceType::Broker {
            outcomes.push((change.name.clone(), new));
        }
    }
    Ok(outcomes)
}

fn controller_list(kind: ResourceType, old: Option<&String>, change: &Change) -> Result<String, ConfigError> {
    let (name, operation) = (&change.name, change.operation);
    match kind.key(name).filter(|key| key.kind == Kind::List) {
        Some(key) => {
            let old = old.map(String::as_str).or(key.default_text());
            Ok(edit_list(old, operation, change.value.as_deref().unwrap_or_default()))
        }
        None => {
            let text = format!("Can't {} to key {name} because its type is not LIST.", operation.name());
            Err(ConfigError::Invalid(text))
        }
    }
}

/// What a request that states all values makes of the stored ones: what it sets, and what it removes by silence.
pub fn replace(kind: ResourceType, stored: &Properties, values: &Properties) -> (Vec<Outcome>, Vec<Outcome>) {
    let changed = |(name, text): &(&String, &String)| stored.get(*name) != Some(*text) || kind == ResourceType::Broker;
    let set = values
        .iter()
        .filter(changed)
        .map(|(name, text)| (name.clone(), Some(text.clone())));
    let gone = stored.keys().filter(|name| !values.contains_key(*name));
    (set.collect(), gone.map(|name| (name.clone(), None)).collect())
}

/// What the controller goes by.
pub struct Rules<'a> {
    pub broker: &'a BrokerConfig,
    /// eligible.leader.replicas.version is above 0.
    pub elr_enabled: bool,
    /// metadata.version knows cordoned log directories.
    pub cordoned_log_dirs: bool,
    /// A broker has looked at the request before.
    pub forwarded: bool,
}

impl Rules<'_> {
    /// Whether the resource may have these values; `stored` is what it has now. Names of topics are the caller's to check.
    pub fn check(
        &self,
        kind: ResourceType,
        resource: &str,
        stored: &Properties,
        outcomes: &[Outcome],
    ) -> Result<(), ConfigError> {
        let mut values = stored.clone();
        for (name, value) in outcomes {
            if kind == ResourceType::Broker {
                self.check_broker_value(resource, stored, name, value.as_deref())?;
            }
            match value {
                Some(text) if text.encode_utf16().count() > 32_767 => {
                    return Err(ConfigError::Invalid(
                        "The configuration value cannot be added because it exceeds the maximum value size of 32767 \
                         bytes."
                            .to_owned(),
                    ));
                }
                Some(text) => values.insert(name.clone(), text.clone()),
                None => values.remove(name),
            };
        }
        match kind {
            ResourceType::Topic => topic::validate(self.broker, stored, &values),
            ResourceType::Broker => check_broker_name(resource),
            ResourceType::Group if resource.is_empty() => Err(ConfigError::BadRequest(
                "Default group resources are not allowed.".to_owned(),
            )),
            ResourceType::Group => group::validate(self.broker, &values),
            ResourceType::ClientMetrics => check_client_metrics(resource, &values),
            ResourceType::BrokerLogger => Err(ConfigError::BadRequest(
                "Unknown resource type BROKER_LOGGER".to_owned(),
            )),
        }
    }

    fn check_broker_value(
        &self,
        resource: &str,
        stored: &Properties,
        name: &str,
        new: Option<&str>,
    ) -> Result<(), ConfigError> {
        let refuse = |text: &str| Err(ConfigError::Invalid(text.to_owned()));
        match name {
            "min.insync.replicas" if self.elr_enabled && !resource.is_empty() => {
                refuse("Broker-level min.insync.replicas cannot be altered while ELR is enabled.")
            }
            "min.insync.replicas" if self.elr_enabled && new.is_none() => {
                refuse("Cluster-level min.insync.replicas cannot be removed while ELR is enabled.")
            }
            "cordoned.log.dirs" if !self.cordoned_log_dirs => refuse(
                "The cordoned.log.dirs configuration value cannot be set because it requires metadata.version >= \
                 4.3-IV0",
            ),
            "cordoned.log.dirs" if !self.forwarded => {
                let list = |text: Option<&str>| value::list(value::trim(text.unwrap_or_default()));
                let held = list(stored.get(name).map(String::as_str));
                match list(new).iter().all(|dir| held.contains(dir)) {
                    true => Ok(()),
                    false => refuse(
                        "When updating cordoned.log.dirs via controllers,  the new value must be a subset of the current \
                         configuration value.",
                    ),
                }
            }
            _ => Ok(()),
        }
    }
}

fn check_broker_name(resource: &str) -> Result<(), ConfigError> {
    match resource.parse::<NodeId>() {
        _ if resource.is_empty() => Ok(()),
        Err(_) => Err(ConfigError::BadRequest(
            "Unable to parse broker name as a base 10 number.".to_owned(),
        )),
        Ok(id) if id < 0 => Err(ConfigError::BadRequest("Invalid negative broker ID.".to_owned())),
        Ok(_) => Ok(()),
    }
}

fn check_client_metrics(resource: &str, given: &Properties) -> Result<(), ConfigError> {
    if resource.is_empty() {
        return Err(ConfigError::BadRequest("Subscription name can't be empty".to_owned()));
    }
    if let Some(name) = given.keys().find(|name| keys::client_metrics(name).is_none()) {
        return Err(ConfigError::BadRequest(format!(
            "Unknown client metrics configuration: {name}"
        )));
    }
    let values = Values::parse(keys::dynamic::CLIENT_METRICS.iter(), given)?;
    let interval = values.int("interval.ms");
    if !(100..=3_600_000).contains(&interval) {
        return Err(ConfigError::BadRequest(format!(
            "Invalid value {interval} for interval.ms, interval must be between 100 and 3600000 (1 hour)"
        )));
    }
    let wrong = values
        .list("match")
        .iter()
        .find(|pattern| client_match(pattern).is_none());
    match wrong {
        Some(pattern) => Err(ConfigError::Refused(format!(
            "Illegal client matching pattern: {pattern}"
        ))),
        None => Ok(()),
    }
}

/// What a pattern of `match` looks at, and the expression that must fit it.
pub fn client_match(pattern: &str) -> Option<(&str, &str)> {
    const KNOWN: [&str; 6] = [
        "client_instance_id",
        "client_id",
        "client_software_name",
        "client_software_version",
        "client_source_address",
        "client_source_port",
    ];
    let (name, expression) = pattern.split_once('=')?;
    let (name, expression) = (name.trim(), expression.trim());
    let sound = KNOWN.contains(&name) && !expression.contains('=') && is_expression(expression);
    sound.then_some((name, expression))
}

/// Whether a regular expression has its brackets closed and something to repeat before each quantifier.
fn is_expression(text: &str) -> bool {
    let (mut depth, mut in_class, mut repeatable) = (0usize, false, false);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' if characters.next().is_none() => return false,
            ']' if in_class => in_class = false,
            _ if in_class => {}
            '[' => in_class = true,
            '(' => depth += 1,
            ')' if depth == 0 => return false,
            ')' => depth -= 1,
            '*' | '+' if !repeatable => return false,
            _ => {}
        }
        repeatable = !matches!(character, '(' | '|' | '^') || in_class;
    }
    !text.is_empty() && depth == 0 && !in_class
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::properties;
    use crate::types::ErrorCode;

    fn change(name: &str, operation: i8, value: Option<&str>) -> Change {
        Change {
            name: name.to_owned(),
            operation: Operation::from(operation),
            value: value.map(str::to_owned),
        }
    }

    fn broker() -> BrokerConfig {
        BrokerConfig::from_properties(&Properties::new()).expect("defaults")
    }

    fn outcome(name: &str, value: Option<&str>) -> Outcome {
        (name.to_owned(), value.map(str::to_owned))
    }

    #[test]
    fn lists_are_appended_to_and_subtracted_from() {
        let stored = properties(&[("cleanup.policy", "compact")]);
        for (operation, value, expected) in [
            (2, "delete", vec![outcome("cleanup.policy", Some("compact,delete"))]),
            (2, "compact", vec![]),
            (3, "compact", vec![outcome("cleanup.policy", Some(""))]),
            (3, "delete", vec![]),
            (0, "delete", vec![outcome("cleanup.policy", Some("delete"))]),
            (1, "", vec![outcome("cleanup.policy", None)]),
        ] {
            let changes = [change("cleanup.policy", operation, Some(value))];
            assert_eq!(
                apply(ResourceType::Topic, &stored, &changes),
                Ok(expected),
                "{operation} {value}"
            );
        }
        let from_default = apply(
            ResourceType::Topic,
            &Properties::new(),
            &[change("cleanup.policy", 2, Some("compact"))],
        );
        assert_eq!(
            from_default,
            Ok(vec![outcome("cleanup.policy", Some("delete,compact"))])
        );
    }

    #[test]
    fn only_lists_have_entries() {
        for (kind, name, message) in [
            (
                ResourceType::Topic,
                "segment.bytes",
                "Can't APPEND to key segment.bytes because its type is not LIST.",
            ),
            (
                ResourceType::Topic,
                "none",
                "Can't APPEND to key none because its type is not LIST.",
            ),
            (
                ResourceType::ClientMetrics,
                "metrics",
                "Can't APPEND to key metrics because its type is not LIST.",
            ),
        ] {
            let refused = apply(kind, &Properties::new(), &[change(name, 2, Some("1"))]);
            assert_eq!(refused, Err(ConfigError::Invalid(message.to_owned())));
        }
    }

    #[test]
    fn a_replacement_removes_what_it_does_not_name() {
        let stored = properties(&[("a", "1"), ("b", "2")]);
        let (set, gone) = replace(ResourceType::Topic, &stored, &properties(&[("a", "1"), ("c", "3")]));
        assert_eq!((set, gone), (vec![outcome("c", Some("3"))], vec![outcome("b", None)]));
        assert_eq!(replace(ResourceType::Broker, &stored, &stored).0.len(), 2);
    }

    #[test]
    fn a_request_names_each_key_once_and_gives_values() {
        for (changes, message) in [
            (
                vec![change("a", 0, Some("1")), change("a", 1, None)],
                "Error due to duplicate config keys",
            ),
            (
                vec![change("a", 0, None), change("b", 2, None), change("c", 1, None)],
                "Null value not supported for : a, b",
            ),
        ] {
            assert_eq!(check_shape(&changes), Err(ConfigError::BadRequest(message.to_owned())));
        }
    }

    #[test]
    fn a_broker_answers_for_itself_alone() {
        let live = LiveConfig::new(broker());
        for (resource, changes, code, message) in [
            ("2", vec![], 42, "Unexpected broker id, expected 1, but received 2"),
            ("one", vec![], 42, "Node id must be an integer, but it is: one"),
            (
                "1",
                vec![change("node.id", 0, Some("2"))],
                42,
                "Cannot update these configs dynamically: [node.id]",
            ),
            ("", vec![change("none", 2, Some("2"))], 40, "Unknown config name: none"),
            (
                "",
                vec![change("num.io.threads", 2, Some("2"))],
                40,
                "Config value append is not allowed for config key: num.io.threads",
            ),
            (
                "",
                vec![change("num.io.threads", 7, Some("2"))],
                42,
                "Unknown operations type 7",
            ),
            (
                "",
                vec![change("num.io.threads", 0, Some("0"))],
                42,
                "Invalid value 0 for configuration num.io.threads: Value must be at least 1",
            ),
        ] {
            let error = check_broker(&live, resource, &Properties::new(), &changes).expect_err(message);
            assert_eq!(
                (error.code(), error.message()),
                (ErrorCode::from_code(code), message.to_owned())
            );
        }
        let stored = properties(&[("log.cleanup.policy", "compact")]);
        assert_eq!(
            check_broker(&live, "1", &stored, &[change("log.cleanup.policy", 2, Some("delete"))]),
            Ok(())
        );
    }

    #[test]
    fn the_controller_guards_what_the_cluster_relies_on() {
        let broker = broker();
        let rules = |elr_enabled, cordoned_log_dirs, forwarded| Rules {
            broker: &broker,
            elr_enabled,
            cordoned_log_dirs,
            forwarded,
        };
        let stored = properties(&[("min.insync.replicas", "1"), ("cordoned.log.dirs", "/a,/b")]);
        for (rules, resource, outcome, allowed) in [
            (
                rules(true, true, true),
                "1",
                outcome("min.insync.replicas", Some("2")),
                false,
            ),
            (rules(true, true, true), "", outcome("min.insync.replicas", None), false),
            (
                rules(true, true, true),
                "",
                outcome("min.insync.replicas", Some("2")),
                true,
            ),
            (
                rules(false, true, true),
                "1",
                outcome("min.insync.replicas", None),
                true,
            ),
            (
                rules(true, false, true),
                "1",
                outcome("cordoned.log.dirs", Some("/a")),
                false,
            ),
            (
                rules(true, true, false),
                "1",
                outcome("cordoned.log.dirs", Some("/a")),
                true,
            ),
            (
                rules(true, true, false),
                "1",
                outcome("cordoned.log.dirs", Some("/c")),
                false,
            ),
            (rules(true, true, false), "-1", outcome("a", Some("/c")), false),
        ] {
            let checked = rules.check(ResourceType::Broker, resource, &stored, std::slice::from_ref(&outcome));
            assert_eq!(checked.is_ok(), allowed, "{resource} {outcome:?}");
        }
    }

    #[test]
    fn subscriptions_to_metrics_are_checked() {
        let broker = broker();
        let rules = Rules {
            broker: &broker,
            elr_enabled: true,
            cordoned_log_dirs: true,
            forwarded: true,
        };
        for (resource, name, text, message) in [
            ("", "metrics", "*", "Subscription name can't be empty"),
            ("s", "none", "1", "Unknown client metrics configuration: none"),
            (
                "s",
                "interval.ms",
                "99",
                "Invalid value 99 for interval.ms, interval must be between 100 and 3600000 (1 hour)",
            ),
            ("s", "match", "client_id", "Illegal client matching pattern: client_id"),
            ("s", "match", "client=a", "Illegal client matching pattern: client=a"),
            (
                "s",
                "match",
                "client_id=(",
                "Illegal client matching pattern: client_id=(",
            ),
            (
                "s",
                "match",
                "client_id=[a",
                "Illegal client matching pattern: client_id=[a",
            ),
            (
                "s",
                "match",
                "client_id=*",
                "Illegal client matching pattern: client_id=*",
            ),
        ] {
            let outcomes = [outcome(name, Some(text))];
            let error = rules.check(ResourceType::ClientMetrics, resource, &Properties::new(), &outcomes);
            assert_eq!(error.map_err(|error| error.message()), Err(message.to_owned()));
        }
        let outcomes = [outcome("match", Some("client_id=a.*, client_software_name = Java"))];
        assert_eq!(
            rules.check(ResourceType::ClientMetrics, "s", &Properties::new(), &outcomes),
            Ok(())
        );
    }
}
