//! What is in a partition's folder, after a crash too: leftovers are removed, a finished compaction is completed.

use crate::storage::crash_point;
use crate::storage::folder;
use crate::storage::folder::Folder;
use crate::storage::folder::file_name;
use crate::storage::folder::parse_file_name;
use crate::storage::replace::remove_if_there;
use crate::storage::scan::LARGE_WINDOW;
use crate::storage::scan::Scan;
use crate::storage::scan::Scanned;
use crate::types::Offset;
use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::path::PathBuf;

/// Lengths of the files of a segment; `None` where there is no such file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Files {
    pub log: Option<u64>,
    pub index: Option<u64>,
    pub time_index: Option<u64>,
    pub txn_index: Option<u64>,
}

#[derive(Debug, Default)]
pub struct Inventory {
    /// Those with a `.log`.
    pub segments: BTreeMap<Offset, Files>,
    pub snapshots: BTreeMap<Offset, PathBuf>,
    pub has_epochs: bool,
    /// Names that mean nothing to anybody.
    pub strange: Vec<String>,
}

impl Inventory {
    pub fn take(folder: &Folder) -> io::Result<Inventory> {
        let path = folder.path();
        let mut swaps: BTreeMap<Offset, Vec<&'static str>> = BTreeMap::new();
        let mut found = Inventory::list(&path, &mut swaps)?;
        if !swaps.is_empty() {
            for (base, suffixes) in &swaps {
                found.complete_swap(&path, *base, suffixes)?;
            }
            found = Inventory::list(&path, &mut BTreeMap::new())?;
        }
        // Indexes without their log tell nothing.
        let orphans: Vec<Offset> = found
            .segments
            .iter()
            .filter(|(_, files)| files.log.is_none())
            .map(|(base, _)| *base)
            .collect();
        for base in orphans {
            found.segments.remove(&base);
            for suffix in [folder::INDEX, folder::TIME_INDEX, folder::TXN_INDEX] {
                remove_if_there(&path.join(file_name(base, suffix)))?;
            }
        }
        Ok(found)
    }

    fn list(path: &Path, swaps: &mut BTreeMap<Offset, Vec<&'static str>>) -> io::Result<Inventory> {
        let mut found = Inventory::default();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else {
                found.strange.push(entry.file_name().to_string_lossy().into_owned());
                continue;
            };
            let Some((base, suffix)) = parse_file_name(&name) else {
                found.note_other(name);
                continue;
            };
            match suffix {
                folder::LOG => found.segments.entry(base).or_default().log = Some(entry.metadata()?.len()),
                folder::INDEX => found.segments.entry(base).or_default().index = Some(entry.metadata()?.len()),
                folder::TIME_INDEX => {
                    found.segments.entry(base).or_default().time_index = Some(entry.metadata()?.len());
                }
                folder::TXN_INDEX => found.segments.entry(base).or_default().txn_index = Some(entry.metadata()?.len()),
                folder::SNAPSHOT => {
                    found.snapshots.insert(base, entry.path());
                }
                _ if suffix.ends_with(folder::DELETED) || suffix.ends_with(folder::CLEANED) => {
                    remove_if_there(&entry.path())?;
                }
                _ => match SWAPPABLE
                    .into_iter()
                    .find(|kind| suffix == format!("{kind}{}", folder::SWAP))
                {
                    Some(kind) => swaps.entry(base).or_default().push(kind),
                    None => found.strange.push(name),
                },
            }
        }
        Ok(found)
    }

    fn note_other(&mut self, name: String) {
        if name == folder::EPOCHS {
            self.has_epochs = true;
        } else if name != folder::METADATA && name != "quorum-state" && !is_raft_snapshot(&name) {
            self.strange.push(name);
        }
    }

    /// Compaction had written its result in whole and was about to put it in place of the segments that it covers.
    fn complete_swap(&self, path: &Path, base: Offset, suffixes: &[&'static str]) -> io::Result<()> {
        if suffixes.contains(&folder::LOG) {
            let swapped = path.join(file_name(base, ".log.swap"));
            let end = end_of(&swapped, base)?;
            for covered in self
                .segments
                .range(base..end.max(base + 1))
                .map(|(covered, _)| *covered)
            {
                for kind in SWAPPABLE {
                    remove_if_there(&path.join(file_name(covered, kind)))?;
                }
            }
        }
        for kind in suffixes {
            let from = path.join(format!("{}{}", file_name(base, kind), folder::SWAP));
            crash_point::reached();
            std::fs::rename(from, path.join(file_name(base, kind)))?;
        }
        Ok(())
    }
}

const SWAPPABLE: [&str; 4] = [folder::LOG, folder::INDEX, folder::TIME_INDEX, folder::TXN_INDEX];

/// Snapshots of the metadata log live in its folder: `<offset>-<epoch>.checkpoint`, also half-written ones.
fn is_raft_snapshot(name: &str) -> bool {
    name.contains(".checkpoint") || name.ends_with(".tmp")
}

fn end_of(path: &Path, base: Offset) -> io::Result<Offset> {
    let file = File::open(path)?;
    let mut scan = Scan::new(&file, 0, file.metadata()?.len(), base, LARGE_WINDOW);
    while let Scanned::Batch { .. } = scan.advance()? {}
    Ok(scan.next_offset())
}
