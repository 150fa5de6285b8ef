//! The partitions that this broker holds, who leads them, and who waits for what is in them.

pub mod hosting;
pub mod partition;
pub mod replicas;
pub mod session;
pub mod settings;
pub mod waiting;
