//! A piece of a file that an answer sends as it lies there.

use std::fs::File;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct FileRange {
    pub file: Arc<File>,
    pub position: u64,
    pub length: u32,
}
