//! The metadata quorum of one voter: decisions of the controller become durable here, one after the other.
//!
//! Order: decide, apply to the controller, append, flush, move the high watermark, answer. What is not on the disk is
//! never told, not even in a refusal that rests on it. Many commands share one flush.

use crate::clock::SharedClock;
use crate::config::BrokerConfig;
use crate::controller::Controller;
use crate::controller::MAX_RECORDS_PER_COMMAND;
use crate::controller::Moment;
use crate::controller::Outcome;
use crate::controller::Random;
use crate::controller::Settings;
use crate::metadata::Endpoint;
use crate::metadata::Image;
use crate::metadata::MetadataRecord;
use crate::metadata::MetadataVersion;
use crate::metadata::VersionRange;
use crate::metadata::feature;
use crate::raft::observers::Observers;
use crate::runtime::metadata_log::MetadataBatch;
use crate::runtime::metadata_log::MetadataLog;
use crate::runtime::metadata_log::MetadataRead;
use crate::runtime::metadata_store::MetadataStore;
use crate::runtime::metadata_store::Opened;
use crate::runtime::metadata_store::StoreError;
use crate::runtime::quorum_tasks;
use crate::types::LeaderEpoch;
use crate::types::NodeId;
use crate::types::Offset;
use crate::types::Timestamp;
use crate::types::Uuid;
use compact_str::CompactString;
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use tokio::sync::Notify;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Records kept for observers that are a little behind; one further back gets the image.
const TAIL_RECORDS: usize = 1_000;

/// What this node is to its cluster.
pub struct Identity {
    pub cluster_id: CompactString,
    /// What it can do, `metadata.version` and `kraft.version` among it.
    pub features: BTreeMap<CompactString, VersionRange>,
    /// Where others find this controller, a listener each.
    pub endpoints: Vec<Endpoint>,
    pub seed: [u8; 32],
}

/// The quorum has stopped: nothing more is decided, and what was not answered may or may not have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stopped;

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the metadata quorum has stopped")
    }
}

impl std::error::Error for Stopped {}

/// A reply, and the last offset that it rests on: an image with that offset in it holds the change.
#[derive(Debug)]
pub struct Done<R> {
    pub reply: R,
    pub offset: Offset,
}

/// What DescribeQuorum tells of a quorum of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuorumStatus {
    pub leader_id: NodeId,
    pub leader_epoch: LeaderEpoch,
    pub high_watermark: Offset,
    pub log_end: Offset,
    pub voter_directory: Uuid,
    pub kraft_version: i16,
}

pub(super) struct State {
    pub controller: Controller,
    random: Random,
    /// Appended and not yet flushed, each with the image that it leads to.
    pending: VecDeque<(Arc<MetadataBatch>, Arc<Image>)>,
    tail: VecDeque<Arc<MetadataBatch>>,
    tail_records: usize,
    pub committed: Arc<Image>,
    pub last_append: Timestamp,
    /// Appended since the latest snapshot.
    pub unsnapped_bytes: u64,
    pub last_snapshot: Timestamp,
    pub stopped: bool,
}

/// What is told of this node to those who follow its log.
pub(super) struct LeaderIdentity {
    pub cluster_id: CompactString,
    pub endpoints: Vec<Endpoint>,
}

pub(super) struct Shared {
    pub store: MetadataStore,
    pub clock: SharedClock,
    pub identity: LeaderIdentity,
    pub observers: Mutex<Observers>,
    state: Mutex<State>,
    pub high_watermark: watch::Sender<Offset>,
    pub appended: Notify,
    pub decided: Notify,
}

/// Cheap to clone; all clones are the same quorum.
#[derive(Clone)]
pub struct QuorumHandle(pub(super) Arc<Shared>);

/// Runs until `stop`.
pub struct Quorum {
    handle: QuorumHandle,
    tasks: Vec<JoinHandle<()>>,
}

impl Quorum {
    /// Takes the leadership and finishes what an earlier controller may have left undone. Blocks on the disk; must be
    /// called where tokio runs.
    pub fn start(
        opened: Opened,
        identity: Identity,
        config: &BrokerConfig,
        clock: SharedClock,
    ) -> Result<Quorum, StoreError> {
        let Opened {
            store,
            replay,
            bootstrap,
            ..
        } = opened;
        let now = clock.now();
        store.begin_epoch(now)?;
        let kraft_version = store.kraft_version();
        let told = LeaderIdentity {
            cluster_id: identity.cluster_id.clone(),
            endpoints: identity.endpoints,
        };
        let settings = Settings {
            cluster_id: identity.cluster_id,
            features: identity.features,
            kraft_version,
        };
        let end = store.log().end_offset();
        let mut controller = Controller::new(settings, config.clone(), replay, (end, now));
        controller.passed(end - 1, store.epoch());
        let records = controller.activation_records(&bootstrap);
        if !records.is_empty() {
            let level = level(&controller, &records);
            let applied = controller.apply(controller.end(), store.epoch(), &records);
            applied.map_err(|error| StoreError::contradiction(&error))?;
            store.append(&records, level, now)?;
        }
        store.flush(controller.end(), now)?;
        let (committed, _) = controller.publish();
        let handle = QuorumHandle(Arc::new(Shared {
            high_watermark: watch::Sender::new(controller.end()),
            state: Mutex::new(State {
                random: Random::new(identity.seed),
                pending: VecDeque::new(),
                tail: VecDeque::new(),
                tail_records: 0,
                committed,
                last_append: now,
                unsnapped_bytes: 0,
                last_snapshot: now,
                stopped: false,
                controller,
            }),
            store,
            clock,
            identity: told,
            observers: Mutex::default(),
            appended: Notify::new(),
            decided: Notify::new(),
        }));
        let tasks = quorum_tasks::spawn(&handle, config);
        Ok(Quorum { handle, tasks })
    }

    pub fn handle(&self) -> QuorumHandle {
        self.handle.clone()
    }

    /// Decides nothing more, brings what was decided to the disk, and closes the log.
    pub async fn stop(mut self) -> Result<(), StoreError> {
        let shared = self.handle.0.clone();
        let end = {
            let mut state = shared.lock();
            state.stopped = true;
            state.controller.end()
        };
        for task in std::mem::take(&mut self.tasks) {
            task.abort();
            // Aborted, or done before: either way it has let go of the log.
            let _ = task.await;
        }
        let closing = shared.clone();
        let closed = tokio::task::spawn_blocking(move || {
            let now = closing.clock.now();
            closing.store.flush(end, now)?;
            closing.store.close(now)
        });
        let closed = closed
            .await
            .unwrap_or_else(|error| Err(StoreError::contradiction(&error)));
        if closed.is_ok() {
            shared.commit(end);
        }
        closed
    }
}

/// Without `stop` it ends as if the power had failed.
impl Drop for Quorum {
    fn drop(&mut self) {
        self.tasks.iter().for_each(|task| task.abort());
    }
}

/// The level to write records in; those of a new cluster bring their own.
fn level(controller: &Controller, records: &[MetadataRecord]) -> MetadataVersion {
    let brought = records.iter().find_map(|record| match record {
        MetadataRecord::FeatureLevel(level) if level.name == feature::METADATA_VERSION => Some(level.feature_level),
        _ => None,
    });
    let known = controller.image().metadata_version();
    known
        .or(brought.map(MetadataVersion))
        .unwrap_or(MetadataVersion::LATEST)
}

impl Shared {
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything below `end` is on the disk.
    pub fn commit(&self, end: Offset) {
        {
            let mut state = self.lock();
            while state.pending.front().is_some_and(|(batch, _)| batch.last_offset < end) {
                let Some((batch, image)) = state.pending.pop_front() else {
                    break;
                };
                state.committed = image;
                state.tail_records += batch.records.len();
                state.tail.push_back(batch);
            }
            // The latest batch stays, however large: it is what observers are about to read.
            while state.tail_records > TAIL_RECORDS && state.tail.len() > 1 {
                let Some(oldest) = state.tail.pop_front() else { break };
                state.tail_records -= oldest.records.len();
            }
        }
        self.high_watermark.send_if_modified(|known| {
            let moved = *known < end;
            *known = end.max(*known);
            moved
        });
    }

    /// After an error of the disk nobody may trust what comes next.
    pub fn fail(&self, error: &StoreError) {
        let mut state = self.lock();
        if !state.stopped {
            tracing::error!("The metadata log failed, and the controller stops: {error}");
            state.stopped = true;
        }
        drop(state);
        // Wakes all who wait, so that they notice.
        self.high_watermark.send_modify(|_| {});
    }

    fn carry_out<R>(
        &self,
        state: &mut State,
        decide: impl FnOnce(&Controller, &mut Moment<'_>) -> Outcome<R>,
    ) -> Result<R, StoreError> {
        let now = self.clock.now();
        let outcome = decide(
            &state.controller,
            &mut Moment {
                now,
                random: &mut state.random,
            },
        );
        let mut records = outcome.records.into_iter().peekable();
        while records.peek().is_some() {
            let batch: Vec<MetadataRecord> = records.by_ref().take(MAX_RECORDS_PER_COMMAND).collect();
            self.append(state, batch, now)?;
        }
        outcome.notes.iter().for_each(|note| state.controller.remember(note));
        Ok(outcome.reply)
    }

    fn append(&self, state: &mut State, records: Vec<MetadataRecord>, now: Timestamp) -> Result<(), StoreError> {
        let epoch = self.store.epoch();
        let base_offset = state.controller.end();
        let level = level(&state.controller, &records);
        // Applied first, so that records which contradict each other never reach the log; if they do, or if the log
        // fails, the quorum stops and nobody sees what was applied.
        let applied = state.controller.apply(base_offset, epoch, &records);
        applied.map_err(|error| StoreError::contradiction(&error))?;
        let (appended_at, size) = self.store.append(&records, level, now)?;
        assert_eq!(appended_at, base_offset, "the log and the controller count alike");
        let last_offset = state.controller.end() - 1;
        let batch = Arc::new(MetadataBatch {
            base_offset,
            last_offset,
            epoch,
            timestamp: now,
            records,
        });
        let (image, _) = state.controller.publish();
        state.pending.push_back((batch, image));
        state.last_append = now;
        state.unsnapped_bytes += size as u64;
        Ok(())
    }
}

impl QuorumHandle {
    /// Lets the controller decide; resolves once everything that the reply rests on is on the disk.
    pub async fn submit<R>(
        &self,
        decide: impl FnOnce(&Controller, &mut Moment<'_>) -> Outcome<R>,
    ) -> Result<Done<R>, Stopped> {
        let (reply, end) = self.decide(decide)?;
        self.committed(end).await?;
        Ok(Done { reply, offset: end - 1 })
    }

    /// As `submit`, for a question that writes nothing.
    pub async fn ask<R>(&self, ask: impl FnOnce(&Controller) -> R) -> Result<Done<R>, Stopped> {
        self.submit(|controller, _| Outcome::reply(ask(controller))).await
    }

    /// The cluster as far as it is on the disk.
    pub fn committed_image(&self) -> Arc<Image> {
        self.0.lock().committed.clone()
    }

    pub fn status(&self) -> QuorumStatus {
        QuorumStatus {
            leader_id: self.0.store.node_id(),
            leader_epoch: self.0.store.epoch(),
            high_watermark: *self.0.high_watermark.borrow(),
            log_end: self.0.lock().controller.end(),
            voter_directory: self.0.store.voter_directory(),
            kraft_version: self.0.store.kraft_version(),
        }
    }

    /// Resolves when the quorum has stopped, whether it was told to or its log failed.
    pub async fn failed(&self) {
        let mut high_watermark = self.0.high_watermark.subscribe();
        loop {
            high_watermark.borrow_and_update();
            if self.0.lock().stopped || high_watermark.changed().await.is_err() {
                return;
            }
        }
    }

    pub(super) fn decide<R>(
        &self,
        decide: impl FnOnce(&Controller, &mut Moment<'_>) -> Outcome<R>,
    ) -> Result<(R, Offset), Stopped> {
        let mut state = self.0.lock();
        if state.stopped {
            return Err(Stopped);
        }
        let before = state.controller.end();
        let reply = self.0.carry_out(&mut state, decide);
        let end = state.controller.end();
        drop(state);
        let reply = reply.map_err(|error| {
            self.0.fail(&error);
            Stopped
        })?;
        if end > before {
            self.0.appended.notify_one();
        }
        self.0.decided.notify_one();
        Ok((reply, end))
    }

    async fn committed(&self, end: Offset) -> Result<(), Stopped> {
        let mut high_watermark = self.0.high_watermark.subscribe();
        loop {
            if *high_watermark.borrow_and_update() >= end {
                return Ok(());
            }
            if self.0.lock().stopped {
                return Err(Stopped);
            }
            high_watermark.changed().await.map_err(|_| Stopped)?;
        }
    }
}

impl MetadataLog for QuorumHandle {
    fn read(&self, from: Offset) -> MetadataRead {
        let state = self.0.lock();
        let committed = state.committed.offset;
        if from > committed {
            return MetadataRead::Batches(Vec::new());
        }
        match state.tail.front() {
            Some(oldest) if oldest.base_offset <= from => {
                let first = state.tail.partition_point(|batch| batch.last_offset < from);
                MetadataRead::Batches(state.tail.iter().skip(first).cloned().collect())
            }
            _ => MetadataRead::Snapshot(state.committed.clone()),
        }
    }

    fn kraft_version(&self) -> i16 {
        self.0.store.kraft_version()
    }

    fn high_watermark(&self) -> watch::Receiver<Offset> {
        self.0.high_watermark.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::Caller;
    use crate::runtime::testing::Folder;
    use crate::schema::create_topics_request::CreatableTopic;
    use crate::schema::create_topics_request::CreateTopicsRequest;
    use crate::schema::no_op_record::NoOpRecord;
    use crate::schema::remove_topic_record::RemoveTopicRecord;

    fn no_op(controller: &Controller, _: &mut Moment<'_>) -> Outcome<Offset> {
        Outcome::of(vec![NoOpRecord::default().into()], controller.end())
    }

    #[tokio::test]
    async fn a_new_cluster_begins_as_kafkas_does() {
        let folder = Folder::formatted();
        let quorum = folder.start(&[]);
        // LEADER_CHANGE, KRAFT_VERSION, KRAFT_VOTERS; begin, two features, the minimum of in-sync replicas, end.
        assert_eq!(quorum.handle().status().high_watermark, 8);
        assert_eq!(quorum.handle().status().kraft_version, 1);
        quorum.stop().await.unwrap();
        let state = std::fs::read_to_string(folder.metadata().join("quorum-state")).unwrap();
        assert_eq!(
            state,
            "{\"leaderId\":1,\"leaderEpoch\":1,\"votedId\":-1,\"votedDirectoryId\":\"AAAAAAAAAAAAAAAAAAAAAA\",\
             \"data_version\":1}"
        );
        let quorum = folder.start(&[]);
        let status = quorum.handle().status();
        assert_eq!(
            (status.high_watermark, status.leader_epoch),
            (9, 2),
            "one more LEADER_CHANGE and nothing else"
        );
        quorum.stop().await.unwrap();
    }

    #[tokio::test]
    async fn what_was_answered_is_there_after_a_restart_and_many_share_a_flush() {
        let folder = Folder::formatted();
        let quorum = folder.start(&[]);
        let handle = quorum.handle();
        let submits: Vec<_> = (0..50)
            .map(|_| {
                let handle = handle.clone();
                tokio::spawn(async move { handle.submit(no_op).await.unwrap() })
            })
            .collect();
        for submit in submits {
            let done = submit.await.unwrap();
            assert_eq!(done.reply, done.offset);
            assert!(handle.status().high_watermark > done.offset);
        }
        let end = handle.status().log_end;
        // No clean stop: the process is gone.
        drop(quorum);
        let opened = folder.open().unwrap();
        assert_eq!(opened.replay.image().offset, end - 1);
        assert_eq!(opened.store.epoch(), 2);
    }

    #[tokio::test]
    async fn after_the_end_nothing_is_decided() {
        let folder = Folder::formatted();
        let quorum = folder.start(&[]);
        let handle = quorum.handle();
        quorum.stop().await.unwrap();
        assert_eq!(handle.submit(no_op).await.unwrap_err(), Stopped);
    }

    #[tokio::test]
    async fn records_that_contradict_the_log_stop_the_quorum_and_are_not_written() {
        let folder = Folder::formatted();
        let quorum = folder.start(&[]);
        let handle = quorum.handle();
        let contradiction = |_: &Controller, _: &mut Moment<'_>| {
            Outcome::of(
                vec![
                    RemoveTopicRecord {
                        topic_id: Uuid([9; 16]),
                    }
                    .into(),
                ],
                (),
            )
        };
        assert_eq!(handle.submit(contradiction).await.unwrap_err(), Stopped);
        assert_eq!(handle.submit(no_op).await.unwrap_err(), Stopped);
        drop(quorum);
        assert!(folder.open().is_ok());
    }

    #[tokio::test]
    async fn an_observer_far_behind_gets_the_image_and_one_close_by_gets_batches() {
        let folder = Folder::formatted();
        let quorum = folder.start(&[]);
        let handle = quorum.handle();
        let first = handle.submit(no_op).await.unwrap().offset;
        handle.submit(no_op).await.unwrap();
        assert!(matches!(handle.read(0), MetadataRead::Snapshot(image) if image.offset == first + 1));
        let MetadataRead::Batches(batches) = handle.read(first + 1) else {
            panic!("a batch was to come")
        };
        assert_eq!(
            batches.iter().map(|batch| batch.base_offset).collect::<Vec<_>>(),
            [first + 1]
        );
        assert!(matches!(handle.read(first + 2), MetadataRead::Batches(none) if none.is_empty()));
        quorum.stop().await.unwrap();
    }

    #[tokio::test]
    async fn too_much_for_one_batch_is_written_in_several() {
        let folder = Folder::formatted();
        let quorum = folder.start(&[]);
        let handle = quorum.handle();
        let many = |_: &Controller, _: &mut Moment<'_>| {
            Outcome::of(vec![NoOpRecord::default().into(); MAX_RECORDS_PER_COMMAND + 5], ())
        };
        let from = handle.status().log_end;
        handle.submit(many).await.unwrap();
        let second = from + MAX_RECORDS_PER_COMMAND as Offset;
        let MetadataRead::Batches(batches) = handle.read(second) else {
            panic!("a batch was to come")
        };
        let found: Vec<_> = batches
            .iter()
            .map(|batch| (batch.base_offset, batch.records.len()))
            .collect();
        assert_eq!(found, [(second, 5)]);
        quorum.stop().await.unwrap();
    }

    #[tokio::test]
    async fn a_snapshot_and_what_follows_it_make_the_same_cluster() {
        let folder = Folder::formatted();
        let quorum = folder.start(&[("metadata.log.max.record.bytes.between.snapshots", "1")]);
        let handle = quorum.handle();
        let topic = CreatableTopic {
            name: "a".into(),
            num_partitions: 1,
            replication_factor: 1,
            ..Default::default()
        };
        let request = CreateTopicsRequest {
            topics: vec![topic],
            ..Default::default()
        };
        let create = handle.submit(|controller, moment| controller.create_topics(moment, &Caller::any(7), &request));
        assert_eq!(
            create.await.unwrap().reply.topics[0].error_code,
            38,
            "there is no broker yet"
        );
        handle.0.take_snapshot();
        let image = handle.0.lock().committed.clone();
        handle.submit(no_op).await.unwrap();
        quorum.stop().await.unwrap();
        let snapshot = crate::runtime::snapshots::find(&folder.metadata())
            .unwrap()
            .pop_last()
            .unwrap();
        assert!(snapshot.end_offset > image.offset);
        let opened = folder.open().unwrap();
        let mut replayed = opened.replay.image().clone();
        assert_eq!(replayed.offset, image.offset + 1);
        replayed.offset = image.offset;
        assert_eq!(replayed, *image);
    }
}
