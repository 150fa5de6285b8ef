//! Writers, readers and housekeeping at the same time.

use crate::log::How;
use crate::log::read::ReadError;
use crate::log::tests::world::NOW;
use crate::log::tests::world::World;
use crate::log::tests::world::batch;
use crate::log::tests::world::produced;
use crate::record::batch::batches;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

/// Reads to the end again and again; every batch must be whole, intact and the next one.
fn read_all(world: &World, done: &AtomicBool) {
    let mut next = 0;
    loop {
        let last_round = done.load(Ordering::Acquire);
        let up_to = world.log.end_offset();
        match world.log.read(next, 700, true, up_to) {
            Ok(slice) => {
                for batch in batches(&slice.bytes().unwrap()) {
                    assert!(batch.is_intact());
                    assert!(
                        batch.header.base_offset == next,
                        "{} after {next}",
                        batch.header.base_offset
                    );
                    assert!(batch.header.next_offset() <= up_to);
                    next = batch.header.next_offset();
                }
            }
            // Retention was faster.
            Err(ReadError::OutOfRange { log_start, .. }) if log_start > next => next = log_start,
            Err(error) => panic!("{error:?}"),
        }
        if last_round && next == world.log.end_offset() {
            return;
        }
    }
}

#[test]
fn readers_see_whole_batches_in_order_whatever_else_happens() {
    let mut world = World::small_segments();
    world.set(|settings| settings.retention_bytes = 5_000);
    let done = AtomicBool::new(false);
    let world = &world;
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2).map(|_| scope.spawn(|| read_all(world, &done))).collect();
        let writers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(move || {
                    for _ in 0..400 {
                        world.log.append(&batch(&[NOW, NOW], 60), &How::client(0), NOW).unwrap();
                        world.log.advance_high_watermark(world.log.end_offset());
                    }
                })
            })
            .collect();
        let keeper = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                world.log.apply_retention(NOW).unwrap();
                world.log.delete_expired_files(i64::MAX).unwrap();
                world.log.close_idle_files();
                world.log.flush(world.log.end_offset(), NOW).unwrap();
            }
        });
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        done.store(true, Ordering::Release);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        keeper.join().unwrap();
    });
    assert_eq!(world.log.end_offset(), 1_600);
    assert!(world.log.log_start() > 0);
}

#[test]
fn of_two_equal_retries_only_one_gets_in() {
    let world = World::new();
    for sequence in 0..100 {
        let answers: Vec<_> = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..2)
                .map(|_| scope.spawn(|| world.append(&produced(5, 0, sequence)).unwrap()))
                .collect();
            tries.into_iter().map(|one| one.join().unwrap()).collect()
        });
        assert_eq!(answers.iter().filter(|answer| answer.duplicate).count(), 1);
        assert!(answers.iter().all(|answer| answer.first_offset == i64::from(sequence)));
    }
}
