//! `partition.metadata`: the id of the topic that a folder belongs to. 43 bytes, no newline at the end.

use crate::storage::crash_point;
use crate::storage::crash_point::half;
use crate::storage::replace::read_small;
use crate::types::Uuid;
use std::io;
use std::path::Path;

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Read {
    TopicId(Uuid),
    Missing,
    Noise,
}

pub fn encode(topic_id: Uuid) -> String {
    format!("version: 0\ntopic_id: {topic_id}")
}

pub fn read(path: &Path) -> io::Result<Read> {
    let bytes = match read_small(path, 1024) {
        Ok(None) => return Ok(Read::Missing),
        Ok(Some(bytes)) => bytes,
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(Read::Noise),
        Err(error) => return Err(error),
    };
    Ok(decode(&bytes).map_or(Read::Noise, Read::TopicId))
}

/// Not replaced atomically: half a file reads as noise and is written anew from the cluster's metadata.
pub fn write(path: &Path, topic_id: Uuid) -> io::Result<()> {
    let text = encode(topic_id);
    crash_point::reached_before_writing(|| std::fs::write(path, half(text.as_ref())));
    std::fs::write(path, text)
}

fn decode(bytes: &[u8]) -> Option<Uuid> {
    let mut lines = std::str::from_utf8(bytes).ok()?.lines();
    let version = lines.next()?.strip_prefix("version:")?.trim();
    let topic_id = lines.next()?.strip_prefix("topic_id:")?.trim();
    (version == "0").then(|| Uuid::parse(topic_id)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::replace::TestFolder;

    #[test]
    fn the_file_has_kafkas_bytes_and_reads_back() {
        let folder = TestFolder::make();
        let path = folder.path().join("partition.metadata");
        assert_eq!(read(&path).unwrap(), Read::Missing);
        write(&path, Uuid::ONE).unwrap();
        assert_eq!(
            std::fs::read(&path).unwrap(),
            b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ"
        );
        assert_eq!(read(&path).unwrap(), Read::TopicId(Uuid::ONE));
        for noise in [
            &b""[..],
            b"version: 1\ntopic_id: AAAAAAAAAAAAAAAAAAAAAQ",
            b"version: 0\ntopic_id: x",
            b"\xff",
        ] {
            std::fs::write(&path, noise).unwrap();
            assert_eq!(read(&path).unwrap(), Read::Noise, "{noise:?}");
        }
    }
}
