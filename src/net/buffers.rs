//! Receive buffers that are used again: a connection holds one only while bytes of a request are in it.
//!
//! Mapping fresh memory for each large request costs more than receiving it, so buffers are kept, within a bound.

use bytes::BytesMut;
use std::sync::Mutex;
use std::sync::PoisonError;

/// Enough for almost every request that carries no records.
pub const SMALL: usize = 16 * 1024;
const SMALL_KEPT: usize = 256;
const LARGE_KEPT: usize = 16;
/// A larger buffer is given back to the system.
const LARGEST_KEPT: usize = 8 << 20;

#[derive(Default)]
pub struct Buffers {
    small: Mutex<Vec<BytesMut>>,
    large: Mutex<Vec<BytesMut>>,
}

impl Buffers {
    /// A buffer for the beginning of a request.
    pub fn take(&self) -> BytesMut {
        self.take_from(&self.small, SMALL)
    }

    /// A buffer for a request that does not fit into a small one. It may have less room than the request needs.
    pub fn take_large(&self) -> BytesMut {
        self.take_from(&self.large, 4 * SMALL)
    }

    pub fn give_back(&self, mut buffer: BytesMut) {
        buffer.clear();
        // Room that an answered request used becomes free again; while something still holds it, the buffer is let go.
        if !buffer.try_reclaim(SMALL) {
            return;
        }
        let (kept, most) = match buffer.capacity() {
            0..=SMALL => (&self.small, SMALL_KEPT),
            capacity if capacity <= LARGEST_KEPT => (&self.large, LARGE_KEPT),
            _ => return,
        };
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < most {
            kept.push(buffer);
        }
    }

    fn take_from(&self, kept: &Mutex<Vec<BytesMut>>, size: usize) -> BytesMut {
        let found = kept.lock().unwrap_or_else(PoisonError::into_inner).pop();
        found.unwrap_or_else(|| BytesMut::with_capacity(size))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_whose_request_was_dropped_is_used_again_whole() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take();
        buffer.extend_from_slice(&[1; 1000]);
        let at = buffer.as_ptr();
        drop(buffer.split_to(1000).freeze());
        buffers.give_back(buffer);
        let again = buffers.take();
        assert_eq!((again.as_ptr(), again.capacity()), (at, SMALL));
    }

    #[test]
    fn a_buffer_that_a_request_still_uses_is_not_kept() {
        let buffers = Buffers::default();
        let mut buffer = buffers.take();
        buffer.extend_from_slice(&[1; 1000]);
        let request = buffer.split_to(1000).freeze();
        buffers.give_back(buffer);
        assert_ne!(buffers.take().as_ptr(), request.as_ptr());
    }
}
