//! Retention, DeleteRecords, and what becomes of the files.

use crate::log::read::ReadError;
use crate::log::tests::world::World;

#[test]
fn old_segments_go_and_their_files_follow_later() {
    let mut world = World::small_segments();
    world.fill(20);
    world.now += 10_000;
    world.fill(1);
    world.set(|settings| {
        settings.retention_ms = 5_000;
        settings.file_delete_delay_ms = 60_000;
    });
    let removed = world.log.apply_retention(world.now).unwrap();
    assert!(removed > 1);
    let start = world.log.log_start();
    assert!(start > 0 && start < 21);
    assert!(matches!(world.read_from(0), Err(ReadError::OutOfRange { .. })));
    assert_eq!(world.read_from(start).unwrap(), (start..21).collect::<Vec<_>>());
    let set_aside = |world: &World| world.names().iter().filter(|name| name.ends_with(".deleted")).count();
    assert!(set_aside(&world) >= removed);
    world.log.delete_expired_files(world.now + 59_999).unwrap();
    assert!(set_aside(&world) >= removed, "not yet");
    world.log.delete_expired_files(world.now + 60_000).unwrap();
    assert_eq!(set_aside(&world), 0);
    world.restart();
    assert_eq!((world.log.log_start(), world.log.end_offset()), (start, 21));
}

#[test]
fn the_last_segment_may_go_too_and_offsets_go_on() {
    let mut world = World::small_segments();
    world.fill(8);
    world.set(|settings| settings.retention_ms = 5_000);
    world.now += 5_001;
    world.log.apply_retention(world.now).unwrap();
    assert_eq!(
        (world.log.log_start(), world.log.end_offset(), world.log.size()),
        (8, 8, 0)
    );
    world.restart();
    assert_eq!((world.log.log_start(), world.log.end_offset()), (8, 8));
    assert_eq!(world.fill(1), 9);
}

#[test]
fn retention_by_size_keeps_at_least_what_was_asked_for() {
    let mut world = World::small_segments();
    world.fill(20);
    let segment = std::fs::metadata(world.path("00000000000000000000.log")).unwrap().len();
    let size = world.log.size();
    for (keep, removed) in [(size + 1, 0), (size - segment + 1, 0), (size - segment, 1)] {
        world.set(|settings| settings.retention_bytes = keep as i64);
        assert_eq!(world.log.apply_retention(world.now).unwrap(), removed, "{keep}");
    }
    assert_eq!(world.log.size(), size - segment);
}

#[test]
fn nothing_above_the_high_watermark_is_removed() {
    let mut world = World::small_segments();
    world.fill(3);
    let how = crate::log::How::client(0);
    for _ in 0..10 {
        let records = crate::log::tests::world::batch(&[world.now], 100);
        world.log.append(&records, &how, world.now).unwrap();
    }
    world.set(|settings| settings.retention_ms = 1);
    assert_eq!(world.log.apply_retention(world.now + 1_000).unwrap(), 0);
}

#[test]
fn deleted_records_stay_deleted_after_a_crash() {
    let mut world = World::small_segments();
    world.fill(20);
    assert!(matches!(
        world.log.delete_records(21),
        Err(ReadError::OutOfRange { .. })
    ));
    assert_eq!(world.log.delete_records(11).unwrap(), 11);
    assert_eq!(world.log.delete_records(4).unwrap(), 11, "never back");
    // No checkpoint file was written in between.
    world.crash();
    assert_eq!(world.log.log_start(), 11);
    assert_eq!(world.read_from(11).unwrap(), (11..20).collect::<Vec<_>>());
    assert!(
        world.log.apply_retention(world.now).unwrap() > 0,
        "segments below the start go"
    );
    assert_eq!(world.log.delete_records(-1).unwrap(), 20);
    world.crash();
    assert_eq!((world.log.log_start(), world.log.end_offset()), (20, 20));
    assert_eq!(world.fill(1), 21);
}
