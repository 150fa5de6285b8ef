//! A crash between any two renames of a compaction, and which log is compacted when there are many.

use crate::log::Choice;
use crate::log::CleanError;
use crate::log::Copied;
use crate::log::How;
use crate::log::LogSettings;
use crate::log::tests::compacting::Free;
use crate::log::tests::compacting::LIMITS;
use crate::log::tests::compacting::compacted;
use crate::log::tests::compacting::record;
use crate::log::tests::compacting::spec;
use crate::log::tests::folders::Broker;
use crate::log::tests::world::NOW;
use crate::log::tests::world::TOPIC_ID;
use crate::log::tests::world::World;
use crate::log::tests::world::batch;
use crate::log::tests::world::marker;
use crate::storage::checkpoint;
use crate::types::Offset;
use crate::types::PartitionId;
use std::sync::Arc;

const KINDS: [&str; 4] = [".log", ".index", ".timeindex", ".txnindex"];

#[test]
fn a_crash_between_any_two_renames_loses_nothing_and_leaves_nothing() {
    let mut steps = 0;
    loop {
        let mut world = with_history();
        let (before, known) = (world.records(), world.known());
        world.clean();
        let after = world.records();
        assert!(after.len() < before.len());
        let renames = undo(&world);
        if steps > renames.len() {
            assert!(steps > 20, "there are many renames: {steps}");
            return;
        }
        for (from, to) in &renames[..steps] {
            std::fs::rename(world.path(from), world.path(to)).unwrap();
        }
        for clean in [false, true] {
            world.reopen(clean, known);
            let found = world.records();
            assert!(found == before || found == after, "after {steps} renames: {found:?}");
            let left = |name: &String| [".swap", ".cleaned", ".deleted"].iter().any(|end| name.ends_with(end));
            assert!(!world.names().iter().any(left), "after {steps}: {:?}", world.names());
            assert_eq!(world.log.end_offset(), known.high_watermark);
        }
        steps += 1;
    }
}

/// Several segments that become one, with a transaction that was aborted.
fn with_history() -> World {
    let mut world = compacted();
    world.append(&record(spec(5, 0, true), "a", Some("aborted"))).unwrap();
    let how = How::coordinator(0);
    world.log.append(&marker(5, 0, false), &how, NOW).unwrap();
    for offset in 0..30 {
        world.put(&format!("k{}", offset % 3), Some(&"v".repeat(60)));
    }
    world.log.roll(NOW).unwrap();
    world.set(|settings| settings.segment_bytes = 100_000);
    assert!(world.log.segments().len() > 4);
    world
}

/// Takes a folder back to where the cleaned segment was just written; returns the renames that followed.
fn undo(world: &World) -> Vec<(String, String)> {
    let names = world.names();
    let first = "00000000000000000000";
    let made = KINDS.map(|kind| format!("{first}{kind}"));
    let made: Vec<String> = made.into_iter().filter(|name| names.contains(name)).collect();
    assert_eq!(made.len(), 4, "{names:?}");
    let mut bases: Vec<&str> = names
        .iter()
        .filter_map(|name| name.strip_suffix(".log.deleted"))
        .collect();
    bases.sort();
    let move_file = |from: &str, to: &str| std::fs::rename(world.path(from), world.path(to)).unwrap();
    let (mut announced, mut aside, mut settled) = (Vec::new(), Vec::new(), Vec::new());
    for name in made {
        let (cleaned, swap) = (format!("{name}.cleaned"), format!("{name}.swap"));
        move_file(&name, &cleaned);
        announced.push((cleaned, swap.clone()));
        settled.push((swap, name));
    }
    for base in bases {
        for kind in KINDS.into_iter().chain([".snapshot"]) {
            let (name, deleted) = (format!("{base}{kind}"), format!("{base}{kind}.deleted"));
            if names.contains(&deleted) {
                move_file(&deleted, &name);
                aside.push((name, deleted));
            }
        }
    }
    [announced, aside, settled].concat()
}

fn table(min_cleanable_dirty_ratio: f64) -> Arc<LogSettings> {
    let mut settings = LogSettings {
        segment_bytes: 1_000,
        min_cleanable_dirty_ratio,
        delete: false,
        ..LogSettings::default()
    };
    settings.batches.compacted = true;
    Arc::new(settings)
}

/// Two partitions of a table in different dirs, and one that nobody compacts.
fn tables() -> Broker {
    let broker = Broker::start();
    let settings = [table(0.1), table(0.1), Arc::default()];
    for (partition, settings) in settings.into_iter().enumerate() {
        let name = ("t", partition as PartitionId);
        let made = broker
            .dirs
            .get_or_create(name, TOPIC_ID, Choice::FewestLogs, settings, NOW);
        let log = made.unwrap();
        for _ in 0..20 {
            log.append(&batch(&[NOW], 100), &How::client(0), NOW).unwrap();
        }
        log.roll(NOW).unwrap();
        log.advance_high_watermark(20);
    }
    broker
}

/// What the checkpoint in a dir says of a partition.
fn written(broker: &Broker, dir: &str, partition: PartitionId) -> Option<Offset> {
    match checkpoint::read(&broker.path(dir).join(checkpoint::CLEANER_OFFSETS)).unwrap() {
        checkpoint::Read::Offsets(offsets) => offsets.get(&("t".into(), partition)).copied(),
        _ => None,
    }
}

fn clean_all(broker: &Broker) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(dirty) = broker.dirs.grab_dirtiest(NOW) {
        names.push(dirty.name().to_string());
        let _ = dirty.clean(&LIMITS, &Free, NOW);
    }
    assert!(broker.dirs.checkpoint_cleaned().is_empty());
    names
}

#[test]
fn the_dirtiest_log_comes_first_and_each_only_once() {
    let broker = tables();
    let half_clean = broker.dirs.get("t", 0).unwrap();
    half_clean.set_cleaned_to(Some(10));
    let first = broker.dirs.grab_dirtiest(NOW).unwrap();
    let second = broker.dirs.grab_dirtiest(NOW).unwrap();
    assert_eq!((&**first.name(), &**second.name()), ("t-1", "t-0"));
    assert!(broker.dirs.grab_dirtiest(NOW).is_none(), "both are being cleaned");
    drop((first, second));
    assert_eq!(clean_all(&broker), ["t-1", "t-0"]);
    assert!(clean_all(&broker).is_empty());
    half_clean.set_cleaned_to(Some(10));
    half_clean.set_settings(table(1.0));
    assert!(clean_all(&broker).is_empty(), "not dirty enough any more");
    half_clean.set_settings(Arc::default());
    assert!(clean_all(&broker).is_empty(), "not compacted any more");
}

#[test]
fn a_log_that_cannot_be_cleaned_does_not_hold_up_the_others() {
    let broker = tables();
    let path = broker.path("one/t-0/00000000000000000000.log");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[100] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    broker.dirs.get("t", 1).unwrap().set_cleaned_to(Some(10));
    let damaged = broker.dirs.grab_dirtiest(NOW).unwrap();
    assert!(matches!(
        damaged.clean(&LIMITS, &Free, NOW),
        Err(CleanError::Damaged { .. })
    ));
    drop(damaged);
    assert_eq!(clean_all(&broker), ["t-1"]);
    assert_eq!(
        (written(&broker, "one", 0), written(&broker, "two", 1)),
        (None, Some(20))
    );
}

#[test]
fn how_far_a_log_is_clean_is_remembered_moved_and_forgotten_with_it() {
    let broker = tables();
    clean_all(&broker);
    assert_eq!(
        (written(&broker, "one", 0), written(&broker, "two", 1)),
        (Some(20), Some(20))
    );
    let (broker, report) = broker.restart(true);
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    let cleaned = |broker: &Broker, partition| broker.dirs.get("t", partition).and_then(|log| log.cleaned_to());
    assert_eq!(cleaned(&broker, 0), Some(20));
    broker.dirs.begin_move(("t", 0), &broker.path("two"), NOW).unwrap();
    while broker.dirs.copy_some(("t", 0), 10_000, NOW).unwrap() != Copied::CaughtUp {}
    broker.dirs.finish_move("t", 0, NOW).unwrap();
    assert!(broker.dirs.checkpoint_cleaned().is_empty());
    assert_eq!(
        (written(&broker, "one", 0), written(&broker, "two", 0)),
        (None, Some(20))
    );
    // Deleted and made anew before anybody wrote that down.
    broker.dirs.delete("t", 0, NOW).unwrap();
    broker.dirs.delete("t", 1, NOW).unwrap();
    for partition in [0, 1] {
        let choice = Choice::Dir(broker.dirs.dirs()[1].id().unwrap());
        let made = broker
            .dirs
            .get_or_create(("t", partition), TOPIC_ID, choice, table(0.1), NOW);
        assert_eq!(
            (made.unwrap().cleaned_to(), written(&broker, "two", partition)),
            (None, None)
        );
    }
    let (broker, _) = broker.restart(true);
    assert_eq!((cleaned(&broker, 0), cleaned(&broker, 1)), (None, None));
}
