//! Owns the reasons bytes are not a Kafka message. The answer to every one of them is a closed connection: a peer that cannot
//! frame its requests cannot be told so in a response either.

use std::fmt;

/// Why bytes could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// The frame's size field is negative.
    FrameSizeNegative { size: i32 },
    /// The frame cannot even hold a request header.
    FrameTooShort { size: i32 },
    /// The frame is larger than `socket.request.max.bytes`.
    FrameTooLarge { size: i32, limit_bytes: usize },
    /// A field reaches beyond the end of the frame.
    Truncated {
        needed_bytes: usize,
        remaining_bytes: usize,
    },
    /// A length below -1, or below 0 where null is not allowed.
    NegativeLength { length: i32 },
    /// Null where the schema has none.
    UnexpectedNull,
    /// An array that claims more elements than the rest of the frame could hold.
    CountBeyondFrame { count: u32, remaining_bytes: usize },
    /// A variable-length integer that does not end within its width.
    VarintTooLong,
    /// A string that is not UTF-8.
    InvalidUtf8,
    /// A known tagged field whose size does not match its content.
    InvalidTag { tag: u32 },
    /// A version this codec does not know.
    UnsupportedVersion { api_key: i16, api_version: i16 },
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WireError::FrameSizeNegative { size } => write!(f, "negative frame size {size}"),
            WireError::FrameTooShort { size } => {
                write!(f, "a frame of {size} bytes cannot hold a request header")
            }
            WireError::FrameTooLarge { size, limit_bytes } => {
                write!(
                    f,
                    "a frame of {size} bytes is over the limit of {limit_bytes}"
                )
            }
            WireError::Truncated {
                needed_bytes,
                remaining_bytes,
            } => {
                write!(f, "{needed_bytes} bytes needed, {remaining_bytes} left")
            }
            WireError::NegativeLength { length } => write!(f, "invalid length {length}"),
            WireError::UnexpectedNull => f.write_str("null where the schema has none"),
            WireError::CountBeyondFrame {
                count,
                remaining_bytes,
            } => {
                write!(f, "{count} elements cannot fit in {remaining_bytes} bytes")
            }
            WireError::VarintTooLong => f.write_str("variable-length integer too long"),
            WireError::InvalidUtf8 => f.write_str("string is not UTF-8"),
            WireError::InvalidTag { tag } => write!(f, "invalid tagged field {tag}"),
            WireError::UnsupportedVersion {
                api_key,
                api_version,
            } => {
                write!(f, "version {api_version} of API key {api_key} is not known")
            }
        }
    }
}

impl std::error::Error for WireError {}
