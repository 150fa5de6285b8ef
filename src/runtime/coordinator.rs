//! Runs a machine for each partition of an internal topic that this broker leads.
//!
//! The order of the steps is the durability argument: what cannot be appended is never applied, and what is not
//! committed is never told. A machine whose records cannot be appended is thrown away; whoever waits for it asks again.

use crate::clock::SharedClock;
use crate::machine::Decision;
use crate::machine::Machine;
use crate::machine::Ticket;
use crate::machine::Written;
use crate::record::build::BatchBuilder;
use crate::record::build::BatchSpec;
use crate::record::compress::Compression;
use crate::replication::partition::Partition;
use crate::runtime::replaying;
use crate::types::ErrorCode;
use crate::types::LeaderEpoch;
use crate::types::PartitionId;
use crate::types::Timestamp;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::sync::oneshot;
use tracing::error;
use tracing::info;

/// What a new machine is made of, and what it may look at.
pub struct Maker<M: Machine> {
    pub machine: Box<dyn Fn() -> M + Send + Sync>,
    pub world: Box<dyn Fn() -> M::World + Send + Sync>,
    pub compression: Box<dyn Fn() -> Compression + Send + Sync>,
}

pub struct Coordinators<M: Machine> {
    maker: Maker<M>,
    clock: SharedClock,
    runtime: Handle,
    shards: RwLock<HashMap<PartitionId, Arc<Shard<M>>>>,
}

impl<M: Machine<Record: Written>> Coordinators<M> {
    /// Must be called where tokio runs.
    pub fn new(maker: Maker<M>, clock: SharedClock) -> Arc<Coordinators<M>> {
        Arc::new(Coordinators {
            maker,
            clock,
            runtime: Handle::current(),
            shards: RwLock::default(),
        })
    }

    /// Lets the machine of a partition judge; resolves once the reply may be told.
    pub async fn run(self: &Arc<Self>, partition: PartitionId, command: M::Command) -> Result<M::Reply, ErrorCode> {
        let shard = self.shard(partition).ok_or(ErrorCode::NotCoordinator)?;
        let answer = {
            let mut state = shard.lock();
            let (ticket, answer) = state.admit()?;
            let world = (self.maker.world)();
            let machine = state.machine()?;
            let decision = machine.decide(&world, ticket, command);
            self.carry_out(&shard, &mut state, decision);
            answer
        };
        // The sender goes when the machine does.
        answer.await.map_err(|_| ErrorCode::NotCoordinator)
    }

    /// As `run`, for a question that concerns all machines; those that are not ready are named.
    pub async fn run_all(
        self: &Arc<Self>,
        mut command: impl FnMut() -> M::Command,
    ) -> Vec<Result<M::Reply, ErrorCode>> {
        let mut partitions: Vec<PartitionId> = self.shards().keys().copied().collect();
        partitions.sort_unstable();
        let mut replies = Vec::with_capacity(partitions.len());
        for partition in partitions {
            replies.push(self.run(partition, command()).await);
        }
        replies
    }

    /// As `run_all`, where nobody waits for the replies.
    pub fn tell_all(self: &Arc<Self>, command: impl FnMut() -> M::Command + Send + 'static) {
        let this = self.clone();
        self.runtime.spawn(async move { this.run_all(command).await });
    }

    /// This broker leads the partition from now on: its machine is loaded.
    pub fn elected(self: &Arc<Self>, partition: Arc<Partition>, epoch: LeaderEpoch) {
        let index = partition.index;
        let shard = Arc::new(Shard {
            partition,
            epoch,
            state: Mutex::new(State::default()),
            timers_changed: Notify::new(),
        });
        let mut shards = self.shards.write().unwrap_or_else(PoisonError::into_inner);
        if shards.get(&index).is_some_and(|known| known.epoch >= epoch) {
            return;
        }
        let before = shards.insert(index, shard.clone());
        drop(shards);
        before.iter().for_each(|shard| shard.lock().give_up());
        let this = self.clone();
        self.runtime.spawn(async move { this.serve(shard).await });
    }

    /// The machine has promised what is not in the log: another takes its place.
    fn begin_anew(self: &Arc<Self>, shard: &Arc<Shard<M>>) {
        let (this, shard) = (self.clone(), shard.clone());
        self.runtime.spawn(async move {
            let index = shard.partition.index;
            if this.shard(index).is_some_and(|known| Arc::ptr_eq(&known, &shard)) {
                this.resigned(index);
                this.elected(shard.partition.clone(), shard.epoch);
            }
        });
    }

    /// Somebody else leads it, or nobody.
    pub fn resigned(&self, partition: PartitionId) {
        let mut shards = self.shards.write().unwrap_or_else(PoisonError::into_inner);
        let known = shards.remove(&partition);
        drop(shards);
        if let Some(shard) = known {
            shard.lock().give_up();
            shard.timers_changed.notify_one();
        }
    }

    /// All partitions go: the node stops.
    pub fn resign_all(&self) {
        let partitions: Vec<PartitionId> = self.shards().keys().copied().collect();
        partitions.into_iter().for_each(|partition| self.resigned(partition));
    }

    fn shards(&self) -> std::sync::RwLockReadGuard<'_, HashMap<PartitionId, Arc<Shard<M>>>> {
        self.shards.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn shard(&self, partition: PartitionId) -> Option<Arc<Shard<M>>> {
        self.shards().get(&partition).cloned()
    }

    /// Loads the machine, then lets its timers run out until it is given up.
    async fn serve(self: Arc<Self>, shard: Arc<Shard<M>>) {
        if !self.load(&shard).await {
            return;
        }
        let next = || shard.lock().next_timer(self.clock.now());
        while let Some(wait) = next() {
            tokio::select! {
                () = tokio::time::sleep(wait) => self.expire(&shard),
                () = shard.timers_changed.notified() => {}
            }
        }
    }

    async fn load(self: &Arc<Self>, shard: &Arc<Shard<M>>) -> bool {
        let (partition, mut machine) = (shard.partition.clone(), (self.maker.machine)());
        let replayed = tokio::task::spawn_blocking(move || {
            let replayed = replaying::replay(&partition.log(), |record| machine.apply(record));
            replayed.map(|()| machine)
        });
        let machine = match replayed.await {
            Ok(Ok(machine)) => machine,
            Ok(Err(why)) => {
                let (topic, index) = (&shard.partition.topic, shard.partition.index);
                error!("{topic}-{index} cannot be read, what it coordinates stays away: {why}");
                return false;
            }
            // The runtime is going away.
            Err(_) => return false,
        };
        let mut state = shard.lock();
        if state.is_gone() {
            return false;
        }
        state.phase = Phase::Active(machine);
        let world = (self.maker.world)();
        if let Ok(machine) = state.machine() {
            let decision = machine.loaded(&world);
            self.carry_out(shard, &mut state, decision);
        }
        true
    }

    fn expire(self: &Arc<Self>, shard: &Arc<Shard<M>>) {
        let mut state = shard.lock();
        while let Some(timer) = state.take_due(self.clock.now()) {
            let world = (self.maker.world)();
            let Ok(machine) = state.machine() else { return };
            let decision = machine.expire(&world, timer);
            self.carry_out(shard, &mut state, decision);
        }
    }

    fn carry_out(self: &Arc<Self>, shard: &Arc<Shard<M>>, state: &mut State<M>, decision: Decision<M>) {
        if !decision.records.is_empty() {
            let batch = self.batch(&decision.records, self.clock.now());
            let (partition, now) = (&shard.partition, self.clock.now());
            if let Err(rejection) = partition.append_own(&batch, shard.epoch, now) {
                let why = rejection.message;
                info!(topic = %partition.topic, partition = partition.index, "its coordinator begins anew: {why}");
                state.give_up();
                if rejection.code != ErrorCode::NotLeaderOrFollower {
                    self.begin_anew(shard);
                }
                return;
            }
            if let Ok(machine) = state.machine() {
                decision.records.iter().for_each(|record| machine.apply(record));
            }
        }
        if !decision.timers.is_empty() {
            decision
                .timers
                .into_iter()
                .for_each(|(timer, at)| state.set_timer(timer, at));
            shard.timers_changed.notify_one();
        }
        for (ticket, reply) in decision.replies {
            state.answer(ticket, reply);
        }
    }

    fn batch(&self, records: &[M::Record], now: Timestamp) -> Bytes {
        let mut builder = BatchBuilder::new(BatchSpec::default());
        for record in records {
            let (key, value) = record.encode();
            builder.push(now, Some(&key), value.as_deref(), &[]);
        }
        builder.finish((self.maker.compression)())
    }
}

/// One partition and its machine.
struct Shard<M: Machine> {
    partition: Arc<Partition>,
    epoch: LeaderEpoch,
    state: Mutex<State<M>>,
    timers_changed: Notify,
}

impl<M: Machine> Shard<M> {
    fn lock(&self) -> MutexGuard<'_, State<M>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Phase<M> {
    Loading,
    Active(M),
    Gone,
}

struct State<M: Machine> {
    phase: Phase<M>,
    last_ticket: u64,
    /// Who waits for a reply.
    asked: HashMap<Ticket, oneshot::Sender<M::Reply>>,
    timers: BTreeMap<M::Timer, Timestamp>,
    by_time: BTreeSet<(Timestamp, M::Timer)>,
}

impl<M: Machine> Default for State<M> {
    fn default() -> State<M> {
        State {
            phase: Phase::Loading,
            last_ticket: 0,
            asked: HashMap::new(),
            timers: BTreeMap::new(),
            by_time: BTreeSet::new(),
        }
    }
}

impl<M: Machine> State<M> {
    fn machine(&mut self) -> Result<&mut M, ErrorCode> {
        match &mut self.phase {
            Phase::Loading => Err(ErrorCode::CoordinatorLoadInProgress),
            Phase::Active(machine) => Ok(machine),
            Phase::Gone => Err(ErrorCode::NotCoordinator),
        }
    }

    fn is_gone(&self) -> bool {
        matches!(self.phase, Phase::Gone)
    }

    fn admit(&mut self) -> Result<(Ticket, oneshot::Receiver<M::Reply>), ErrorCode> {
        self.machine()?;
        // Whoever has gone away waits for nothing.
        if self.last_ticket.is_multiple_of(SWEEP_EVERY) {
            self.asked.retain(|_, asker| !asker.is_closed());
        }
        self.last_ticket += 1;
        let ticket = Ticket(self.last_ticket);
        let (asker, answer) = oneshot::channel();
        self.asked.insert(ticket, asker);
        Ok((ticket, answer))
    }

    fn answer(&mut self, ticket: Ticket, reply: M::Reply) {
        if let Some(asker) = self.asked.remove(&ticket) {
            // Who has gone away does not want to know.
            let _ = asker.send(reply);
        }
    }

    /// Those who wait are told to look for another coordinator.
    fn give_up(&mut self) {
        *self = State {
            phase: Phase::Gone,
            last_ticket: self.last_ticket,
            ..State::default()
        };
    }

    fn set_timer(&mut self, timer: M::Timer, at: Option<Timestamp>) {
        if let Some(before) = self.timers.remove(&timer) {
            self.by_time.remove(&(before, timer.clone()));
        }
        if let Some(at) = at {
            self.timers.insert(timer.clone(), at);
            self.by_time.insert((at, timer));
        }
    }

    fn take_due(&mut self, now: Timestamp) -> Option<M::Timer> {
        if self.by_time.first().is_none_or(|(at, _)| *at > now) {
            return None;
        }
        let (_, timer) = self.by_time.pop_first()?;
        self.timers.remove(&timer);
        Some(timer)
    }

    /// How long until the next timer runs out; `None` once the machine is gone.
    fn next_timer(&self, now: Timestamp) -> Option<Duration> {
        if self.is_gone() {
            return None;
        }
        let wait = self.by_time.first().map(|(at, _)| u64::try_from(at - now).unwrap_or(0));
        Some(wait.map_or(LONG_TIME, Duration::from_millis))
    }
}

/// Those who have gone away are looked for every so many questions.
const SWEEP_EVERY: u64 = 1024;
/// When no timer is set.
const LONG_TIME: Duration = Duration::from_secs(3600);
