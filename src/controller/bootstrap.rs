//! What a controller writes when it becomes active: the first records of a new cluster, or the end of what another
//! left half done.

use crate::controller::Controller;
use crate::metadata::MetadataRecord;
use crate::metadata::MetadataVersion;
use crate::metadata::ResourceKind;
use crate::metadata::feature;
use crate::schema::abort_transaction_record::AbortTransactionRecord;
use crate::schema::begin_transaction_record::BeginTransactionRecord;
use crate::schema::config_record::ConfigRecord;
use crate::schema::end_transaction_record::EndTransactionRecord;

impl Controller {
    /// `bootstrap` are the records that formatting left for the first controller.
    pub fn activation_records(&self, bootstrap: &[MetadataRecord]) -> Vec<MetadataRecord> {
        let mut records = Vec::new();
        if self.replay.transaction_start().is_some() {
            records.push(
                AbortTransactionRecord {
                    reason: Some("Controller failover".into()),
                }
                .into(),
            );
        }
        if self.image().metadata_version().is_some() {
            return records;
        }
        let level = level_of(bootstrap, feature::METADATA_VERSION);
        let transaction = MetadataVersion(level).transactions();
        if transaction {
            records.push(
                BeginTransactionRecord {
                    name: Some("Bootstrap records".into()),
                }
                .into(),
            );
        }
        records.extend_from_slice(bootstrap);
        if level_of(bootstrap, feature::ELIGIBLE_LEADER_REPLICAS) > 0 {
            records.push(MetadataRecord::Config(ConfigRecord {
                resource_type: ResourceKind::Broker.code(),
                resource_name: "".into(),
                name: "min.insync.replicas".into(),
                value: Some(self.configuration.static_min_isr.to_string().into()),
            }));
        }
        if transaction {
            records.push(EndTransactionRecord::default().into());
        }
        records
    }
}

fn level_of(bootstrap: &[MetadataRecord], name: &str) -> i16 {
    let mut levels = bootstrap.iter().filter_map(|record| match record {
        MetadataRecord::FeatureLevel(level) if level.name == name => Some(level.feature_level),
        _ => None,
    });
    levels.next().unwrap_or(0)
}
