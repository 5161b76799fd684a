//! Owns the four codecs of a record batch. Never lets a decompressor write more than its caller allows.
//! One file per codec; the ids are the low three attribute bits.

mod capped;
mod gzip;
mod lz4;
mod snappy;
mod zstd;

use crate::error::BatchError;

/// A codec of a record batch, by its id on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Compression {
    Gzip = 1,
    Snappy = 2,
    Lz4 = 3,
    Zstd = 4,
}

impl Compression {
    pub const ALL: [Compression; 4] = [
        Compression::Gzip,
        Compression::Snappy,
        Compression::Lz4,
        Compression::Zstd,
    ];

    #[inline]
    pub fn from_id(id: u8) -> Option<Compression> {
        match id {
            1 => Some(Compression::Gzip),
            2 => Some(Compression::Snappy),
            3 => Some(Compression::Lz4),
            4 => Some(Compression::Zstd),
            // 0 is no codec, 5 to 7 were never given out.
            _ => None,
        }
    }

    #[inline]
    pub fn id(self) -> u8 {
        self as u8
    }

    /// The name in `compression.type`.
    pub fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Snappy => "snappy",
            Compression::Lz4 => "lz4",
            Compression::Zstd => "zstd",
        }
    }
}

/// Appends `src` compressed to `out`, in the framing Kafka's own clients write.
///
/// `level` is clamped to what the codec knows (gzip 1-9, zstd -131072 to 22); snappy and our lz4 have none.
pub fn compress(codec: Compression, level: Option<i32>, src: &[u8], out: &mut Vec<u8>) {
    match codec {
        Compression::Gzip => gzip::compress(level, src, out),
        Compression::Snappy => snappy::compress(src, out),
        Compression::Lz4 => lz4::compress(src, out),
        Compression::Zstd => zstd::compress(level, src, out),
    }
}

/// Appends `src` decompressed to `out`. At most `max_bytes` come out; more is `DecompressedTooLarge`, and then, as after any other
/// error, what was appended is unspecified.
pub fn decompress(
    codec: Compression,
    src: &[u8],
    max_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), BatchError> {
    match codec {
        Compression::Gzip => gzip::decompress(src, max_bytes, out),
        Compression::Snappy => snappy::decompress(src, max_bytes, out),
        Compression::Lz4 => lz4::decompress(src, max_bytes, out),
        Compression::Zstd => zstd::decompress(src, max_bytes, out),
    }
}

#[cfg(test)]
#[path = "compression_tests.rs"]
mod tests;
