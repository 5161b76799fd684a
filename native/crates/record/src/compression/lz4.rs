//! Owns the LZ4 frame format, with the settings of Kafka's own client: independent 64 KiB blocks, no checksums.

use std::io::Write;

use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};

use super::{Compression, capped::read_capped};
use crate::error::BatchError;

pub(super) fn compress(src: &[u8], out: &mut Vec<u8>) {
    let info = FrameInfo::new()
        .block_size(BlockSize::Max64KB)
        .block_mode(BlockMode::Independent);
    let mut encoder = FrameEncoder::with_frame_info(info, out);
    encoder.write_all(src).expect("a Vec takes every write");
    encoder.finish().expect("a Vec takes every write");
}

pub(super) fn decompress(
    src: &[u8],
    max_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), BatchError> {
    read_capped(Compression::Lz4, FrameDecoder::new(src), max_bytes, out)
}
