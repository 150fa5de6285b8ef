//! The controller: commands become metadata records.
//!
//! Every command only judges (`&self`) and returns an `Outcome`: records to append, notes to remember, a reply that is
//! due once the records are durable. State changes only when records and notes are applied, so that what could not be
//! written has never happened.

mod bootstrap;
mod brokers;
mod change;
mod configs;
mod configuration;
mod controllers;
mod create_partitions;
mod delete_topics;
mod directories;
mod elections;
mod features;
mod heartbeats;
mod isr;
mod names;
mod placement;
mod producer_ids;
mod quotas;
mod random;
mod reassign;
mod refusal;
mod scram;
#[cfg(test)]
mod testing;
mod topics;

pub use heartbeats::Note;
pub use names::check_topic_name;
pub use random::Random;
pub use refusal::Refusal;

use crate::config::BrokerConfig;
use crate::controller::configuration::Configuration;
use crate::controller::heartbeats::Heartbeats;
use crate::controller::names::Collisions;
use crate::metadata::Changes;
use crate::metadata::ConfigResource;
use crate::metadata::Image;
use crate::metadata::MetadataRecord;
use crate::metadata::MetadataVersion;
use crate::metadata::Replay;
use crate::metadata::ReplayError;
use crate::metadata::VersionRange;
use crate::types::LeaderEpoch;
use crate::types::NodeId;
use crate::types::Offset;
use crate::types::Timestamp;
use compact_str::CompactString;
use std::collections::BTreeMap;
use std::sync::Arc;

/// More records than this in one command are refused, and in one batch split.
pub const MAX_RECORDS_PER_COMMAND: usize = 10_000;

/// What a command leads to.
#[derive(Debug)]
pub struct Outcome<R> {
    /// To append as one batch, then to apply.
    pub records: Vec<MetadataRecord>,
    /// Soft state, lost when another controller takes over.
    pub notes: Vec<Note>,
    /// Due once the records are durable.
    pub reply: R,
}

impl<R> Outcome<R> {
    pub fn of(records: Vec<MetadataRecord>, reply: R) -> Outcome<R> {
        Outcome {
            records,
            notes: Vec::new(),
            reply,
        }
    }

    pub fn reply(reply: R) -> Outcome<R> {
        Outcome::of(Vec::new(), reply)
    }

    fn without_records(mut self) -> Outcome<R> {
        self.records.clear();
        self
    }

    pub fn map<S>(self, convert: impl FnOnce(R) -> S) -> Outcome<S> {
        Outcome {
            records: self.records,
            notes: self.notes,
            reply: convert(self.reply),
        }
    }
}

/// What the world adds to a command: the time and the dice.
pub struct Moment<'a> {
    pub now: Timestamp,
    pub random: &'a mut Random,
}

/// What a caller may do to a topic or another resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Create,
    Delete,
    Describe,
    DescribeConfigs,
    Alter,
    AlterConfigs,
}

/// What a caller may do; whoever knows the caller answers.
pub trait Rights: Send + Sync {
    fn topic(&self, action: Action, name: &str) -> bool;
    fn resource(&self, action: Action, resource: &ConfigResource) -> bool;
}

/// For the broker itself, and where nobody asks for permission.
pub struct AllRights;

impl Rights for AllRights {
    fn topic(&self, _: Action, _: &str) -> bool {
        true
    }

    fn resource(&self, _: Action, _: &ConfigResource) -> bool {
        true
    }
}

/// Who asks, and in which version of the request.
pub struct Caller<'a> {
    pub version: i16,
    pub rights: &'a dyn Rights,
    /// Whether a broker passed the request on, having checked what only it can check.
    pub forwarded: bool,
}

impl Caller<'_> {
    pub fn any(version: i16) -> Caller<'static> {
        Caller {
            version,
            rights: &AllRights,
            forwarded: true,
        }
    }
}

/// What the controller knows of its cluster and itself beside the configuration.
pub struct Settings {
    pub cluster_id: CompactString,
    /// What this node can do, `metadata.version` and `kraft.version` among it.
    pub features: BTreeMap<CompactString, VersionRange>,
    pub kraft_version: i16,
}

pub struct Controller {
    settings: Settings,
    configuration: Configuration,
    replay: Replay,
    heartbeats: Heartbeats,
    collisions: Collisions,
    /// Where the next record goes.
    end: Offset,
}

impl Controller {
    /// Goes on where the replay stands, with `end` as the next offset; it takes every unfenced broker for alive from
    /// `now` on.
    pub fn new(
        settings: Settings,
        config: BrokerConfig,
        replay: Replay,
        (end, now): (Offset, Timestamp),
    ) -> Controller {
        let image = replay.image();
        let mut collisions = Collisions::default();
        image.topics().for_each(|topic| collisions.insert(&topic.name));
        let heartbeats = Heartbeats::new(image, now);
        let configuration = Configuration::new(config, image);
        Controller {
            settings,
            configuration,
            replay,
            heartbeats,
            collisions,
            end,
        }
    }

    pub fn image(&self) -> &Image {
        self.replay.image()
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    pub fn end(&self) -> Offset {
        self.end
    }

    /// Takes in records that were appended at this offset.
    pub fn apply(
        &mut self,
        base_offset: Offset,
        epoch: LeaderEpoch,
        records: &[MetadataRecord],
    ) -> Result<(), ReplayError> {
        for (offset, record) in (base_offset..).zip(records) {
            self.replay.apply(offset, epoch, record)?;
            self.heartbeats.apply(offset, record);
            self.end = offset + 1;
        }
        Ok(())
    }

    /// Control records move the log on without the controller.
    pub fn passed(&mut self, offset: Offset, epoch: LeaderEpoch) {
        self.replay.passed(offset, epoch);
        self.end = offset + 1;
    }

    /// After the records of the same outcome were applied.
    pub fn remember(&mut self, note: &Note) {
        self.heartbeats.remember(note, self.end - 1);
    }

    /// The image with all that was applied, for those who wait for it to be durable.
    pub fn publish(&mut self) -> (Arc<Image>, Changes) {
        let (image, changes) = self.replay.publish();
        changes
            .topics_deleted
            .iter()
            .for_each(|topic| self.collisions.remove(&topic.name));
        for id in &changes.topics_created {
            if let Some(topic) = image.topic_by_id(*id) {
                self.collisions.insert(&topic.name);
            }
        }
        self.configuration.update(&image, &changes.configs);
        (image, changes)
    }

    fn config(&self) -> &BrokerConfig {
        self.configuration.live.current()
    }

    /// Before the bootstrap records are in, the lowest level there is.
    fn level(&self) -> MetadataVersion {
        self.image().metadata_version().unwrap_or(MetadataVersion::MINIMUM)
    }

    fn is_active(&self, broker: NodeId) -> bool {
        self.image().broker(broker).is_some_and(|broker| broker.is_active())
    }

    fn topic_value(&self, topic: &str, key: &str) -> Option<&CompactString> {
        self.image().topic_config(topic)?.get(key)
    }

    fn unclean_election_allowed(&self, topic: &str) -> bool {
        match self.topic_value(topic, "unclean.leader.election.enable") {
            Some(value) => value.trim().eq_ignore_ascii_case("true"),
            None => self.configuration.topic_defaults.unclean_leader_election,
        }
    }

    /// What Kafka answers to a command that would write too much at once.
    fn bounded(records: &[MetadataRecord]) -> Result<(), Refusal> {
        match records.len() <= MAX_RECORDS_PER_COMMAND {
            true => Ok(()),
            false => Err(Refusal::too_large()),
        }
    }
}
