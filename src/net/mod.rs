//! Listeners and connections: bytes in, bytes and ranges of files out. Knows nothing of what Kafka's requests mean.

pub mod buffers;
pub mod connection;
pub mod listener;
pub mod send;
