//! The latest offset of each key, in memory of a fixed size.
//!
//! Keys are told apart by half of their SHA-256: nobody can make two of one hash, and so hide one behind the other.

use crate::types::Offset;
use sha2::Digest;
use sha2::Sha256;

/// Hash, and the offset plus one; all zeros where nothing is.
type Entry = [u64; 3];

/// As Kafka counts the memory for a key.
pub const ENTRY_BYTES: u64 = 24;

pub struct OffsetMap {
    entries: Vec<Entry>,
    count: usize,
    most: usize,
    latest: Offset,
}

impl OffsetMap {
    /// Room for `records`, or as many as `bytes` and the load factor allow.
    pub fn new(bytes: u64, load_factor: f64, records: u64) -> OffsetMap {
        let allowed = (bytes.min(i32::MAX as u64) / ENTRY_BYTES).max(2);
        let load_factor = load_factor.clamp(0.01, 0.95);
        let wanted = (records as f64 / load_factor) as u64 + 2;
        let slots = allowed.min(wanted) as usize;
        OffsetMap {
            entries: vec![[0; 3]; slots],
            count: 0,
            // One place stays empty, where a search that finds nothing ends.
            most: ((slots as f64 * load_factor) as usize).clamp(1, slots - 1),
            latest: -1,
        }
    }

    /// `false` if there is no room.
    pub fn put(&mut self, key: &[u8], offset: Offset) -> bool {
        if self.count >= self.most {
            return false;
        }
        let (index, hash) = self.find(key);
        if let Some(entry) = self.entries.get_mut(index) {
            self.count += usize::from(entry[2] == 0);
            *entry = [hash.0, hash.1, offset as u64 + 1];
        }
        self.latest = offset;
        true
    }

    pub fn get(&self, key: &[u8]) -> Option<Offset> {
        let entry = self.entries.get(self.find(key).0)?;
        entry[2].checked_sub(1).map(|offset| offset as Offset)
    }

    /// Everything up to here was looked at; -1 at the beginning.
    pub fn latest(&self) -> Offset {
        self.latest
    }

    pub fn set_latest(&mut self, offset: Offset) {
        self.latest = offset;
    }

    pub fn len(&self) -> usize {
        self.count
    }

    /// Where the key is, or would be.
    fn find(&self, key: &[u8]) -> (usize, (u64, u64)) {
        let hash = hash(key);
        let slots = self.entries.len();
        let mut index = (hash.0 % slots as u64) as usize;
        while let Some(entry) = self.entries.get(index) {
            if entry[2] == 0 || (entry[0], entry[1]) == hash {
                break;
            }
            index = (index + 1) % slots;
        }
        (index, hash)
    }
}

fn hash(key: &[u8]) -> (u64, u64) {
    let digest = Sha256::digest(key);
    let half = |from: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&digest[from..from + 8]);
        u64::from_be_bytes(bytes)
    };
    (half(0), half(8))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn it_answers_as_a_map_of_keys_would() {
        let mut map = OffsetMap::new(1 << 20, 0.9, 5_000);
        let mut model = HashMap::new();
        let mut seed: u64 = 1;
        for offset in 0..5_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let key = (seed >> 40) % 3_000;
            assert!(map.put(&key.to_be_bytes(), offset));
            model.insert(key, offset);
        }
        assert_eq!((map.len(), map.latest()), (model.len(), 4_999));
        for key in 0..3_000u64 {
            assert_eq!(map.get(&key.to_be_bytes()), model.get(&key).copied());
        }
        assert_eq!(map.get(b""), None);
    }

    #[test]
    fn it_takes_no_more_than_its_memory_allows() {
        for (bytes, load_factor, records, most) in [
            (24 * 10, 0.9, 1_000, 9),
            (24 * 10, 0.5, 1_000, 5),
            (24 * 1_000, 0.9, 4, 5),
            (0, 0.9, 1_000, 1),
            (24 * 10, 7.0, 1_000, 9),
            (24 * 10, -1.0, 1_000, 1),
        ] {
            let mut map = OffsetMap::new(bytes, load_factor, records);
            let taken = (0..1_000i64).take_while(|key| map.put(&key.to_be_bytes(), *key));
            assert_eq!(taken.count(), most, "{bytes} {load_factor} {records}");
            assert_eq!(map.get(&5_000i64.to_be_bytes()), None, "a search ends");
            assert_eq!(map.latest(), most as i64 - 1);
        }
    }
}
