//! The targets of `fuzz/` over its corpus and over inputs made of it by a seeded mutator: a fixed number, no nightly
//! compiler. A failure names the input; put it into the corpus. `OTTLA_FUZZ_ROUNDS` multiplies the number.

#[allow(dead_code, reason = "each test uses its part of what they share")]
mod support;
#[path = "../fuzz/targets/mod.rs"]
mod targets;

use crate::support::random::Random;
use std::fs;
use std::panic;
use std::path::Path;

/// Nothing that is fuzzed may come near this.
const MOST_MEMORY: u64 = 4 << 30;
/// Longer inputs find nothing that shorter ones do not.
const LONGEST: usize = 64 << 10;

fn run(name: &str, target: fn(&[u8]), more: Vec<Vec<u8>>, inputs: usize) {
    limit_memory();
    let mut seeds = corpus(name);
    assert!(!seeds.is_empty(), "{name} has a corpus");
    seeds.extend(more);
    seeds.push(Vec::new());
    seeds.iter().for_each(|seed| attempt(name, target, seed));
    let rounds = std::env::var("OTTLA_FUZZ_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok());
    let mut random = Random::seeded(inputs as u64);
    for _ in 0..inputs * rounds.unwrap_or(1_usize) {
        let mut input = seeds[random.below(seeds.len())].clone();
        if random.below(8) == 0 {
            let other = &seeds[random.below(seeds.len())];
            input.truncate(random.below(input.len()));
            input.extend_from_slice(&other[random.below(other.len())..]);
        }
        random.mutate(&mut input);
        input.truncate(LONGEST);
        attempt(name, target, &input);
    }
}

fn attempt(name: &str, target: fn(&[u8]), input: &[u8]) {
    if panic::catch_unwind(|| target(input)).is_err() {
        let hex: String = input.iter().map(|byte| format!("{byte:02x}")).collect();
        panic!("{name} fails with {hex}");
    }
}

/// So that an allocation that a few bytes have asked for ends the test.
fn limit_memory() {
    use rustix::process::Resource;
    use rustix::process::Rlimit;
    let mut limit: Rlimit = rustix::process::getrlimit(Resource::As);
    limit.current = Some(MOST_MEMORY);
    rustix::process::setrlimit(Resource::As, limit).expect("a limit can be lowered");
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn every_declared_message_is_fuzzed() {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/schema");
    let declared: usize = [schema.clone(), schema.join("api")]
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "txt"))
        .map(|path| fs::read_to_string(path).unwrap())
        .map(|text| text.lines().filter(|line| line.starts_with("message ")).count())
        .sum();
    assert_eq!(
        targets::messages::MESSAGES.len(),
        declared,
        "fuzz/targets/messages.rs lists them"
    );
}

#[test]
fn messages() {
    let mut seeds = Vec::new();
    for (index, row) in targets::messages::MESSAGES.iter().enumerate() {
        for version in row.versions.clone() {
            let chosen = [index as u8, (version - row.versions.start()) as u8];
            seeds.push([&chosen[..], &(row.sample)(version)].concat());
        }
    }
    run("messages", targets::messages::fuzz, seeds, 1_000_000);
}

#[test]
fn batches() {
    run("batches", targets::records::view, Vec::new(), 300_000);
}

#[test]
fn a_validated_batch() {
    run("validated_batch", targets::records::validated, Vec::new(), 200_000);
}

#[test]
fn codecs() {
    run("codecs", targets::records::unpacked, Vec::new(), 60_000);
}

#[test]
fn small_files() {
    run("small_files", targets::files::small_files, Vec::new(), 30_000);
}

#[test]
fn the_snapshot_of_producers() {
    run("producer_snapshot", targets::files::producers, Vec::new(), 300_000);
}

#[test]
fn the_metadata_log() {
    run("metadata_log", targets::files::metadata, Vec::new(), 200_000);
}

#[test]
fn a_follower_of_the_metadata_quorum() {
    run("follower", targets::follower::follow, Vec::new(), 200_000);
}

#[test]
fn server_properties() {
    run(
        "server_properties",
        targets::files::server_properties,
        Vec::new(),
        3_000,
    );
}

#[test]
fn a_partition() {
    run(
        "partition",
        targets::files::partition,
        targets::files::partition_seeds(),
        4_000,
    );
}
