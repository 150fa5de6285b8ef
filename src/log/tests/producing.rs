//! Idempotent and transactional producers.

use crate::log::How;
use crate::log::tests::world::NOW;
use crate::log::tests::world::World;
use crate::log::tests::world::batch;
use crate::log::tests::world::marker;
use crate::log::tests::world::produced;
use crate::log::tests::world::transactional;
use crate::types::ErrorCode;

#[test]
fn the_sequence_decides_what_becomes_of_a_batch() {
    for (case, epoch, sequence, expected) in [
        ("next", 0, 7, Ok((false, 7))),
        ("last again", 0, 6, Ok((true, 6))),
        ("fifth last again", 0, 2, Ok((true, 2))),
        ("forgotten", 0, 1, Err(ErrorCode::OutOfOrderSequenceNumber)),
        ("gap", 0, 8, Err(ErrorCode::OutOfOrderSequenceNumber)),
        ("new epoch", 1, 0, Ok((false, 7))),
        ("new epoch, wrong start", 1, 7, Err(ErrorCode::OutOfOrderSequenceNumber)),
        ("old epoch", -1, 0, Err(ErrorCode::InvalidProducerEpoch)),
    ] {
        let world = World::new();
        for sequence in 0..7 {
            world.append(&produced(5, 0, sequence)).unwrap();
        }
        let answer = world.append(&produced(5, epoch, sequence));
        let answer = answer
            .map(|done| (done.duplicate, done.first_offset))
            .map_err(|refusal| refusal.code);
        assert_eq!(answer, expected, "{case}");
    }
    let world = World::new();
    assert_eq!(
        world.append(&produced(9, 3, 42)).unwrap().first_offset,
        0,
        "an unknown producer may begin anywhere"
    );
}

#[test]
fn the_five_last_batches_are_known_after_a_restart_and_after_a_crash() {
    for (clean, segment_bytes) in [(true, 1_000), (false, 1_000), (true, 100), (false, 100)] {
        let mut world = World::with(|settings| settings.segment_bytes = segment_bytes);
        for sequence in 0..12 {
            world.append(&produced(5, 0, sequence)).unwrap();
        }
        if clean {
            world.restart();
        } else {
            world.crash();
        }
        for sequence in 7..12 {
            let again = world.append(&produced(5, 0, sequence)).unwrap();
            assert_eq!(
                (again.duplicate, again.first_offset),
                (true, i64::from(sequence)),
                "clean: {clean}"
            );
        }
        assert!(world.append(&produced(5, 0, 6)).is_err(), "clean: {clean}");
        assert_eq!(world.append(&produced(5, 0, 12)).unwrap().first_offset, 12);
    }
}

#[test]
fn a_producer_expires_by_the_time_of_its_last_append() {
    let mut world = World::with(|settings| settings.producer_id_expiration_ms = 1_000);
    world.append(&produced(5, 0, 0)).unwrap();
    world.now += 5_000_000;
    world.append(&produced(5, 0, 1)).unwrap();
    world.restart();
    world.now += 999;
    world.log.expire_producers(world.now);
    assert!(
        world.append(&produced(5, 0, 1)).unwrap().duplicate,
        "records are old, but the append is not"
    );
    world.now += 1;
    world.log.expire_producers(world.now);
    assert!(world.log.producers().is_empty());
}

#[test]
fn an_open_transaction_holds_the_stable_offset_until_its_marker_is_replicated() {
    let mut world = World::new();
    world.append(&batch(&[NOW], 10)).unwrap();
    world.append(&transactional(5, 0, 0)).unwrap();
    world.append(&batch(&[NOW], 10)).unwrap();
    assert_eq!((world.log.high_watermark(), world.log.last_stable_offset()), (3, 1));
    assert!(world.log.has_ongoing_transaction(5, 0));
    let refused = world.append(&produced(5, 0, 1)).unwrap_err();
    assert_eq!(refused.code, ErrorCode::InvalidTxnState);
    let how = How {
        transaction_version: 2,
        ..How::coordinator(0)
    };
    world.log.append(&marker(5, 1, false), &how, NOW).unwrap();
    assert_eq!(world.log.last_stable_offset(), 1, "the marker is not replicated yet");
    world.log.advance_high_watermark(4);
    assert_eq!(world.log.last_stable_offset(), 4);
    for round in ["running", "restarted", "crashed"] {
        let aborted = world.log.aborted_transactions(0, 4).unwrap();
        let aborted: Vec<_> = aborted
            .iter()
            .map(|txn| (txn.producer_id, txn.first_offset, txn.last_offset))
            .collect();
        assert_eq!(aborted, [(5, 1, 3)], "{round}");
        assert_eq!(world.log.last_stable_offset(), 4, "{round}");
        if round == "running" {
            world.restart();
        } else {
            world.crash();
        }
    }
    assert_eq!(
        world.append(&transactional(5, 1, 0)).unwrap().first_offset,
        4,
        "the bumped epoch begins at 0"
    );
}

#[test]
fn a_marker_obeys_the_rule_of_its_version() {
    for (version, epoch, open, expected) in [
        (0, 3, true, Ok(())),
        (1, 4, true, Ok(())),
        (1, 2, true, Err(ErrorCode::InvalidProducerEpoch)),
        (2, 3, true, Err(ErrorCode::InvalidProducerEpoch)),
        (2, 4, true, Ok(())),
        (2, 3, false, Ok(())),
    ] {
        let world = World::new();
        world.append(&transactional(5, 2, 0)).unwrap();
        world
            .log
            .append(&marker(5, 3, true), &How::coordinator(0), NOW)
            .unwrap();
        if open {
            world.append(&transactional(5, 3, 0)).unwrap();
        }
        let how = How {
            transaction_version: version,
            ..How::coordinator(0)
        };
        let answer = world.log.append(&marker(5, epoch, true), &how, NOW);
        assert_eq!(
            answer.map(|_| ()).map_err(|refusal| refusal.code),
            expected,
            "{version} {epoch} {open}"
        );
    }
}
