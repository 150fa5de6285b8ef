//! The configuration of a running broker: its file's, overlaid by what the metadata log says of all brokers and of this
//! one; and which changes of those are allowed.

use crate::config::BrokerConfig;
use crate::config::Properties;
use crate::config::error::ConfigError;
use crate::config::key::Origin;
use crate::config::keys;
use crate::config::reconfigure;
use crate::config::values::Values;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct LiveConfig {
    pub(super) start: Arc<BrokerConfig>,
    pub(super) for_all: Properties,
    pub(super) for_this: Properties,
    current: Arc<BrokerConfig>,
}

/// One call told the caller what changed and what had to be left out.
#[derive(Debug)]
pub struct Update {
    pub config: LiveConfig,
    /// Names of values that cannot be applied, as a line each.
    pub warnings: Vec<String>,
}

impl LiveConfig {
    pub fn new(start: BrokerConfig) -> LiveConfig {
        let start = Arc::new(start);
        LiveConfig {
            current: start.clone(),
            start,
            for_all: Properties::new(),
            for_this: Properties::new(),
        }
    }

    /// What the broker works with now.
    pub fn current(&self) -> &Arc<BrokerConfig> {
        &self.current
    }

    /// Overlays what the metadata log holds for all brokers and for this one. What does not fit is left out: it was
    /// checked when it was written, but perhaps against another file.
    pub fn with(&self, for_all: &Properties, for_this: &Properties) -> Update {
        let mut warnings = Vec::new();
        let mut config = self.clone();
        config.for_all = usable(for_all, false, &mut warnings);
        config.for_this = usable(for_this, true, &mut warnings);
        let mut given = self.start.given().clone();
        overlay(&mut given, &config.for_all);
        overlay(&mut given, &config.for_this);
        clamp(&mut given, self.start.values(), &mut warnings);
        match self.start.with_given(given) {
            Ok(current) => config.current = Arc::new(current),
            Err(error) => warnings.push(format!("Dynamic configs could not be applied: {error}")),
        }
        Update { config, warnings }
    }

    /// Whether these may become all of the dynamic values, of this broker or of all.
    pub fn validate(&self, proposed: &Properties, for_this: bool) -> Result<(), ConfigError> {
        names_allowed(proposed, for_this)?;
        let mut given = self.start.given().clone();
        match for_this {
            true => {
                overlay(&mut given, &self.for_all);
                overlay(&mut given, proposed);
            }
            false => {
                overlay(&mut given, proposed);
                overlay(&mut given, &self.for_this);
            }
        }
        let next = self.start.with_given(given)?;
        reconfigure::check(&self.current, &next)
    }

    /// Values as the metadata log has them, without those that may not be there.
    pub fn usable(&self, stored: &Properties, for_this: bool) -> Properties {
        usable(stored, for_this, &mut Vec::new())
    }
}

/// Keys that only a listener may set while the broker runs, never the broker as a whole.
pub(super) const PER_LISTENER: [&str; 10] = [
    "ssl.key.password",
    "ssl.keystore.certificate.chain",
    "ssl.keystore.key",
    "ssl.keystore.location",
    "ssl.keystore.password",
    "ssl.keystore.type",
    "ssl.truststore.certificates",
    "ssl.truststore.location",
    "ssl.truststore.password",
    "ssl.truststore.type",
];

/// Keys of listeners that may be set for all brokers.
pub(super) const CLUSTER_WIDE_LISTENER: [&str; 3] =
    ["max.connections", "max.connection.creation.rate", "num.network.threads"];

/// The key behind `listener.name.<listener>.<key>`.
pub(super) fn listener_base(name: &str) -> Option<&str> {
    let rest = name.strip_prefix("listener.name.")?;
    rest.split_once('.').map(|(_, base)| base)
}

fn is_static(name: &str) -> bool {
    keys::broker(name).is_some() && keys::dynamic_broker(name).is_none()
}

fn is_per_broker(name: &str) -> bool {
    match listener_base(name) {
        Some(base) => !CLUSTER_WIDE_LISTENER.contains(&base),
        None => keys::broker(name).is_some_and(|key| key.origin == Origin::PerBroker),
    }
}

fn type_error(name: &str, text: &str) -> Option<ConfigError> {
    let base = listener_base(name).unwrap_or(name);
    keys::dynamic_broker(base)?.parse(text).err()
}

fn names_allowed(proposed: &Properties, for_this: bool) -> Result<(), ConfigError> {
    let refuse = |text: &str, wrong: &dyn Fn(&str) -> bool| {
        let names: Vec<&str> = proposed.keys().map(String::as_str).filter(|name| wrong(name)).collect();
        match names.is_empty() {
            true => Ok(()),
            false => Err(ConfigError::Invalid(format!("{text}: [{}]", names.join(", ")))),
        }
    };
    refuse("Cannot update these configs dynamically", &is_static)?;
    refuse(
        "These security configs can be dynamically updated only per-listener using the listener prefix",
        &|name| PER_LISTENER.contains(&name),
    )?;
    if let Some(error) = proposed.iter().find_map(|(name, text)| type_error(name, text)) {
        return Err(error);
    }
    match for_this {
        true => Ok(()),
        false => refuse(
            "Cannot update these configs at default cluster level, broker id must be specified",
            &is_per_broker,
        ),
    }
}

fn usable(stored: &Properties, for_this: bool, warnings: &mut Vec<String>) -> Properties {
    let mut usable = Properties::new();
    for (name, text) in stored {
        let obstacle = match () {
            () if is_static(name) => "cannot change while the broker runs",
            () if PER_LISTENER.contains(&name.as_str()) => "can only be set for one listener",
            () if type_error(name, text).is_some() => "has an invalid value",
            () if !for_this && is_per_broker(name) => "can only be set for one broker",
            () => {
                usable.insert(name.clone(), text.clone());
                continue;
            }
        };
        warnings.push(format!("Dynamic config {name} {obstacle} and is ignored"));
    }
    usable
}

/// A value replaces its synonyms too: `log.roll.hours` set at run time counts although the file has `log.roll.ms`.
fn overlay(given: &mut Properties, values: &Properties) {
    for (name, text) in values {
        for synonym in synonyms(name) {
            given.remove(*synonym);
        }
        given.insert(name.clone(), text.clone());
    }
}

/// Broker keys of which the first that is set counts.
pub(super) fn synonyms(name: &str) -> &'static [&'static str] {
    const ROLL: &[&str] = &["log.roll.ms", "log.roll.hours"];
    const JITTER: &[&str] = &["log.roll.jitter.ms", "log.roll.jitter.hours"];
    const RETENTION: &[&str] = &["log.retention.ms", "log.retention.minutes", "log.retention.hours"];
    match name {
        _ if ROLL.contains(&name) => ROLL,
        _ if JITTER.contains(&name) => JITTER,
        _ if RETENTION.contains(&name) => RETENTION,
        "log.flush.interval.ms" => &["log.flush.interval.ms", "log.flush.scheduler.interval.ms"],
        _ => &[],
    }
}

/// Assignment intervals set at run time are held within the file's limits instead of being refused.
fn clamp(given: &mut Properties, start: &Values, warnings: &mut Vec<String>) {
    for family in ["consumer", "share", "streams"] {
        let name = format!("group.{family}.assignment.interval.ms");
        let limit = |side: &str| start.int(&format!("group.{family}.{side}.assignment.interval.ms"));
        let Some(value) = given.get(&name).and_then(|text| text.trim().parse::<i32>().ok()) else {
            continue;
        };
        let held = value.max(limit("min")).min(limit("max"));
        if held != value {
            warnings.push(format!("The config '{name}' has value {value}; it is held at {held}"));
            given.insert(name, held.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::properties;

    fn live(pairs: &[(&str, &str)]) -> LiveConfig {
        LiveConfig::new(BrokerConfig::from_properties(&properties(pairs)).expect("valid"))
    }

    #[test]
    fn this_brokers_value_wins_over_all_brokers_over_the_files() {
        let live = live(&[
            ("message.max.bytes", "1"),
            ("log.roll.ms", "5"),
            ("background.threads", "4"),
        ]);
        let for_all = properties(&[("message.max.bytes", "2"), ("background.threads", "5")]);
        let update = live.with(&for_all, &properties(&[("message.max.bytes", "3")]));
        assert_eq!(update.warnings, Vec::<String>::new());
        let current = update.config.current().clone();
        assert_eq!((current.message_max_bytes(), current.background_threads()), (3, 5));
        let back = update.config.with(&Properties::new(), &Properties::new());
        assert_eq!(back.config.current().message_max_bytes(), 1);
    }

    #[test]
    fn stored_values_that_do_not_fit_are_left_out_one_by_one() {
        let stored = properties(&[
            ("node.id", "7"),
            ("ssl.keystore.type", "PEM"),
            ("num.io.threads", "many"),
            ("listeners", "PLAINTEXT://:1"),
            ("message.max.bytes", "2"),
        ]);
        let update = live(&[]).with(&stored, &Properties::new());
        assert_eq!(update.warnings.len(), 4, "{:?}", update.warnings);
        assert_eq!(update.config.for_all, properties(&[("message.max.bytes", "2")]));
    }

    #[test]
    fn a_change_is_refused_in_the_words_of_kafka() {
        for (for_this, name, text, message) in [
            (
                true,
                "node.id",
                "2",
                "Cannot update these configs dynamically: [node.id]",
            ),
            (
                true,
                "ssl.keystore.type",
                "PEM",
                "These security configs can be dynamically updated only per-listener using the listener prefix: [ssl.keystore.type]",
            ),
            (
                false,
                "listeners",
                "PLAINTEXT://:1",
                "Cannot update these configs at default cluster level, broker id must be specified: [listeners]",
            ),
            (
                false,
                "listener.name.a.ssl.keystore.type",
                "PEM",
                "Cannot update these configs at default cluster level, broker id must be specified: [listener.name.a.ssl.keystore.type]",
            ),
            (
                false,
                "message.max.bytes",
                "-1",
                "Invalid value -1 for configuration message.max.bytes: Value must be at least 0",
            ),
            (
                false,
                "leader.replication.throttled.rate",
                "x",
                "Invalid value x for configuration leader.replication.throttled.rate: Not a number of type LONG",
            ),
            (
                false,
                "log.cleaner.dedupe.buffer.size",
                "1",
                "requirement failed: log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread.",
            ),
            (
                true,
                "listeners",
                "SSL://:1",
                "requirement failed: inter.broker.listener.name must be a listener name defined in advertised.listeners. The valid options based on currently configured listeners are SSL",
            ),
        ] {
            let refused = live(&[]).validate(&properties(&[(name, text)]), for_this);
            assert_eq!(
                refused.map_err(|error| error.message()),
                Err(message.to_owned()),
                "{name}"
            );
        }
    }

    #[test]
    fn a_change_that_fits_passes() {
        for (for_this, name, text) in [
            (false, "num.io.threads", "16"),
            (true, "listeners", "PLAINTEXT://localhost:9092,SSL://:9094"),
            (false, "some.plugin.key", "1"),
            (true, "cordoned.log.dirs", "./ottla-data"),
        ] {
            assert_eq!(
                live(&[]).validate(&properties(&[(name, text)]), for_this),
                Ok(()),
                "{name}"
            );
        }
    }
}
