//! Ottla: a broker that speaks Apache Kafka's protocol and keeps Apache Kafka's files.
//!
//! Rooms, doors and the way of a request are described in `ARCHITECTURE.md`.

pub mod api;
pub mod auth;
pub mod broker;
pub mod cli;
pub mod clock;
pub mod config;
pub mod controller;
pub mod error_code;
pub mod file_range;
pub mod format;
pub mod group;
pub mod log;
pub mod machine;
pub mod metadata;
pub mod net;
pub mod observe;
pub mod peers;
pub mod protocol;
pub mod raft;
pub mod record;
pub mod replication;
pub mod runtime;
pub mod schema;
pub mod storage;
pub mod types;
