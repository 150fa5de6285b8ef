//! Ottla: a broker that speaks Apache Kafka's protocol and keeps Apache Kafka's files.
//!
//! Rooms, doors and the way of a request are described in `ARCHITECTURE.md`.

pub mod clock;
pub mod error_code;
pub mod file_range;
pub mod log;
pub mod record;
pub mod storage;
pub mod types;
