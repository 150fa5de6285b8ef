use super::*;
use crate::raft::entries::data_batch;
use crate::raft::questions::Asker;
use crate::schema::fetch_response::FetchableTopicResponse;
use crate::schema::fetch_response::LeaderIdAndEpoch;
use crate::schema::fetch_response::NodeEndpoint;
use crate::schema::fetch_snapshot_response::LeaderIdAndEpoch as SnapshotLeader;
use crate::schema::fetch_snapshot_response::SnapshotId as WireSnapshotId;
use crate::schema::fetch_snapshot_response::TopicSnapshot;

const TIMEOUT_MS: i64 = 2_000;
const BACKOFF_MS: i64 = 20;

/// Epochs and where they begin, and the end.
struct FakeLog(Vec<(LeaderEpoch, Offset)>, Offset);

impl LocalLog for FakeLog {
    fn end(&self) -> LogEnd {
        let epoch = self.0.last().map_or(0, |(epoch, _)| *epoch);
        LogEnd { offset: self.1, epoch }
    }

    fn end_of_epoch(&self, epoch: LeaderEpoch) -> LogEnd {
        let next = self.0.partition_point(|(held, _)| *held <= epoch);
        let held = next.checked_sub(1).map_or(0, |index| self.0[index].0);
        let offset = self.0.get(next).map_or(self.1, |(_, start)| *start);
        LogEnd { offset, epoch: held }
    }
}

fn at(port: i32) -> Address {
    Address { host: "h".into(), port }
}

/// Servers at 1 and 2; leaders say that they are at 90 + their number.
struct Story {
    follower: Follower,
    log: FakeLog,
    now: Timestamp,
}

impl Story {
    fn new(epoch: LeaderEpoch, log: FakeLog) -> Story {
        let asker = Asker {
            node_id: 7,
            cluster_id: "cluster".into(),
            directory: Uuid([7; 16]),
            fetch_bytes: 1 << 20,
            snapshot_bytes: 100,
        };
        let rules = Rules {
            asker,
            servers: vec![at(1), at(2)],
            voters: Vec::new(),
            fetch_timeout_ms: TIMEOUT_MS,
            retry_backoff_ms: BACKOFF_MS,
        };
        Story {
            follower: Follower::new(rules, epoch, 0),
            log,
            now: 1_000,
        }
    }

    fn empty() -> Story {
        Story::new(0, FakeLog(Vec::new(), 0))
    }

    /// Node 3 leads epoch 5 and has said so; the log ends at 10 in epoch 4.
    fn led() -> Story {
        let mut story = Story::new(4, FakeLog(vec![(2, 0), (4, 6)], 10));
        story.fetch();
        story.hear(partition(6, 3, 5)).unwrap();
        story
    }

    fn next(&mut self) -> Step {
        self.follower.next(self.now, &self.log)
    }

    /// Whom it asks now for what; waits as long as it wants to.
    fn asks(&mut self) -> (i32, Question) {
        loop {
            match self.next() {
                Step::Ask(address, question) => return (address.port, question),
                Step::WaitUntil(until) => {
                    assert!(until > self.now);
                    self.now = until;
                }
            }
        }
    }

    /// Whom it asks, and for what position.
    fn fetch(&mut self) -> (i32, LeaderEpoch, Offset, LeaderEpoch) {
        let (port, question) = self.asks();
        let Question::Fetch(request) = question else {
            panic!("a fetch was due: {question:?}")
        };
        let position = &request.topics[0].partitions[0];
        (
            port,
            position.current_leader_epoch,
            position.fetch_offset,
            position.last_fetched_epoch,
        )
    }

    fn snapshot_position(&mut self) -> i64 {
        let (_, question) = self.asks();
        let Question::Snapshot(request) = question else {
            panic!("a part of a snapshot was due: {question:?}")
        };
        request.topics[0].partitions[0].position
    }

    fn hear(&mut self, partition: PartitionData) -> Result<Vec<Effect>, Fatal> {
        let leader = partition.current_leader.leader_id;
        let answer = FetchResponse {
            responses: vec![FetchableTopicResponse {
                topic_id: Uuid::ONE,
                partitions: vec![partition],
                ..Default::default()
            }],
            node_endpoints: vec![NodeEndpoint {
                node_id: leader,
                host: "h".into(),
                port: 90 + leader,
                rack: None,
            }],
            ..Default::default()
        };
        self.follower.answered(self.now, Answer::Fetch(answer), &self.log)
    }

    fn hear_part(&mut self, part: PartitionSnapshot) -> Vec<Effect> {
        let answer = FetchSnapshotResponse {
            topics: vec![TopicSnapshot {
                name: "__cluster_metadata".into(),
                partitions: vec![part],
            }],
            ..Default::default()
        };
        let answered = self.follower.answered(self.now, Answer::Snapshot(answer), &self.log);
        answered.unwrap()
    }
}

fn partition(error_code: i16, leader_id: NodeId, leader_epoch: LeaderEpoch) -> PartitionData {
    PartitionData {
        error_code,
        high_watermark: -1,
        current_leader: LeaderIdAndEpoch {
            leader_id,
            leader_epoch,
        },
        ..Default::default()
    }
}

/// From leader 3 of epoch 5.
fn records(records: &Bytes, high_watermark: Offset) -> PartitionData {
    PartitionData {
        high_watermark,
        records: Some(Records::Bytes(records.clone())),
        ..partition(0, 3, 5)
    }
}

fn diverging(epoch: LeaderEpoch, end_offset: Offset) -> PartitionData {
    let mut answer = partition(0, 3, 5);
    answer.diverging_epoch.epoch = epoch;
    answer.diverging_epoch.end_offset = end_offset;
    answer
}

fn see_snapshot(end_offset: Offset, epoch: LeaderEpoch) -> PartitionData {
    let mut answer = partition(0, 3, 5);
    answer.snapshot_id.end_offset = end_offset;
    answer.snapshot_id.epoch = epoch;
    answer
}

const SNAPSHOT: SnapshotId = SnapshotId {
    end_offset: 40,
    epoch: 5,
};

fn part(position: i64, bytes: &'static [u8], size: i64) -> PartitionSnapshot {
    PartitionSnapshot {
        snapshot_id: WireSnapshotId {
            end_offset: SNAPSHOT.end_offset,
            epoch: SNAPSHOT.epoch,
        },
        current_leader: SnapshotLeader {
            leader_id: 3,
            leader_epoch: 5,
        },
        size,
        position,
        unaligned_records: Records::Bytes(Bytes::from_static(bytes)),
        ..Default::default()
    }
}

fn leader(id: NodeId, epoch: LeaderEpoch) -> Effect {
    let address = Some(at(90 + id));
    Effect::Leader {
        epoch,
        leader: Some(KnownLeader { id, address }),
    }
}

#[test]
fn the_servers_are_asked_in_turn_until_one_names_the_leader() {
    let mut story = Story::empty();
    assert_eq!(story.fetch(), (1, 0, 0, 0));
    story.follower.unanswered(story.now);
    assert_eq!(story.next(), Step::WaitUntil(story.now + BACKOFF_MS));
    assert_eq!(story.fetch().0, 2);
    assert_eq!(
        story.hear(partition(6, -1, 3)).unwrap(),
        [Effect::Leader { epoch: 3, leader: None }]
    );
    assert_eq!(story.fetch(), (1, 3, 0, 0), "the epoch is known before its leader");
    assert_eq!(story.hear(partition(6, 2, 3)).unwrap(), [leader(2, 3)]);
    let now = story.now;
    assert_eq!(story.fetch(), (92, 3, 0, 0));
    assert_eq!(story.now, now, "a leader just named is asked at once");
}

#[test]
fn a_server_that_leads_is_followed_right_away() {
    let mut story = Story::empty();
    story.fetch();
    let batch = data_batch(0, 5, 0, [Bytes::from_static(b"a")].iter());
    let first = story.hear(partition(0, 3, 5)).unwrap();
    assert_eq!(first, [leader(3, 5)], "an answer to a question of another epoch");
    story.fetch();
    let leader_epoch = 5;
    let batches = batch.clone();
    let append = Effect::Append { batches, leader_epoch };
    assert_eq!(story.hear(records(&batch, -1)).unwrap(), [append]);
}

#[test]
fn requests_say_who_asks_and_from_where() {
    let mut story = Story::led();
    let (port, Question::Fetch(request)) = story.asks() else {
        panic!("a fetch was due")
    };
    assert_eq!((port, request.cluster_id.as_deref()), (93, Some("cluster")));
    assert_eq!(
        (request.replica_state.replica_id, request.replica_state.replica_epoch),
        (7, -1)
    );
    assert_eq!((request.session_id, request.session_epoch), (0, -1));
    assert_eq!((request.max_wait_ms, request.max_bytes), (500, 1 << 20));
    let position = &request.topics[0].partitions[0];
    assert_eq!((request.topics[0].topic_id, position.partition), (Uuid::ONE, 0));
    assert_eq!((position.fetch_offset, position.last_fetched_epoch), (10, 4));
    assert_eq!((position.current_leader_epoch, position.high_watermark), (5, -1));
    assert_eq!(position.replica_directory_id, Uuid([7; 16]));
    story.hear(records(&Bytes::new(), 9)).unwrap();
    let (_, Question::Fetch(request)) = story.asks() else {
        panic!("a fetch was due")
    };
    assert_eq!(request.topics[0].partitions[0].high_watermark, 9);
}

#[test]
fn only_what_is_here_and_committed_counts_as_committed() {
    let batch = data_batch(10, 5, 0, [Bytes::from_static(b"a")].iter());
    let none = Bytes::new();
    let mut story = Story::led();
    for (case, bytes, told, expected) in [
        ("at the start of an epoch nothing is known", &none, -1, None),
        ("the leader knows more than is here", &none, 99, Some(10)),
        ("it goes up", &batch, 11, Some(11)),
        ("it never goes back", &none, 3, None),
        ("nor is it forgotten", &none, -1, None),
    ] {
        story.fetch();
        let effects = story.hear(records(bytes, told)).unwrap();
        let told = effects.iter().find_map(|effect| match effect {
            Effect::HighWatermark(offset) => Some(*offset),
            _ => None,
        });
        assert_eq!(told, expected, "{case}");
        if !bytes.is_empty() {
            story.log = FakeLog(vec![(2, 0), (4, 6), (5, 10)], 11);
        }
    }
}

#[test]
fn answers_that_cannot_be_are_refused_and_change_nothing() {
    let gap = data_batch(11, 5, 0, [Bytes::from_static(b"a")].iter());
    let later = data_batch(10, 6, 0, [Bytes::from_static(b"a")].iter());
    for (case, answer, says) in [
        ("a gap", records(&gap, 12), "offset 11 where 10 was due"),
        ("an epoch to come", records(&later, 12), "epoch 6 at offset 10"),
        (
            "another leader",
            partition(0, 4, 5),
            "leader 4 of epoch 5, which 3 leads",
        ),
        ("nothing to cut", diverging(4, 10), "where this log ends"),
        (
            "an epoch for a snapshot",
            see_snapshot(40, 6),
            "a snapshot at 40 of epoch 6",
        ),
        ("half a snapshot", see_snapshot(-1, 5), "a snapshot at -1 of epoch 5"),
        ("an error", partition(42, 3, 5), "error 42 (InvalidRequest)"),
    ] {
        let mut story = Story::led();
        story.fetch();
        let effects = story.hear(answer).unwrap();
        let [Effect::Warn(warning)] = &effects[..] else {
            panic!("{case}: {effects:?}")
        };
        assert!(warning.contains(says), "{case}: {warning}");
        let now = story.now;
        assert_eq!(story.fetch().1, 5, "{case}");
        assert!(story.now >= now + BACKOFF_MS, "{case}: not at once");
    }
}

#[test]
fn an_answer_without_the_metadata_log_is_refused() {
    let mut story = Story::led();
    story.fetch();
    let answered = story
        .follower
        .answered(story.now, Answer::Fetch(FetchResponse::default()), &story.log);
    assert!(matches!(&answered.unwrap()[..], [Effect::Warn(_)]));
    let mut other = FetchResponse::default();
    other.responses.push(FetchableTopicResponse {
        partitions: vec![partition(0, 3, 5)],
        ..Default::default()
    });
    story.fetch();
    let answered = story.follower.answered(story.now, Answer::Fetch(other), &story.log);
    assert!(matches!(&answered.unwrap()[..], [Effect::Warn(_)]));
}

#[test]
fn epochs_never_go_back() {
    let mut story = Story::led();
    story.fetch();
    assert_eq!(
        story.hear(partition(74, 2, 4)).unwrap(),
        [],
        "an older epoch says nothing"
    );
    assert_eq!(story.fetch().1, 5);
    assert_eq!(story.hear(partition(75, -1, 4)).unwrap(), [], "it is behind");
    assert_eq!(story.fetch().1, 5);
    assert_eq!(story.hear(partition(74, 2, 8)).unwrap(), [leader(2, 8)]);
    assert_eq!((story.fetch(), story.follower.epoch()), ((92, 8, 10, 4), 8));
}

#[test]
fn a_silent_leader_is_asked_for_elsewhere() {
    let mut story = Story::led();
    assert_eq!(story.fetch().0, 93);
    story.hear(records(&Bytes::new(), 10)).unwrap();
    story.now += TIMEOUT_MS - 1;
    assert_eq!(story.fetch().0, 93);
    story.now += 1;
    assert_eq!(story.fetch().0, 2, "nothing succeeded for too long");
    assert_eq!(story.hear(partition(6, 3, 5)).unwrap(), [], "no news");
    assert_eq!(story.fetch().0, 93, "it gets another chance");
    story.follower.unanswered(story.now);
    assert_eq!(story.fetch().0, 1, "at once when the connection breaks");
    let waits: Vec<_> = (0..8)
        .map(|_| {
            let now = story.now;
            story.follower.unanswered(now);
            story.fetch();
            story.now - now
        })
        .collect();
    assert!(waits.is_sorted() && waits[7] == LONGEST_BACKOFF_MS, "{waits:?}");
}

#[test]
fn another_cluster_is_complained_of_and_left_alone_for_a_while() {
    let mut story = Story::empty();
    story.fetch();
    let answer = FetchResponse {
        error_code: 104,
        ..Default::default()
    };
    let effects = story.follower.answered(story.now, Answer::Fetch(answer), &story.log);
    let effects = effects.unwrap();
    let [Effect::Warn(warning)] = &effects[..] else {
        panic!("{effects:?}")
    };
    assert!(warning.contains("another cluster than cluster"), "{warning}");
    assert_eq!(story.next(), Step::WaitUntil(story.now + LONGEST_BACKOFF_MS));
}

#[test]
fn what_the_leader_never_had_is_cut_off() {
    for (case, told, expected) in [
        ("an epoch that ended earlier there", (4, 8), Ok(8)),
        ("an epoch that ended earlier here", (2, 9), Ok(6)),
        ("an epoch that never was here", (3, 9), Ok(6)),
        ("below what is committed", (2, 5), Err(5)),
        ("below it by what is here", (1, 9), Err(0)),
    ] {
        let mut story = Story::led();
        story.follower.high_watermark = Some(6);
        story.fetch();
        let effects = story.hear(diverging(told.0, told.1));
        match expected {
            Ok(offset) => assert_eq!(effects.unwrap(), [Effect::Truncate(offset)], "{case}"),
            Err(to) => assert_eq!(effects.unwrap_err(), Fatal::Truncation { to, committed: 6 }, "{case}"),
        }
    }
}

#[test]
fn a_snapshot_comes_part_by_part_and_is_committed_when_it_is_installed() {
    let mut story = Story::led();
    story.fetch();
    assert_eq!(story.hear(see_snapshot(40, 5)).unwrap(), []);
    assert_eq!(story.snapshot_position(), 0);
    let piece = |position, bytes| Effect::Snapshot {
        id: SNAPSHOT,
        position,
        bytes: Bytes::from_static(bytes),
    };
    assert_eq!(story.hear_part(part(0, b"abc", 5)), [piece(0, b"abc")]);
    story.follower.unanswered(story.now);
    story.fetch();
    story.hear(see_snapshot(40, 5)).unwrap();
    assert_eq!(story.snapshot_position(), 3, "goes on after a broken connection");
    let complete = [piece(3, b"de"), Effect::SnapshotComplete(SNAPSHOT)];
    assert_eq!(story.hear_part(part(3, b"de", 5)), complete);
    story.follower.snapshot_installed(SNAPSHOT);
    story.log = FakeLog(vec![(5, 40)], 40);
    assert_eq!(story.fetch(), (93, 5, 40, 5));
    assert_eq!(story.follower.high_watermark, Some(40));
    let error = story.hear(see_snapshot(39, 5)).unwrap_err();
    assert_eq!(error, Fatal::Snapshot { end: 39, committed: 40 });
}

#[test]
fn a_part_that_does_not_fit_drops_the_snapshot() {
    for (case, answer) in [
        ("another position", part(2, b"a", 5)),
        ("nothing", part(0, b"", 5)),
        ("more than all", part(0, b"abcdef", 5)),
        ("too much altogether", part(0, b"a", LARGEST_SNAPSHOT + 1)),
        (
            "gone",
            PartitionSnapshot {
                error_code: 98,
                ..part(0, b"", 0)
            },
        ),
        (
            "out of range",
            PartitionSnapshot {
                error_code: 99,
                ..part(0, b"", 0)
            },
        ),
    ] {
        let mut story = Story::led();
        story.fetch();
        story.hear(see_snapshot(40, 5)).unwrap();
        story.snapshot_position();
        let effects = story.hear_part(answer);
        assert_eq!(effects.last(), Some(&Effect::SnapshotDropped(SNAPSHOT)), "{case}");
        story.fetch();
    }
}

#[test]
fn a_new_leader_does_not_finish_the_snapshot_of_the_old_one() {
    let mut story = Story::led();
    story.fetch();
    story.hear(see_snapshot(40, 5)).unwrap();
    story.hear_part(part(0, b"abc", 5));
    story.snapshot_position();
    let answer = PartitionSnapshot {
        error_code: 74,
        current_leader: SnapshotLeader {
            leader_id: 2,
            leader_epoch: 6,
        },
        ..part(0, b"", 0)
    };
    let address = None;
    let leader = Some(KnownLeader { id: 2, address });
    let moved = [Effect::SnapshotDropped(SNAPSHOT), Effect::Leader { epoch: 6, leader }];
    assert_eq!(story.hear_part(answer), moved);
    assert_eq!(story.fetch(), (2, 6, 10, 4), "its address is still to be learnt");
}
