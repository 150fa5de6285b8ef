//! What this broker does when the cluster changes: partitions, configs. It is told before others can see the change.

use crate::api::context::Handles;
use crate::config::LiveConfig;
use crate::config::Properties;
use crate::metadata::Changes;
use crate::metadata::ConfigResource;
use crate::metadata::Image;
use crate::runtime::observer::ImageListener;
use std::sync::Arc;
use std::sync::PoisonError;
use tracing::warn;

pub struct Changed {
    handles: Arc<Handles>,
}

impl Changed {
    pub fn new(handles: Arc<Handles>) -> Changed {
        Changed { handles }
    }

    /// Overlays the file with what the metadata log has for all brokers and for this one.
    fn update_config(&self, image: &Image) -> Arc<LiveConfig> {
        let stored = |resource: ConfigResource| -> Properties {
            let held = image.config(&resource);
            let pairs = held.into_iter().flat_map(|values| values.iter());
            pairs
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect()
        };
        let for_all = stored(ConfigResource::all_brokers());
        let for_this = stored(ConfigResource::broker(self.handles.node_id));
        let update = self.handles.live().with(&for_all, &for_this);
        update.warnings.iter().for_each(|warning| warn!("{warning}"));
        let live = Arc::new(update.config);
        *self.handles.live.write().unwrap_or_else(PoisonError::into_inner) = live.clone();
        live
    }
}

impl ImageListener for Changed {
    fn on_change(&self, image: &Arc<Image>, changes: &Changes) {
        let own = [
            ConfigResource::all_brokers(),
            ConfigResource::broker(self.handles.node_id),
        ];
        let live = match own.iter().any(|resource| changes.configs.contains(resource)) {
            true => self.update_config(image),
            false => self.handles.live(),
        };
        let now = self.handles.clock.now();
        self.handles.hosting.apply(image, changes, &live, now);
        self.handles.groups.follow(image, changes);
    }
}
