//! Owns zstd frames. The window a frame may ask for is capped beside the output.

use zstd::stream::read::Decoder;

use super::{Compression, capped::read_capped};
use crate::error::BatchError;

/// 128 MiB: what level 22 writes and what zstd itself and Kafka's client accept unasked.
const WINDOW_LOG_MAX: u32 = 27;
const LEVEL_MIN: i32 = -131_072;
const LEVEL_MAX: i32 = 22;

pub(super) fn compress(level: Option<i32>, src: &[u8], out: &mut Vec<u8>) {
    let level = level
        .unwrap_or(zstd::DEFAULT_COMPRESSION_LEVEL)
        .clamp(LEVEL_MIN, LEVEL_MAX);
    zstd::stream::copy_encode(src, out, level).expect("a Vec takes every write");
}

pub(super) fn decompress(
    src: &[u8],
    max_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), BatchError> {
    let broken = |_| BatchError::Decompression {
        codec: Compression::Zstd,
    };
    let mut decoder = Decoder::with_buffer(src).map_err(broken)?;
    decoder.window_log_max(WINDOW_LOG_MAX).map_err(broken)?;
    read_capped(Compression::Zstd, decoder, max_bytes, out)
}
