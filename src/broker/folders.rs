//! The folders of a node: locked, formatted if they are empty, and checked to be this node's.

use crate::broker::Failure;
use crate::broker::absolute;
use crate::broker::random;
use crate::config::BrokerConfig;
use crate::format::World;
use crate::format::start;
use crate::log::LogDirs;
use crate::log::Place;
use crate::storage::file_pool::FilePool;
use crate::types::Timestamp;
use crate::types::Uuid;
use compact_str::CompactString;
use std::path::PathBuf;
use std::sync::Arc;
use tracing::error;

const METADATA_TOPIC: &str = "__cluster_metadata";
/// Files held open at most; beyond it those unused for longest are closed.
const OPEN_FILES: usize = 4096;

pub struct Folders {
    pub dirs: Arc<LogDirs>,
    /// The one that holds the metadata log.
    pub metadata: PathBuf,
    pub cluster_id: CompactString,
}

impl Folders {
    pub fn open(config: &BrokerConfig, now: Timestamp) -> Result<Folders, Failure> {
        let paths: Vec<PathBuf> = config.log_dirs().iter().map(|path| absolute(path)).collect();
        let metadata = absolute(config.metadata_log_dir());
        let lock = || {
            let pool = FilePool::new(OPEN_FILES);
            LogDirs::lock(&paths, pool, Box::new(random)).map_err(|error| error.to_string())
        };
        // Locked first, so that nobody formats a folder that somebody works in.
        drop(lock()?);
        prepare(config, now)?;
        let dirs = lock()?;
        for dir in dirs.dirs() {
            let Some(why) = dir.why_unusable() else { continue };
            if dir.path() == metadata {
                return Err(why.into());
            }
            error!("{why}; the other log dirs are served");
        }
        let identity = dirs.dirs().iter().find_map(|dir| dir.meta());
        let identity = identity.ok_or_else(|| format!("log.dirs: {} is not formatted", metadata.display()))?;
        Ok(Folders {
            dirs: Arc::new(dirs),
            metadata,
            cluster_id: identity.cluster_id.as_str().into(),
        })
    }

    pub fn metadata_place(&self) -> Place {
        Place {
            folder: self.metadata.join(format!("{METADATA_TOPIC}-0")),
            topic: METADATA_TOPIC.into(),
            partition: 0,
            topic_id: Uuid::ONE,
            pool: self.dirs.pool().clone(),
        }
    }

    /// The id of the directory that holds the metadata log.
    pub fn metadata_id(&self) -> Uuid {
        let holds = self.dirs.dirs().iter().find(|dir| dir.path() == self.metadata);
        holds.and_then(|dir| dir.id()).unwrap_or(Uuid::ZERO)
    }

    /// Of the directories that can be used, sorted as a registration wants them.
    pub fn directory_ids(&self) -> Vec<Uuid> {
        let online = self.dirs.dirs().iter().filter(|dir| dir.is_online());
        let mut ids: Vec<Uuid> = online.filter_map(|dir| dir.id()).collect();
        ids.sort();
        ids
    }

    /// Of the broker that stopped cleanly here, or -1: all directories must agree.
    pub fn previous_epoch(&self) -> i64 {
        let mut epochs = self.dirs.dirs().iter().map(|dir| dir.last_stop().broker_epoch);
        let first = epochs.next().flatten();
        if epochs.all(|epoch| epoch == first) {
            first.unwrap_or(-1)
        } else {
            -1
        }
    }
}

/// A node alone formats its own folders; one of several must be told which cluster it belongs to.
fn prepare(config: &BrokerConfig, now: Timestamp) -> Result<(), Failure> {
    let mut fill = |bytes: &mut [u8]| {
        for chunk in bytes.chunks_mut(16) {
            let drawn: [u8; 16] = random();
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
    };
    let mut world = World { now, random: &mut fill };
    let done = start::prepare(config, &mut world).map_err(|error| error.to_string())?;
    if let Some(line) = done {
        println!("{line}");
    }
    Ok(())
}
