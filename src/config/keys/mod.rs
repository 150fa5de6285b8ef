//! Every key, by what it belongs to.

use crate::config::key::Key;
use std::collections::HashMap;
use std::sync::LazyLock;

pub mod dynamic;
pub mod general;
pub mod group;
pub mod log;
pub mod net;
pub mod quorum;
pub mod remote;
pub mod replication;
pub mod security;
pub mod topic;
pub mod txn;

/// The tables of the keys that `server.properties` may set.
const BROKER: &[&[Key]] = &[
    net::NET,
    general::GENERAL,
    quorum::QUORUM,
    replication::REPLICATION,
    log::LOG,
    group::GROUP,
    txn::TXN,
    remote::REMOTE,
    security::SECURITY,
];

static BY_NAME: LazyLock<HashMap<&'static str, &'static Key>> =
    LazyLock::new(|| broker_keys().map(|key| (key.name, key)).collect());

/// All keys of `server.properties`.
pub fn broker_keys() -> impl Iterator<Item = &'static Key> {
    BROKER.iter().flat_map(|table| table.iter())
}

pub fn broker(name: &str) -> Option<&'static Key> {
    BY_NAME.get(name).copied()
}

/// A key that may be changed on a running broker, whether or not its file may set it.
pub fn dynamic_broker(name: &str) -> Option<&'static Key> {
    broker(name)
        .filter(|key| key.is_dynamic())
        .or_else(|| find(dynamic::BROKER_QUOTA, name))
}

pub fn topic(name: &str) -> Option<&'static Key> {
    find(topic::TOPIC, name)
}

pub fn group(name: &str) -> Option<&'static Key> {
    find(dynamic::GROUP, name)
}

pub fn client_metrics(name: &str) -> Option<&'static Key> {
    find(dynamic::CLIENT_METRICS, name)
}

fn find(table: &'static [Key], name: &str) -> Option<&'static Key> {
    table.iter().find(|key| key.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::key::Default;
    use crate::config::key::Origin;

    fn all() -> Vec<&'static [Key]> {
        let rest = [
            topic::TOPIC,
            dynamic::GROUP,
            dynamic::CLIENT_METRICS,
            dynamic::CLIENT_QUOTA,
            dynamic::IP_QUOTA,
        ];
        BROKER
            .iter()
            .copied()
            .chain(rest)
            .chain([dynamic::BROKER_QUOTA])
            .collect()
    }

    #[test]
    fn every_key_is_declared_once() {
        assert_eq!(broker_keys().count(), BY_NAME.len());
        assert_eq!(broker_keys().count(), 360);
        assert_eq!(topic::TOPIC.len(), 34);
    }

    #[test]
    fn every_default_obeys_its_own_check() {
        for key in all().into_iter().flatten() {
            if key.default != Default::Required && key.name != "log.dir.failure.timeout.ms" {
                let value = key.default_value().expect(key.name);
                let empty_quorum = key.name.starts_with("controller.quorum.");
                assert!(
                    empty_quorum || key.check.ensure(key.name, &value).is_ok() || value.is_null(),
                    "{}",
                    key.name
                );
            }
        }
    }

    #[test]
    fn the_keys_that_supply_defaults_exist() {
        for key in topic::TOPIC.iter().chain(dynamic::GROUP) {
            for (synonym, _) in key.synonyms() {
                assert!(
                    broker(synonym).is_some(),
                    "{} takes its default from {synonym}",
                    key.name
                );
            }
            assert!(matches!(key.origin, Origin::Own | Origin::From(_)), "{}", key.name);
        }
    }

    #[test]
    fn every_key_is_explained_in_one_sentence() {
        for key in all().into_iter().flatten() {
            assert!(
                key.documentation.ends_with('.') && key.documentation.len() > 10,
                "{}",
                key.name
            );
        }
    }
}
