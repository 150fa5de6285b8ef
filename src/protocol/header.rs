//! The header of every request, and how its answer begins.

use crate::schema::Message;
use crate::schema::request_header::RequestHeader;
use crate::schema::wire::DecodeError;
use crate::schema::wire::Reader;
use crate::schema::writer::Writer;
use bytes::Bytes;
use compact_str::CompactString;

pub const API_VERSIONS: i16 = 18;

/// What can be read of any request, of whatever API and version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    pub key: i16,
    pub version: i16,
    pub correlation_id: i32,
}

impl Prefix {
    pub fn read(frame: &[u8]) -> Option<Prefix> {
        let (prefix, _) = frame.split_first_chunk::<8>()?;
        let [k0, k1, v0, v1, c0, c1, c2, c3] = *prefix;
        Some(Prefix {
            key: i16::from_be_bytes([k0, k1]),
            version: i16::from_be_bytes([v0, v1]),
            correlation_id: i32::from_be_bytes([c0, c1, c2, c3]),
        })
    }
}

/// Reads the whole header and gives the client's id; `flexible` is that of the request's own version.
pub fn client_id(reader: &mut Reader, flexible: bool) -> Result<Option<CompactString>, DecodeError> {
    // The client id is a plain string even in the flexible header, whose tags follow it.
    let header = RequestHeader::decode(reader, 1)?;
    if flexible {
        skip_tags(reader)?;
    }
    Ok(header.client_id)
}

/// Begins the frame of an answer. ApiVersions never has tags in its header: a client that does not know our versions
/// yet must be able to read it.
pub fn answer(prefix: Prefix, flexible: bool, room: usize) -> Writer {
    let mut writer = Writer::frame(room + 8);
    writer.i32(prefix.correlation_id);
    if flexible && prefix.key != API_VERSIONS {
        writer.no_tags();
    }
    writer
}

/// A request as it goes out, without its length.
pub fn request<Q: Message>(prefix: Prefix, client_id: Option<&CompactString>, request: &Q) -> Bytes {
    let mut writer = Writer::with_capacity(256);
    let header = RequestHeader {
        request_api_key: prefix.key,
        request_api_version: prefix.version,
        correlation_id: prefix.correlation_id,
        client_id: client_id.cloned(),
    };
    header.encode(&mut writer, 1);
    if prefix.version >= Q::FIRST_FLEXIBLE {
        writer.no_tags();
    }
    request.encode(&mut writer, prefix.version);
    writer.into_bytes()
}

/// Reads the header of an answer to its end; gives the correlation id.
pub fn read_answer<A: Message>(reader: &mut Reader, prefix: Prefix) -> Result<i32, DecodeError> {
    let correlation_id = reader.i32()?;
    if prefix.version >= A::FIRST_FLEXIBLE && prefix.key != API_VERSIONS {
        skip_tags(reader)?;
    }
    Ok(correlation_id)
}

fn skip_tags(reader: &mut Reader) -> Result<(), DecodeError> {
    for _ in 0..reader.tag_count()? {
        let (_, end) = reader.tag()?;
        reader.skip_to(end)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_to_its_end() {
        for (case, bytes, flexible) in [
            ("plain", &b"\0\x03\0\x01\0\0\0\x07\0\x02me"[..], false),
            (
                "flexible, with an unknown tag",
                &b"\0\x03\0\x0c\0\0\0\x07\0\x02me\x01\x05\x01x"[..],
                true,
            ),
        ] {
            let mut reader = Reader::new(Bytes::copy_from_slice(bytes));
            assert_eq!(
                client_id(&mut reader, flexible).unwrap().as_deref(),
                Some("me"),
                "{case}"
            );
            assert_eq!(reader.remaining(), 0, "{case}");
        }
        assert_eq!(Prefix::read(b"\0\x03\0\x01\0\0\0"), None);
    }
}
