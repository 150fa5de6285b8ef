//! Features of a cluster: their levels, which of them come with a release, and what they need.

use crate::format::error::FormatError;
use crate::metadata::MetadataVersion;
use crate::metadata::feature;
use std::collections::BTreeMap;

/// A level of `metadata.version` that exists.
pub fn release_of_level(level: i16) -> Result<MetadataVersion, FormatError> {
    let release = MetadataVersion(level);
    match release.is_known() {
        true => Ok(release),
        false => Err(FormatError(format!(
            "No MetadataVersion with feature level {level}. Valid feature levels are from {} to {}.",
            MetadataVersion::MINIMUM.0,
            MetadataVersion::LATEST_UNSTABLE.0
        ))),
    }
}

/// "4.3", "4.3.1" or "4.3-IV0"; a release means its last stable level.
pub fn release_of_name(name: &str, unstable: bool) -> Result<MetadataVersion, FormatError> {
    let newest = if unstable {
        MetadataVersion::LATEST_UNSTABLE
    } else {
        MetadataVersion::LATEST
    };
    // Of an unfinished release only the levels have names, not the release.
    let named = |release: &MetadataVersion| is_stable(*release) || release.name() == name;
    let found = MetadataVersion::from_release(name)
        .filter(|release| *release <= newest)
        .filter(named);
    found.ok_or_else(|| {
        let known = (MetadataVersion::MINIMUM.0..=newest.0).map(|level| MetadataVersion(level).name());
        let known = known.collect::<Vec<_>>().join(", ");
        FormatError(format!(
            "Unknown metadata.version '{name}'. Supported metadata.version are: {known}"
        ))
    })
}

fn is_stable(release: MetadataVersion) -> bool {
    release <= MetadataVersion::LATEST
}

pub struct Feature {
    pub name: &'static str,
    /// The release with which level 1, 2 … comes.
    comes_with: &'static [MetadataVersion],
    /// The least `metadata.version` for level 1 and above, where it is more than any release has.
    needs: Option<MetadataVersion>,
}

/// In Kafka's order.
pub static FEATURES: [Feature; 6] = [
    Feature {
        name: feature::KRAFT_VERSION,
        comes_with: &[MetadataVersion(21)],
        needs: None,
    },
    Feature {
        name: "transaction.version",
        comes_with: &[MetadataVersion(24), MetadataVersion(24)],
        needs: None,
    },
    Feature {
        name: "group.version",
        comes_with: &[MetadataVersion(22)],
        needs: None,
    },
    Feature {
        name: "eligible.leader.replicas.version",
        comes_with: &[MetadataVersion(26)],
        needs: Some(MetadataVersion(23)),
    },
    Feature {
        name: "share.version",
        comes_with: &[MetadataVersion(28)],
        needs: None,
    },
    Feature {
        name: "streams.version",
        comes_with: &[MetadataVersion(29)],
        needs: None,
    },
];

impl Feature {
    pub fn find(name: &str) -> Option<&'static Feature> {
        FEATURES.iter().find(|feature| feature.name == name)
    }

    /// The level that a cluster of this release starts with.
    pub fn default_level(&self, release: MetadataVersion) -> i16 {
        self.comes_with.iter().take_while(|needed| **needed <= release).count() as i16
    }

    pub fn has_level(&self, level: i16) -> bool {
        (0..=self.comes_with.len() as i16).contains(&level)
    }

    /// What a level needs besides itself.
    pub fn needs(&self, level: i16) -> Option<MetadataVersion> {
        self.needs.filter(|_| level > 0)
    }

    fn check(&self, level: i16, release: MetadataVersion) -> Result<(), FormatError> {
        if !self.has_level(level) {
            return Err(FormatError(format!(
                "No feature:{} with feature level {level}",
                self.name
            )));
        }
        match self.needs(level) {
            Some(needed) if release < needed => Err(FormatError(format!(
                "{} could not be set to {level} because it depends on metadata.version level {}",
                self.name, needed.0
            ))),
            _ => Ok(()),
        }
    }
}

/// What a person asked for.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    pub release: Option<MetadataVersion>,
    pub levels: BTreeMap<String, i16>,
    pub unstable: bool,
    /// No fixed set of voters is configured.
    pub dynamic_quorum: bool,
}

/// The release and every feature's level, `metadata.version` and `kraft.version` among them.
pub fn decide(wishes: &Wishes) -> Result<(MetadataVersion, BTreeMap<String, i16>), FormatError> {
    let release = decide_release(wishes)?;
    if let Some(name) = wishes
        .levels
        .keys()
        .find(|name| *name != feature::METADATA_VERSION && Feature::find(name).is_none())
    {
        let mut known: Vec<&str> = FEATURES.iter().map(|feature| feature.name).collect();
        known.sort_unstable();
        let known = known.join(", ");
        return Err(FormatError(format!(
            "Unsupported feature: {name}. Supported features are: {known}"
        )));
    }
    let mut levels = BTreeMap::from([(feature::METADATA_VERSION.to_owned(), release.0)]);
    for known in &FEATURES {
        let wished = wishes.levels.get(known.name).copied();
        let level = match known.name {
            feature::KRAFT_VERSION => decide_kraft(wished, wishes.dynamic_quorum)?,
            _ => wished.unwrap_or_else(|| known.default_level(release)),
        };
        known.check(level, release)?;
        levels.insert(known.name.to_owned(), level);
    }
    Ok((release, levels))
}

fn decide_release(wishes: &Wishes) -> Result<MetadataVersion, FormatError> {
    let release = match (wishes.levels.get(feature::METADATA_VERSION), wishes.release) {
        (Some(_), Some(_)) => {
            return Err(FormatError::new(
                "Use --release-version instead of --feature metadata.version=X to avoid ambiguity.",
            ));
        }
        (Some(level), None) => release_of_level(*level)?,
        (None, Some(release)) => release,
        (None, None) if wishes.unstable => MetadataVersion::LATEST_UNSTABLE,
        (None, None) => MetadataVersion::LATEST,
    };
    match is_stable(release) || wishes.unstable {
        true => Ok(release),
        false => Err(FormatError(format!(
            "metadata.version {} is not yet stable.",
            release.name()
        ))),
    }
}

fn decide_kraft(wished: Option<i16>, dynamic: bool) -> Result<i16, FormatError> {
    match (wished, dynamic) {
        (None, dynamic) => Ok(i16::from(dynamic)),
        (Some(0), true) => Err(FormatError::new(
            "Cannot set kraft.version to 0 if controller.quorum.voters is empty and one of the flags --standalone, \
             --initial-controllers, or --no-initial-controllers is used. For dynamic controllers support, try removing \
             the --feature flag for kraft.version.",
        )),
        (Some(level), false) if level != 0 => Err(FormatError(format!(
            "Cannot set kraft.version to {level} unless controller.quorum.voters is empty and one of the flags \
             --standalone, --initial-controllers, or --no-initial-controllers is used. For dynamic controllers support, \
             try using one of --standalone, --initial-controllers, or --no-initial-controllers and removing \
             controller.quorum.voters."
        ))),
        (Some(level), _) => Ok(level),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wishes(levels: &[(&str, i16)]) -> Wishes {
        let levels = levels
            .iter()
            .map(|(name, level)| ((*name).to_owned(), *level))
            .collect();
        Wishes {
            levels,
            dynamic_quorum: true,
            ..Wishes::default()
        }
    }

    fn shown(wishes: &Wishes) -> Result<String, String> {
        let (_, levels) = decide(wishes).map_err(|error| error.0)?;
        Ok(levels.values().map(i16::to_string).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn features_come_with_the_release() {
        // eligible.leader.replicas group kraft metadata share streams transaction
        for (name, levels) in [
            ("4.3", "1 1 1 30 1 1 2"),
            ("4.0.1", "0 1 1 25 0 0 2"),
            ("3.7", "0 0 1 19 0 0 0"),
        ] {
            let release = Some(release_of_name(name, false).expect(name));
            assert_eq!(
                shown(&Wishes { release, ..wishes(&[]) }),
                Ok(levels.to_owned()),
                "{name}"
            );
        }
        assert_eq!(
            shown(&Wishes {
                dynamic_quorum: false,
                ..wishes(&[])
            }),
            Ok("1 1 0 30 1 1 2".to_owned())
        );
        assert_eq!(
            shown(&Wishes {
                unstable: true,
                ..wishes(&[])
            }),
            Ok("1 1 1 31 1 1 2".to_owned())
        );
    }

    #[test]
    fn wishes_that_cannot_be_are_refused_in_the_words_of_kafka() {
        for (levels, said) in [
            (
                vec![("metadata.version", 31)],
                "metadata.version 4.4-IV0 is not yet stable.",
            ),
            (
                vec![("metadata.version", 6)],
                "No MetadataVersion with feature level 6. Valid feature levels are from 7 to 31.",
            ),
            (
                vec![("foo", 1)],
                "Unsupported feature: foo. Supported features are: eligible.leader.replicas.version, group.version, kraft.version, share.version, streams.version, transaction.version",
            ),
            (
                vec![("group.version", 2)],
                "No feature:group.version with feature level 2",
            ),
            (
                vec![("metadata.version", 22), ("eligible.leader.replicas.version", 1)],
                "eligible.leader.replicas.version could not be set to 1 because it depends on metadata.version level 23",
            ),
        ] {
            assert_eq!(shown(&wishes(&levels)), Err(said.to_owned()));
        }
        assert!(
            shown(&wishes(&[("kraft.version", 0)]))
                .is_err_and(|said| said.starts_with("Cannot set kraft.version to 0 if"))
        );
        let fixed = Wishes {
            dynamic_quorum: false,
            ..wishes(&[("kraft.version", 1)])
        };
        assert!(shown(&fixed).is_err_and(|said| said.starts_with("Cannot set kraft.version to 1 unless")));
        let both = Wishes {
            release: Some(MetadataVersion::LATEST),
            ..wishes(&[("metadata.version", 30)])
        };
        assert!(shown(&both).is_err_and(|said| said.starts_with("Use --release-version instead of")));
    }

    #[test]
    fn releases_are_known_by_their_names() {
        for (name, level) in [("3.3", 7), ("3.3.2", 7), ("4.2", 29), ("4.2-IV0", 28), ("4.4-IV0", 31)] {
            assert_eq!(
                release_of_name(name, true).map(|release| release.0),
                Ok(level),
                "{name}"
            );
        }
        for name in ["4.4", "9.9", "", "4", "4.3-IV9"] {
            assert!(release_of_name(name, true).is_err(), "{name}");
        }
        assert!(release_of_name("4.4-IV0", false).is_err_and(|error| error.0.ends_with("4.2-IV1, 4.3-IV0")));
    }
}
