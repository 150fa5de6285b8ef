//! What a partition knows of its idempotent and transactional producers.
//!
//! Asking (`check`) leaves no trace; only `apply`, once the batch is written, changes anything. The five latest
//! batches of a producer are remembered, so that any retry that a client may have in flight is recognised.

use crate::record::batch::Batch;
use crate::record::control::EndMarker;
use crate::record::header::BatchHeader;
use crate::record::validate::Origin;
use crate::record::validate::Rejection;
use crate::storage::producer_snapshot::ProducerEntry;
use crate::storage::txn_index::AbortedTxn;
use crate::types::ErrorCode;
use crate::types::Offset;
use crate::types::ProducerEpoch;
use crate::types::ProducerId;
use crate::types::Timestamp;
use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::VecDeque;

/// Clients have at most five requests in flight.
const REMEMBERED: usize = 5;
const NO_EPOCH: ProducerEpoch = -1;
const NO_SEQUENCE: i32 = -1;

/// A batch as it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered {
    pub last_sequence: i32,
    pub last_offset: Offset,
    pub offset_delta: i32,
    pub timestamp: Timestamp,
}

impl Remembered {
    fn of(header: &BatchHeader) -> Remembered {
        Remembered {
            last_sequence: header.last_sequence(),
            last_offset: header.last_offset(),
            offset_delta: header.last_offset_delta,
            timestamp: header.max_timestamp,
        }
    }

    pub fn first_offset(&self) -> Offset {
        self.last_offset - i64::from(self.offset_delta)
    }

    fn first_sequence(&self) -> i32 {
        let first = i64::from(self.last_sequence) - i64::from(self.offset_delta);
        if first < 0 {
            (first + i64::from(i32::MAX) + 1) as i32
        } else {
            first as i32
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Producer {
    pub epoch: ProducerEpoch,
    pub batches: VecDeque<Remembered>,
    pub last_timestamp: Timestamp,
    pub coordinator_epoch: i32,
    pub txn_first_offset: Option<Offset>,
    /// By our clock. Timestamps of records may be as old as their clients like.
    pub last_append: Timestamp,
}

impl Producer {
    fn unknown() -> Producer {
        Producer {
            epoch: NO_EPOCH,
            batches: VecDeque::new(),
            last_timestamp: -1,
            coordinator_epoch: -1,
            txn_first_offset: None,
            last_append: 0,
        }
    }

    pub fn last_sequence(&self) -> i32 {
        self.batches.back().map_or(NO_SEQUENCE, |batch| batch.last_sequence)
    }

    fn in_epoch(&mut self, epoch: ProducerEpoch) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.batches.clear();
        }
    }

    fn remember(&mut self, batch: Remembered) {
        if self.batches.len() == REMEMBERED {
            self.batches.pop_front();
        }
        self.batches.push_back(batch);
    }
}

/// What a batch means for its producer.
#[derive(Debug)]
pub enum Verdict {
    /// Written before.
    Duplicate(Remembered),
    Fresh(Change),
}

/// The new state of a producer once its batch is written.
#[derive(Debug)]
pub struct Change {
    producer_id: ProducerId,
    producer: Producer,
    started: Option<Offset>,
    ended: Option<Ended>,
}

#[derive(Clone, Copy, Debug)]
struct Ended {
    first_offset: Offset,
    marker_offset: Offset,
    aborted: bool,
}

/// Who asks, and by which rules.
#[derive(Clone, Copy, Debug)]
pub struct Judge<'a> {
    /// `None`: replication and recovery, where everything was judged before.
    pub origin: Option<Origin>,
    /// Of a marker: from version 2 on its epoch must be greater than the producer's.
    pub transaction_version: i16,
    pub partition: &'a str,
    pub now: Timestamp,
}

#[derive(Debug, Default)]
pub struct Producers {
    known: HashMap<ProducerId, Producer>,
    /// Open transactions by their first offset.
    ongoing: BTreeMap<Offset, ProducerId>,
    /// Ended ones whose marker is not below the high watermark yet: first offset and marker's.
    unreplicated: BTreeMap<Offset, Offset>,
}

impl Producers {
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    pub fn get(&self, id: ProducerId) -> Option<&Producer> {
        self.known.get(&id)
    }

    pub fn iter(&self) -> impl Iterator<Item = (ProducerId, &Producer)> {
        self.known.iter().map(|(id, producer)| (*id, producer))
    }

    /// Judges a batch with a producer id.
    pub fn check(&self, batch: &Batch<'_>, judge: &Judge<'_>) -> Result<Verdict, Rejection> {
        let header = &batch.header;
        let known = self.known.get(&header.producer_id);
        if judge.origin == Some(Origin::Client)
            && let Some(duplicate) = known.and_then(|producer| duplicate(producer, header))
        {
            return Ok(Verdict::Duplicate(duplicate));
        }
        let producer = known.cloned().unwrap_or_else(Producer::unknown);
        let change = Change {
            producer_id: header.producer_id,
            producer,
            started: None,
            ended: None,
        };
        if header.is_control() {
            // A control batch that compaction has emptied says nothing any more.
            let marker = EndMarker::read(batch);
            return match marker {
                Some(marker) => end(change, header, marker, judge),
                None => Ok(Verdict::Fresh(change)),
            };
        }
        data(change, header, judge)
    }

    /// Takes over what `check` has said; returns the aborted transaction that belongs into the index.
    pub fn apply(&mut self, change: Change) -> Option<AbortedTxn> {
        if let Some(first) = change.started {
            self.ongoing.insert(first, change.producer_id);
        }
        self.known.insert(change.producer_id, change.producer);
        let ended = change.ended?;
        let next_open = self
            .ongoing
            .iter()
            .find(|(_, id)| **id != change.producer_id)
            .map(|(first, _)| *first);
        self.ongoing.remove(&ended.first_offset);
        self.unreplicated.insert(ended.first_offset, ended.marker_offset);
        ended.aborted.then(|| AbortedTxn {
            producer_id: change.producer_id,
            first_offset: ended.first_offset,
            last_offset: ended.marker_offset,
            last_stable_offset: next_open.unwrap_or(ended.marker_offset + 1),
        })
    }

    /// Where read_committed consumers must stop.
    pub fn first_unstable_offset(&self) -> Option<Offset> {
        let open = self.ongoing.keys().next().copied();
        let ended = self.unreplicated.keys().next().copied();
        match (open, ended) {
            (Some(open), Some(ended)) => Some(open.min(ended)),
            (open, ended) => open.or(ended),
        }
    }

    pub fn on_high_watermark(&mut self, high_watermark: Offset) {
        self.unreplicated.retain(|_, marker| *marker >= high_watermark);
    }

    /// Whether any transaction has ended here that is still remembered.
    pub fn saw_transactions(&self) -> bool {
        self.known.values().any(|producer| producer.coordinator_epoch >= 0)
    }

    /// Whether a transaction of this producer and epoch is open here.
    pub fn has_ongoing_transaction(&self, id: ProducerId, epoch: ProducerEpoch) -> bool {
        self.known
            .get(&id)
            .is_some_and(|producer| producer.epoch == epoch && producer.txn_first_offset.is_some())
    }

    /// Forgets producers that were silent for long and have no open transaction.
    pub fn expire(&mut self, now: Timestamp, silent_ms: i64) {
        self.known.retain(|_, producer| {
            producer.txn_first_offset.is_some() || now.saturating_sub(producer.last_append) < silent_ms
        });
    }

    pub fn to_snapshot(&self) -> Vec<ProducerEntry> {
        let mut entries: Vec<ProducerEntry> = self.iter().map(|(id, producer)| entry(id, producer)).collect();
        entries.sort_by_key(|entry| entry.producer_id);
        entries
    }

    pub fn from_snapshot(entries: &[ProducerEntry], now: Timestamp) -> Producers {
        let mut producers = Producers::default();
        for entry in entries {
            let (id, producer) = producer(entry, now);
            if let Some(first) = producer.txn_first_offset {
                producers.ongoing.insert(first, id);
            }
            producers.known.insert(id, producer);
        }
        producers
    }

    /// Whether a producer of the last `recent_ms` has more batches than are remembered.
    pub fn wants_older(&self, recent_ms: i64) -> bool {
        let latest = self
            .known
            .values()
            .map(|producer| producer.last_timestamp)
            .max()
            .unwrap_or(0);
        self.known.values().any(|producer| {
            let more = producer
                .batches
                .front()
                .is_some_and(|first| first.first_sequence() != 0);
            let recent = latest.saturating_sub(producer.last_timestamp) <= recent_ms;
            more && recent && producer.batches.len() < REMEMBERED
        })
    }

    /// Adds batches that stand before a snapshot, oldest first: a snapshot holds only the last of each producer.
    pub fn remember_older(&mut self, headers: &[BatchHeader]) {
        for header in headers.iter().rev() {
            let Some(producer) = self.known.get_mut(&header.producer_id) else {
                continue;
            };
            let older = producer
                .batches
                .front()
                .is_some_and(|first| header.last_offset() < first.first_offset());
            if older && producer.epoch == header.producer_epoch && producer.batches.len() < REMEMBERED {
                producer.batches.push_front(Remembered::of(header));
            }
        }
    }
}

fn duplicate(producer: &Producer, header: &BatchHeader) -> Option<Remembered> {
    let same = |batch: &&Remembered| {
        batch.first_sequence() == header.base_sequence && batch.last_sequence == header.last_sequence()
    };
    (producer.epoch == header.producer_epoch)
        .then(|| producer.batches.iter().find(same).copied())
        .flatten()
}

fn data(mut change: Change, header: &BatchHeader, judge: &Judge<'_>) -> Result<Verdict, Rejection> {
    let (epoch, offset) = (header.producer_epoch, header.base_offset);
    check_epoch(&change, epoch, offset, -1, judge)?;
    if judge.origin == Some(Origin::Client) {
        check_sequence(&change, header, judge)?;
    }
    let producer = &mut change.producer;
    producer.in_epoch(epoch);
    producer.remember(Remembered::of(header));
    producer.last_timestamp = header.max_timestamp;
    producer.last_append = judge.now;
    match (producer.txn_first_offset, header.is_transactional()) {
        (Some(_), false) if judge.origin.is_some() => {
            let message = format!(
                "Expected transactional write from producer {} at offset {offset} in partition {}",
                header.producer_id, judge.partition
            );
            return Err(Rejection::new(ErrorCode::InvalidTxnState, message));
        }
        (None, true) => {
            producer.txn_first_offset = Some(offset);
            change.started = Some(offset);
        }
        _ => {}
    }
    Ok(Verdict::Fresh(change))
}

fn end(mut change: Change, header: &BatchHeader, marker: EndMarker, judge: &Judge<'_>) -> Result<Verdict, Rejection> {
    let offset = header.base_offset;
    check_epoch(&change, header.producer_epoch, offset, judge.transaction_version, judge)?;
    let held = change.producer.coordinator_epoch;
    if judge.origin.is_some() && held > marker.coordinator_epoch {
        let message = format!(
            "Invalid coordinator epoch for producerId {} at offset {offset} in partition {}: {} (zombie), {held} (current)",
            header.producer_id, judge.partition, marker.coordinator_epoch
        );
        return Err(Rejection::new(ErrorCode::TransactionCoordinatorFenced, message));
    }
    let producer = &mut change.producer;
    producer.in_epoch(header.producer_epoch);
    producer.coordinator_epoch = marker.coordinator_epoch;
    producer.last_timestamp = marker.timestamp;
    producer.last_append = judge.now;
    change.ended = producer.txn_first_offset.take().map(|first_offset| Ended {
        first_offset,
        marker_offset: offset,
        aborted: !marker.commit,
    });
    Ok(Verdict::Fresh(change))
}

fn check_epoch(
    change: &Change,
    epoch: ProducerEpoch,
    offset: Offset,
    version: i16,
    judge: &Judge<'_>,
) -> Result<(), Rejection> {
    let current = change.producer.epoch;
    let fenced = if version >= 2 {
        epoch <= current
    } else {
        epoch < current
    };
    if !fenced || judge.origin.is_none() {
        return Ok(());
    }
    // The coordinator sends a marker again if it missed the answer; the transaction is over then.
    let over = change.producer.txn_first_offset.is_none() || epoch == ProducerEpoch::MAX;
    if version >= 2 && epoch == current && over {
        return Ok(());
    }
    let comparison = if version >= 2 { "<=" } else { "<" };
    let message = format!(
        "Epoch of producer {} at offset {offset} in {} is {epoch}, which is {comparison} the last seen epoch {current} (TV{version})",
        change.producer_id, judge.partition
    );
    Err(Rejection::new(ErrorCode::InvalidProducerEpoch, message))
}

fn check_sequence(change: &Change, header: &BatchHeader, judge: &Judge<'_>) -> Result<(), Rejection> {
    let (id, first, offset) = (change.producer_id, header.base_sequence, header.base_offset);
    let producer = &change.producer;
    let refuse = |message: String| Err(Rejection::new(ErrorCode::OutOfOrderSequenceNumber, message));
    // Nothing known: retention or expiry may have taken it, so any sequence may follow.
    if producer.epoch == NO_EPOCH {
        return Ok(());
    }
    if header.producer_epoch != producer.epoch {
        return match first {
            0 => Ok(()),
            _ => refuse(format!(
                "Invalid sequence number for new epoch of producer {id}at offset {offset} in partition {}: {} (request epoch), {first} (seq. number), {} (current producer epoch)",
                judge.partition, header.producer_epoch, producer.epoch
            )),
        };
    }
    let last = producer.last_sequence();
    let follows = i64::from(first) == i64::from(last) + 1 || (first == 0 && last == i32::MAX);
    if follows {
        return Ok(());
    }
    refuse(format!(
        "Out of order sequence number for producer {id} at offset {offset} in partition {}: {first} (incoming seq. number), {last} (current end sequence number)",
        judge.partition
    ))
}

fn entry(id: ProducerId, producer: &Producer) -> ProducerEntry {
    let last = producer.batches.back();
    ProducerEntry {
        producer_id: id,
        epoch: producer.epoch,
        last_sequence: producer.last_sequence(),
        last_offset: last.map_or(-1, |batch| batch.last_offset),
        offset_delta: last.map_or(0, |batch| batch.offset_delta),
        timestamp: producer.last_timestamp,
        coordinator_epoch: producer.coordinator_epoch,
        txn_first_offset: producer.txn_first_offset.unwrap_or(-1),
    }
}

fn producer(entry: &ProducerEntry, now: Timestamp) -> (ProducerId, Producer) {
    let last = Remembered {
        last_sequence: entry.last_sequence,
        last_offset: entry.last_offset,
        offset_delta: entry.offset_delta,
        timestamp: entry.timestamp,
    };
    let producer = Producer {
        epoch: entry.epoch,
        batches: (entry.last_offset >= 0).then_some(last).into_iter().collect(),
        last_timestamp: entry.timestamp,
        coordinator_epoch: entry.coordinator_epoch,
        txn_first_offset: (entry.txn_first_offset >= 0).then_some(entry.txn_first_offset),
        last_append: now,
    };
    (entry.producer_id, producer)
}
