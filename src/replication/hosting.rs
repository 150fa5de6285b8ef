//! Carries out what the metadata log says of this broker's partitions: logs are made, led, configured and deleted.
//!
//! Done before the image is published, so that Metadata names a leader only once that partition takes writes.

use crate::clock::SharedClock;
use crate::config::BrokerConfig;
use crate::config::LiveConfig;
use crate::config::Properties;
use crate::config::TopicConfig;
use crate::log::Catalogue;
use crate::log::Choice;
use crate::log::Copied;
use crate::log::FailedDir;
use crate::log::LoadReport;
use crate::log::LogDirs;
use crate::log::LogSettings;
use crate::metadata::Changes;
use crate::metadata::Image;
use crate::metadata::ResourceKind;
use crate::metadata::Topic;
use crate::metadata::directory;
use crate::record::validate::Rejection;
use crate::replication::partition::Partition;
use crate::replication::partition::Role;
use crate::replication::replicas::Plan;
use crate::replication::replicas::Replicas;
use crate::replication::settings::log_settings;
use crate::types::ErrorCode;
use crate::types::NodeId;
use crate::types::PartitionId;
use crate::types::Timestamp;
use crate::types::Uuid;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use tokio::sync::Notify;
use tracing::error;
use tracing::warn;

pub use crate::log::DirInfo;

/// How much of a log on the move is copied before another one gets its turn.
const MOVED_AT_ONCE: u32 = 4 << 20;

pub struct Hosting {
    pub node_id: NodeId,
    pub dirs: Arc<LogDirs>,
    pub replicas: Arc<Replicas>,
    /// Told when logs are planned that somebody should make in the background.
    pub planned: Notify,
    placed: Arc<Placements>,
}

/// A replica that lies elsewhere than the metadata log says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    pub topic_id: Uuid,
    pub partition: PartitionId,
    pub directory: Uuid,
}

/// Those that the controller was not told of yet.
#[derive(Default)]
struct Placements(Mutex<Vec<Placed>>);

impl Placements {
    fn lock(&self) -> MutexGuard<'_, Vec<Placed>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, topic_id: Uuid, partition: PartitionId, directory: Uuid) {
        self.lock().push(Placed {
            topic_id,
            partition,
            directory,
        });
    }
}

/// Settings of topics; those without configs of their own share one.
struct SettingsOf<'a> {
    broker: &'a BrokerConfig,
    image: &'a Image,
    usual: Arc<LogSettings>,
    own: HashMap<Uuid, Arc<LogSettings>>,
}

impl<'a> SettingsOf<'a> {
    fn new(image: &'a Image, broker: &'a BrokerConfig) -> SettingsOf<'a> {
        let usual = Arc::new(log_settings(&TopicConfig::new(broker, &Properties::new()), broker));
        SettingsOf {
            broker,
            image,
            usual,
            own: HashMap::new(),
        }
    }

    fn compute(&self, topic: &str) -> Arc<LogSettings> {
        let Some(own) = self.image.topic_config(topic) else {
            return self.usual.clone();
        };
        let pairs = own.iter().map(|(name, value)| (name.to_string(), value.to_string()));
        let config = TopicConfig::new(self.broker, &pairs.collect());
        Arc::new(log_settings(&config, self.broker))
    }

    fn of(&mut self, topic: &Topic) -> Arc<LogSettings> {
        if let Some(known) = self.own.get(&topic.id) {
            return known.clone();
        }
        let settings = self.compute(&topic.name);
        self.own.insert(topic.id, settings.clone());
        settings
    }
}

/// The folders that belong here, as the metadata log knows them.
struct Known<'a> {
    node_id: NodeId,
    image: &'a Image,
    settings: SettingsOf<'a>,
}

impl Catalogue for Known<'_> {
    fn topic_id(&self, topic: &str, partition: PartitionId, found: Option<Uuid>) -> Option<Uuid> {
        let known = self.image.topic(topic)?;
        let here = known.partition(partition)?.replicas.contains(&self.node_id);
        let same = found.is_none_or(|found| found == known.id);
        (here && same).then_some(known.id)
    }

    fn settings(&self, topic: &str) -> Arc<LogSettings> {
        self.settings.compute(topic)
    }
}

impl Hosting {
    pub fn new(node_id: NodeId, dirs: Arc<LogDirs>, clock: SharedClock) -> Hosting {
        let placed: Arc<Placements> = Arc::default();
        let maker = Maker {
            dirs: dirs.clone(),
            clock,
            placed: placed.clone(),
        };
        Hosting {
            node_id,
            dirs,
            replicas: Arc::new(Replicas::new(Box::new(move |plan| maker.make(plan)))),
            planned: Notify::new(),
            placed,
        }
    }

    /// Opens what the folders hold, as the metadata log stands at the start.
    pub fn load(&self, image: &Image, config: &BrokerConfig, threads: usize, now: Timestamp) -> LoadReport {
        let known = Known {
            node_id: self.node_id,
            image,
            settings: SettingsOf::new(image, config),
        };
        let report = self.dirs.load(&known, threads, now);
        for warning in &report.warnings {
            warn!("{warning}");
        }
        for path in &report.strays {
            warn!("{} belongs to no topic of this cluster: renamed", path.display());
        }
        for (topic, partition, reason) in &report.broken {
            error!("{topic}-{partition} is offline: {reason}");
        }
        for (path, reason) in &report.failed_dirs {
            error!("log dir {} is offline: {reason}", path.display());
        }
        report
    }

    /// Takes in what changed.
    pub fn apply(&self, image: &Image, changes: &Changes, live: &LiveConfig, now: Timestamp) {
        for topic in &changes.topics_deleted {
            let partitions = topic.partitions().iter();
            partitions.for_each(|partition| self.drop_replica(topic, partition.index, now));
        }
        let broker = live.current();
        let mut settings = SettingsOf::new(image, broker);
        let mut to_make = false;
        for (id, index) in &changes.partitions {
            if let Some(topic) = image.topic_by_id(*id) {
                to_make |= self.apply_partition(topic, *index, &mut settings, now);
            }
        }
        if to_make {
            // Only now: whoever makes logs holds up whoever plans them.
            self.planned.notify_one();
        }
        self.apply_configs(image, changes, &mut settings);
    }

    /// `true` if its log is still to be made.
    fn apply_partition(
        &self,
        topic: &Topic,
        index: PartitionId,
        settings: &mut SettingsOf<'_>,
        now: Timestamp,
    ) -> bool {
        let Some(partition) = topic.partition(index) else {
            return false;
        };
        if !partition.replicas.contains(&self.node_id) {
            if self.replicas.get(topic.id, index).is_some() {
                self.drop_replica(topic, index, now);
            }
            return false;
        }
        let role = Role {
            leads: partition.leader == self.node_id,
            leader_epoch: partition.leader_epoch,
        };
        if self.replicas.set_role(topic.id, index, role) {
            return false;
        }
        let wanted = partition.directory_of(self.node_id).unwrap_or(directory::UNASSIGNED);
        let there = self.dirs.get(&topic.name, index).is_some();
        self.replicas.plan(Plan {
            topic: topic.name.clone(),
            topic_id: topic.id,
            index,
            choice: match wanted {
                directory::UNASSIGNED | directory::MIGRATING | directory::LOST => Choice::FewestLogs,
                id => Choice::Dir(id),
            },
            settings: settings.of(topic),
            role,
        });
        if there {
            // It was loaded at the start; nothing is left to be made.
            self.replicas.get(topic.id, index);
        }
        !there
    }

    /// Replicas whose place the controller does not know yet.
    pub fn take_placed(&self) -> Vec<Placed> {
        std::mem::take(&mut self.placed.lock())
    }

    fn drop_replica(&self, topic: &Topic, index: PartitionId, now: Timestamp) {
        if let Some(partition) = self.replicas.remove(topic.id, index) {
            partition.set_role(Role {
                leads: false,
                leader_epoch: partition.role().leader_epoch,
            });
        }
        if let Err(rejection) = self.dirs.delete(&topic.name, index, now) {
            error!("{}-{index} was not deleted: {}", topic.name, rejection.message);
        }
    }

    /// The partitions of a directory that has failed.
    pub fn lose(&self, failed: &FailedDir) {
        for log in &failed.lost {
            if let Some(partition) = self.replicas.take_offline(log.topic_id(), log.partition()) {
                partition.waiters().wake();
            }
        }
    }

    /// Begins to move a log to another directory of this broker, as Kafka's errors say why not.
    pub fn begin_move(&self, topic: &str, partition: PartitionId, to: &Path, now: Timestamp) -> Result<(), Rejection> {
        self.dirs.begin_move((topic, partition), to, now)
    }

    pub fn is_moving(&self) -> bool {
        !self.dirs.futures().is_empty()
    }

    /// Copies a piece of every log on the move, and puts copies that are complete in their logs' place.
    pub fn move_on(&self, now: Timestamp) {
        let moving: Vec<_> = {
            let futures = self.dirs.futures();
            let names = futures
                .iter()
                .flat_map(|(topic, logs)| logs.keys().map(|index| (topic.clone(), *index)));
            names.collect()
        };
        for (topic, index) in moving {
            if let Err(rejection) = self.move_one(&topic, index, now) {
                error!("{topic}-{index} is not moved: {}", rejection.message);
                if let Err(rejection) = self.dirs.abandon_move(&topic, index, now) {
                    error!("the copy of {topic}-{index} was not removed: {}", rejection.message);
                }
            }
        }
    }

    fn move_one(&self, topic: &str, index: PartitionId, now: Timestamp) -> Result<(), Rejection> {
        if self.dirs.copy_some((topic, index), MOVED_AT_ONCE, now)? != Copied::CaughtUp {
            return Ok(());
        }
        let topic_id = self.dirs.get(topic, index).map(|log| log.topic_id());
        let Some(partition) = topic_id.and_then(|id| self.replicas.get(id, index)) else {
            return Ok(());
        };
        let finished = partition.replace_log(|| self.dirs.finish_move(topic, index, now));
        match finished {
            // Something was appended between the last piece and the lock.
            Err(rejection) if rejection.code == ErrorCode::ReassignmentInProgress => return Ok(()),
            other => other?,
        }
        let hosted = self.dirs.hosted(topic, index);
        if let Some(directory) = hosted.and_then(|hosted| hosted.dir.id()) {
            self.placed.push(partition.topic_id, index, directory);
            self.planned.notify_one();
        }
        Ok(())
    }

    /// New values reach the logs at once. A broker's own may be any topic's default.
    fn apply_configs(&self, image: &Image, changes: &Changes, settings: &mut SettingsOf<'_>) {
        let kinds = |kind| changes.configs.iter().filter(move |resource| resource.kind == kind);
        let all = kinds(ResourceKind::Broker).next().is_some();
        let named: Vec<&str> = kinds(ResourceKind::Topic)
            .map(|resource| resource.name.as_str())
            .collect();
        if !all && named.is_empty() {
            return;
        }
        let concerns = |topic: &Topic| all || named.contains(&topic.name.as_str());
        self.replicas.configure_planned(|id| {
            let topic = image.topic_by_id(id).filter(|topic| concerns(topic))?;
            Some(settings.compute(&topic.name))
        });
        for partition in self.replicas.all() {
            if !all && !named.contains(&partition.topic.as_str()) {
                continue;
            }
            if let Some(topic) = image.topic_by_id(partition.topic_id) {
                partition.log().set_settings(settings.of(topic));
            }
        }
    }
}

/// Carries out plans.
struct Maker {
    dirs: Arc<LogDirs>,
    clock: SharedClock,
    placed: Arc<Placements>,
}

impl Maker {
    fn make(&self, plan: &Plan) -> Option<Arc<Partition>> {
        let name = (plan.topic.as_str(), plan.index);
        let settings = plan.settings.clone();
        let made = self
            .dirs
            .get_or_create(name, plan.topic_id, plan.choice, settings, self.clock.now());
        let log = match made {
            Ok(log) => log,
            Err(rejection) => {
                error!("{}-{} is offline: {}", name.0, name.1, rejection.message);
                return None;
            }
        };
        let partition = Partition::new(plan.topic.clone(), plan.topic_id, plan.index, log);
        partition.set_role(plan.role);
        let directory = self.dirs.hosted(name.0, name.1).and_then(|hosted| hosted.dir.id());
        if let Some(directory) = directory.filter(|directory| plan.choice != Choice::Dir(*directory)) {
            self.placed.push(plan.topic_id, plan.index, directory);
        }
        Some(Arc::new(partition))
    }
}
