//! What is committed, what is told of it, and when it goes.

use crate::group::Command;
use crate::group::Reply;
use crate::group::records::Record;
use crate::group::testing::Driver;
use crate::group::testing::client;
use crate::group::testing::commit;
use crate::group::testing::join;
use crate::group::testing::protocols;
use crate::machine::Machine;
use crate::machine::Written;
use crate::schema::consumer_group_metadata_key::ConsumerGroupMetadataKey;
use crate::schema::consumer_group_metadata_value::ConsumerGroupMetadataValue;
use crate::schema::group_metadata_key::GroupMetadataKey;
use crate::schema::join_group_request::JoinGroupRequest;
use crate::schema::offset_commit_request::OffsetCommitRequest;
use crate::schema::offset_commit_request::OffsetCommitRequestPartition;
use crate::schema::offset_delete_request::OffsetDeleteRequest;
use crate::schema::offset_delete_request::OffsetDeleteRequestPartition;
use crate::schema::offset_delete_request::OffsetDeleteRequestTopic;
use crate::schema::offset_fetch_request::OffsetFetchRequestGroup;
use crate::schema::offset_fetch_request::OffsetFetchRequestTopics;
use crate::schema::offset_fetch_response::OffsetFetchResponsePartitions;
use crate::types::ErrorCode;
use crate::types::Uuid;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const CHECK_MS: i64 = 600_000;

fn fetch(driver: &mut Driver, topic: &str, topic_id: Uuid) -> OffsetFetchResponsePartitions {
    let request = OffsetFetchRequestGroup {
        group_id: "g".into(),
        topics: Some(vec![OffsetFetchRequestTopics {
            name: topic.into(),
            topic_id,
            partition_indexes: vec![0],
        }]),
        ..Default::default()
    };
    let Reply::FetchOffsets(mut response) = driver.run(Command::FetchOffsets(client(10), request)) else {
        panic!("not a fetch");
    };
    assert_eq!((response.error_code, response.topics[0].topic_id), (0, topic_id));
    response.topics.remove(0).partitions.remove(0)
}

fn delete_offsets(driver: &mut Driver, topic: &str) -> (ErrorCode, ErrorCode) {
    let request = OffsetDeleteRequest {
        group_id: "g".into(),
        topics: vec![OffsetDeleteRequestTopic {
            name: topic.into(),
            partitions: vec![OffsetDeleteRequestPartition { partition_index: 0 }],
        }],
    };
    let Reply::DeleteOffsets(response) = driver.run(Command::DeleteOffsets(request)) else {
        panic!("not a deletion");
    };
    let of_partition = response
        .topics
        .first()
        .map_or(0, |topic| topic.partitions[0].error_code);
    (
        ErrorCode::from_code(response.error_code),
        ErrorCode::from_code(of_partition),
    )
}

fn delete_group(driver: &mut Driver) -> ErrorCode {
    match driver.run(Command::Delete("g".into())) {
        Reply::Delete(result) => ErrorCode::from_code(result.error_code),
        _ => panic!("not a deletion"),
    }
}

#[test]
fn somebody_who_only_commits_needs_no_group() {
    let mut driver = Driver::new();
    for (version, generation, expected) in [
        (9, 3, ErrorCode::GroupIdNotFound),
        (8, 3, ErrorCode::IllegalGeneration),
        (2, -1, ErrorCode::None),
        (9, 3, ErrorCode::UnknownMemberId),
    ] {
        let answer = driver.commit_with(version, commit("", generation, 7));
        assert_eq!(answer, expected, "version {version}, generation {generation}");
    }
    assert_eq!(driver.offsets(), [("t".into(), 0, 7)]);
    assert_eq!(driver.state(), "Empty");
    driver.reload();
    assert_eq!(driver.offsets(), [("t".into(), 0, 7)]);
    assert_eq!(driver.state(), "Empty");
}

#[test]
fn an_offset_comes_back_as_it_was_committed() {
    let mut driver = Driver::new();
    let unknown = fetch(&mut driver, "t", Uuid::ZERO);
    assert_eq!((unknown.committed_offset, unknown.committed_leader_epoch), (-1, -1));
    assert_eq!((unknown.metadata.as_deref(), unknown.error_code), (Some(""), 0));
    let mut request = commit("", -1, 7);
    request.topics[0].topic_id = Uuid::ONE;
    request.topics[0].partitions[0].committed_metadata = Some("note".into());
    request.topics[0].partitions[0].committed_leader_epoch = 4;
    assert_eq!(driver.commit_with(10, request), ErrorCode::None);
    driver.reload();
    for (id, offset) in [(Uuid::ZERO, 7), (Uuid::ONE, 7), (Uuid([9; 16]), -1)] {
        assert_eq!(fetch(&mut driver, "t", id).committed_offset, offset, "{id}");
    }
    let told = fetch(&mut driver, "t", Uuid::ONE);
    assert_eq!(
        (told.committed_leader_epoch, told.metadata.as_deref()),
        (4, Some("note"))
    );
    assert_eq!(fetch(&mut driver, "other", Uuid::ZERO).committed_offset, -1);
}

#[test]
fn only_the_partition_with_too_long_a_note_is_refused() {
    let mut driver = Driver::new();
    let mut request = commit("", -1, 7);
    // Counted as Java does: a letter beyond the first 65,536 is two.
    for (index, text) in [(1, "é".repeat(4096)), (2, "a".repeat(4097)), (3, "😀".repeat(2049))] {
        request.topics[0].partitions.push(OffsetCommitRequestPartition {
            partition_index: index,
            committed_metadata: Some(text.into()),
            ..Default::default()
        });
    }
    let Reply::Commit(response) = driver.run(Command::Commit(client(9), request)) else {
        panic!("not a commit");
    };
    let errors = response.topics[0]
        .partitions
        .iter()
        .map(|partition| partition.error_code);
    let long = ErrorCode::OffsetMetadataTooLarge.code();
    assert_eq!(errors.collect::<Vec<_>>(), [0, 0, long, long]);
    assert_eq!(driver.offsets().len(), 2);
}

#[test]
fn offsets_of_subscribed_topics_cannot_be_deleted() {
    let mut driver = Driver::new();
    assert_eq!(delete_offsets(&mut driver, "t").0, ErrorCode::GroupIdNotFound);
    let ids = driver.stable(1);
    driver.commit(&ids[0], 1, 7);
    assert_eq!(
        delete_offsets(&mut driver, "t"),
        (ErrorCode::None, ErrorCode::GroupSubscribedToTopic)
    );
    assert_eq!(delete_offsets(&mut driver, "other"), (ErrorCode::None, ErrorCode::None));
    driver.reload();
    assert_eq!(delete_offsets(&mut driver, "t").1, ErrorCode::GroupSubscribedToTopic);
    driver.leave(3, &[(&ids[0], None)]);
    assert_eq!(delete_offsets(&mut driver, "t"), (ErrorCode::None, ErrorCode::None));
    assert!(driver.offsets().is_empty());
    // Of workers nobody can tell what they need.
    let worker = JoinGroupRequest {
        protocol_type: "connect".into(),
        ..join("", None)
    };
    driver.join_with(3, worker);
    assert_eq!(delete_offsets(&mut driver, "t").0, ErrorCode::NonEmptyGroup);
    // A subscription that cannot be read may be for any topic.
    let mut driver = Driver::new();
    let mut odd = join("", None);
    odd.protocols = protocols(&["range"], "t");
    odd.protocols[0].metadata = bytes::Bytes::from_static(b"?");
    driver.join_with(3, odd);
    driver.sleep(3_000);
    assert_eq!(
        delete_offsets(&mut driver, "other").1,
        ErrorCode::GroupSubscribedToTopic
    );
}

#[test]
fn a_group_is_deleted_with_its_offsets_once_it_is_empty() {
    let mut driver = Driver::new();
    assert_eq!(delete_group(&mut driver), ErrorCode::GroupIdNotFound);
    let ids = driver.stable(1);
    driver.commit(&ids[0], 1, 7);
    assert_eq!(delete_group(&mut driver), ErrorCode::NonEmptyGroup);
    driver.leave(3, &[(&ids[0], None)]);
    assert_eq!(delete_group(&mut driver), ErrorCode::None);
    for _ in 0..2 {
        assert_eq!(driver.state(), "Dead");
        assert!(driver.offsets().is_empty());
        assert_eq!(driver.timers.len(), 1, "only the search for expired offsets goes on");
        driver.compact();
        driver.reload();
    }
    assert_eq!(driver.log.len(), 2, "what is deleted leaves two tombstones");
}

#[test]
fn offsets_expire_by_who_may_still_need_them() {
    // Days after which offsets of one commit are gone; the default keeps them for seven.
    let mut simple = Driver::new();
    simple.commit("", -1, 7);
    simple.sleep(7 * DAY_MS - CHECK_MS);
    assert_eq!(simple.offsets().len(), 1);
    simple.sleep(2 * CHECK_MS);
    assert!(simple.offsets().is_empty());
    assert_eq!(simple.state(), "Dead", "a group goes with its last offset");

    // A group that became empty keeps them from then on.
    let mut emptied = Driver::new();
    let ids = emptied.stable(1);
    emptied.commit(&ids[0], 1, 7);
    for _ in 0..8 * DAY_MS / 9_000 {
        emptied.sleep(9_000);
        emptied.heartbeat(&ids[0], 1);
    }
    assert_eq!(emptied.offsets().len(), 1, "it is still subscribed to");
    emptied.leave(3, &[(&ids[0], None)]);
    emptied.reload();
    emptied.sleep(7 * DAY_MS - CHECK_MS);
    assert_eq!(emptied.offsets().len(), 1);
    emptied.sleep(2 * CHECK_MS);
    assert!(emptied.offsets().is_empty());
}

#[test]
fn a_client_may_say_itself_how_long_its_offsets_are_kept() {
    for (retention_ms, is_left) in [(-1, true), (60 * 60 * 1000, false)] {
        let mut driver = Driver::new();
        let request = OffsetCommitRequest {
            retention_time_ms: retention_ms,
            ..commit("", -1, 7)
        };
        driver.commit_with(3, request);
        driver.reload();
        driver.sleep(60 * 60 * 1000 - 1);
        assert_eq!(driver.offsets().len(), 1);
        driver.sleep(CHECK_MS);
        assert_eq!(!driver.offsets().is_empty(), is_left);
    }
}

#[test]
fn offsets_of_a_deleted_topic_go() {
    let mut driver = Driver::new();
    driver.commit("", -1, 7);
    let reply = driver.run(Command::TopicsDeleted(vec!["other".into()]));
    assert!(matches!(reply, Reply::Done));
    assert_eq!(driver.offsets().len(), 1);
    driver.run(Command::TopicsDeleted(vec!["other".into(), "t".into()]));
    assert!(driver.offsets().is_empty());
    assert_eq!(driver.state(), "Empty");
    driver.sleep(CHECK_MS);
    assert_eq!(driver.state(), "Dead", "nothing is left of it");
}

#[test]
fn groups_are_listed_by_state_and_type() {
    let mut driver = Driver::new();
    driver.stable(1);
    let other = OffsetCommitRequest {
        group_id: "simple".into(),
        ..commit("", -1, 7)
    };
    driver.commit_with(9, other);
    let cases: [(&[&str], &[&str], &[&str]); 6] = [
        (&[], &[], &["g", "simple"]),
        (&["stable"], &[], &["g"]),
        (&["stable", "empty"], &["classic"], &["g", "simple"]),
        (&["preparingrebalance"], &[], &[]),
        (&[], &["consumer"], &[]),
        (&[], &["nonsense"], &[]),
    ];
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    for (states, types, expected) in cases {
        let Reply::List(listed) = driver.run(Command::List(owned(states), owned(types))) else {
            panic!("not a list");
        };
        let ids: Vec<&str> = listed.iter().map(|group| group.group_id.as_str()).collect();
        assert_eq!(ids, expected, "{states:?} {types:?}");
        assert!(listed.iter().all(|group| group.group_type == "classic"));
    }
}

#[test]
fn a_description_shows_metadata_only_while_the_group_agrees() {
    let mut driver = Driver::new();
    let ids = driver.stable(1);
    let describe = |driver: &mut Driver, version| match driver.run(Command::Describe(client(version), "g".into())) {
        Reply::Describe(group) => group,
        _ => panic!("not a description"),
    };
    let stable = describe(&mut driver, 6);
    assert_eq!(
        (stable.protocol_data.as_str(), &stable.members[0].member_assignment[..]),
        ("range", &b"mine"[..])
    );
    assert!(!stable.members[0].member_metadata.is_empty());
    assert_eq!(stable.members[0].client_host, "/127.0.0.1");
    driver.join_with(5, join(&ids[0], None));
    let moving = describe(&mut driver, 6);
    assert_eq!(
        (moving.group_state.as_str(), moving.protocol_data.as_str()),
        ("CompletingRebalance", "")
    );
    assert!(moving.members[0].member_metadata.is_empty());
    let mut nobody = Driver::new();
    let (before, now) = (describe(&mut nobody, 5), describe(&mut nobody, 6));
    assert_eq!((before.error_code, before.group_state.as_str()), (0, "Dead"));
    assert_eq!(
        (now.error_code, now.group_state.as_str()),
        (ErrorCode::GroupIdNotFound.code(), "Dead")
    );
    assert_eq!(now.error_message.as_deref(), Some("Group g not found."));
}

#[test]
fn records_may_come_in_any_order_and_of_any_kind() {
    let mut driver = Driver::new();
    driver.commit("", -1, 7);
    let key = GroupMetadataKey { group: "g".into() };
    driver.log.push(Record::ClassicGroup(key, None).encode());
    driver.log.push((bytes::Bytes::from_static(b"\0\x63?"), None));
    driver.reload();
    assert_eq!(driver.offsets().len(), 1, "offsets always have a group");
    assert_eq!(driver.state(), "Empty");
    // Without members a group of one protocol makes way for one of the other; the offsets stay.
    let key = ConsumerGroupMetadataKey { group_id: "g".into() };
    let value = Some(ConsumerGroupMetadataValue::default());
    driver.log.push(Record::ConsumerGroup(key.clone(), value).encode());
    driver.reload();
    assert_eq!((driver.offsets().len(), driver.state()), (1, "Dead".into()));
    let ticket = driver.join_with(9, join("", None));
    assert_eq!(driver.joined(ticket).error_code, ErrorCode::MemberIdRequired.code());
    assert_eq!((driver.offsets().len(), driver.state()), (1, "Empty".into()));
    driver.machine.apply(&Record::ConsumerGroup(key, None));
    assert_eq!(driver.state(), "Empty", "what is taken back is gone already");
    assert_eq!(delete_group(&mut driver), ErrorCode::None);
}

#[test]
fn what_does_not_fit_into_a_batch_is_refused_or_takes_several() {
    let many = |count: i32, group: &str| {
        let partition = |partition_index| OffsetCommitRequestPartition {
            partition_index,
            ..Default::default()
        };
        let mut request = commit("", -1, 7);
        request.group_id = group.into();
        request.topics[0].partitions = (0..count).map(partition).collect();
        request
    };
    let mut driver = Driver::with(&[("message.max.bytes", "10000")]);
    assert_eq!(driver.commit_with(9, many(1_000, "g")), ErrorCode::UnknownServerError);
    assert!(driver.log.is_empty());
    let wide = Driver::new().world.config;
    let narrow = std::mem::replace(&mut driver.world.config, wide);
    assert_eq!(driver.commit_with(9, many(1_000, "g")), ErrorCode::None);
    assert_eq!(driver.commit_with(9, many(1_000, "h")), ErrorCode::None);
    driver.world.config = narrow;
    assert_eq!(delete_group(&mut driver), ErrorCode::UnknownServerError);
    assert_eq!(driver.offsets().len(), 1_000);
    let mut reloaded = Driver::with(&[("message.max.bytes", "10000")]);
    reloaded.log = driver.log.clone();
    reloaded.reload();
    // The search for expired offsets and the end of a topic take as many turns as they need.
    driver.run(Command::TopicsDeleted(vec!["t".into()]));
    assert!(!driver.offsets().is_empty());
    driver.sleep(1_000);
    assert!(driver.offsets().is_empty());
    reloaded.sleep(8 * DAY_MS);
    assert!(reloaded.offsets().is_empty());
    assert_eq!((reloaded.state().as_str(), reloaded.machine.groups.len()), ("Dead", 0));
    let mut tiny = Driver::with(&[("message.max.bytes", "100")]);
    tiny.log = driver.log.get(..1_000).unwrap_or_default().to_vec();
    tiny.reload();
    tiny.sleep(8 * DAY_MS);
    assert_eq!(tiny.offsets().len(), 1_000);
}
