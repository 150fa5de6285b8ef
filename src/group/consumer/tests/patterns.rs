//! Subscriptions by pattern.

use crate::group::consumer::testing::House;
use crate::group::consumer::testing::beat;
use crate::group::consumer::testing::given;
use crate::group::consumer::testing::join;
use crate::group::records::Record;
use crate::schema::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use crate::types::ErrorCode;

fn pattern(member: &str, epoch: i32, regex: &str) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        member_epoch: epoch,
        subscribed_topic_names: None,
        subscribed_topic_regex: Some(regex.into()),
        ..join(member, &[])
    }
}

fn regexes(house: &House) -> Vec<(String, Option<Vec<String>>)> {
    let found = house.log.iter().filter_map(|record| match record {
        Record::ConsumerRegex(key, value) => {
            let topics = |topics: &Vec<_>| topics.iter().map(ToString::to_string).collect();
            Some((
                key.regular_expression.to_string(),
                value.as_ref().map(|value| topics(&value.topics)),
            ))
        }
        _ => None,
    });
    found.collect()
}

#[test]
fn a_pattern_means_the_topics_that_there_are_and_those_that_come() {
    let mut house = House::new(&[]);
    let (one, other) = (house.cluster.topic("foo-1", 1), house.cluster.topic("bar", 1));
    let answer = house.send(&pattern("a", 0, "foo.*")).unwrap();
    // It is resolved after the heartbeat that brought it.
    assert_eq!((answer.member_epoch, given(&answer)), (1, Some(vec![])));
    assert_eq!(regexes(&house), [("foo.*".to_owned(), Some(vec!["foo-1".to_owned()]))]);
    let answer = house.send(&beat("a", 1)).unwrap();
    assert_eq!((answer.member_epoch, given(&answer)), (2, Some(vec![(one, vec![0])])));
    assert!(house.group.is_subscribed_to("foo-1"));
    let two = house.cluster.topic("foo-2", 1);
    house.send(&beat("a", 2)).unwrap();
    assert_eq!(regexes(&house).len(), 1, "not so soon again");
    house.sleep(10_001);
    house.send(&beat("a", 2)).unwrap();
    let answer = house.send(&beat("a", 2)).unwrap();
    assert_eq!(
        (answer.member_epoch, given(&answer)),
        (3, Some(vec![(one, vec![0]), (two, vec![0])]))
    );
    // Names and a pattern may be mixed.
    house.sleep(10_001);
    let mixed = ConsumerGroupHeartbeatRequest {
        subscribed_topic_names: Some(vec!["bar".into()]),
        member_epoch: 0,
        ..pattern("b", 0, "foo-2")
    };
    house.send(&mixed).unwrap();
    assert_eq!(house.group.subscribed_topics().count(), 3);
    house.send(&beat("a", 3)).unwrap();
    let answer = house.send(&pattern("b", 4, "foo-2")).unwrap();
    assert_eq!(given(&answer).unwrap()[0].0, other);
    // The last member with a pattern takes it along.
    house.send(&beat("b", -1)).unwrap();
    assert_eq!(regexes(&house).last(), Some(&("foo-2".to_owned(), None)));
}

#[test]
fn a_second_member_with_a_known_pattern_is_served_at_once() {
    let mut house = House::new(&[]);
    let topic = house.cluster.topic("foo", 2);
    house.send(&pattern("a", 0, "foo")).unwrap();
    let answer = house.send(&pattern("b", 0, "foo")).unwrap();
    assert_eq!((answer.member_epoch, given(&answer)), (3, Some(vec![(topic, vec![1])])));
    assert_eq!(given(&house.send(&beat("a", 1)).unwrap()), Some(vec![(topic, vec![0])]));
    // An empty pattern is none.
    let answer = house.send(&pattern("b", 3, "")).unwrap();
    assert_eq!(given(&answer), Some(vec![]));
}

#[test]
fn several_members_that_go_at_once_take_their_pattern_along() {
    let mut house = House::new(&[]);
    house.cluster.topic("foo", 2);
    house.send(&pattern("a", 0, "foo")).unwrap();
    house.send(&pattern("b", 0, "foo")).unwrap();
    house.send(&join("c", &["foo"])).unwrap();
    let (world, before) = (house.world(), house.log.len());
    let changes = house
        .group
        .fence_all(&world, &["a".into(), "nobody".into(), "b".into(), "a".into()]);
    assert_eq!(changes.records.len(), 3 + 3 + 1 + 1);
    house.carry_out(changes);
    assert_eq!(regexes(&house).last(), Some(&("foo".to_owned(), None)));
    assert!(house.group.is_subscribed_to("foo"));
    assert_eq!((house.group.members().count(), house.log.len()), (1, before + 8));
    let changes = house.group.fence_all(&world, &["nobody".into()]);
    assert!(changes.records.is_empty());
    // What is left of the log says the same.
    assert_eq!(
        House::loaded(&house.compacted(house.log.len())).hard_state(),
        house.group.hard_state()
    );
}

#[test]
fn a_pattern_that_is_none_is_refused() {
    let mut house = House::new(&[]);
    let refused = house.send(&pattern("a", 0, "foo[")).unwrap_err();
    assert_eq!(refused.error, ErrorCode::InvalidRegularExpression);
    assert_eq!(
        refused.message,
        "SubscribedTopicRegex `foo[` is not a valid regular expression: missing closing ]."
    );
    assert!(house.group.is_gone());
}
