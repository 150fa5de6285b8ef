//! Runs the heads: takes their decisions to the disk, applies them, and answers once they are durable.

pub mod controller_channel;
pub mod housekeeping;
pub mod leader;
pub mod lifecycle;
pub mod metadata_log;
pub mod metadata_store;
pub mod observer;
pub mod placing;
pub mod producer_ids;
pub mod quorum;
mod quorum_tasks;
pub mod remote_controller;
pub mod replicating;
mod snapshots;
#[cfg(test)]
mod testing;
