//! Walks the batches in a `.log` file by their headers, with or without checking their contents.

use crate::record::header::BatchHeader;
use crate::record::header::CRC_START;
use crate::record::header::HEADER_SIZE;
use crate::record::header::MAGIC;
use crate::record::header::MAGIC_AT;
use crate::storage::positioned::read_at_most;
use crate::types::Offset;
use std::fs::File;
use std::io;

/// Enough for the batches between two index entries when they are small.
pub const SMALL_WINDOW: usize = 8 * 1024;
/// For reading a whole file.
pub const LARGE_WINDOW: usize = 2 * 1024 * 1024;

/// What stands at the position of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scanned {
    Batch {
        position: u64,
        header: BatchHeader,
    },
    /// No batch can begin here: noise, zeros, a batch that reaches behind the end, or an offset that goes back.
    Broken {
        position: u64,
    },
    End,
}

/// Reads forward through a window; memory does not depend on what the headers say.
pub struct Scan<'a> {
    file: &'a File,
    /// Offsets from here on do not fit the indexes of the segment.
    beyond: Offset,
    position: u64,
    end: u64,
    next_offset: Offset,
    window: Vec<u8>,
    window_at: u64,
    filled: usize,
}

impl<'a> Scan<'a> {
    /// Walks from `position` to `end`; batches must begin at `next_offset` or later and ascend.
    pub fn new(file: &'a File, position: u64, end: u64, next_offset: Offset, window: usize) -> Scan<'a> {
        let window = (window as u64)
            .min(end.saturating_sub(position))
            .max(HEADER_SIZE as u64) as usize;
        let beyond = next_offset.saturating_add(i64::from(i32::MAX));
        Scan {
            file,
            beyond,
            position,
            end,
            next_offset,
            window: vec![0; window],
            window_at: 0,
            filled: 0,
        }
    }

    pub fn position(&self) -> u64 {
        self.position
    }

    pub fn next_offset(&self) -> Offset {
        self.next_offset
    }

    /// The next batch. The walk stands behind it afterwards, and stays where it is at anything else.
    pub fn advance(&mut self) -> io::Result<Scanned> {
        let position = self.position;
        if position >= self.end {
            return Ok(Scanned::End);
        }
        if self.end - position < HEADER_SIZE as u64 || !self.have(position, HEADER_SIZE)? {
            return Ok(Scanned::Broken { position });
        }
        let header = BatchHeader::parse(self.slice(position, HEADER_SIZE));
        let fits = |header: &BatchHeader| header.size().is_some_and(|size| position + size as u64 <= self.end);
        match header.filter(|header| self.may_be(header) && fits(header)) {
            Some(header) => {
                self.position += header.size().unwrap_or(HEADER_SIZE) as u64;
                self.next_offset = header.next_offset();
                Ok(Scanned::Batch { position, header })
            }
            None => Ok(Scanned::Broken { position }),
        }
    }

    /// Compares the checksum of a batch that `advance` has given with its contents.
    pub fn is_intact(&mut self, position: u64, header: &BatchHeader) -> io::Result<bool> {
        let Some(size) = header.size() else { return Ok(false) };
        if size <= self.window.len() {
            let whole = self.have(position, size)?;
            return Ok(whole && crc32c::crc32c(&self.slice(position, size)[CRC_START..]) == header.crc);
        }
        let (mut at, end, mut crc) = (position + CRC_START as u64, position + size as u64, 0);
        while at < end {
            let step = (end - at).min(self.window.len() as u64) as usize;
            if !self.have(at, step)? {
                return Ok(false);
            }
            crc = crc32c::crc32c_append(crc, self.slice(at, step));
            at += step as u64;
        }
        Ok(crc == header.crc)
    }

    /// After damage: goes to the next position that holds an intact batch; `false` if there is none.
    pub fn resynchronize(&mut self) -> io::Result<bool> {
        let mut at = self.position;
        while at + HEADER_SIZE as u64 <= self.end && self.have(at, HEADER_SIZE)? {
            // The rarest thing first: few bytes of noise are a 2 where the magic belongs.
            let ahead = &self.window[(at - self.window_at) as usize + MAGIC_AT..self.filled];
            let Some(skipped) = ahead.iter().position(|byte| *byte == MAGIC as u8) else {
                at += ahead.len() as u64;
                continue;
            };
            at += skipped as u64;
            if at + HEADER_SIZE as u64 > self.end || !self.have(at, HEADER_SIZE)? {
                break;
            }
            let header = BatchHeader::parse(self.slice(at, HEADER_SIZE));
            let candidate = header.filter(|header| {
                let size = header.size().unwrap_or(0) as u64;
                self.may_be(header) && at + size <= self.end
            });
            if let Some(header) = candidate
                && self.is_intact(at, &header)?
            {
                self.position = at;
                return Ok(true);
            }
            at += 1;
        }
        Ok(false)
    }

    /// The header at the position of the walk, whatever its offsets.
    pub fn peek(&mut self) -> io::Result<Option<BatchHeader>> {
        let there =
            self.end.saturating_sub(self.position) >= HEADER_SIZE as u64 && self.have(self.position, HEADER_SIZE)?;
        Ok(if there {
            BatchHeader::parse(self.slice(self.position, HEADER_SIZE))
        } else {
            None
        })
    }

    /// The whole of a batch that `advance` has given; `None` if its checksum is wrong. One that is larger than the
    /// window makes that grow, once its checksum has told that it is no noise.
    pub fn intact_batch(&mut self, position: u64, header: &BatchHeader) -> io::Result<Option<&[u8]>> {
        let Some(size) = header.size() else { return Ok(None) };
        if !self.is_intact(position, header)? {
            return Ok(None);
        }
        if size > self.window.len() {
            self.window.resize(size, 0);
        }
        let whole = self.have(position, size)?;
        Ok(whole.then(|| self.slice(position, size)))
    }

    /// Goes on at a position that is known to be good, behind damage.
    pub fn skip_to(&mut self, position: u64, next_offset: Offset) {
        self.position = position;
        self.next_offset = next_offset;
    }

    fn may_be(&self, header: &BatchHeader) -> bool {
        header.is_plausible(self.next_offset) && header.last_offset() <= self.beyond
    }

    fn slice(&self, position: u64, length: usize) -> &[u8] {
        let start = (position - self.window_at) as usize;
        &self.window[start..start + length]
    }

    /// Makes sure that the window holds these bytes; `false` if the file is too short.
    fn have(&mut self, position: u64, length: usize) -> io::Result<bool> {
        let inside = |at: u64, filled: usize| at <= position && position + length as u64 <= at + filled as u64;
        if !inside(self.window_at, self.filled) {
            let room = (self.end.saturating_sub(position)).min(self.window.len() as u64) as usize;
            self.filled = read_at_most(self.file, &mut self.window[..room], position)?;
            self.window_at = position;
        }
        Ok(inside(self.window_at, self.filled))
    }
}
