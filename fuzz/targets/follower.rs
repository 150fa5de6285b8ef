//! An observer of the metadata quorum, told anything in any order.

use bytes::Bytes;
use ottla::config::voters::Address;
use ottla::raft::entries::data_batch;
use ottla::raft::follow::Answer;
use ottla::raft::follow::Effect;
use ottla::raft::follow::Follower;
use ottla::raft::follow::LocalLog;
use ottla::raft::follow::LogEnd;
use ottla::raft::follow::Question;
use ottla::raft::follow::Rules;
use ottla::raft::follow::Step;
use ottla::raft::questions::Asker;
use ottla::record::batches;
use ottla::schema::fetch_response::EpochEndOffset;
use ottla::schema::fetch_response::FetchResponse;
use ottla::schema::fetch_response::FetchableTopicResponse;
use ottla::schema::fetch_response::LeaderIdAndEpoch;
use ottla::schema::fetch_response::NodeEndpoint;
use ottla::schema::fetch_response::PartitionData;
use ottla::schema::fetch_response::SnapshotId;
use ottla::schema::fetch_snapshot_response as snapshot;
use ottla::schema::fetch_snapshot_response::FetchSnapshotResponse;
use ottla::schema::writer::Records;
use ottla::types::LeaderEpoch;
use ottla::types::Offset;
use ottla::types::Uuid;

/// Bytes that one answer is made of.
const STEP: usize = 12;

/// The epochs of all records from `start` on.
#[derive(Default)]
struct Log {
    start: Offset,
    before: LeaderEpoch,
    epochs: Vec<LeaderEpoch>,
}

impl LocalLog for Log {
    fn end(&self) -> LogEnd {
        LogEnd {
            offset: self.start + self.epochs.len() as Offset,
            epoch: self.epochs.last().copied().unwrap_or(self.before),
        }
    }

    fn end_of_epoch(&self, epoch: LeaderEpoch) -> LogEnd {
        let count = self.epochs.partition_point(|held| *held <= epoch);
        LogEnd {
            offset: self.start + count as Offset,
            epoch: count.checked_sub(1).map_or(self.before, |last| self.epochs[last]),
        }
    }
}

/// What the hands would hold.
#[derive(Default)]
struct Hands {
    log: Log,
    epoch: LeaderEpoch,
    high_watermark: Offset,
    snapshot: Option<(Offset, i64)>,
}

pub fn follow(data: &[u8]) {
    let at = |port| Address { host: "h".into(), port };
    let rules = Rules {
        asker: Asker {
            node_id: 7,
            cluster_id: "cluster".into(),
            directory: Uuid([7; 16]),
            fetch_bytes: 1 << 20,
            snapshot_bytes: 1 << 20,
        },
        servers: vec![at(1), at(2)],
        voters: Vec::new(),
        fetch_timeout_ms: 2_000,
        retry_backoff_ms: 20,
    };
    let mut follower = Follower::new(rules, 0, 0);
    let mut hands = Hands::default();
    let mut now = 0;
    for step in data.chunks_exact(STEP) {
        let question = loop {
            match follower.next(now, &hands.log) {
                Step::Ask(_, question) => break question,
                Step::WaitUntil(until) => {
                    assert!(until > now && until <= now + 1_000, "it waits, and not for ever");
                    now = until;
                }
            }
        };
        now += i64::from(step[0] & 3) * 700;
        if step[0] & 4 != 0 {
            follower.unanswered(now);
            continue;
        }
        let answer = match question {
            Question::Fetch(_) => Answer::Fetch(fetched(step, &hands.log)),
            Question::Snapshot(request) => {
                let asked = &request.topics[0].partitions[0];
                Answer::Snapshot(part(
                    step,
                    (asked.snapshot_id.end_offset, asked.snapshot_id.epoch),
                    asked.position,
                ))
            }
        };
        let Ok(effects) = follower.answered(now, answer, &hands.log) else {
            return;
        };
        effects
            .into_iter()
            .for_each(|effect| hands.carry_out(effect, &mut follower));
        assert_eq!(follower.epoch(), hands.epoch);
    }
}

impl Hands {
    fn carry_out(&mut self, effect: Effect, follower: &mut Follower) {
        match effect {
            Effect::Leader { epoch, .. } => {
                assert!(epoch >= self.epoch, "epochs never go back");
                self.epoch = epoch;
            }
            Effect::Append {
                batches: bytes,
                leader_epoch,
            } => {
                assert_eq!(leader_epoch, self.epoch);
                for batch in batches(&bytes) {
                    assert_eq!(batch.header.base_offset, self.log.end().offset);
                    assert!((self.log.end().epoch..=leader_epoch).contains(&batch.header.leader_epoch));
                    let count = batch.header.count as usize;
                    self.log.epochs.extend(vec![batch.header.leader_epoch; count]);
                }
            }
            Effect::Truncate(to) => {
                assert!((self.high_watermark..self.log.end().offset).contains(&to));
                // Only snapshots make a log begin later, and they are committed.
                self.log.epochs.truncate((to - self.log.start) as usize);
            }
            Effect::HighWatermark(offset) => {
                assert!(offset >= self.high_watermark && offset <= self.log.end().offset);
                self.high_watermark = offset;
            }
            Effect::Snapshot { id, position, bytes } => {
                let held = self.snapshot.filter(|_| position > 0).map_or(0, |(_, length)| length);
                assert_eq!(held, position);
                self.snapshot = Some((id.end_offset, position + bytes.len() as i64));
            }
            Effect::SnapshotDropped(_) => self.snapshot = None,
            Effect::SnapshotComplete(id) => {
                assert!(id.end_offset >= self.high_watermark && id.epoch <= self.epoch);
                let (start, before) = (id.end_offset, id.epoch);
                let epochs = Vec::new();
                self.log = Log { start, before, epochs };
                (self.high_watermark, self.snapshot) = (start, None);
                follower.snapshot_installed(id);
            }
            Effect::Warn(_) => {}
        }
    }
}

/// Small numbers, and sometimes the greatest.
fn number(byte: u8) -> i64 {
    match byte {
        0x7f => i64::MAX,
        byte => i64::from(byte as i8),
    }
}

fn small(byte: u8) -> i32 {
    number(byte).try_into().unwrap_or(i32::MAX)
}

fn error(byte: u8) -> i16 {
    [0, 0, 0, 0, 6, 74, 75, 104, 98, 99, -1, 42][usize::from(byte) % 12]
}

fn fetched(step: &[u8], log: &Log) -> FetchResponse {
    let end = log.end();
    let records = match step[11] & 3 {
        0 => Bytes::new(),
        1 => Bytes::copy_from_slice(step),
        kind => {
            let base = end.offset.saturating_add(number(step[10]) * i64::from(kind & 1));
            data_batch(
                base,
                small(step[9]),
                0,
                vec![Bytes::new(); usize::from(step[11] >> 4)].iter(),
            )
        }
    };
    let told = step[8] & 3;
    let diverging_epoch = EpochEndOffset {
        epoch: if told == 1 { small(step[5]) } else { -1 },
        end_offset: number(step[6]),
    };
    let snapshot_id = SnapshotId {
        end_offset: if told == 2 { number(step[6]) } else { -1 },
        epoch: if told == 2 { small(step[5]) } else { -1 },
    };
    let partition = PartitionData {
        error_code: error(step[1]),
        high_watermark: number(step[4]),
        diverging_epoch,
        snapshot_id,
        current_leader: LeaderIdAndEpoch {
            leader_id: small(step[2]),
            leader_epoch: small(step[3]),
        },
        records: Some(Records::Bytes(records)),
        ..PartitionData::default()
    };
    FetchResponse {
        error_code: if step[7] & 15 == 0 { error(step[1]) } else { 0 },
        responses: vec![FetchableTopicResponse {
            topic_id: Uuid::ONE,
            partitions: vec![partition],
            ..FetchableTopicResponse::default()
        }],
        node_endpoints: vec![NodeEndpoint {
            node_id: small(step[2]),
            host: "l".into(),
            port: small(step[7]),
            rack: None,
        }],
        ..FetchResponse::default()
    }
}

fn part(step: &[u8], (end_offset, epoch): (Offset, LeaderEpoch), position: i64) -> FetchSnapshotResponse {
    let partition = snapshot::PartitionSnapshot {
        error_code: error(step[1]),
        snapshot_id: snapshot::SnapshotId { end_offset, epoch },
        current_leader: snapshot::LeaderIdAndEpoch {
            leader_id: small(step[2]),
            leader_epoch: small(step[3]),
        },
        size: number(step[4]),
        position: position + i64::from(step[5] & 1) * number(step[6]).clamp(-9, 9),
        unaligned_records: Records::Bytes(Bytes::copy_from_slice(&step[..usize::from(step[7] & 7)])),
        ..snapshot::PartitionSnapshot::default()
    };
    FetchSnapshotResponse {
        topics: vec![snapshot::TopicSnapshot {
            partitions: vec![partition],
            ..snapshot::TopicSnapshot::default()
        }],
        ..FetchSnapshotResponse::default()
    }
}
