//! A group of 10,000 members; `cargo test --release -- --ignored --nocapture a_big_group` tells how long it takes.

use crate::group::consumer::GroupState;
use crate::group::consumer::testing::House;
use crate::group::consumer::testing::beat;
use crate::group::consumer::testing::join;
use crate::group::consumer::testing::owning;
use std::time::Instant;

/// Joins, heartbeats that say nothing, and one member that leaves.
fn measure(members: usize, partitions: usize, mixed: bool) {
    let mut house = House::new(&[("group.consumer.assignment.interval.ms", "1000")]);
    for topic in 0..10 {
        house.cluster.topic(&format!("t{topic}"), partitions / 10);
    }
    let ids: Vec<String> = (0..members)
        .map(|number| format!("consumer-member-with-a-long-id-{number:06}"))
        .collect();
    let names: Vec<String> = (0..10).map(|topic| format!("t{topic}")).collect();
    let wanted = |place: usize| -> Vec<&str> {
        let some = names
            .iter()
            .enumerate()
            .filter(|(topic, _)| !mixed || (place + topic).is_multiple_of(2));
        some.map(|(_, name)| name.as_str()).collect()
    };
    let started = Instant::now();
    for (place, id) in ids.iter().enumerate() {
        house.send(&join(id, &wanted(place))).unwrap();
    }
    let joined = started.elapsed();
    house.now += 1000;
    let started = Instant::now();
    let epoch = house.group.member(&ids[0]).unwrap().epoch();
    house.send(&owning(&ids[0], epoch, &[])).unwrap();
    let assigned = started.elapsed();
    let started = Instant::now();
    for _ in 0..3 {
        for id in &ids {
            let epoch = house.group.member(id).unwrap().epoch();
            house.send(&owning(id, epoch, &[])).unwrap();
        }
    }
    let settled = started.elapsed();
    assert_eq!(house.group.state(), GroupState::Stable);
    let started = Instant::now();
    for id in &ids {
        let epoch = house.group.member(id).unwrap().epoch();
        house.send(&beat(id, epoch)).unwrap();
    }
    let quiet = started.elapsed();
    let started = Instant::now();
    let loaded = House::loaded(&house.compacted(house.log.len()));
    let loading = started.elapsed();
    assert_eq!(loaded.members().count(), members);
    let started = Instant::now();
    for id in &ids {
        house.send(&beat(id, -1)).unwrap();
    }
    let left = started.elapsed();
    println!(
        "{members} members, {partitions} partitions, mixed {mixed}: joins {joined:?}, one assignment {assigned:?}, \
         three rounds to rest {settled:?}, a round at rest {quiet:?}, load {loading:?}, all leave {left:?}"
    );
}

#[test]
fn a_group_of_some_size_comes_to_rest() {
    measure(300, 100, false);
    measure(300, 100, true);
}

#[test]
#[ignore = "a measurement"]
fn a_big_group() {
    measure(10_000, 1_000, false);
    measure(10_000, 1_000, true);
}
