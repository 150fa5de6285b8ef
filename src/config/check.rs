//! What a value must be, and what Kafka says when it is not.

use crate::config::error::ConfigError;
use crate::config::value::Value;
use crate::config::voters;

/// The rule of a key. Lists may be empty unless the name says `Some`, and are not null unless it says `Null`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Check {
    Any,
    AtLeast(i64),
    Between(i64, i64),
    /// From 0 to this fraction.
    UpTo(f64),
    OneOf(&'static [&'static str]),
    OneOfAnyCase(&'static [&'static str]),
    NonEmpty,
    NonNull,
    Names,
    SomeNames,
    NamesOrNull,
    SomeNamesOrNull,
    AnyOf(&'static [&'static str]),
    SomeOf(&'static [&'static str]),
    GzipLevel,
    Voters,
    Servers,
    ThrottledReplicas,
    OffsetReset,
}

impl Check {
    pub fn ensure(&self, name: &str, value: &Value) -> Result<(), ConfigError> {
        match *self {
            Check::Any => Ok(()),
            Check::AtLeast(least) => range(name, value, least as f64, None),
            Check::Between(least, most) => range(name, value, least as f64, Some(most as f64)),
            Check::UpTo(most) => range(name, value, 0.0, Some(most)),
            Check::OneOf(allowed) => one_of(name, value, allowed),
            Check::OneOfAnyCase(allowed) => one_of_any_case(name, value, allowed),
            Check::NonEmpty => non_empty(name, value),
            Check::NonNull if value.is_null() => Err(ConfigError::value(name, "null", "entry must be non null")),
            Check::NonNull => Ok(()),
            Check::Names => names(name, value, &MAY_BE_EMPTY),
            Check::SomeNames => names(name, value, &MUST_BE_SOME),
            Check::NamesOrNull => names(
                name,
                value,
                &ListRule {
                    null: true,
                    ..MAY_BE_EMPTY
                },
            ),
            Check::SomeNamesOrNull => names(
                name,
                value,
                &ListRule {
                    null: true,
                    ..MUST_BE_SOME
                },
            ),
            Check::AnyOf(allowed) => names(
                name,
                value,
                &ListRule {
                    allowed,
                    ..MAY_BE_EMPTY
                },
            ),
            Check::SomeOf(allowed) => names(
                name,
                value,
                &ListRule {
                    allowed,
                    ..MUST_BE_SOME
                },
            ),
            Check::GzipLevel => gzip_level(name, value),
            Check::Voters => voters::parse_voters(value.as_list()).map(drop),
            Check::Servers => value
                .as_list()
                .iter()
                .try_for_each(|entry| voters::parse_server(entry).map(drop)),
            Check::ThrottledReplicas => throttled_replicas(name, value),
            Check::OffsetReset => offset_reset(name, value),
        }
    }
}

struct ListRule {
    empty: bool,
    null: bool,
    allowed: &'static [&'static str],
}

const MAY_BE_EMPTY: ListRule = ListRule {
    empty: true,
    null: false,
    allowed: &[],
};
const MUST_BE_SOME: ListRule = ListRule {
    empty: false,
    null: false,
    allowed: &[],
};

fn range(name: &str, value: &Value, least: f64, most: Option<f64>) -> Result<(), ConfigError> {
    let Some(number) = value.as_number() else {
        return Err(ConfigError::value(name, "null", "Value must be non-null"));
    };
    if number < least {
        return Err(ConfigError::value(
            name,
            &value.shown(),
            &format!("Value must be at least {least}"),
        ));
    }
    match most {
        Some(most) if number > most => Err(ConfigError::value(
            name,
            &value.shown(),
            &format!("Value must be no more than {most}"),
        )),
        _ => Ok(()),
    }
}

fn one_of(name: &str, value: &Value, allowed: &[&str]) -> Result<(), ConfigError> {
    if value.as_text().is_some_and(|text| allowed.contains(&text)) {
        return Ok(());
    }
    let reason = format!("String must be one of: {}", allowed.join(", "));
    Err(ConfigError::value(name, &value.shown(), &reason))
}

fn one_of_any_case(name: &str, value: &Value, allowed: &[&str]) -> Result<(), ConfigError> {
    if value
        .as_text()
        .is_some_and(|text| allowed.iter().any(|one| one.eq_ignore_ascii_case(text)))
    {
        return Ok(());
    }
    let reason = format!("String must be one of (case insensitive): {}", allowed.join(", "));
    Err(ConfigError::value(name, &value.shown(), &reason))
}

fn non_empty(name: &str, value: &Value) -> Result<(), ConfigError> {
    match value.as_text() {
        Some("") => Err(ConfigError::value(name, "", "String must be non-empty")),
        _ => Ok(()),
    }
}

fn names(name: &str, value: &Value, rule: &ListRule) -> Result<(), ConfigError> {
    if value.is_null() {
        return match rule.null {
            true => Ok(()),
            false => Err(ConfigError::Invalid(format!(
                "Configuration '{name}' values must not be null."
            ))),
        };
    }
    let entries = value.as_list();
    if entries.is_empty() && !rule.empty {
        let allowed = match rule.allowed {
            [] => "any non-empty value".to_owned(),
            some => format!("[{}]", some.join(", ")),
        };
        let text = format!("Configuration '{name}' must not be empty. Valid values include: {allowed}");
        return Err(ConfigError::Invalid(text));
    }
    for entry in entries {
        if entry.is_empty() {
            return Err(ConfigError::Invalid(format!(
                "Configuration '{name}' values must not be empty."
            )));
        }
        if !rule.allowed.is_empty() {
            one_of(name, &Value::String(entry.clone()), rule.allowed)?;
        }
    }
    Ok(())
}

fn gzip_level(name: &str, value: &Value) -> Result<(), ConfigError> {
    match value.as_number() {
        None => Err(ConfigError::value(name, "null", "Value must be non-null")),
        Some(level) if (1.0..=9.0).contains(&level) || level == -1.0 => Ok(()),
        Some(_) => Err(ConfigError::value(
            name,
            &value.shown(),
            "Value must be between 1 and 9 or equal to -1",
        )),
    }
}

fn throttled_replicas(name: &str, value: &Value) -> Result<(), ConfigError> {
    let entries: Vec<&str> = value.as_list().iter().map(|entry| entry.trim()).collect();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let replica = |entry: &str| {
        entry.is_empty()
            || entry
                .split_once(':')
                .is_some_and(|(left, right)| digits(left) && digits(right))
    };
    if entries.iter().all(|entry| replica(entry)) || entries.concat() == "*" {
        return Ok(());
    }
    let reason = format!(
        "{name} must be the literal '*' or a list of replicas in the following format: \
         [partitionId]:[brokerId],[partitionId]:[brokerId],..."
    );
    Err(ConfigError::value(name, &value.shown(), &reason))
}

fn offset_reset(name: &str, value: &Value) -> Result<(), ConfigError> {
    let text = value.as_text().unwrap_or("null");
    let valid = match text.strip_prefix("by_duration:") {
        Some(duration) => is_duration(duration),
        None => matches!(text, "earliest" | "latest"),
    };
    if valid {
        return Ok(());
    }
    let reason = format!(
        "Invalid value `{text}` for configuration {name}. The value must be either 'earliest', 'latest' or of the \
         format 'by_duration:<PnDTnHnMn.nS>'."
    );
    Err(ConfigError::value(name, text, &reason))
}

/// ISO 8601 with days as the largest unit, not negative: `P1DT2H3M4.5S`, each part optional but at least one there.
fn is_duration(text: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    let Some(rest) = upper.strip_prefix('P') else {
        return false;
    };
    let (days, time) = match rest.split_once('T') {
        Some((days, time)) => (days, Some(time)),
        None => (rest, None),
    };
    if (days.is_empty() && time.is_none()) || time == Some("") {
        return false;
    }
    let mut left = time.unwrap_or("");
    for unit in ['H', 'M'] {
        if let Some((amount, after)) = left.split_once(unit) {
            if !is_amount(amount, false) {
                return false;
            }
            left = after;
        }
    }
    let seconds = left.is_empty() || left.strip_suffix('S').is_some_and(|amount| is_amount(amount, true));
    let days = days.is_empty() || days.strip_suffix('D').is_some_and(|amount| is_amount(amount, false));
    seconds && days
}

fn is_amount(text: &str, fraction: bool) -> bool {
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let (whole, part) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !whole.is_empty()
        && whole.len() < 15
        && digits(whole)
        && digits(part)
        && part.len() < 10
        && (fraction || part.is_empty())
}

#[cfg(test)]
mod tests {
    use crate::config::keys;

    #[test]
    fn a_wrong_value_is_refused_in_the_words_of_kafka() {
        for (name, text, message) in [
            (
                "num.partitions",
                "0",
                "Invalid value 0 for configuration num.partitions: Value must be at least 1",
            ),
            (
                "num.partitions",
                "x1 ",
                "Invalid value x1  for configuration num.partitions: Not a number of type INT",
            ),
            (
                "auto.create.topics.enable",
                "yes",
                "Invalid value yes for configuration auto.create.topics.enable: Expected value to be either true or false",
            ),
            (
                "compression.lz4.level",
                "18",
                "Invalid value 18 for configuration compression.lz4.level: Value must be no more than 17",
            ),
            (
                "compression.gzip.level",
                "0",
                "Invalid value 0 for configuration compression.gzip.level: Value must be between 1 and 9 or equal to -1",
            ),
            (
                "remote.log.manager.task.retry.jitter",
                "0.6",
                "Invalid value 0.6 for configuration remote.log.manager.task.retry.jitter: Value must be no more than 0.5",
            ),
            (
                "compression.type",
                "brotli",
                "Invalid value brotli for configuration compression.type: String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer",
            ),
            (
                "log.cleanup.policy",
                "delete,shred",
                "Invalid value shred for configuration log.cleanup.policy: String must be one of: compact, delete",
            ),
            (
                "log.cleanup.policy",
                "delete,",
                "Configuration 'log.cleanup.policy' values must not be empty.",
            ),
            (
                "process.roles",
                "",
                "Configuration 'process.roles' must not be empty. Valid values include: [broker, controller]",
            ),
            (
                "log.dirs",
                " ",
                "Configuration 'log.dirs' must not be empty. Valid values include: any non-empty value",
            ),
            (
                "group.consumer.migration.policy",
                "no",
                "Invalid value no for configuration group.consumer.migration.policy: String must be one of (case insensitive): DISABLED, DOWNGRADE, UPGRADE, BIDIRECTIONAL",
            ),
            (
                "controller.quorum.voters",
                "1@",
                "Invalid configuration value for controller.quorum.voters. Each entry should be in the form `{id}@{host}:{port}`.",
            ),
            (
                "controller.quorum.voters",
                "a@h:1",
                "Failed to parse voter ID as an integer from a",
            ),
            (
                "controller.quorum.bootstrap.servers",
                "h",
                "Failed to parse host name from h for the configuration controller.quorum.bootstrap.servers. Each entry should be in the form \"{host}:{port}\"",
            ),
            (
                "remote.log.metadata.manager.listener.name",
                "",
                "Invalid value  for configuration remote.log.metadata.manager.listener.name: String must be non-empty",
            ),
        ] {
            let error = keys::broker(name).expect(name).parse(text).expect_err(message);
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn values_within_the_rules_pass() {
        for (name, text) in [
            ("num.partitions", " +7 "),
            ("log.cleaner.min.cleanable.ratio", "1"),
            ("log.cleaner.io.max.bytes.per.second", "1.5E3"),
            ("log.cleanup.policy", ""),
            ("compression.gzip.level", "-1"),
            ("controller.quorum.voters", "1@[::1]:9093,2@host.example:9093"),
            ("unclean.leader.election.enable", "TRUE"),
            ("group.consumer.migration.policy", "Upgrade"),
        ] {
            assert!(keys::broker(name).expect(name).parse(text).is_ok(), "{name}={text}");
        }
    }

    #[test]
    fn throttled_replicas_are_pairs_or_a_star() {
        let key = keys::topic("leader.replication.throttled.replicas").expect("declared");
        for (text, valid) in [
            ("*", true),
            ("0:1,1:2", true),
            ("", true),
            ("0:1,", true),
            ("0", false),
            ("0:1,*", false),
        ] {
            assert_eq!(key.parse(text).is_ok(), valid, "{text}");
        }
    }

    #[test]
    fn an_offset_reset_may_be_a_duration() {
        let key = keys::group("share.auto.offset.reset").expect("declared");
        let cases = [
            ("earliest", true),
            ("by_duration:P1D", true),
            ("by_duration:PT1H2M3.5S", true),
            ("by_duration:pt5m", true),
        ];
        let refused = [
            "none",
            "Latest",
            "by_duration",
            "by_duration:",
            "by_duration:P",
            "by_duration:PT",
            "by_duration:PT-1H",
            "by_duration:PT1.5H",
        ];
        for (text, valid) in cases.into_iter().chain(refused.map(|text| (text, false))) {
            assert_eq!(key.parse(text).is_ok(), valid, "{text}");
        }
    }
}
