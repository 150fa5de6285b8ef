//! The assignor `uniform` for members that all want the same topics: as even as can be, and moving as little as it can.

use crate::group::consumer::assignor::Group;
use crate::group::consumer::assignor::give;
use crate::group::consumer::member::Partitions;
use crate::types::PartitionId;
use crate::types::Uuid;
use std::collections::BTreeMap;
use std::sync::Arc;

pub fn assign(group: &Group) -> Vec<Arc<Partitions>> {
    let Some(wanted) = group.members.first().map(|member| &member.topics) else {
        return Vec::new();
    };
    let counts = wanted
        .iter()
        .map(|topic| (*topic, group.topics.get(topic).copied().unwrap_or(0)));
    let counts: Vec<(Uuid, usize)> = counts
        .map(|(topic, count)| (topic, usize::try_from(count).unwrap_or(0)))
        .collect();
    let total: usize = counts.iter().map(|(_, count)| count).sum();
    let (least, mut extra) = (total / group.members.len(), total % group.members.len());

    let mut taken: BTreeMap<Uuid, Vec<bool>> = counts
        .iter()
        .map(|(topic, count)| (*topic, vec![false; *count]))
        .collect();
    let mut targets: Vec<Arc<Partitions>> = Vec::with_capacity(group.members.len());
    for member in &group.members {
        // Whoever has one more than the others already may keep it, as long as there are such places.
        let (kept, has_extra) = keep(&member.target, &mut taken, least, extra > 0);
        extra -= usize::from(has_extra);
        targets.push(kept);
    }
    let free = taken.iter().flat_map(|(topic, taken)| {
        let free = taken.iter().enumerate().filter(|(_, taken)| !**taken);
        free.map(|(index, _)| (*topic, index as PartitionId))
    });
    let mut free = free.collect::<Vec<_>>().into_iter();
    for target in &mut targets {
        let has = size(target);
        let mut room = least.saturating_sub(has);
        if has <= least && extra > 0 {
            room += 1;
            extra -= 1;
        }
        for (topic, index) in free.by_ref().take(room) {
            give(target, topic, index);
        }
    }
    targets
}

/// What the member keeps of its old target, and whether that is one more than the least.
fn keep(
    old: &Arc<Partitions>,
    taken: &mut BTreeMap<Uuid, Vec<bool>>,
    least: usize,
    extra: bool,
) -> (Arc<Partitions>, bool) {
    let (mut kept, mut count) = (Partitions::new(), 0);
    let most = least + usize::from(extra);
    for (topic, partitions) in old.iter() {
        let Some(taken) = taken.get_mut(topic) else { continue };
        for index in partitions {
            let place = usize::try_from(*index).ok().and_then(|place| taken.get_mut(place));
            if let Some(place) = place.filter(|place| !**place)
                && count < most
            {
                *place = true;
                count += 1;
                kept.entry(*topic).or_default().insert(*index);
            }
        }
    }
    let kept = match kept == **old {
        true => old.clone(),
        false => Arc::new(kept),
    };
    (kept, count > least)
}

fn size(target: &Partitions) -> usize {
    target.values().map(|partitions| partitions.len()).sum()
}
