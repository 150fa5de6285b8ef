//! A record batch as a view over bytes, and the walk over the batches in a buffer.

use crate::record::compress;
use crate::record::compress::Codec;
use crate::record::header::BatchHeader;
use crate::record::header::HEADER_SIZE;
use crate::record::reader::Record;
use crate::record::reader::RecordFault;
use crate::record::reader::read_record;
use std::borrow::Cow;

/// One whole batch: its header, and its records as they came.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    pub header: BatchHeader,
    pub body: &'a [u8],
}

impl<'a> Batch<'a> {
    /// The batch at the front of `bytes`; `None` if it is not there in whole. Neither magic nor checksum is looked at.
    pub fn parse(bytes: &'a [u8]) -> Option<Batch<'a>> {
        let header = BatchHeader::parse(bytes)?;
        let body = bytes.get(HEADER_SIZE..header.size()?)?;
        Some(Batch { header, body })
    }

    pub fn is_intact(&self) -> bool {
        crc32c::crc32c_append(self.header.crc_of_fields(), self.body) == self.header.crc
    }

    /// Bytes of header and records.
    pub fn size(&self) -> usize {
        HEADER_SIZE + self.body.len()
    }

    /// The records as plain bytes; at most `limit` of them.
    pub fn plain_body(&self, limit: usize) -> Result<Cow<'a, [u8]>, RecordFault> {
        match self.header.codec() {
            Some(Codec::None) => Ok(Cow::Borrowed(self.body)),
            Some(codec) => {
                let plain = compress::decompress(codec, self.body, limit);
                plain.map(Cow::Owned).map_err(|_| RecordFault::Decompression)
            }
            None => Err(RecordFault::Decompression),
        }
    }

    /// Hands every record to `visit` until that returns `false`; decompresses at most `limit` bytes.
    pub fn for_each_record(&self, limit: usize, mut visit: impl FnMut(Record<'_>) -> bool) -> Result<(), RecordFault> {
        let plain = self.plain_body(limit)?;
        let mut rest: &[u8] = &plain;
        for _ in 0..self.header.count {
            if rest.is_empty() {
                return Err(RecordFault::TooFew);
            }
            let record = read_record(&mut rest, self.header.base_offset, self.header.base_timestamp);
            let mut record = record.ok_or(RecordFault::Malformed)?;
            if self.header.is_log_append_time() {
                record.timestamp = self.header.max_timestamp;
            }
            if !visit(record) {
                return Ok(());
            }
        }
        if rest.is_empty() {
            Ok(())
        } else {
            Err(RecordFault::TooMany)
        }
    }
}

/// The whole batches at the front of `bytes`. It ends where no whole batch follows; `rest` tells what is left.
pub fn batches(bytes: &[u8]) -> Batches<'_> {
    Batches { rest: bytes }
}

pub struct Batches<'a> {
    rest: &'a [u8],
}

impl<'a> Batches<'a> {
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Batches<'a> {
    type Item = Batch<'a>;

    fn next(&mut self) -> Option<Batch<'a>> {
        let batch = Batch::parse(self.rest)?;
        self.rest = &self.rest[batch.size()..];
        Some(batch)
    }
}
