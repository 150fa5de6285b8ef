//! Appending, reading back, rolling, finding by time.

use crate::log::How;
use crate::log::read::ReadError;
use crate::log::tests::world::NOW;
use crate::log::tests::world::World;
use crate::log::tests::world::batch;
use crate::log::tests::world::batch_of;
use crate::record::batch::batches;
use crate::record::build::BatchSpec;
use crate::types::ErrorCode;
use bytes::Bytes;

#[test]
fn offsets_and_epoch_are_put_into_the_batches() {
    let world = World::new();
    let first = world.append(&batch(&[NOW, NOW], 10)).unwrap();
    assert_eq!((first.first_offset, first.last_offset), (0, 1));
    let second = world
        .log
        .append(&batch(&[NOW, NOW, NOW], 10), &How::client(3), NOW)
        .unwrap();
    assert_eq!((second.first_offset, second.last_offset), (2, 4));
    let stored = world.log.read(0, 10_000, true, 5).unwrap().bytes().unwrap();
    let seen: Vec<_> = batches(&stored)
        .map(|batch| (batch.header.base_offset, batch.header.leader_epoch))
        .collect();
    assert_eq!(seen, [(0, 0), (2, 3)]);
    assert!(batches(&stored).all(|batch| batch.is_intact()));
    assert_eq!(
        std::fs::read_to_string(world.path("leader-epoch-checkpoint")).unwrap(),
        "0\n2\n0 0\n3 2\n"
    );
}

#[test]
fn a_read_starts_with_the_batch_of_its_offset_and_ends_where_it_may() {
    let world = World::new();
    let size = batch(&[NOW, NOW], 10).len() as u32;
    for _ in 0..40 {
        world.append(&batch(&[NOW, NOW], 10)).unwrap();
    }
    // Old batches are found by the index, the latest are remembered: both ways must agree.
    for (from, max_bytes, at_least_one, up_to, first, length) in [
        (0, 10 * size, true, 80, 0, 10 * size),
        (1, size, true, 80, 0, size),
        (2, size + 5, true, 80, 2, size + 5),
        (3, 1, true, 80, 2, size),
        (3, 1, false, 80, 2, 1),
        (0, 1_000_000, true, 10, 0, 5 * size),
        (70, 1_000_000, true, 76, 70, 3 * size),
        (71, 1_000_000, true, 80, 70, 5 * size),
        (79, 1, true, 80, 78, size),
        (10, 1_000_000, true, 80, 10, 35 * size),
    ] {
        let slice = world.log.read(from, max_bytes, at_least_one, up_to).unwrap();
        assert_eq!(
            (slice.first_offset, slice.length()),
            (first, length),
            "from {from} to {up_to}"
        );
    }
    assert!(world.log.read(80, 100, true, 80).unwrap().is_empty());
    assert!(
        world.log.read(60, 100, true, 60).unwrap().is_empty(),
        "nothing below the limit"
    );
    assert!(matches!(
        world.log.read(81, 100, true, 80),
        Err(ReadError::OutOfRange { log_start: 0, end: 80 })
    ));
    assert!(matches!(
        world.log.read(-1, 100, true, 80),
        Err(ReadError::OutOfRange { .. })
    ));
}

#[test]
fn a_segment_ends_by_size_and_by_time() {
    let mut world = World::small_segments();
    world.fill(20);
    let logs = |world: &World| world.names().iter().filter(|name| name.ends_with(".log")).count();
    let by_size = logs(&world);
    assert!(by_size > 2, "{:?}", world.names());
    assert_eq!(world.read_from(0).unwrap(), (0..20).collect::<Vec<_>>());
    world.set(|settings| {
        settings.segment_bytes = 1 << 20;
        settings.segment_ms = 1_000;
    });
    world.now += 1_000;
    world.fill(1);
    assert_eq!(logs(&world), by_size, "not older than segment.ms yet");
    world.now += 1;
    world.fill(1);
    assert_eq!(logs(&world), by_size + 1);
}

#[test]
fn a_segments_time_counts_from_the_largest_of_its_first_batch() {
    let mut world = World::new();
    world.set(|settings| settings.segment_ms = 1_000);
    let old_and_new = batch(&[NOW - 1_000_000, NOW], 10);
    world.append(&old_and_new).unwrap();
    world.append(&old_and_new).unwrap();
    let logs = world.names().iter().filter(|name| name.ends_with(".log")).count();
    assert_eq!(logs, 1, "{:?}", world.names());
}

#[test]
fn side_files_follow_kafkas_rules() {
    let world = World::with(|settings| settings.index_interval_bytes = 100);
    let size = batch(&[NOW], 10).len();
    assert_eq!(size, 81, "two batches are more than the interval, one is not");
    for index in 0..6 {
        world.append(&batch(&[NOW + index], 10)).unwrap();
    }
    let index = std::fs::read(world.path("00000000000000000000.index")).unwrap();
    assert_eq!(index.len(), 10_485_760, "blown up while it is written");
    world.log.close(NOW).unwrap();
    let index = std::fs::read(world.path("00000000000000000000.index")).unwrap();
    let expected: Vec<u8> = [(2u32, 162u32), (4, 324)]
        .iter()
        .flat_map(|(offset, position)| [offset.to_be_bytes(), position.to_be_bytes()].concat())
        .collect();
    assert_eq!(index, expected);
    let times = std::fs::read(world.path("00000000000000000000.timeindex")).unwrap();
    let expected: Vec<u8> = [(NOW + 2, 2u32), (NOW + 4, 4), (NOW + 5, 5)]
        .iter()
        .flat_map(|(time, offset)| [&time.to_be_bytes()[..], &offset.to_be_bytes()[..]].concat())
        .collect();
    assert_eq!(times, expected);
    assert_eq!(
        world.names(),
        [
            "00000000000000000000.index",
            "00000000000000000000.log",
            "00000000000000000000.timeindex",
            "00000000000000000006.snapshot",
            "leader-epoch-checkpoint",
            "partition.metadata",
        ]
    );
}

#[test]
fn records_are_found_by_time() {
    let mut world = World::small_segments();
    for index in 0..20 {
        let time = NOW + index * 10;
        world.append(&batch(&[time, time + 5], 50)).unwrap();
    }
    for round in ["running", "restarted"] {
        for (timestamp, expected) in [
            (0, Some((NOW, 0))),
            (NOW, Some((NOW, 0))),
            (NOW + 1, Some((NOW + 5, 1))),
            (NOW + 5, Some((NOW + 5, 1))),
            (NOW + 6, Some((NOW + 10, 2))),
            (NOW + 100, Some((NOW + 100, 20))),
            (NOW + 195, Some((NOW + 195, 39))),
            (NOW + 196, None),
        ] {
            let found = world.log.offset_for_timestamp(timestamp).unwrap();
            assert_eq!(
                found.map(|found| (found.timestamp, found.offset)),
                expected,
                "{timestamp} {round}"
            );
        }
        let latest = world.log.max_timestamp_offset().unwrap().unwrap();
        assert_eq!(
            (latest.timestamp, latest.offset, latest.leader_epoch),
            (NOW + 195, 39, Some(0))
        );
        world.restart();
    }
}

#[test]
fn a_batch_larger_than_a_segment_is_refused() {
    let world = World::small_segments();
    let refused = world.append(&batch(&[NOW], 2_000)).unwrap_err();
    assert_eq!(refused.code, ErrorCode::RecordListTooLarge);
    assert_eq!(world.log.end_offset(), 0);
}

#[test]
fn a_follower_keeps_offsets_and_epochs_and_refuses_to_go_back() {
    let leader = World::new();
    for epoch in [1, 1, 4] {
        leader
            .log
            .append(&batch(&[NOW, NOW], 10), &How::client(epoch), NOW)
            .unwrap();
    }
    let bytes = leader.log.read(0, 10_000, true, 6).unwrap().bytes().unwrap();
    let follower = World::new();
    assert_eq!(
        follower.log.append_as_follower(&bytes, 3, NOW).unwrap(),
        Some(3),
        "epoch 4 is not followed yet"
    );
    assert_eq!(
        follower
            .log
            .append_as_follower(&bytes.slice(bytes.len() / 3 * 2..), 4, NOW)
            .unwrap(),
        Some(5)
    );
    assert_eq!(follower.log.read(0, 10_000, true, 6).unwrap().bytes().unwrap(), bytes);
    assert_eq!(follower.log.epoch_end_offset(1), Some((1, 4)));
    assert_eq!(follower.log.epoch_end_offset(4), Some((4, 6)));
    assert!(follower.log.append_as_follower(&bytes, 4, NOW).is_err());
    let mut damaged = bytes.to_vec();
    damaged[70] ^= 1;
    let refused = World::new()
        .log
        .append_as_follower(&Bytes::from(damaged), 4, NOW)
        .unwrap_err();
    assert_eq!(refused.code, ErrorCode::CorruptMessage);
}

#[test]
fn truncation_takes_whole_batches_and_their_epochs() {
    let mut world = World::small_segments();
    for epoch in 0..20 {
        world
            .log
            .append(&batch(&[NOW, NOW], 50), &How::client(epoch), NOW)
            .unwrap();
    }
    world.log.advance_high_watermark(40);
    world.log.truncate_to(21, NOW).unwrap();
    assert_eq!((world.log.end_offset(), world.log.high_watermark()), (20, 20));
    assert_eq!(world.log.latest_epoch(), Some(9));
    assert_eq!(world.read_from(0).unwrap(), (0..20).step_by(2).collect::<Vec<_>>());
    let appended = world.log.append(&batch(&[NOW], 50), &How::client(30), NOW).unwrap();
    assert_eq!(appended.first_offset, 20);
    world.restart();
    assert_eq!(world.read_from(18).unwrap(), [18, 20]);
    world.log.truncate_fully_and_start_at(100, NOW).unwrap();
    assert_eq!(
        (world.log.log_start(), world.log.end_offset(), world.log.size()),
        (100, 100, 0)
    );
    assert_eq!(world.append(&batch(&[NOW], 50)).unwrap().first_offset, 100);
    assert_eq!(world.names().iter().filter(|name| name.ends_with(".log")).count(), 1);
}

#[test]
fn flush_messages_asks_for_a_flush() {
    let world = World::with(|settings| settings.flush_messages = 2);
    assert!(!world.append(&batch(&[NOW], 1)).unwrap().flush_due);
    assert!(world.append(&batch(&[NOW], 1)).unwrap().flush_due);
    world.log.flush(2, NOW).unwrap();
    assert_eq!(world.log.recovery_point(), 2);
    assert!(
        !world
            .append(&batch_of(BatchSpec::default(), &[NOW], 1))
            .unwrap()
            .flush_due
    );
}
