//! Numbers by chance that are the same in every run.

/// SplitMix64.
pub struct Random(u64);

impl Random {
    pub fn seeded(seed: u64) -> Random {
        Random(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }

    /// Changes bytes, cuts, repeats or inserts, a few times.
    pub fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            match self.below(7) {
                0 => bytes.truncate(at),
                1 => {
                    let count = self.below(16);
                    let more = self.bytes(count);
                    bytes.splice(at..at, more);
                }
                2 => {
                    let end = (at + self.below(32)).min(bytes.len());
                    let again = bytes[at..end].to_vec();
                    bytes.splice(at..at, again);
                }
                3 => {
                    let end = (at + 1 + self.below(8)).min(bytes.len());
                    let edge = [0x00, 0xff, 0x7f, 0x80][self.below(4)];
                    bytes[at..end].fill(edge);
                }
                4 if !bytes.is_empty() => bytes[at] ^= 1 << self.below(8),
                5 if !bytes.is_empty() => bytes[at] = bytes[at].wrapping_add(1),
                _ if !bytes.is_empty() => bytes[at] = self.next() as u8,
                _ => {}
            }
        }
    }
}
