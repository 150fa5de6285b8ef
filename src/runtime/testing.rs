//! A quorum in a folder of its own, with a clock that stands still.

use crate::clock::ManualClock;
use crate::config::BrokerConfig;
use crate::log::Place;
use crate::metadata::Changes;
use crate::metadata::Endpoint;
use crate::metadata::Image;
use crate::metadata::MetadataRecord;
use crate::metadata::VersionRange;
use crate::metadata::feature;
use crate::raft::epoch::VoterSet;
use crate::raft::snapshot::SnapshotBuilder;
use crate::raft::snapshot::SnapshotHead;
use crate::raft::snapshot::SnapshotId;
use crate::runtime::metadata_store::MetadataStore;
use crate::runtime::metadata_store::Opened;
use crate::runtime::metadata_store::StoreError;
use crate::runtime::metadata_store::StoreSettings;
use crate::runtime::metadata_store::TOPIC;
use crate::runtime::observer::ImageListener;
use crate::runtime::quorum::Identity;
use crate::runtime::quorum::Quorum;
use crate::runtime::snapshots;
use crate::schema::Message;
use crate::schema::broker_registration_request::BrokerRegistrationRequest;
use crate::schema::broker_registration_request::Feature;
use crate::schema::feature_level_record::FeatureLevelRecord;
use crate::schema::voters_record::Voter;
use crate::schema::voters_record::VotersRecord;
use crate::types::NodeId;
use crate::types::Uuid;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering;

pub const DIRECTORY: Uuid = Uuid([0x77; 16]);

/// A folder that goes with its owner.
pub struct Folder(PathBuf);

impl Folder {
    pub fn empty() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ottla-quorum-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// As formatting leaves it for a quorum of one whose members can change.
    pub fn formatted() -> Folder {
        Folder::formatted_for(Some(&[1]))
    }

    /// With these voters in the log's first snapshot, or without it.
    pub fn formatted_for(voters: Option<&[NodeId]>) -> Folder {
        let folder = Folder::empty();
        let mut builder = SnapshotBuilder::new(0, &SnapshotHead::default(), 0);
        for (name, feature_level) in [(feature::METADATA_VERSION, 30), (feature::ELIGIBLE_LEADER_REPLICAS, 1)] {
            let record = MetadataRecord::from(FeatureLevelRecord {
                name: name.into(),
                feature_level,
            });
            builder.push(record.encode(crate::metadata::MetadataVersion::LATEST));
        }
        std::fs::write(folder.path().join(snapshots::BOOTSTRAP), builder.finish()).unwrap();
        std::fs::create_dir(folder.metadata()).unwrap();
        if let Some(ids) = voters {
            let voter = |id: &NodeId| Voter {
                voter_id: *id,
                voter_directory_id: DIRECTORY,
                ..Default::default()
            };
            let voters = VotersRecord {
                voters: ids.iter().map(voter).collect(),
                ..Default::default()
            };
            let voters = Some(VoterSet(voters.to_bytes(0)));
            let first = SnapshotBuilder::new(
                0,
                &SnapshotHead {
                    last_contained: 0,
                    voters,
                },
                0,
            );
            snapshots::write(&folder.metadata(), SnapshotId::FORMATTED, &first.finish()).unwrap();
        }
        folder
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn metadata(&self) -> PathBuf {
        self.0.join(format!("{TOPIC}-0"))
    }

    pub fn open(&self) -> Result<Opened, StoreError> {
        let place = Place::alone(self.metadata(), TOPIC, 0, Uuid::ONE);
        MetadataStore::open(place, StoreSettings::new(&config(&[])), 1, 1_000)
    }

    /// Must be called where tokio runs.
    pub fn start(&self, given: &[(&str, &str)]) -> Quorum {
        let clock = Arc::new(ManualClock::at(1_000));
        Quorum::start(self.open().unwrap(), identity(), &config(given), clock).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub fn config(given: &[(&str, &str)]) -> BrokerConfig {
    let own = [
        ("node.id", "1"),
        ("controller.quorum.bootstrap.servers", "localhost:9093"),
    ];
    let all = own
        .iter()
        .chain(given)
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    BrokerConfig::from_properties(&all.collect()).unwrap()
}

pub fn identity() -> Identity {
    let range = |min, max| VersionRange { min, max };
    Identity {
        cluster_id: "cluster".into(),
        features: [
            (feature::METADATA_VERSION.into(), range(7, 30)),
            (feature::KRAFT_VERSION.into(), range(0, 1)),
            (feature::ELIGIBLE_LEADER_REPLICAS.into(), range(0, 1)),
        ]
        .into(),
        endpoints: vec![Endpoint {
            listener: "CONTROLLER".into(),
            host: "localhost".into(),
            port: 9093,
            security_protocol: 0,
        }],
        seed: [5; 32],
    }
}

pub fn registration(incarnation: u8, previous_broker_epoch: i64) -> BrokerRegistrationRequest {
    let feature = |(name, min, max): (&str, i16, i16)| Feature {
        name: name.into(),
        min_supported_version: min,
        max_supported_version: max,
    };
    let features = [
        (feature::METADATA_VERSION, 7, 30),
        (feature::KRAFT_VERSION, 0, 1),
        (feature::ELIGIBLE_LEADER_REPLICAS, 0, 1),
    ];
    BrokerRegistrationRequest {
        broker_id: 1,
        cluster_id: "cluster".into(),
        incarnation_id: Uuid([incarnation; 16]),
        features: features.into_iter().map(feature).collect(),
        log_dirs: vec![DIRECTORY],
        previous_broker_epoch,
        ..Default::default()
    }
}

/// Writes down what it is told.
#[derive(Default)]
pub struct Heard(pub Mutex<Vec<(Arc<Image>, Changes)>>);

impl ImageListener for Heard {
    fn on_change(&self, image: &Arc<Image>, changes: &Changes) {
        self.0.lock().unwrap().push((image.clone(), changes.clone()));
    }
}
