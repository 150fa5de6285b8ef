//! UpdateFeatures: a level is finalised only if every registered node can work at it.

use crate::controller::Caller;
use crate::controller::Controller;
use crate::controller::Outcome;
use crate::controller::Refusal;
use crate::metadata::ConfigResource;
use crate::metadata::MetadataRecord;
use crate::metadata::MetadataVersion;
use crate::metadata::ResourceKind;
use crate::metadata::VersionRange;
use crate::metadata::feature;
use crate::schema::config_record::ConfigRecord;
use crate::schema::feature_level_record::FeatureLevelRecord;
use crate::schema::update_features_request::UpdateFeaturesRequest;
use crate::schema::update_features_response::UpdatableFeatureResult;
use crate::schema::update_features_response::UpdateFeaturesResponse;
use crate::types::ErrorCode;
use compact_str::CompactString;
use std::collections::BTreeMap;

const MIN_ISR: &str = "min.insync.replicas";
const UNSUPPORTED: VersionRange = VersionRange { min: 0, max: 0 };

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UpgradeType {
    Upgrade,
    SafeDowngrade,
    UnsafeDowngrade,
    Unknown,
}

impl UpgradeType {
    fn from_code(code: i8) -> UpgradeType {
        match code {
            1 => UpgradeType::Upgrade,
            2 => UpgradeType::SafeDowngrade,
            3 => UpgradeType::UnsafeDowngrade,
            _ => UpgradeType::Unknown,
        }
    }
}

impl Controller {
    pub fn update_features(
        &self,
        caller: &Caller<'_>,
        request: &UpdateFeaturesRequest,
    ) -> Outcome<UpdateFeaturesResponse> {
        let update = |key: &crate::schema::update_features_request::FeatureUpdateKey| {
            (
                key.feature.clone(),
                (key.max_version_level, UpgradeType::from_code(key.upgrade_type)),
            )
        };
        let updates: BTreeMap<CompactString, (i16, UpgradeType)> = request.feature_updates.iter().map(update).collect();
        let records: Result<Vec<Vec<MetadataRecord>>, Refusal> = updates
            .iter()
            .map(|(name, (level, kind))| self.update_feature(name, *level, *kind))
            .collect();
        let records = match records {
            Ok(records) => records.concat(),
            Err(refusal) => {
                let message = refusal.message.unwrap_or_default();
                let message =
                    format!("The update failed for all features since the following feature had an error: {message}");
                return Outcome::reply(UpdateFeaturesResponse {
                    error_code: refusal.code.code(),
                    error_message: Some(message.into()),
                    ..Default::default()
                });
            }
        };
        // Kafka names the missing error, too.
        let row = |(feature, _): (&CompactString, _)| UpdatableFeatureResult {
            feature: feature.clone(),
            error_code: 0,
            error_message: Some("NONE".into()),
        };
        let results = if caller.version <= 1 {
            updates.iter().map(row).collect()
        } else {
            Vec::new()
        };
        let response = UpdateFeaturesResponse {
            results,
            error_message: None,
            ..Default::default()
        };
        if request.validate_only {
            return Outcome::reply(response);
        }
        let turns_elr_on = updates
            .get(feature::ELIGIBLE_LEADER_REPLICAS)
            .is_some_and(|(level, _)| *level > 0);
        let mut all = if turns_elr_on {
            self.elr_safety_records()
        } else {
            Vec::new()
        };
        all.extend(records);
        Outcome::of(all, response)
    }

    fn update_feature(&self, name: &str, level: i16, kind: UpgradeType) -> Result<Vec<MetadataRecord>, Refusal> {
        let refuse = |why: String| {
            let message = format!("Invalid update version {level} for feature {name}. {why}");
            Err(Refusal::new(ErrorCode::InvalidUpdateVersion, message))
        };
        if kind == UpgradeType::Unknown {
            return refuse("The controller does not support the given upgrade type.".to_owned());
        }
        if level < 0 {
            return refuse("A feature version cannot be less than 0.".to_owned());
        }
        if let Some(why) = self.unsupported_by(name, level) {
            return refuse(why);
        }
        let current = match name {
            feature::KRAFT_VERSION => self.settings().kraft_version,
            name => self.image().feature(name),
        };
        if level < current && kind == UpgradeType::Upgrade {
            return refuse(
                "Can't downgrade the version of this feature without setting the upgrade type to either safe or \
                 unsafe downgrade."
                    .to_owned(),
            );
        }
        if level > current && kind != UpgradeType::Upgrade {
            return refuse("Can't downgrade to a newer version.".to_owned());
        }
        match name {
            feature::METADATA_VERSION => self.update_metadata_version(MetadataVersion(level), kind),
            feature::KRAFT_VERSION if level == current => Ok(Vec::new()),
            feature::KRAFT_VERSION if level < current => {
                refuse("Can't downgrade the version of this feature.".to_owned())
            }
            feature::KRAFT_VERSION => refuse("The quorum of this node was formatted without it.".to_owned()),
            _ if name == feature::ELIGIBLE_LEADER_REPLICAS && level > 0 && !self.level().eligible_leader_replicas() => {
                refuse(format!(
                    "{name} could not be set to {level} because it depends on {} level 23",
                    feature::METADATA_VERSION
                ))
            }
            name => Ok(vec![
                FeatureLevelRecord {
                    name: name.into(),
                    feature_level: level,
                }
                .into(),
            ]),
        }
    }

    fn update_metadata_version(
        &self,
        level: MetadataVersion,
        kind: UpgradeType,
    ) -> Result<Vec<MetadataRecord>, Refusal> {
        let refuse = |message: String| Err(Refusal::new(ErrorCode::InvalidUpdateVersion, message));
        if !level.is_known() {
            let (first, last) = (MetadataVersion::MINIMUM.0, MetadataVersion::LATEST_UNSTABLE.0);
            let message = format!(
                "Invalid metadata.version {}. Valid versions are from {first} to {last}.",
                level.0
            );
            return refuse(message);
        }
        let current = self.level();
        if level < current && current.loses_metadata_at(level) {
            let why = match kind {
                UpgradeType::UnsafeDowngrade => "Unsafe metadata downgrade is not supported in this version.",
                _ => "Refusing to perform the requested downgrade because it might delete metadata information.",
            };
            let message = format!(
                "Unsupported metadata.version downgrade from {} to {}. {why}",
                current.0, level.0
            );
            return refuse(message);
        }
        let name = feature::METADATA_VERSION.into();
        Ok(vec![
            FeatureLevelRecord {
                name,
                feature_level: level.0,
            }
            .into(),
        ])
    }

    /// The first node that cannot work at this level, and what it can.
    fn unsupported_by(&self, name: &str, level: i16) -> Option<String> {
        let lacks = |node: String, features: &BTreeMap<CompactString, VersionRange>| {
            let range = features.get(name).copied().unwrap_or(UNSUPPORTED);
            if range.contains(level) {
                return None;
            }
            Some(match range {
                VersionRange { max: 0, .. } => format!("{node} does not support this feature."),
                VersionRange { min, max } if min == max => format!("{node} only supports versions {min}"),
                VersionRange { min, max } => format!("{node} only supports versions {min}-{max}"),
            })
        };
        let own = self.configuration.node_id();
        let local = lacks(format!("Local controller {own}"), &self.settings().features);
        let broker = || {
            self.image()
                .brokers()
                .find_map(|broker| lacks(format!("Broker {}", broker.id), &broker.features))
        };
        let others = || {
            let others = self.image().controllers().filter(|controller| controller.id != own);
            let mut others = others.filter(|_| self.level().controller_registration());
            others.find_map(|controller| lacks(format!("Controller {}", controller.id), &controller.features))
        };
        local.or_else(broker).or_else(others)
    }

    /// With ELR the minimum of in-sync replicas must be the same for all: set for the cluster, on no single broker.
    fn elr_safety_records(&self) -> Vec<MetadataRecord> {
        let record = |resource_name: &str, value: Option<CompactString>| {
            MetadataRecord::from(ConfigRecord {
                resource_type: ResourceKind::Broker.code(),
                resource_name: resource_name.into(),
                name: MIN_ISR.into(),
                value,
            })
        };
        let mut records = Vec::new();
        let cluster = self.image().config(&ConfigResource::all_brokers());
        if !cluster.is_some_and(|cluster| cluster.contains_key(MIN_ISR)) {
            let value = self.configuration.static_min_isr.to_string();
            records.push(record("", Some(value.into())));
        }
        for (resource, values) in self.image().configs() {
            let single = resource.kind == ResourceKind::Broker && !resource.name.is_empty();
            if single && values.contains_key(MIN_ISR) {
                records.push(record(&resource.name, None));
            }
        }
        records
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::testing::World;
    use crate::schema::update_features_request::FeatureUpdateKey;

    #[test]
    fn a_level_needs_every_node_and_a_word_for_the_way_down() {
        for (name, level, kind, code, why) in [
            ("metadata.version", 30, 1, 0, ""),
            (
                "metadata.version",
                29,
                1,
                95,
                "Can't downgrade the version of this feature without setting",
            ),
            (
                "metadata.version",
                29,
                2,
                95,
                "Unsupported metadata.version downgrade from 30 to 29. Refusing to perform the requested downgrade \
                 because it might delete metadata information.",
            ),
            (
                "metadata.version",
                29,
                3,
                95,
                "Unsafe metadata downgrade is not supported in this version.",
            ),
            (
                "metadata.version",
                6,
                3,
                95,
                "Local controller 0 only supports versions 7-30",
            ),
            (
                "metadata.version",
                31,
                1,
                95,
                "Invalid update version 31 for feature metadata.version.",
            ),
            ("no.such", 1, 1, 95, "Local controller 0 does not support this feature."),
            ("no.such", -1, 1, 95, "A feature version cannot be less than 0."),
            (
                "group.version",
                1,
                9,
                95,
                "The controller does not support the given upgrade type.",
            ),
            ("group.version", 1, 1, 95, "Broker 0 does not support this feature."),
            (
                "kraft.version",
                0,
                2,
                95,
                "Can't downgrade the version of this feature.",
            ),
            ("kraft.version", 1, 1, 0, ""),
            ("eligible.leader.replicas.version", 0, 2, 0, ""),
        ] {
            let mut world = World::with_brokers(1);
            let update = FeatureUpdateKey {
                feature: name.into(),
                max_version_level: level,
                upgrade_type: kind,
                ..Default::default()
            };
            let request = UpdateFeaturesRequest {
                feature_updates: vec![update],
                ..Default::default()
            };
            let reply = world.run(|controller, _| controller.update_features(&Caller::any(2), &request));
            assert_eq!(
                reply.error_code, code,
                "{name} {level} {kind}: {:?}",
                reply.error_message
            );
            assert!(
                reply.error_message.unwrap_or_default().contains(why),
                "{name} {level} {kind}"
            );
        }
    }

    #[test]
    fn turning_elr_on_sets_the_minimum_for_the_whole_cluster() {
        let mut world = World::with_brokers(1);
        let name = CompactString::from(feature::ELIGIBLE_LEADER_REPLICAS);
        world.write(vec![
            FeatureLevelRecord {
                name: name.clone(),
                feature_level: 0,
            }
            .into(),
        ]);
        let resource = ConfigResource::all_brokers();
        world.write(vec![
            ConfigRecord {
                resource_type: 4,
                resource_name: "".into(),
                name: MIN_ISR.into(),
                value: None,
            }
            .into(),
            ConfigRecord {
                resource_type: 4,
                resource_name: "0".into(),
                name: MIN_ISR.into(),
                value: Some("2".into()),
            }
            .into(),
        ]);
        let update = FeatureUpdateKey {
            feature: name,
            max_version_level: 1,
            upgrade_type: 1,
            ..Default::default()
        };
        let request = UpdateFeaturesRequest {
            feature_updates: vec![update],
            ..Default::default()
        };
        world.run(|controller, _| controller.update_features(&Caller::any(2), &request));
        assert!(world.image().elr_enabled());
        assert_eq!(
            world
                .image()
                .config(&resource)
                .unwrap()
                .get(MIN_ISR)
                .map(|value| value.as_str()),
            Some("1")
        );
        assert!(world.image().config(&ConfigResource::broker(0)).is_none());
    }
}
