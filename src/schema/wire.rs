//! Reads Kafka's primitive types from a frame, within a budget.
//!
//! No count read from the wire decides an allocation: before a vector is made, its elements must fit into the bytes
//! that remain (each takes at least one) and their size in memory is charged to the frame's budget. Strings and bytes
//! are slices of the frame. Unknown tagged fields are skipped, not kept.

use crate::schema::writer::Records;
use crate::types::Uuid;
use bytes::Bytes;
use compact_str::CompactString;
use std::fmt;
use std::mem::size_of;

/// What decoding a frame may take beside the frame itself: eight times its size and a fixed mebibyte.
const BUDGET_PER_BYTE: usize = 8;
const BUDGET_FIXED: usize = 1 << 20;

const LONGEST_STRING: usize = i16::MAX as usize;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// The frame ends inside a field.
    Truncated,
    /// A length or count that is negative, or null where null is not allowed.
    BadLength,
    NotUtf8,
    /// A varint of more bytes than its type has room for.
    BadVarint,
    /// A tagged field that is longer or shorter than it says.
    BadTag,
    /// Decoding would take more memory than a frame of this size may ask for.
    OverBudget,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DecodeError::Truncated => "the frame ends inside a field",
            DecodeError::BadLength => "a length or count is out of range",
            DecodeError::NotUtf8 => "a string is not UTF-8",
            DecodeError::BadVarint => "a variable-length integer is too long",
            DecodeError::BadTag => "a tagged field does not have the size it claims",
            DecodeError::OverBudget => "decoding asks for more memory than a frame of this size may",
        })
    }
}

impl std::error::Error for DecodeError {}

type Result<T> = std::result::Result<T, DecodeError>;

pub struct Reader {
    frame: Bytes,
    at: usize,
    budget: usize,
}

macro_rules! integers {
    ($($name:ident)*) => {
        $(pub fn $name(&mut self) -> Result<$name> {
            Ok($name::from_be_bytes(self.fixed()?))
        })*
    };
}

impl Reader {
    pub fn new(frame: Bytes) -> Reader {
        let budget = frame.len().saturating_mul(BUDGET_PER_BYTE).saturating_add(BUDGET_FIXED);
        Reader { frame, at: 0, budget }
    }

    pub fn remaining(&self) -> usize {
        self.frame.len() - self.at
    }

    /// All that has not been read yet.
    pub fn rest(&self) -> Bytes {
        self.frame.slice(self.at..)
    }

    integers! { i8 i16 i32 i64 u16 u32 f64 }

    pub fn bool(&mut self) -> Result<bool> {
        Ok(self.i8()? != 0)
    }

    pub fn uuid(&mut self) -> Result<Uuid> {
        Ok(Uuid(self.fixed()?))
    }

    /// An unsigned varint of at most 32 bits.
    pub fn uvarint(&mut self) -> Result<u32> {
        let mut value: u32 = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.fixed()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::BadVarint)
    }

    pub fn string(&mut self, flexible: bool) -> Result<CompactString> {
        self.nullable_string(flexible)?.ok_or(DecodeError::BadLength)
    }

    pub fn nullable_string(&mut self, flexible: bool) -> Result<Option<CompactString>> {
        let length = if flexible {
            self.compact_length()?
        } else {
            length(self.i16()?.into())?
        };
        let Some(length) = length else { return Ok(None) };
        // Whatever the form of its length could say: elsewhere a string is written with two bytes for it.
        if length > LONGEST_STRING {
            return Err(DecodeError::BadLength);
        }
        let bytes = self.take(length)?;
        self.charge(length)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| DecodeError::NotUtf8)?;
        Ok(Some(CompactString::from(text)))
    }

    pub fn bytes(&mut self, flexible: bool) -> Result<Bytes> {
        self.nullable_bytes(flexible)?.ok_or(DecodeError::BadLength)
    }

    pub fn nullable_bytes(&mut self, flexible: bool) -> Result<Option<Bytes>> {
        let length = if flexible {
            self.compact_length()?
        } else {
            length(self.i32()?)?
        };
        length.map(|length| self.take(length)).transpose()
    }

    pub fn records(&mut self, flexible: bool) -> Result<Records> {
        Ok(Records::Bytes(self.bytes(flexible)?))
    }

    pub fn nullable_records(&mut self, flexible: bool) -> Result<Option<Records>> {
        Ok(self.nullable_bytes(flexible)?.map(Records::Bytes))
    }

    pub fn array<T>(&mut self, flexible: bool, element: impl Fn(&mut Reader) -> Result<T>) -> Result<Vec<T>> {
        self.nullable_array(flexible, element)?.ok_or(DecodeError::BadLength)
    }

    pub fn nullable_array<T>(
        &mut self,
        flexible: bool,
        element: impl Fn(&mut Reader) -> Result<T>,
    ) -> Result<Option<Vec<T>>> {
        let count = if flexible {
            self.compact_length()?
        } else {
            length(self.i32()?)?
        };
        let Some(count) = count else { return Ok(None) };
        if count > self.remaining() {
            return Err(DecodeError::Truncated);
        }
        self.charge(count.saturating_mul(size_of::<T>()))?;
        let mut elements = Vec::with_capacity(count);
        for _ in 0..count {
            elements.push(element(self)?);
        }
        Ok(Some(elements))
    }

    /// How many tagged fields follow; each takes two bytes at least.
    pub fn tag_count(&mut self) -> Result<u32> {
        let count = self.uvarint()?;
        if count as usize > self.remaining() / 2 {
            return Err(DecodeError::Truncated);
        }
        Ok(count)
    }

    /// The number of a tagged field, and where it ends.
    pub fn tag(&mut self) -> Result<(u32, usize)> {
        let tag = self.uvarint()?;
        let size = self.uvarint()? as usize;
        if size > self.remaining() {
            return Err(DecodeError::Truncated);
        }
        Ok((tag, self.at + size))
    }

    pub fn skip_to(&mut self, end: usize) -> Result<()> {
        if end < self.at || end > self.frame.len() {
            return Err(DecodeError::BadTag);
        }
        self.at = end;
        Ok(())
    }

    pub fn end_tag(&mut self, end: usize) -> Result<()> {
        if self.at == end {
            Ok(())
        } else {
            Err(DecodeError::BadTag)
        }
    }

    fn compact_length(&mut self) -> Result<Option<usize>> {
        match self.uvarint()? {
            0 => Ok(None),
            more => length(i32::try_from(more - 1).map_err(|_| DecodeError::BadLength)?),
        }
    }

    fn take(&mut self, length: usize) -> Result<Bytes> {
        if length > self.remaining() {
            return Err(DecodeError::Truncated);
        }
        let taken = self.frame.slice(self.at..self.at + length);
        self.at += length;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N]> {
        let found = self.frame.get(self.at..).and_then(|rest| rest.first_chunk::<N>());
        let bytes = *found.ok_or(DecodeError::Truncated)?;
        self.at += N;
        Ok(bytes)
    }

    fn charge(&mut self, bytes: usize) -> Result<()> {
        self.budget = self.budget.checked_sub(bytes).ok_or(DecodeError::OverBudget)?;
        Ok(())
    }
}

/// -1 is null, anything below it is nonsense.
fn length(value: i32) -> Result<Option<usize>> {
    match value {
        -1 => Ok(None),
        other => usize::try_from(other).map(Some).map_err(|_| DecodeError::BadLength),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_beyond_the_frame_is_refused_before_anything_is_allocated() {
        let mut reader = Reader::new(Bytes::from_static(&[0x7f, 0xff, 0xff, 0xff, 1, 2, 3]));
        assert_eq!(reader.array(false, |reader| reader.i64()), Err(DecodeError::Truncated));
    }

    #[test]
    fn many_small_elements_that_are_large_in_memory_are_refused() {
        const COUNT: usize = 4 << 20;
        let mut frame = (COUNT as i32).to_be_bytes().to_vec();
        frame.resize(4 + COUNT, 0);
        let mut reader = Reader::new(Bytes::from(frame));
        let decoded = reader.array(false, |reader| Ok([i64::from(reader.i8()?); 16]));
        assert_eq!(decoded, Err(DecodeError::OverBudget));
    }

    #[test]
    fn bad_lengths_tell_what_is_wrong() {
        for (case, bytes, expected) in [
            ("negative", &[0xff, 0xfe][..], DecodeError::BadLength),
            ("null where a text must be", &[0xff, 0xff], DecodeError::BadLength),
            ("longer than the frame", &[0, 9, b'x'], DecodeError::Truncated),
            ("not text", &[0, 1, 0xff], DecodeError::NotUtf8),
        ] {
            let read = Reader::new(Bytes::copy_from_slice(bytes)).string(false);
            assert_eq!(read, Err(expected), "{case}");
        }
    }

    #[test]
    fn a_varint_ends_after_five_bytes() {
        let read = Reader::new(Bytes::from_static(&[0x80; 9])).uvarint();
        assert_eq!(read, Err(DecodeError::BadVarint));
    }
}
