//! Zigzag variable-length integers, and the two ways records are read: from memory and from a decompressor.

use std::io;
use std::io::BufRead;

/// Where the bytes of records come from. `None` from any method means that the source ended or broke.
pub trait Source {
    fn byte(&mut self) -> Option<u8>;
    fn skip(&mut self, count: usize) -> Option<()>;
    /// Grows by one with each byte taken; only differences mean anything.
    fn taken(&self) -> u64;

    fn varlong(&mut self) -> Option<i64> {
        let mut value: u64 = 0;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Some((value >> 1) as i64 ^ -((value & 1) as i64));
            }
        }
        None
    }

    fn varint(&mut self) -> Option<i32> {
        let mut value: u32 = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.byte()?;
            value |= u32::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
            if byte & 0x80 == 0 {
                return Some((value >> 1) as i32 ^ -((value & 1) as i32));
            }
        }
        None
    }
}

impl Source for &[u8] {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.split_first()?;
        *self = rest;
        Some(*first)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        *self = self.get(count..)?;
        Some(())
    }

    fn taken(&self) -> u64 {
        (self.len() as u64).wrapping_neg()
    }
}

/// Records that come out of a decompressor a window at a time, so that memory does not grow with the batch.
pub struct Stream<R> {
    input: R,
    taken: u64,
    /// Set by the decompressor's own complaint; the end of the input is none.
    pub failure: Option<io::Error>,
}

impl<R: BufRead> Stream<R> {
    pub fn new(input: R) -> Stream<R> {
        Stream {
            input,
            taken: 0,
            failure: None,
        }
    }

    fn window(&mut self) -> Option<&[u8]> {
        // Asked twice because the borrow of a failed read must not outlive it.
        if let Err(error) = self.input.fill_buf() {
            self.failure = Some(error);
            return None;
        }
        self.input.fill_buf().ok().filter(|window| !window.is_empty())
    }
}

impl<R: BufRead> Source for Stream<R> {
    fn taken(&self) -> u64 {
        self.taken
    }

    fn byte(&mut self) -> Option<u8> {
        let byte = *self.window()?.first()?;
        self.input.consume(1);
        self.taken += 1;
        Some(byte)
    }

    fn skip(&mut self, mut count: usize) -> Option<()> {
        while count > 0 {
            let step = self.window()?.len().min(count);
            self.input.consume(step);
            self.taken += step as u64;
            count -= step;
        }
        Some(())
    }
}

pub fn put_varlong(out: &mut Vec<u8>, value: i64) {
    let mut rest = ((value << 1) ^ (value >> 63)) as u64;
    while rest >= 0x80 {
        out.push((rest as u8 & 0x7f) | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

pub fn put_varint(out: &mut Vec<u8>, value: i32) {
    put_varlong(out, i64::from(value));
}

pub fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            put_varint(out, bytes.len() as i32);
            out.extend_from_slice(bytes);
        }
        None => put_varint(out, -1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_length_integers_read_back() {
        for value in [
            0,
            1,
            -1,
            63,
            -64,
            64,
            1 << 20,
            i64::from(i32::MAX),
            i64::from(i32::MIN),
            i64::MAX,
            i64::MIN,
        ] {
            let mut bytes = Vec::new();
            put_varlong(&mut bytes, value);
            assert_eq!((&bytes[..]).varlong(), Some(value));
            if let Ok(small) = i32::try_from(value) {
                assert_eq!((&bytes[..]).varint(), Some(small));
            }
        }
    }

    #[test]
    fn an_integer_that_never_ends_is_none() {
        assert_eq!((&[0xff; 11][..]).varlong(), None);
        assert_eq!((&[0xff; 6][..]).varint(), None);
        assert_eq!((&[0x80][..]).varint(), None);
    }
}
