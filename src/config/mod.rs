//! Kafka's configuration: names, types, defaults, checks and texts of every key, and the typed values that come of them.
//!
//! One table (`keys`) declares all keys. Reading files, checking values, describing and altering are written once,
//! over that table. Nothing here opens a file or a socket.

pub mod alter;
pub mod broker;
pub mod check;
mod cross_checks;
pub mod describe;
pub mod error;
mod getters;
pub mod group;
mod implicit;
pub mod key;
pub mod keys;
pub mod listener;
pub mod live;
pub mod loggers;
pub mod properties;
mod reconfigure;
#[cfg(test)]
mod testing;
pub mod topic;
pub mod value;
pub mod values;
pub mod voters;

pub use broker::BrokerConfig;
pub use error::ConfigError;
pub use live::LiveConfig;
pub use topic::TopicConfig;

/// Names and values as text, as a file, the metadata log or a request gives them.
pub type Properties = std::collections::BTreeMap<String, String>;
