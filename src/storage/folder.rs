//! The folder of a partition and the names of the files in it. It may be renamed while files in it are open.

use crate::types::Offset;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::PoisonError;
use std::sync::RwLock;

pub const LOG: &str = ".log";
pub const INDEX: &str = ".index";
pub const TIME_INDEX: &str = ".timeindex";
pub const TXN_INDEX: &str = ".txnindex";
pub const SNAPSHOT: &str = ".snapshot";
pub const DELETED: &str = ".deleted";
pub const CLEANED: &str = ".cleaned";
pub const SWAP: &str = ".swap";
pub const EPOCHS: &str = "leader-epoch-checkpoint";
pub const METADATA: &str = "partition.metadata";

#[derive(Debug)]
pub struct Folder(RwLock<Arc<Path>>);

impl Folder {
    pub fn new(path: PathBuf) -> Folder {
        Folder(RwLock::new(Arc::from(path)))
    }

    pub fn path(&self) -> Arc<Path> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn moved_to(&self, path: PathBuf) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::from(path);
    }

    /// The file that belongs to an offset: 20 digits and a suffix.
    pub fn file(&self, offset: Offset, suffix: &str) -> PathBuf {
        self.path().join(file_name(offset, suffix))
    }

    pub fn named(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }
}

pub fn file_name(offset: Offset, suffix: &str) -> String {
    format!("{offset:020}{suffix}")
}

/// Splits `00000000000000000042.index` into 42 and `.index`; `None` for names of another shape.
pub fn parse_file_name(name: &str) -> Option<(Offset, &str)> {
    let (digits, suffix) = name.split_at_checked(20)?;
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    (all_digits && suffix.starts_with('.')).then_some(())?;
    Some((digits.parse().ok()?, suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_read_back() {
        assert_eq!(file_name(42, LOG), "00000000000000000042.log");
        assert_eq!(parse_file_name("00000000000000000042.index"), Some((42, INDEX)));
        assert_eq!(
            parse_file_name("00000000000000000042.log.deleted"),
            Some((42, ".log.deleted"))
        );
        for strange in [
            "hello.log",
            "42.log",
            "0000000000000000004x.log",
            "99999999999999999999.log",
            "lost+found",
            "",
        ] {
            assert_eq!(parse_file_name(strange), None, "{strange}");
        }
    }
}
