//! What every assignor must hold to, whatever it is given.

use crate::group::consumer::assignor::Assignor;
use crate::group::consumer::assignor::Candidate;
use crate::group::consumer::assignor::Group;
use crate::group::consumer::member::Partitions;
use crate::group::consumer::tests::random::Chance;
use crate::types::Uuid;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::Arc;

fn topic(number: u8) -> Uuid {
    Uuid([number; 16])
}

fn group(members: &[(&str, &[u8])], topics: &[(u8, i32)]) -> Group {
    let exists = |number: &&u8| topics.iter().any(|(topic, _)| topic == *number);
    Group {
        members: members
            .iter()
            .map(|(id, wanted)| Candidate {
                id: (*id).into(),
                instance_id: None,
                topics: Arc::new(wanted.iter().filter(exists).map(|number| topic(*number)).collect()),
                target: Arc::default(),
            })
            .collect(),
        topics: topics.iter().map(|(number, count)| (topic(*number), *count)).collect(),
    }
}

fn sizes(targets: &[Arc<Partitions>]) -> Vec<usize> {
    targets
        .iter()
        .map(|target| target.values().map(BTreeSet::len).sum())
        .collect()
}

/// Each partition that somebody wants has one owner, who wants it.
fn assert_sound(group: &Group, targets: &[Arc<Partitions>]) {
    let mut owners: BTreeMap<(Uuid, i32), usize> = BTreeMap::new();
    for (place, target) in targets.iter().enumerate() {
        for (topic, partitions) in target.iter() {
            assert!(
                group.members[place].topics.contains(topic),
                "nobody gets what it does not want"
            );
            assert!(!partitions.is_empty());
            for index in partitions {
                assert!(
                    (0..group.topics[topic]).contains(index),
                    "nobody gets what is not there"
                );
                assert_eq!(owners.insert((*topic, *index), place), None, "never two owners");
            }
        }
    }
    for (topic, count) in &group.topics {
        if group.members.iter().any(|member| member.topics.contains(topic)) {
            assert!((0..*count).all(|index| owners.contains_key(&(*topic, index))));
        }
    }
}

/// Nobody who has a partition has two more than another who wants its topic.
fn assert_even(group: &Group, targets: &[Arc<Partitions>]) {
    let sizes = sizes(targets);
    for (owner, target) in targets.iter().enumerate() {
        for topic in target.keys() {
            let wants = |member: &usize| group.members[*member].topics.contains(topic);
            let least = (0..sizes.len()).filter(wants).map(|member| sizes[member]).min();
            assert!(sizes[owner] <= least.unwrap_or(0) + 1, "{sizes:?}");
        }
    }
}

fn keep(group: &mut Group, targets: Vec<Arc<Partitions>>) {
    group
        .members
        .iter_mut()
        .zip(targets)
        .for_each(|(member, target)| member.target = target);
}

fn moves(before: &[Arc<Partitions>], after: &[Arc<Partitions>]) -> usize {
    let all = |target: &Partitions| {
        target
            .iter()
            .flat_map(|(id, all)| all.iter().map(|index| (*id, *index)))
            .collect()
    };
    let gained = before.iter().zip(after).map(|(before, after)| {
        let before: BTreeSet<(Uuid, i32)> = all(before);
        all(after).difference(&before).count()
    });
    gained.sum()
}

#[test]
fn range_cuts_each_topic_into_runs() {
    let mut three = group(&[("a", &[1, 2]), ("b", &[1, 2]), ("c", &[1])], &[(1, 4), (2, 3)]);
    three.members[2].instance_id = Some("first".into());
    let targets = Assignor::Range.assign(&three);
    assert_sound(&three, &targets);
    let runs = |place: usize, number: u8| {
        targets[place]
            .get(&topic(number))
            .into_iter()
            .flatten()
            .copied()
            .collect::<Vec<_>>()
    };
    // Who has an instance id comes first.
    assert_eq!((runs(2, 1), runs(0, 1), runs(1, 1)), (vec![0, 1], vec![2], vec![3]));
    assert_eq!((runs(0, 2), runs(1, 2)), (vec![0, 1], vec![2]));
    keep(&mut three, targets.clone());
    assert_eq!(Assignor::Range.assign(&three), targets);
}

#[test]
fn uniform_moves_only_what_it_must() {
    let mut two = group(&[("a", &[1, 2]), ("b", &[1, 2])], &[(1, 3), (2, 3)]);
    let first = Assignor::Uniform.assign(&two);
    assert_eq!(sizes(&first), [3, 3]);
    keep(&mut two, first.clone());
    assert_eq!(Assignor::Uniform.assign(&two), first);
    let mut three = group(&[("a", &[1, 2]), ("b", &[1, 2]), ("c", &[1, 2])], &[(1, 3), (2, 4)]);
    keep(&mut three, first.clone());
    let before: Vec<_> = three.members.iter().map(|member| member.target.clone()).collect();
    let second = Assignor::Uniform.assign(&three);
    assert_sound(&three, &second);
    assert_eq!(sizes(&second), [3, 2, 2]);
    assert_eq!(moves(&before, &second), 2);
}

#[test]
fn members_that_want_different_things_are_balanced_too() {
    let mixed = group(
        &[("a", &[1]), ("b", &[1, 2]), ("c", &[2, 3])],
        &[(1, 4), (2, 4), (3, 1)],
    );
    let targets = Assignor::Uniform.assign(&mixed);
    assert_sound(&mixed, &targets);
    // No topic alone could make it more even.
    assert_eq!(sizes(&targets), [2, 3, 4]);
    assert_even(&mixed, &targets);
    let lonely = group(&[("a", &[]), ("b", &[9])], &[(1, 4)]);
    assert_eq!(sizes(&Assignor::Uniform.assign(&lonely)), [0, 0]);
    assert!(Assignor::Uniform.assign(&group(&[], &[])).is_empty());
    assert!(Assignor::Range.assign(&group(&[], &[])).is_empty());
}

#[test]
fn assignments_are_sound_balanced_and_at_rest_whatever_came_before() {
    for seed in 0..300 {
        let mut chance = Chance(seed);
        let topics: Vec<(u8, i32)> = (1..=chance.below(5) as u8 + 1)
            .map(|number| (number, chance.below(12) as i32))
            .collect();
        let ids: Vec<String> = (0..chance.below(9) + 1).map(|number| format!("m{number}")).collect();
        let all: Vec<u8> = topics.iter().map(|(number, _)| *number).collect();
        let alike = chance.below(2) == 0;
        let wanted: Vec<Vec<u8>> = ids
            .iter()
            .map(|_| all.iter().copied().filter(|_| alike || chance.below(2) == 0).collect())
            .collect();
        let members: Vec<(&str, &[u8])> = ids
            .iter()
            .zip(&wanted)
            .map(|(id, wanted)| (id.as_str(), wanted.as_slice()))
            .collect();
        let mut spec = group(&members, &topics);
        // An old target of any kind: doubled, of topics that are gone, of partitions that never were.
        for member in &mut spec.members {
            let any = (0..chance.below(6)).map(|_| (topic(chance.below(7) as u8), chance.below(14) as i32));
            let mut target = Partitions::new();
            any.for_each(|(id, index)| target.entry(id).or_default().extend([index]));
            member.target = Arc::new(target);
        }
        for assignor in [Assignor::Uniform, Assignor::Range] {
            let targets = assignor.assign(&spec);
            assert_sound(&spec, &targets);
            if assignor == Assignor::Uniform {
                assert_even(&spec, &targets);
            }
            let mut next = group(&members, &topics);
            keep(&mut next, targets.clone());
            assert_eq!(assignor.assign(&next), targets, "seed {seed}: {assignor:?} finds rest");
        }
    }
}
