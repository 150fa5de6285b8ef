//! Members that come back under another id and find their partitions, and members of the classic protocol.

use crate::group::consumer::commit::Committer;
use crate::group::consumer::member::About;
use crate::group::consumer::testing::House;
use crate::group::consumer::testing::beat;
use crate::group::consumer::testing::given;
use crate::group::consumer::testing::join;
use crate::group::records::Record;
use crate::schema::consumer_group_heartbeat_request::ConsumerGroupHeartbeatRequest;
use crate::schema::consumer_group_member_metadata_value::ClassicMemberMetadata;
use crate::schema::consumer_group_member_metadata_value::ClassicProtocol;
use crate::types::ErrorCode;
use bytes::Bytes;

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

/// A member record as a broker writes it that lets members of the classic protocol into the group.
fn make_classic(house: &mut House, id: &str) {
    let records: Vec<Record> = house
        .log
        .iter()
        .filter(|record| matches!(record, Record::ConsumerMember(..)))
        .cloned()
        .collect();
    for record in records {
        if let Record::ConsumerMember(key, Some(mut value)) = record
            && key.member_id == id
        {
            value.classic_member_metadata = Some(ClassicMemberMetadata {
                session_timeout_ms: 10_000,
                supported_protocols: vec![ClassicProtocol {
                    name: "range".into(),
                    metadata: Bytes::from_static(b"\0\x01"),
                }],
            });
            let record = Record::ConsumerMember(key, Some(value));
            house.group.apply(&record);
            house.log.push(record);
        }
    }
}

#[test]
fn what_is_known_of_a_classic_member_is_kept_until_it_speaks_the_new_protocol() {
    let mut house = House::new(&[]);
    let topic = house.cluster.topic("t", 2);
    house.send(&fixed(join("a", &["t"]))).unwrap();
    house.send(&join("z", &["t"])).unwrap();
    make_classic(&mut house, "a");
    let loaded = House::loaded(&house.log);
    assert_eq!(loaded.hard_state(), house.group.hard_state());
    let member = loaded.member("a").unwrap();
    assert_eq!(About::from_record(&member.about.to_record()), *member.about);
    let world = house.world();
    let described = house.group.describe(&world);
    assert_eq!(
        (described.members[0].member_type, described.members[1].member_type),
        (0, 1)
    );
    assert_eq!(
        house.group.may_fetch(Some("a"), 9).unwrap_err().error,
        ErrorCode::IllegalGeneration
    );
    let committer = Committer {
        member_id: "a",
        instance_id: Some("i"),
        epoch: 9,
        is_transactional: false,
        api_version: 8,
    };
    let ahead = house.group.may_commit(&committer).unwrap_err();
    assert_eq!(ahead.error, ErrorCode::IllegalGeneration);
    assert_eq!(
        ahead.message,
        "Received generation id 9 is newer than current member epoch 2."
    );
    // It need not have left before its successor of the new protocol comes.
    let answer = house.send(&fixed(join("b", &["t"]))).unwrap();
    assert_eq!((answer.member_epoch, given(&answer)), (3, Some(vec![(topic, vec![0])])));
    assert!(!house.group.member("b").unwrap().is_classic());
}
