//! Tells the file system how the folders of partitions are used.

use std::path::Path;

/// Asks ext4 to give each folder in `parent` a place of its own, as it does anyway where `parent` is the root of a disk.
/// Otherwise the files of all partitions share a few groups of inodes, and without a journal every new file first looks
/// at all those that were removed from its group in the last minutes. Only a hint: other file systems refuse it.
#[cfg(all(target_os = "linux", not(feature = "portable-io")))]
pub fn spread_folders(parent: &Path) {
    use crate::storage::crash_point;
    use rustix::fs::IFlags;
    let Ok(folder) = std::fs::File::open(parent) else {
        return;
    };
    let Ok(flags) = rustix::fs::ioctl_getflags(&folder) else {
        return;
    };
    if !flags.contains(IFlags::TOPDIR) {
        crash_point::reached();
        let _ = rustix::fs::ioctl_setflags(&folder, flags | IFlags::TOPDIR);
    }
}

#[cfg(not(all(target_os = "linux", not(feature = "portable-io"))))]
pub fn spread_folders(_parent: &Path) {}
