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
                name: "group.version",
                lowest: 0,
                highest: 1,
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

    /// One line about what a metadata log finalises and this node cannot do: the log opens all the same, without it.
    pub fn not_served<'a>(&self, finalized: impl Iterator<Item = (&'a str, i16)>) -> Option<String> {
        let named: Vec<String> = self
            .missing(finalized)
            .map(|(name, level)| format!("{name}={level}"))
            .collect();
        (!named.is_empty()).then(|| {
            format!(
                "the metadata log finalizes {}, which is not served yet; it is kept, everything else works",
                named.join(", ")
            )
        })
    }

    /// What an operator can do so that a cluster takes this node in after all.
    pub fn how_to_join<'a>(&self, finalized: impl Iterator<Item = (&'a str, i16)>, controller: &str) -> Option<String> {
        let lower: Vec<String> = self
            .missing(finalized)
            .map(|(name, _)| format!("--feature {name}=0"))
            .collect();
        (!lower.is_empty()).then(|| {
            format!(
                "this broker does not serve features that the cluster has finalized; to let it join, lower them first: \
                 kafka-features --bootstrap-controller {controller} downgrade {}",
                lower.join(" ")
            )
        })
    }

    fn missing<'a>(&self, finalized: impl Iterator<Item = (&'a str, i16)>) -> impl Iterator<Item = (&'a str, i16)> {
        let known = |(name, level): &(&str, i16)| *level <= 0 || self.0.iter().any(|known| known.name == *name);
        let mut missing: Vec<_> = finalized.filter(|feature| !known(feature)).collect();
        missing.sort_unstable();
        missing.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finalized_features_that_are_not_served_are_named_in_one_line() {
        let features = Features::new(&BrokerConfig::from_properties(&Default::default()).expect("defaults"));
        for (finalized, named) in [
            (vec![("metadata.version", 30), ("kraft.version", 1)], None),
            (vec![("share.version", 0)], None),
            (
                vec![
                    ("transaction.version", 2),
                    ("metadata.version", 30),
                    ("share.version", 1),
                ],
                Some("share.version=1, transaction.version=2"),
            ),
        ] {
            let command = features.how_to_join(finalized.iter().copied(), "c:9093");
            let line = features.not_served(finalized.into_iter());
            assert_eq!(line.is_some(), named.is_some(), "{named:?}");
            assert!(line.is_none_or(|line| line.contains(named.unwrap_or_default()) && !line.contains('\n')));
            let lowered = named.map(|_| "c:9093 downgrade --feature share.version=0 --feature transaction.version=0");
            assert_eq!(command.is_some(), named.is_some(), "{named:?}");
            assert!(command.is_none_or(|command| command.ends_with(lowered.unwrap_or_default())));
        }
    }
}
