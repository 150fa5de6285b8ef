//! The node's configuration as the controller needs it: its file's, with what the metadata log lays over it.

use crate::config::BrokerConfig;
use crate::config::LiveConfig;
use crate::config::Properties;
use crate::config::TopicConfig;
use crate::metadata::ConfigMap;
use crate::metadata::ConfigResource;
use crate::metadata::Image;
use crate::types::NodeId;
use std::collections::BTreeSet;

pub(super) struct Configuration {
    pub live: LiveConfig,
    /// Of a topic that sets nothing itself.
    pub topic_defaults: TopicConfig,
    /// `min.insync.replicas` as the file has it: what ELR starts from.
    pub static_min_isr: i32,
}

impl Configuration {
    pub fn new(start: BrokerConfig, image: &Image) -> Configuration {
        let static_min_isr = start.min_insync_replicas();
        let topic_defaults = TopicConfig::new(&start, &Properties::new());
        let live = LiveConfig::new(start);
        let mut configuration = Configuration {
            live,
            topic_defaults,
            static_min_isr,
        };
        configuration.reload(image);
        configuration
    }

    pub fn node_id(&self) -> NodeId {
        self.live.current().node_id
    }

    /// After configs of all brokers or of this node changed.
    pub fn update(&mut self, image: &Image, changed: &BTreeSet<ConfigResource>) {
        let own = ConfigResource::broker(self.node_id());
        if changed.contains(&own) || changed.contains(&ConfigResource::all_brokers()) {
            self.reload(image);
        }
    }

    fn reload(&mut self, image: &Image) {
        let stored = |resource| {
            image
                .config(&resource)
                .map(|values| properties(values))
                .unwrap_or_default()
        };
        let for_all = stored(ConfigResource::all_brokers());
        let for_this = stored(ConfigResource::broker(self.node_id()));
        // What does not fit is left out here as everywhere; the broker says so once.
        self.live = self.live.with(&for_all, &for_this).config;
        self.topic_defaults = TopicConfig::new(self.live.current(), &Properties::new());
    }
}

/// The same values in the words of `config`.
pub(super) fn properties(values: &ConfigMap) -> Properties {
    values
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect()
}
