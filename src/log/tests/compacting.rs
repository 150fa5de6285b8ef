//! Compaction on real files: what is kept, and what survives it.

use crate::log::Brake;
use crate::log::CleanError;
use crate::log::CleanReport;
use crate::log::CleanerLimits;
use crate::log::How;
use crate::log::cleaner::Dirt;
use crate::log::tests::world::NOW;
use crate::log::tests::world::World;
use crate::log::tests::world::marker;
use crate::record::batch::batches;
use crate::record::build::BatchBuilder;
use crate::record::build::BatchSpec;
use crate::record::compress::Compression;
use crate::types::Offset;
use bytes::Bytes;
use std::cell::Cell;
use std::collections::BTreeMap;

pub const LIMITS: CleanerLimits = CleanerLimits {
    map_bytes: 1 << 20,
    load_factor: 0.9,
    buffer_bytes: 4096,
};

/// Lets everything pass.
pub struct Free;

impl Brake for Free {
    fn moved(&self, _: u64) -> bool {
        true
    }
}

pub fn compacted() -> World {
    World::with(|settings| {
        settings.segment_bytes = 1_000;
        settings.index_interval_bytes = 200;
        settings.batches.compacted = true;
        settings.delete = false;
        settings.delete_retention_ms = 1_000;
        settings.min_cleanable_dirty_ratio = 0.0;
    })
}

impl World {
    pub fn dirt(&self) -> Dirt {
        Dirt::of(&self.log.facts(&self.log.settings()).unwrap(), self.now).unwrap()
    }

    pub fn clean_with(&self, limits: &CleanerLimits) -> Result<CleanReport, CleanError> {
        self.log.clean(&self.dirt(), limits, &Free, self.now)
    }

    pub fn clean(&self) -> CleanReport {
        self.clean_with(&LIMITS).unwrap()
    }

    /// All sealed segments are clean afterwards, once for each horizon.
    pub fn roll_and_clean(&self) -> CleanReport {
        self.log.roll(self.now).unwrap();
        self.clean()
    }

    pub fn put(&self, key: &str, value: Option<&str>) -> Offset {
        self.append(&record(BatchSpec::default(), key, value))
            .unwrap()
            .first_offset
    }

    /// Offset, key and value of every record that a consumer gets.
    pub fn records(&self) -> Vec<(Offset, Option<String>, Option<String>)> {
        let text = |bytes: Option<&[u8]>| bytes.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap());
        let mut found = Vec::new();
        self.each_batch(|bytes| {
            for batch in batches(bytes).filter(|batch| !batch.header.is_control()) {
                let visit = |record: crate::record::Record<'_>| {
                    found.push((record.offset, text(record.key), text(record.value)));
                    true
                };
                batch.for_each_record(1 << 20, visit).unwrap();
            }
        });
        found
    }

    /// Base offset, last offset and count of every batch.
    fn shape(&self) -> Vec<(Offset, Offset, i32)> {
        let mut found = Vec::new();
        self.each_batch(|bytes| {
            let headers = batches(bytes).map(|batch| batch.header);
            found.extend(headers.map(|header| (header.base_offset, header.last_offset(), header.count)));
        });
        found
    }

    fn each_batch(&self, mut visit: impl FnMut(&[u8])) {
        let mut next = self.log.log_start();
        while next < self.log.end_offset() {
            let slice = self.log.read(next, 1, true, self.log.end_offset()).unwrap();
            let bytes = slice.bytes().unwrap();
            let batch = batches(&bytes).next().unwrap();
            assert!(batch.is_intact() && batch.header.last_offset() >= next);
            visit(&bytes[..batch.size()]);
            next = batch.header.next_offset();
        }
    }
}

pub fn record(spec: BatchSpec, key: &str, value: Option<&str>) -> Bytes {
    let mut builder = BatchBuilder::new(spec);
    builder.push(
        NOW,
        Some(key.as_bytes()),
        value.map(str::as_bytes),
        &[(b"h", Some(b"x"))],
    );
    builder.finish(Compression::NONE)
}

pub fn spec(producer_id: i64, sequence: i32, transactional: bool) -> BatchSpec {
    BatchSpec {
        producer_id,
        producer_epoch: 0,
        base_sequence: sequence,
        transactional,
        ..BatchSpec::default()
    }
}

/// As consumers of a table see it.
pub fn table(records: &[(Offset, Option<String>, Option<String>)]) -> BTreeMap<String, String> {
    let mut table = BTreeMap::new();
    for (_, key, value) in records {
        let Some(key) = key.clone() else { continue };
        match value.clone() {
            Some(value) => table.insert(key, value),
            None => table.remove(&key),
        };
    }
    table
}

#[test]
fn for_each_key_the_latest_record_is_kept_where_it_was() {
    let mut world = compacted();
    for round in 0..10 {
        for key in 0..10 {
            world.put(&format!("k{key}"), Some(&format!("v{round}")));
        }
    }
    world.log.roll(world.now).unwrap();
    let before = world.log.size();
    let report = world.clean();
    assert_eq!((report.first_dirty, report.end, report.keys), (0, 100, 10));
    let expected: Vec<_> = (90..100)
        .map(|offset| (offset, Some(format!("k{}", offset - 90)), Some("v9".to_string())))
        .collect();
    assert_eq!(world.records(), expected);
    assert!(world.log.size() < before / 5);
    assert_eq!(
        (world.log.log_start(), world.log.end_offset(), world.log.cleaned_to()),
        (0, 100, Some(100))
    );
    assert!(
        !world
            .names()
            .iter()
            .any(|name| name.ends_with(".cleaned") || name.ends_with(".swap"))
    );
    for clean in [true, false] {
        if clean {
            world.restart()
        } else {
            world.crash()
        };
        assert_eq!(
            (world.records(), world.log.end_offset()),
            (expected.clone(), 100),
            "clean: {clean}"
        );
    }
    assert_eq!(world.put("k0", Some("next")), 100);
}

#[test]
fn replaced_files_go_later_and_who_reads_them_goes_on() {
    let world = compacted();
    for round in 0..40 {
        world.put("k", Some(&round.to_string()));
    }
    world.log.roll(world.now).unwrap();
    let old = world.log.segments();
    let slice = world.log.read(0, 500, true, 40).unwrap();
    let bytes = slice.bytes().unwrap();
    world.clean();
    assert_eq!(slice.bytes().unwrap(), bytes);
    world.log.close_idle_files();
    old.iter().for_each(|segment| segment.close());
    for segment in old.iter().take(old.len() - 1) {
        let (position, header) = segment.locate(segment.base_offset, segment.size()).unwrap().unwrap();
        assert_eq!(
            (position, header.base_offset),
            (0, segment.base_offset),
            "opened again under its new name"
        );
    }
    let aside = || world.names().iter().filter(|name| name.ends_with(".deleted")).count();
    assert!(aside() > 3);
    world.log.delete_expired_files(world.now + 59_999).unwrap();
    assert!(aside() > 3);
    world.log.delete_expired_files(world.now + 60_000).unwrap();
    assert_eq!(aside(), 0);
    assert_eq!(world.records().len(), 1);
}

#[test]
fn tombstones_stay_until_their_horizon() {
    let mut world = compacted();
    world.put("a", Some("1"));
    world.put("b", Some("2"));
    world.put("a", None);
    world.put("z", Some("3"));
    world.roll_and_clean();
    let offsets = |world: &World| world.records().iter().map(|record| record.0).collect::<Vec<_>>();
    assert_eq!(offsets(&world), [1, 2, 3]);
    for (after_ms, expected) in [(999, vec![1, 2, 3]), (1, vec![1, 3])] {
        world.now += after_ms;
        world.put("z", Some("again"));
        world.roll_and_clean();
        let old: Vec<_> = offsets(&world).into_iter().filter(|offset| *offset < 3).collect();
        assert_eq!(
            old,
            expected.into_iter().filter(|offset| *offset < 3).collect::<Vec<_>>()
        );
        assert_eq!(table(&world.records()).len(), 2);
    }
}

#[test]
fn the_end_of_a_round_and_the_last_batch_of_a_producer_stay_without_records() {
    let mut world = compacted();
    for sequence in 0..3 {
        world.append(&record(spec(7, sequence, false), "k", Some("v"))).unwrap();
    }
    world.put("k", Some("later"));
    world.put("k", Some("latest"));
    world.log.roll(world.now).unwrap();
    world.put("k", Some("active"));
    world.clean();
    assert_eq!(world.shape(), [(2, 2, 0), (4, 4, 1), (5, 5, 1)]);
    world.roll_and_clean();
    assert_eq!(world.shape(), [(2, 2, 0), (5, 5, 1)]);
    for clean in [true, false] {
        if clean {
            world.restart()
        } else {
            world.crash()
        };
        let again = world.append(&record(spec(7, 2, false), "k", Some("v"))).unwrap();
        assert_eq!((again.duplicate, again.first_offset), (true, 2), "clean: {clean}");
        assert!(world.append(&record(spec(7, 7, false), "k", Some("v"))).is_err());
    }
}

#[test]
fn of_aborted_transactions_the_records_go_at_once_and_the_marker_when_nobody_needs_it() {
    let mut world = compacted();
    let end = |commit| {
        world
            .log
            .append(&marker(5, 0, commit), &How::coordinator(0), world.now)
            .unwrap();
        world.log.advance_high_watermark(world.log.end_offset());
    };
    world.put("a", Some("good"));
    world.append(&record(spec(5, 0, true), "a", Some("aborted"))).unwrap();
    end(false);
    world.append(&record(spec(5, 1, true), "b", Some("committed"))).unwrap();
    end(true);
    world
        .append(&record(spec(5, 2, true), "c", Some("last of its producer")))
        .unwrap();
    end(false);
    world.put("z", Some("1"));
    let good = |world: &World| {
        let records = world.records();
        let found: Vec<_> = records.iter().map(|record| record.0).collect();
        assert_eq!(table(&records).get("a").map(String::as_str), Some("good"));
        found
    };
    world.roll_and_clean();
    assert_eq!(good(&world), [0, 3, 7]);
    assert_eq!(
        world.shape(),
        [
            (0, 0, 1),
            (2, 2, 1),
            (3, 3, 1),
            (4, 4, 1),
            (5, 5, 0),
            (6, 6, 1),
            (7, 7, 1)
        ]
    );
    let aborted = world.log.aborted_transactions(0, 100).unwrap();
    assert_eq!(aborted.iter().map(|txn| txn.first_offset).collect::<Vec<_>>(), [1, 5]);
    // Nothing is left of the first one; its marker gets a horizon.
    world.put("y", Some("2"));
    world.roll_and_clean();
    assert!(world.shape().contains(&(2, 2, 1)));
    let aborted = world.log.aborted_transactions(0, 100).unwrap();
    assert_eq!(aborted.iter().map(|txn| txn.first_offset).collect::<Vec<_>>(), [5]);
    world.now += 1_000;
    world.put("x", Some("3"));
    world.roll_and_clean();
    assert!(!world.shape().contains(&(2, 2, 1)), "its horizon is here");
    assert_eq!(good(&world), [0, 3, 7, 8, 9]);
    for clean in [true, false] {
        if clean {
            world.restart()
        } else {
            world.crash()
        };
        assert_eq!(world.log.last_stable_offset(), world.log.end_offset(), "clean: {clean}");
        assert_eq!(good(&world), [0, 3, 7, 8, 9]);
    }
}

#[test]
fn what_is_not_stable_or_too_young_or_active_is_left_alone() {
    let mut world = compacted();
    for _ in 0..5 {
        world.put("k", Some(&"v".repeat(300)));
    }
    world.append(&record(spec(5, 0, true), "k", Some("open"))).unwrap();
    for _ in 0..10 {
        world.put("k", Some(&"v".repeat(300)));
    }
    world.log.roll(world.now).unwrap();
    let dirt = world.dirt();
    assert!(dirt.first_uncleanable <= 5, "{dirt:?}");
    world.clean();
    assert!(
        world
            .shape()
            .iter()
            .filter(|batch| batch.0 >= dirt.first_uncleanable)
            .count()
            >= 10
    );
    world.set(|settings| settings.min_compaction_lag_ms = 10_000);
    world.now = NOW + 9_999;
    assert_eq!(world.dirt().cleanable_bytes, 0, "too young");
}

#[test]
fn a_small_map_makes_several_rounds_of_one() {
    let world = compacted();
    for round in 0..4 {
        for key in 0..20 {
            world.put(&format!("k{key}"), Some(&format!("v{round}")));
        }
    }
    world.log.roll(world.now).unwrap();
    let limits = CleanerLimits {
        map_bytes: 24 * 8,
        ..LIMITS
    };
    let mut rounds = 0;
    while world.log.cleaned_to() != Some(80) {
        let report = world.clean_with(&limits).unwrap();
        assert!(report.end > report.first_dirty && report.keys <= 7);
        rounds += 1;
    }
    assert!(rounds > 5);
    assert_eq!(
        world.records().iter().map(|record| record.0).collect::<Vec<_>>(),
        (60..80).collect::<Vec<_>>()
    );
}

#[test]
fn a_log_that_changes_meanwhile_stays_as_it_becomes() {
    struct Meanwhile<'a>(&'a dyn Fn(), Cell<bool>);
    impl Brake for Meanwhile<'_> {
        fn moved(&self, _: u64) -> bool {
            if !self.1.replace(true) {
                (self.0)();
            }
            true
        }
    }
    type Change = fn(&World);
    for (case, change) in [
        ("truncated", (|world| world.log.truncate_to(30, NOW).unwrap()) as Change),
        ("begun anew", |world| {
            world.log.truncate_fully_and_start_at(500, NOW).unwrap()
        }),
        ("retired", |world| world.log.retire()),
        ("shortened at its start", |world| {
            world.log.delete_records(30).unwrap();
            assert!(world.log.apply_retention(NOW).unwrap() > 0);
        }),
    ] {
        let world = compacted();
        for offset in 0..200 {
            world.put("k", Some(&offset.to_string()));
        }
        world.log.roll(world.now).unwrap();
        let dirt = world.dirt();
        let act = || change(&world);
        let done = world.log.clean(&dirt, &LIMITS, &Meanwhile(&act, Cell::new(false)), NOW);
        assert!(matches!(done, Err(CleanError::Stopped)), "{case}: {done:?}");
        assert_eq!(world.log.cleaned_to(), None, "{case}");
        assert!(!world.names().iter().any(|name| name.ends_with(".cleaned")), "{case}");
        if !case.starts_with("retired") {
            let expected: Vec<Offset> = (world.log.log_start()..world.log.end_offset()).collect();
            assert_eq!(world.read_from(world.log.log_start()).unwrap(), expected, "{case}");
        }
    }
}

#[test]
fn a_log_cut_before_it_is_cleaned_is_not_taken_for_clean() {
    let world = compacted();
    for offset in 0..100 {
        world.put("k", Some(&offset.to_string()));
    }
    world.log.roll(world.now).unwrap();
    let dirt = world.dirt();
    world.log.truncate_to(30, NOW).unwrap();
    let done = world.log.clean(&dirt, &LIMITS, &Free, NOW);
    assert!(matches!(done, Err(CleanError::Stopped)), "{done:?}");
    assert_eq!((world.log.cleaned_to(), world.records().len()), (None, 30));
    world.put("k", Some("31"));
    let report = world.roll_and_clean();
    assert_eq!(
        (report.end, world.log.cleaned_to(), world.records().len()),
        (31, Some(31), 1)
    );
    world.log.truncate_to(10, NOW).unwrap();
    assert_eq!(world.log.cleaned_to(), Some(10));
}

#[test]
fn a_damaged_log_is_not_cleaned_and_loses_nothing() {
    for flip in [20, 70, 500] {
        let world = compacted();
        for offset in 0..40 {
            world.put("k", Some(&offset.to_string()));
        }
        world.log.roll(world.now).unwrap();
        let path = world.path("00000000000000000000.log");
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[flip] ^= 0x40;
        std::fs::write(&path, &bytes).unwrap();
        assert!(
            matches!(world.clean_with(&LIMITS), Err(CleanError::Damaged { .. })),
            "{flip}"
        );
        assert_eq!(std::fs::read(&path).unwrap(), bytes);
        assert!(
            !world
                .names()
                .iter()
                .any(|name| name.ends_with(".cleaned") || name.ends_with(".deleted"))
        );
    }
}

#[test]
fn retention_takes_compacted_segments_too() {
    let mut world = compacted();
    for offset in 0..60 {
        world.put(&format!("k{}", offset % 40), Some(&"v".repeat(50)));
    }
    world.roll_and_clean();
    world.set(|settings| settings.retention_ms = 5_000);
    world.now += 5_001;
    world.fill(1);
    assert_eq!(
        world.log.apply_retention(world.now).unwrap(),
        0,
        "compact alone keeps for ever"
    );
    world.log.delete_records(35).unwrap();
    assert!(
        world.log.apply_retention(world.now).unwrap() > 0,
        "but not what was deleted"
    );
    assert_eq!(world.log.log_start(), 35);
    world.set(|settings| settings.delete = true);
    assert!(world.log.apply_retention(world.now).unwrap() > 0);
    let left: Vec<Offset> = world.records().iter().map(|record| record.0).collect();
    assert_eq!((left, world.log.log_start()), (vec![60], 60));
    world.fill(1);
    assert_eq!(world.roll_and_clean().first_dirty, 60, "what was clean is gone");
}

#[test]
fn a_batch_larger_than_the_buffer_is_cleaned_too() {
    let world = World::with(|settings| {
        settings.batches.compacted = true;
        settings.segment_bytes = 200_000;
    });
    let large = "x".repeat(50_000);
    world.put("large", Some("old"));
    world.put("large", Some(&large));
    world.put("small", Some("s"));
    world.roll_and_clean();
    assert_eq!(table(&world.records()).get("large"), Some(&large));
    assert_eq!(world.records().len(), 2);
}
