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
        let mut leftovers = Leftovers::default();
        let mut found = Inventory::list(&path, &mut leftovers)?;
        leftovers.remove_unfinished()?;
        if !leftovers.swaps.is_empty() {
            for (base, suffixes) in &leftovers.swaps {
                found.complete_swap(&path, *base, suffixes)?;
            }
            found = Inventory::list(&path, &mut Leftovers::default())?;
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

    fn list(path: &Path, leftovers: &mut Leftovers) -> io::Result<Inventory> {
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
                _ if suffix.ends_with(folder::DELETED) => remove_if_there(&entry.path())?,
                _ if suffix.ends_with(folder::CLEANED) => leftovers.cleaned.push((base, entry.path())),
                _ => match SWAPPABLE
                    .into_iter()
                    .find(|kind| suffix == format!("{kind}{}", folder::SWAP))
                {
                    Some(kind) => leftovers.swaps.entry(base).or_default().push((kind, entry.path())),
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
    fn complete_swap(&self, path: &Path, base: Offset, swapped: &[Swapped]) -> io::Result<()> {
        if swapped.iter().any(|(kind, _)| *kind == folder::LOG) {
            let end = end_of(&path.join(file_name(base, ".log.swap")), base)?;
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
        // The log first: what follows it is no leftover of the segments before.
        for kind in SWAPPABLE {
            for (_, from) in swapped.iter().filter(|(found, _)| *found == kind) {
                crash_point::reached();
                std::fs::rename(from, path.join(file_name(base, kind)))?;
            }
        }
        Ok(())
    }
}

/// A file called `.swap`, and what kind of file it is to be.
type Swapped = (&'static str, PathBuf);

/// What a compaction leaves that did not come to its end.
#[derive(Default)]
struct Leftovers {
    swaps: BTreeMap<Offset, Vec<Swapped>>,
    cleaned: Vec<(Offset, PathBuf)>,
}

impl Leftovers {
    /// While anything of a segment is still called `.cleaned`, the segments that it was made of are untouched. By
    /// Kafka's rule this holds for those behind it, too. The order makes sure that this can be said again after a crash.
    fn remove_unfinished(&mut self) -> io::Result<()> {
        let Some(first) = self.cleaned.iter().map(|(base, _)| *base).min() else {
            return Ok(());
        };
        for (_, path) in self.swaps.split_off(&first).values().flatten() {
            remove_if_there(path)?;
        }
        for (_, path) in &self.cleaned {
            remove_if_there(path)?;
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
