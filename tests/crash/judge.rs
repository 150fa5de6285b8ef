//! Compares what a broker serves with what was acknowledged.

use crate::script::Model;
use crate::script::Numbered;
use crate::script::Partition;
use crate::script::Step;
use crate::script::Topic;
use crate::script::Written;
use crate::script::ask;
use crate::support::client::Client;
use crate::support::log::Read;
use crate::support::log::Record;
use crate::support::log::Stored;
use crate::support::log::batch;
use crate::support::log::content;
use crate::support::log::read_all;
use crate::support::log::records_of;
use bytes::Bytes;
use ottla::record::BatchSpec;
use std::collections::BTreeMap;

/// Producers send again what was not answered; a broker knows this many batches of each.
const REMEMBERED: usize = 5;
const TOPIC_ALREADY_EXISTS: i16 = 36;
const UNKNOWN_TOPIC_OR_PARTITION: i16 = 3;

/// Judges a broker that was started after a crash, goes on where the script was cut off, and judges again. The first of
/// `rest` was asked for, and not answered.
pub fn resume(client: &mut Client, rest: &[Step], model: &mut Model) -> Result<(), String> {
    let pending = rest.first();
    let stored = everything(client, model, pending)?;
    if let Some(pending) = pending {
        let what = |wrong: String| format!("{pending:?} again: {wrong}");
        repeat(client, pending, model, stored).map_err(what)?;
    }
    everything(client, model, None).map_err(|wrong| format!("after the retry: {wrong}"))?;
    let known = model.clone();
    for (name, topic) in &known.topics {
        for (index, partition) in topic.partitions.iter().enumerate() {
            remembers(client, name, index as i32, partition)?;
        }
    }
    for step in rest.iter().skip(1) {
        let answer = ask(client, step, model).map_err(|error| format!("{step:?}: {error}"))?;
        answer.map_err(|wrong| format!("{step:?}: {wrong}"))?;
    }
    everything(client, model, None).map_err(|wrong| format!("at the end: {wrong}"))?;
    Ok(())
}

/// Topics, their configuration and their records. Tells whether the pending batch was stored.
fn everything(client: &mut Client, model: &Model, pending: Option<&Step>) -> Result<bool, String> {
    let metadata = client.await_leaders().map_err(|error| error.to_string())?;
    let named = metadata.topics.iter().filter_map(|topic| topic.name.as_deref());
    let found: Vec<&str> = named.collect();
    for name in model.topics.keys() {
        let doomed = matches!(pending, Some(Step::DeleteTopic(going)) if going == name);
        if !doomed && !found.contains(name) {
            return Err(format!("topic {name} is lost"));
        }
    }
    for name in &found {
        let coming = matches!(pending, Some(Step::Create(coming, ..)) if coming == name);
        if !coming && !model.topics.contains_key(name) {
            return Err(format!("topic {name} is back"));
        }
    }
    let mut stored = false;
    for (name, topic) in model.topics.iter().filter(|(name, _)| found.contains(name)) {
        configuration(client, name, topic, pending)?;
        for (index, partition) in topic.partitions.iter().enumerate() {
            let read = read_all(client, name, index as i32).map_err(|error| error.to_string())?;
            let mut model = model.clone();
            let (next, start) = match pending {
                Some(Step::Produce(to, at, how)) if (to, *at) == (name, index as i32) => {
                    (Some(model.next_batch(to, *at, *how).content), None)
                }
                Some(Step::DeleteRecords(of, at, before)) if (of, *at) == (name, index as i32) => (None, Some(*before)),
                _ => (None, None),
            };
            let judged = match topic.is_table() {
                true => table(partition, next.as_ref(), &read),
                false => records(partition, next.as_ref(), start, &read),
            };
            stored |= judged.map_err(|wrong| format!("{name}-{index}: {wrong}"))?;
        }
    }
    Ok(stored)
}

fn configuration(client: &mut Client, name: &str, topic: &Topic, pending: Option<&Step>) -> Result<(), String> {
    for (key, value) in &topic.configs {
        let found = client.topic_config(name, key).map_err(|error| error.to_string())?;
        let found = found.as_deref().unwrap_or_default();
        let coming = matches!(pending, Some(Step::Set(to, which, new)) if (*to, which, *new) == (name, key, found));
        if found != *value && !coming {
            return Err(format!("{key} of {name} is {found:?}, not {value:?}"));
        }
    }
    Ok(())
}

/// The partition has what was acknowledged and not deleted, where it was; then at most the pending batch, and nothing
/// else. Tells whether that is there.
pub fn records(
    acknowledged: &Partition,
    pending: Option<&Bytes>,
    pending_start: Option<i64>,
    read: &Read,
) -> Result<bool, String> {
    if read.start != acknowledged.start && Some(read.start) != pending_start {
        return Err(format!("starts at {}, not {}", read.start, acknowledged.start));
    }
    // The first may begin before the start, which lies inside it.
    let expected = acknowledged
        .batches
        .iter()
        .filter(|written| written.base_offset + 3 > read.start);
    let mut found = read.batches.iter();
    for written in expected {
        let at = written.base_offset;
        match found.next() {
            None => return Err(format!("the batch at {at} is lost; the log ends at {}", read.end)),
            Some(stored) if stored.base_offset != at => {
                return Err(format!(
                    "the batch at {at} is lost; the next is at {}",
                    stored.base_offset
                ));
            }
            Some(stored) if stored.content != written.content => return Err(format!("another batch is at {at}")),
            Some(_) => {}
        }
    }
    let (last, more) = (found.next(), found.next());
    let stored = match (last, more) {
        (None, _) => false,
        (Some(last), None) => {
            if pending != Some(&last.content) || last.base_offset != acknowledged.end {
                return Err(format!("nobody sent what is at {}", last.base_offset));
            }
            true
        }
        (Some(_), Some(more)) => return Err(format!("nobody sent what is at {}", more.base_offset)),
    };
    let end = acknowledged.end + if stored { 3 } else { 0 };
    if read.end != end {
        return Err(format!("ends at {}, not {end}", read.end));
    }
    Ok(stored)
}

/// A compacted partition has of each key the latest record, and no record that was not written where it is. Tells
/// whether the pending batch is there.
fn table(acknowledged: &Partition, pending: Option<&Bytes>, read: &Read) -> Result<bool, String> {
    let end = acknowledged.end;
    let written = acknowledged.batches.iter();
    let mut written: Vec<Record> = written
        .flat_map(|one| records_of(one.base_offset, &one.content))
        .collect();
    let stored = read.end > end;
    if let Some(pending) = pending.filter(|_| stored) {
        written.extend(records_of(end, pending));
    }
    if read.end != written.last().map_or(0, |last| last.0 + 1) {
        return Err(format!("ends at {}, not {end}", read.end));
    }
    let found = read.batches.iter();
    let found: Vec<Record> = found
        .flat_map(|one| records_of(one.base_offset, &one.content))
        .collect();
    if let Some(strange) = found.iter().find(|record| !written.contains(record)) {
        return Err(format!("nobody sent what is at {}", strange.0));
    }
    let latest: BTreeMap<&[u8], &Record> = written.iter().map(|record| (record.1.as_slice(), record)).collect();
    match latest.values().find(|record| !found.contains(record)) {
        Some(lost) => Err(format!("the latest record of its key at {} is lost", lost.0)),
        None => Ok(stored),
    }
}

/// As a client does that got no answer.
fn repeat(client: &mut Client, step: &Step, model: &mut Model, stored: bool) -> Result<(), String> {
    let io = |error: std::io::Error| error.to_string();
    let (code, done_before) = match *step {
        Step::Produce(topic, index, Numbered::No) if stored => {
            let written = model.next_batch(topic, index, Numbered::No);
            model.append(topic, index, written);
            return Ok(());
        }
        Step::Create(name, partitions, configs) => {
            let code = client.create_topic(name, partitions, configs).map_err(io)?;
            (code, TOPIC_ALREADY_EXISTS)
        }
        Step::DeleteTopic(name) => (client.delete_topic(name).map_err(io)?, UNKNOWN_TOPIC_OR_PARTITION),
        _ => return ask(client, step, model).map_err(io)?,
    };
    if code != 0 && code != done_before {
        return Err(format!("error {code}"));
    }
    model.done(step);
    Ok(())
}

/// Sends again the last batches of a producer: each is answered with its offset, and none is written twice.
fn remembers(client: &mut Client, topic: &str, index: i32, partition: &Partition) -> Result<(), String> {
    let numbered = |written: &&Written| written.numbered == Numbered::Yes;
    for written in partition.batches.iter().rev().filter(numbered).take(REMEMBERED) {
        let at = written.base_offset;
        // What was deleted cannot be remembered after a crash.
        if at < partition.start {
            continue;
        }
        let answer = client.produce(topic, index, written.batch.clone());
        let answer = answer.map_err(|error| error.to_string())?;
        if (answer.error_code, answer.base_offset) != (0, at) {
            let (code, offset) = (answer.error_code, answer.base_offset);
            return Err(format!(
                "{topic}-{index}: {at} sent again is answered with {offset}, error {code}"
            ));
        }
    }
    Ok(())
}

#[test]
fn the_judge_sees_what_is_lost_moved_doubled_or_back() {
    let written = |at: i64| Written {
        base_offset: at,
        numbered: Numbered::No,
        batch: Bytes::new(),
        content: Bytes::from(at.to_string()),
    };
    let acknowledged = Partition {
        start: 4,
        end: 12,
        batches: (0..4).map(|index| written(3 * index)).collect(),
    };
    let pending = Bytes::from_static(b"12");
    let all = [(3, 3), (6, 6), (9, 9)];
    let with = |more: (i64, i64)| [all.as_slice(), &[more]].concat();
    for (case, start, end, found, expected) in [
        ("all", 4, 12, all.to_vec(), Some(false)),
        ("all and the pending one", 4, 15, with((12, 12)), Some(true)),
        ("one lost in between", 4, 12, vec![(3, 3), (9, 9)], None),
        ("the last lost", 4, 9, vec![(3, 3), (6, 6)], None),
        ("other bytes", 4, 12, vec![(3, 3), (6, 7), (9, 9)], None),
        ("one twice", 4, 15, with((12, 9)), None),
        ("one at an offset that is taken", 4, 12, with((9, 12)), None),
        ("deleted records are back", 0, 12, [&[(0, 0)], &all[..]].concat(), None),
        ("more is deleted than asked for", 5, 12, all.to_vec(), None),
        ("an end without its batch", 4, 15, all.to_vec(), None),
    ] {
        let stored = |(at, name): (i64, i64)| Stored {
            base_offset: at,
            next_offset: at + 3,
            content: Bytes::from(name.to_string()),
        };
        let batches = found.into_iter().map(stored).collect();
        let judged = records(&acknowledged, Some(&pending), None, &Read { start, end, batches });
        assert_eq!(judged.as_ref().ok(), expected.as_ref(), "{case}: {judged:?}");
    }
}

#[test]
fn the_judge_of_tables_sees_what_is_lost_doubled_or_made_up() {
    let stored = |at: i64, key: &str| {
        let batch = batch(key, 3, 10, BatchSpec::default());
        (at, content(&batch))
    };
    let written = |(base_offset, content): (i64, Bytes)| Written {
        base_offset,
        numbered: Numbered::No,
        batch: Bytes::new(),
        content,
    };
    let acknowledged = Partition {
        start: 0,
        end: 9,
        batches: vec![
            written(stored(0, "a")),
            written(stored(3, "b")),
            written(stored(6, "a")),
        ],
    };
    let pending = stored(9, "b").1;
    for (case, end, found, expected) in [
        (
            "all",
            9,
            vec![stored(0, "a"), stored(3, "b"), stored(6, "a")],
            Some(false),
        ),
        ("the latest", 9, vec![stored(3, "b"), stored(6, "a")], Some(false)),
        ("the pending one", 12, vec![stored(6, "a"), stored(9, "b")], Some(true)),
        ("a key lost", 9, vec![stored(6, "a")], None),
        ("the latest lost", 9, vec![stored(0, "a"), stored(3, "b")], None),
        (
            "the pending one without its end",
            9,
            vec![stored(3, "b"), stored(6, "a"), stored(9, "b")],
            None,
        ),
        (
            "an end without its batch",
            12,
            vec![stored(3, "b"), stored(6, "a")],
            None,
        ),
        (
            "an end that nobody asked for",
            15,
            vec![stored(3, "b"), stored(6, "a")],
            None,
        ),
        (
            "at another place",
            9,
            vec![stored(0, "b"), stored(3, "b"), stored(6, "a")],
            None,
        ),
    ] {
        let stored = |(base_offset, content): (i64, Bytes)| Stored {
            base_offset,
            next_offset: base_offset + 3,
            content,
        };
        let batches = found.into_iter().map(stored).collect();
        let judged = table(&acknowledged, Some(&pending), &Read { start: 0, end, batches });
        assert_eq!(judged.as_ref().ok(), expected.as_ref(), "{case}: {judged:?}");
    }
}
