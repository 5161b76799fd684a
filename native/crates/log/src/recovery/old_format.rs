//! Owns telling a segment of record format v0 or v1 from a damaged one. Never reads more than its first message.

use std::path::Path;

use millrace_host::disk::DiskFile;

use crate::error::{Attempt, StorageError};

/// A segment that begins with a sound message of format v0 or v1 is not damaged but old: cutting it off would destroy good data.
pub(super) fn is_old_format<F: DiskFile>(
    file: &F,
    file_size: u32,
    path: &Path,
) -> Result<bool, StorageError> {
    const LENGTH_END: usize = 12;
    const CRC_END: usize = 16;
    /// i32 crc, i8 magic, i8 attributes, i32 key length, i32 value length.
    const MESSAGE_BYTES_MIN: u32 = 14;
    let mut header = [0; CRC_END + 1];
    let read = file.read_up_to_at(&mut header, 0).attempt("read", path)?;
    let length = u32::from_be_bytes([header[8], header[9], header[10], header[11]]);
    let is_plausible = read == header.len()
        && (MESSAGE_BYTES_MIN..=file_size - LENGTH_END as u32).contains(&length)
        && header[CRC_END] <= 1;
    if !is_plausible {
        return Ok(false);
    }
    let mut message = vec![0; length as usize - (CRC_END - LENGTH_END)];
    file.read_exact_at(&mut message, CRC_END as u64)
        .attempt("read", path)?;
    let stored = u32::from_be_bytes([header[12], header[13], header[14], header[15]]);
    Ok(crc32(&message) == stored)
}

/// The CRC of the old formats (IEEE 802.3, reflected), bit by bit: it is computed at most once in the life of a directory.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1))
        })
    })
}
