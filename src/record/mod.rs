//! Record batches as bytes: parse, validate, iterate, build and compress them.
//!
//! A batch is a view over bytes; nothing here trusts a length, a count or a codec that it was given.

pub mod batch;
pub mod build;
pub mod compress;
pub mod control;
pub mod header;
pub mod reader;
pub mod retain;
pub mod validate;
pub mod varint;

pub use batch::Batch;
pub use batch::batches;
pub use build::BatchBuilder;
pub use build::BatchSpec;
pub use compress::Codec;
pub use header::BatchHeader;
pub use reader::Record;
