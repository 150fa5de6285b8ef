//! Between bytes and messages: the header of a request, the frame of an answer, and what the protocol's numbers mean.

pub mod features;
pub mod header;
pub mod operations;
pub mod principal;
pub mod topics;
