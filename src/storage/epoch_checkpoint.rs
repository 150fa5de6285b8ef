//! `leader-epoch-checkpoint`: where each leader epoch of a partition began.

use crate::types::LeaderEpoch;
use crate::types::Offset;
use std::fmt::Write;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEntry {
    pub epoch: LeaderEpoch,
    pub start: Offset,
}

/// A partition with more changes of leadership than fit here has other problems.
pub const MAX_BYTES: u64 = 64 << 20;

pub fn encode(entries: &[EpochEntry]) -> String {
    let mut text = format!("0\n{}\n", entries.len());
    for entry in entries {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{} {}", entry.epoch, entry.start);
    }
    text
}

/// `None` if the text is not such a file in whole, or its entries do not ascend. An empty file has no entries.
pub fn decode(bytes: &[u8]) -> Option<Vec<EpochEntry>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let mut lines = std::str::from_utf8(bytes).ok()?.lines();
    let version = lines.next()?;
    let count: usize = lines.next()?.trim().parse().ok()?;
    let mut entries: Vec<EpochEntry> = Vec::new();
    for line in lines {
        let (epoch, start) = line.trim().split_once(' ')?;
        let entry = EpochEntry {
            epoch: epoch.parse().ok()?,
            start: start.trim().parse().ok()?,
        };
        let ascends = entries
            .last()
            .is_none_or(|last| last.epoch < entry.epoch && last.start <= entry.start);
        (ascends && entry.epoch >= 0 && entry.start >= 0).then_some(())?;
        entries.push(entry);
    }
    (version.trim() == "0" && entries.len() == count).then_some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_read_back_as_kafka_writes_them() {
        let entries = [EpochEntry { epoch: 0, start: 0 }, EpochEntry { epoch: 2, start: 2000 }];
        assert_eq!(encode(&entries), "0\n2\n0 0\n2 2000\n");
        assert_eq!(decode(encode(&entries).as_bytes()).unwrap(), entries);
        assert_eq!(decode(b""), Some(vec![]));
    }

    #[test]
    fn noise_is_no_checkpoint() {
        for noise in [
            "1\n0\n",
            "0\n2\n0 0\n",
            "0\n1\n0 x\n",
            "0\n2\n3 0\n2 5\n",
            "0\n2\n3 9\n4 5\n",
            "hello",
            "0\n",
        ] {
            assert_eq!(decode(noise.as_bytes()), None, "{noise:?}");
        }
        assert_eq!(decode(&[0xff, 0xfe]), None);
    }
}
