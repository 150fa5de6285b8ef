//! The metadata log of a broker whose controllers are in other processes: fetched from their leader, kept as a Kafka
//! broker keeps it, read by this broker's observer.
//!
//! `raft::follow` decides, this task asks and writes. It ends with an error when the log and this release do not
//! understand each other: metadata is not to be guessed.

use crate::clock::SharedClock;
use crate::config::BrokerConfig;
use crate::config::voters::Address;
use crate::log::Place;
use crate::raft::follow::Answer;
use crate::raft::follow::Effect;
use crate::raft::follow::Follower;
use crate::raft::follow::Question;
use crate::raft::follow::Rules;
use crate::raft::follow::Step;
use crate::raft::questions::Asker;
use crate::runtime::controller_peer::ControllerPeer;
use crate::runtime::leader::Leader;
use crate::runtime::metadata_log::MetadataLog;
use crate::runtime::metadata_log::MetadataRead;
use crate::runtime::metadata_store::StoreError;
use crate::runtime::metadata_store::StoreSettings;
use crate::runtime::observer_store::Installed;
use crate::runtime::observer_store::ObserverStore;
use crate::runtime::observer_store::SnapshotLimits;
use crate::types::Offset;
use crate::types::Timestamp;
use crate::types::Uuid;
use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Old snapshots are looked for this often.
const CLEAN_INTERVAL: Duration = Duration::from_secs(60);
/// Different complaints that are remembered so that none is repeated.
const COMPLAINTS: usize = 100;

/// How this broker follows its controllers.
#[derive(Clone, Debug)]
pub struct RemoteSettings {
    rules: Rules,
    store: StoreSettings,
    snapshots: SnapshotLimits,
    request_timeout: Duration,
}

impl RemoteSettings {
    /// `metadata_directory`: the id of the folder that holds the metadata log.
    pub fn new(config: &BrokerConfig, cluster_id: &str, metadata_directory: Uuid) -> RemoteSettings {
        let timeout = u64::try_from(config.controller_quorum_request_timeout_ms());
        RemoteSettings {
            rules: Rules {
                asker: Asker {
                    node_id: config.node_id,
                    cluster_id: cluster_id.into(),
                    directory: metadata_directory,
                    fetch_bytes: config.controller_quorum_fetch_max_bytes(),
                    snapshot_bytes: config.controller_quorum_fetch_snapshot_max_bytes(),
                },
                servers: config.quorum_addresses(),
                voters: config.voters.clone(),
                fetch_timeout_ms: config.controller_quorum_fetch_timeout_ms().into(),
                retry_backoff_ms: config.controller_quorum_retry_backoff_ms().into(),
            },
            store: StoreSettings::new(config),
            snapshots: SnapshotLimits {
                bytes: u64::try_from(config.metadata_snapshot_max_new_bytes()).unwrap_or(u64::MAX),
                interval_ms: config.metadata_snapshot_max_interval_ms(),
            },
            request_timeout: Duration::from_millis(timeout.unwrap_or(0)),
        }
    }
}

struct Shared {
    store: Arc<ObserverStore>,
    high_watermark: watch::Receiver<Offset>,
    first_told: watch::Receiver<Option<Offset>>,
    leader: watch::Receiver<Option<Leader>>,
    failure: watch::Receiver<Option<Arc<StoreError>>>,
}

/// Cheap to clone; all clones are the same log.
#[derive(Clone)]
pub struct RemoteHandle(Arc<Shared>);

impl RemoteHandle {
    /// Who leads the quorum, as far as this node knows.
    pub fn leader(&self) -> watch::Receiver<Option<Leader>> {
        self.0.leader.clone()
    }

    /// As `first_end`, once it is known. `None` if the log ends before.
    pub async fn first_high_watermark(&self) -> Option<Offset> {
        let mut told = self.0.first_told.clone();
        let known = told.wait_for(Option::is_some).await;
        known.ok().and_then(|offset| *offset)
    }

    /// Resolves with the reason if the log ends by itself, else never.
    pub async fn failed(&self) -> Arc<StoreError> {
        let mut failure = self.0.failure.clone();
        let failed = failure
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|found| found.clone());
        match failed {
            Some(error) => error,
            None => std::future::pending().await,
        }
    }
}

impl MetadataLog for RemoteHandle {
    fn read(&self, from: Offset) -> MetadataRead {
        self.0.store.read(from)
    }

    fn kraft_version(&self) -> i16 {
        self.0.store.kraft_version()
    }

    fn first_end(&self) -> watch::Receiver<Option<Offset>> {
        self.0.first_told.clone()
    }

    /// -1 until a leader has told it.
    fn high_watermark(&self) -> watch::Receiver<Offset> {
        self.0.high_watermark.clone()
    }
}

/// Runs until `stop`. Dropped without it, it ends as if the power had failed.
pub struct RemoteLog {
    handle: RemoteHandle,
    clock: SharedClock,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl RemoteLog {
    /// Opens what is there and begins to follow. Blocks on the disk; must be called where tokio runs.
    pub fn start(place: Place, settings: RemoteSettings, clock: SharedClock) -> Result<RemoteLog, StoreError> {
        let RemoteSettings {
            rules,
            store,
            snapshots,
            request_timeout,
        } = settings;
        let (store, warnings) = ObserverStore::open(place, store, snapshots, clock.now())?;
        warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let store = Arc::new(store);
        let client_id = format!("raft-client-{}", rules.asker.node_id);
        let high_watermark = watch::Sender::new(-1);
        let first_told = watch::Sender::new(None);
        let leader = watch::Sender::new(None);
        let failure = watch::Sender::new(None);
        let handle = RemoteHandle(Arc::new(Shared {
            store: store.clone(),
            high_watermark: high_watermark.subscribe(),
            first_told: first_told.subscribe(),
            leader: leader.subscribe(),
            failure: failure.subscribe(),
        }));
        let following = Following {
            follower: Follower::new(rules, store.greatest_epoch()?, store.floor()),
            peer: ControllerPeer::new(client_id, request_timeout),
            store,
            clock: clock.clone(),
            began: Instant::now(),
            high_watermark,
            first_told,
            leader,
            complaints: HashSet::new(),
            upkeep: None,
            last_clean: Instant::now(),
        };
        let stop = watch::Sender::new(false);
        let stopped = stop.subscribe();
        let task = tokio::spawn(async move {
            if let Err(error) = following.run(stopped).await {
                tracing::error!("The metadata log ends: {error}");
                failure.send_replace(Some(Arc::new(error)));
            }
        });
        Ok(RemoteLog {
            handle,
            clock,
            stop,
            task,
        })
    }

    pub fn handle(&self) -> RemoteHandle {
        self.handle.clone()
    }

    /// Follows no more, and closes the files.
    pub async fn stop(mut self) -> Result<(), StoreError> {
        self.stop.send_replace(true);
        // What it was at is finished; a panic in it has been told already.
        let _ = (&mut self.task).await;
        let (store, clock) = (self.handle.0.store.clone(), self.clock.clone());
        let closed = tokio::task::spawn_blocking(move || store.close(clock.now())).await;
        closed.unwrap_or_else(|error| Err(StoreError::contradiction(&error)))
    }
}

impl Drop for RemoteLog {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Following {
    follower: Follower,
    peer: ControllerPeer,
    store: Arc<ObserverStore>,
    clock: SharedClock,
    began: Instant,
    high_watermark: watch::Sender<Offset>,
    first_told: watch::Sender<Option<Offset>>,
    leader: watch::Sender<Option<Leader>>,
    /// Told since the last answer that was of use.
    complaints: HashSet<String>,
    upkeep: Option<JoinHandle<()>>,
    last_clean: Instant,
}

impl Following {
    async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), StoreError> {
        loop {
            let step = match self.follower.next(self.now(), &*self.store) {
                Step::WaitUntil(until) => {
                    let wait = Duration::from_millis(u64::try_from(until - self.now()).unwrap_or(0));
                    tokio::select! {
                        () = tokio::time::sleep(wait) => continue,
                        _ = stop.changed() => break,
                    }
                }
                Step::Ask(address, question) => self.ask(address, question),
            };
            let answered = tokio::select! {
                answered = step => answered,
                _ = stop.changed() => break,
            };
            match answered {
                Ok(answer) => self.take_in(answer).await?,
                Err(complaint) => {
                    self.follower.unanswered(self.now());
                    self.complain(complaint);
                }
            }
            self.keep_up().await;
        }
        self.finish_upkeep().await;
        Ok(())
    }

    /// Does not run backwards, as the clock on the wall may.
    fn now(&self) -> Timestamp {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    async fn ask(&mut self, address: Address, question: Question) -> Result<Answer, String> {
        let answer: io::Result<Answer> = match question {
            Question::Fetch(request) => self.peer.fetch(&address, &request).await.map(Answer::Fetch),
            Question::Snapshot(request) => self.peer.fetch_snapshot(&address, &request).await.map(Answer::Snapshot),
        };
        answer.map_err(|error| {
            let Address { host, port } = address;
            format!("The controller at {host}:{port} cannot be asked: {error}.")
        })
    }

    fn complain(&mut self, complaint: String) {
        if self.complaints.len() < COMPLAINTS && !self.complaints.contains(&complaint) {
            tracing::warn!("{complaint}");
            self.complaints.insert(complaint);
        }
    }

    async fn take_in(&mut self, answer: Answer) -> Result<(), StoreError> {
        let effects = self.follower.answered(self.now(), answer, &*self.store);
        let effects = effects.map_err(|fatal| StoreError::new("the metadata log cannot go on", fatal))?;
        if self.follower.is_served() {
            self.complaints.clear();
        }
        let mut effects = effects.into_iter().peekable();
        while let Some(effect) = effects.next() {
            // Nearly always what is appended is committed already: one way to the disk's threads for both.
            let committed = match (&effect, effects.peek()) {
                (Effect::Append { .. }, Some(Effect::HighWatermark(offset))) => Some(*offset),
                _ => None,
            };
            effects.next_if(|_| committed.is_some());
            self.carry_out(effect, committed).await?;
        }
        let told = self.follower.first_told();
        self.first_told
            .send_if_modified(|known| std::mem::replace(known, told) != told);
        Ok(())
    }

    /// `committed`: how far what this effect appends is committed, if that is known with it.
    async fn carry_out(&mut self, effect: Effect, committed: Option<Offset>) -> Result<(), StoreError> {
        match effect {
            Effect::Warn(complaint) => self.complain(complaint),
            Effect::Leader { epoch, leader } => {
                let id = leader.as_ref().map(|leader| leader.id);
                self.blocking(move |store, _| Ok(store.remember_leader(id, epoch)?))
                    .await?;
                let leader = leader.and_then(|known| {
                    let id = known.id;
                    known.address.map(|address| Leader { id, epoch, address })
                });
                if let Some(Leader { id, address, .. }) = &leader {
                    tracing::info!(
                        "Controller {id} at {}:{} leads epoch {epoch}.",
                        address.host,
                        address.port
                    );
                }
                self.leader.send_replace(leader);
            }
            Effect::Append { batches, leader_epoch } => {
                self.blocking(move |store, now| {
                    store.append(&batches, leader_epoch, now)?;
                    committed.map_or(Ok(()), |offset| store.commit(offset))
                })
                .await?;
                if let Some(offset) = committed {
                    self.high_watermark.send_replace(offset);
                }
            }
            Effect::Truncate(to) => {
                tracing::info!("The metadata log is cut at offset {to}, from where on its leader has another.");
                self.blocking(move |store, now| store.truncate(to, now)).await?;
            }
            Effect::HighWatermark(offset) => {
                self.blocking(move |store, _| store.commit(offset)).await?;
                self.high_watermark.send_replace(offset);
            }
            Effect::Snapshot { id, position, bytes } => {
                self.blocking(move |store, _| store.extend_snapshot(id, position, &bytes))
                    .await?;
            }
            Effect::SnapshotDropped(_) => self.blocking(|store, _| Ok(store.drop_snapshot()?)).await?,
            Effect::SnapshotComplete(id) => {
                self.finish_upkeep().await;
                match self.blocking(move |store, now| store.install_snapshot(id, now)).await? {
                    Installed::Yes => {
                        tracing::info!("The metadata begins with snapshot {}.", id.file_name());
                        self.follower.snapshot_installed(id);
                        self.high_watermark.send_replace(id.end_offset);
                    }
                    Installed::Damaged(error) => {
                        self.follower.snapshot_damaged(self.now());
                        self.complain(format!("Snapshot {} is fetched again: {error}.", id.file_name()));
                    }
                }
            }
        }
        Ok(())
    }

    async fn blocking<T: Send + 'static>(
        &self,
        act: impl FnOnce(&ObserverStore, Timestamp) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (store, clock) = (self.store.clone(), self.clock.clone());
        let done = tokio::task::spawn_blocking(move || act(&store, clock.now())).await;
        done.unwrap_or_else(|error| Err(StoreError::new("work on the metadata log broke off", error)))
    }

    /// Snapshots are written, and old ones removed, beside the fetching; one such job at a time.
    async fn keep_up(&mut self) {
        if self.upkeep.as_ref().is_some_and(|upkeep| !upkeep.is_finished()) {
            return;
        }
        let cleans = self.last_clean.elapsed() >= CLEAN_INTERVAL;
        if !cleans && !self.store.snapshot_is_due(self.clock.now()) {
            return;
        }
        if cleans {
            self.last_clean = Instant::now();
        }
        let (store, clock) = (self.store.clone(), self.clock.clone());
        self.upkeep = Some(tokio::task::spawn_blocking(move || {
            // What cannot be written or removed costs a longer start or some space, nothing else.
            if let Err(error) = store.snapshot_if_due(clock.now()) {
                tracing::warn!("No snapshot of the metadata could be taken: {error}");
            }
            if cleans && let Err(error) = store.clean(clock.now()) {
                tracing::warn!("Old metadata could not be removed: {error}");
            }
        }));
    }

    async fn finish_upkeep(&mut self) {
        if let Some(upkeep) = self.upkeep.take() {
            // Its errors have been told.
            let _ = upkeep.await;
        }
    }
}
