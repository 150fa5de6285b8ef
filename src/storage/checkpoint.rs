//! The offset checkpoints at the top of a log dir: one line for each partition.

use crate::storage::replace::read_small;
use crate::storage::replace::replace;
use crate::types::Offset;
use crate::types::PartitionId;
use std::collections::HashMap;
use std::fmt::Write;
use std::io;
use std::path::Path;

pub const RECOVERY_POINTS: &str = "recovery-point-offset-checkpoint";
pub const HIGH_WATERMARKS: &str = "replication-offset-checkpoint";
pub const LOG_STARTS: &str = "log-start-offset-checkpoint";
pub const CLEANER_OFFSETS: &str = "cleaner-offset-checkpoint";

const MAX_BYTES: u64 = 1 << 30;

/// A topic's name and the number of a partition.
pub type TopicPartition = (String, PartitionId);

pub type Offsets = HashMap<TopicPartition, Offset>;

/// What a checkpoint file says.
#[derive(Debug, PartialEq, Eq)]
pub enum Read {
    /// Also an empty file: it was created and not written yet.
    Offsets(Offsets),
    Missing,
    /// Something else than a checkpoint. The lines that could be read are not worth more than none.
    Noise,
}

pub fn read(path: &Path) -> io::Result<Read> {
    match read_small(path, MAX_BYTES) {
        Ok(None) => Ok(Read::Missing),
        Ok(Some(bytes)) => Ok(decode(&bytes).map_or(Read::Noise, Read::Offsets)),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Read::Noise),
        Err(error) => Err(error),
    }
}

pub fn write(path: &Path, offsets: &Offsets) -> io::Result<()> {
    replace(path, encode(offsets).as_bytes(), true)
}

fn encode(offsets: &Offsets) -> String {
    let mut text = format!("0\n{}\n", offsets.len());
    for ((topic, partition), offset) in offsets {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{topic} {partition} {offset}");
    }
    text
}

fn decode(bytes: &[u8]) -> Option<Offsets> {
    let mut offsets = Offsets::new();
    if bytes.is_empty() {
        return Some(offsets);
    }
    let mut lines = std::str::from_utf8(bytes).ok()?.lines();
    let version = lines.next()?;
    let count: usize = lines.next()?.trim().parse().ok()?;
    for line in lines {
        let mut words = line.split_whitespace();
        let (topic, partition, offset) = (words.next()?, words.next()?, words.next()?);
        words.next().is_none().then_some(())?;
        offsets.insert((topic.to_string(), partition.parse().ok()?), offset.parse().ok()?);
    }
    (version.trim() == "0" && offsets.len() == count).then_some(offsets)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::replace::TestFolder;

    #[test]
    fn checkpoints_read_back_and_noise_is_told_from_nothing() {
        let folder = TestFolder::make();
        let path = folder.path().join(HIGH_WATERMARKS);
        assert_eq!(read(&path).unwrap(), Read::Missing);
        let offsets = Offsets::from([(("a".into(), 0), 5), (("b".into(), 12), 1 << 40)]);
        write(&path, &offsets).unwrap();
        assert_eq!(read(&path).unwrap(), Read::Offsets(offsets));
        for (bytes, expected) in [
            (&b""[..], Read::Offsets(Offsets::new())),
            (b"0\n0\n", Read::Offsets(Offsets::new())),
            (b"0\n1\n", Read::Noise),
            (b"0\n1\na b c\n", Read::Noise),
            (b"0\n1\na 1 2 3\n", Read::Noise),
            (b"\xff\x00noise", Read::Noise),
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(read(&path).unwrap(), expected, "{bytes:?}");
        }
    }
}
