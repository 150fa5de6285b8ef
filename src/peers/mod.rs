//! Requests to other nodes: brokers and controllers.

pub mod connection;
