//! ConsumerGroupHeartbeat: a member joins, stays, changes what it wants, says what it has let go, or leaves.

use crate::group::Client;
use crate::group::World;
use crate::group::consumer::Changes;
use crate::group::consumer::ConsumerGroup;
use crate::group::consumer::Outcome;
use crate::group::consumer::Refusal;
use crate::group::consumer::Timer;
use crate::group::consumer::assignor::Assignor;
use crate::group::consumer::member::About;
use crate::group::consumer::member::Held;
use crate::group::consumer::member::JOIN;
use crate::group::consumer::member::LEAVE;
use crate::group::consumer::member::LEAVE_FOR_NOW;
use crate::group::consumer::member::Member;
use crate::group::consumer::member::Standing;
use crate::group::consumer::member::State;
use crate::group::consumer::reconcile::Step;
use crate::group::consumer::resolve::RegexChange;
use crate::group::consumer::settings::Settings;
use crate::group::consumer::target::Speaker;
use crate::group::records::Record;
use crate::schema::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use crate::schema::consumer_group_heartbeat_request::TopicPartitions;
use crate::schema::consumer_group_heartbeat_response::Assignment;
use crate::schema::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;
use crate::schema::consumer_group_heartbeat_response::TopicPartitions as Given;
use crate::types::ErrorCode;
use compact_str::CompactString;
use std::sync::Arc;

/// From this version on, members choose their ids.
const CLIENT_CHOOSES_ID: i16 = 1;

impl ConsumerGroup {
    /// For a member that joins, the group may be a new one. In version 0 the id of a member that joins without one has
    /// been filled in.
    pub fn heartbeat(
        &mut self,
        world: &World,
        client: &Client,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<Outcome, Refusal> {
        check(request, client.version, &self.settings(world).assignors)?;
        match request.member_epoch {
            LEAVE | LEAVE_FOR_NOW => self.leave(world, request),
            _ => self.stay(world, client, request),
        }
    }

    /// For a group that does not exist, where the member does not join.
    pub fn refuse_absent(world: &World, client: &Client, request: &ConsumerGroupHeartbeatRequest) -> Refusal {
        let settings = Settings::of(&request.group_id, world);
        let checked = check(request, client.version, &settings.assignors);
        checked
            .err()
            .unwrap_or_else(|| Refusal::no_such_group(&request.group_id))
    }

    fn stay(
        &mut self,
        world: &World,
        client: &Client,
        request: &ConsumerGroupHeartbeatRequest,
    ) -> Result<Outcome, Refusal> {
        self.refuse_if_full(world, &request.member_id)?;
        let (member, replaces) = self.speaker(request)?;
        let mut changes = Changes::default();
        if let Some(old) = &replaces {
            self.replace(old, &member, &mut changes.records);
        }
        let about = member.about.updated(client, request);
        if !Arc::ptr_eq(&about, &member.about) && about != member.about {
            changes.records.push(self.member_record(&member.id, Some(&about)));
        }
        let speaker = Speaker {
            member: &member,
            about: &about,
            replaces: replaces.as_ref(),
        };
        let renamed = about.topics != member.about.topics;
        let regex = self.change_regex(world, &speaker, &mut changes)?;
        let bump = renamed || regex == RegexChange::Known;
        let epoch = self.update_epoch(world, &speaker, bump, &mut changes.records);
        let (target_epoch, target) = self.update_target(world, epoch, &speaker, &mut changes.records);

        let subscription_changed = renamed || regex != RegexChange::None;
        let mut standing = member.standing.clone();
        if subscription_changed || !member.reached(target_epoch) {
            let own = |owner: &CompactString| *owner == member.id || Some(owner) == replaces.as_ref();
            let step = Step {
                target_epoch,
                target: &target,
                topics: &self.wanted_topics(&world.image, &about),
                subscription_changed,
                owned: request.topic_partitions.as_deref(),
                taken: &|topic, index| self.index.owner(topic, index).is_some_and(|owner| !own(owner)),
            };
            standing = Arc::new(step.from(&member.standing)?);
        }
        if standing != member.standing {
            changes.records.push(self.current_record(&member.id, Some(&standing)));
            self.watch_revocation(world, &member.id, &about, &standing, &mut changes);
        }
        // Only now: a heartbeat that is refused leaves nothing behind.
        self.soft.checked = Some(world.image.offset);
        self.soft.is_resolving |= changes.timers.iter().any(|(timer, _)| *timer == Timer::Resolve);
        Ok(Outcome {
            response: self.answer(world, request, &member, &standing),
            changes: self.with_session(world, &member.id, changes),
        })
    }

    /// The member that speaks as it is so far, and the static member whose place it takes.
    fn speaker(&self, request: &ConsumerGroupHeartbeatRequest) -> Result<(Member, Option<CompactString>), Refusal> {
        let (id, joins) = (&request.member_id, request.member_epoch == JOIN);
        let Some(instance) = &request.instance_id else {
            let member = match self.members.get(id) {
                None if joins => Member::new(id.clone()),
                known => known.cloned().ok_or_else(|| self.unknown_member(id))?,
            };
            check_epoch(&member.standing, request)?;
            return Ok((member, None));
        };
        let known = self
            .index
            .instances
            .get(instance)
            .and_then(|known| self.members.get(known));
        let known = match known {
            Some(known) if joins => known,
            None if joins => {
                return Ok((
                    self.members.get(id).cloned().unwrap_or_else(|| Member::new(id.clone())),
                    None,
                ));
            }
            _ => {
                let member = self.static_member(instance, id)?;
                check_epoch(&member.standing, request)?;
                return Ok((member.clone(), None));
            }
        };
        if known.epoch() != LEAVE_FOR_NOW && !known.is_classic() {
            let message = format!(
                "Static member {id} with instance id {instance} cannot join the group because the instance id is owned by {} member.",
                known.id
            );
            return Err(Refusal::new(ErrorCode::UnreleasedInstanceId, message));
        }
        let standing = Standing {
            epoch: JOIN,
            previous_epoch: 0,
            ..(*known.standing).clone()
        };
        let member = Member {
            id: id.clone(),
            about: known.about.clone(),
            standing: Arc::new(standing),
        };
        Ok((member, Some(known.id.clone())))
    }

    pub(super) fn static_member(&self, instance: &str, id: &str) -> Result<&Member, Refusal> {
        let known = self
            .index
            .instances
            .get(instance)
            .and_then(|known| self.members.get(known));
        let member = known.ok_or_else(|| {
            let message = format!("Instance id {instance} is unknown.");
            Refusal::new(ErrorCode::UnknownMemberId, message)
        })?;
        if member.id != id {
            let message = format!(
                "Static member {id} with instance id {instance} was fenced by member {}.",
                member.id
            );
            return Err(Refusal::new(ErrorCode::FencedInstanceId, message));
        }
        Ok(member)
    }

    pub(super) fn unknown_member(&self, id: &str) -> Refusal {
        let message = format!("Member {id} is not a member of group {}.", self.id);
        Refusal::new(ErrorCode::UnknownMemberId, message)
    }

    fn refuse_if_full(&mut self, world: &World, id: &CompactString) -> Result<(), Refusal> {
        let most = self.settings(world).max_size;
        if self.members.len() < most || self.members.contains_key(id) {
            return Ok(());
        }
        let message = format!("The consumer group has reached its maximum capacity of {most} members.");
        Err(Refusal::new(ErrorCode::GroupMaxSizeReached, message))
    }

    fn replace(&self, old: &CompactString, new: &Member, records: &mut Vec<Record>) {
        records.extend(self.member_tombstones(old));
        records.push(self.member_record(&new.id, Some(&new.about)));
        records.push(self.target_member_record(&new.id, Some(&self.target(old))));
        records.push(self.current_record(&new.id, Some(&new.standing)));
    }

    /// The group's epoch: a new one if the member wants something else, or if topics are not what they were.
    fn update_epoch(&mut self, world: &World, speaker: &Speaker<'_>, bump: bool, records: &mut Vec<Record>) -> i32 {
        if !bump && self.soft.checked == Some(world.image.offset) {
            return self.epoch;
        }
        let mut hashes = std::mem::take(&mut self.soft.hashes);
        let hash = if speaker.about == &speaker.member.about {
            hashes.group_hash(&world.image, self.index.topics.keys())
        } else {
            hashes.group_hash(&world.image, self.topics_with(speaker).keys())
        };
        self.soft.hashes = hashes;
        let mut epoch = self.epoch;
        if bump || hash != self.metadata_hash {
            epoch = epoch.saturating_add(1);
            records.push(self.epoch_record(epoch, hash));
        }
        if self.has_partition_record {
            records.push(self.partition_tombstone());
        }
        epoch
    }

    fn watch_revocation(
        &mut self,
        world: &World,
        id: &CompactString,
        about: &About,
        standing: &Standing,
        changes: &mut Changes,
    ) {
        let timer = Timer::Rebalance(id.clone());
        if standing.state == State::Unrevoked {
            self.soft.revoking_since.insert(id.clone(), standing.epoch);
            let due = world.now + i64::from(about.rebalance_timeout_ms.max(0));
            changes.timers.push((timer, Some(due)));
        } else if self.soft.revoking_since.remove(id).is_some() {
            changes.timers.push((timer, None));
        }
    }

    fn with_session(&mut self, world: &World, id: &CompactString, mut changes: Changes) -> Changes {
        let due = world.now + i64::from(self.settings(world).session_timeout_ms);
        changes.timers.push((Timer::Session(id.clone()), Some(due)));
        changes
    }

    /// What the member may read is told when it asks with all it has to say, and when it changes.
    fn answer(
        &mut self,
        world: &World,
        request: &ConsumerGroupHeartbeatRequest,
        before: &Member,
        now: &Standing,
    ) -> ConsumerGroupHeartbeatResponse {
        let is_full = request.rebalance_timeout_ms != -1
            && (request.subscribed_topic_names.is_some() || request.subscribed_topic_regex.is_some())
            && request.topic_partitions.is_some();
        let told = request.member_epoch == JOIN || is_full || before.standing.assigned != now.assigned;
        ConsumerGroupHeartbeatResponse {
            member_id: Some(before.id.clone()),
            member_epoch: now.epoch,
            heartbeat_interval_ms: self.settings(world).heartbeat_interval_ms,
            assignment: told.then(|| assignment(&now.assigned)),
            ..Default::default()
        }
    }
}

fn assignment(held: &Held) -> Assignment {
    let topics = held.iter().map(|(topic_id, held)| Given {
        topic_id: *topic_id,
        partitions: held.keys().copied().collect(),
    });
    Assignment {
        topic_partitions: topics.collect(),
    }
}

/// A member that did not hear of its new epoch comes with the one before, and may have no more than it was given.
fn check_epoch(standing: &Standing, request: &ConsumerGroupHeartbeatRequest) -> Result<(), Refusal> {
    let (said, known) = (request.member_epoch, standing.epoch);
    if said == JOIN || said == known {
        return Ok(());
    }
    let owned = request.topic_partitions.as_deref();
    let heard_nothing =
        said == standing.previous_epoch && owned.is_some_and(|owned| is_within(owned, &standing.assigned));
    if said < known && heard_nothing {
        return Ok(());
    }
    let compared = if said > known { "greater" } else { "smaller" };
    let message = format!(
        "The consumer group member has a {compared} member epoch ({said}) than the one known by the group coordinator \
         ({known}). The member must abandon all its partitions and rejoin."
    );
    Err(Refusal::new(ErrorCode::FencedMemberEpoch, message))
}

fn is_within(owned: &[TopicPartitions], assigned: &Held) -> bool {
    owned.iter().all(|topic| {
        let held = assigned.get(&topic.topic_id);
        held.is_some_and(|held| topic.partitions.iter().all(|index| held.contains_key(index)))
    })
}

/// What can be said of a request without knowing the group.
fn check(request: &ConsumerGroupHeartbeatRequest, version: i16, assignors: &[Assignor]) -> Result<(), Refusal> {
    let invalid = |message: &str| Err(Refusal::new(ErrorCode::InvalidRequest, message));
    let is_blank = |text: &str| text.trim_matches(|letter| letter <= ' ').is_empty();
    let is_given_blank = |text: &Option<CompactString>| text.as_deref().is_some_and(is_blank);
    let needs_id = version >= CLIENT_CHOOSES_ID || request.member_epoch > 0 || request.member_epoch == LEAVE;
    if needs_id && is_blank(&request.member_id) {
        return invalid("MemberId can't be empty.");
    }
    if is_blank(&request.group_id) {
        return invalid("GroupId can't be empty.");
    }
    if is_given_blank(&request.instance_id) {
        return invalid("InstanceId can't be empty.");
    }
    if is_given_blank(&request.rack_id) {
        return invalid("RackId can't be empty.");
    }
    if request.member_epoch == JOIN {
        if request.rebalance_timeout_ms == -1 {
            return invalid("RebalanceTimeoutMs must be provided in first request.");
        }
        if request.topic_partitions.as_ref().is_none_or(|owned| !owned.is_empty()) {
            return invalid("TopicPartitions must be empty when (re-)joining.");
        }
        if request.subscribed_topic_names.is_none() && request.subscribed_topic_regex.is_none() {
            return invalid("Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.");
        }
    } else if request.member_epoch == LEAVE_FOR_NOW && request.instance_id.is_none() {
        return invalid("InstanceId can't be null.");
    } else if request.member_epoch < LEAVE_FOR_NOW {
        return invalid("MemberEpoch is invalid.");
    }
    match &request.server_assignor {
        Some(name) if !assignors.iter().any(|assignor| assignor.name() == name) => {
            let known: Vec<&str> = assignors.iter().map(|assignor| assignor.name()).collect();
            let message = format!(
                "ServerAssignor {name} is not supported. Supported assignors: {}.",
                known.join(", ")
            );
            Err(Refusal::new(ErrorCode::UnsupportedAssignor, message))
        }
        _ => Ok(()),
    }
}
