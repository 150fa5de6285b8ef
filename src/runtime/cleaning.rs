//! Compaction in the background: as many cleaners as `log.cleaner.threads` says, one log each, the dirtiest first.
//!
//! A change of the configuration counts from the next log on.

use crate::clock::SharedClock;
use crate::config::BrokerConfig;
use crate::log::Brake;
use crate::log::CleanError;
use crate::log::CleanerLimits;
use crate::log::Dirty;
use crate::log::FailedDir;
use crate::replication::hosting::Hosting;
use crate::runtime::housekeeping::tell_failed;
use crate::runtime::throttle::Throttle;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;
use std::time::Instant;
use tokio::sync::mpsc;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tracing::info;
use tracing::warn;

/// With a longer pause a change of the settings would not be seen for too long.
const LONGEST_PAUSE_MS: i64 = 60_000;
/// A cleaner that waits looks so often whether it is to stop.
const STOP_CHECK: Duration = Duration::from_millis(50);
/// Less memory than this for reading only costs time.
const LEAST_BUFFER: usize = 4096;

/// What all cleaners share.
struct Cleaners<C> {
    hosting: Arc<Hosting>,
    config: C,
    clock: SharedClock,
    throttle: Mutex<Throttle>,
    began: Instant,
    stop: watch::Receiver<bool>,
}

/// Runs until `stop` changes. Directories that fail are told to `failed`.
pub async fn run<C: Fn() -> Arc<BrokerConfig> + Send + Sync + 'static>(
    hosting: Arc<Hosting>,
    config: C,
    clock: SharedClock,
    failed: mpsc::Sender<FailedDir>,
    mut stop: watch::Receiver<bool>,
) {
    let cleaners = Arc::new(Cleaners {
        hosting,
        config,
        clock,
        throttle: Mutex::default(),
        began: Instant::now(),
        stop: stop.clone(),
    });
    let mut busy = JoinSet::new();
    loop {
        let config = (cleaners.config)();
        let most = usize::try_from(config.log_cleaner_threads()).unwrap_or(0);
        let most = if config.log_cleaner_enable() { most } else { 0 };
        while busy.len() < most {
            let Some(dirty) = cleaners.clone().next().await else {
                break;
            };
            let cleaners = cleaners.clone();
            busy.spawn_blocking(move || cleaners.clean(&dirty));
        }
        let pause = config.log_cleaner_backoff_ms().clamp(1, LONGEST_PAUSE_MS);
        let pause = Duration::from_millis(pause as u64);
        tokio::select! {
            stopped = timeout(pause, stop.wait_for(|stopping| *stopping)) => if stopped.is_ok() {
                break;
            },
            Some(_) = busy.join_next() => {}
        }
        let dirs = cleaners.hosting.dirs.clone();
        let broken = spawn_blocking(move || dirs.checkpoint_cleaned()).await;
        tell_failed(&cleaners.hosting, broken.unwrap_or_default(), &failed).await;
    }
    // They have heard it, too.
    while busy.join_next().await.is_some() {}
}

impl<C: Fn() -> Arc<BrokerConfig> + Send + Sync + 'static> Cleaners<C> {
    async fn next(self: Arc<Self>) -> Option<Dirty> {
        let found = spawn_blocking(move || self.hosting.dirs.grab_dirtiest(self.clock.now())).await;
        found.unwrap_or_default()
    }

    fn clean(&self, dirty: &Dirty) {
        let (name, began) = (dirty.name(), self.clock.now());
        match dirty.clean(&limits(&(self.config)()), self, began) {
            Ok(done) => info!(
                "compacted {name} from {} to {}: {} keys, {} bytes read, {} written, in {} ms",
                done.first_dirty,
                done.end,
                done.keys,
                done.bytes_read,
                done.bytes_written,
                self.clock.now() - began
            ),
            Err(CleanError::Stopped) => {}
            Err(error) => warn!("{name} cannot be compacted: {error}"),
        }
    }
}

impl<C: Fn() -> Arc<BrokerConfig> + Send + Sync + 'static> Brake for Cleaners<C> {
    fn moved(&self, bytes: u64) -> bool {
        let rate = (self.config)().log_cleaner_io_max_bytes_per_second();
        let mut rest = {
            let mut throttle = self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
            throttle.moved(bytes, rate, self.began.elapsed())
        };
        while !rest.is_zero() && !*self.stop.borrow() {
            let step = rest.min(STOP_CHECK);
            std::thread::sleep(step);
            rest -= step;
        }
        !*self.stop.borrow()
    }
}

/// The share of one cleaner.
fn limits(config: &BrokerConfig) -> CleanerLimits {
    let threads = i64::from(config.log_cleaner_threads().max(1));
    let buffer = i64::from(config.log_cleaner_io_buffer_size()) / threads / 2;
    CleanerLimits {
        map_bytes: u64::try_from(config.log_cleaner_dedupe_buffer_size() / threads).unwrap_or(0),
        load_factor: config.log_cleaner_io_buffer_load_factor(),
        buffer_bytes: usize::try_from(buffer).unwrap_or(0).max(LEAST_BUFFER),
    }
}
