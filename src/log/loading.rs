//! Opens all logs at start, on several threads. A log that cannot be opened is offline, the others serve.

use crate::log::dir::Dir;
use crate::log::dir::FolderName;
use crate::log::dir::STRAY;
use crate::log::dirs::Hosted;
use crate::log::dirs::LogDirs;
use crate::log::dirs::insert;
use crate::log::dirs::lock;
use crate::log::dirs::remove;
use crate::log::open::OpenHow;
use crate::log::open::OpenReport;
use crate::log::replica::Log;
use crate::log::settings::LogSettings;
use crate::storage::checkpoint;
use crate::storage::checkpoint::Offsets;
use crate::storage::crash_point;
use crate::storage::folder;
use crate::storage::partition_metadata;
use crate::types::Offset;
use crate::types::PartitionId;
use crate::types::Timestamp;
use crate::types::Uuid;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering;

/// What the cluster knows of the folders that are found.
pub trait Catalogue: Sync {
    /// The topic id of a replica that belongs here; `None` if it is nobody's. `found` is what the folder says of
    /// itself, if it can be read.
    fn topic_id(&self, topic: &str, partition: PartitionId, found: Option<Uuid>) -> Option<Uuid>;
    fn settings(&self, topic: &str) -> Arc<LogSettings>;
}

#[derive(Debug, Default)]
pub struct LoadReport {
    pub loaded: usize,
    /// Folders that are nobody's and were renamed.
    pub strays: Vec<PathBuf>,
    /// Logs that are offline, and why.
    pub broken: Vec<(String, PartitionId, String)>,
    /// Dirs that failed while they were read.
    pub failed_dirs: Vec<(PathBuf, String)>,
    pub recovered_bytes: u64,
    pub cut_bytes: u64,
    pub warnings: Vec<String>,
}

/// A folder to open.
struct Found {
    dir: Arc<Dir>,
    name: String,
    topic: String,
    partition: PartitionId,
    is_future: bool,
    checkpoints: Arc<Checkpoints>,
}

enum Opened {
    Log(Box<Log>, OpenReport),
    /// Nobody's, and renamed to this.
    Stray(PathBuf),
}

struct Checkpoints {
    recovery_points: Offsets,
    high_watermarks: Offsets,
    log_starts: Offsets,
    cleaned: Offsets,
}

impl LogDirs {
    /// Opens everything that is there. Called once, when the topics are known.
    pub fn load(&self, catalogue: &dyn Catalogue, threads: usize, now: Timestamp) -> LoadReport {
        let mut report = LoadReport::default();
        let mut found = Vec::new();
        for dir in self.dirs.iter().filter(|dir| dir.is_online()) {
            match self.list(dir, &mut report.warnings) {
                Ok(folders) => found.extend(folders),
                Err(error) => {
                    dir.set_offline();
                    report.failed_dirs.push((dir.path().to_path_buf(), error.to_string()));
                }
            }
        }
        let next = AtomicUsize::new(0);
        let shared = Mutex::new(report);
        std::thread::scope(|scope| {
            for _ in 0..threads.clamp(1, found.len().max(1)) {
                scope.spawn(|| {
                    while let Some(folder) = found.get(next.fetch_add(1, Ordering::Relaxed)) {
                        self.load_one(folder, catalogue, &shared, now);
                    }
                });
            }
        });
        shared.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The folder of some partition that is here, whosever it is.
    pub fn any_partition(&self) -> Option<PathBuf> {
        let entries = self.dirs().iter().filter_map(|dir| std::fs::read_dir(dir.path()).ok());
        let mut folders = entries.flatten().flatten();
        let found = folders.find(|entry| {
            let name = entry.file_name();
            matches!(FolderName::parse(&name.to_string_lossy()), FolderName::Partition(..)) && entry.path().is_dir()
        });
        found.map(|entry| entry.path())
    }

    fn list(&self, dir: &Arc<Dir>, warnings: &mut Vec<String>) -> io::Result<Vec<Found>> {
        let checkpoints = Arc::new(Checkpoints {
            recovery_points: dir.checkpoint(checkpoint::RECOVERY_POINTS, warnings)?,
            high_watermarks: dir.checkpoint(checkpoint::HIGH_WATERMARKS, warnings)?,
            log_starts: dir.checkpoint(checkpoint::LOG_STARTS, warnings)?,
            cleaned: dir.checkpoint(checkpoint::CLEANER_OFFSETS, warnings)?,
        });
        dir.forget_clean_stop()?;
        *lock(&dir.cleaned) = checkpoints.cleaned.clone();
        let mut found = Vec::new();
        let mut strange = Vec::new();
        for entry in std::fs::read_dir(dir.path())? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if !entry.file_type()?.is_dir() {
                continue;
            }
            let (topic, partition, is_future) = match FolderName::parse(&name) {
                FolderName::Partition(topic, partition) => (topic, partition, false),
                FolderName::Future(topic, partition) => (topic, partition, true),
                FolderName::Delete => {
                    // Nobody waits for it any more: its readers are gone with the last process.
                    lock(&self.doomed).push((Timestamp::MIN, entry.path()));
                    continue;
                }
                FolderName::Stray | FolderName::ClusterMetadata => continue,
                FolderName::Strange => {
                    strange.push(name);
                    continue;
                }
            };
            found.push(Found {
                dir: dir.clone(),
                name,
                topic,
                partition,
                is_future,
                checkpoints: checkpoints.clone(),
            });
        }
        if !strange.is_empty() {
            warnings.push(format!(
                "{}: ignored folders of unknown names: {}",
                dir.path().display(),
                strange.join(", ")
            ));
        }
        Ok(found)
    }

    fn load_one(&self, found: &Found, catalogue: &dyn Catalogue, report: &Mutex<LoadReport>, now: Timestamp) {
        let path = found.dir.path().join(&found.name);
        let opened = self.open_one(found, &path, catalogue, now);
        let mut report = lock(report);
        match opened {
            Ok(Opened::Log(log, opened)) => {
                report.loaded += 1;
                report.recovered_bytes += opened.scanned_bytes;
                report.cut_bytes += opened.cut_bytes;
                let name = path.display();
                report
                    .warnings
                    .extend(opened.warnings.iter().map(|warning| format!("{name}: {warning}")));
                let hosted = Hosted {
                    log: Arc::from(log),
                    dir: found.dir.clone(),
                };
                if found.is_future {
                    insert(&mut self.futures_mut(), hosted);
                } else if let Some(loser) = self.adopt(hosted) {
                    let name = loser.log.path().display().to_string();
                    report
                        .warnings
                        .push(format!("{name} is there twice; the shorter one is set aside"));
                    report.strays.extend(self.set_aside(&loser));
                }
            }
            Ok(Opened::Stray(renamed)) => report.strays.push(renamed),
            Err(error) => {
                let reason = format!("{} cannot be opened: {error}", path.display());
                if !found.is_future {
                    lock(&self.broken).insert((found.topic.clone(), found.partition), reason.clone());
                }
                report.broken.push((found.topic.clone(), found.partition, reason));
            }
        }
    }

    /// Takes a log in; a crash while one was moved may leave two, of which the longer one counts. Returns the other.
    fn adopt(&self, hosted: Hosted) -> Option<Hosted> {
        let mut logs = self.logs_mut();
        let other = remove(&mut logs, hosted.log.topic(), hosted.log.partition());
        let Some(other) = other else {
            insert(&mut logs, hosted);
            return None;
        };
        let newer = hosted.log.end_offset() > other.log.end_offset();
        let (winner, loser) = if newer { (hosted, other) } else { (other, hosted) };
        insert(&mut logs, winner);
        Some(loser)
    }

    fn set_aside(&self, hosted: &Hosted) -> Option<PathBuf> {
        let log = &hosted.log;
        log.retire();
        let name = FolderName::with_suffix(log.topic(), log.partition(), Uuid((self.random)()), STRAY);
        let target = hosted.dir.path().join(name);
        log.rename_folder(target.clone(), false).ok().map(|()| target)
    }

    fn open_one(&self, found: &Found, path: &Path, catalogue: &dyn Catalogue, now: Timestamp) -> io::Result<Opened> {
        let told = match partition_metadata::read(&path.join(folder::METADATA))? {
            partition_metadata::Read::TopicId(id) => Some(id),
            partition_metadata::Read::Missing | partition_metadata::Read::Noise => None,
        };
        let known = catalogue.topic_id(&found.topic, found.partition, told);
        let Some(topic_id) = known.filter(|id| told.is_none_or(|told| told == *id)) else {
            let unique = Uuid((self.random)());
            let name = FolderName::with_suffix(&found.topic, found.partition, unique, STRAY);
            let target = found.dir.path().join(name);
            crash_point::reached();
            std::fs::rename(path, &target)?;
            return Ok(Opened::Stray(target));
        };
        let key = (found.topic.clone(), found.partition);
        let offset = |offsets: &Offsets| offsets.get(&key).copied().filter(|_| !found.is_future).unwrap_or(0);
        let how = OpenHow {
            clean: found.dir.last_stop.clean,
            recovery_point: offset(&found.checkpoints.recovery_points),
            log_start: offset(&found.checkpoints.log_starts),
            high_watermark: offset(&found.checkpoints.high_watermarks),
            now,
        };
        let topic_partition: (&str, PartitionId) = (&found.topic, found.partition);
        let place = self.place(&found.dir, found.name.clone(), topic_partition, topic_id);
        let (log, report) = Log::open(place, catalogue.settings(&found.topic), &how)?;
        let cleaned_to = found.checkpoints.cleaned.get(&key).copied();
        log.set_cleaned_to(cleaned_to.filter(|_| !found.is_future));
        Ok(Opened::Log(Box::new(log), report))
    }
}

/// What the checkpoints say of the metadata log in this dir, for those who open it: recovery point and clean stop.
pub fn metadata_log_state(dir: &Dir) -> io::Result<(Offset, bool)> {
    let key = ("__cluster_metadata".to_string(), 0);
    let points = dir.checkpoint(checkpoint::RECOVERY_POINTS, &mut Vec::new())?;
    Ok((points.get(&key).copied().unwrap_or(0), dir.last_stop.clean))
}
