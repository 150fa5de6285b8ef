//! One replica's log: append, read, roll, truncate, retain, recover; and the folders that logs live in.
//!
//! Calls are plain and may block on the disk. One writer at a time holds a short lock; readers never take it.

mod append;
mod cleaner;
pub mod dir;
pub mod dirs;
mod durable;
pub mod epochs;
mod history;
mod inventory;
mod keeping;
mod loading;
mod moving;
mod open;
pub mod producers;
mod read;
mod recover;
pub mod replica;
mod retention;
pub mod settings;
mod tail;
#[cfg(test)]
mod tests;
mod times;
mod truncate;

pub use append::Appended;
pub use append::How;
pub use cleaner::Brake;
pub use cleaner::CleanError;
pub use cleaner::CleanReport;
pub use cleaner::CleanerLimits;
pub use cleaner::Dirty;
pub use dirs::Choice;
pub use dirs::DirInfo;
pub use dirs::LogDirs;
pub use keeping::FailedDir;
pub use loading::Catalogue;
pub use loading::LoadReport;
pub use loading::metadata_log_state;
pub use moving::Copied;
pub use open::Damaged;
pub use open::OpenHow;
pub use open::OpenReport;
pub use read::LogSlice;
pub use read::ReadError;
pub use replica::Log;
pub use replica::Place;
pub use settings::LogSettings;
pub use times::TimedOffset;
