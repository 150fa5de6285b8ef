//! The quorum that agrees on the metadata log: what it remembers, how an epoch begins, how snapshots are laid out, how
//! an observer follows.
//!
//! Formats and decisions only; `runtime` holds the files.

pub mod entries;
pub mod epoch;
mod fetched;
pub mod follow;
pub mod observers;
pub mod questions;
pub mod quorum_state;
pub mod snapshot;
