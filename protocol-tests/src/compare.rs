//! Every script of a folder, run against a server and held against what Apache Kafka answered.

use crate::declarations::Declarations;
use crate::normal::Offsets;
use crate::script;
use std::env;
use std::fs;
use std::path::Path;
use std::path::PathBuf;

/// Fails with all that is wrong; RECORD=1 writes down what the server answers, SCRIPT=name runs one script only.
#[track_caller]
pub fn check(exchanges: &Path, expected: &Path, address: &str, offsets: Offsets) {
    let declarations = Declarations::load();
    let (mut count, mut wrong) = (0, Vec::new());
    for path in scripts(exchanges) {
        let name = path.file_name().unwrap().to_str().unwrap().to_string();
        if env::var("SCRIPT").is_ok_and(|only| name != format!("{only}.txt")) {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        let (said, exchanged) = script::run(&declarations, address, &text, offsets);
        count += exchanged;
        let expected = expected.join(&name);
        if env::var_os("RECORD").is_some() {
            fs::write(&expected, &said).unwrap();
        } else {
            let expected = fs::read_to_string(&expected).unwrap_or_default();
            wrong.extend(differences(&name, &expected, &said));
        }
    }
    println!("{count} exchanges, {} of them wrong", wrong.len());
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn scripts(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
}

/// The exchanges that were answered otherwise, each with the lines that differ.
fn differences(name: &str, expected: &str, said: &str) -> Vec<String> {
    let (expected, said): (Vec<&str>, Vec<&str>) = (expected.split("\n\n").collect(), said.split("\n\n").collect());
    let mut found = Vec::new();
    if expected.len() != said.len() {
        found.push(format!("{name}: {} exchanges, expected {}", said.len(), expected.len()));
    }
    for (index, (expected, said)) in expected.iter().zip(&said).enumerate() {
        if expected == said {
            continue;
        }
        let mut text = format!(
            "{name}, exchange {}: {}",
            index + 1,
            said.lines().next().unwrap_or_default()
        );
        let (expected, said) = (pretty(expected), pretty(said));
        let (old, new): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), said.lines().collect());
        let same = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
        let (old_rest, new_rest) = (&old[same..], &new[same..]);
        let tail = old_rest
            .iter()
            .rev()
            .zip(new_rest.iter().rev())
            .take_while(|(old, new)| old == new)
            .count();
        for line in old_rest[..old_rest.len() - tail].iter().take(12) {
            text += &format!("\n  - {line}");
        }
        for line in new_rest[..new_rest.len() - tail].iter().take(12) {
            text += &format!("\n  + {line}");
        }
        found.push(text);
    }
    found
}

fn pretty(exchange: &str) -> String {
    let answer = exchange.split_once('\n').map_or("", |(_, answer)| answer);
    let value: Option<serde_json::Value> = serde_json::from_str(answer).ok();
    value.map_or(answer.into(), |value| format!("{value:#}"))
}
