//! Names that every room uses.

use std::fmt;

pub use crate::error_code::ErrorCode;

/// Position of a record in a partition.
pub type Offset = i64;
/// How often the leadership of a partition has changed hands.
pub type LeaderEpoch = i32;
/// Milliseconds since 1970, as Kafka writes them.
pub type Timestamp = i64;
pub type NodeId = i32;
pub type PartitionId = i32;
pub type ProducerId = i64;
pub type ProducerEpoch = i16;

pub const NO_TIMESTAMP: Timestamp = -1;
pub const NO_PRODUCER_ID: ProducerId = -1;

/// A field of fixed width in an entry of fixed size.
pub fn part<const N: usize, const SIZE: usize>(entry: &[u8; SIZE], at: usize) -> [u8; N] {
    let mut part = [0; N];
    part.copy_from_slice(&entry[at..at + N]);
    part
}

/// 16 bytes that name a topic, a directory, an incarnation or a cluster; written as Kafka does, in base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    pub const ZERO: Uuid = Uuid([0; 16]);
    /// The topic id of `__cluster_metadata`; as a directory id it means "lost".
    pub const ONE: Uuid = Uuid([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);

    /// A version-4 uuid of these random bytes.
    pub fn from_random(mut bytes: [u8; 16]) -> Uuid {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Uuid(bytes)
    }

    /// The first hundred ids have meanings of their own (none, lost, migrating …) and name nothing.
    pub fn is_reserved(&self) -> bool {
        self.0[..15].iter().all(|byte| *byte == 0) && self.0[15] < 100
    }

    /// Reads the 22 characters that `Display` writes.
    pub fn parse(text: &str) -> Option<Uuid> {
        if text.len() != 22 {
            return None;
        }
        let mut bits: u128 = 0;
        for (index, character) in text.bytes().enumerate() {
            let six = ALPHABET.iter().position(|known| *known == character)? as u128;
            // The last character holds two bits of the id; Java's decoder ignores the other four.
            bits = if index < 21 {
                (bits << 6) | six
            } else {
                (bits << 2) | (six >> 4)
            };
        }
        Some(Uuid(bits.to_be_bytes()))
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = u128::from_be_bytes(self.0);
        let text: String = (0..22)
            .map(|index| {
                let six = if index < 21 {
                    bits >> (122 - 6 * index)
                } else {
                    bits << 4
                };
                char::from(ALPHABET[(six & 63) as usize])
            })
            .collect();
        f.write_str(&text)
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_reads_back_as_it_was_written() {
        assert_eq!(Uuid::ONE.to_string(), "AAAAAAAAAAAAAAAAAAAAAQ");
        for id in [Uuid::ZERO, Uuid::ONE, Uuid([0xfb; 16]), Uuid::from_random([7; 16])] {
            assert_eq!(Uuid::parse(&id.to_string()), Some(id));
        }
        assert_eq!(Uuid::parse("too short"), None);
        assert_eq!(Uuid::parse("!AAAAAAAAAAAAAAAAAAAAQ"), None);
    }
}
