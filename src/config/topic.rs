//! Keys of topics: the topic's own over the broker's, as one typed value that a log works with, and their checks.

use crate::config::BrokerConfig;
use crate::config::Properties;
use crate::config::error::ConfigError;
use crate::config::key::Key;
use crate::config::keys;
use crate::config::values::Values;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Batches stay as the producer made them.
    Producer,
    Uncompressed,
    Gzip {
        level: i32,
    },
    Snappy,
    Lz4 {
        level: i32,
    },
    Zstd {
        level: i32,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimestampType {
    CreateTime,
    LogAppendTime,
}

/// All that a log needs to know of its topic's configuration. Topics without values of their own can share one.
#[derive(Clone, Debug, PartialEq)]
pub struct TopicConfig {
    /// `internal.segment.bytes` where it is set.
    pub segment_bytes: i32,
    pub segment_ms: i64,
    pub segment_jitter_ms: i64,
    pub segment_index_bytes: i32,
    pub index_interval_bytes: i32,
    pub retention_ms: i64,
    pub retention_bytes: i64,
    /// `retention_ms` unless remote storage has a limit of its own.
    pub local_retention_ms: i64,
    pub local_retention_bytes: i64,
    pub compact: bool,
    pub delete: bool,
    pub delete_retention_ms: i64,
    pub min_compaction_lag_ms: i64,
    pub max_compaction_lag_ms: i64,
    pub min_cleanable_dirty_ratio: f64,
    pub flush_messages: i64,
    pub flush_ms: i64,
    pub file_delete_delay_ms: i64,
    pub preallocate: bool,
    pub max_message_bytes: i32,
    pub compression: Compression,
    pub timestamp_type: TimestampType,
    pub timestamp_before_max_ms: i64,
    pub timestamp_after_max_ms: i64,
    pub min_insync_replicas: i32,
    pub unclean_leader_election: bool,
    pub remote_storage: bool,
    pub leader_throttled_replicas: Vec<String>,
    pub follower_throttled_replicas: Vec<String>,
}

impl TopicConfig {
    /// The topic's own values over the broker's. One that cannot be read, which only another program can have stored,
    /// counts as not set.
    pub fn new(broker: &BrokerConfig, own: &Properties) -> TopicConfig {
        let mut values = broker.topic_values.clone();
        for (name, text) in own {
            if let Some((key, Ok(value))) = keys::topic(name).map(|key| (key, key.parse(text))) {
                values.set(key, value);
            }
        }
        TopicConfig::from_values(&values)
    }

    fn from_values(values: &Values) -> TopicConfig {
        let policy = values.list("cleanup.policy");
        let limited = |local: i64, whole: i64| if local == -2 { whole } else { local };
        let (retention_ms, retention_bytes) = (values.long("retention.ms"), values.long("retention.bytes"));
        let internal = values
            .optional_long("internal.segment.bytes")
            .and_then(|bytes| i32::try_from(bytes).ok());
        TopicConfig {
            segment_bytes: internal.unwrap_or_else(|| values.int("segment.bytes")),
            segment_ms: values.long("segment.ms"),
            segment_jitter_ms: values.long("segment.jitter.ms"),
            segment_index_bytes: values.int("segment.index.bytes"),
            index_interval_bytes: values.int("index.interval.bytes"),
            retention_ms,
            retention_bytes,
            local_retention_ms: limited(values.long("local.retention.ms"), retention_ms),
            local_retention_bytes: limited(values.long("local.retention.bytes"), retention_bytes),
            compact: policy.iter().any(|one| one == "compact"),
            delete: policy.iter().any(|one| one == "delete"),
            delete_retention_ms: values.long("delete.retention.ms"),
            min_compaction_lag_ms: values.long("min.compaction.lag.ms"),
            max_compaction_lag_ms: values.long("max.compaction.lag.ms"),
            min_cleanable_dirty_ratio: values.double("min.cleanable.dirty.ratio"),
            flush_messages: values.long("flush.messages"),
            flush_ms: values.long("flush.ms"),
            file_delete_delay_ms: values.long("file.delete.delay.ms"),
            preallocate: values.boolean("preallocate"),
            max_message_bytes: values.int("max.message.bytes"),
            compression: compression(values),
            timestamp_type: match values.text("message.timestamp.type") {
                Some("LogAppendTime") => TimestampType::LogAppendTime,
                _ => TimestampType::CreateTime,
            },
            timestamp_before_max_ms: values.long("message.timestamp.before.max.ms"),
            timestamp_after_max_ms: values.long("message.timestamp.after.max.ms"),
            min_insync_replicas: values.int("min.insync.replicas"),
            unclean_leader_election: values.boolean("unclean.leader.election.enable"),
            remote_storage: values.boolean("remote.storage.enable"),
            leader_throttled_replicas: values.list("leader.replication.throttled.replicas").to_vec(),
            follower_throttled_replicas: values.list("follower.replication.throttled.replicas").to_vec(),
        }
    }

    /// The time after which a segment is closed: records of compacted topics must not stay out of compaction's reach.
    pub fn max_segment_ms(&self) -> i64 {
        match self.compact && self.max_compaction_lag_ms > 0 {
            true => self.segment_ms.min(self.max_compaction_lag_ms),
            false => self.segment_ms,
        }
    }
}

fn compression(values: &Values) -> Compression {
    match values.text("compression.type").unwrap_or("producer") {
        "uncompressed" => Compression::Uncompressed,
        "gzip" => Compression::Gzip {
            level: values.int("compression.gzip.level"),
        },
        "snappy" => Compression::Snappy,
        "lz4" => Compression::Lz4 {
            level: values.int("compression.lz4.level"),
        },
        "zstd" => Compression::Zstd {
            level: values.int("compression.zstd.level"),
        },
        _ => Compression::Producer,
    }
}

/// What topics have when nothing is set for them: the broker's values under the topics' names, in the topics' units.
pub fn broker_defaults(values: &Values) -> Properties {
    let mut defaults = Properties::new();
    for key in keys::topic::TOPIC {
        if let Some(text) = broker_default(key, values) {
            defaults.insert(key.name.to_owned(), text);
        }
    }
    defaults
}

fn broker_default(key: &Key, values: &Values) -> Option<String> {
    let set = |(name, _): &&(&str, i64)| !values.get(name).is_null();
    let (name, factor) = key.synonyms().iter().find(set)?;
    match key.name {
        // Any negative time means for ever.
        "retention.ms" => Some((values.long(name).max(-1).saturating_mul(*factor)).max(-1).to_string()),
        _ if *factor != 1 => Some(values.long(name).saturating_mul(*factor).to_string()),
        _ => values.get(name).plain(),
    }
}

/// Whether a topic may have these values of its own: all of them, not only those that change. `before` are those it
/// has now, none for a new topic.
pub fn validate(broker: &BrokerConfig, before: &Properties, own: &Properties) -> Result<(), ConfigError> {
    if let Some(name) = own.keys().find(|name| keys::topic(name).is_none()) {
        return Err(ConfigError::Refused(format!("Unknown topic config name: {name}")));
    }
    let mut texts = broker_defaults(broker.values());
    texts.extend(own.clone());
    let values = Values::parse(keys::topic::TOPIC.iter(), &texts)?;
    let (least, most) = (
        values.long("min.compaction.lag.ms"),
        values.long("max.compaction.lag.ms"),
    );
    if least > most {
        return Err(ConfigError::Refused(format!(
            "conflict topic config setting min.compaction.lag.ms ({least}) > max.compaction.lag.ms ({most})"
        )));
    }
    match values.boolean("remote.storage.enable") {
        true => remote_storage(broker, &values),
        false => remote_storage_off(before, &values),
    }
}

fn remote_storage_off(before: &Properties, values: &Values) -> Result<(), ConfigError> {
    let was_on = before
        .get("remote.storage.enable")
        .is_some_and(|text| text.eq_ignore_ascii_case("true"));
    if was_on && !values.boolean("remote.log.delete.on.disable") {
        return Err(ConfigError::Refused(
            "It is invalid to disable remote storage without deleting remote data. If you want to keep the remote data \
             and turn to read only, please set `remote.storage.enable=true,remote.log.copy.disable=true`. If you want \
             to disable remote storage and delete all remote data, please set \
             `remote.storage.enable=false,remote.log.delete.on.disable=true`."
                .to_owned(),
        ));
    }
    Ok(())
}

fn remote_storage(broker: &BrokerConfig, values: &Values) -> Result<(), ConfigError> {
    if !broker.remote_storage_enable() {
        return Err(ConfigError::Invalid(
            "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage."
                .to_owned(),
        ));
    }
    let policy = values.list("cleanup.policy");
    if !policy.is_empty() && policy != ["delete"] {
        return Err(ConfigError::Invalid(
            "Remote log storage only supports topics with cleanup.policy=delete or cleanup.policy being an empty list."
                .to_owned(),
        ));
    }
    local_limit("local.retention.bytes", "retention.bytes", values)?;
    local_limit("local.retention.ms", "retention.ms", values)?;
    let differs = |local: &str, whole: &str| {
        let limit = values.long(local);
        limit != -2 && limit != values.long(whole)
    };
    for (local, whole) in [
        ("local.retention.bytes", "retention.bytes"),
        ("local.retention.ms", "retention.ms"),
    ] {
        if values.boolean("remote.log.copy.disable") && differs(local, whole) {
            return Err(ConfigError::Refused(format!(
                "When `remote.log.copy.disable` is set to true, the `{local}` and `{whole}` must be set to the \
                 identical value because there will be no more logs copied to the remote storage."
            )));
        }
    }
    Ok(())
}

/// The local part of a partition must not be kept longer than the whole.
pub(super) fn local_limit(local: &str, whole: &str, values: &Values) -> Result<(), ConfigError> {
    check_local_limit((local, values.long(local)), (whole, values.long(whole)))
}

/// The same for any two names.
pub(super) fn check_local_limit((local, part): (&str, i64), (whole, all): (&str, i64)) -> Result<(), ConfigError> {
    if all <= -1 || part == -2 {
        return Ok(());
    }
    if part == -1 {
        let reason = format!("Value must not be -1 as {whole} value is set as {all}.");
        return Err(ConfigError::value(local, "-1", &reason));
    }
    if part > all {
        let reason = format!("Value must not be more than {whole} property value: {all}");
        return Err(ConfigError::value(local, &part.to_string(), &reason));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::testing::properties;

    fn broker(pairs: &[(&str, &str)]) -> BrokerConfig {
        BrokerConfig::from_properties(&properties(pairs)).expect("valid")
    }

    #[test]
    fn a_topic_without_values_has_the_brokers() {
        let plain = TopicConfig::new(&broker(&[]), &Properties::new());
        assert_eq!(
            (plain.segment_bytes, plain.segment_ms, plain.retention_ms),
            (1 << 30, 604_800_000, 604_800_000)
        );
        assert_eq!(
            (plain.delete, plain.compact, plain.compression),
            (true, false, Compression::Producer)
        );
        assert_eq!((plain.flush_ms, plain.local_retention_ms), (i64::MAX, 604_800_000));
    }

    #[test]
    fn the_finest_unit_that_is_set_counts() {
        for (given, retention) in [
            (vec![("log.retention.hours", "1")], 3_600_000),
            (
                vec![("log.retention.hours", "1"), ("log.retention.minutes", "2")],
                120_000,
            ),
            (vec![("log.retention.minutes", "2"), ("log.retention.ms", "3")], 3),
            (vec![("log.retention.hours", "-1")], -1),
        ] {
            assert_eq!(
                TopicConfig::new(&broker(&given), &Properties::new()).retention_ms,
                retention,
                "{given:?}"
            );
        }
        let broker = broker(&[("log.roll.hours", "2"), ("log.flush.scheduler.interval.ms", "7")]);
        let topic = TopicConfig::new(&broker, &Properties::new());
        assert_eq!((topic.segment_ms, topic.flush_ms), (7_200_000, 7));
    }

    #[test]
    fn a_broker_is_refused_defaults_that_no_topic_may_have() {
        let refused = BrokerConfig::from_properties(&properties(&[("log.flush.interval.ms", "-1")]));
        let said = "Invalid value -1 for configuration flush.ms: Value must be at least 0";
        assert_eq!(
            refused.map(|_| ()).map_err(|error| error.to_string()),
            Err(said.to_owned())
        );
    }

    #[test]
    fn the_topics_own_values_win() {
        let own = properties(&[
            ("internal.segment.bytes", "100"),
            ("cleanup.policy", "compact"),
            ("max.compaction.lag.ms", "5"),
            ("compression.type", "zstd"),
            ("compression.zstd.level", "9"),
            ("message.timestamp.type", "LogAppendTime"),
            ("min.insync.replicas", "not readable"),
        ]);
        let topic = TopicConfig::new(&broker(&[("compression.zstd.level", "4")]), &own);
        assert_eq!(
            (topic.segment_bytes, topic.compact, topic.delete, topic.max_segment_ms()),
            (100, true, false, 5)
        );
        assert_eq!(topic.compression, Compression::Zstd { level: 9 });
        assert_eq!(topic.timestamp_type, TimestampType::LogAppendTime);
        assert_eq!(topic.min_insync_replicas, 1);
    }

    #[test]
    fn a_topic_is_refused_wrong_values_in_the_words_of_kafka() {
        for (own, message) in [
            (vec![("retention.s", "1")], "Unknown topic config name: retention.s"),
            (
                vec![("retention.ms", "-2")],
                "Invalid value -2 for configuration retention.ms: Value must be at least -1",
            ),
            (
                vec![("segment.bytes", "1000")],
                "Invalid value 1000 for configuration segment.bytes: Value must be at least 1048576",
            ),
            (
                vec![("min.compaction.lag.ms", "2"), ("max.compaction.lag.ms", "1")],
                "conflict topic config setting min.compaction.lag.ms (2) > max.compaction.lag.ms (1)",
            ),
            (
                vec![("remote.storage.enable", "true")],
                "Tiered Storage functionality is disabled in the broker. Topic cannot be configured with remote log storage.",
            ),
        ] {
            let refused = validate(&broker(&[]), &Properties::new(), &properties(&own));
            assert_eq!(refused.map_err(|error| error.message()), Err(message.to_owned()));
        }
        assert_eq!(
            validate(&broker(&[]), &Properties::new(), &properties(&[("cleanup.policy", "")])),
            Ok(())
        );
    }

    #[test]
    fn the_local_part_of_a_partition_is_not_kept_longer_than_the_whole() {
        let broker = broker(&[("remote.log.storage.system.enable", "true")]);
        for (own, valid) in [
            (vec![("retention.bytes", "10"), ("local.retention.bytes", "11")], false),
            (vec![("retention.bytes", "10"), ("local.retention.bytes", "10")], true),
            (vec![("retention.ms", "10"), ("local.retention.ms", "-1")], false),
            (vec![("cleanup.policy", "compact")], false),
            (
                vec![
                    ("remote.log.copy.disable", "true"),
                    ("retention.ms", "10"),
                    ("local.retention.ms", "9"),
                ],
                false,
            ),
        ] {
            let mut own = properties(&own);
            own.insert("remote.storage.enable".into(), "true".into());
            assert_eq!(validate(&broker, &Properties::new(), &own).is_ok(), valid, "{own:?}");
        }
    }
}
