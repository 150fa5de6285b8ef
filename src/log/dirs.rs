//! All logs of a broker, in the folders of `log.dirs`. One folder that fails takes only its own partitions offline.

use crate::log::dir::DELETE;
use crate::log::dir::Dir;
use crate::log::dir::DirError;
use crate::log::dir::FolderName;
use crate::log::replica::Log;
use crate::log::replica::Place;
use crate::log::settings::LogSettings;
use crate::record::validate::Rejection;
use crate::storage::checkpoint::TopicPartition;
use crate::storage::file_pool::FilePool;
use crate::storage::limits;
use crate::types::ErrorCode;
use crate::types::Offset;
use crate::types::PartitionId;
use crate::types::Timestamp;
use crate::types::Uuid;
use std::collections::HashMap;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::RwLockReadGuard;
use std::sync::RwLockWriteGuard;

/// Random bytes for the names of folders that are about to go.
pub type Random = Box<dyn Fn() -> [u8; 16] + Send + Sync>;

/// A log and where it is.
#[derive(Clone)]
pub struct Hosted {
    pub log: Arc<Log>,
    pub dir: Arc<Dir>,
}

type Logs = HashMap<Arc<str>, HashMap<PartitionId, Hosted>>;

pub struct LogDirs {
    pub(crate) dirs: Vec<Arc<Dir>>,
    pub(crate) pool: Arc<FilePool>,
    logs: RwLock<Logs>,
    futures: RwLock<Logs>,
    /// Folders that could not be opened, with the reason. Nothing may be created in their place.
    pub(crate) broken: Mutex<HashMap<TopicPartition, String>>,
    /// Folders to remove and when.
    pub(crate) doomed: Mutex<Vec<(Timestamp, PathBuf)>>,
    cordoned: RwLock<HashSet<PathBuf>>,
    pub(crate) random: Random,
}

/// A log dir as DescribeLogDirs tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirInfo {
    pub path: PathBuf,
    pub id: Option<Uuid>,
    pub online: bool,
    pub cordoned: bool,
    pub total_bytes: Option<u64>,
    pub usable_bytes: Option<u64>,
    pub replicas: Vec<ReplicaInfo>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaInfo {
    pub topic: Arc<str>,
    pub partition: PartitionId,
    pub size: u64,
    pub end_offset: Offset,
    pub is_future: bool,
}

/// Where a new log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Where the fewest are.
    FewestLogs,
    Dir(Uuid),
}

impl LogDirs {
    /// Locks all dirs. Those that cannot be used are offline; an error if that are all, or if one is in use.
    pub fn lock(paths: &[PathBuf], pool: Arc<FilePool>, random: Random) -> Result<LogDirs, DirError> {
        let mut dirs = Vec::new();
        let mut first_error = None;
        for path in paths {
            match Dir::lock(path) {
                Ok(dir) => dirs.push(Arc::new(dir)),
                Err(error @ DirError::Locked(_)) => return Err(error),
                Err(error) => {
                    dirs.push(Arc::new(Dir::broken(path, error.to_string())));
                    first_error.get_or_insert(error);
                }
            }
        }
        if let Some(error) = first_error.filter(|_| !dirs.iter().any(|dir| dir.is_online())) {
            return Err(error);
        }
        Ok(LogDirs {
            dirs,
            pool,
            logs: RwLock::default(),
            futures: RwLock::default(),
            broken: Mutex::default(),
            doomed: Mutex::default(),
            cordoned: RwLock::default(),
            random,
        })
    }

    pub fn dirs(&self) -> &[Arc<Dir>] {
        &self.dirs
    }

    pub fn pool(&self) -> &Arc<FilePool> {
        &self.pool
    }

    pub fn get(&self, topic: &str, partition: PartitionId) -> Option<Arc<Log>> {
        self.hosted(topic, partition).map(|hosted| hosted.log)
    }

    pub fn hosted(&self, topic: &str, partition: PartitionId) -> Option<Hosted> {
        self.logs().get(topic)?.get(&partition).cloned()
    }

    pub fn future(&self, topic: &str, partition: PartitionId) -> Option<Hosted> {
        self.futures().get(topic)?.get(&partition).cloned()
    }

    /// Every log, copies in the making not included.
    pub fn all(&self) -> Vec<Hosted> {
        self.logs()
            .values()
            .flat_map(|partitions| partitions.values().cloned())
            .collect()
    }

    /// Why a log could not be opened at start.
    pub fn why_broken(&self, topic: &str, partition: PartitionId) -> Option<String> {
        lock(&self.broken).get(&(topic.to_string(), partition)).cloned()
    }

    /// The log of a replica, made if there is none.
    pub fn get_or_create(
        &self,
        (topic, partition): (&str, PartitionId),
        topic_id: Uuid,
        choice: Choice,
        settings: Arc<LogSettings>,
        now: Timestamp,
    ) -> Result<Arc<Log>, Rejection> {
        if let Some(log) = self.get(topic, partition) {
            return same_topic(log, topic_id);
        }
        if let Some(reason) = self.why_broken(topic, partition) {
            return Err(Rejection::new(ErrorCode::KafkaStorageError, reason));
        }
        let mut logs = self.logs_mut();
        if let Some(hosted) = logs.get(topic).and_then(|partitions| partitions.get(&partition)) {
            return same_topic(hosted.log.clone(), topic_id);
        }
        let dir = self.choose(&logs, choice)?;
        let place = self.place(&dir, format!("{topic}-{partition}"), (topic, partition), topic_id);
        let forgotten = dir.forget_cleaned(&(topic.to_string(), partition));
        let made = forgotten.and_then(|()| Log::create(place, settings, now));
        let log = made.map_err(|error| {
            let message = format!(
                "{topic}-{partition} cannot be created in {}: {error}",
                dir.path().display()
            );
            Rejection::new(ErrorCode::KafkaStorageError, message)
        })?;
        let log = Arc::new(log);
        insert(&mut logs, Hosted { log: log.clone(), dir });
        Ok(log)
    }

    pub(crate) fn place(
        &self,
        dir: &Dir,
        folder: String,
        (topic, partition): (&str, PartitionId),
        topic_id: Uuid,
    ) -> Place {
        Place {
            folder: dir.path().join(folder),
            topic: topic.into(),
            partition,
            topic_id,
            pool: self.pool.clone(),
        }
    }

    fn choose(&self, logs: &Logs, choice: Choice) -> Result<Arc<Dir>, Rejection> {
        let online = || self.dirs.iter().filter(|dir| dir.is_online());
        let missing = |message: &str| Rejection::new(ErrorCode::KafkaStorageError, message);
        if let Choice::Dir(id) = choice {
            let found = online().find(|dir| dir.id() == Some(id));
            return found
                .cloned()
                .ok_or_else(|| missing("the log dir is offline or unknown"));
        }
        let cordoned = self.cordoned();
        let mut free: Vec<_> = online().filter(|dir| !cordoned.contains(dir.path())).collect();
        if let [only] = free.as_slice() {
            return Ok((*only).clone());
        }
        let mut counts: HashMap<*const Dir, usize> = HashMap::new();
        for hosted in logs.values().flat_map(HashMap::values) {
            *counts.entry(Arc::as_ptr(&hosted.dir)).or_default() += 1;
        }
        free.sort_by_key(|dir| counts.get(&Arc::as_ptr(dir)).copied().unwrap_or(0));
        free.first()
            .map(|dir| (*dir).clone())
            .ok_or_else(|| missing("every log dir is offline or cordoned"))
    }

    /// New logs do not go into these.
    pub fn set_cordoned(&self, paths: impl IntoIterator<Item = PathBuf>) {
        *self.cordoned.write().unwrap_or_else(PoisonError::into_inner) = paths.into_iter().collect();
    }

    fn cordoned(&self) -> RwLockReadGuard<'_, HashSet<PathBuf>> {
        self.cordoned.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a log away; its folder is renamed at once and removed after `file.delete.delay.ms`.
    pub fn delete(&self, topic: &str, partition: PartitionId, now: Timestamp) -> Result<(), Rejection> {
        lock(&self.broken).remove(&(topic.to_string(), partition));
        let future = remove(&mut self.futures_mut(), topic, partition);
        let current = remove(&mut self.logs_mut(), topic, partition);
        for hosted in [future, current].into_iter().flatten() {
            self.doom(&hosted, now)?;
        }
        Ok(())
    }

    pub(crate) fn doom(&self, hosted: &Hosted, now: Timestamp) -> Result<(), Rejection> {
        let log = &hosted.log;
        log.retire();
        let name = FolderName::with_suffix(log.topic(), log.partition(), Uuid((self.random)()), DELETE);
        let target = hosted.dir.path().join(name);
        let renamed = log.rename_folder(target.clone(), false);
        renamed.map_err(|error| {
            let message = format!("{} cannot be renamed: {error}", log.path().display());
            Rejection::new(ErrorCode::KafkaStorageError, message)
        })?;
        let due = now.saturating_add(log.settings().file_delete_delay_ms);
        lock(&self.doomed).push((due, target));
        Ok(())
    }

    /// Takes a dir offline with all its logs; returns those.
    pub fn fail(&self, dir: &Arc<Dir>) -> Vec<Arc<Log>> {
        dir.set_offline();
        let mut lost = Vec::new();
        for logs in [&mut *self.logs_mut(), &mut *self.futures_mut()] {
            for partitions in logs.values_mut() {
                partitions.retain(|_, hosted| {
                    let here = Arc::ptr_eq(&hosted.dir, dir);
                    if here {
                        hosted.log.fail();
                        lost.push(hosted.log.clone());
                    }
                    !here
                });
            }
            logs.retain(|_, partitions| !partitions.is_empty());
        }
        for log in &lost {
            let reason = format!("log dir {} is offline", dir.path().display());
            lock(&self.broken).insert((log.topic().to_string(), log.partition()), reason);
        }
        lost
    }

    /// All dirs with what is in them.
    pub fn describe(&self) -> Vec<DirInfo> {
        let cordoned = self.cordoned();
        self.dirs
            .iter()
            .map(|dir| self.describe_dir(dir, cordoned.contains(dir.path())))
            .collect()
    }

    fn describe_dir(&self, dir: &Arc<Dir>, cordoned: bool) -> DirInfo {
        let mut replicas = Vec::new();
        for (logs, is_future) in [(&*self.logs(), false), (&*self.futures(), true)] {
            for hosted in logs
                .values()
                .flat_map(HashMap::values)
                .filter(|hosted| Arc::ptr_eq(&hosted.dir, dir))
            {
                replicas.push(ReplicaInfo {
                    topic: hosted.log.topic().clone(),
                    partition: hosted.log.partition(),
                    size: hosted.log.size(),
                    end_offset: hosted.log.end_offset(),
                    is_future,
                });
            }
        }
        let space = limits::disk_space(dir.path()).ok().filter(|_| dir.is_online());
        DirInfo {
            path: dir.path().to_path_buf(),
            id: dir.id(),
            online: dir.is_online(),
            cordoned,
            total_bytes: space.map(|(total, _)| total),
            usable_bytes: space.map(|(_, usable)| usable),
            replicas,
        }
    }

    pub(crate) fn logs(&self) -> RwLockReadGuard<'_, Logs> {
        self.logs.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn logs_mut(&self) -> RwLockWriteGuard<'_, Logs> {
        self.logs.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn futures(&self) -> RwLockReadGuard<'_, Logs> {
        self.futures.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn futures_mut(&self) -> RwLockWriteGuard<'_, Logs> {
        self.futures.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn same_topic(log: Arc<Log>, topic_id: Uuid) -> Result<Arc<Log>, Rejection> {
    if log.topic_id() == topic_id {
        return Ok(log);
    }
    let message = format!(
        "{}-{} belongs to topic id {}",
        log.topic(),
        log.partition(),
        log.topic_id()
    );
    Err(Rejection::new(ErrorCode::InconsistentTopicId, message))
}

pub(crate) fn insert(logs: &mut Logs, hosted: Hosted) {
    let partition = hosted.log.partition();
    logs.entry(hosted.log.topic().clone())
        .or_default()
        .insert(partition, hosted);
}

pub(crate) fn remove(logs: &mut Logs, topic: &str, partition: PartitionId) -> Option<Hosted> {
    let partitions = logs.get_mut(topic)?;
    let removed = partitions.remove(&partition);
    if partitions.is_empty() {
        logs.remove(topic);
    }
    removed
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
