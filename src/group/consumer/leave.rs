//! Members go: by their own will, because their time is up, or for a while.

use crate::group::World;
use crate::group::consumer::Changes;
use crate::group::consumer::ConsumerGroup;
use crate::group::consumer::Outcome;
use crate::group::consumer::Refusal;
use crate::group::consumer::Timer;
use crate::group::consumer::index::decrease;
use crate::group::consumer::member::LEAVE_FOR_NOW;
use crate::group::records::Record;
use crate::schema::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use crate::schema::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;
use crate::types::ErrorCode;
use compact_str::CompactString;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

impl ConsumerGroup {
    pub(super) fn leave(&mut self, world: &World, request: &ConsumerGroupHeartbeatRequest) -> Result<Outcome, Refusal> {
        let id = &request.member_id;
        let member = match &request.instance_id {
            None => self.members.get(id).ok_or_else(|| self.unknown_member(id))?,
            Some(instance) => self.static_member(instance, id)?,
        };
        let changes = if request.member_epoch == LEAVE_FOR_NOW {
            // Its session goes on: whoever comes back in time finds its partitions.
            Changes {
                records: vec![self.current_record(id, Some(&member.standing.away()))],
                ..Changes::default()
            }
        } else {
            self.fence(world, id)
        };
        let response = ConsumerGroupHeartbeatResponse {
            member_id: Some(id.clone()),
            member_epoch: request.member_epoch,
            ..Default::default()
        };
        Ok(Outcome { response, changes })
    }

    /// A timer has run out; it may mean nothing any more.
    pub fn expire(&mut self, world: &World, timer: &Timer) -> Changes {
        match timer {
            Timer::Session(id) => self.fence(world, id),
            Timer::Rebalance(id) => {
                let since = self.soft.revoking_since.remove(id);
                let still = self.members.get(id).map(|member| member.epoch());
                match since.is_some() && since == still {
                    true => self.fence(world, id),
                    false => Changes::default(),
                }
            }
            Timer::Resolve => self.resolve(world),
        }
    }

    /// Takes a member out of the group, whose epoch moves on.
    pub fn fence(&mut self, world: &World, id: &CompactString) -> Changes {
        self.fence_all(world, std::slice::from_ref(id))
    }

    /// Several at once move the epoch once; ids of nobody mean nothing.
    pub fn fence_all(&mut self, world: &World, ids: &[CompactString]) -> Changes {
        let leaving: BTreeSet<&CompactString> = ids.iter().filter(|id| self.members.contains_key(*id)).collect();
        let mut changes = Changes::default();
        if leaving.is_empty() {
            return changes;
        }
        let mut topics = self.index.topics.clone();
        let mut patterns: BTreeMap<&CompactString, usize> = BTreeMap::new();
        for member in leaving.iter().filter_map(|id| self.members.get(*id)) {
            changes.records.extend(self.member_tombstones(&member.id));
            changes.timers.push((Timer::Session(member.id.clone()), None));
            changes.timers.push((Timer::Rebalance(member.id.clone()), None));
            member
                .about
                .topics
                .iter()
                .for_each(|topic| decrease(&mut topics, topic));
            member
                .about
                .regex()
                .into_iter()
                .for_each(|regex| *patterns.entry(regex).or_default() += 1);
        }
        // A pattern goes with the last who has it, and what it means goes too.
        let last = patterns
            .into_iter()
            .filter(|(regex, count)| self.index.members_with(regex) == *count);
        for (regex, _) in last {
            changes.records.push(self.regex_record(regex, None));
            let meant = self
                .resolved
                .get(regex)
                .into_iter()
                .flat_map(|resolved| &resolved.topics);
            meant.for_each(|topic| decrease(&mut topics, topic));
        }
        let hash = self.soft.hashes.group_hash(&world.image, topics.keys());
        changes
            .records
            .push(self.epoch_record(self.epoch.saturating_add(1), hash));
        changes
    }

    /// Only a group without members may be deleted.
    pub fn delete(&self) -> Result<Vec<Record>, Refusal> {
        match self.is_empty() {
            true => Ok(self.tombstones()),
            false => Err(Refusal::new(ErrorCode::NonEmptyGroup, ErrorCode::NonEmptyGroup.text())),
        }
    }
}
