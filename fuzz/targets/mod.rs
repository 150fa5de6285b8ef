//! What is fuzzed: functions that take any bytes, and must neither panic nor take much memory or time.
//!
//! cargo-fuzz calls them from `fuzz_targets/`, and `tests/fuzz.rs` with a seeded mutator over `corpus/`.

pub mod files;
pub mod follower;
pub mod messages;
pub mod records;
