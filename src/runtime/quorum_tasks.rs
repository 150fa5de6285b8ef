//! What a quorum does by itself: flush, take snapshots, note that time passes, fence the silent, balance leaders.

use crate::config::BrokerConfig;
use crate::controller::Controller;
use crate::controller::Outcome;
use crate::runtime::quorum::QuorumHandle;
use crate::runtime::quorum::Shared;
use crate::schema::no_op_record::NoOpRecord;
use crate::types::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Old snapshots are looked for this often.
const CLEAN_INTERVAL: Duration = Duration::from_secs(60);
/// When no session is about to end.
const LONG_TIME: Duration = Duration::from_secs(3600);

pub(super) fn spawn(handle: &QuorumHandle, config: &BrokerConfig) -> Vec<JoinHandle<()>> {
    let milliseconds = |count: i64| Duration::from_millis(u64::try_from(count).unwrap_or(0));
    let limits = SnapshotLimits {
        bytes: u64::try_from(config.metadata_snapshot_max_new_bytes()).unwrap_or(u64::MAX),
        interval_ms: config.metadata_snapshot_max_interval_ms(),
    };
    let mut tasks = vec![
        tokio::spawn(flush(handle.0.clone(), limits)),
        tokio::spawn(fence_silent(handle.clone())),
        tokio::spawn(clean(handle.0.clone())),
    ];
    let idle = milliseconds(config.metadata_max_idle_interval_ms().into());
    if !idle.is_zero() {
        tasks.push(tokio::spawn(repeat(handle.clone(), idle, |_| {
            Outcome::of(vec![NoOpRecord::default().into()], false)
        })));
    }
    if config.auto_leader_rebalance_enable() {
        let interval = milliseconds(config.leader_imbalance_check_interval_seconds().saturating_mul(1000));
        tasks.push(tokio::spawn(repeat(
            handle.clone(),
            interval,
            Controller::balance_leaders,
        )));
    }
    let interval = milliseconds(config.unclean_leader_election_interval_ms());
    tasks.push(tokio::spawn(repeat(
        handle.clone(),
        interval,
        Controller::elect_unclean_leaders,
    )));
    tasks
}

struct SnapshotLimits {
    bytes: u64,
    interval_ms: i64,
}

/// One flush for all that was appended while the one before ran.
async fn flush(shared: Arc<Shared>, limits: SnapshotLimits) {
    loop {
        shared.appended.notified().await;
        let end = shared.lock().controller.end();
        let flushing = shared.clone();
        let flushed = tokio::task::spawn_blocking(move || flushing.store.flush(end, flushing.clock.now())).await;
        match flushed {
            Ok(Ok(())) => shared.commit(end),
            Ok(Err(error)) => return shared.fail(&error),
            // The runtime is going away.
            Err(_) => return,
        }
        if shared.snapshot_due(&limits) {
            let snapping = shared.clone();
            let taken = tokio::task::spawn_blocking(move || snapping.take_snapshot()).await;
            if taken.is_err() {
                return;
            }
        }
    }
}

impl Shared {
    fn snapshot_due(&self, limits: &SnapshotLimits) -> bool {
        let now = self.clock.now();
        let state = self.lock();
        let late = limits.interval_ms > 0 && now - state.last_snapshot >= limits.interval_ms;
        state.unsnapped_bytes >= limits.bytes || (late && state.unsnapped_bytes > 0)
    }

    /// A snapshot that cannot be written costs a longer start, nothing else.
    pub(super) fn take_snapshot(&self) {
        let now = self.clock.now();
        let (image, last_contained): (_, Timestamp) = {
            let mut state = self.lock();
            state.unsnapped_bytes = 0;
            state.last_snapshot = now;
            (state.committed.clone(), state.last_append)
        };
        if let Err(error) = self.store.take_snapshot(&image, last_contained, now) {
            tracing::warn!("No snapshot of the metadata could be taken: {error}");
        }
    }
}

async fn fence_silent(handle: QuorumHandle) {
    loop {
        let next = handle.0.lock().controller.next_session_end();
        let now = handle.0.clock.now();
        let wait = next.map_or(LONG_TIME, |at| {
            Duration::from_millis(u64::try_from(at - now).unwrap_or(0))
        });
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            // A new session may end before the one waited for.
            () = handle.0.decided.notified(), if next.is_none() => continue,
        }
        let fenced = handle.decide(|controller, moment| controller.fence_one_silent(moment.now));
        match fenced {
            Ok((Some((broker, true)), _)) => {
                tracing::warn!("Broker {broker} is fenced: it was silent for a whole session.")
            }
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

async fn clean(shared: Arc<Shared>) {
    loop {
        tokio::time::sleep(CLEAN_INTERVAL).await;
        let cleaning = shared.clone();
        let cleaned = tokio::task::spawn_blocking(move || cleaning.store.clean(cleaning.clock.now())).await;
        match cleaned {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!("Old metadata could not be removed: {error}"),
            Err(_) => return,
        }
    }
}

/// Decides at each interval, and again at once while there is more to do.
async fn repeat(handle: QuorumHandle, interval: Duration, decide: impl Fn(&Controller) -> Outcome<bool>) {
    loop {
        tokio::time::sleep(interval).await;
        while let Ok((more, _)) = handle.decide(|controller, _| decide(controller)) {
            if !more {
                break;
            }
        }
    }
}
