//! The small files beside the metadata log: snapshots, `quorum-state`, `bootstrap.checkpoint`.
//!
//! Each is written whole under another name, flushed and renamed, so that a crash leaves the old one or the new one.

use crate::raft::quorum_state::QuorumState;
use crate::raft::snapshot::SnapshotId;
use crate::storage::crash_point;
use crate::storage::crash_point::half;
use std::collections::BTreeSet;
use std::fs;
use std::fs::File;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

const QUORUM_STATE: &str = "quorum-state";
pub const BOOTSTRAP: &str = "bootstrap.checkpoint";
/// Far more than any of these files needs; a larger one is not ours.
const LARGEST_FILE: u64 = 1 << 31;

/// The finished snapshots in a folder. Unfinished ones and those about to go are removed.
pub fn find(folder: &Path) -> io::Result<BTreeSet<SnapshotId>> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.ends_with(".checkpoint.part") || name.ends_with(".checkpoint.deleted") {
            crash_point::reached();
            fs::remove_file(entry.path())?;
        } else {
            found.extend(SnapshotId::parse(name));
        }
    }
    Ok(found)
}

pub fn read(folder: &Path, id: SnapshotId) -> io::Result<Vec<u8>> {
    read_file(&folder.join(id.file_name()))
}

/// `None` if there is none: it has no effect once its records are in the log.
pub fn read_bootstrap(folder: &Path) -> io::Result<Option<Vec<u8>>> {
    match read_file(&folder.join(BOOTSTRAP)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    if fs::metadata(path)?.len() > LARGEST_FILE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the file is too large"));
    }
    fs::read(path)
}

pub fn write(folder: &Path, id: SnapshotId, bytes: &[u8]) -> io::Result<()> {
    let mut part = Part::begin(folder, id)?;
    part.extend(bytes)?;
    part.finish(folder)
}

/// A snapshot that is still without its end, under another name.
pub struct Part {
    pub id: SnapshotId,
    file: File,
    path: PathBuf,
    length: i64,
}

impl Part {
    pub fn begin(folder: &Path, id: SnapshotId) -> io::Result<Part> {
        let path = folder.join(format!("{}.part", id.file_name()));
        crash_point::reached();
        let file = File::create(&path)?;
        let length = 0;
        Ok(Part { id, file, path, length })
    }

    pub fn length(&self) -> i64 {
        self.length
    }

    pub fn extend(&mut self, bytes: &[u8]) -> io::Result<()> {
        crash_point::reached_before_writing(|| (&self.file).write_all(half(bytes)));
        self.file.write_all(bytes)?;
        self.length += bytes.len() as i64;
        Ok(())
    }

    pub fn read(&self) -> io::Result<Vec<u8>> {
        read_file(&self.path)
    }

    /// Snapshots are read-only from the moment they have their name.
    pub fn finish(self, folder: &Path) -> io::Result<()> {
        let mut permissions = self.file.metadata()?.permissions();
        #[cfg(unix)]
        std::os::unix::fs::PermissionsExt::set_mode(&mut permissions, 0o400);
        #[cfg(not(unix))]
        permissions.set_readonly(true);
        self.file.set_permissions(permissions)?;
        crash_point::reached();
        self.file.sync_all()?;
        crash_point::reached();
        fs::rename(&self.path, folder.join(self.id.file_name()))?;
        sync(folder)
    }

    pub fn drop_file(self) -> io::Result<()> {
        crash_point::reached();
        fs::remove_file(&self.path)
    }
}

/// Removes everything that the log's own leader can give again; what this node has promised stays.
pub fn throw_away_log(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name() != QUORUM_STATE && entry.file_type()?.is_file() {
            crash_point::reached();
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

pub fn remove(folder: &Path, id: SnapshotId) -> io::Result<()> {
    crash_point::reached();
    fs::remove_file(folder.join(id.file_name()))
}

pub fn size(folder: &Path, id: SnapshotId) -> u64 {
    fs::metadata(folder.join(id.file_name())).map_or(0, |metadata| metadata.len())
}

/// `None` if the file is missing or noise: then the log's own epochs tell.
pub fn read_quorum_state(folder: &Path) -> io::Result<Option<QuorumState>> {
    match fs::read(folder.join(QUORUM_STATE)) {
        Ok(bytes) => Ok(std::str::from_utf8(&bytes).ok().and_then(QuorumState::parse)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

pub fn write_quorum_state(folder: &Path, state: &QuorumState) -> io::Result<()> {
    let part = folder.join(format!("{QUORUM_STATE}.tmp"));
    crash_point::reached();
    let mut file = File::create(&part)?;
    crash_point::reached();
    file.write_all(state.to_text().as_bytes())?;
    crash_point::reached();
    file.sync_all()?;
    crash_point::reached();
    fs::rename(&part, folder.join(QUORUM_STATE))?;
    sync(folder)
}

/// So that names survive a crash, too. Not every system lets a folder be opened.
fn sync(folder: &Path) -> io::Result<()> {
    crash_point::reached();
    match cfg!(unix) {
        true => File::open(folder)?.sync_all(),
        false => Ok(()),
    }
}
