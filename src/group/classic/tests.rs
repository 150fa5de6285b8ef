//! Stories of classic groups.

use crate::group::Command;
use crate::group::testing::Driver;
use crate::group::testing::INITIAL_DELAY_MS;
use crate::group::testing::REBALANCE_MS;
use crate::group::testing::SESSION_MS;
use crate::group::testing::client;
use crate::group::testing::join;
use crate::group::testing::protocols;
use crate::schema::join_group_request::JoinGroupRequest;
use crate::schema::sync_group_request::SyncGroupRequest;
use crate::types::ErrorCode;

#[test]
fn members_come_agree_and_go() {
    let mut driver = Driver::new();
    let (first, first_ticket) = driver.arrive();
    assert!(first.starts_with("app-"), "{first}");
    assert_eq!(first.len(), "app-".len() + 36);
    let (second, second_ticket) = driver.arrive();
    assert_eq!(driver.state(), "PreparingRebalance");
    driver.sleep(INITIAL_DELAY_MS * 2);
    let (one, two) = (driver.joined(first_ticket), driver.joined(second_ticket));
    assert_eq!((one.generation_id, two.generation_id), (1, 1));
    assert_eq!((&one.leader, one.members.len()), (&first, 2));
    assert_eq!((&two.leader, two.members.len()), (&first, 0));
    assert_eq!(driver.state(), "CompletingRebalance");
    let waiting = driver.sync(&second, 1, &[]);
    let leading = driver.sync(&first, 1, &[(&first, "a"), (&second, "b")]);
    assert_eq!(&driver.synced(leading).assignment[..], b"a");
    assert_eq!(&driver.synced(waiting).assignment[..], b"b");
    assert_eq!(driver.heartbeat(&first, 1), ErrorCode::None);
    assert_eq!(driver.leave(3, &[(&first, None)]).members[0].error_code, 0);
    assert_eq!(driver.heartbeat(&second, 1), ErrorCode::RebalanceInProgress);
    let again = driver.join_with(5, join(&second, None));
    let again = driver.joined(again);
    assert_eq!((again.generation_id, again.leader), (2, second.clone()));
    driver.leave(1, &[(&second, None)]);
    assert_eq!(driver.state(), "Empty");
    assert!(driver.asked.is_empty());
}

#[test]
fn the_silent_are_left_behind() {
    let mut driver = Driver::new();
    let ids = driver.stable(3);
    driver.sleep(SESSION_MS - 1);
    driver.heartbeat(&ids[0], 1);
    driver.heartbeat(&ids[1], 1);
    driver.sleep(1);
    assert_eq!(driver.heartbeat(&ids[2], 1), ErrorCode::UnknownMemberId);
    let first = driver.join_with(5, join(&ids[0], None));
    assert!(driver.asked.contains(&first), "the others have their time to join");
    for _ in 0..REBALANCE_MS / 5_000 {
        driver.sleep(5_000);
        driver.heartbeat(&ids[1], 1);
    }
    let response = driver.joined(first);
    assert_eq!((response.generation_id, response.members.len()), (2, 1));
    assert_eq!(driver.heartbeat(&ids[1], 1), ErrorCode::UnknownMemberId);
    // Who does not ask for its assignment goes, too.
    for _ in 0..REBALANCE_MS / 5_000 {
        driver.heartbeat(&ids[0], 2);
        driver.sleep(5_000);
    }
    assert_eq!(driver.state(), "Empty");
}

#[test]
fn a_join_is_refused_for_what_it_asks() {
    type Change = fn(&mut JoinGroupRequest);
    let cases: [(&str, Change, ErrorCode); 8] = [
        ("no group", |join| join.group_id = "".into(), ErrorCode::InvalidGroupId),
        (
            "short session",
            |join| join.session_timeout_ms = 5_999,
            ErrorCode::InvalidSessionTimeout,
        ),
        (
            "long session",
            |join| join.session_timeout_ms = 1_800_001,
            ErrorCode::InvalidSessionTimeout,
        ),
        (
            "another type",
            |join| join.protocol_type = "connect".into(),
            ErrorCode::InconsistentGroupProtocol,
        ),
        (
            "other protocols",
            |join| join.protocols = protocols(&["sticky"], "t"),
            ErrorCode::InconsistentGroupProtocol,
        ),
        (
            "no protocols",
            |join| join.protocols.clear(),
            ErrorCode::InconsistentGroupProtocol,
        ),
        (
            "unknown id",
            |join| join.member_id = "x".into(),
            ErrorCode::UnknownMemberId,
        ),
        (
            "unknown instance",
            |join| {
                join.member_id = "x".into();
                join.group_instance_id = Some("i".into());
            },
            ErrorCode::UnknownMemberId,
        ),
    ];
    for (case, change, expected) in cases {
        let mut driver = Driver::new();
        driver.stable(1);
        let mut request = join("", None);
        change(&mut request);
        let ticket = driver.join_with(5, request);
        let response = driver.joined(ticket);
        assert_eq!(ErrorCode::from_code(response.error_code), expected, "{case}");
        assert_eq!(
            response.protocol_name.as_deref(),
            Some(""),
            "{case}: version 5 knows no null"
        );
        assert_eq!(driver.state(), "Stable", "{case}");
    }
    let mut driver = Driver::new();
    let ticket = driver.join_with(9, join("stranger", None));
    let response = driver.joined(ticket);
    assert_eq!(
        (response.error_code, response.member_id.as_str()),
        (ErrorCode::UnknownMemberId.code(), "stranger")
    );
    assert!(
        driver.log.is_empty(),
        "nobody can join a group with an id that it never gave"
    );
    let empty = JoinGroupRequest {
        protocols: Vec::new(),
        ..join("", None)
    };
    let ticket = driver.join_with(9, empty);
    assert_eq!(
        driver.joined(ticket).error_code,
        ErrorCode::InconsistentGroupProtocol.code()
    );
}

#[test]
fn each_state_has_its_answers() {
    use ErrorCode::*;
    // Sync, heartbeat and commit of a member in step.
    for (state, sync, heartbeat, commit) in [
        ("Stable", None, None, None),
        ("PreparingRebalance", RebalanceInProgress, RebalanceInProgress, None),
        ("CompletingRebalance", None, None, RebalanceInProgress),
        ("Empty", UnknownMemberId, UnknownMemberId, UnknownMemberId),
    ] {
        let mut driver = Driver::new();
        let ids = driver.stable(2);
        let mut generation = 1;
        match state {
            "PreparingRebalance" => {
                driver.join_with(5, join(&ids[0], Option::None));
            }
            "CompletingRebalance" => {
                driver.join_with(5, join(&ids[0], Option::None));
                driver.join_with(5, join(&ids[1], Option::None));
                generation = 2;
            }
            "Empty" => {
                driver.leave(3, &[(&ids[0], Option::None), (&ids[1], Option::None)]);
                generation = 2;
            }
            _ => {}
        }
        assert_eq!(driver.state(), state);
        for (who, id, number, instance) in [
            ("a stranger", "x", generation, Option::None),
            ("another instance", &ids[1], generation, Some("i")),
        ] {
            assert_eq!(
                driver.heartbeat_of(id, number, instance),
                UnknownMemberId,
                "{state}, {who}"
            );
        }
        assert_eq!(driver.commit("x", generation, 1), UnknownMemberId, "{state}");
        if state != "Empty" {
            assert_eq!(driver.heartbeat(&ids[1], 7), IllegalGeneration, "{state}");
            assert_eq!(driver.commit(&ids[1], 7, 1), IllegalGeneration, "{state}");
            assert_eq!(
                driver.commit("", -1, 1),
                UnknownMemberId,
                "{state}: only members commit"
            );
            let late = driver.sync(&ids[1], 7, &[]);
            assert_eq!(driver.synced(late).error_code, IllegalGeneration.code(), "{state}");
        } else {
            assert_eq!(driver.commit("", -1, 1), None, "an administrator may set offsets");
        }
        assert_eq!(driver.heartbeat(&ids[1], generation), heartbeat, "{state}");
        assert_eq!(driver.commit(&ids[1], generation, 1), commit, "{state}");
        let ticket = driver.sync(&ids[1], generation, &[]);
        if state == "CompletingRebalance" {
            assert!(driver.asked.contains(&ticket), "it waits for the leader");
        } else {
            assert_eq!(ErrorCode::from_code(driver.synced(ticket).error_code), sync, "{state}");
        }
    }
}

#[test]
fn a_sync_must_name_the_protocol_of_the_group() {
    let mut driver = Driver::new();
    let ids = driver.stable(1);
    let request = |kind: Option<&str>, name: Option<&str>| SyncGroupRequest {
        group_id: "g".into(),
        generation_id: 1,
        member_id: ids[0].clone(),
        protocol_type: kind.map(Into::into),
        protocol_name: name.map(Into::into),
        ..Default::default()
    };
    for (version, kind, name, expected) in [
        (5, Some("consumer"), Some("range"), ErrorCode::None),
        (5, None, Some("range"), ErrorCode::InconsistentGroupProtocol),
        (
            5,
            Some("consumer"),
            Some("sticky"),
            ErrorCode::InconsistentGroupProtocol,
        ),
        (5, Some("connect"), Some("range"), ErrorCode::InconsistentGroupProtocol),
        (4, None, None, ErrorCode::None),
    ] {
        let ticket = driver.ask(Command::Sync(client(version), request(kind, name)));
        let response = driver.synced(ticket);
        assert_eq!(
            ErrorCode::from_code(response.error_code),
            expected,
            "{version} {kind:?} {name:?}"
        );
        let told = expected.is_none().then_some("range");
        assert_eq!(response.protocol_name.as_deref(), told);
    }
}

#[test]
fn members_vote_for_what_all_can_do() {
    let mut driver = Driver::new();
    let mut tickets = Vec::new();
    for names in [
        &["sticky", "range", "own"][..],
        &["range", "sticky"],
        &["range", "other", "sticky"],
    ] {
        let request = JoinGroupRequest {
            protocols: protocols(names, "t"),
            ..join("", None)
        };
        tickets.push(driver.join_with(3, request));
    }
    driver.sleep(REBALANCE_MS);
    for ticket in tickets {
        assert_eq!(driver.joined(ticket).protocol_name.as_deref(), Some("range"));
    }
    // As many votes: java.util.HashMap finds "roundrobin" (bucket 10) after "range" (9), whoever comes first.
    for both in [["range", "roundrobin"], ["roundrobin", "range"]] {
        let mut driver = Driver::new();
        for names in [both, [both[1], both[0]]] {
            let request = JoinGroupRequest {
                protocols: protocols(&names, "t"),
                ..join("", None)
            };
            driver.join_with(3, request);
        }
        driver.sleep(INITIAL_DELAY_MS * 2);
        let names: Vec<_> = driver
            .answers
            .values()
            .map(|reply| match reply {
                crate::group::Reply::Join(response) => response.protocol_name.clone(),
                _ => panic!("not a join"),
            })
            .collect();
        assert!(names.iter().all(|name| name.as_deref() == Some("range")), "{names:?}");
    }
}

#[test]
fn a_join_says_who_may_keep_its_place() {
    let mut driver = Driver::new();
    let ids = driver.stable(2);
    // A follower that says nothing new is told what is; so is a leader that asks twice, but only once it has asked.
    let follower = driver.join_with(5, join(&ids[1], None));
    let told = driver.joined(follower);
    assert_eq!(
        (told.generation_id, told.members.len(), driver.state().as_str()),
        (1, 0, "Stable")
    );
    let changed = JoinGroupRequest {
        protocols: protocols(&["range"], "other"),
        ..join(&ids[1], None)
    };
    let changed = driver.join_with(5, changed);
    assert_eq!(driver.state(), "PreparingRebalance");
    let leader = driver.join_with(5, join(&ids[0], None));
    assert_eq!(driver.joined(changed).generation_id, 2);
    assert_eq!(driver.joined(leader).members.len(), 2);
    let waiting = driver.sync(&ids[1], 2, &[]);
    let again = driver.join_with(5, join(&ids[0], None));
    assert_eq!(
        driver.joined(again).members.len(),
        2,
        "it may have missed the first answer"
    );
    // Whoever asks a second time has stopped listening to the first answer; nobody is left without one.
    let twice = driver.sync(&ids[1], 2, &[]);
    assert_eq!(driver.synced(waiting).error_code, ErrorCode::RebalanceInProgress.code());
    let restless = JoinGroupRequest {
        protocols: protocols(&["range"], "third"),
        ..join(&ids[0], None)
    };
    let restless = driver.join_with(5, restless);
    assert_eq!(driver.synced(twice).error_code, ErrorCode::RebalanceInProgress.code());
    driver.leave(3, &[(&ids[1], None)]);
    assert_eq!(driver.joined(restless).generation_id, 3);
}

#[test]
fn the_first_rebalance_waits_as_long_as_members_keep_coming() {
    let mut driver = Driver::new();
    let (_, first) = driver.arrive();
    driver.sleep(INITIAL_DELAY_MS - 1);
    let (_, second) = driver.arrive();
    driver.sleep(INITIAL_DELAY_MS);
    assert!(driver.asked.contains(&first), "put off once");
    driver.sleep(1);
    assert!(!driver.asked.contains(&first) && !driver.asked.contains(&second));
    // But not for longer than members may take to join.
    let mut driver = Driver::new();
    let (_, first) = driver.arrive();
    for _ in 0..30 {
        driver.sleep(INITIAL_DELAY_MS - 1_000);
        driver.arrive();
    }
    assert!(!driver.asked.contains(&first));
}

#[test]
fn whoever_never_comes_back_is_forgotten() {
    // An id that was given out.
    let mut driver = Driver::new();
    let ids = driver.stable(1);
    driver.join_with(5, join("", None));
    let leader = driver.join_with(5, join(&ids[0], None));
    assert!(driver.asked.contains(&leader), "the others may come with their ids");
    driver.sleep(SESSION_MS);
    assert_eq!(driver.joined(leader).generation_id, 2);
    // A new member whose client went away while others took their time.
    let mut driver = Driver::new();
    let ids = driver.stable(1);
    let (_, gone) = driver.arrive();
    for _ in 0..4 {
        driver.sleep(5_000);
        driver.heartbeat(&ids[0], 1);
    }
    driver.join_with(5, join(&ids[0], None));
    assert_eq!(driver.joined(gone).generation_id, 2);
    driver.sleep(REBALANCE_MS * 3);
    assert_eq!(driver.state(), "Empty");
    assert!(driver.asked.is_empty());
}

#[test]
fn leaving_answers_as_the_version_can_say_it() {
    let mut driver = Driver::new();
    let ids = driver.stable(2);
    assert_eq!(
        driver.leave(2, &[("x", None)]).error_code,
        ErrorCode::UnknownMemberId.code()
    );
    let answer = driver.leave(5, &[("x", None), (&ids[0], None)]);
    let errors: Vec<i16> = answer.members.iter().map(|member| member.error_code).collect();
    assert_eq!(
        (answer.error_code, errors),
        (0, vec![ErrorCode::UnknownMemberId.code(), 0])
    );
    let pending = driver.join_with(5, join("", None));
    let pending = driver.joined(pending).member_id;
    assert_eq!(driver.leave(5, &[(&pending, None)]).members[0].error_code, 0);
    let answer = driver.leave(0, &[(&ids[1], None)]);
    assert_eq!((answer.error_code, answer.members.len()), (0, 0));
    let mut empty = Driver::new();
    assert_eq!(
        empty.leave(5, &[("x", None)]).members[0].error_code,
        ErrorCode::UnknownMemberId.code()
    );
}
