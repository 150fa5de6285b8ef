//! What is asked of the broker that dies, and what its answers promise.

use crate::support::client::Client;
use crate::support::log::batch;
use crate::support::log::content;
use crate::support::log::numbered;
use bytes::Bytes;
use ottla::record::BatchSpec;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

/// Records in every batch.
const RECORDS: i64 = 3;
/// Bytes of each.
const SIZE: usize = 150;

#[derive(Clone, Debug)]
pub enum Step {
    Create(&'static str, i32, &'static [(&'static str, &'static str)]),
    DeleteTopic(&'static str),
    InitProducer,
    /// A batch of three records; whether it is numbered, so that it may be sent again.
    Produce(&'static str, i32, Numbered),
    DeleteRecords(&'static str, i32, i64),
    Set(&'static str, &'static str, &'static str),
    /// To another log dir, in the background.
    Move(&'static str, i32, &'static str),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Numbered {
    Yes,
    No,
}

const ROLLING: &[(&str, &str)] = &[("internal.segment.bytes", "1700"), ("index.interval.bytes", "300")];
/// Small segments, and a cleaner that never rests.
const TABLE: &[(&str, &str)] = &[
    ("cleanup.policy", "compact"),
    ("min.cleanable.dirty.ratio", "0.0"),
    ("internal.segment.bytes", "1700"),
    ("index.interval.bytes", "300"),
];
/// A table has so many keys.
const KEYS: i64 = 3;
const FLUSHED: &[(&str, &str)] = &[("flush.messages", "1")];

/// Of a broker with empty folders.
pub fn first() -> Vec<Step> {
    let mut steps = vec![
        Step::Create("rolling", 2, ROLLING),
        Step::Create("flushed", 1, FLUSHED),
        Step::Create("table", 1, TABLE),
        Step::InitProducer,
    ];
    for round in 0..8 {
        steps.push(Step::Produce("rolling", 0, Numbered::Yes));
        steps.push(Step::Produce("table", 0, Numbered::No));
        if round % 2 == 0 {
            steps.push(Step::Produce("rolling", 1, Numbered::No));
            steps.push(Step::Produce("flushed", 0, Numbered::Yes));
        }
    }
    steps.extend([
        Step::DeleteRecords("rolling", 0, 11),
        Step::Set("rolling", "retention.ms", "-1"),
        Step::Create("short-lived", 1, &[]),
        Step::Produce("short-lived", 0, Numbered::No),
        Step::DeleteTopic("short-lived"),
        Step::Produce("rolling", 0, Numbered::Yes),
    ]);
    steps
}

/// Of one that finds what `first` has left.
pub fn second() -> Vec<Step> {
    let mut steps = vec![
        Step::Produce("rolling", 0, Numbered::Yes),
        Step::Produce("flushed", 0, Numbered::Yes),
        Step::DeleteRecords("rolling", 0, 16),
        Step::Set("flushed", "max.message.bytes", "5000"),
        Step::Create("later", 1, ROLLING),
        // One of these is where it is already.
        Step::Move("rolling", 0, "one"),
        Step::Move("rolling", 0, "two"),
    ];
    for _ in 0..4 {
        steps.push(Step::Produce("rolling", 0, Numbered::Yes));
        steps.push(Step::Produce("later", 0, Numbered::No));
        steps.push(Step::Produce("table", 0, Numbered::No));
    }
    steps.push(Step::DeleteRecords("later", 0, 6));
    steps.push(Step::DeleteTopic("flushed"));
    steps
}

/// A batch that was acknowledged, or would have been.
#[derive(Clone, Debug)]
pub struct Written {
    pub base_offset: i64,
    pub numbered: Numbered,
    pub batch: Bytes,
    pub content: Bytes,
}

#[derive(Clone, Debug, Default)]
pub struct Partition {
    pub start: i64,
    pub end: i64,
    pub batches: Vec<Written>,
}

#[derive(Clone, Debug, Default)]
pub struct Topic {
    pub partitions: Vec<Partition>,
    pub configs: BTreeMap<&'static str, &'static str>,
}

impl Topic {
    /// Its records may be compacted at any time.
    pub fn is_table(&self) -> bool {
        self.configs.get("cleanup.policy") == Some(&"compact")
    }
}

/// What was acknowledged.
#[derive(Clone, Debug, Default)]
pub struct Model {
    pub topics: BTreeMap<&'static str, Topic>,
    /// Where the log dirs are.
    pub folder: PathBuf,
    producer: Option<(i64, i16)>,
}

impl Model {
    pub fn partition(&mut self, topic: &'static str, index: i32) -> &mut Partition {
        let found = self
            .topics
            .get_mut(topic)
            .and_then(|topic| topic.partitions.get_mut(index as usize));
        found.expect("the script creates a topic before it uses it")
    }

    /// The batch that the script sends next to a partition.
    pub fn next_batch(&mut self, topic: &'static str, index: i32, how: Numbered) -> Written {
        let producer = self.producer;
        let base_offset = self.partition(topic, index).end;
        let spec = match (how, producer) {
            // Nobody else writes there, so sequence numbers are offsets.
            (Numbered::Yes, Some(producer)) => numbered(producer, base_offset as i32),
            _ => BatchSpec::default(),
        };
        let name = match self.topics.get(topic).is_some_and(Topic::is_table) {
            true => format!("{topic}-{index}@{}", base_offset / RECORDS % KEYS),
            false => format!("{topic}-{index}@{base_offset}"),
        };
        let batch = batch(&name, RECORDS as usize, SIZE, spec);
        Written {
            base_offset,
            numbered: how,
            content: content(&batch),
            batch,
        }
    }

    pub fn append(&mut self, topic: &'static str, index: i32, written: Written) {
        let partition = self.partition(topic, index);
        partition.end += RECORDS;
        partition.batches.push(written);
    }

    pub fn done(&mut self, step: &Step) {
        match *step {
            Step::Create(name, partitions, configs) => {
                let topic = Topic {
                    partitions: vec![Partition::default(); partitions as usize],
                    configs: configs.iter().copied().collect(),
                };
                self.topics.insert(name, topic);
            }
            Step::DeleteTopic(name) => {
                self.topics.remove(name);
            }
            Step::DeleteRecords(topic, index, before) => self.partition(topic, index).start = before,
            Step::Set(topic, key, value) => {
                let topic = self.topics.get_mut(topic).expect("the script has created it");
                topic.configs.insert(key, value);
            }
            Step::InitProducer | Step::Produce(..) | Step::Move(..) => {}
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Ended {
    Whole,
    /// This step was not answered.
    At(usize),
}

/// Plays all steps, or those until the broker dies. An error is an answer that is wrong.
pub fn play(client: &mut Client, steps: &[Step], model: &mut Model) -> Result<Ended, String> {
    if client.await_leaders().is_err() {
        return Ok(Ended::At(0));
    }
    for (index, step) in steps.iter().enumerate() {
        match ask(client, step, model) {
            Ok(Ok(())) => {}
            Ok(Err(wrong)) => return Err(format!("step {index}, {step:?}: {wrong}")),
            Err(_) => return Ok(Ended::At(index)),
        }
    }
    Ok(Ended::Whole)
}

/// One step that nobody has asked for yet.
pub fn ask(client: &mut Client, step: &Step, model: &mut Model) -> io::Result<Result<(), String>> {
    let code = match *step {
        Step::Create(name, partitions, configs) => client.create_topic(name, partitions, configs)?,
        Step::DeleteTopic(name) => client.delete_topic(name)?,
        Step::Set(topic, key, value) => client.set_topic_config(topic, key, value)?,
        Step::Move(topic, index, dir) => client.move_replica(topic, index, &model.folder.join(dir))?,
        Step::InitProducer => {
            model.producer = Some(client.init_producer()?);
            0
        }
        Step::Produce(topic, index, how) => {
            let written = model.next_batch(topic, index, how);
            let answer = client.produce(topic, index, written.batch.clone())?;
            if answer.error_code == 0 && answer.base_offset != written.base_offset {
                return Ok(Err(format!(
                    "offset {}, not {}",
                    answer.base_offset, written.base_offset
                )));
            }
            if answer.error_code == 0 {
                model.append(topic, index, written);
            }
            answer.error_code
        }
        Step::DeleteRecords(topic, index, before) => match client.delete_records(topic, index, before)? {
            Ok(start) if start != before => return Ok(Err(format!("the log starts at {start}"))),
            Ok(_) => 0,
            Err(code) => code,
        },
    };
    if code != 0 {
        return Ok(Err(format!("error {code}")));
    }
    model.done(step);
    Ok(Ok(()))
}
