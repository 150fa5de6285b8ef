//! Features that this node can do, as ApiVersions and the registration tell them.
//!
//! A feature is claimed only once its coordinator works.

use crate::config::BrokerConfig;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Feature {
    pub name: &'static str,
    pub lowest: i16,
    pub highest: i16,
}

#[derive(Clone, Debug)]
pub struct Features(Vec<Feature>);

const METADATA_VERSION: Feature = Feature {
    name: "metadata.version",
    lowest: 7,
    highest: 30,
};
/// Kafka's next level, whose records may still change.
const UNSTABLE_METADATA_VERSION: i16 = 31;

impl Features {
    pub fn new(config: &BrokerConfig) -> Features {
        let highest = match config.unstable_feature_versions() {
            true => UNSTABLE_METADATA_VERSION,
            false => METADATA_VERSION.highest,
        };
        Features(vec![
            Feature {
                highest,
                ..METADATA_VERSION
            },
            Feature {
                name: "kraft.version",
                lowest: 0,
                highest: 1,
            },
            Feature {
                name: "eligible.leader.replicas.version",
                lowest: 0,
                highest: 1,
            },
        ])
    }

    pub fn supported(&self) -> &[Feature] {
        &self.0
    }
}
