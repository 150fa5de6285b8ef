//! Stories of what a classic group keeps: static members, its bounds, its records.

use crate::group::records::Record;
use crate::group::testing::Driver;
use crate::group::testing::INITIAL_DELAY_MS;
use crate::group::testing::SESSION_MS;
use crate::group::testing::join;
use crate::group::testing::protocols;
use crate::machine::Written;
use crate::schema::join_group_request::JoinGroupRequest;
use crate::types::ErrorCode;
use bytes::Bytes;

#[test]
fn what_cannot_be_written_is_refused_before_anything_changes() {
    let small = [("message.max.bytes", "1000")];
    // An assignment: the members try again.
    let mut driver = Driver::with(&small);
    let (id, ticket) = driver.arrive();
    driver.sleep(INITIAL_DELAY_MS);
    assert_eq!(driver.joined(ticket).generation_id, 1);
    let large: &'static str = Box::leak("x".repeat(1000).into_boxed_str());
    let ticket = driver.sync(&id, 1, &[(&id, large)]);
    assert_eq!(driver.synced(ticket).error_code, ErrorCode::UnknownServerError.code());
    assert_eq!(driver.state(), "PreparingRebalance");
    let ticket = driver.join_with(5, join(&id, None));
    assert_eq!(driver.joined(ticket).generation_id, 2);
    // A static member that has more to say than before.
    let mut driver = Driver::with(&small);
    let ticket = driver.join_with(9, join("", Some("i")));
    driver.sleep(INITIAL_DELAY_MS);
    let id = driver.joined(ticket).member_id;
    driver.sync(&id, 1, &[]);
    let talkative = JoinGroupRequest {
        protocols: protocols(&["range"], large.get(..200).unwrap_or_default()),
        ..join("", Some("i"))
    };
    let mut large = talkative.clone();
    large.protocols[0].metadata = Bytes::from(vec![0; 1000]);
    let ticket = driver.join_with(9, talkative);
    assert_eq!(driver.joined(ticket).generation_id, 1);
    let ticket = driver.join_with(9, large);
    assert_eq!(driver.joined(ticket).generation_id, 2);
    // Texts that a record cannot hold.
    let long = "x".repeat(40_000);
    for (group, kind, expected) in [
        (long.as_str(), "consumer", ErrorCode::InvalidGroupId),
        ("g", long.as_str(), ErrorCode::UnknownServerError),
    ] {
        let mut driver = Driver::new();
        let request = JoinGroupRequest {
            group_id: group.into(),
            protocol_type: kind.into(),
            ..join("", None)
        };
        let ticket = driver.join_with(9, request);
        assert_eq!(ErrorCode::from_code(driver.joined(ticket).error_code), expected);
        assert!(driver.log.is_empty());
    }
}

#[test]
fn a_static_member_comes_back_without_a_rebalance() {
    for (version, skip, leader_is_new, members) in [(9, true, true, 1), (8, false, false, 0)] {
        let mut driver = Driver::new();
        let ticket = driver.join_with(version, join("", Some("i")));
        driver.sleep(INITIAL_DELAY_MS);
        let before = driver.joined(ticket).member_id;
        assert!(before.starts_with("i-"), "{before}");
        let ticket = driver.sync(&before, 1, &[(&before, "mine")]);
        driver.synced(ticket);
        let written = driver.log.len();
        let ticket = driver.join_with(version, join("", Some("i")));
        let response = driver.joined(ticket);
        let now = response.member_id.clone();
        assert_ne!(now, before);
        assert_eq!(
            (response.error_code, response.generation_id, response.skip_assignment),
            (0, 1, skip)
        );
        assert_eq!(
            (response.leader == now, response.members.len()),
            (leader_is_new, members)
        );
        assert_eq!((driver.state().as_str(), driver.log.len()), ("Stable", written + 1));
        let ticket = driver.sync(&now, 1, &[]);
        assert_eq!(&driver.synced(ticket).assignment[..], b"mine");
        assert_eq!(driver.heartbeat_of(&before, 1, Some("i")), ErrorCode::FencedInstanceId);
        assert_eq!(driver.heartbeat(&before, 1), ErrorCode::UnknownMemberId);
        let fenced = driver.join_with(version, join(&before, Some("i")));
        assert_eq!(driver.joined(fenced).error_code, ErrorCode::FencedInstanceId.code());
        assert_eq!(driver.heartbeat_of(&now, 1, Some("i")), ErrorCode::None);
        driver.reload();
        assert_eq!(driver.heartbeat_of(&now, 1, Some("i")), ErrorCode::None);
        let response = driver.leave(3, &[("", Some("j")), ("", Some("i"))]);
        let errors: Vec<i16> = response.members.iter().map(|member| member.error_code).collect();
        assert_eq!(errors, [ErrorCode::UnknownMemberId.code(), 0]);
        assert_eq!(driver.state(), "Empty");
    }
}

#[test]
fn a_static_member_that_agrees_on_something_else_rebalances_the_group() {
    let mut driver = Driver::new();
    let both = |id: &str| JoinGroupRequest {
        protocols: protocols(&["range", "sticky"], "t"),
        ..join(id, Some("i"))
    };
    let ticket = driver.join_with(9, both(""));
    driver.sleep(INITIAL_DELAY_MS);
    let before = driver.joined(ticket).member_id;
    let waiting = driver.sync(&before, 1, &[]);
    driver.synced(waiting);
    let turned = JoinGroupRequest {
        protocols: protocols(&["sticky", "range"], "t"),
        ..join("", Some("i"))
    };
    let ticket = driver.join_with(9, turned);
    let response = driver.joined(ticket);
    assert_eq!(
        (response.generation_id, response.protocol_name.as_deref()),
        (2, Some("sticky"))
    );
    // Who waits in its name is fenced, and the leader has to assign anew.
    let ticket = driver.join_with(9, both(""));
    assert_eq!(driver.joined(ticket).generation_id, 3);
    assert_eq!(driver.state(), "CompletingRebalance");
}

#[test]
fn a_group_takes_no_more_members_than_it_may() {
    let mut driver = Driver::with(&[("group.max.size", "2")]);
    let ids = driver.stable(2);
    let ticket = driver.join_with(5, join("", None));
    assert_eq!(driver.joined(ticket).error_code, ErrorCode::GroupMaxSizeReached.code());
    let ticket = driver.join_with(5, join(&ids[1], None));
    assert_eq!(driver.joined(ticket).error_code, 0);
    // A group that has become too large shrinks as soon as it is loaded.
    let mut driver = Driver::new();
    let ids = driver.stable(3);
    let small = Driver::with(&[("group.max.size", "2")]);
    driver.world.config = small.world.config;
    driver.reload();
    assert_eq!(driver.state(), "PreparingRebalance");
    let tickets: Vec<_> = ids.iter().map(|id| driver.join_with(5, join(id, None))).collect();
    let last = driver.joined(tickets[2]);
    assert_eq!(last.error_code, ErrorCode::GroupMaxSizeReached.code());
    assert_eq!(driver.heartbeat(&ids[2], 1), ErrorCode::UnknownMemberId);
}

#[test]
fn a_group_is_written_when_it_is_made_when_it_agrees_and_when_it_is_empty() {
    let mut driver = Driver::new();
    let (id, _) = driver.arrive();
    let last = |driver: &Driver| match driver.log.last().cloned() {
        Some((key, value)) => match Record::decode(key, value.clone()) {
            Ok(Some(Record::ClassicGroup(_, Some(group)))) => (driver.log.len(), value.unwrap()[1], group),
            other => panic!("{other:?}"),
        },
        None => panic!("nothing"),
    };
    let (count, version, group) = last(&driver);
    assert_eq!(
        (
            count,
            version,
            group.generation,
            group.protocol_type.as_str(),
            group.members.len()
        ),
        (1, 3, 0, "", 0)
    );
    driver.sleep(INITIAL_DELAY_MS);
    let ticket = driver.sync(&id, 1, &[(&id, "a")]);
    driver.synced(ticket);
    let (count, _, group) = last(&driver);
    assert_eq!((count, group.generation, group.leader.as_ref()), (2, 1, Some(&id)));
    assert_eq!(
        (group.protocol.as_deref(), &group.members[0].assignment[..]),
        (Some("range"), &b"a"[..])
    );
    driver.leave(5, &[(&id, None)]);
    let (count, _, group) = last(&driver);
    assert_eq!(
        (count, group.generation, group.protocol_type.as_str()),
        (3, 2, "consumer")
    );
    assert_eq!((group.leader, group.protocol, group.members.len()), (None, None, 0));
}

#[test]
fn a_loaded_group_goes_on_with_fresh_sessions() {
    let mut driver = Driver::new();
    let ids = driver.stable(2);
    driver.sleep(SESSION_MS - 1);
    driver.compact();
    driver.reload();
    driver.sleep(SESSION_MS - 1);
    assert_eq!(driver.heartbeat(&ids[0], 1), ErrorCode::None);
    let ticket = driver.sync(&ids[0], 1, &[]);
    assert_eq!(&driver.synced(ticket).assignment[..], b"mine");
    driver.sleep(1);
    assert_eq!(driver.heartbeat(&ids[1], 1), ErrorCode::UnknownMemberId);
    // The leader is still the leader, wherever its id stands among the others.
    let mut other = Driver::new();
    let leader = other.join_with(9, join("", Some("z")));
    let (follower, waiting) = other.arrive();
    other.sleep(INITIAL_DELAY_MS * 2);
    let leader = other.joined(leader).member_id;
    assert_eq!(other.joined(waiting).leader, leader);
    other.sync(&leader, 1, &[]);
    other.reload();
    let told = other.join_with(5, join(&follower, None));
    assert_eq!(other.joined(told).leader, leader);
    assert_eq!(other.state(), "Stable");
    // A half-done rebalance is forgotten: the last agreement holds until somebody says otherwise.
    driver.reload();
    assert_eq!(driver.heartbeat(&ids[1], 1), ErrorCode::None);
}
