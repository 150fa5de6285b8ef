//! The assignor `uniform` for members that want different topics.
//!
//! What nobody has goes to whoever has least of those who want it; then partitions move, topic by topic, from who has
//! most to who has least, until no move makes it more even.

use crate::group::consumer::assignor::Group;
use crate::group::consumer::assignor::give;
use crate::group::consumer::assignor::take;
use crate::group::consumer::member::Partitions;
use crate::types::PartitionId;
use crate::types::Uuid;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Rounds over all topics; what is not even by then stays so.
const ROUNDS: usize = 16;

/// Who wants a topic, and who has each of its partitions.
struct Topic {
    id: Uuid,
    wanted_by: Vec<usize>,
    owners: Vec<Option<usize>>,
}

struct Balance {
    targets: Vec<Arc<Partitions>>,
    /// How many partitions each member has.
    loads: Vec<usize>,
    topics: Vec<Topic>,
}

pub fn assign(group: &Group) -> Vec<Arc<Partitions>> {
    let mut balance = Balance::of(group);
    for place in 0..balance.topics.len() {
        balance.hand_out(place);
    }
    for _ in 0..ROUNDS {
        let moved: usize = (0..balance.topics.len()).map(|place| balance.even_out(place)).sum();
        if moved == 0 {
            break;
        }
    }
    balance.targets
}

impl Balance {
    fn of(group: &Group) -> Balance {
        let mut topics: BTreeMap<Uuid, Topic> = BTreeMap::new();
        for (member, candidate) in group.members.iter().enumerate() {
            for id in candidate.topics.iter() {
                let count = group.topics.get(id).copied().unwrap_or(0);
                let fresh = || Topic {
                    id: *id,
                    wanted_by: Vec::new(),
                    owners: vec![None; usize::try_from(count).unwrap_or(0)],
                };
                topics.entry(*id).or_insert_with(fresh).wanted_by.push(member);
            }
        }
        let mut loads = vec![0; group.members.len()];
        let mut targets = Vec::with_capacity(group.members.len());
        for (member, candidate) in group.members.iter().enumerate() {
            let mut target = candidate.target.clone();
            for (id, partitions) in candidate.target.iter() {
                for index in partitions {
                    let wanted = candidate.topics.contains(id);
                    let owner = topics
                        .get_mut(id)
                        .filter(|_| wanted)
                        .and_then(|topic| topic.owner(*index));
                    match owner {
                        Some(owner @ None) => {
                            *owner = Some(member);
                            if let Some(load) = loads.get_mut(member) {
                                *load += 1;
                            }
                        }
                        _ => take(&mut target, *id, *index),
                    }
                }
            }
            targets.push(target);
        }
        let mut topics: Vec<Topic> = topics.into_values().collect();
        topics.sort_by(Topic::before);
        Balance { targets, loads, topics }
    }

    fn load(&self, member: usize) -> usize {
        self.loads.get(member).copied().unwrap_or(0)
    }

    fn hand_out(&mut self, place: usize) {
        let Some(topic) = self.topics.get(place) else { return };
        let free = topic.owners.iter().enumerate().filter(|(_, owner)| owner.is_none());
        let free: Vec<usize> = free.map(|(index, _)| index).collect();
        if free.is_empty() {
            return;
        }
        let mut least: BTreeSet<(usize, usize)> = topic
            .wanted_by
            .iter()
            .map(|member| (self.load(*member), *member))
            .collect();
        for index in free {
            if let Some((load, member)) = least.pop_first() {
                self.pass(place, index, member);
                least.insert((load + 1, member));
            }
        }
    }

    /// How many partitions of the topic have moved.
    fn even_out(&mut self, place: usize) -> usize {
        let Some(topic) = self.topics.get(place) else { return 0 };
        let loads = || topic.wanted_by.iter().map(|member| self.load(*member));
        if loads().max().unwrap_or(0) <= loads().min().unwrap_or(0) + 1 {
            return 0;
        }
        let mut all: BTreeSet<(usize, usize)> = topic
            .wanted_by
            .iter()
            .map(|member| (self.load(*member), *member))
            .collect();
        let mut owned: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (index, owner) in topic.owners.iter().enumerate() {
            owned.extend(
                owner
                    .filter(|owner| !owned.contains_key(owner))
                    .map(|owner| (owner, Vec::new())),
            );
            owner
                .and_then(|owner| owned.get_mut(&owner))
                .into_iter()
                .for_each(|list| list.push(index));
        }
        let mut givers: BTreeSet<(usize, usize)> = owned.keys().map(|member| (self.load(*member), *member)).collect();
        let mut moved = 0;
        while let (Some(most), Some(least)) = (givers.last().copied(), all.first().copied()) {
            if most.0 <= least.0 + 1 {
                break;
            }
            givers.remove(&most);
            let Some(index) = owned.get_mut(&most.1).and_then(Vec::pop) else {
                continue;
            };
            self.pass(place, index, least.1);
            moved += 1;
            all.remove(&most);
            all.remove(&least);
            all.insert((most.0 - 1, most.1));
            all.insert((least.0 + 1, least.1));
            givers.insert((most.0 - 1, most.1));
            givers.remove(&least);
            owned.entry(least.1).or_default().push(index);
            givers.insert((least.0 + 1, least.1));
        }
        moved
    }

    fn pass(&mut self, place: usize, index: usize, to: usize) {
        let Some(topic) = self.topics.get_mut(place) else {
            return;
        };
        let (id, partition) = (topic.id, index as PartitionId);
        let Some(owner) = topic.owners.get_mut(index) else {
            return;
        };
        let from = owner.replace(to);
        if let Some(from) = from {
            self.targets
                .get_mut(from)
                .into_iter()
                .for_each(|target| take(target, id, partition));
            self.loads.get_mut(from).into_iter().for_each(|load| *load -= 1);
        }
        self.targets
            .get_mut(to)
            .into_iter()
            .for_each(|target| give(target, id, partition));
        self.loads.get_mut(to).into_iter().for_each(|load| *load += 1);
    }
}

impl Topic {
    fn owner(&mut self, index: PartitionId) -> Option<&mut Option<usize>> {
        self.owners.get_mut(usize::try_from(index).ok()?)
    }

    /// Topics with most partitions for each who wants them come first, then those with fewer choices.
    fn before(&self, other: &Topic) -> Ordering {
        let (ours, theirs) = (
            self.owners.len() * other.wanted_by.len(),
            other.owners.len() * self.wanted_by.len(),
        );
        let fewer = self.wanted_by.len().cmp(&other.wanted_by.len());
        theirs.cmp(&ours).then(fewer).then(self.id.cmp(&other.id))
    }
}
