//! Static members: they come back under another id and find their partitions.

use crate::group::consumer::testing::House;
use crate::group::consumer::testing::beat;
use crate::group::consumer::testing::given;
use crate::group::consumer::testing::join;
use crate::schema::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use crate::types::ErrorCode;

fn fixed(request: ConsumerGroupHeartbeatRequest) -> ConsumerGroupHeartbeatRequest {
    ConsumerGroupHeartbeatRequest {
        instance_id: Some("i".into()),
        ..request
    }
}

#[test]
fn whoever_comes_back_with_the_instance_id_takes_over() {
    let mut house = House::new(&[]);
    let topic = house.cluster.topic("t", 2);
    house.send(&fixed(join("a", &["t"]))).unwrap();
    house.send(&join("z", &["t"])).unwrap();
    let refused = house.send(&fixed(join("b", &["t"]))).unwrap_err();
    assert_eq!(refused.error, ErrorCode::UnreleasedInstanceId);
    assert_eq!(
        refused.message,
        "Static member b with instance id i cannot join the group because the instance id is owned by a member."
    );
    let refused = house.send(&fixed(beat("b", 2))).unwrap_err();
    assert_eq!(refused.error, ErrorCode::FencedInstanceId);
    assert_eq!(
        refused.message,
        "Static member b with instance id i was fenced by member a."
    );
    let answer = house.send(&fixed(beat("a", -2))).unwrap();
    assert_eq!((answer.member_epoch, answer.heartbeat_interval_ms), (-2, 0));
    // Its partitions wait for it.
    assert_eq!(given(&house.send(&beat("z", 3)).unwrap()), None);
    let answer = house.send(&fixed(join("b", &["t"]))).unwrap();
    assert_eq!((answer.member_epoch, given(&answer)), (3, Some(vec![(topic, vec![0])])));
    assert!(house.group.member("a").is_none());
    assert_eq!(given(&house.send(&beat("z", 3)).unwrap()), Some(vec![(topic, vec![1])]));
    // What runs out for the old id means nothing to the new one.
    house.sleep(40_000);
    house.send(&fixed(beat("b", 3))).unwrap();
    house.send(&beat("z", 3)).unwrap();
    house.sleep(10_000);
    assert_eq!(house.group.members().count(), 2);
}

#[test]
fn a_static_member_that_stays_away_goes_when_its_session_ends() {
    let mut house = House::new(&[]);
    house.cluster.topic("t", 1);
    house.send(&fixed(join("a", &["t"]))).unwrap();
    house.send(&fixed(beat("a", -2))).unwrap();
    house.sleep(45_000);
    assert!(house.group.is_empty());
    let gone = house.send(&fixed(beat("a", -2))).unwrap_err();
    assert_eq!(
        (gone.error, gone.message.as_str()),
        (ErrorCode::UnknownMemberId, "Instance id i is unknown.")
    );
    house.send(&fixed(join("b", &["t"]))).unwrap();
    house.send(&fixed(beat("b", -1))).unwrap();
    assert!(house.group.is_empty());
}
