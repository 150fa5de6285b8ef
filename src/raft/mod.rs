//! The quorum that agrees on the metadata log: what it remembers, how an epoch begins, how snapshots are laid out.
//!
//! Formats and decisions only; `runtime` holds the files.

pub mod entries;
pub mod epoch;
pub mod observers;
pub mod quorum_state;
pub mod snapshot;
