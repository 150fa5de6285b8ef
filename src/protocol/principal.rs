//! Who a client is, as one node tells another (KIP-590).

use crate::schema::Message;
use crate::schema::default_principal_data::DefaultPrincipalData;
use crate::schema::wire::Reader;
use crate::schema::writer::Writer;
use bytes::Bytes;
use compact_str::CompactString;

/// The one version of the data there is; it goes before them.
const VERSION: i16 = 0;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// `User`, as long as nobody makes principals of his own.
    pub kind: CompactString,
    pub name: CompactString,
    /// Authenticated by a delegation token.
    pub by_token: bool,
}

impl Principal {
    /// Who comes by a listener that asks nobody for his name.
    pub fn anonymous() -> Principal {
        Principal {
            kind: "User".into(),
            name: "ANONYMOUS".into(),
            by_token: false,
        }
    }

    pub fn encode(&self) -> Bytes {
        let mut writer = Writer::with_capacity(32);
        writer.i16(VERSION);
        let data = DefaultPrincipalData {
            r#type: self.kind.clone(),
            name: self.name.clone(),
            token_authenticated: self.by_token,
        };
        data.encode(&mut writer, VERSION);
        writer.into_bytes()
    }

    /// `None` for what no node of Kafka's writes.
    pub fn decode(bytes: Bytes) -> Option<Principal> {
        let mut reader = Reader::new(bytes);
        if reader.i16().ok()? != VERSION {
            return None;
        }
        let data = DefaultPrincipalData::decode(&mut reader, VERSION).ok()?;
        Some(Principal {
            kind: data.r#type,
            name: data.name,
            by_token: data.token_authenticated,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_written_as_kafka_writes_it() {
        let bytes = Bytes::from_static(b"\0\0\x05User\x0aANONYMOUS\0\0");
        assert_eq!(Principal::anonymous().encode(), bytes);
        assert_eq!(Principal::decode(bytes.clone()), Some(Principal::anonymous()));
        for (case, wrong) in [
            ("cut", bytes.slice(..5)),
            (
                "another version",
                Bytes::from_static(b"\0\x01\x05User\x0aANONYMOUS\0\0"),
            ),
            ("nothing", Bytes::new()),
        ] {
            assert!(Principal::decode(wrong).is_none(), "{case}");
        }
    }
}
