//! The assignor `range`: each topic is cut into as many runs of neighbours as it has members.
//!
//! Members with an instance id come first, by it; so topics with equally many partitions are cut alike, and a member
//! gets the same numbers of each.

use crate::group::consumer::assignor::Candidate;
use crate::group::consumer::assignor::Group;
use crate::group::consumer::member::Partitions;
use crate::types::PartitionId;
use crate::types::Uuid;
use std::collections::BTreeMap;
use std::sync::Arc;

struct Cut {
    count: PartitionId,
    members: PartitionId,
    next: PartitionId,
    /// Members before this many get one more than the others.
    served: PartitionId,
}

pub fn assign(group: &Group) -> Vec<Arc<Partitions>> {
    let mut cuts: BTreeMap<Uuid, Cut> = BTreeMap::new();
    for topic in group.members.iter().flat_map(|member| member.topics.iter()) {
        let count = group.topics.get(topic).copied().unwrap_or(0);
        let fresh = Cut {
            count,
            members: 0,
            next: 0,
            served: 0,
        };
        cuts.entry(*topic).or_insert(fresh).members += 1;
    }
    let mut order: Vec<(usize, &Candidate)> = group.members.iter().enumerate().collect();
    order.sort_by_key(|(_, member)| (member.instance_id.is_none(), &member.instance_id, &member.id));
    let mut targets = vec![Arc::default(); group.members.len()];
    for (place, member) in order {
        let mut target = Partitions::new();
        for topic in member.topics.iter() {
            let run = cuts.get_mut(topic).map(Cut::next_run).unwrap_or_default();
            if !run.is_empty() {
                target.insert(*topic, run.collect());
            }
        }
        if let Some(kept) = targets.get_mut(place) {
            *kept = match *member.target == target {
                true => member.target.clone(),
                false => Arc::new(target),
            };
        }
    }
    targets
}

impl Cut {
    fn next_run(&mut self) -> std::ops::Range<PartitionId> {
        let members = self.members.max(1);
        let one_more = i32::from(self.served < self.count % members);
        let from = self.next;
        self.served += 1;
        self.next = (from + self.count / members + one_more).min(self.count);
        from..self.next
    }
}
