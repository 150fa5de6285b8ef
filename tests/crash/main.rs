//! `kill -9` at every change of a file: a broker started again has all that was acknowledged, each thing once.
//!
//! Needs the feature `crash-points`. By default every few places are tried; `OTTLA_CRASH_POINTS=all` tries each of them.

mod judge;
mod script;

#[allow(dead_code, reason = "each test uses its part of what they share")]
#[path = "../support/mod.rs"]
mod support;

use crate::script::Ended;
use crate::script::Model;
use crate::script::Step;
use crate::support::Broker;
use crate::support::Start;
use crate::support::TestFolder;
use crate::support::client::Client;
use std::path::Path;
use std::process::Command;

/// No run of a script has as many places.
const TOO_MANY: u64 = 5_000;
/// Tried by default: the first place, and from there every so many.
const STRIDE: u64 = 7;

/// Done all the time, so that they are met by deaths, too.
const CHORES: [&str; 6] = [
    "log.cleaner.backoff.ms",
    "log.retention.check.interval.ms",
    "log.flush.scheduler.interval.ms",
    "log.flush.offset.checkpoint.interval.ms",
    "log.flush.start.offset.checkpoint.interval.ms",
    "replica.high.watermark.checkpoint.interval.ms",
];

/// How a broker is to die.
#[derive(Clone, Copy, Debug)]
struct Death {
    at: u64,
    torn: bool,
}

#[test]
fn a_first_start_may_be_killed_anywhere() {
    let steps = script::first();
    each_death("first start", |death| {
        let folder = TestFolder::make();
        one_life(folder.path(), Model::default(), &steps, death)
    });
}

#[test]
fn a_start_after_a_clean_stop_may_be_killed_anywhere() {
    second_lives("after a clean stop", |broker| {
        let (clean, said) = broker.stop();
        assert!(clean, "{said}");
    });
}

#[test]
fn a_start_after_a_crash_may_be_killed_anywhere() {
    second_lives("after a crash", |broker| {
        broker.kill();
    });
}

fn second_lives(case: &str, end: impl Fn(Broker)) {
    let before = TestFolder::make();
    let broker = start(before.path(), None).expect("a broker");
    let mut client = Client::connect(broker.address()).unwrap();
    let mut model = Model::default();
    assert_eq!(
        script::play(&mut client, &script::first(), &mut model),
        Ok(Ended::Whole)
    );
    end(broker);
    let steps = script::second();
    each_death(case, |death| {
        let folder = TestFolder::make();
        let data = folder.join("data");
        copy(before.path(), &data);
        one_life(&data, model.clone(), &steps, death)
    });
}

/// Calls `live` with one death after the other until somebody survives.
fn each_death(case: &str, live: impl Fn(Death) -> Result<bool, String>) {
    let all = std::env::var("OTTLA_CRASH_POINTS").is_ok_and(|which| which == "all");
    let stride = if all { 1 } else { STRIDE };
    let (mut at, mut wrong) = (1, Vec::new());
    while at < TOO_MANY {
        let tears: &[bool] = if all { &[false, true] } else { &[at % 2 == 0] };
        for torn in tears {
            let death = Death { at, torn: *torn };
            match live(death) {
                Ok(true) => {}
                Ok(false) => {
                    assert!(at > 2 * STRIDE, "{case}: there were hardly any places to die at");
                    println!("{case}: {at} places");
                    assert!(wrong.is_empty(), "{case}:\n{}", wrong.join("\n"));
                    return;
                }
                Err(what) => wrong.push(format!("{death:?}: {what}")),
            }
        }
        at += stride;
    }
    panic!("{case}: no end of places to die at");
}

/// Plays the steps and the stop with a broker that dies on the way, and judges what its successors serve. Tells whether
/// it has died at all.
fn one_life(folder: &Path, mut model: Model, steps: &[Step], death: Death) -> Result<bool, String> {
    model.folder = folder.to_path_buf();
    let (ended, died) = match start(folder, Some(death)) {
        Err(said) if said.contains("panicked") => return Err(said),
        Err(_) => (Ended::At(0), true),
        Ok(broker) => {
            let mut client = Client::connect(broker.address());
            let ended = match &mut client {
                Ok(client) => script::play(client, steps, &mut model)?,
                Err(_) => Ended::At(0),
            };
            let (clean, said) = broker.stop();
            no_panic(&said)?;
            (ended, !clean)
        }
    };
    if !died {
        return Ok(false);
    }
    // Whoever cleans up after a crash may be killed, too.
    if death.at.is_multiple_of(3) {
        let again = Death {
            at: 1 + death.at % 37,
            torn: !death.torn,
        };
        if let Ok(broker) = start(folder, Some(again)) {
            no_panic(&broker.kill())?;
        }
    }
    let broker = start(folder, None).map_err(|said| format!("no second start: {said}"))?;
    let mut client = Client::connect(broker.address()).map_err(|error| error.to_string())?;
    let rest = match ended {
        Ended::Whole => &[][..],
        Ended::At(index) => &steps[index..],
    };
    judge::resume(&mut client, rest, &mut model)?;
    drop(client);
    no_panic(&broker.kill())?;
    Ok(true)
}

fn no_panic(said: &str) -> Result<(), String> {
    if said.contains("panicked") {
        Err(said.into())
    } else {
        Ok(())
    }
}

/// Small files, and chores without end, so that a short script fills several of each kind.
fn start(folder: &Path, death: Option<Death>) -> Result<Broker, String> {
    let dirs = format!("{},{}", folder.join("one").display(), folder.join("two").display());
    let mut start = Start::on(folder)
        .set("log.dirs", &dirs)
        // The records are old.
        .set("log.retention.ms", "-1")
        .set("metadata.log.max.record.bytes.between.snapshots", "2000")
        .set("metadata.max.retention.bytes", "4000")
        .set("internal.metadata.log.segment.bytes", "1500");
    for chore in CHORES {
        start = start.set(chore, "20");
    }
    if let Some(death) = death {
        start = start.environment("OTTLA_CRASH_AT", &death.at.to_string());
        if death.torn {
            start = start.environment("OTTLA_CRASH_TORN", "1");
        }
    }
    start.try_start()
}

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(done.is_ok_and(|status| status.success()));
}
