//! A consumer group as tools see it.

use crate::group::World;
use crate::group::consumer::ConsumerGroup;
use crate::group::consumer::member::Held;
use crate::group::consumer::member::Member;
use crate::group::consumer::member::Partitions;
use crate::metadata::Image;
use crate::schema::consumer_group_describe_response::Assignment;
use crate::schema::consumer_group_describe_response::DescribedGroup;
use crate::schema::consumer_group_describe_response::Member as Described;
use crate::schema::consumer_group_describe_response::TopicPartitions;
use crate::schema::list_groups_response::ListedGroup;
use crate::types::PartitionId;
use crate::types::Uuid;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupState {
    Empty,
    /// The target is older than the group.
    Assigning,
    /// Members are on the way to their targets.
    Reconciling,
    Stable,
    Dead,
}

impl GroupState {
    pub fn name(self) -> &'static str {
        match self {
            GroupState::Empty => "Empty",
            GroupState::Assigning => "Assigning",
            GroupState::Reconciling => "Reconciling",
            GroupState::Stable => "Stable",
            GroupState::Dead => "Dead",
        }
    }
}

impl ConsumerGroup {
    pub fn state(&self) -> GroupState {
        if self.is_empty() {
            GroupState::Empty
        } else if self.epoch > self.target_epoch {
            GroupState::Assigning
        } else if self.members.values().all(|member| member.reached(self.target_epoch)) {
            GroupState::Stable
        } else {
            GroupState::Reconciling
        }
    }

    pub fn describe(&mut self, world: &World) -> DescribedGroup {
        let asked = self.index.assignors.clone();
        let assignor = self.most_asked(world, &asked);
        let members = self.members.values();
        DescribedGroup {
            group_id: self.id.clone(),
            group_state: self.state().name().into(),
            group_epoch: self.epoch,
            assignment_epoch: self.target_epoch,
            assignor_name: assignor.name().into(),
            members: members
                .map(|member| self.describe_member(&world.image, member))
                .collect(),
            ..Default::default()
        }
    }

    pub fn list(&self) -> ListedGroup {
        ListedGroup {
            group_id: self.id.clone(),
            protocol_type: "consumer".into(),
            group_state: self.state().name().into(),
            group_type: "consumer".into(),
        }
    }

    fn describe_member(&self, image: &Image, member: &Member) -> Described {
        let about = &member.about;
        Described {
            member_id: member.id.clone(),
            instance_id: about.instance_id.clone(),
            rack_id: about.rack_id.clone(),
            member_epoch: member.epoch(),
            client_id: about.client_id.clone(),
            client_host: about.client_host.clone(),
            subscribed_topic_names: about.topics.iter().cloned().collect(),
            subscribed_topic_regex: about.regex.clone(),
            assignment: responsible_for(image, &member.standing.assigned, &member.standing.revoking),
            target_assignment: told(image, &self.target(&member.id)),
            member_type: i8::from(!member.is_classic()),
        }
    }
}

/// A member answers for what it is to let go until it has.
fn responsible_for(image: &Image, assigned: &Held, revoking: &Held) -> Assignment {
    let mut all: BTreeMap<Uuid, Vec<PartitionId>> = BTreeMap::new();
    for (topic, held) in assigned.iter().chain(revoking) {
        all.entry(*topic).or_default().extend(held.keys());
    }
    assignment(image, all.into_iter())
}

fn told(image: &Image, target: &Partitions) -> Assignment {
    let all = target
        .iter()
        .map(|(topic, partitions)| (*topic, partitions.iter().copied().collect()));
    assignment(image, all)
}

/// Topics that are gone have no name to show.
fn assignment(image: &Image, all: impl Iterator<Item = (Uuid, Vec<PartitionId>)>) -> Assignment {
    let topics = all.filter_map(|(topic_id, partitions)| {
        Some(TopicPartitions {
            topic_id,
            topic_name: image.topic_by_id(topic_id)?.name.clone(),
            partitions,
        })
    });
    Assignment {
        topic_partitions: topics.collect(),
    }
}
