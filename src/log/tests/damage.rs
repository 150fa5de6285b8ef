//! What a log survives: crashes, lost and noisy side files, flipped bits.

use crate::log::How;
use crate::log::read::ReadError;
use crate::log::tests::world::Known;
use crate::log::tests::world::NOW;
use crate::log::tests::world::World;
use crate::log::tests::world::marker;
use crate::log::tests::world::produced;
use crate::log::tests::world::transactional;
use crate::record::batch::batches;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;

const FIRST: &str = "00000000000000000000";

fn flip(path: &Path, position: u64, bit: u8) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, position).unwrap();
    file.write_all_at(&[byte[0] ^ bit], position).unwrap();
}

fn append_to(path: &Path, bytes: &[u8]) {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .unwrap()
        .write_all(bytes)
        .unwrap();
}

fn files(world: &World) -> Vec<(String, Vec<u8>)> {
    world
        .names()
        .into_iter()
        .map(|name| (name.clone(), std::fs::read(world.path(&name)).unwrap()))
        .collect()
}

#[test]
fn with_log_files_alone_everything_else_comes_back() {
    let mut world = World::small_segments();
    world.fill(20);
    world.append(&produced(5, 0, 0)).unwrap();
    world.stop();
    let before = files(&world);
    for name in world.names() {
        if !name.ends_with(".log") {
            std::fs::remove_file(world.path(&name)).unwrap();
        }
    }
    let report = world.reopen(
        false,
        Known {
            recovery_point: 0,
            high_watermark: 21,
            log_start: 0,
        },
    );
    assert!(report.damaged.is_empty() && report.cut_bytes == 0);
    assert_eq!(world.read_from(0).unwrap(), (0..21).collect::<Vec<_>>());
    assert!(world.append(&produced(5, 0, 0)).unwrap().duplicate);
    world.stop();
    assert_eq!(files(&world), before);
}

#[test]
fn a_torn_tail_is_cut_and_nothing_else() {
    let noise: Vec<u8> = (0..400u32).map(|index| (index * 31 % 256) as u8).collect();
    for (case, tail) in [
        ("noise", &noise[..]),
        ("zeros", &[0; 5_000]),
        ("a few bytes", &[1, 2, 3]),
    ] {
        let mut world = World::small_segments();
        world.fill(10);
        let last = world.names().into_iter().rfind(|name| name.ends_with(".log")).unwrap();
        append_to(&world.path(&last), tail);
        let report = world.crash();
        assert_eq!(report.cut_bytes, tail.len() as u64, "{case}");
        assert!(report.damaged.is_empty(), "{case}");
        assert_eq!(world.read_from(0).unwrap(), (0..10).collect::<Vec<_>>(), "{case}");
        assert_eq!(world.fill(5), 15, "{case}");
        assert_eq!(world.read_from(0).unwrap(), (0..15).collect::<Vec<_>>(), "{case}");
    }
}

#[test]
fn half_a_batch_at_the_end_is_cut() {
    let mut world = World::new();
    world.fill(3);
    let path = world.path(&format!("{FIRST}.log"));
    let whole = std::fs::read(&path).unwrap();
    let batch = whole.len() / 3;
    for cut in [1, 11, 12, 60, 61, 62, batch - 1] {
        std::fs::write(&path, &whole[..2 * batch + cut]).unwrap();
        let report = world.reopen(
            false,
            Known {
                recovery_point: 0,
                high_watermark: 3,
                log_start: 0,
            },
        );
        assert_eq!((report.cut_bytes, world.log.end_offset()), (cut as u64, 2), "{cut}");
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 2 * batch as u64);
    }
}

#[test]
fn a_flipped_bit_is_fenced_off_and_what_follows_is_kept() {
    // The value, the length, the offset (up, far up, down), the epoch, the magic, the checksum of the second batch.
    for (at, bit) in [(100, 4), (11, 4), (7, 4), (3, 4), (7, 1), (15, 2), (16, 1), (18, 1)] {
        for flushed in [0, 6, 12] {
            let mut world = World::with(|settings| settings.index_interval_bytes = 1);
            world.fill(12);
            let path = world.path(&format!("{FIRST}.log"));
            let batch = std::fs::metadata(&path).unwrap().len() / 12;
            flip(&path, batch + at, bit);
            let report = world.reopen(
                false,
                Known {
                    recovery_point: flushed,
                    high_watermark: 12,
                    log_start: 0,
                },
            );
            let case = format!("byte {at}, flushed to {flushed}");
            assert_eq!(report.cut_bytes, 0, "{case}");
            assert_eq!(report.damaged.len(), 1, "{case}");
            assert_eq!(
                (report.damaged[0].first_offset, report.damaged[0].next_offset),
                (1, 2),
                "{case}"
            );
            assert_eq!(world.log.end_offset(), 12, "{case}");
            assert!(
                matches!(world.log.read(1, 1_000, true, 12), Err(ReadError::Corrupt)),
                "{case}"
            );
            assert_eq!(
                world.log.read(0, 10_000, true, 12).unwrap().length() as u64,
                batch,
                "{case}"
            );
            assert_eq!(world.read_from(2).unwrap(), (2..12).collect::<Vec<_>>(), "{case}");
            assert_eq!(world.fill(1), 13, "{case}");
            assert_eq!(world.read_from(11).unwrap(), [11, 12], "{case}");
        }
    }
}

#[test]
fn a_flipped_bit_in_a_sealed_segment_costs_only_its_batch() {
    let mut world = World::small_segments();
    world.fill(20);
    let path = world.path(&format!("{FIRST}.log"));
    let length = std::fs::metadata(&path).unwrap().len();
    flip(&path, length - 10, 4);
    let report = world.crash();
    assert_eq!(report.damaged.len(), 1);
    let damaged = report.damaged[0].first_offset;
    assert!(matches!(world.read_from(damaged), Err(ReadError::Corrupt)));
    assert_eq!(
        world.read_from(damaged + 1).unwrap(),
        (damaged + 1..20).collect::<Vec<_>>()
    );
    assert_eq!(std::fs::metadata(&path).unwrap().len(), length, "kept for repair");
}

#[test]
fn flushed_records_are_never_cut_and_their_offsets_never_given_out_again() {
    for (case, clean) in [("crash", false), ("clean stop", true)] {
        let mut world = World::new();
        world.fill(10);
        let known = world.stop();
        let path = world.path(&format!("{FIRST}.log"));
        let length = std::fs::metadata(&path).unwrap().len();
        flip(&path, length - 120, 4);
        if clean {
            OpenOptions::new()
                .write(true)
                .open(&path)
                .unwrap()
                .set_len(length - 50)
                .unwrap();
        }
        let report = world.reopen(clean, known);
        assert_eq!((report.damaged.len(), report.cut_bytes), (1, 0), "{case}");
        assert_eq!(world.log.end_offset(), 10, "{case}");
        assert!(matches!(world.read_from(9), Err(ReadError::Corrupt)), "{case}");
        assert_eq!(world.fill(1), 11, "{case}");
        assert_eq!(world.read_from(10).unwrap(), [10], "{case}");
        assert_eq!(
            world.log.read(0, 10_000, true, 11).unwrap().length() as u64,
            length / 10 * 9,
            "{case}"
        );
        world.restart();
        assert_eq!(world.read_from(10).unwrap(), [10], "{case}");
        // A clean start compares no checksums: then it is the reader who finds out.
        let found = world.log.read(9, 10_000, true, 11).map(|slice| slice.bytes().unwrap());
        assert!(
            found.is_err() || found.is_ok_and(|bytes| batches(&bytes).all(|batch| !batch.is_intact())),
            "{case}"
        );
    }
}

/// What may happen to a side file.
fn harm(path: &Path, how: &str) {
    let length = std::fs::metadata(path).unwrap().len();
    let noise: Vec<u8> = (0..length.max(50)).map(|index| (index * 7_919 % 251) as u8).collect();
    match how {
        "lost" => std::fs::remove_file(path).unwrap(),
        "empty" => std::fs::write(path, b"").unwrap(),
        "noise" => std::fs::write(path, &noise).unwrap(),
        "noise of the same length" => std::fs::write(path, &noise[..length as usize]).unwrap(),
        "longer" => append_to(path, &noise[..24]),
        "zeros behind" => append_to(path, &[0; 24]),
        "shorter" => OpenOptions::new()
            .write(true)
            .open(path)
            .unwrap()
            .set_len(length / 2)
            .unwrap(),
        "odd length" => OpenOptions::new()
            .write(true)
            .open(path)
            .unwrap()
            .set_len(length.saturating_sub(1))
            .unwrap(),
        _ => unreachable!(),
    }
}

#[test]
fn no_harm_to_a_side_file_loses_a_record() {
    let harms = [
        "lost",
        "empty",
        "noise",
        "noise of the same length",
        "longer",
        "zeros behind",
        "shorter",
        "odd length",
    ];
    for clean in [true, false] {
        for how in harms {
            for pick in [
                "first.index",
                "first.timeindex",
                "last.index",
                "last.timeindex",
                "snapshot",
                "leader-epoch-checkpoint",
                "partition.metadata",
            ] {
                survives(clean, how, pick);
            }
        }
    }
}

fn survives(clean: bool, how: &str, pick: &str) {
    let case = format!("{pick} {how}, clean: {clean}");
    let mut world = World::small_segments();
    world.fill(20);
    for sequence in 0..7 {
        world.append(&produced(5, 0, sequence)).unwrap();
    }
    let known = world.stop();
    let bases: Vec<String> = world
        .names()
        .iter()
        .filter_map(|name| name.strip_suffix(".log").map(String::from))
        .collect();
    let name = match pick.split_once('.') {
        Some(("first", suffix)) => format!("{}.{suffix}", bases.first().unwrap()),
        Some(("last", suffix)) => format!("{}.{suffix}", bases.last().unwrap()),
        _ if pick == "snapshot" => world
            .names()
            .into_iter()
            .rfind(|name| name.ends_with(".snapshot"))
            .unwrap(),
        _ => pick.to_string(),
    };
    harm(&world.path(&name), how);
    let report = world.reopen(clean, known);
    assert!(report.damaged.is_empty() && report.cut_bytes == 0, "{case}");
    assert_eq!(world.log.end_offset(), 27, "{case}");
    for from in [0, 3, 13, 26] {
        assert_eq!(world.read_from(from).unwrap(), (from..27).collect::<Vec<_>>(), "{case}");
    }
    let found = world.log.offset_for_timestamp(world.now).unwrap();
    assert_eq!(found.map(|found| found.offset), Some(0), "{case}");
    for sequence in 2..7 {
        assert!(
            world.append(&produced(5, 0, sequence)).unwrap().duplicate,
            "{case}: {sequence}"
        );
    }
    assert_eq!(world.log.latest_epoch(), Some(0), "{case}");
    assert_eq!(world.fill(3), 30, "{case}");
    world.restart();
    assert_eq!(world.read_from(0).unwrap(), (0..30).collect::<Vec<_>>(), "{case}");
}

#[test]
fn strange_names_are_ignored_with_a_warning() {
    let mut world = World::new();
    world.fill(3);
    let known = world.stop();
    std::fs::write(world.path("hello.log"), b"hello").unwrap();
    std::fs::create_dir(world.path("lost+found")).unwrap();
    std::fs::write(world.path("00000000000000000000.what"), b"").unwrap();
    let report = world.reopen(true, known);
    assert_eq!(report.warnings.len(), 1, "{:?}", report.warnings);
    assert!(report.warnings[0].contains("hello.log") && report.warnings[0].contains("lost+found"));
    assert_eq!(world.read_from(0).unwrap(), [0, 1, 2]);
    assert!(world.path("hello.log").exists());
}

#[test]
fn leftovers_go_and_a_finished_compaction_is_completed() {
    let mut world = World::small_segments();
    world.fill(20);
    let known = world.stop();
    let second = world
        .names()
        .into_iter()
        .filter(|name| name.ends_with(".log"))
        .nth(1)
        .unwrap();
    let (first, second) = (world.path(&format!("{FIRST}.log")), world.path(&second));
    // As if compaction had merged the first two segments and crashed between its renames.
    let merged = [std::fs::read(&first).unwrap(), std::fs::read(&second).unwrap()].concat();
    std::fs::write(world.path(&format!("{FIRST}.log.swap")), merged).unwrap();
    std::fs::write(world.path("00000000000000000900.log.cleaned"), b"half").unwrap();
    std::fs::write(world.path("00000000000000000001.log.deleted"), b"old").unwrap();
    world.reopen(false, known);
    assert!(!second.exists(), "covered by the merged segment");
    assert_eq!(world.read_from(0).unwrap(), (0..20).collect::<Vec<_>>());
    let left = |name: &&String| {
        [".swap", ".cleaned", ".deleted"]
            .iter()
            .any(|suffix| name.ends_with(suffix))
    };
    assert_eq!(world.names().iter().filter(left).count(), 0);
}

#[test]
fn a_folder_full_of_noise_opens_and_keeps_what_was_flushed_fenced() {
    let mut world = World::small_segments();
    world.fill(20);
    let known = world.stop();
    for name in world.names() {
        let length = std::fs::metadata(world.path(&name)).unwrap().len() as usize;
        let noise: Vec<u8> = (0..length).map(|index| (index * 7_919 % 241) as u8).collect();
        std::fs::write(world.path(&name), noise).unwrap();
    }
    world.reopen(
        false,
        Known {
            recovery_point: 0,
            ..known
        },
    );
    let mut known = world.stop();
    known.recovery_point = 20;
    world.reopen(false, known);
    assert_eq!(world.log.end_offset(), 20);
    assert!(matches!(world.read_from(3), Err(ReadError::Corrupt)));
    assert_eq!(world.fill(1), 21);
    assert_eq!(world.read_from(20).unwrap(), [20]);
}

#[test]
fn no_harm_to_the_list_of_aborted_transactions_hides_one() {
    for clean in [true, false] {
        for how in ["lost", "empty", "noise", "longer", "odd length"] {
            let case = format!("{how}, clean: {clean}");
            let mut world = World::new();
            for epoch in 0..4 {
                world.append(&transactional(5, epoch, 0)).unwrap();
                let as_marker = How {
                    transaction_version: 2,
                    ..How::coordinator(0)
                };
                world
                    .log
                    .append(&marker(5, epoch + 1, epoch == 1), &as_marker, NOW)
                    .unwrap();
                world.log.advance_high_watermark(world.log.end_offset());
            }
            let aborted = world.log.aborted_transactions(0, 8).unwrap();
            assert_eq!(aborted.len(), 3);
            let known = world.stop();
            harm(&world.path(&format!("{FIRST}.txnindex")), how);
            world.reopen(clean, known);
            // An emptied list looks like one of a segment without aborted transactions.
            if !(clean && how == "empty") {
                assert_eq!(world.log.aborted_transactions(0, 8).unwrap(), aborted, "{case}");
            }
        }
    }
}
