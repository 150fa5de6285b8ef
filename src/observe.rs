//! The log of this process: where it goes, and its levels, which can be changed while it runs (BROKER_LOGGER configs).

use crate::config::loggers::Loggers;
use crate::config::loggers::ROOT;
use std::collections::BTreeMap;
use std::io;
use std::sync::Mutex;
use std::sync::PoisonError;
use tracing_subscriber::Registry;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload;
use tracing_subscriber::util::SubscriberInitExt;

/// Quiet unless something is wrong.
const USUAL: LevelFilter = LevelFilter::WARN;
/// The log's own name for everything in this program.
const PROGRAM: &str = "ottla";

pub struct Logging {
    handle: reload::Handle<Targets, Registry>,
    /// Levels that were set, by the name of the room.
    set: Mutex<BTreeMap<String, LevelFilter>>,
}

impl Logging {
    /// To be called once. `root` is the level of everything that has none of its own.
    pub fn start(root: Option<LevelFilter>) -> Logging {
        let set: BTreeMap<String, LevelFilter> = [(ROOT.to_owned(), root.unwrap_or(USUAL))].into();
        let (layer, handle) = reload::Layer::new(targets(&set));
        let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr);
        // A second start, as in tests, keeps the first log.
        let _ = tracing_subscriber::registry().with(layer).with(lines).try_init();
        Logging {
            handle,
            set: Mutex::new(set),
        }
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, LevelFilter>)) {
        let mut set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut set);
        // Fails only when the log is gone.
        let _ = self.handle.reload(targets(&set));
    }
}

fn targets(set: &BTreeMap<String, LevelFilter>) -> Targets {
    let root = set.get(ROOT).copied().unwrap_or(USUAL);
    let rooms = set.iter().filter(|(name, _)| *name != ROOT);
    Targets::new()
        .with_default(root)
        .with_targets(rooms.map(|(name, level)| (format!("{PROGRAM}::{name}"), *level)))
}

/// Kafka's names for levels; FATAL is an error here.
fn level(name: &str) -> LevelFilter {
    match name {
        "TRACE" => LevelFilter::TRACE,
        "DEBUG" => LevelFilter::DEBUG,
        "INFO" => LevelFilter::INFO,
        "WARN" => LevelFilter::WARN,
        _ => LevelFilter::ERROR,
    }
}

/// The rooms that write to the log.
const ROOMS: [&str; 7] = ["api", "broker", "log", "net", "replication", "runtime", "storage"];

impl Loggers for Logging {
    fn levels(&self) -> BTreeMap<String, String> {
        let set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let root = set.get(ROOT).copied().unwrap_or(USUAL);
        let names = ROOMS.iter().copied().chain([ROOT]);
        names
            .map(|name| {
                (
                    name.to_owned(),
                    set.get(name).copied().unwrap_or(root).to_string().to_uppercase(),
                )
            })
            .collect()
    }

    fn set(&self, logger: &str, wanted: &str) {
        self.change(|set| {
            set.insert(logger.to_owned(), level(wanted));
        });
    }

    fn unset(&self, logger: &str) {
        self.change(|set| {
            set.remove(logger);
        });
    }
}
