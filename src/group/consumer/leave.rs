//! Members go: by their own will, because their time is up, or for a while.

use crate::group::World;
use crate::group::consumer::Changes;
use crate::group::consumer::ConsumerGroup;
use crate::group::consumer::Outcome;
use crate::group::consumer::Refusal;
use crate::group::consumer::Timer;
use crate::group::consumer::member::LEAVE_FOR_NOW;
use crate::group::records::Record;
use crate::schema::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use crate::schema::consumer_group_heartbeat_response::ConsumerGroupHeartbeatResponse;
use crate::types::ErrorCode;
use compact_str::CompactString;

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
        let Some(member) = self.members.get(id) else {
            return Changes::default();
        };
        let about = member.about.clone();
        let mut records = Vec::from(self.member_tombstones(id));
        if let Some(regex) = about.regex().filter(|regex| self.index.members_with(regex) == 1) {
            records.push(self.regex_record(regex, None));
        }
        let topics = self.topics_without(&about, None);
        let hash = self.soft.hashes.group_hash(&world.image, topics.keys());
        records.push(self.epoch_record(self.epoch.saturating_add(1), hash));
        let timers = vec![(Timer::Session(id.clone()), None), (Timer::Rebalance(id.clone()), None)];
        Changes { records, timers }
    }

    /// Only a group without members may be deleted.
    pub fn delete(&self) -> Result<Vec<Record>, Refusal> {
        match self.is_empty() {
            true => Ok(self.tombstones()),
            false => Err(Refusal::new(ErrorCode::NonEmptyGroup, ErrorCode::NonEmptyGroup.text())),
        }
    }
}
