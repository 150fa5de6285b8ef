//! What a broker's logs need now and then: retention, flushes, checkpoints, removal of files whose time has come.
//!
//! The work itself is plain functions of `log`; here is only when, and that it runs where it may block.

use crate::clock::SharedClock;
use crate::config::BrokerConfig;
use crate::log::FailedDir;
use crate::log::LogDirs;
use crate::replication::hosting::Hosting;
use crate::types::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::error;

/// A chore and when it is next due.
struct Chore {
    every_ms: fn(&BrokerConfig) -> i64,
    run: fn(&LogDirs, Timestamp) -> Vec<FailedDir>,
    due: Timestamp,
}

/// Deleted files lie around for `file.delete.delay.ms`; no need to be more exact than this.
const DELETE_CHECK_MS: i64 = 1000;
/// Logs that failed while they were written are found at the latest after this time.
const FAILURE_CHECK_MS: i64 = 1000;

fn chores(now: Timestamp, config: &BrokerConfig) -> Vec<Chore> {
    let mut chores = vec![
        Chore {
            every_ms: |config| config.log_retention_check_interval_ms(),
            run: |dirs, now| dirs.apply_retention(now),
            due: 0,
        },
        Chore {
            every_ms: |config| config.log_flush_scheduler_interval_ms(),
            run: |dirs, now| dirs.flush(now),
            due: 0,
        },
        Chore {
            every_ms: |config| config.log_flush_offset_checkpoint_interval_ms().into(),
            run: |dirs, _| dirs.checkpoint_recovery_points(),
            due: 0,
        },
        Chore {
            every_ms: |config| config.log_flush_start_offset_checkpoint_interval_ms().into(),
            run: |dirs, _| dirs.checkpoint_log_starts(),
            due: 0,
        },
        Chore {
            every_ms: |config| config.replica_high_watermark_checkpoint_interval_ms(),
            run: |dirs, _| dirs.checkpoint_high_watermarks(),
            due: 0,
        },
        Chore {
            every_ms: |config| config.producer_id_expiration_check_interval_ms().into(),
            run: |dirs, now| {
                dirs.expire_producers(now);
                Vec::new()
            },
            due: 0,
        },
        Chore {
            every_ms: |_| DELETE_CHECK_MS,
            run: |dirs, now| dirs.delete_expired(now),
            due: 0,
        },
        Chore {
            every_ms: |_| FAILURE_CHECK_MS,
            run: |dirs, _| dirs.collect_failed(),
            due: 0,
        },
    ];
    for chore in &mut chores {
        chore.due = now.saturating_add((chore.every_ms)(config).max(1));
    }
    chores
}

/// Runs until `stop` changes. Directories that fail are told to `failed`, once each.
pub async fn run(
    hosting: Arc<Hosting>,
    config: impl Fn() -> Arc<BrokerConfig>,
    clock: SharedClock,
    failed: mpsc::Sender<FailedDir>,
    mut stop: watch::Receiver<bool>,
) {
    let mut chores = chores(clock.now(), &config());
    loop {
        let moving = hosting.is_moving();
        let next = chores.iter().map(|chore| chore.due).min().unwrap_or(i64::MAX);
        let wait = if moving {
            0
        } else {
            next.saturating_sub(clock.now()).max(0)
        };
        let stopped = timeout(Duration::from_millis(wait as u64), stop.wait_for(|stopping| *stopping));
        if stopped.await.is_ok() {
            return;
        }
        let now = clock.now();
        if moving {
            let hosting = hosting.clone();
            // A move that fails leaves the log where it is; the next round sees that nothing moves any more.
            let _ = spawn_blocking(move || hosting.move_on(now)).await;
        }
        let current = config();
        for chore in chores.iter_mut().filter(|chore| chore.due <= now) {
            chore.due = now.saturating_add((chore.every_ms)(&current).max(1));
            let (run, dirs) = (chore.run, hosting.dirs.clone());
            let broken = spawn_blocking(move || run(&dirs, now)).await;
            tell_failed(&hosting, broken.unwrap_or_default(), &failed).await;
        }
    }
}

pub async fn tell_failed(hosting: &Hosting, broken: Vec<FailedDir>, failed: &mpsc::Sender<FailedDir>) {
    for dir in broken {
        error!("log dir {} is offline: {}", dir.dir.path().display(), dir.reason);
        hosting.lose(&dir);
        // Whoever tells the controller is gone only when the broker stops.
        let _ = failed.send(dir).await;
    }
}
