//! What the system allows: open files, room on a disk, locks that other processes see.

use std::fs::File;
use std::fs::OpenOptions;
use std::io;
use std::path::Path;

/// Raises the limit of open files as far as it goes without privileges; returns it.
pub fn raise_open_files() -> u64 {
    use rustix::process::Resource;
    let mut limit = rustix::process::getrlimit(Resource::Nofile);
    let soft = limit.current;
    limit.current = limit.maximum;
    let raised = rustix::process::setrlimit(Resource::Nofile, limit).is_ok();
    let allowed = if raised { limit.maximum } else { soft };
    allowed.unwrap_or(u64::MAX)
}

/// Bytes of the file system that a folder is on: all, and those still free for us.
pub fn disk_space(path: &Path) -> io::Result<(u64, u64)> {
    let found = rustix::fs::statvfs(path)?;
    Ok((
        found.f_blocks.saturating_mul(found.f_frsize),
        found.f_bavail.saturating_mul(found.f_frsize),
    ))
}

/// Takes the lock that Kafka takes too; `None` if another process, or another part of this one, holds it.
pub fn lock_file(path: &Path) -> io::Result<Option<File>> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    // The first kind is seen inside this process, the second is the one that Java uses.
    match file.try_lock() {
        Ok(()) => {}
        Err(std::fs::TryLockError::WouldBlock) => return Ok(None),
        Err(std::fs::TryLockError::Error(error)) => return Err(error),
    }
    match rustix::fs::fcntl_lock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::ACCESS) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
