//! What each member is to have: made anew when the group's epoch has moved on, but not more often than the interval
//! between assignments allows.

use crate::group::World;
use crate::group::consumer::ConsumerGroup;
use crate::group::consumer::assignor::Assignor;
use crate::group::consumer::assignor::Candidate;
use crate::group::consumer::assignor::Group;
use crate::group::consumer::index::decrease;
use crate::group::consumer::index::increase;
use crate::group::consumer::member::About;
use crate::group::consumer::member::Member;
use crate::group::consumer::member::Partitions;
use crate::group::consumer::member::topic_ids;
use crate::group::records::Record;
use crate::metadata::Image;
use crate::types::Uuid;
use compact_str::CompactString;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;

/// A member as it is before a heartbeat, and what it says in it.
pub struct Speaker<'a> {
    pub member: &'a Member,
    pub about: &'a Arc<About>,
    /// The static member that it takes the place of.
    pub replaces: Option<&'a CompactString>,
}

impl ConsumerGroup {
    /// The target of the member that speaks, and its epoch; a new one is written for everybody if it is time for it.
    pub(super) fn update_target(
        &mut self,
        world: &World,
        epoch: i32,
        speaker: &Speaker<'_>,
        records: &mut Vec<Record>,
    ) -> (i32, Arc<Partitions>) {
        let interval = i64::from(self.settings(world).assignment_interval_ms);
        // The interval 0 also helps where the clock was set back by far.
        let is_time = interval == 0 || self.target_timestamp == 0 || world.now >= self.target_timestamp + interval;
        if self.target_epoch >= epoch || !is_time {
            return (
                self.target_epoch,
                self.target(speaker.replaces.unwrap_or(&speaker.member.id)),
            );
        }
        let assignor = self.preferred_assignor(world, speaker);
        let group = self.candidates(&world.image, speaker);
        let targets = assignor.assign(&group);
        let mut own = Arc::default();
        for (member, target) in group.members.iter().zip(targets) {
            let known_as = speaker.replaces.filter(|_| member.id == speaker.member.id);
            let written = self.targets.get(known_as.unwrap_or(&member.id));
            if written.is_none_or(|written| !Arc::ptr_eq(written, &target) && **written != *target) {
                records.push(self.target_member_record(&member.id, Some(&target)));
            }
            if member.id == speaker.member.id {
                own = target;
            }
        }
        records.push(self.target_record(Some((epoch, world.now))));
        (epoch, own)
    }

    fn candidates(&self, image: &Image, speaker: &Speaker<'_>) -> Group {
        let mut wanted = Wanted {
            group: self,
            image,
            known: HashMap::new(),
        };
        let mut members = Vec::with_capacity(self.members.len() + 1);
        let others = self
            .members
            .values()
            .filter(|member| member.id != speaker.member.id && Some(&member.id) != speaker.replaces);
        for member in others {
            members.push(wanted.candidate(&member.id, &member.about, self.target(&member.id)));
        }
        let target = self.target(speaker.replaces.unwrap_or(&speaker.member.id));
        let own = wanted.candidate(&speaker.member.id, speaker.about, target);
        let place = members.partition_point(|member| member.id < own.id);
        members.insert(place, own);
        let topics: BTreeSet<Uuid> = wanted
            .known
            .values()
            .flat_map(|topics| topics.iter().copied())
            .collect();
        let count = |topic: Uuid| {
            image
                .topic_by_id(topic)
                .map_or(0, |topic| topic.partitions().len() as i32)
        };
        Group {
            members,
            topics: topics
                .into_iter()
                .map(|topic| (topic, count(topic)))
                .collect::<BTreeMap<_, _>>(),
        }
    }

    /// What most members ask for; of equals the one that is configured first.
    fn preferred_assignor(&mut self, world: &World, speaker: &Speaker<'_>) -> Assignor {
        let mut asked = self.index.assignors.clone();
        let before = speaker.member.about.server_assignor.iter();
        before.for_each(|name| decrease(&mut asked, name));
        speaker
            .about
            .server_assignor
            .iter()
            .for_each(|name| increase(&mut asked, name));
        self.most_asked(world, &asked)
    }

    pub(super) fn most_asked(&mut self, world: &World, asked: &BTreeMap<CompactString, usize>) -> Assignor {
        let settings = self.settings(world);
        let votes = |assignor: &Assignor| -> usize {
            let for_it = asked
                .iter()
                .filter(|(name, _)| Assignor::named(name) == Some(*assignor));
            for_it.map(|(_, count)| count).sum()
        };
        // The last of equals wins, so they are asked from the back.
        let most = settings.assignors.iter().rev().copied().max_by_key(votes);
        most.unwrap_or_else(|| settings.default_assignor())
    }

    /// The topics that a member means, by name and by pattern.
    pub(super) fn wanted_topics(&self, image: &Image, about: &About) -> BTreeSet<Uuid> {
        let resolved = about.regex().and_then(|regex| self.resolved.get(regex));
        let meant = resolved.iter().flat_map(|resolved| resolved.topics.iter());
        topic_ids(image, about.topics.iter().chain(meant))
    }
}

/// Members that say the same share one set of topics.
struct Wanted<'a> {
    group: &'a ConsumerGroup,
    image: &'a Image,
    known: HashMap<Words<'a>, Arc<BTreeSet<Uuid>>>,
}

/// What a member says about topics: names and a pattern.
type Words<'a> = (&'a BTreeSet<CompactString>, Option<&'a CompactString>);

impl<'a> Wanted<'a> {
    fn candidate(&mut self, id: &CompactString, about: &'a About, target: Arc<Partitions>) -> Candidate {
        let (group, image) = (self.group, self.image);
        let topics = self.known.entry((&about.topics, about.regex()));
        Candidate {
            id: id.clone(),
            instance_id: about.instance_id.clone(),
            topics: topics
                .or_insert_with(|| Arc::new(group.wanted_topics(image, about)))
                .clone(),
            target,
        }
    }
}
