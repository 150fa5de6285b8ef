//! Speaks Kafka's protocol from its declarations alone: no code of the broker is used here.

pub mod batch;
pub mod codec;
pub mod connection;
pub mod declarations;
pub mod normal;
pub mod script;
