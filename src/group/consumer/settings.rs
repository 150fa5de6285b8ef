//! The values that a group works with, kept until the cluster or the broker has others.

use crate::config::BrokerConfig;
use crate::config::Properties;
use crate::config::group;
use crate::group::World;
use crate::group::consumer::assignor::Assignor;
use crate::metadata::ConfigMap;
use crate::metadata::ConfigResource;
use crate::metadata::ResourceKind;
use compact_str::CompactString;
use std::sync::Arc;

#[derive(Debug)]
pub struct Settings {
    pub session_timeout_ms: i32,
    pub heartbeat_interval_ms: i32,
    pub assignment_interval_ms: i32,
    pub max_size: usize,
    pub regex_refresh_interval_ms: i32,
    pub assignors: Vec<Assignor>,
    broker: Arc<BrokerConfig>,
    own: Option<Arc<ConfigMap>>,
}

impl Settings {
    pub fn of(id: &CompactString, world: &World) -> Settings {
        let broker = world.config.values();
        let own = own(id, world).cloned();
        let given: Properties = own
            .iter()
            .flat_map(|own| own.iter())
            .map(|(key, text)| (key.to_string(), text.to_string()))
            .collect();
        let values = group::effective(&world.config, &given).ok();
        let value = |name: &str| match &values {
            Some(values) => values.int(name),
            None => broker.int(&format!("group.{name}")),
        };
        let assignors = broker.list("group.consumer.assignors").iter();
        Settings {
            session_timeout_ms: value("consumer.session.timeout.ms"),
            heartbeat_interval_ms: value("consumer.heartbeat.interval.ms"),
            assignment_interval_ms: value("consumer.assignment.interval.ms"),
            max_size: usize::try_from(broker.int("group.consumer.max.size")).unwrap_or(usize::MAX),
            regex_refresh_interval_ms: broker.int("group.consumer.regex.refresh.interval.ms"),
            assignors: assignors.filter_map(|name| Assignor::named(name)).collect(),
            broker: world.config.clone(),
            own,
        }
    }

    pub fn are_of(&self, id: &CompactString, world: &World) -> bool {
        let same = match (&self.own, own(id, world)) {
            (None, None) => true,
            (Some(ours), Some(theirs)) => Arc::ptr_eq(ours, theirs),
            _ => false,
        };
        same && Arc::ptr_eq(&self.broker, &world.config)
    }

    /// The first that is configured is the default.
    pub fn default_assignor(&self) -> Assignor {
        self.assignors.first().copied().unwrap_or(Assignor::Uniform)
    }
}

fn own<'a>(id: &CompactString, world: &'a World) -> Option<&'a Arc<ConfigMap>> {
    world
        .image
        .config(&ConfigResource::new(ResourceKind::Group, id.clone()))
}
