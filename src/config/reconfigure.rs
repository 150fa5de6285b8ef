//! Whether a running broker can go from one configuration to another: what its parts refuse to change at once.

use crate::config::BrokerConfig;
use crate::config::ConfigError;
use crate::config::Properties;
use crate::config::keys;
use crate::config::listener::ProtocolMap;
use crate::config::live::CLUSTER_WIDE_LISTENER;
use crate::config::live::PER_LISTENER;
use crate::config::topic;
use crate::config::values::Values;
use std::collections::BTreeSet;

const POOLS: [&str; 8] = [
    "num.io.threads",
    "num.replica.fetchers",
    "num.recovery.threads.per.data.dir",
    "background.threads",
    "remote.log.reader.threads",
    "remote.log.manager.copier.thread.pool.size",
    "remote.log.manager.expiration.thread.pool.size",
    "remote.log.manager.follower.thread.pool.size",
];

/// The only reporter that needs no code of somebody else's.
const REPORTER: &str = "org.apache.kafka.common.metrics.JmxReporter";

/// Kafka wraps each reason in a sentence that was meant otherwise; clients see it so.
pub fn check(from: &BrokerConfig, to: &BrokerConfig) -> Result<(), ConfigError> {
    let wrap = |reason: String| {
        ConfigError::Invalid(format!(
            "Invalid value org.apache.kafka.common.config.ConfigException: {reason} for configuration Invalid dynamic \
             configuration"
        ))
    };
    let changed = changed(from.given(), to.given());
    network_threads(from, to).map_err(wrap)?;
    reporters(to, &changed).map_err(wrap)?;
    POOLS
        .into_iter()
        .try_for_each(|name| pool(name, from.values().int(name), to.values().int(name)))
        .map_err(wrap)?;
    local_retention(to).map_err(|error| wrap(error.to_string()))?;
    // Kafka looks at listeners only when a key that is not of one listener changes.
    let of_listeners = |name: &&str| {
        keys::net::NET
            .iter()
            .chain(keys::security::SECURITY)
            .any(|key| key.name == *name && key.is_dynamic())
    };
    if changed.iter().any(of_listeners) {
        listeners(from, to).map_err(wrap)?;
    }
    cleaner(from.log_cleaner_threads(), to.log_cleaner_threads()).map_err(wrap)
}

fn changed<'a>(from: &'a Properties, to: &'a Properties) -> BTreeSet<&'a str> {
    let names = from.keys().chain(to.keys());
    names
        .filter(|name| from.get(*name) != to.get(*name))
        .map(String::as_str)
        .collect()
}

fn pool(name: &str, old: i32, new: i32) -> Result<(), String> {
    let refuse = |reason: String| {
        Err(format!(
            "Dynamic thread count update validation failed for {name}={new}, {reason}"
        ))
    };
    match new {
        _ if new == old => Ok(()),
        _ if new <= 0 => refuse("value should be at least 1".to_owned()),
        _ if new < old / 2 => refuse(format!("value should be at least half the current value {old}")),
        _ if i64::from(new) > i64::from(old) * 2 => refuse(format!(
            "value should not be greater than double the current value {old}"
        )),
        _ => Ok(()),
    }
}

/// Each listener has threads of its own.
fn network_threads(from: &BrokerConfig, to: &BrokerConfig) -> Result<(), String> {
    let name = "num.network.threads";
    let threads = |config: &BrokerConfig, listener: &str| {
        let value = config
            .listener_value(listener, name)
            .map_err(|error| error.to_string())?;
        Ok::<i32, String>(value.as_number().map_or(0, |number| number as i32))
    };
    from.broker_listeners().try_for_each(|endpoint| {
        pool(
            name,
            threads(from, &endpoint.listener)?,
            threads(to, &endpoint.listener)?,
        )
    })
}

/// Reporters are Java classes, none of which can be found here.
fn reporters(to: &BrokerConfig, changed: &BTreeSet<&str>) -> Result<(), String> {
    let unknown = to
        .values()
        .list("metric.reporters")
        .iter()
        .any(|class| class != REPORTER);
    if !changed.contains("metric.reporters") || !unknown {
        return Ok(());
    }
    let names: Vec<&str> = changed.iter().copied().collect();
    Err(format!(
        "Validation of dynamic config update of Set({}) failed with class class kafka.server.DynamicMetricsReporters",
        names.join(", ")
    ))
}

fn cleaner(old: i32, new: i32) -> Result<(), String> {
    match new {
        _ if new < 1 => Err("Log cleaner threads should be at least 1".to_owned()),
        _ if new < old / 2 => Err(format!(
            "Log cleaner threads cannot be reduced to less than half the current value {old}"
        )),
        _ if i64::from(new) > i64::from(old) * 2 => Err(format!(
            "Log cleaner threads cannot be increased to more than double the current value {old}"
        )),
        _ => Ok(()),
    }
}

fn local_retention(to: &BrokerConfig) -> Result<(), ConfigError> {
    let logs = Values::parse(keys::topic::TOPIC.iter(), &topic::broker_defaults(to.values()))?;
    for name in ["retention.ms", "retention.bytes"] {
        let (local, whole) = (format!("log.local.{name}"), format!("log.{name}"));
        let part = (local.as_str(), logs.long(&format!("local.{name}")));
        topic::check_local_limit(part, (whole.as_str(), logs.long(name)))?;
    }
    Ok(())
}

fn listeners(from: &BrokerConfig, to: &BrokerConfig) -> Result<(), String> {
    let told = names(
        from.advertised_broker_listeners()
            .iter()
            .map(|endpoint| endpoint.listener.as_str()),
    );
    let opened = names(to.listeners.iter().map(|endpoint| endpoint.listener.as_str()));
    if !told.is_subset(&opened) {
        return Err(format!(
            "Advertised listeners '{}' must be a subset of listeners '{}'",
            set(&told),
            set(&opened)
        ));
    }
    for endpoint in from
        .listeners
        .iter()
        .filter(|endpoint| opened.contains(&endpoint.listener))
    {
        let name = &endpoint.listener;
        if fixed(from, name) != fixed(to, name) {
            return Err(format!(
                "Configs cannot be updated dynamically for existing listener ListenerName({name}), restart broker or \
                 create a new listener for update"
            ));
        }
        let protocol = |map: &ProtocolMap| map.get(name).copied();
        if protocol(&from.protocols) != protocol(&to.protocols) {
            return Err(format!(
                "Security protocol cannot be updated for existing listener ListenerName({name})"
            ));
        }
    }
    Ok(())
}

fn names<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    names.map(str::to_owned).collect()
}

/// As Scala prints a set of listener names.
fn set(names: &BTreeSet<String>) -> String {
    let shown: Vec<String> = names.iter().map(|name| format!("ListenerName({name})")).collect();
    format!("Set({})", shown.join(", "))
}

/// A listener's own values that it keeps for as long as it is open.
fn fixed<'a>(config: &'a BrokerConfig, listener: &str) -> Vec<(&'a String, &'a String)> {
    let prefix = format!("listener.name.{}.", listener.to_lowercase());
    let own = config
        .given()
        .iter()
        .filter_map(|entry| Some((entry.0.strip_prefix(&prefix)?, entry)));
    let fixed = own.filter(|(base, _)| !PER_LISTENER.contains(base) && !CLUSTER_WIDE_LISTENER.contains(base));
    fixed.map(|(_, entry)| entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, &str)]) -> BrokerConfig {
        let given = pairs
            .iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        BrokerConfig::from_properties(&given.collect()).expect("valid")
    }

    #[test]
    fn what_cannot_change_at_once_is_refused_in_the_words_of_kafka() {
        let open = ("listeners", "PLAINTEXT://localhost:9092,SSL://localhost:9093");
        for (from, to, reason) in [
            (
                vec![],
                vec![("num.io.threads", "17")],
                "Dynamic thread count update validation failed for num.io.threads=17, value should not be greater than double the current value 8",
            ),
            (
                vec![],
                vec![("num.io.threads", "3")],
                "Dynamic thread count update validation failed for num.io.threads=3, value should be at least half the current value 8",
            ),
            (
                vec![],
                vec![("listener.name.plaintext.num.network.threads", "7")],
                "Dynamic thread count update validation failed for num.network.threads=7, value should not be greater than double the current value 3",
            ),
            (
                vec![],
                vec![("log.cleaner.threads", "3")],
                "Log cleaner threads cannot be increased to more than double the current value 1",
            ),
            (
                vec![],
                vec![("log.local.retention.ms", "604800001")],
                "Invalid value 604800001 for configuration log.local.retention.ms: Value must not be more than log.retention.ms property value: 604800000",
            ),
            (
                vec![],
                vec![("metric.reporters", "a.B")],
                "Validation of dynamic config update of Set(metric.reporters) failed with class class kafka.server.DynamicMetricsReporters",
            ),
            (
                vec![],
                vec![(
                    "listener.security.protocol.map",
                    "PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
                )],
                "Security protocol cannot be updated for existing listener ListenerName(PLAINTEXT)",
            ),
            (
                vec![open],
                vec![],
                "Advertised listeners 'Set(ListenerName(PLAINTEXT), ListenerName(SSL))' must be a subset of listeners 'Set(ListenerName(PLAINTEXT))'",
            ),
            (
                vec![],
                vec![open, ("listener.name.plaintext.sasl.jaas.config", "x")],
                "Configs cannot be updated dynamically for existing listener ListenerName(PLAINTEXT), restart broker or create a new listener for update",
            ),
        ] {
            let refused = check(&config(&from), &config(&to)).map_err(|error| error.to_string());
            let said = format!(
                "Invalid value org.apache.kafka.common.config.ConfigException: {reason} for configuration Invalid dynamic configuration"
            );
            assert_eq!(refused, Err(said));
        }
    }

    #[test]
    fn listeners_come_and_pools_grow_step_by_step() {
        for to in [
            ("num.io.threads", "16"),
            ("listeners", "PLAINTEXT://localhost:9092,SSL://localhost:9093"),
            ("listener.name.plaintext.sasl.enabled.mechanisms", "PLAIN"),
            ("log.cleaner.threads", "2"),
        ] {
            assert_eq!(check(&config(&[]), &config(&[to])), Ok(()), "{to:?}");
        }
    }
}
