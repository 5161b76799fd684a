//! Owns gzip: one member written, any number read.

use std::io::Write;

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::{Compression, capped::read_capped};
use crate::error::BatchError;

pub(super) fn compress(level: Option<i32>, src: &[u8], out: &mut Vec<u8>) {
    let level = match level {
        Some(level) => flate2::Compression::new(level.clamp(1, 9) as u32),
        None => flate2::Compression::default(),
    };
    let mut encoder = GzEncoder::new(out, level);
    encoder.write_all(src).expect("a Vec takes every write");
    encoder.finish().expect("a Vec takes every write");
}

pub(super) fn decompress(
    src: &[u8],
    max_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), BatchError> {
    read_capped(Compression::Gzip, MultiGzDecoder::new(src), max_bytes, out)
}
