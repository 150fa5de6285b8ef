//! What DescribeConfigs answers of a resource: each key with its value, where it comes from, and what stands behind it.

use crate::config::LiveConfig;
use crate::config::Properties;
use crate::config::error::ConfigError;
use crate::config::group;
use crate::config::key::Key;
use crate::config::key::Kind;
use crate::config::keys;
use crate::config::live;
use crate::config::topic;
use crate::config::values::Values;

/// Where a value comes from; the numbers are those of DescribeConfigs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i8)]
pub enum Source {
    Topic = 1,
    DynamicBroker = 2,
    DynamicDefaultBroker = 3,
    StaticBroker = 4,
    Default = 5,
    BrokerLogger = 6,
    ClientMetrics = 7,
    Group = 8,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synonym {
    pub name: String,
    /// None when nobody may see it.
    pub value: Option<String>,
    pub source: Source,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub name: String,
    /// None when there is none, and when nobody may see it.
    pub value: Option<String>,
    pub read_only: bool,
    pub source: Source,
    pub sensitive: bool,
    /// The values behind this one, the one in force first.
    pub synonyms: Vec<Synonym>,
    /// None for a key that nobody knows.
    pub kind: Option<Kind>,
    pub documentation: Option<&'static str>,
}

impl Entry {
    /// The type's number in DescribeConfigs; 0 is unknown.
    pub fn kind_number(&self) -> i8 {
        self.kind.map_or(0, |kind| kind as i8)
    }

    fn new(name: &str, key: Option<&'static Key>, value: Option<String>, synonyms: Vec<Synonym>) -> Entry {
        let sensitive = key.is_none_or(Key::is_sensitive);
        Entry {
            name: name.to_owned(),
            value: value.filter(|_| !sensitive),
            read_only: false,
            source: synonyms.first().map_or(Source::Default, |first| first.source),
            sensitive,
            synonyms,
            kind: key.map(|key| key.kind),
            documentation: key.map(|key| key.documentation),
        }
    }
}

/// Leaves the entries that were asked for; all when no names were given.
pub fn keep_requested(entries: &mut Vec<Entry>, names: Option<&[String]>) {
    if let Some(names) = names.filter(|names| !names.is_empty()) {
        entries.retain(|entry| names.contains(&entry.name));
    }
}

/// One broker: everything, sorted by name.
pub fn broker(live: &LiveConfig) -> Vec<Entry> {
    let current = live.current();
    let mut names: Vec<&str> = keys::broker_keys()
        .filter(|key| !key.is_internal())
        .map(|key| key.name)
        .collect();
    names.extend(current.given().keys().map(String::as_str));
    names.sort_unstable();
    names.dedup();
    let value = |name: &str| match keys::broker(name) {
        Some(key) => current.values().get(key.name).plain(),
        None => current.given().get(name).cloned(),
    };
    names
        .into_iter()
        .map(|name| broker_entry(live, name, value(name), true))
        .collect()
}

/// All brokers: only what is set for all of them.
pub fn all_brokers(live: &LiveConfig) -> Vec<Entry> {
    live.for_all
        .iter()
        .map(|(name, text)| broker_entry(live, name, Some(text.clone()), false))
        .collect()
}

fn broker_entry(live: &LiveConfig, name: &str, value: Option<String>, one_broker: bool) -> Entry {
    let names = broker_synonyms(name);
    let known = keys::broker(name).or_else(|| keys::dynamic_broker(name));
    // A listener's key has the type of the key behind it.
    let typed = known.or_else(|| names.iter().find_map(|synonym| keys::broker(synonym)));
    let sensitive = typed.is_none_or(Key::is_sensitive);
    let mut synonyms = synonyms(live, name, &names, sensitive);
    synonyms.retain(|synonym| one_broker || synonym.source == Source::DynamicDefaultBroker);
    let mut entry = Entry::new(name, typed, value, synonyms);
    entry.read_only = keys::dynamic_broker(name).is_none();
    entry.documentation = keys::broker(name).map(|key| key.documentation);
    entry
}

/// The names under which a broker's value may be set, the strongest first.
fn broker_synonyms(name: &str) -> Vec<String> {
    const BY_MECHANISM: [&str; 5] = [
        "sasl.jaas.config",
        "sasl.login.callback.handler.class",
        "sasl.login.class",
        "sasl.server.callback.handler.class",
        "connections.max.reauth.ms",
    ];
    let units = live::synonyms(name);
    if !units.is_empty() {
        return units.iter().map(|unit| (*unit).to_owned()).collect();
    }
    match live::listener_base(name) {
        Some(base) => {
            let common = BY_MECHANISM.into_iter().find(|key| base.ends_with(key)).unwrap_or(base);
            vec![name.to_owned(), common.to_owned()]
        }
        None => vec![name.to_owned()],
    }
}

/// Every level's values under these names, down to the defaults; what is stronger than `name` itself is left out.
fn synonyms(live: &LiveConfig, name: &str, names: &[String], sensitive: bool) -> Vec<Synonym> {
    let mut found = Vec::new();
    let mut level = |values: &dyn Fn(&str) -> Option<String>, source: Source| {
        for name in names {
            if let Some(value) = values(name) {
                let value = Some(value).filter(|_| !sensitive);
                found.push(Synonym {
                    name: name.clone(),
                    value,
                    source,
                });
            }
        }
    };
    level(&|name| live.for_this.get(name).cloned(), Source::DynamicBroker);
    level(&|name| live.for_all.get(name).cloned(), Source::DynamicDefaultBroker);
    level(&|name| live.start.given().get(name).cloned(), Source::StaticBroker);
    level(
        &|name| keys::broker(name)?.default_text().map(str::to_owned),
        Source::Default,
    );
    found.into_iter().skip_while(|synonym| synonym.name != name).collect()
}

/// A topic with these values of its own.
pub fn topic(live: &LiveConfig, own: &Properties) -> Result<Vec<Entry>, ConfigError> {
    let mut texts = topic::broker_defaults(live.current().values());
    texts.extend(own.clone());
    let values = Values::parse(keys::topic::TOPIC.iter(), &texts)?;
    let entry = |key: &'static Key| {
        let broker = key.synonyms().first().map(|(name, _)| *name);
        let mut behind = broker.map_or_else(Vec::new, |name| synonyms(live, name, &broker_synonyms(name), false));
        let value = values.get(key.name).plain();
        add_own(&mut behind, key, own, &value, Source::Topic);
        Entry::new(key.name, Some(key), value, behind)
    };
    let shown = keys::topic::TOPIC
        .iter()
        .filter(|key| !key.is_internal() || own.contains_key(key.name));
    Ok(shown.map(entry).collect())
}

/// A topic as CreateTopics answers it: the value and where it comes from, no more.
pub fn created_topic(live: &LiveConfig, own: &Properties) -> Vec<Entry> {
    let shown = keys::topic::TOPIC
        .iter()
        .filter(|key| !key.is_internal() || own.contains_key(key.name));
    let entry = |key: &'static Key| {
        let found = own.get(key.name).map(|text| (text.clone(), Source::Topic));
        let level = |values: &Properties, source: Source| {
            let set = key
                .synonyms()
                .iter()
                .find_map(|(name, factor)| Some((values.get(*name)?, *factor)));
            set.map(|(text, factor)| (converted(text, factor), source))
        };
        let found = found
            .or_else(|| level(&live.for_this, Source::DynamicBroker))
            .or_else(|| level(&live.for_all, Source::DynamicDefaultBroker))
            .or_else(|| level(live.start.given(), Source::StaticBroker));
        let (value, source) = match found {
            Some((value, source)) => (Some(value), source),
            None => (key.default_text().map(str::to_owned), Source::Default),
        };
        Entry {
            source,
            ..Entry::new(key.name, Some(key), value, Vec::new())
        }
    };
    shown.map(entry).collect()
}

/// Hours and minutes to milliseconds.
fn converted(text: &str, factor: i64) -> String {
    match factor {
        1 => text.to_owned(),
        _ => text
            .trim()
            .parse::<i64>()
            .unwrap_or(0)
            .saturating_mul(factor)
            .to_string(),
    }
}

fn add_own(behind: &mut Vec<Synonym>, key: &Key, own: &Properties, value: &Option<String>, source: Source) {
    if own.contains_key(key.name) {
        behind.insert(
            0,
            Synonym {
                name: key.name.to_owned(),
                value: value.clone(),
                source,
            },
        );
    }
}

/// A group with these values of its own.
pub fn group(live: &LiveConfig, own: &Properties) -> Result<Vec<Entry>, ConfigError> {
    let mut texts = group::broker_defaults(live.current().values());
    texts.extend(own.clone());
    let values = Values::parse(keys::dynamic::GROUP.iter(), &texts)?;
    let entry = |key: &'static Key| {
        let mut behind = match key.synonyms().first() {
            Some((name, _)) => synonyms(live, name, &broker_synonyms(name), false),
            None => {
                let value = key.default_text().map(str::to_owned);
                vec![Synonym {
                    name: key.name.to_owned(),
                    value,
                    source: Source::Default,
                }]
            }
        };
        let value = values.get(key.name).plain();
        add_own(&mut behind, key, own, &value, Source::Group);
        Entry::new(key.name, Some(key), value, behind)
    };
    Ok(keys::dynamic::GROUP.iter().map(entry).collect())
}

/// A subscription to client metrics with these values of its own.
pub fn client_metrics(own: &Properties) -> Result<Vec<Entry>, ConfigError> {
    let values = Values::parse(keys::dynamic::CLIENT_METRICS.iter(), own)?;
    let entry = |key: &'static Key| {
        let (value, mut behind) = (values.get(key.name).plain(), Vec::new());
        add_own(&mut behind, key, own, &value, Source::ClientMetrics);
        Entry::new(key.name, Some(key), value, behind)
    };
    Ok(keys::dynamic::CLIENT_METRICS.iter().map(entry).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::BrokerConfig;
    use crate::config::testing::properties;

    fn live(file: &[(&str, &str)], for_all: &[(&str, &str)], for_this: &[(&str, &str)]) -> LiveConfig {
        let start = BrokerConfig::from_properties(&properties(file)).expect("valid");
        LiveConfig::new(start)
            .with(&properties(for_all), &properties(for_this))
            .config
    }

    fn find(entries: Vec<Entry>, name: &str) -> Entry {
        entries.into_iter().find(|entry| entry.name == name).expect(name)
    }

    /// `name=value source`, one after the other.
    fn chain(entry: &Entry) -> Vec<String> {
        let shown = |synonym: &Synonym| {
            let value = synonym.value.as_deref().unwrap_or("?");
            format!("{}={value} {:?}", synonym.name, synonym.source)
        };
        entry.synonyms.iter().map(shown).collect()
    }

    #[test]
    fn a_brokers_value_is_told_with_all_that_stands_behind_it() {
        let live = live(
            &[("message.max.bytes", "1")],
            &[("message.max.bytes", "2")],
            &[("message.max.bytes", "3")],
        );
        let entry = find(broker(&live), "message.max.bytes");
        assert_eq!(
            (entry.value.as_deref(), entry.source, entry.read_only),
            (Some("3"), Source::DynamicBroker, false)
        );
        let levels = [
            "3 DynamicBroker",
            "2 DynamicDefaultBroker",
            "1 StaticBroker",
            "1048588 Default",
        ];
        assert_eq!(chain(&entry), levels.map(|level| format!("message.max.bytes={level}")));
        let shared = all_brokers(&live);
        assert_eq!(shared.len(), 1);
        assert_eq!(chain(&shared[0]), ["message.max.bytes=2 DynamicDefaultBroker"]);
    }

    #[test]
    fn units_are_told_from_the_one_that_was_asked_for_on() {
        let live = live(&[("log.retention.minutes", "5")], &[], &[]);
        let minutes = find(broker(&live), "log.retention.minutes");
        let hours = "log.retention.hours=168 Default";
        assert_eq!(chain(&minutes), ["log.retention.minutes=5 StaticBroker", hours]);
        assert_eq!(chain(&find(broker(&live), "log.retention.hours")), [hours]);
        let retention = find(topic(&live, &Properties::new()).expect("valid"), "retention.ms");
        // Kafka looks for log.retention.ms first, and finds nothing in front of it.
        assert_eq!(
            (retention.value.as_deref(), retention.source),
            (Some("300000"), Source::Default)
        );
    }

    #[test]
    fn nobody_sees_a_password_or_a_key_that_nobody_knows() {
        let live = live(
            &[
                ("ssl.key.password", "x"),
                ("my.plugin", "y"),
                ("listener.name.a.ssl.key.password", "z"),
            ],
            &[],
            &[],
        );
        for (name, kind) in [
            ("ssl.key.password", 9),
            ("my.plugin", 0),
            ("listener.name.a.ssl.key.password", 9),
        ] {
            let entry = find(broker(&live), name);
            assert_eq!((entry.value, entry.sensitive), (None, true), "{name}");
            assert!(entry.synonyms.iter().all(|synonym| synonym.value.is_none()), "{name}");
            assert_eq!(entry.kind.map_or(0, |kind| kind as i8), kind, "{name}");
        }
    }

    #[test]
    fn internal_keys_are_shown_where_they_are_set() {
        let has = |live: &LiveConfig| {
            broker(live)
                .iter()
                .any(|entry| entry.name == "log.initial.task.delay.ms")
        };
        assert!(!has(&live(&[], &[], &[])));
        assert!(has(&live(&[("log.initial.task.delay.ms", "1")], &[], &[])));
        let shown = |own: &Properties| topic(&live(&[], &[], &[]), own).expect("valid").len();
        assert_eq!(shown(&Properties::new()), 33);
        assert_eq!(shown(&properties(&[("internal.segment.bytes", "7")])), 34);
    }

    #[test]
    fn a_topics_own_value_comes_before_the_brokers() {
        let live = live(
            &[("log.segment.bytes", "2000000")],
            &[("min.insync.replicas", "1")],
            &[],
        );
        let entries = topic(&live, &properties(&[("segment.bytes", "1048576")])).expect("valid");
        let entry = find(entries.clone(), "segment.bytes");
        assert_eq!(
            chain(&entry)[..2],
            ["segment.bytes=1048576 Topic", "log.segment.bytes=2000000 StaticBroker"]
        );
        assert_eq!(
            find(entries, "min.insync.replicas").source,
            Source::DynamicDefaultBroker
        );
        let created = created_topic(&live, &Properties::new());
        assert_eq!(find(created.clone(), "segment.bytes").source, Source::StaticBroker);
        assert_eq!(find(created, "retention.ms").value.as_deref(), Some("604800000"));
    }

    #[test]
    fn groups_and_subscriptions_are_told_with_their_own_sources() {
        let live = live(&[], &[], &[]);
        let entries = group(&live, &properties(&[("share.session.timeout.ms", "50000")])).expect("valid");
        assert_eq!(entries.len(), 17);
        assert_eq!(find(entries.clone(), "share.session.timeout.ms").source, Source::Group);
        assert_eq!(find(entries, "share.isolation.level").synonyms.len(), 1);
        let entries = client_metrics(&properties(&[("metrics", "a.,b.")])).expect("valid");
        assert_eq!(find(entries.clone(), "metrics").source, Source::ClientMetrics);
        assert_eq!(find(entries, "interval.ms").value.as_deref(), Some("300000"));
    }

    #[test]
    fn only_the_names_that_were_asked_for_are_told() {
        let mut entries = broker(&live(&[], &[], &[]));
        let all = entries.len();
        keep_requested(&mut entries, Some(&[]));
        assert_eq!(entries.len(), all);
        keep_requested(&mut entries, Some(&["node.id".to_owned(), "no.such".to_owned()]));
        assert_eq!(entries.len(), 1);
    }
}
