//! Replaces small files so that a crash leaves either the old or the new one.

use crate::storage::crash_point;
use crate::storage::crash_point::half;
use std::fs::File;
use std::io;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

/// Writes `<path>.tmp` and renames it over `path`. With `durable` it is on the disk when this returns.
pub fn replace(path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    let temporary = with_suffix(path, ".tmp");
    crash_point::reached();
    let mut file = File::create(&temporary)?;
    crash_point::reached_before_writing(|| (&file).write_all(half(bytes)));
    file.write_all(bytes)?;
    if durable {
        crash_point::reached();
        file.sync_all()?;
    }
    drop(file);
    crash_point::reached();
    std::fs::rename(&temporary, path)?;
    match path.parent() {
        Some(parent) if durable => sync_folder(parent),
        _ => Ok(()),
    }
}

/// Makes creations, renames and removals in a folder durable.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    crash_point::reached();
    File::open(path)?.sync_all()
}

pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_os_string();
    name.push(suffix);
    PathBuf::from(name)
}

/// Removes a file that may be gone already.
pub fn remove_if_there(path: &Path) -> io::Result<()> {
    crash_point::reached();
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Renames a file that may not be there; `true` if it was.
pub fn rename_if_there(from: &Path, to: &Path) -> io::Result<bool> {
    crash_point::reached();
    match std::fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        done => done.map(|()| true),
    }
}

/// At most `limit` bytes of a file; a larger one is an error, a missing one `None`.
pub fn read_small(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    io::Read::read_to_end(&mut io::Read::take(file, limit + 1), &mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "file is too large"));
    }
    Ok(Some(bytes))
}

/// A folder for one test, removed at its end.
#[cfg(test)]
pub struct TestFolder(PathBuf);

#[cfg(test)]
impl TestFolder {
    pub fn make() -> TestFolder {
        use std::sync::atomic::AtomicU32;
        use std::sync::atomic::Ordering;
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "ottla-test-{}-{}",
            std::process::id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        TestFolder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

#[cfg(test)]
impl Drop for TestFolder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole() {
        let folder = TestFolder::make();
        let path = folder.path().join("checkpoint");
        for (bytes, durable) in [(&b"old, and longer"[..], false), (b"new", true)] {
            replace(&path, bytes, durable).unwrap();
            assert_eq!(read_small(&path, 100).unwrap().unwrap(), bytes);
        }
        assert!(read_small(&path, 2).is_err(), "larger than expected");
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no temporary file is left"
        );
        remove_if_there(&path).unwrap();
        remove_if_there(&path).unwrap();
        assert_eq!(read_small(&path, 2).unwrap(), None);
    }
}
