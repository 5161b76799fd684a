//! Owns Kafka's primitive types. A reader or a writer is classic (i16/i32 lengths) or flexible (compact lengths, tagged fields);
//! which one is decided once per message, so that an API codec reads the same for all its versions.

mod reader;
mod writer;

pub use reader::Reader;
pub use writer::Writer;
pub(crate) use writer::{compact_string_bytes, unsigned_varint_bytes};

/// A 16-byte UUID as on the wire.
pub type Uuid = [u8; 16];

/// The UUID that stands for none.
pub const ZERO_UUID: Uuid = [0; 16];
