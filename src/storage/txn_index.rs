//! `.txnindex`: the aborted transactions of a segment, in the order of their markers.

use crate::storage::entry_file::EntryFile;
use crate::storage::file_pool::FilePool;
use crate::storage::folder::Folder;
use crate::storage::folder::TXN_INDEX;
use crate::types::Offset;
use crate::types::ProducerId;
use crate::types::part;
use std::io;
use std::sync::Arc;

const ENTRY: usize = 34;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTxn {
    pub producer_id: ProducerId,
    pub first_offset: Offset,
    /// The offset of the ABORT marker.
    pub last_offset: Offset,
    /// As it stood once the marker was written.
    pub last_stable_offset: Offset,
}

pub struct TxnIndex {
    pub file: EntryFile<ENTRY>,
}

impl TxnIndex {
    pub fn new(folder: &Arc<Folder>, base_offset: Offset, pool: &Arc<FilePool>) -> TxnIndex {
        TxnIndex {
            file: EntryFile::new(folder, base_offset, TXN_INDEX, pool),
        }
    }

    pub fn push(&self, aborted: &AbortedTxn) -> io::Result<()> {
        self.file.push(&encode(aborted), None)
    }

    pub fn rewrite(&self, aborted: &[AbortedTxn]) -> io::Result<()> {
        if aborted.is_empty() {
            return self.file.remove();
        }
        let bytes: Vec<_> = aborted.iter().map(encode).collect();
        self.file.rewrite(&bytes)
    }

    /// Forgets transactions whose marker stands at `offset` or later.
    pub fn truncate(&self, offset: Offset) -> io::Result<()> {
        let kept = self
            .file
            .last_where(|entry| decode(entry).is_some_and(|txn| txn.last_offset < offset))?;
        self.file.truncate(kept.map_or(0, |(index, _)| index + 1))
    }

    /// Every entry; `None` if one of them cannot be one.
    pub fn all(&self) -> io::Result<Option<Vec<AbortedTxn>>> {
        let mut found = Vec::new();
        for index in 0..self.file.count() {
            match self.file.get(index)?.as_ref().and_then(decode) {
                Some(txn) => found.push(txn),
                None => return Ok(None),
            }
        }
        Ok(Some(found))
    }

    /// Adds those that overlap `from..until`; `true` if later segments cannot have any more.
    pub fn collect(&self, from: Offset, until: Offset, found: &mut Vec<AbortedTxn>) -> io::Result<bool> {
        for index in 0..self.file.count() {
            let Some(txn) = self.file.get(index)?.as_ref().and_then(decode) else {
                continue;
            };
            if txn.last_offset >= from && txn.first_offset < until {
                found.push(txn);
            }
            if txn.last_stable_offset >= until {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

pub fn encode(txn: &AbortedTxn) -> [u8; ENTRY] {
    let mut bytes = [0; ENTRY];
    bytes[2..10].copy_from_slice(&txn.producer_id.to_be_bytes());
    bytes[10..18].copy_from_slice(&txn.first_offset.to_be_bytes());
    bytes[18..26].copy_from_slice(&txn.last_offset.to_be_bytes());
    bytes[26..34].copy_from_slice(&txn.last_stable_offset.to_be_bytes());
    bytes
}

fn decode(bytes: &[u8; ENTRY]) -> Option<AbortedTxn> {
    let number = |at: usize| i64::from_be_bytes(part(bytes, at));
    let txn = AbortedTxn {
        producer_id: number(2),
        first_offset: number(10),
        last_offset: number(18),
        last_stable_offset: number(26),
    };
    let sound = bytes[..2] == [0, 0] && txn.first_offset >= 0 && txn.first_offset <= txn.last_offset;
    sound.then_some(txn)
}
