//! Members join, share partitions, and hand them over.

use crate::group::consumer::ConsumerGroup;
use crate::group::consumer::GroupState;
use crate::group::consumer::Timer;
use crate::group::consumer::testing::House;
use crate::group::consumer::testing::START;
use crate::group::consumer::testing::beat;
use crate::group::consumer::testing::given;
use crate::group::consumer::testing::join;
use crate::group::consumer::testing::owning;
use crate::group::records::Record;
use crate::schema::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use crate::types::ErrorCode;

fn kinds(records: &[Record]) -> Vec<&'static str> {
    let kind = |record: &Record| match record {
        Record::ConsumerGroup(_, Some(_)) => "group",
        Record::ConsumerGroup(_, None) => "-group",
        Record::ConsumerPartitions(..) => "-partitions",
        Record::ConsumerMember(_, Some(_)) => "member",
        Record::ConsumerMember(_, None) => "-member",
        Record::ConsumerTarget(_, Some(_)) => "target",
        Record::ConsumerTarget(_, None) => "-target",
        Record::ConsumerTargetMember(_, Some(_)) => "target of member",
        Record::ConsumerTargetMember(_, None) => "-target of member",
        Record::ConsumerCurrent(_, Some(_)) => "current",
        Record::ConsumerCurrent(_, None) => "-current",
        Record::ConsumerRegex(..) => "regex",
        Record::Offset(..) | Record::ClassicGroup(..) => "other",
    };
    records.iter().map(kind).collect()
}

#[test]
fn a_first_member_gets_everything_and_is_written_in_kafkas_order() {
    let mut house = House::new(&[]);
    let topic = house.cluster.topic("t", 3);
    let answer = house.send(&join("a", &["t"])).unwrap();
    assert_eq!((answer.member_epoch, answer.heartbeat_interval_ms), (2, 5000));
    assert_eq!(answer.member_id.as_deref(), Some("a"));
    assert_eq!(given(&answer), Some(vec![(topic, vec![0, 1, 2])]));
    assert_eq!(
        kinds(&house.log),
        ["member", "group", "target of member", "target", "current"]
    );
    assert_eq!(house.timers, [(Timer::Session("a".into()), START + 45_000)].into());
    // Nothing new: nothing written, and nothing told but to who asks with everything.
    house.now += 5;
    let answer = house.send(&beat("a", 2)).unwrap();
    assert_eq!((given(&answer), house.log.len()), (None, 5));
    assert_eq!(house.timers[&Timer::Session("a".into())], START + 45_005);
    let full = ConsumerGroupHeartbeatRequest {
        member_epoch: 2,
        ..join("a", &["t"])
    };
    assert_eq!(given(&house.send(&full).unwrap()), Some(vec![(topic, vec![0, 1, 2])]));
    assert_eq!(house.group.state(), GroupState::Stable);
    assert!(house.group.is_subscribed_to("t"));
}

#[test]
fn a_partition_is_given_away_only_when_its_owner_has_let_it_go() {
    let mut house = House::new(&[]);
    let topic = house.cluster.topic("t", 2);
    house.send(&join("a", &["t"])).unwrap();
    // The second member waits for what the first one still has.
    let answer = house.send(&join("b", &["t"])).unwrap();
    assert_eq!((answer.member_epoch, given(&answer)), (3, Some(vec![])));
    assert_eq!(house.group.state(), GroupState::Reconciling);
    // The first one is asked to let go, and keeps its epoch until it has.
    let answer = house.send(&owning("a", 2, &[(topic, &[0, 1])])).unwrap();
    assert_eq!((answer.member_epoch, given(&answer)), (2, Some(vec![(topic, vec![0])])));
    assert_eq!(house.timers[&Timer::Rebalance("a".into())], START + 30_000);
    assert_eq!(given(&house.send(&beat("b", 3)).unwrap()), None);
    // A member that does not say what it has may still have all of it.
    assert_eq!(house.send(&beat("a", 2)).unwrap().member_epoch, 2);
    let answer = house.send(&owning("a", 2, &[(topic, &[0])])).unwrap();
    assert_eq!((answer.member_epoch, given(&answer)), (3, None));
    assert!(!house.timers.contains_key(&Timer::Rebalance("a".into())));
    let answer = house.send(&beat("b", 3)).unwrap();
    assert_eq!(given(&answer), Some(vec![(topic, vec![1])]));
    assert_eq!(house.group.state(), GroupState::Stable);
}

#[test]
fn a_member_that_wants_something_else_loses_the_rest_at_once() {
    let mut house = House::new(&[("group.consumer.assignment.interval.ms", "5000")]);
    let (one, two) = (house.cluster.topic("one", 1), house.cluster.topic("two", 1));
    house.send(&join("a", &["one", "two"])).unwrap();
    let request = ConsumerGroupHeartbeatRequest {
        subscribed_topic_names: Some(vec!["two".into()]),
        ..owning("a", 2, &[(one, &[0]), (two, &[0])])
    };
    // There is no new target yet, but it must not read what it does not want.
    let answer = house.send(&request).unwrap();
    assert_eq!((answer.member_epoch, given(&answer)), (2, Some(vec![(two, vec![0])])));
    assert_eq!(house.group.state(), GroupState::Assigning);
    house.sleep(5000);
    assert_eq!(house.send(&owning("a", 2, &[(two, &[0])])).unwrap().member_epoch, 3);
    assert_eq!(house.group.state(), GroupState::Stable);
}

#[test]
fn targets_are_made_no_more_often_than_the_interval_allows() {
    let mut house = House::new(&[("group.consumer.assignment.interval.ms", "1000")]);
    let topic = house.cluster.topic("t", 2);
    house.send(&join("a", &["t"])).unwrap();
    house.now += 999;
    let answer = house.send(&join("b", &["t"])).unwrap();
    // It is a member of the target that there is, with nothing in it.
    assert_eq!((answer.member_epoch, given(&answer)), (2, Some(vec![])));
    assert_eq!(house.group.state(), GroupState::Assigning);
    house.now += 1;
    assert_eq!(house.send(&beat("b", 2)).unwrap().member_epoch, 3);
    assert_eq!(house.group.state(), GroupState::Reconciling);
    assert_eq!(given(&house.send(&beat("a", 2)).unwrap()), Some(vec![(topic, vec![0])]));
    // A group's own value counts before the broker's.
    house.cluster.group_config("g", "consumer.assignment.interval.ms", "0");
    house
        .cluster
        .group_config("g", "consumer.heartbeat.interval.ms", "7000");
    let answer = house.send(&join("c", &["t"])).unwrap();
    assert_eq!((answer.member_epoch, answer.heartbeat_interval_ms), (4, 7000));
}

#[test]
fn new_partitions_and_topics_lead_to_a_new_assignment() {
    let mut house = House::new(&[]);
    let topic = house.cluster.topic("t", 1);
    house.send(&join("a", &["t", "later"])).unwrap();
    house.cluster.partition(topic, 1, &[1]);
    let answer = house.send(&beat("a", 2)).unwrap();
    assert_eq!(
        (answer.member_epoch, given(&answer)),
        (3, Some(vec![(topic, vec![0, 1])]))
    );
    let later = house.cluster.topic("later", 1);
    let answer = house.send(&beat("a", 3)).unwrap();
    assert_eq!(given(&answer).unwrap().len(), 2);
    house.cluster.topic("stranger", 1);
    assert_eq!(house.send(&beat("a", 4)).unwrap().member_epoch, 4);
    house.cluster.delete(later);
    let answer = house.send(&owning("a", 4, &[(topic, &[0, 1]), (later, &[0])])).unwrap();
    assert_eq!(
        (answer.member_epoch, given(&answer)),
        (4, Some(vec![(topic, vec![0, 1])]))
    );
    assert_eq!(
        house.send(&owning("a", 4, &[(topic, &[0, 1])])).unwrap().member_epoch,
        5
    );
}

#[test]
fn a_group_may_be_described_and_taken_back() {
    let mut house = House::new(&[]);
    house.cluster.topic("t", 2);
    let mut request = join("a", &["t"]);
    request.server_assignor = Some("range".into());
    house.send(&request).unwrap();
    house.send(&join("b", &["t"])).unwrap();
    house.send(&owning("a", 2, &[])).unwrap();
    let world = house.world();
    let row = house.group.describe(&world);
    assert_eq!(
        (row.group_state.as_str(), row.group_epoch, row.assignment_epoch),
        ("Reconciling", 3, 3)
    );
    assert_eq!((row.assignor_name.as_str(), row.members.len()), ("range", 2));
    assert_eq!(row.members[0].member_type, 1);
    assert_eq!(row.members[0].assignment.topic_partitions[0].topic_name, "t");
    assert_eq!(row.members[1].target_assignment.topic_partitions[0].partitions, [1]);
    assert_eq!(house.group.list().group_state, "Reconciling");
    assert_eq!(house.group.delete().unwrap_err().error, ErrorCode::NonEmptyGroup);
    house.send(&beat("a", -1)).unwrap();
    house.log.clear();
    house.send(&beat("b", -1)).unwrap();
    assert_eq!(kinds(&house.log), ["-current", "-target of member", "-member", "group"]);
    assert_eq!(house.group.state(), GroupState::Empty);
    let records = house.group.delete().unwrap();
    assert_eq!(kinds(&records), ["-target", "-partitions", "-group"]);
    assert!(!house.group.is_gone());
    records.iter().for_each(|record| house.group.apply(record));
    assert!(house.group.is_gone());
}

#[test]
fn a_request_must_be_whole() {
    let mut house = House::new(&[("group.consumer.assignors", "range")]);
    let request = || join("a", &["t"]);
    let blank = Some("  ".into());
    for (request, message) in [
        (
            ConsumerGroupHeartbeatRequest {
                member_id: "".into(),
                ..request()
            },
            "MemberId can't be empty.",
        ),
        (
            ConsumerGroupHeartbeatRequest {
                group_id: " ".into(),
                ..request()
            },
            "GroupId can't be empty.",
        ),
        (
            ConsumerGroupHeartbeatRequest {
                instance_id: blank.clone(),
                ..request()
            },
            "InstanceId can't be empty.",
        ),
        (
            ConsumerGroupHeartbeatRequest {
                rack_id: blank,
                ..request()
            },
            "RackId can't be empty.",
        ),
        (
            ConsumerGroupHeartbeatRequest {
                rebalance_timeout_ms: -1,
                ..request()
            },
            "RebalanceTimeoutMs must be provided in first request.",
        ),
        (
            ConsumerGroupHeartbeatRequest {
                topic_partitions: None,
                ..request()
            },
            "TopicPartitions must be empty when (re-)joining.",
        ),
        (
            ConsumerGroupHeartbeatRequest {
                subscribed_topic_names: None,
                ..request()
            },
            "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
        ),
        (beat("a", -2), "InstanceId can't be null."),
        (beat("a", -3), "MemberEpoch is invalid."),
        (
            ConsumerGroupHeartbeatRequest {
                server_assignor: Some("uniform".into()),
                ..request()
            },
            "ServerAssignor uniform is not supported. Supported assignors: range.",
        ),
    ] {
        assert_eq!(house.send(&request).unwrap_err().message, message);
        let world = house.world();
        let absent = ConsumerGroup::refuse_absent(&world, &house.client(), &request);
        assert_eq!(absent.message, message);
    }
    let world = house.world();
    let absent = ConsumerGroup::refuse_absent(&world, &house.client(), &beat("a", 5));
    assert_eq!(
        (absent.error, absent.message.as_str()),
        (ErrorCode::GroupIdNotFound, "Consumer group g not found.")
    );
    // Before version 1 the broker chooses the ids of those who join.
    house.version = 0;
    assert!(
        house
            .send(&ConsumerGroupHeartbeatRequest {
                member_id: "".into(),
                ..request()
            })
            .is_ok()
    );
    house.group = ConsumerGroup::new("g".into());
    assert!(house.group.is_gone());
}
