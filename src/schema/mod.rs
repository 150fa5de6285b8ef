//! Every message and record of Kafka's that we know, declared in `*.txt` and turned into structs by `build.rs`.
//!
//! One module a message, named like it: `schema::fetch_request::FetchRequest`. `README.md` explains the notation.

pub mod wire;
pub mod writer;

use crate::schema::wire::DecodeError;
use crate::schema::wire::Reader;
use crate::schema::writer::Writer;
use bytes::Bytes;

/// What every declared message can do. A version outside `FIRST_VERSION..=LAST_VERSION` is the caller's mistake.
pub trait Message: Sized + Default {
    /// The API key or record type; -1 for those that have none.
    const KEY: i16;
    const FIRST_VERSION: i16;
    const LAST_VERSION: i16;
    const FIRST_FLEXIBLE: i16;

    fn decode(reader: &mut Reader, version: i16) -> Result<Self, DecodeError>;
    fn encode(&self, writer: &mut Writer, version: i16);

    /// The message alone, as the value of a record.
    fn to_bytes(&self, version: i16) -> Bytes {
        let mut writer = Writer::with_capacity(128);
        self.encode(&mut writer, version);
        writer.into_bytes()
    }
}

mod prelude {
    pub use crate::schema::Message;
    pub use crate::schema::wire::DecodeError;
    pub use crate::schema::wire::Reader;
    pub use crate::schema::writer::Records;
    pub use crate::schema::writer::Tags;
    pub use crate::schema::writer::Writer;
    pub use crate::types::Uuid;
    pub use bytes::Bytes;
    pub use compact_str::CompactString;
}

mod messages {
    #![allow(unused_imports, unused_variables, unused_mut, clippy::all)]
    include!(concat!(env!("OUT_DIR"), "/messages.rs"));
}

pub use messages::*;
