//! What the controller must know about configs, and who tells it.

use crate::controller::Refusal;
use crate::metadata::ConfigMap;
use crate::metadata::ConfigResource;
use crate::metadata::ResourceKind;
use compact_str::CompactString;

/// Values set by users that decide a topic's config, strongest first; below them lie the file and the defaults.
pub struct Layers<'a> {
    pub topic: &'a ConfigMap,
    pub node: Option<&'a ConfigMap>,
    pub cluster: Option<&'a ConfigMap>,
}

/// One effective config of a new topic, as CreateTopics answers it.
pub struct TopicValue {
    pub name: CompactString,
    pub value: Option<CompactString>,
    /// `ConfigSource` of the protocol: 1 topic, 2 dynamic broker, 3 dynamic default, 4 static, 5 default.
    pub source: i8,
    pub sensitive: bool,
}

pub trait ConfigRules: Send + Sync {
    /// Whether a resource may have these values, all of them together.
    fn validate(&self, resource: &ConfigResource, new: &ConfigMap, old: &ConfigMap) -> Result<(), Refusal>;

    /// Whether values can be appended to it and taken from it.
    fn is_list(&self, kind: ResourceKind, key: &str) -> bool;

    fn default_value(&self, kind: ResourceKind, key: &str) -> Option<CompactString>;

    /// The effective value of a topic's config.
    fn topic_value(&self, key: &str, layers: &Layers<'_>) -> CompactString;

    /// All effective values of a topic, by name.
    fn topic_values(&self, layers: &Layers<'_>) -> Vec<TopicValue>;
}
