//! Records inside a batch: read whole (consumers of the log inside the broker) or skimmed (validation).

use crate::record::varint::Source;
use crate::record::varint::put_nullable;
use crate::record::varint::put_varint;
use crate::record::varint::put_varlong;
use crate::types::Offset;
use crate::types::Timestamp;
use std::fmt;

/// Why the inside of a batch cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordFault {
    /// The bytes do not form records.
    Malformed,
    /// Fewer records than the header counts.
    TooFew,
    /// Bytes behind the last record.
    TooMany,
    /// The codec refuses the bytes, or they exceed the limit.
    Decompression,
}

impl fmt::Display for RecordFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RecordFault::Malformed => "Found invalid record structure",
            RecordFault::TooFew => "Incorrect declared batch size, premature EOF reached",
            RecordFault::TooMany => "Incorrect declared batch size, records still remaining in file",
            RecordFault::Decompression => "Failed to decompress record stream",
        })
    }
}

/// One record, borrowed from the batch or from its decompressed form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    pub attributes: i8,
    pub offset: Offset,
    pub timestamp: Timestamp,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    /// How many headers follow; `headers` walks them.
    pub header_count: u32,
    header_bytes: &'a [u8],
}

impl<'a> Record<'a> {
    /// Key and value of each header, in order.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        let mut rest = self.header_bytes;
        (0..self.header_count).map_while(move |_| Some((nullable(&mut rest)??, nullable(&mut rest)?)))
    }
}

impl Record<'_> {
    /// Appends the record as it stands in a batch with this base; `scratch` is memory to work in.
    pub fn write_to(&self, base: (Offset, Timestamp), scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
        scratch.clear();
        scratch.push(0);
        put_varlong(scratch, self.timestamp.wrapping_sub(base.1));
        put_varint(scratch, self.offset.wrapping_sub(base.0) as i32);
        put_nullable(scratch, self.key);
        put_nullable(scratch, self.value);
        put_varint(scratch, self.header_count as i32);
        scratch.extend_from_slice(self.header_bytes);
        put_varint(out, scratch.len() as i32);
        out.extend_from_slice(scratch);
    }
}

/// What validation wants to know of a record; keys and values are skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skimmed {
    pub attributes: i8,
    pub timestamp_delta: i64,
    pub offset_delta: i32,
    pub key_size: i32,
    pub value_size: i32,
}

/// Reads over one record. It must be exactly as long as it says: whoever consumes it goes by that.
pub fn skim(source: &mut impl Source) -> Option<Skimmed> {
    let length = u64::try_from(source.varint()?).ok()?;
    let start = source.taken();
    let attributes = source.byte()? as i8;
    let timestamp_delta = source.varlong()?;
    let offset_delta = source.varint()?;
    let key_size = skip_nullable(source)?;
    let value_size = skip_nullable(source)?;
    let headers = source.varint()?;
    if headers < 0 {
        return None;
    }
    for _ in 0..headers {
        let key = source.varint()?;
        source.skip(usize::try_from(key).ok()?)?;
        skip_nullable(source)?;
    }
    let whole = source.taken().wrapping_sub(start) == length;
    whole.then_some(Skimmed {
        attributes,
        timestamp_delta,
        offset_delta,
        key_size,
        value_size,
    })
}

/// Takes one whole record from the front of `bytes`.
pub fn read_record<'a>(bytes: &mut &'a [u8], base_offset: Offset, base_timestamp: Timestamp) -> Option<Record<'a>> {
    let length = usize::try_from(bytes.varint()?).ok()?;
    let (mut body, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    let attributes = body.byte()? as i8;
    let timestamp = base_timestamp.wrapping_add(body.varlong()?);
    let offset = base_offset.wrapping_add(i64::from(body.varint()?));
    let key = nullable(&mut body)?;
    let value = nullable(&mut body)?;
    let header_count = u32::try_from(body.varint()?).ok()?;
    let header_bytes = body;
    for _ in 0..header_count {
        nullable(&mut body)??;
        nullable(&mut body)?;
    }
    body.is_empty().then_some(Record {
        attributes,
        offset,
        timestamp,
        key,
        value,
        header_count,
        header_bytes,
    })
}

fn nullable<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let length = bytes.varint()?;
    if length < 0 {
        return Some(None);
    }
    let (taken, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(Some(taken))
}

fn skip_nullable(source: &mut impl Source) -> Option<i32> {
    let length = source.varint()?;
    if let Ok(length) = usize::try_from(length) {
        source.skip(length)?;
    }
    Some(length)
}
