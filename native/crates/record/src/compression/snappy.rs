//! Owns Kafka's snappy: the xerial stream of snappy-java.
//!
//! ```text
//! 0  82 'S' 'N' 'A' 'P' 'P' 'Y' 00   magic
//! 8  i32 version 1
//! 12 i32 lowest compatible version 1
//! 16 blocks: i32 length, then that many bytes of raw snappy
//! ```
//! Raw snappy without the frame is read too: some clients write it. A second stream may follow the first; its header is skipped.

use super::Compression;
use crate::error::BatchError;

const MAGIC: [u8; 8] = [0x82, b'S', b'N', b'A', b'P', b'P', b'Y', 0];
const VERSION: i32 = 1;
const STREAM_HEADER_BYTES: usize = 16;
/// snappy-java's block size.
const BLOCK_BYTES: usize = 32 * 1024;
/// A three-byte copy element yields 64 bytes at most. A block that claims more is lying, and is refused before memory is taken.
const EXPANSION_MAX: usize = 22;

pub(super) fn compress(src: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&VERSION.to_be_bytes());
    let mut encoder = snap::raw::Encoder::new();
    for block in src.chunks(BLOCK_BYTES) {
        let length_at = out.len();
        let data_at = length_at + 4;
        out.resize(data_at + snap::raw::max_compress_len(block.len()), 0);
        let len = encoder
            .compress(block, &mut out[data_at..])
            .expect("the room is max_compress_len");
        out[length_at..data_at].copy_from_slice(&(len as i32).to_be_bytes());
        out.truncate(data_at + len);
    }
}

pub(super) fn decompress(
    src: &[u8],
    max_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), BatchError> {
    let mut room_bytes = max_bytes;
    if !src.starts_with(&MAGIC) {
        return decompress_block(src, max_bytes, &mut room_bytes, out);
    }
    let mut rest = src;
    while !rest.is_empty() {
        if rest.starts_with(&MAGIC) {
            rest = rest.get(STREAM_HEADER_BYTES..).ok_or(BROKEN)?;
            continue;
        }
        let (length, after) = rest.split_first_chunk::<4>().ok_or(BROKEN)?;
        let length = usize::try_from(i32::from_be_bytes(*length)).map_err(|_| BROKEN)?;
        let block = after.get(..length).ok_or(BROKEN)?;
        decompress_block(block, max_bytes, &mut room_bytes, out)?;
        rest = &after[length..];
    }
    Ok(())
}

const BROKEN: BatchError = BatchError::Decompression {
    codec: Compression::Snappy,
};

fn decompress_block(
    block: &[u8],
    max_bytes: usize,
    room_bytes: &mut usize,
    out: &mut Vec<u8>,
) -> Result<(), BatchError> {
    let block_bytes = snap::raw::decompress_len(block).map_err(|_| BROKEN)?;
    if block_bytes > block.len().saturating_mul(EXPANSION_MAX) {
        return Err(BROKEN);
    }
    if block_bytes > *room_bytes {
        return Err(BatchError::DecompressedTooLarge {
            limit_bytes: max_bytes,
        });
    }
    let start = out.len();
    out.resize(start + block_bytes, 0);
    let written = snap::raw::Decoder::new()
        .decompress(block, &mut out[start..])
        .map_err(|_| BROKEN)?;
    out.truncate(start + written);
    *room_bytes -= written;
    Ok(())
}
