//! Wire: Kafka's protocol as bytes.
//!
//! Owns      frames, request and response headers, primitives, and the codecs of Produce, Fetch and ListOffsets.
//! May touch nothing but the bytes it is given.
//! Never     copies record bytes, allocates while it reads a request, or trusts a length or a count.
//! Start at  frame.rs, header.rs, then apis/produce.rs.
#![forbid(unsafe_code)]

pub mod apis;
mod byte_range;
mod error;
pub mod error_codes;
pub mod frame;
pub mod header;
pub mod primitive;

pub use byte_range::ByteRange;
pub use error::WireError;
pub use primitive::{Reader, Writer};
