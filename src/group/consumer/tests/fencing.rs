//! Epochs, time-outs and offsets: who is still a member, and of what.

use crate::group::consumer::commit::Committer;
use crate::group::consumer::member::Held;
use crate::group::consumer::member::Standing;
use crate::group::consumer::testing::House;
use crate::group::consumer::testing::beat;
use crate::group::consumer::testing::given;
use crate::group::consumer::testing::join;
use crate::group::consumer::testing::owning;
use crate::types::ErrorCode;
use compact_str::CompactString;

#[test]
fn the_epoch_decides_whether_a_member_is_heard() {
    let mut house = House::new(&[]);
    let topic = house.cluster.topic("t", 2);
    house.send(&join("a", &["t"])).unwrap();
    house.send(&join("b", &["t"])).unwrap();
    house.send(&owning("a", 2, &[(topic, &[0, 1])])).unwrap();
    assert_eq!(house.send(&owning("a", 2, &[(topic, &[0])])).unwrap().member_epoch, 3);
    let fenced = |house: &mut House, request| house.send(&request).unwrap_err();
    assert_eq!(
        fenced(&mut house, beat("a", 4)).message,
        "The consumer group member has a greater member epoch (4) than the one known by the group coordinator (3). \
         The member must abandon all its partitions and rejoin."
    );
    // It may not have heard of its new epoch, but then it has no more than it was given.
    assert_eq!(house.send(&owning("a", 2, &[(topic, &[0])])).unwrap().member_epoch, 3);
    for request in [owning("a", 2, &[(topic, &[0, 1])]), beat("a", 2), owning("a", 1, &[])] {
        assert_eq!(fenced(&mut house, request).error, ErrorCode::FencedMemberEpoch);
    }
    let unknown = fenced(&mut house, beat("z", 3));
    assert_eq!(unknown.error, ErrorCode::UnknownMemberId);
    assert_eq!(unknown.message, "Member z is not a member of group g.");
    assert_eq!(fenced(&mut house, beat("z", -1)).error, ErrorCode::UnknownMemberId);
    // Whoever begins anew is let in.
    let answer = house.send(&join("a", &["t"])).unwrap();
    assert_eq!((answer.member_epoch, given(&answer)), (3, Some(vec![(topic, vec![0])])));
}

#[test]
fn a_silent_member_goes_when_its_session_ends() {
    let mut house = House::new(&[]);
    let topic = house.cluster.topic("t", 2);
    house.send(&join("a", &["t"])).unwrap();
    house.send(&join("b", &["t"])).unwrap();
    house.sleep(44_999);
    house.send(&beat("b", 3)).unwrap();
    house.sleep(1);
    assert!(house.group.member("a").is_none());
    let answer = house.send(&beat("b", 3)).unwrap();
    assert_eq!(
        (answer.member_epoch, given(&answer)),
        (4, Some(vec![(topic, vec![0, 1])]))
    );
}

#[test]
fn a_member_that_does_not_let_go_in_time_goes() {
    let mut house = House::new(&[]);
    let topic = house.cluster.topic("t", 2);
    house.send(&join("a", &["t"])).unwrap();
    house.send(&join("b", &["t"])).unwrap();
    house.send(&owning("a", 2, &[(topic, &[0, 1])])).unwrap();
    house.sleep(29_999);
    house.send(&owning("a", 2, &[(topic, &[0, 1])])).unwrap();
    house.send(&beat("b", 3)).unwrap();
    assert!(house.group.member("a").is_some());
    house.sleep(1);
    assert!(house.group.member("a").is_none());
    assert_eq!(
        given(&house.send(&beat("b", 3)).unwrap()),
        Some(vec![(topic, vec![0, 1])])
    );
}

#[test]
fn a_loaded_group_waits_for_its_members_again() {
    let mut house = House::new(&[]);
    let topic = house.cluster.topic("t", 2);
    house.send(&join("a", &["t"])).unwrap();
    house.send(&join("b", &["t"])).unwrap();
    house.send(&owning("a", 2, &[(topic, &[0, 1])])).unwrap();
    house.group = House::loaded(&house.log);
    let world = house.world();
    house.timers = house
        .group
        .loaded(&world)
        .into_iter()
        .filter_map(|(timer, due)| Some((timer, due?)))
        .collect();
    assert_eq!(house.timers.len(), 3);
    house.sleep(30_000);
    assert!(house.group.member("a").is_none());
    house.sleep(15_000);
    assert!(house.group.is_empty());
}

#[test]
fn a_log_may_show_the_next_owner_before_the_last_one_let_go() {
    let mut house = House::new(&[]);
    let topic = house.cluster.topic("t", 1);
    house.send(&join("a", &["t"])).unwrap();
    let held = house.group.member("a").unwrap().standing.clone();
    house.send(&join("b", &["t"])).unwrap();
    let free = Standing {
        assigned: Held::new(),
        ..(*held).clone()
    };
    let record = |house: &House, id: &str, standing: &Standing| house.group.current_record(&id.into(), Some(standing));
    for (id, standing) in [("b", &*held), ("a", &free)] {
        let record = record(&house, id, standing);
        house.group.apply(&record);
    }
    assert_eq!(house.group.index.owner(topic, 0).map(CompactString::as_str), Some("b"));
    // What is taken back of members that nobody knows says nothing.
    let before = house.group.hard_state();
    house
        .group
        .member_tombstones(&"z".into())
        .iter()
        .for_each(|record| house.group.apply(record));
    assert_eq!(house.group.hard_state(), before);
}

#[test]
fn a_group_holds_no_more_than_it_may() {
    let mut house = House::new(&[("group.consumer.max.size", "1")]);
    house.cluster.topic("t", 2);
    house.send(&join("a", &["t"])).unwrap();
    let full = house.send(&join("b", &["t"])).unwrap_err();
    assert_eq!(full.error, ErrorCode::GroupMaxSizeReached);
    assert_eq!(
        full.message,
        "The consumer group has reached its maximum capacity of 1 members."
    );
    assert!(house.send(&join("a", &["t"])).is_ok());
}

#[test]
fn offsets_are_taken_from_members_for_what_they_have() {
    let mut house = House::new(&[]);
    let topic = house.cluster.topic("t", 2);
    let committer = |member_id, epoch| Committer {
        member_id,
        instance_id: None,
        epoch,
        is_transactional: false,
        api_version: 9,
    };
    assert!(house.group.may_commit(&committer("", -1)).is_ok());
    house.send(&join("a", &["t"])).unwrap();
    house.send(&join("b", &["t"])).unwrap();
    house.send(&owning("a", 2, &[])).unwrap();
    house.send(&beat("b", 3)).unwrap();
    let group = &house.group;
    let refused = |committer: Committer<'_>| group.may_commit(&committer).unwrap_err();
    assert_eq!(refused(committer("", -1)).error, ErrorCode::UnknownMemberId);
    assert_eq!(refused(committer("z", 3)).error, ErrorCode::UnknownMemberId);
    let ahead = refused(committer("a", 4));
    assert_eq!(ahead.error, ErrorCode::StaleMemberEpoch);
    assert_eq!(
        ahead.message,
        "Received member epoch 4 is newer than current member epoch 3."
    );
    let old = Committer {
        api_version: 8,
        ..committer("a", 3)
    };
    assert_eq!(refused(old).error, ErrorCode::UnsupportedVersion);
    let silent = Committer {
        is_transactional: true,
        ..committer("", -1)
    };
    assert!(group.may_commit(&silent).is_ok());
    let current = group.may_commit(&committer("a", 3)).unwrap();
    assert!(current.check("t", topic, 1).is_ok());
    // It has had partition 0 since epoch 2, and partition 1 not any more.
    let late = group.may_commit(&committer("a", 2)).unwrap();
    assert!(late.check("t", topic, 0).is_ok());
    let gone = late.check("t", topic, 1).unwrap_err();
    assert_eq!(
        gone.message,
        "Partition t-1 is not assigned or pending revocation for member."
    );
    let later = group
        .may_commit(&committer("b", 2))
        .unwrap()
        .check("t", topic, 1)
        .unwrap_err();
    assert_eq!(later.error, ErrorCode::StaleMemberEpoch);
    assert_eq!(
        later.message,
        "Received member epoch 2 is older than assignment epoch 3 for partition t-1."
    );
    assert!(group.may_fetch(None, -1).is_ok());
    assert!(group.may_fetch(Some("a"), 3).is_ok());
    let stale = group.may_fetch(Some("a"), 2).unwrap_err();
    assert_eq!(
        stale.message,
        "The received member epoch 2 does not match the expected member epoch 3."
    );
    assert_eq!(
        group.may_fetch(Some("z"), 2).unwrap_err().error,
        ErrorCode::UnknownMemberId
    );
}
