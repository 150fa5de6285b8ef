//! The walls of the house: which room may use which. `ARCHITECTURE.md` has the same table, for people.
//!
//! Reads `use crate::…` lines and paths; a new door needs a line here and a reason in the commit.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// Rooms that know nobody but each other, and that everybody may use.
const OPEN: &[&str] = &[
    "types",
    "error_code",
    "clock",
    "file_range",
    "config",
    "schema",
    "record",
];

const DOORS: &[(&str, &[&str])] = &[
    ("net", &["api"]),
    ("api", &["protocol", "metadata", "replication", "runtime", "controller"]),
    (
        "runtime",
        &[
            "controller",
            "raft",
            "metadata",
            "replication",
            "log",
            "storage",
            "format",
            "peers",
            "protocol",
        ],
    ),
    ("peers", &["protocol"]),
    ("replication", &["log", "metadata"]),
    ("log", &["storage"]),
    ("controller", &["auth", "metadata"]),
    ("auth", &[]),
    ("raft", &["metadata", "log", "storage"]),
    ("metadata", &[]),
    ("storage", &[]),
    ("protocol", &[]),
    ("format", &["auth", "metadata", "storage"]),
    ("cli", &["format", "metadata", "storage"]),
];

/// The only file that knows every room.
const EVERYWHERE: &[&str] = &["broker", "lib", "main"];

#[test]
fn every_room_uses_only_its_doors() {
    let doors: BTreeMap<&str, &[&str]> = DOORS.iter().copied().collect();
    let mut wrong = Vec::new();
    for file in sources(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let room = room_of(&file);
        if EVERYWHERE.contains(&room.as_str()) {
            continue;
        }
        for (number, used) in uses(&fs::read_to_string(&file).unwrap()) {
            let known = OPEN.contains(&used.as_str()) || used == room;
            let open = doors
                .get(room.as_str())
                .is_some_and(|doors| doors.contains(&used.as_str()));
            let among_open = OPEN.contains(&room.as_str()) && !OPEN.contains(&used.as_str()) && used != room;
            if among_open || !(known || open) {
                wrong.push(format!("{}:{number}: {room} has no door to {used}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn rooms_are_named_one_at_a_time() {
    for file in sources(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            !text.contains("use crate::{"),
            "{}: one `use crate::…` a line",
            file.display()
        );
    }
}

fn sources(folder: PathBuf) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(path));
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            found.push(path);
        }
    }
    found
}

fn room_of(file: &Path) -> String {
    let inside = file
        .strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src"))
        .unwrap();
    inside
        .iter()
        .next()
        .unwrap()
        .to_str()
        .unwrap()
        .trim_end_matches(".rs")
        .into()
}

/// Line numbers and the rooms that they name; comments do not count.
fn uses(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        for (at, mark) in code.match_indices("crate::") {
            if code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == '$') {
                continue;
            }
            let room: String = code[at + mark.len()..]
                .chars()
                .take_while(|letter| letter.is_alphanumeric() || *letter == '_')
                .collect();
            found.push((number + 1, room));
        }
    }
    found
}
