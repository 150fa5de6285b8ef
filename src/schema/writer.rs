//! Writes Kafka's primitive types. What comes out is a list of parts: bytes, and ranges of files that are sent as they lie.

use crate::file_range::FileRange;
use crate::types::Uuid;
use bytes::BufMut;
use bytes::Bytes;
use bytes::BytesMut;

/// Below this a copy costs less than a part of its own.
const COPY_BELOW: usize = 4096;

/// Record batches inside a message.
#[derive(Clone, Debug)]
pub enum Records {
    Bytes(Bytes),
    /// Regions of log segments, in order; only in answers.
    Files(Vec<FileRange>),
}

impl Default for Records {
    fn default() -> Records {
        Records::Bytes(Bytes::new())
    }
}

impl Records {
    pub fn len(&self) -> usize {
        match self {
            Records::Bytes(bytes) => bytes.len(),
            Records::Files(ranges) => ranges.iter().map(|range| range.length as usize).sum(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Ranges of files are compared by their length: two answers are never told apart by where the bytes lie.
impl PartialEq for Records {
    fn eq(&self, other: &Records) -> bool {
        match (self, other) {
            (Records::Bytes(one), Records::Bytes(two)) => one == two,
            _ => self.len() == other.len(),
        }
    }
}

#[derive(Debug)]
pub enum Part {
    /// Written here.
    Own(BytesMut),
    /// Handed in, and sent without a copy.
    Shared(Bytes),
    File(FileRange),
}

#[derive(Default)]
pub struct Writer {
    parts: Vec<Part>,
    tail: BytesMut,
    length: usize,
    /// Whether the first four bytes are kept for the length of all that follows.
    framed: bool,
}

macro_rules! integers {
    ($($name:ident)*) => {
        $(pub fn $name(&mut self, value: $name) {
            self.tail.put_slice(&value.to_be_bytes());
        })*
    };
}

impl Writer {
    pub fn with_capacity(bytes: usize) -> Writer {
        Writer {
            tail: BytesMut::with_capacity(bytes),
            ..Writer::default()
        }
    }

    /// A frame: four bytes that say how many follow, filled in by `into_parts`.
    pub fn frame(bytes: usize) -> Writer {
        let mut writer = Writer::with_capacity(bytes + 4);
        writer.i32(0);
        writer.framed = true;
        writer
    }

    /// How many bytes will go out.
    pub fn len(&self) -> usize {
        self.length + self.tail.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn into_parts(mut self) -> Vec<Part> {
        self.seal();
        if self.framed {
            let follows = (self.length - 4) as u32;
            if let Some(Part::Own(first)) = self.parts.first_mut() {
                first[..4].copy_from_slice(&follows.to_be_bytes());
            }
        }
        self.parts
    }

    /// The message as one piece; for messages that hold no ranges of files.
    pub fn into_bytes(mut self) -> Bytes {
        if self.parts.is_empty() {
            return self.tail.freeze();
        }
        self.seal();
        let mut all = BytesMut::with_capacity(self.length);
        for part in &self.parts {
            match part {
                Part::Own(bytes) => all.put_slice(bytes),
                Part::Shared(bytes) => all.put_slice(bytes),
                Part::File(_) => {}
            }
        }
        all.freeze()
    }

    integers! { i8 i16 i32 i64 u16 u32 f64 }

    pub fn bool(&mut self, value: bool) {
        self.i8(value.into());
    }

    pub fn uuid(&mut self, value: Uuid) {
        self.tail.put_slice(&value.0);
    }

    pub fn uvarint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.tail.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.tail.put_u8(value as u8);
    }

    pub fn string(&mut self, flexible: bool, value: &str) {
        self.text_length(flexible, value.len());
        self.tail.put_slice(value.as_bytes());
    }

    pub fn null_string(&mut self, flexible: bool) {
        if flexible { self.uvarint(0) } else { self.i16(-1) }
    }

    /// An empty string, where null has no place in this version.
    pub fn empty_string(&mut self, flexible: bool) {
        self.text_length(flexible, 0);
    }

    pub fn bytes(&mut self, flexible: bool, value: &Bytes) {
        self.length(flexible, value.len());
        self.append(value);
    }

    pub fn null_bytes(&mut self, flexible: bool) {
        self.null_array(flexible);
    }

    pub fn records(&mut self, flexible: bool, value: &Records) {
        self.length(flexible, value.len());
        match value {
            Records::Bytes(bytes) => self.append(bytes),
            Records::Files(ranges) => {
                self.seal();
                for range in ranges.iter().filter(|range| range.length > 0) {
                    self.length += range.length as usize;
                    self.parts.push(Part::File(range.clone()));
                }
            }
        }
    }

    pub fn null_records(&mut self, flexible: bool) {
        self.null_array(flexible);
    }

    pub fn array<T>(&mut self, flexible: bool, values: &[T], element: impl Fn(&mut Writer, &T)) {
        self.length(flexible, values.len());
        for value in values {
            element(self, value);
        }
    }

    pub fn null_array(&mut self, flexible: bool) {
        if flexible { self.uvarint(0) } else { self.i32(-1) }
    }

    pub fn empty_array(&mut self, flexible: bool) {
        self.length(flexible, 0);
    }

    pub fn no_tags(&mut self) {
        self.tail.put_u8(0);
    }

    /// Bytes as they are, without a length before them.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.tail.put_slice(bytes);
    }

    fn length(&mut self, flexible: bool, length: usize) {
        if flexible {
            self.uvarint(length as u32 + 1)
        } else {
            self.i32(length as i32)
        }
    }

    fn text_length(&mut self, flexible: bool, length: usize) {
        if flexible {
            self.uvarint(length as u32 + 1)
        } else {
            self.i16(length as i16)
        }
    }

    fn append(&mut self, bytes: &Bytes) {
        if bytes.len() < COPY_BELOW {
            return self.tail.put_slice(bytes);
        }
        self.seal();
        self.length += bytes.len();
        self.parts.push(Part::Shared(bytes.clone()));
    }

    fn seal(&mut self) {
        if !self.tail.is_empty() {
            self.length += self.tail.len();
            self.parts.push(Part::Own(self.tail.split()));
        }
    }
}

/// The tagged fields of one structure: those that differ from their defaults, in the order of their numbers.
#[derive(Default)]
pub struct Tags {
    count: u32,
    body: Writer,
}

impl Tags {
    pub fn add(&mut self, tag: u32, value: impl FnOnce(&mut Writer)) {
        let mut field = Writer::default();
        value(&mut field);
        let field = field.into_bytes();
        self.count += 1;
        self.body.uvarint(tag);
        self.body.uvarint(field.len() as u32);
        self.body.raw(&field);
    }

    pub fn write(self, writer: &mut Writer) {
        writer.uvarint(self.count);
        writer.raw(&self.body.into_bytes());
    }
}
