//! A member of a consumer group: what it said about itself, and where it stands on the way to its target.

use crate::group::Client;
use crate::metadata::Image;
use crate::schema::consumer_group_current_member_assignment_value as current;
use crate::schema::consumer_group_current_member_assignment_value::ConsumerGroupCurrentMemberAssignmentValue;
use crate::schema::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use crate::schema::consumer_group_member_metadata_value::ClassicMemberMetadata;
use crate::schema::consumer_group_member_metadata_value::ConsumerGroupMemberMetadataValue;
use crate::types::PartitionId;
use crate::types::Uuid;
use compact_str::CompactString;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// A member joins with this epoch.
pub const JOIN: i32 = 0;
/// A member leaves with it.
pub const LEAVE: i32 = -1;
/// A static member leaves with it, and will be back.
pub const LEAVE_FOR_NOW: i32 = -2;

/// Partitions by topic.
pub type Partitions = BTreeMap<Uuid, BTreeSet<PartitionId>>;
/// Partitions by topic, each with the epoch at which the member got it.
pub type Held = BTreeMap<Uuid, BTreeMap<PartitionId, i32>>;

#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    pub id: CompactString,
    pub about: Arc<About>,
    pub standing: Arc<Standing>,
}

/// What the member told: the value of its metadata record.
#[derive(Clone, Debug, PartialEq)]
pub struct About {
    pub instance_id: Option<CompactString>,
    pub rack_id: Option<CompactString>,
    pub client_id: CompactString,
    pub client_host: CompactString,
    pub topics: BTreeSet<CompactString>,
    pub regex: Option<CompactString>,
    pub rebalance_timeout_ms: i32,
    pub server_assignor: Option<CompactString>,
    /// Of a member that came by the classic protocol.
    pub classic: Option<ClassicMemberMetadata>,
}

/// Epochs and partitions: the value of its current assignment record.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    pub epoch: i32,
    pub previous_epoch: i32,
    pub state: State,
    pub assigned: Held,
    /// To be let go by the member before it may go on.
    pub revoking: Held,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Stable,
    /// It must let partitions go first.
    Unrevoked,
    /// It waits for partitions that others have not let go yet.
    Unreleased,
    /// Written by a later release.
    Unknown,
}

impl Member {
    pub fn new(id: CompactString) -> Member {
        Member {
            id,
            about: Arc::new(About::default()),
            standing: Arc::new(Standing::default()),
        }
    }

    pub fn epoch(&self) -> i32 {
        self.standing.epoch
    }

    pub fn is_classic(&self) -> bool {
        self.about.classic.is_some()
    }

    pub fn reached(&self, epoch: i32) -> bool {
        self.standing.state == State::Stable && self.standing.epoch == epoch
    }
}

impl Default for About {
    fn default() -> About {
        About {
            instance_id: None,
            rack_id: None,
            client_id: CompactString::default(),
            client_host: CompactString::default(),
            topics: BTreeSet::new(),
            regex: None,
            rebalance_timeout_ms: -1,
            server_assignor: None,
            classic: None,
        }
    }
}

impl About {
    /// An empty expression is none.
    pub fn regex(&self) -> Option<&CompactString> {
        self.regex.as_ref().filter(|regex| !regex.is_empty())
    }

    /// What a heartbeat leaves out stays as it was.
    pub fn updated(self: &Arc<About>, client: &Client, request: &ConsumerGroupHeartbeatRequest) -> Arc<About> {
        let silent = request.instance_id.is_none()
            && request.rack_id.is_none()
            && request.rebalance_timeout_ms == -1
            && request.server_assignor.is_none()
            && request.subscribed_topic_names.is_none()
            && request.subscribed_topic_regex.is_none();
        if silent && self.client_id == client.id && self.client_host == client.host && self.classic.is_none() {
            return self.clone();
        }
        let or = |new: &Option<CompactString>, old: &Option<CompactString>| new.clone().or_else(|| old.clone());
        let names = request.subscribed_topic_names.as_ref();
        Arc::new(About {
            instance_id: or(&request.instance_id, &self.instance_id),
            rack_id: or(&request.rack_id, &self.rack_id),
            client_id: client.id.clone(),
            client_host: client.host.clone(),
            topics: names.map_or_else(|| self.topics.clone(), |names| names.iter().cloned().collect()),
            regex: or(&request.subscribed_topic_regex, &self.regex),
            rebalance_timeout_ms: match request.rebalance_timeout_ms {
                -1 => self.rebalance_timeout_ms,
                timeout => timeout,
            },
            server_assignor: or(&request.server_assignor, &self.server_assignor),
            classic: None,
        })
    }

    pub fn from_record(value: &ConsumerGroupMemberMetadataValue) -> About {
        About {
            instance_id: value.instance_id.clone(),
            rack_id: value.rack_id.clone(),
            client_id: value.client_id.clone(),
            client_host: value.client_host.clone(),
            topics: value.subscribed_topic_names.iter().cloned().collect(),
            regex: value.subscribed_topic_regex.clone(),
            rebalance_timeout_ms: value.rebalance_timeout_ms,
            server_assignor: value.server_assignor.clone(),
            classic: value.classic_member_metadata.clone(),
        }
    }

    pub fn to_record(&self) -> ConsumerGroupMemberMetadataValue {
        ConsumerGroupMemberMetadataValue {
            instance_id: self.instance_id.clone(),
            rack_id: self.rack_id.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            subscribed_topic_names: self.topics.iter().cloned().collect(),
            subscribed_topic_regex: self.regex.clone(),
            rebalance_timeout_ms: self.rebalance_timeout_ms,
            server_assignor: self.server_assignor.clone(),
            classic_member_metadata: self.classic.clone(),
        }
    }
}

impl Default for Standing {
    fn default() -> Standing {
        Standing {
            epoch: JOIN,
            previous_epoch: -1,
            state: State::Stable,
            assigned: Held::new(),
            revoking: Held::new(),
        }
    }
}

impl Standing {
    /// Of a member whose record was taken back.
    pub fn gone() -> Standing {
        Standing {
            epoch: LEAVE,
            previous_epoch: LEAVE,
            ..Standing::default()
        }
    }

    /// A static member that will be back: whoever comes with its instance id takes its partitions over.
    pub fn away(&self) -> Standing {
        let zeroed = |partitions: &BTreeMap<PartitionId, i32>| partitions.keys().map(|index| (*index, 0)).collect();
        Standing {
            epoch: LEAVE_FOR_NOW,
            assigned: self.assigned.iter().map(|(id, held)| (*id, zeroed(held))).collect(),
            revoking: Held::new(),
            ..self.clone()
        }
    }

    pub fn from_record(value: &ConsumerGroupCurrentMemberAssignmentValue) -> Standing {
        // Members that left for now were once written without epochs; theirs must not be negative.
        let epoch = value.member_epoch.max(0);
        Standing {
            epoch: value.member_epoch,
            previous_epoch: value.previous_member_epoch,
            state: State::from_code(value.state),
            assigned: read_held(&value.assigned_partitions, epoch),
            revoking: read_held(&value.partitions_pending_revocation, epoch),
        }
    }

    pub fn to_record(&self) -> ConsumerGroupCurrentMemberAssignmentValue {
        ConsumerGroupCurrentMemberAssignmentValue {
            member_epoch: self.epoch,
            previous_member_epoch: self.previous_epoch,
            state: self.state.code(),
            assigned_partitions: write_held(&self.assigned),
            partitions_pending_revocation: write_held(&self.revoking),
        }
    }

    /// Assigned and still to be let go.
    pub fn all_held(&self) -> impl Iterator<Item = (Uuid, PartitionId)> {
        let topics = self.assigned.iter().chain(&self.revoking);
        topics.flat_map(|(id, held)| held.keys().map(|index| (*id, *index)))
    }

    /// Since when the member has had this partition.
    pub fn held_since(&self, topic_id: Uuid, index: PartitionId) -> Option<i32> {
        let find = |held: &Held| held.get(&topic_id).and_then(|held| held.get(&index)).copied();
        find(&self.assigned).or_else(|| find(&self.revoking))
    }
}

fn read_held(topics: &[current::TopicPartitions], epoch: i32) -> Held {
    let mut held = Held::new();
    for topic in topics {
        let epochs = topic.assignment_epochs.as_deref().unwrap_or_default();
        let whole = epochs.len() == topic.partitions.len();
        let epoch_at = |place: usize| epochs.get(place).copied().filter(|_| whole).unwrap_or(epoch);
        let partitions = topic.partitions.iter().enumerate();
        held.insert(
            topic.topic_id,
            partitions.map(|(place, index)| (*index, epoch_at(place))).collect(),
        );
    }
    held
}

fn write_held(held: &Held) -> Vec<current::TopicPartitions> {
    let written = held.iter().map(|(id, partitions)| current::TopicPartitions {
        topic_id: *id,
        partitions: partitions.keys().copied().collect(),
        assignment_epochs: Some(partitions.values().copied().collect()),
    });
    written.collect()
}

impl State {
    pub fn code(self) -> i8 {
        match self {
            State::Stable => 0,
            State::Unrevoked => 1,
            State::Unreleased => 2,
            State::Unknown => 127,
        }
    }

    pub fn from_code(code: i8) -> State {
        match code {
            0 => State::Stable,
            1 => State::Unrevoked,
            2 => State::Unreleased,
            _ => State::Unknown,
        }
    }
}

/// The ids of those of these topics that exist.
pub fn topic_ids<'a>(image: &Image, names: impl Iterator<Item = &'a CompactString>) -> BTreeSet<Uuid> {
    names.filter_map(|name| image.topic_id(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_comes_back_and_old_records_have_no_epochs_of_their_own() {
        let (topic, held) = (Uuid::ONE, BTreeMap::from([(0, 3), (4, 7)]));
        let standing = Standing {
            epoch: 7,
            previous_epoch: 6,
            state: State::Unrevoked,
            assigned: Held::from([(topic, held)]),
            revoking: Held::from([(topic, BTreeMap::from([(1, 2)]))]),
        };
        let mut record = standing.to_record();
        assert_eq!(Standing::from_record(&record), standing);
        record.assigned_partitions[0].assignment_epochs = None;
        assert_eq!(Standing::from_record(&record).held_since(topic, 4), Some(7));
        assert_eq!(Standing::from_record(&record).held_since(topic, 0), Some(7));
        record.assigned_partitions[0].assignment_epochs = Some(vec![1]);
        record.member_epoch = LEAVE_FOR_NOW;
        assert_eq!(Standing::from_record(&record).held_since(topic, 0), Some(0));
        assert_eq!(standing.away().held_since(topic, 4), Some(0));
        assert_eq!(standing.away().held_since(topic, 1), None);
        record.state = 9;
        assert_eq!(Standing::from_record(&record).state, State::Unknown);
    }
}
