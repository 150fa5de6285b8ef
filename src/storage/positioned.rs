//! Reads and writes at a position; the only place that knows the Linux calls and their portable twins.

use crate::storage::crash_point;
use crate::storage::crash_point::half;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Writes `head` and `body` one behind the other in one call, if the system has one.
#[cfg(not(feature = "portable-io"))]
pub fn write_pair_at(file: &File, head: &[u8], body: &[u8], position: u64) -> io::Result<()> {
    crash_point::reached_before_writing(|| file.write_all_at(half(body), position + head.len() as u64));
    let parts = [io::IoSlice::new(head), io::IoSlice::new(body)];
    let written = loop {
        match rustix::io::pwritev(file, &parts, position) {
            Err(rustix::io::Errno::INTR) => continue,
            other => break other?,
        }
    };
    // A signal or a full disk may cut the write short; the second try then brings the real error.
    if written < head.len() {
        file.write_all_at(&head[written..], position + written as u64)?;
        return file.write_all_at(body, position + head.len() as u64);
    }
    file.write_all_at(&body[written - head.len()..], position + written as u64)
}

#[cfg(feature = "portable-io")]
pub fn write_pair_at(file: &File, head: &[u8], body: &[u8], position: u64) -> io::Result<()> {
    crash_point::reached_before_writing(|| file.write_all_at(half(body), position + head.len() as u64));
    file.write_all_at(head, position)?;
    crash_point::reached();
    file.write_all_at(body, position + head.len() as u64)
}

/// Fills as much of `buffer` as the file has from `position` on.
pub fn read_at_most(file: &File, buffer: &mut [u8], position: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], position + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Tells the system that the file is about to be read from end to end.
#[cfg(all(target_os = "linux", not(feature = "portable-io")))]
pub fn will_read_sequentially(file: &File) {
    // Only a hint: a file system that refuses it is read all the same.
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::Sequential);
}

#[cfg(not(all(target_os = "linux", not(feature = "portable-io"))))]
pub fn will_read_sequentially(_file: &File) {}
