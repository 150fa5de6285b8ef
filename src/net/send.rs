//! Sends an answer: bytes as they are, ranges of files without bringing them into this process.
//!
//! Small ranges are cheaper to copy. A range that is not in the page cache is first read on the blocking pool, so that
//! one reader of old data never holds up the connections that share its thread.

use crate::file_range::FileRange;
use crate::schema::writer::Part;
use bytes::Buf;
use bytes::Bytes;
use bytes::BytesMut;
use std::io;
use std::io::IoSlice;
use std::os::unix::fs::FileExt;
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;

/// Ranges up to this size are copied between the bytes around them.
const COPIED: u32 = 16 * 1024;
/// Bytes collected before they are written.
const STAGED: usize = 256 * 1024;

pub async fn send(stream: &TcpStream, parts: Vec<Part>) -> io::Result<()> {
    let mut staged = BytesMut::new();
    for part in parts {
        match part {
            Part::Own(bytes) if staged.is_empty() => staged = bytes,
            Part::Own(bytes) => staged.extend_from_slice(&bytes),
            Part::Shared(bytes) => write_both(stream, staged.split().freeze(), bytes).await?,
            Part::File(range) if range.length <= COPIED => copy_range(&mut staged, range).await?,
            Part::File(range) => {
                warm(&range).await?;
                platform::before_file(stream, staged.split().freeze()).await?;
                platform::send_file(stream, range).await?;
            }
        }
        if staged.len() >= STAGED {
            write_both(stream, staged.split().freeze(), Bytes::new()).await?;
        }
    }
    write_both(stream, staged.freeze(), Bytes::new()).await
}

async fn write_both(stream: &TcpStream, mut first: Bytes, mut second: Bytes) -> io::Result<()> {
    while first.has_remaining() || second.has_remaining() {
        match stream.try_write_vectored(&[IoSlice::new(&first), IoSlice::new(&second)]) {
            Ok(written) => {
                let of_first = written.min(first.len());
                first.advance(of_first);
                second.advance(written - of_first);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn copy_range(staged: &mut BytesMut, range: FileRange) -> io::Result<()> {
    let from = staged.len();
    staged.resize(from + range.length as usize, 0);
    if platform::read_cached(&range, &mut staged[from..])? {
        return Ok(());
    }
    let read = spawn_blocking(move || {
        let mut bytes = vec![0; range.length as usize];
        range.file.read_exact_at(&mut bytes, range.position).map(|()| bytes)
    });
    staged[from..].copy_from_slice(&read.await.map_err(io::Error::other)??);
    Ok(())
}

/// Brings a range into the page cache if its ends are not there.
async fn warm(range: &FileRange) -> io::Result<()> {
    if platform::is_cached(range) {
        return Ok(());
    }
    let range = range.clone();
    let read = spawn_blocking(move || {
        let mut scratch = vec![0; 128 * 1024];
        let (mut at, end) = (range.position, range.position + u64::from(range.length));
        while at < end {
            let want = scratch.len().min((end - at) as usize);
            match range.file.read_at(&mut scratch[..want], at)? {
                0 => break,
                read => at += read as u64,
            }
        }
        Ok(())
    });
    read.await.map_err(io::Error::other)?
}

#[cfg(all(target_os = "linux", not(feature = "portable-io")))]
mod platform {
    use super::*;
    use rustix::fs::sendfile;
    use rustix::io::Errno;
    use rustix::io::ReadWriteFlags;
    use rustix::io::preadv2;
    use rustix::net::SendFlags;
    use std::io::IoSliceMut;
    use tokio::io::Interest;

    /// Whether the whole range was read without waiting for a disk.
    pub fn read_cached(range: &FileRange, into: &mut [u8]) -> io::Result<bool> {
        let wanted = into.len();
        match preadv2(
            &range.file,
            &mut [IoSliceMut::new(into)],
            range.position,
            ReadWriteFlags::NOWAIT,
        ) {
            Ok(read) => Ok(read == wanted),
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    pub fn is_cached(range: &FileRange) -> bool {
        let last = range.position + u64::from(range.length) - 1;
        [range.position, last].into_iter().all(|position| {
            let byte = FileRange {
                file: range.file.clone(),
                position,
                length: 1,
            };
            matches!(read_cached(&byte, &mut [0]), Ok(true))
        })
    }

    /// Bytes that a file follows: the kernel may put both into one packet.
    pub async fn before_file(stream: &TcpStream, mut bytes: Bytes) -> io::Result<()> {
        while bytes.has_remaining() {
            let write = || {
                Ok(rustix::net::send(
                    stream,
                    &bytes,
                    SendFlags::MORE | SendFlags::NOSIGNAL,
                )?)
            };
            let written = stream.async_io(Interest::WRITABLE, write).await?;
            bytes.advance(written);
        }
        Ok(())
    }

    pub async fn send_file(stream: &TcpStream, range: FileRange) -> io::Result<()> {
        let mut position = range.position;
        let end = range.position + u64::from(range.length);
        while position < end {
            let left = (end - position) as usize;
            let write = || Ok(sendfile(stream, &range.file, Some(&mut position), left)?);
            if stream.async_io(Interest::WRITABLE, write).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }
}

#[cfg(not(all(target_os = "linux", not(feature = "portable-io"))))]
mod platform {
    use super::*;

    pub fn read_cached(_: &FileRange, _: &mut [u8]) -> io::Result<bool> {
        Ok(false)
    }

    /// Every read goes through the blocking pool here, so nothing needs to be warmed.
    pub fn is_cached(_: &FileRange) -> bool {
        true
    }

    pub async fn before_file(stream: &TcpStream, bytes: Bytes) -> io::Result<()> {
        write_both(stream, bytes, Bytes::new()).await
    }

    pub async fn send_file(stream: &TcpStream, range: FileRange) -> io::Result<()> {
        let mut sent = 0;
        while sent < range.length {
            let length = (range.length - sent).min(STAGED as u32);
            let piece = FileRange {
                file: range.file.clone(),
                position: range.position + u64::from(sent),
                length,
            };
            let mut bytes = BytesMut::new();
            copy_range(&mut bytes, piece).await?;
            write_both(stream, bytes.freeze(), Bytes::new()).await?;
            sent += length;
        }
        Ok(())
    }
}
