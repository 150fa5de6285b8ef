//! Kafka's four codecs. Decompression is a stream, so that whoever reads decides how much memory it costs.

use std::io;
use std::io::Read;
use std::io::Write;

/// What `compression.type` and the attributes of a batch name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

/// A codec and how hard it should try; `level` means nothing to codecs that know no levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    pub codec: Codec,
    pub level: Option<i32>,
}

impl Compression {
    pub const NONE: Compression = Compression {
        codec: Codec::None,
        level: None,
    };

    pub fn of(codec: Codec) -> Compression {
        Compression { codec, level: None }
    }
}

impl Codec {
    pub fn from_id(id: i16) -> Option<Codec> {
        match id {
            0 => Some(Codec::None),
            1 => Some(Codec::Gzip),
            2 => Some(Codec::Snappy),
            3 => Some(Codec::Lz4),
            4 => Some(Codec::Zstd),
            _ => None,
        }
    }

    pub fn id(self) -> i16 {
        self as i16
    }

    /// Kafka's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Codec::None => "none",
            Codec::Gzip => "gzip",
            Codec::Snappy => "snappy",
            Codec::Lz4 => "lz4",
            Codec::Zstd => "zstd",
        }
    }
}

/// The decompressed form of `bytes`, a window at a time.
pub fn decompressor(codec: Codec, bytes: &[u8]) -> io::Result<Box<dyn Read + '_>> {
    Ok(match codec {
        Codec::None => Box::new(bytes),
        Codec::Gzip => Box::new(flate2::read::MultiGzDecoder::new(bytes)),
        Codec::Snappy => Box::new(SnappyReader::new(bytes)),
        Codec::Lz4 => Box::new(lz4_flex::frame::FrameDecoder::new(bytes)),
        Codec::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(bytes)?),
    })
}

/// Decompresses into memory, but never more than `limit` bytes.
pub fn decompress(codec: Codec, bytes: &[u8], limit: usize) -> io::Result<Vec<u8>> {
    let mut out = Vec::new();
    decompressor(codec, bytes)?
        .take(limit as u64 + 1)
        .read_to_end(&mut out)?;
    if out.len() > limit {
        return Err(io::Error::other("the batch is larger than allowed when decompressed"));
    }
    Ok(out)
}

pub fn compress(how: Compression, bytes: &[u8]) -> io::Result<Vec<u8>> {
    match how.codec {
        Codec::None => Ok(bytes.to_vec()),
        Codec::Gzip => {
            let level = how
                .level
                .and_then(|level| u32::try_from(level).ok())
                .filter(|level| *level <= 9);
            let level = level.map_or_else(flate2::Compression::default, flate2::Compression::new);
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(bytes)?;
            encoder.finish()
        }
        Codec::Snappy => xerial(bytes),
        Codec::Lz4 => {
            let frame = lz4_flex::frame::FrameInfo::new()
                .block_size(lz4_flex::frame::BlockSize::Max64KB)
                .block_mode(lz4_flex::frame::BlockMode::Independent);
            let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(frame, Vec::new());
            encoder.write_all(bytes)?;
            encoder.finish().map_err(io::Error::other)
        }
        Codec::Zstd => zstd::stream::encode_all(bytes, how.level.unwrap_or(3)),
    }
}

/// The framing of xerial's library, which Java clients use around raw snappy blocks.
const XERIAL_MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const XERIAL_BLOCK: usize = 32 * 1024;
const XERIAL_HEADER: usize = 16;
/// No snappy block expands a byte into more than this many.
const SNAPPY_MAX_RATIO: usize = 64;

fn xerial(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = Vec::with_capacity(XERIAL_HEADER + bytes.len() / 2);
    out.extend_from_slice(&XERIAL_MAGIC);
    out.extend_from_slice(&1i32.to_be_bytes());
    out.extend_from_slice(&1i32.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    for block in bytes.chunks(XERIAL_BLOCK) {
        let packed = encoder.compress_vec(block).map_err(io::Error::other)?;
        out.extend_from_slice(&(packed.len() as i32).to_be_bytes());
        out.extend_from_slice(&packed);
    }
    Ok(out)
}

/// Reads both forms that clients send: xerial's frames and one raw block.
struct SnappyReader<'a> {
    rest: &'a [u8],
    framed: bool,
    block: Vec<u8>,
    position: usize,
}

impl<'a> SnappyReader<'a> {
    fn new(bytes: &'a [u8]) -> SnappyReader<'a> {
        let framed = bytes.starts_with(&XERIAL_MAGIC);
        let rest = if framed {
            bytes.get(XERIAL_HEADER..).unwrap_or_default()
        } else {
            bytes
        };
        SnappyReader {
            rest,
            framed,
            block: Vec::new(),
            position: 0,
        }
    }

    fn next_packed(&mut self) -> io::Result<&'a [u8]> {
        if !self.framed {
            return Ok(std::mem::take(&mut self.rest));
        }
        let broken = || io::Error::new(io::ErrorKind::InvalidData, "broken snappy frame");
        let (length, rest) = self.rest.split_first_chunk::<4>().ok_or_else(broken)?;
        let length = usize::try_from(i32::from_be_bytes(*length)).map_err(|_| broken())?;
        let (packed, rest) = rest.split_at_checked(length).ok_or_else(broken)?;
        self.rest = rest;
        Ok(packed)
    }

    fn refill(&mut self) -> io::Result<()> {
        let packed = self.next_packed()?;
        let length = snap::raw::decompress_len(packed).map_err(io::Error::other)?;
        if length > packed.len().saturating_mul(SNAPPY_MAX_RATIO) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "snappy block claims too much",
            ));
        }
        self.block.resize(length, 0);
        self.position = 0;
        snap::raw::Decoder::new()
            .decompress(packed, &mut self.block)
            .map_err(io::Error::other)?;
        Ok(())
    }
}

impl Read for SnappyReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.position == self.block.len() {
            if self.rest.is_empty() {
                return Ok(0);
            }
            self.refill()?;
        }
        let ready = self.block.get(self.position..).unwrap_or_default();
        let count = ready.len().min(out.len());
        out[..count].copy_from_slice(&ready[..count]);
        self.position += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Codec; 5] = [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];

    #[test]
    fn every_codec_reads_what_it_wrote() {
        for codec in ALL {
            for size in [0, 1, 5_000, 200_000] {
                let plain: Vec<u8> = (0..size).map(|index: u32| (index / 7) as u8).collect();
                let packed = compress(Compression::of(codec), &plain).unwrap();
                assert_eq!(
                    decompress(codec, &packed, plain.len()).unwrap(),
                    plain,
                    "{codec:?} {size}"
                );
            }
        }
    }

    #[test]
    fn lz4_frames_begin_as_kafkas_do() {
        let packed = compress(Compression::of(Codec::Lz4), b"hello").unwrap();
        assert_eq!(&packed[..7], [0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]);
    }

    #[test]
    fn an_lz4_frame_may_tell_its_content_size() {
        let frame = lz4_flex::frame::FrameInfo::new().content_size(Some(5));
        let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(frame, Vec::new());
        encoder.write_all(b"hello").unwrap();
        assert_eq!(decompress(Codec::Lz4, &encoder.finish().unwrap(), 5).unwrap(), b"hello");
    }

    #[test]
    fn raw_snappy_is_read_like_framed() {
        let raw = snap::raw::Encoder::new().compress_vec(b"hello hello hello").unwrap();
        assert_eq!(decompress(Codec::Snappy, &raw, 100).unwrap(), b"hello hello hello");
    }

    #[test]
    fn nothing_is_decompressed_beyond_the_limit() {
        let plain = vec![0; 1_000_000];
        for codec in ALL {
            let packed = compress(Compression::of(codec), &plain).unwrap();
            assert!(decompress(codec, &packed, 999_999).is_err(), "{codec:?}");
        }
    }

    #[test]
    fn noise_is_an_error_and_no_panic() {
        let noise: Vec<u8> = (0..500u32).map(|index| (index * 7919 % 251) as u8).collect();
        for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            assert!(decompress(codec, &noise, 1 << 20).is_err(), "{codec:?}");
        }
    }
}
