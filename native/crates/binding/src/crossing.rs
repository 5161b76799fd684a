//! Owns the plain functions: checksum, compression, and the empty crossings that `bench/` measures.

use crate::convert::{Code, Result, invalid};
use crate::external::{self, Bytes};
use millrace_record::compression::{self, Compression};
use napi::Error;
use napi_derive::napi;

#[napi(js_name = "crc32c")]
pub fn crc32c(bytes: &[u8]) -> u32 {
    millrace_record::crc32c(bytes)
}

/// `level` -1 is the codec's default.
#[napi]
pub fn compress(codec: u32, level: i32, bytes: &[u8]) -> Result<Bytes, Code> {
    let mut compressed = Vec::new();
    let level = (level != -1).then_some(level);
    compression::compress(codec_of(codec)?, level, bytes, &mut compressed);
    Ok(Bytes(compressed))
}

#[napi]
pub fn decompress(codec: u32, bytes: &[u8], max_bytes: i64) -> Result<Bytes, Code> {
    let mut plain = Vec::new();
    let max_bytes = usize::try_from(max_bytes).map_err(|_| invalid("maxBytes is negative"))?;
    compression::decompress(codec_of(codec)?, bytes, max_bytes, &mut plain).map_err(failed)?;
    Ok(Bytes(plain))
}

#[napi]
pub fn nothing() {}

#[napi]
pub fn add_numbers(a: f64, b: f64) -> f64 {
    a + b
}

#[napi]
pub fn sum_bytes(bytes: &[u8]) -> f64 {
    bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>() as f64
}

/// How often the host refused to let JavaScript see memory of ours, so that it was copied instead.
#[napi]
pub fn refused_external_buffers() -> u32 {
    external::refused_external_buffers()
}

#[napi]
pub fn echo_batch(bytes: &[u8]) -> Bytes {
    Bytes(bytes.to_vec())
}

fn codec_of(codec: u32) -> Result<Compression, Code> {
    u8::try_from(codec)
        .ok()
        .and_then(Compression::from_id)
        .ok_or_else(|| invalid(format!("there is no codec {codec}")))
}

fn failed(error: impl std::fmt::Display) -> Error<Code> {
    invalid(error.to_string())
}
