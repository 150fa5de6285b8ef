//! What formatting will write, decided before anything is written.

use crate::config::BrokerConfig;
use crate::format::World;
use crate::format::error::FormatError;
use crate::format::features;
use crate::format::features::Wishes;
use crate::format::voters::Voter;
use crate::metadata::MetadataRecord;
use crate::metadata::MetadataVersion;
use crate::metadata::feature;
use crate::schema::feature_level_record::FeatureLevelRecord;
use crate::schema::user_scram_credential_record::UserScramCredentialRecord;
use crate::types::NodeId;
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
pub struct Plan {
    pub node_id: NodeId,
    pub cluster_id: String,
    pub folders: BTreeSet<String>,
    /// The one of the folders that gets the metadata log.
    pub metadata_folder: String,
    pub controller_listener: String,
    pub release: MetadataVersion,
    pub records: Vec<MetadataRecord>,
    /// The voters that the metadata log begins with, when they live in it.
    pub voters: Option<Vec<Voter>>,
    /// Folders that are formatted already are left alone instead of being an error.
    pub ignore_formatted: bool,
}

/// Features whose coordinators this program does not have yet: a cluster of its own does not promise them.
const NOT_SERVED: [&str; 3] = [
    feature::SHARE_VERSION,
    feature::STREAMS_VERSION,
    feature::TRANSACTION_VERSION,
];

impl Plan {
    pub fn new(config: &BrokerConfig, cluster_id: String, wishes: &Wishes) -> Result<Plan, FormatError> {
        let (release, levels) = features::decide(wishes)?;
        let level = |name: &str| levels.get(name).copied().unwrap_or(0);
        let level_record = |name: &str| {
            let record = FeatureLevelRecord {
                name: name.into(),
                feature_level: level(name),
            };
            MetadataRecord::FeatureLevel(record)
        };
        // kraft.version is agreed on in the log's control records instead.
        let others = levels
            .keys()
            .map(String::as_str)
            .filter(|name| level(name) > 0 && *name != feature::METADATA_VERSION && *name != feature::KRAFT_VERSION);
        let mut folders: BTreeSet<String> = config.log_dirs().iter().cloned().collect();
        folders.insert(config.metadata_log_dir().to_owned());
        Ok(Plan {
            node_id: config.node_id,
            cluster_id,
            folders,
            metadata_folder: config.metadata_log_dir().to_owned(),
            controller_listener: config.controller_listener_names().first().cloned().unwrap_or_default(),
            release,
            records: std::iter::once(feature::METADATA_VERSION)
                .chain(others)
                .map(level_record)
                .collect(),
            voters: None,
            ignore_formatted: false,
        })
    }

    /// What a node does that finds its folders empty when it starts: a controller becomes the only voter.
    pub fn of_its_own(config: &BrokerConfig, world: &mut World<'_>) -> Result<Plan, FormatError> {
        let wishes = Wishes {
            unstable: config.unstable_feature_versions(),
            dynamic_quorum: config.voters.is_empty(),
            levels: NOT_SERVED.iter().map(|name| ((*name).to_owned(), 0)).collect(),
            ..Wishes::default()
        };
        let mut plan = Plan::new(config, world.fresh_id().to_string(), &wishes)?;
        if config.roles.controller && config.voters.is_empty() {
            plan.voters = Some(vec![standalone_voter(config, world)?]);
        }
        plan.ignore_formatted = true;
        Ok(plan)
    }

    pub fn add_credentials(&mut self, credentials: Vec<UserScramCredentialRecord>) -> Result<(), FormatError> {
        if !credentials.is_empty() && !self.release.scram() {
            return Err(FormatError::new(
                "SCRAM is only supported in metadata.version 3.5-IV2 or later.",
            ));
        }
        self.records
            .extend(credentials.into_iter().map(MetadataRecord::UserScramCredential));
        Ok(())
    }
}

/// This node as the only controller.
pub fn standalone_voter(config: &BrokerConfig, world: &mut World<'_>) -> Result<Voter, FormatError> {
    if !config.roles.controller {
        return Err(FormatError::new("You can only use --standalone on a controller."));
    }
    let endpoints = config.advertised_controller_listeners();
    let endpoint = endpoints
        .first()
        .ok_or(FormatError::new("No controller listeners found."))?;
    Ok(Voter {
        id: config.node_id,
        directory: world.fresh_id(),
        host: endpoint.host.clone().unwrap_or_else(|| "localhost".to_owned()),
        port: u16::try_from(endpoint.port).unwrap_or_default(),
    })
}
