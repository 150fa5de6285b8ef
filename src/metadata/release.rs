//! `metadata.version`: which records, fields and rules a cluster may use.

use std::fmt;

/// A level of `metadata.version`, as finalised in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetadataVersion(pub i16);

impl MetadataVersion {
    /// The oldest that Kafka 4 reads.
    pub const MINIMUM: MetadataVersion = MetadataVersion(7);
    pub const LATEST: MetadataVersion = MetadataVersion(30);
    pub const LATEST_UNSTABLE: MetadataVersion = MetadataVersion(31);

    pub fn scram(self) -> bool {
        self.0 >= 11
    }

    /// Until 3.6 a shrinking ISR raised the leader epoch too.
    pub fn isr_shrink_raises_epoch(self) -> bool {
        self.0 < 12
    }

    pub fn transactions(self) -> bool {
        self.0 >= 13
    }

    pub fn controller_registration(self) -> bool {
        self.0 >= 15
    }

    pub fn directory_assignment(self) -> bool {
        self.0 >= 17
    }

    pub fn eligible_leader_replicas(self) -> bool {
        self.0 >= 23
    }

    pub fn cordoned_directories(self) -> bool {
        self.0 >= 30
    }

    pub fn is_known(self) -> bool {
        Self::MINIMUM <= self && self <= Self::LATEST_UNSTABLE
    }

    /// Whether a level between this one and the lower `older` brought records that `older` cannot hold.
    pub fn loses_metadata_at(self, older: MetadataVersion) -> bool {
        NEW_RECORDS.iter().any(|level| older.0 < *level && *level <= self.0)
    }

    /// "4.3-IV0", as Kafka names it.
    pub fn name(self) -> &'static str {
        let index = usize::try_from(self.0 - Self::MINIMUM.0).ok();
        index.and_then(|index| NAMES.get(index)).copied().unwrap_or("unknown")
    }

    /// The level of a release: "4.1", "4.1.2" or "4.1-IV0".
    pub fn from_release(release: &str) -> Option<MetadataVersion> {
        let short: Vec<&str> = release.split('.').take(2).collect();
        let short = short.join(".");
        let exact = NAMES.iter().position(|name| **name == short);
        let last = || NAMES.iter().rposition(|name| name.split('-').next() == Some(&short));
        let index = exact.or_else(last)?;
        i16::try_from(index)
            .ok()
            .map(|index| MetadataVersion(Self::MINIMUM.0 + index))
    }
}

impl fmt::Display for MetadataVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

const NEW_RECORDS: [i16; 10] = [7, 8, 11, 13, 14, 15, 17, 23, 30, i16::MAX];

const NAMES: [&str; 25] = [
    "3.3-IV3", "3.4-IV0", "3.5-IV0", "3.5-IV1", "3.5-IV2", "3.6-IV0", "3.6-IV1", "3.6-IV2", "3.7-IV0", "3.7-IV1",
    "3.7-IV2", "3.7-IV3", "3.7-IV4", "3.8-IV0", "3.9-IV0", "4.0-IV0", "4.0-IV1", "4.0-IV2", "4.0-IV3", "4.1-IV0",
    "4.1-IV1", "4.2-IV0", "4.2-IV1", "4.3-IV0", "4.4-IV0",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_and_releases_name_each_other() {
        for (release, level) in [("3.3-IV3", 7), ("4.0", 25), ("4.1.1", 27), ("4.3", 30), ("4.4-IV0", 31)] {
            assert_eq!(
                MetadataVersion::from_release(release),
                Some(MetadataVersion(level)),
                "{release}"
            );
        }
        assert_eq!(MetadataVersion::from_release("2.8"), None);
        assert_eq!(MetadataVersion(30).to_string(), "4.3-IV0");
    }

    #[test]
    fn a_downgrade_loses_metadata_where_a_level_between_brought_records() {
        for (from, to, loses) in [
            (30, 29, true),
            (29, 23, false),
            (29, 22, true),
            (31, 30, false),
            (17, 15, true),
        ] {
            assert_eq!(
                MetadataVersion(from).loses_metadata_at(MetadataVersion(to)),
                loses,
                "{from} to {to}"
            );
        }
    }
}
