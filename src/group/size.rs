//! How much may be written at once: what is larger than a batch of the topic must be refused before anything changes.

use crate::group::records::Record;
use crate::group::turn::Turn;
use crate::machine::Written;

/// A record's strings count their bytes in two; a member's id is longer than what it begins with.
pub const LONGEST_TEXT: usize = i16::MAX as usize - 64;

/// Around each record: lengths, attributes, deltas.
const FRAME: usize = 40;
/// The header of a batch.
const HEADER: usize = 61;
/// The fixed fields of a committed offset and its key.
const OFFSET: usize = 64;

const TOPIC: &str = "__consumer_offsets";

/// As many bytes as its record takes, or some more.
pub fn of(record: &Record) -> usize {
    let bytes = match record {
        Record::Offset(key, value) => {
            let metadata = value.as_ref().map_or(0, |value| value.metadata.len());
            OFFSET + key.group.len() + key.topic.len() + metadata
        }
        _ => {
            let (key, value) = record.encode();
            key.len() + value.map_or(0, |value| value.len())
        }
    };
    bytes + FRAME
}

/// The most that the records of one turn may take.
pub fn most(turn: &Turn<'_>) -> usize {
    let own = turn.world.image.topic_config(TOPIC);
    let own = own.and_then(|config| config.get("max.message.bytes")?.parse().ok());
    let most: i32 = own.unwrap_or_else(|| turn.world.config.message_max_bytes());
    usize::try_from(most).unwrap_or(0).saturating_sub(HEADER)
}
