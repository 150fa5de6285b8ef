//! Batches to produce, and a whole partition as a client reads it.

use crate::support::client::Client;
use bytes::Bytes;
use ottla::record::batch::batches;
use ottla::record::build::BatchBuilder;
use ottla::record::build::BatchSpec;
use ottla::record::compress::Codec;
use ottla::record::compress::Compression;
use ottla::record::header::CRC_START;
use ottla::record::header::HEADER_SIZE;
use ottla::record::reader::read_record;
use ottla::schema::writer::Records;
use std::io;

/// Of every first record; the others follow a millisecond apart.
pub const FIRST_TIMESTAMP: i64 = 1_700_000_000_000;

/// A batch whose records all begin with `name`, `size` bytes each.
pub fn batch(name: &str, records: usize, size: usize, spec: BatchSpec) -> Bytes {
    let mut builder = BatchBuilder::new(spec);
    for index in 0..records {
        let mut value = format!("{name}/{index}/").into_bytes();
        value.resize(size.max(value.len()), b'.');
        let time = FIRST_TIMESTAMP + index as i64;
        builder.push(time, Some(name.as_bytes()), Some(&value), &[]);
    }
    builder.finish(Compression::of(Codec::None))
}

/// As a producer numbers them.
pub fn numbered((producer_id, producer_epoch): (i64, i16), base_sequence: i32) -> BatchSpec {
    BatchSpec {
        producer_id,
        producer_epoch,
        base_sequence,
        ..BatchSpec::default()
    }
}

/// A batch in a log: where it stands, and all that a broker must not change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub base_offset: i64,
    pub next_offset: i64,
    pub content: Bytes,
}

/// Of a batch, what its checksum covers.
pub fn content(batch: &Bytes) -> Bytes {
    batch.slice(CRC_START..)
}

/// Offset, key and value.
pub type Record = (i64, Vec<u8>, Option<Vec<u8>>);

/// The records of a batch that is not compressed.
pub fn records_of(base_offset: i64, content: &[u8]) -> Vec<Record> {
    let (fields, mut body) = content.split_at(HEADER_SIZE - CRC_START);
    let mut found = Vec::new();
    while let Some(record) = read_record(&mut body, base_offset, 0) {
        let key = record.key.unwrap_or_default().to_vec();
        found.push((record.offset, key, record.value.map(<[u8]>::to_vec)));
    }
    assert_eq!(
        fields.last().map(|count| usize::from(*count)),
        Some(found.len()),
        "not as many as it says"
    );
    found
}

/// A partition from its first offset to its end.
#[derive(Debug)]
pub struct Read {
    pub start: i64,
    pub end: i64,
    pub batches: Vec<Stored>,
}

/// Reads a partition to its end; an error code of the broker is an error here, too.
pub fn read_all(client: &mut Client, topic: &str, partition: i32) -> io::Result<Read> {
    let offset = |(code, offset): (i16, i64)| match code {
        0 => Ok(offset),
        _ => Err(io::Error::other(format!(
            "ListOffsets {topic}-{partition}: error {code}"
        ))),
    };
    let start = offset(client.offset_for(topic, partition, -2)?)?;
    let end = offset(client.offset_for(topic, partition, -1)?)?;
    let (mut at, mut found) = (start, Vec::new());
    while at < end {
        let data = client.fetch(topic, partition, at)?;
        if data.error_code != 0 {
            let code = data.error_code;
            return Err(io::Error::other(format!(
                "Fetch {topic}-{partition} at {at}: error {code}"
            )));
        }
        let Some(Records::Bytes(bytes)) = data.records else {
            return Err(io::Error::other("a Fetch without records"));
        };
        let mut position = 0;
        let before = at;
        for batch in batches(&bytes) {
            let stored = Stored {
                base_offset: batch.header.base_offset,
                next_offset: batch.header.next_offset(),
                content: bytes.slice(position + CRC_START..position + batch.size()),
            };
            position += batch.size();
            if !batch.is_intact() {
                return Err(io::Error::other(format!(
                    "{topic}-{partition}: a wrong checksum at {at}"
                )));
            }
            at = stored.next_offset;
            found.push(stored);
        }
        if at == before {
            return Err(io::Error::other(format!(
                "{topic}-{partition}: nothing at {at}, the end is {end}"
            )));
        }
    }
    Ok(Read {
        start,
        end,
        batches: found,
    })
}
