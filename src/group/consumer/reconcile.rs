//! The steps by which a member gets from what it has to what it is to have.
//!
//! First it lets go what is not its own any more, in its old epoch; then it comes into the new epoch with what is free;
//! what others still hold it gets later.

use crate::group::consumer::Refusal;
use crate::group::consumer::member::Held;
use crate::group::consumer::member::Partitions;
use crate::group::consumer::member::Standing;
use crate::group::consumer::member::State;
use crate::schema::consumer_group_heartbeat_request::TopicPartitions;
use crate::types::ErrorCode;
use crate::types::PartitionId;
use crate::types::Uuid;
use std::collections::BTreeSet;

pub struct Step<'a> {
    pub target_epoch: i32,
    pub target: &'a Partitions,
    /// The topics that the member wants, and that exist.
    pub topics: &'a BTreeSet<Uuid>,
    pub subscription_changed: bool,
    /// What the member says that it has; nothing if it says nothing.
    pub owned: Option<&'a [TopicPartitions]>,
    /// Whether another member has a partition.
    pub taken: &'a dyn Fn(Uuid, PartitionId) -> bool,
}

impl Step<'_> {
    pub fn from(&self, standing: &Standing) -> Result<Standing, Refusal> {
        match standing.state {
            State::Stable if standing.epoch != self.target_epoch => Ok(self.advance(standing, standing.epoch)),
            State::Stable if self.subscription_changed => Ok(self.drop_unwanted(standing)),
            State::Stable => Ok(standing.clone()),
            State::Unrevoked if !self.still_owns(&standing.revoking) => Ok(self.advance(standing, standing.epoch)),
            State::Unrevoked if self.subscription_changed => Ok(self.drop_unwanted(standing)),
            State::Unrevoked => Ok(standing.clone()),
            State::Unreleased => Ok(self.advance(standing, standing.epoch)),
            State::Unknown if self.owned.is_some_and(<[_]>::is_empty) => Ok(self.advance(standing, self.target_epoch)),
            State::Unknown => Err(Refusal::new(
                ErrorCode::FencedMemberEpoch,
                "The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin.",
            )),
        }
    }

    fn advance(&self, standing: &Standing, epoch: i32) -> Standing {
        let (mut assigned, mut revoking) = (Held::new(), Held::new());
        let nothing = BTreeSet::new();
        let wanted = |topic: &Uuid| match self.topics.contains(topic) {
            true => self.target.get(topic).unwrap_or(&nothing),
            false => &nothing,
        };
        for (topic, held) in &standing.assigned {
            for (index, since) in held {
                let side = match wanted(topic).contains(index) {
                    true => &mut assigned,
                    false => &mut revoking,
                };
                side.entry(*topic).or_default().insert(*index, *since);
            }
        }
        if !revoking.is_empty() && self.still_owns(&revoking) {
            return Standing {
                epoch,
                previous_epoch: standing.epoch,
                state: State::Unrevoked,
                assigned,
                revoking,
            };
        }
        let mut state = State::Stable;
        for topic in self.target.keys() {
            for index in wanted(topic) {
                if assigned.get(topic).is_some_and(|held| held.contains_key(index)) {
                    continue;
                }
                if (self.taken)(*topic, *index) {
                    state = State::Unreleased;
                } else {
                    assigned.entry(*topic).or_default().insert(*index, self.target_epoch);
                }
            }
        }
        Standing {
            epoch: self.target_epoch,
            previous_epoch: standing.epoch,
            state,
            assigned,
            revoking: Held::new(),
        }
    }

    /// What the member does not want any more goes at once, before there is a new target.
    fn drop_unwanted(&self, standing: &Standing) -> Standing {
        let (assigned, unwanted): (Held, Held) = standing
            .assigned
            .clone()
            .into_iter()
            .partition(|(topic, _)| self.topics.contains(topic));
        if unwanted.is_empty() {
            return standing.clone();
        }
        let mut revoking = standing.revoking.clone();
        for (topic, held) in unwanted {
            revoking.entry(topic).or_default().extend(held);
        }
        let next = Standing {
            previous_epoch: standing.epoch,
            assigned,
            ..standing.clone()
        };
        match self.still_owns(&revoking) {
            true => Standing {
                state: State::Unrevoked,
                revoking,
                ..next
            },
            false => next,
        }
    }

    /// A member that does not say what it has may have all of it.
    fn still_owns(&self, revoking: &Held) -> bool {
        let Some(owned) = self.owned else { return true };
        owned.iter().any(|topic| {
            let held = revoking.get(&topic.topic_id);
            held.is_some_and(|held| topic.partitions.iter().any(|index| held.contains_key(index)))
        })
    }
}
