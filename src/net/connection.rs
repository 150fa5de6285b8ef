//! One connection: reads frames in order, lets each be answered, sends the answer, and only then looks at the next.
//!
//! Kafka mutes a connection while a request is being answered, and clients rely on it: they read their own writes.

use crate::api;
use crate::api::Outcome;
use crate::api::context::Handles;
use crate::api::context::Peer;
use crate::net::buffers::Buffers;
use crate::net::buffers::SMALL;
use crate::net::send;
use bytes::BufMut;
use bytes::Bytes;
use bytes::BytesMut;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tracing::debug;
use tracing::info;
use tracing::warn;

/// A frame grows by what has arrived, in steps of at least this much: its claim alone takes no memory.
const GROWTH: usize = 1 << 20;

#[derive(Clone, Copy)]
pub struct Limits {
    pub largest_frame: usize,
    pub idle: Duration,
}

pub struct Connection {
    pub stream: TcpStream,
    pub peer: Arc<Peer>,
    pub handles: Arc<Handles>,
    pub buffers: Arc<Buffers>,
    pub limits: Limits,
}

/// Why a connection is closed from this side.
enum Failure {
    Io(io::Error),
    BadSize(i32),
    Idle,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Io(error)
    }
}

impl Connection {
    /// Serves until either side closes.
    pub async fn serve(self) {
        match self.serve_frames().await {
            Ok(()) => {}
            // Clients come and go as they please.
            Err(Failure::Io(error)) => debug!(peer = %self.peer.address, "the connection ended: {error}"),
            Err(Failure::BadSize(size)) => {
                let most = self.limits.largest_frame;
                warn!(peer = %self.peer.address, "closing: a request of {size} bytes; allowed are 0 to {most}");
            }
            Err(Failure::Idle) => info!(peer = %self.peer.address, "closing: idle for too long"),
        }
    }

    async fn serve_frames(&self) -> Result<(), Failure> {
        let mut buffer = None;
        while let Some(frame) = self.next_frame(&mut buffer).await? {
            match api::answer(&self.handles, &self.peer, frame).await {
                Outcome::Answer(parts) => send::send(&self.stream, parts).await?,
                Outcome::Silence => {}
                Outcome::Close(reason) => {
                    info!(peer = %self.peer.address, "closing: {reason}");
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The next request without its length, or `None` when the client has closed.
    async fn next_frame(&self, held: &mut Option<BytesMut>) -> Result<Option<Bytes>, Failure> {
        let mut buffer = held.take().unwrap_or_else(|| self.buffers.take());
        loop {
            if let Some(size) = self.frame_size(&buffer)? {
                if buffer.len() >= 4 + size {
                    let mut frame = buffer.split_to(4 + size).freeze();
                    *held = Some(buffer);
                    return Ok(Some(frame.split_off(4)));
                }
                buffer = self.with_room(buffer, 4 + size);
            } else if buffer.capacity() < 4 || buffer.capacity() == buffer.len() {
                buffer.reserve(SMALL);
            }
            let wanted = wanted(&buffer);
            match self.stream.try_read_buf(&mut (&mut buffer).limit(wanted)) {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    buffer = self.wait(buffer).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The size that the frame at the beginning of `buffer` claims, once its four bytes are there.
    fn frame_size(&self, buffer: &BytesMut) -> Result<Option<usize>, Failure> {
        let Some(size) = buffer.first_chunk::<4>() else {
            return Ok(None);
        };
        let claimed = i32::from_be_bytes(*size);
        match usize::try_from(claimed) {
            Ok(size) if size <= self.limits.largest_frame => Ok(Some(size)),
            _ => Err(Failure::BadSize(claimed)),
        }
    }

    /// Makes room for more of a frame of `whole` bytes, not for all of it unless as much has arrived.
    fn with_room(&self, mut buffer: BytesMut, whole: usize) -> BytesMut {
        if buffer.capacity() > buffer.len() && buffer.capacity() >= whole.min(SMALL) {
            return buffer;
        }
        if whole > SMALL && buffer.capacity() <= SMALL {
            let mut large = self.buffers.take_large();
            large.extend_from_slice(&buffer);
            self.buffers.give_back(buffer);
            buffer = large;
        }
        let missing = whole - buffer.len();
        if buffer.capacity() - buffer.len() < missing.min(GROWTH) {
            buffer.reserve(missing.min(GROWTH.max(buffer.len())));
        }
        buffer
    }

    /// Waits for more bytes; without any of a request in hand it waits without a buffer.
    async fn wait(&self, buffer: BytesMut) -> Result<BytesMut, Failure> {
        let readable = timeout(self.limits.idle, self.stream.readable());
        if !buffer.is_empty() {
            readable.await.map_err(|_| Failure::Idle)??;
            return Ok(buffer);
        }
        self.buffers.give_back(buffer);
        readable.await.map_err(|_| Failure::Idle)??;
        Ok(self.buffers.take())
    }
}

/// How many bytes to read at most: a large frame is read to its end and not beyond, so that it lies in one piece.
fn wanted(buffer: &BytesMut) -> usize {
    let free = buffer.capacity() - buffer.len();
    match buffer
        .first_chunk::<4>()
        .map(|size| u32::from_be_bytes(*size) as usize + 4)
    {
        Some(whole) if whole > SMALL => free.min(whole - buffer.len()),
        _ => free,
    }
}
