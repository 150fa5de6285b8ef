//! A piece of a file: what a Fetch answer hands to the kernel instead of bytes.

use std::fs::File;
use std::sync::Arc;

/// `length` bytes of `file` from `position` on. The file stays open as long as somebody holds this.
#[derive(Clone, Debug)]
pub struct FileRange {
    pub file: Arc<File>,
    pub position: u64,
    pub length: u32,
}
