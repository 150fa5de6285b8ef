//! One entry of `log.dirs`: its lock, its identity, its checkpoints, and the names of the folders in it.

use crate::storage::checkpoint;
use crate::storage::checkpoint::Offsets;
use crate::storage::checkpoint::TopicPartition;
use crate::storage::crash_point;
use crate::storage::limits;
use crate::storage::meta_properties;
use crate::storage::meta_properties::MetaProperties;
use crate::storage::replace::read_small;
use crate::storage::replace::remove_if_there;
use crate::storage::replace::replace;
use crate::storage::spreading::spread_folders;
use crate::types::PartitionId;
use crate::types::Uuid;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::RwLock;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;

const LOCK: &str = ".lock";
const CLEAN_SHUTDOWN: &str = ".kafka_cleanshutdown";

/// Why a log dir cannot be used.
#[derive(Debug)]
pub enum DirError {
    /// Another process works in it.
    Locked(PathBuf),
    /// Every one of the dirs failed; the first reason.
    AllOffline(PathBuf, io::Error),
    /// Its `meta.properties` is not what it should be.
    Identity(PathBuf, String),
}

impl fmt::Display for DirError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DirError::Locked(path) => {
                write!(
                    f,
                    "log.dirs: {} is locked by another process; each broker needs a folder of its own",
                    path.display()
                )
            }
            DirError::AllOffline(path, error) => write!(f, "log.dirs: {} cannot be used: {error}", path.display()),
            DirError::Identity(path, message) => write!(f, "log.dirs: {}: {message}", path.display()),
        }
    }
}

/// How the broker stopped that worked here last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastStop {
    pub clean: bool,
    /// Its epoch at a clean stop; the controller asks for it.
    pub broker_epoch: Option<i64>,
}

pub struct Dir {
    path: PathBuf,
    meta: RwLock<Option<MetaProperties>>,
    /// `None` once it is offline or closed.
    lock: Mutex<Option<File>>,
    offline: AtomicBool,
    why_unusable: Option<String>,
    pub(crate) last_stop: LastStop,
    /// What the checkpoint of the cleaner says.
    pub(crate) cleaned: Mutex<Offsets>,
}

impl Dir {
    /// Makes the folder if it is missing, locks it and reads who it belongs to.
    pub(crate) fn lock(path: &Path) -> Result<Dir, DirError> {
        match Dir::try_lock(path) {
            Ok(Some(dir)) => Ok(dir),
            Ok(None) => Err(DirError::Locked(path.to_path_buf())),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(DirError::Identity(path.to_path_buf(), error.to_string()))
            }
            Err(error) => Err(DirError::AllOffline(path.to_path_buf(), error)),
        }
    }

    fn try_lock(path: &Path) -> io::Result<Option<Dir>> {
        crash_point::reached();
        std::fs::create_dir_all(path)?;
        let Some(lock) = limits::lock_file(&path.join(LOCK))? else {
            return Ok(None);
        };
        spread_folders(path);
        let meta = meta_properties::read(path)?;
        let last_stop = last_stop(path)?;
        Ok(Some(Dir {
            why_unusable: None,
            path: path.to_path_buf(),
            meta: RwLock::new(meta),
            lock: Mutex::new(Some(lock)),
            offline: AtomicBool::new(false),
            last_stop,
            cleaned: Mutex::default(),
        }))
    }

    /// A dir that could not even be opened.
    pub(crate) fn broken(path: &Path, why: String) -> Dir {
        Dir {
            why_unusable: Some(why),
            path: path.to_path_buf(),
            meta: RwLock::new(None),
            lock: Mutex::new(None),
            offline: AtomicBool::new(true),
            last_stop: LastStop {
                clean: false,
                broker_epoch: None,
            },
            cleaned: Mutex::default(),
        }
    }

    /// Of a dir that could not be opened at all.
    pub fn why_unusable(&self) -> Option<&str> {
        self.why_unusable.as_deref()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn is_online(&self) -> bool {
        !self.offline.load(Ordering::Acquire)
    }

    /// `true` if it was online until now.
    pub(crate) fn set_offline(&self) -> bool {
        !self.offline.swap(true, Ordering::AcqRel)
    }

    pub fn last_stop(&self) -> LastStop {
        self.last_stop
    }

    /// `None`: not formatted yet, or offline.
    pub fn meta(&self) -> Option<MetaProperties> {
        self.meta.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn id(&self) -> Option<Uuid> {
        self.meta().and_then(|meta| meta.directory_id)
    }

    /// Writes `meta.properties`. `date` goes into its comment.
    pub fn format(&self, meta: MetaProperties, date: &str) -> io::Result<()> {
        meta_properties::write(&self.path, &meta, date)?;
        *self.meta.write().unwrap_or_else(PoisonError::into_inner) = Some(meta);
        Ok(())
    }

    /// From now on a crash is a crash.
    pub(crate) fn forget_clean_stop(&self) -> io::Result<()> {
        remove_if_there(&self.path.join(CLEAN_SHUTDOWN))
    }

    /// The last thing that a broker writes here.
    pub(crate) fn write_clean_stop(&self, broker_epoch: i64) -> io::Result<()> {
        let text = format!("{{\"version\":0,\"brokerEpoch\":{broker_epoch}}}");
        replace(&self.path.join(CLEAN_SHUTDOWN), text.as_bytes(), true)
    }

    pub(crate) fn unlock(&self) {
        if self
            .lock
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .is_some()
        {
            // A lock file that stays is locked by nobody and harms nobody.
            let _ = remove_if_there(&self.path.join(LOCK));
        }
    }

    /// A checkpoint; one that is noise counts as missing, with a warning.
    pub(crate) fn checkpoint(&self, name: &str, warnings: &mut Vec<String>) -> io::Result<Offsets> {
        match checkpoint::read(&self.path.join(name))? {
            checkpoint::Read::Offsets(offsets) => Ok(offsets),
            checkpoint::Read::Missing => Ok(Offsets::new()),
            checkpoint::Read::Noise => {
                warnings.push(format!(
                    "{}/{name} cannot be read and is made anew",
                    self.path.display()
                ));
                Ok(Offsets::new())
            }
        }
    }

    /// Writes the checkpoint of the cleaner, if it says something new.
    pub(crate) fn write_cleaned(&self, offsets: Offsets) -> io::Result<()> {
        let mut written = self.cleaned.lock().unwrap_or_else(PoisonError::into_inner);
        if *written != offsets {
            self.write_checkpoint(checkpoint::CLEANER_OFFSETS, &offsets)?;
            *written = offsets;
        }
        Ok(())
    }

    /// A new log must not be taken for one of the same name that was here before.
    pub(crate) fn forget_cleaned(&self, log: &TopicPartition) -> io::Result<()> {
        let mut offsets = self.cleaned.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match offsets.remove(log) {
            Some(_) => self.write_cleaned(offsets),
            None => Ok(()),
        }
    }

    pub(crate) fn write_checkpoint(&self, name: &str, offsets: &Offsets) -> io::Result<()> {
        checkpoint::write(&self.path.join(name), offsets)
    }
}

fn last_stop(path: &Path) -> io::Result<LastStop> {
    let bytes = match read_small(&path.join(CLEAN_SHUTDOWN), 4096) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Some(Vec::new()),
        other => other?,
    };
    let Some(bytes) = bytes else {
        return Ok(LastStop {
            clean: false,
            broker_epoch: None,
        });
    };
    let text = String::from_utf8_lossy(&bytes);
    let epoch = text.split_once("\"brokerEpoch\"").and_then(|(_, rest)| {
        let number = rest.trim_start_matches([':', ' ']);
        number.split(['}', ',', ' ']).next()?.parse().ok()
    });
    Ok(LastStop {
        clean: true,
        broker_epoch: epoch,
    })
}

/// What the name of a folder in a log dir says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FolderName {
    Partition(String, PartitionId),
    /// A copy in the making.
    Future(String, PartitionId),
    /// To be removed.
    Delete,
    /// Nobody's; kept until somebody removes it.
    Stray,
    /// `__cluster_metadata-0`, which is opened by those who keep it.
    ClusterMetadata,
    Strange,
}

pub const CLUSTER_METADATA: &str = "__cluster_metadata-0";
pub const FUTURE: &str = "-future";
pub const DELETE: &str = "-delete";
pub const STRAY: &str = "-stray";

impl FolderName {
    pub fn parse(name: &str) -> FolderName {
        if name == CLUSTER_METADATA {
            return FolderName::ClusterMetadata;
        }
        for (suffix, kind) in [(DELETE, FolderName::Delete), (STRAY, FolderName::Stray)] {
            if name.strip_suffix(suffix).and_then(without_hex).is_some() {
                return kind;
            }
        }
        if let Some((topic, partition)) = name.strip_suffix(FUTURE).and_then(without_hex).and_then(split) {
            return FolderName::Future(topic, partition);
        }
        match split(name) {
            Some((topic, partition)) => FolderName::Partition(topic, partition),
            None => FolderName::Strange,
        }
    }

    /// `<topic>-<n>.<32 hex><suffix>`, cut so that no file system refuses it.
    pub fn with_suffix(topic: &str, partition: PartitionId, unique: Uuid, suffix: &str) -> String {
        let tail = format!("-{partition}.{:032x}{suffix}", u128::from_be_bytes(unique.0));
        let room = 255 - tail.len();
        let topic = if suffix == FUTURE {
            topic
        } else {
            topic.get(..room).unwrap_or(topic)
        };
        format!("{topic}{tail}")
    }
}

/// Cuts off `.<32 hex>`.
fn without_hex(name: &str) -> Option<&str> {
    let (stem, hex) = name.rsplit_once('.')?;
    (hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(stem)
}

fn split(name: &str) -> Option<(String, PartitionId)> {
    let (topic, number) = name.rsplit_once('-')?;
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let sound = !topic.is_empty() && topic.bytes().all(legal) && number.bytes().all(|byte| byte.is_ascii_digit());
    sound.then_some(())?;
    Some((topic.to_string(), number.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::replace::TestFolder;

    #[test]
    fn folder_names_tell_what_is_in_them() {
        let hex = "0123456789abcdef0123456789abcdef";
        for (name, expected) in [
            ("orders-0".to_string(), FolderName::Partition("orders".into(), 0)),
            (
                "my.topic-x-12".to_string(),
                FolderName::Partition("my.topic-x".into(), 12),
            ),
            (format!("orders-3.{hex}-delete"), FolderName::Delete),
            (format!("orders-3.{hex}-stray"), FolderName::Stray),
            (format!("orders-3.{hex}-future"), FolderName::Future("orders".into(), 3)),
            ("__cluster_metadata-0".to_string(), FolderName::ClusterMetadata),
            ("lost+found".to_string(), FolderName::Strange),
            ("orders".to_string(), FolderName::Strange),
            ("-0".to_string(), FolderName::Strange),
            ("a-99999999999".to_string(), FolderName::Strange),
        ] {
            assert_eq!(FolderName::parse(&name), expected, "{name}");
        }
        let long = "t".repeat(249);
        let name = FolderName::with_suffix(&long, 7, Uuid([1; 16]), DELETE);
        assert_eq!(name.len(), 255);
        assert_eq!(FolderName::parse(&name), FolderName::Delete);
    }

    #[test]
    fn a_dir_is_locked_until_it_is_let_go() {
        let folder = TestFolder::make();
        let dir = Dir::lock(folder.path()).unwrap();
        assert!(matches!(Dir::lock(folder.path()), Err(DirError::Locked(_))));
        dir.unlock();
        assert!(Dir::lock(folder.path()).is_ok());
    }

    #[cfg(all(target_os = "linux", not(feature = "portable-io")))]
    #[test]
    fn the_folders_in_a_dir_are_spread_where_the_file_system_can() {
        use rustix::fs::IFlags;
        let flags = |folder: &File| rustix::fs::ioctl_getflags(folder).unwrap_or(IFlags::empty());
        let (here, there) = (TestFolder::make(), TestFolder::make());
        let model = File::open(there.path()).unwrap();
        let _ = rustix::fs::ioctl_setflags(&model, flags(&model) | IFlags::TOPDIR);
        Dir::lock(here.path()).unwrap();
        assert_eq!(flags(&File::open(here.path()).unwrap()), flags(&model));
    }

    #[test]
    fn the_marker_of_a_clean_stop_tells_the_brokers_epoch() {
        let folder = TestFolder::make();
        let marker = folder.path().join(CLEAN_SHUTDOWN);
        let stop = || last_stop(folder.path()).unwrap();
        assert_eq!(
            stop(),
            LastStop {
                clean: false,
                broker_epoch: None
            }
        );
        std::fs::write(&marker, b"{\"version\":0,\"brokerEpoch\":20}").unwrap();
        assert_eq!(
            stop(),
            LastStop {
                clean: true,
                broker_epoch: Some(20)
            }
        );
        std::fs::write(&marker, b"").unwrap();
        assert_eq!(
            stop(),
            LastStop {
                clean: true,
                broker_epoch: None
            }
        );
        let dir = Dir::lock(folder.path()).unwrap();
        dir.forget_clean_stop().unwrap();
        assert!(!stop().clean);
        dir.write_clean_stop(-1).unwrap();
        assert_eq!(std::fs::read(&marker).unwrap(), b"{\"version\":0,\"brokerEpoch\":-1}");
        assert_eq!(stop().broker_epoch, Some(-1));
    }
}
