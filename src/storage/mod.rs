//! Kafka's files, byte for byte, and nothing but files: no offsets are judged and no time is read here.

pub mod checkpoint;
pub mod cleaned;
pub mod crash_point;
pub mod entry_file;
pub mod epoch_checkpoint;
pub mod file_pool;
pub mod folder;
pub mod index_builder;
pub mod limits;
pub mod meta_properties;
pub mod offset_index;
pub mod partition_metadata;
pub mod positioned;
pub mod producer_snapshot;
pub mod replace;
pub mod scan;
pub mod segment;
pub mod spreading;
pub mod time_index;
pub mod txn_index;
