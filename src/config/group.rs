//! Keys of groups: how far the broker lets them go, and what a group ends up with.

use crate::config::BrokerConfig;
use crate::config::Properties;
use crate::config::error::ConfigError;
use crate::config::keys;
use crate::config::values::Values;

/// A key of a group with the broker's limits for it; the limits are broker keys.
struct Bound {
    key: &'static str,
    least: Option<&'static str>,
    most: Option<&'static str>,
    /// Checked only where the group sets it: the default may change while the broker runs.
    only_if_set: bool,
}

macro_rules! bounds {
    ($($key:literal $from:tt .. $to:tt $when:ident;)*) => {
        &[$(Bound { key: $key, least: bounds!(@$from), most: bounds!(@$to), only_if_set: bounds!(@$when) },)*]
    };
    (@_) => { None };
    (@$key:literal) => { Some($key) };
    (@always) => { false };
    (@when_set) => { true };
}

static BOUNDS: &[Bound] = bounds! {
    "consumer.heartbeat.interval.ms" "group.consumer.min.heartbeat.interval.ms" .. "group.consumer.max.heartbeat.interval.ms" always;
    "consumer.session.timeout.ms" "group.consumer.min.session.timeout.ms" .. "group.consumer.max.session.timeout.ms" always;
    "consumer.assignment.interval.ms" "group.consumer.min.assignment.interval.ms" .. "group.consumer.max.assignment.interval.ms" when_set;
    "share.heartbeat.interval.ms" "group.share.min.heartbeat.interval.ms" .. "group.share.max.heartbeat.interval.ms" always;
    "share.session.timeout.ms" "group.share.min.session.timeout.ms" .. "group.share.max.session.timeout.ms" always;
    "share.record.lock.duration.ms" "group.share.min.record.lock.duration.ms" .. "group.share.max.record.lock.duration.ms" always;
    "share.delivery.count.limit" "group.share.min.delivery.count.limit" .. "group.share.max.delivery.count.limit" always;
    "share.partition.max.record.locks" "group.share.min.partition.max.record.locks" .. "group.share.max.partition.max.record.locks" always;
    "share.assignment.interval.ms" "group.share.min.assignment.interval.ms" .. "group.share.max.assignment.interval.ms" when_set;
    "streams.heartbeat.interval.ms" "group.streams.min.heartbeat.interval.ms" .. "group.streams.max.heartbeat.interval.ms" always;
    "streams.session.timeout.ms" "group.streams.min.session.timeout.ms" .. "group.streams.max.session.timeout.ms" always;
    "streams.num.standby.replicas" _ .. "group.streams.max.standby.replicas" always;
    "streams.assignment.interval.ms" "group.streams.min.assignment.interval.ms" .. "group.streams.max.assignment.interval.ms" when_set;
};

const FAMILIES: [&str; 3] = ["consumer", "share", "streams"];

/// Whether the broker's own values keep to its limits.
pub fn check_broker(values: &Values) -> Result<(), ConfigError> {
    for family in FAMILIES {
        let key = |name: &str| format!("group.{family}.{name}");
        for name in ["heartbeat.interval.ms", "session.timeout.ms", "assignment.interval.ms"] {
            let (least, most) = (key(&format!("min.{name}")), key(&format!("max.{name}")));
            at_least(values, &most, &least)?;
            at_least(values, &key(name), &least)?;
            at_most(values, &key(name), &most)?;
            if name == "session.timeout.ms" {
                let (heartbeat, session) = (key("heartbeat.interval.ms"), key(name));
                require(values.int(&heartbeat) < values.int(&session), || {
                    format!("{heartbeat} must be less than {session}")
                })?;
            }
        }
    }
    let assignors = values.list("group.share.assignors").len();
    require(assignors == 1, || {
        format!("group.share.assignors must contain exactly one assignor, but found {assignors}")
    })?;
    at_most(
        values,
        "group.streams.num.standby.replicas",
        "group.streams.max.standby.replicas",
    )?;
    for name in [
        "delivery.count.limit",
        "partition.max.record.locks",
        "record.lock.duration.ms",
    ] {
        let (own, least, most) = (
            format!("group.share.{name}"),
            format!("group.share.min.{name}"),
            format!("group.share.max.{name}"),
        );
        at_least(values, &most, &own)?;
        at_least(values, &own, &least)?;
    }
    at_least(values, "group.share.max.share.sessions", "group.share.max.size")
}

fn require(condition: bool, text: impl FnOnce() -> String) -> Result<(), ConfigError> {
    match condition {
        true => Ok(()),
        false => Err(ConfigError::Invalid(text())),
    }
}

fn at_least(values: &Values, name: &str, least: &str) -> Result<(), ConfigError> {
    require(values.int(name) >= values.int(least), || {
        format!("{name} must be greater than or equal to {least}")
    })
}

fn at_most(values: &Values, name: &str, most: &str) -> Result<(), ConfigError> {
    require(values.int(name) <= values.int(most), || {
        format!("{name} must be less than or equal to {most}")
    })
}

/// What groups have when nothing is set for them.
pub fn broker_defaults(values: &Values) -> Properties {
    let mut defaults = Properties::new();
    for key in keys::dynamic::GROUP {
        let texts = key
            .synonyms()
            .iter()
            .filter_map(|(synonym, _)| values.get(synonym).plain());
        defaults.extend(texts.map(|text| (key.name.to_owned(), text)));
    }
    defaults
}

/// Whether a group may be given these values; all of them, not only the changed ones.
pub fn validate(broker: &BrokerConfig, given: &Properties) -> Result<(), ConfigError> {
    if let Some(name) = given.keys().find(|name| keys::group(name).is_none()) {
        return Err(ConfigError::Refused(format!("Unknown group config name: {name}")));
    }
    let mut combined = broker_defaults(broker.values());
    combined.extend(given.clone());
    let values = Values::parse(keys::dynamic::GROUP.iter(), &combined)?;
    let refuse = |text: String| Err(ConfigError::Refused(text));
    for bound in BOUNDS
        .iter()
        .filter(|bound| !bound.only_if_set || given.contains_key(bound.key))
    {
        let value = values.int(bound.key);
        match (bound.least, bound.most) {
            (Some(least), _) if value < broker.values().int(least) => {
                return refuse(format!("{} must be greater than or equal to {least}", bound.key));
            }
            (_, Some(most)) if value > broker.values().int(most) => {
                return refuse(format!("{} must be less than or equal to {most}", bound.key));
            }
            _ => {}
        }
    }
    for family in FAMILIES {
        let (session, heartbeat) = (
            format!("{family}.session.timeout.ms"),
            format!("{family}.heartbeat.interval.ms"),
        );
        if values.int(&session) <= values.int(&heartbeat) {
            return refuse(format!("{session} must be greater than {heartbeat}"));
        }
    }
    Ok(())
}

/// What a group works with: its values, held within the broker's limits of today, over the broker's defaults. A value
/// that cannot be read any more counts as not set.
pub fn effective(broker: &BrokerConfig, given: &Properties) -> Result<Values, ConfigError> {
    let mut combined = broker_defaults(broker.values());
    for (name, text) in given {
        let readable = keys::group(name).is_some_and(|key| key.parse(text).is_ok());
        if readable {
            combined.insert(name.clone(), text.clone());
        }
    }
    for bound in BOUNDS {
        if let Some(value) = given.get(bound.key).and_then(|text| text.trim().parse::<i32>().ok()) {
            let least = bound.least.map_or(i32::MIN, |name| broker.values().int(name));
            let most = bound.most.map_or(i32::MAX, |name| broker.values().int(name));
            combined.insert(bound.key.to_owned(), value.max(least).min(most).to_string());
        }
    }
    Values::parse(keys::dynamic::GROUP.iter(), &combined)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::properties;

    fn broker(pairs: &[(&str, &str)]) -> Result<BrokerConfig, ConfigError> {
        BrokerConfig::from_properties(&properties(pairs))
    }

    #[test]
    fn the_broker_keeps_to_its_own_limits() {
        for (name, text, message) in [
            (
                "group.consumer.heartbeat.interval.ms",
                "16000",
                "group.consumer.heartbeat.interval.ms must be less than or equal to group.consumer.max.heartbeat.interval.ms",
            ),
            (
                "group.share.session.timeout.ms",
                "44999",
                "group.share.session.timeout.ms must be greater than or equal to group.share.min.session.timeout.ms",
            ),
            (
                "group.share.assignors",
                "simple,other",
                "group.share.assignors must contain exactly one assignor, but found 2",
            ),
            (
                "group.streams.num.standby.replicas",
                "3",
                "group.streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas",
            ),
            (
                "group.share.max.share.sessions",
                "100",
                "group.share.max.share.sessions must be greater than or equal to group.share.max.size",
            ),
        ] {
            assert_eq!(
                broker(&[(name, text)]).map(|_| ()).map_err(|error| error.to_string()),
                Err(message.to_owned())
            );
        }
    }

    #[test]
    fn a_group_is_refused_what_lies_outside_the_brokers_limits() {
        let broker = broker(&[]).expect("defaults");
        for (name, text, message) in [
            (
                "consumer.session.timeout.ms",
                "1",
                "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms",
            ),
            (
                "streams.num.standby.replicas",
                "9",
                "streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas",
            ),
            ("no.such.key", "9", "Unknown group config name: no.such.key"),
        ] {
            let refused = validate(&broker, &properties(&[(name, text)]));
            assert_eq!(refused, Err(ConfigError::Refused(message.to_owned())));
        }
        assert_eq!(
            validate(&broker, &properties(&[("share.isolation.level", "read_committed")])),
            Ok(())
        );
    }

    #[test]
    fn limits_that_moved_hold_a_group_that_was_there_before() {
        let broker = broker(&[("group.consumer.max.session.timeout.ms", "50000")]).expect("valid");
        let group = properties(&[
            ("consumer.session.timeout.ms", "60000"),
            ("share.delivery.count.limit", "seven"),
        ]);
        let values = effective(&broker, &group).expect("readable");
        assert_eq!(values.int("consumer.session.timeout.ms"), 50_000);
        assert_eq!(values.int("share.delivery.count.limit"), 5);
    }
}
