//! Runs the heads: takes their decisions to the disk, applies them, and answers once they are durable.

pub mod cleaning;
pub mod controller_channel;
mod controller_peer;
pub mod coordinator;
pub mod groups;
pub mod housekeeping;
pub mod leader;
pub mod lifecycle;
mod metadata_files;
mod metadata_loading;
pub mod metadata_log;
pub mod metadata_store;
pub mod observer;
mod observer_store;
pub mod placing;
pub mod producer_ids;
pub mod quorum;
mod quorum_tasks;
pub mod remote_controller;
pub mod remote_log;
mod replaying;
pub mod replicating;
mod snapshots;
mod tail;
#[cfg(test)]
mod testing;
mod throttle;
