//! Owns reading a decompressor to its end under a cap. Invariant: never takes more than `max_bytes` plus one byte from it.

use std::io::Read;

use crate::compression::Compression;
use crate::error::BatchError;

const BLOCK_BYTES: usize = 64 * 1024;

/// Reads `source` to its end and appends it to `out`; fails once more than `max_bytes` came.
pub(super) fn read_capped(
    codec: Compression,
    mut source: impl Read,
    max_bytes: usize,
    out: &mut Vec<u8>,
) -> Result<(), BatchError> {
    let mut room_bytes = max_bytes;
    loop {
        let filled = out.len();
        // One byte over the cap tells "exactly full" from "more to come".
        out.resize(filled + room_bytes.saturating_add(1).min(BLOCK_BYTES), 0);
        let read = source.read(&mut out[filled..]);
        out.truncate(filled + *read.as_ref().unwrap_or(&0));
        match read {
            Err(_) => return Err(BatchError::Decompression { codec }),
            Ok(0) => return Ok(()),
            Ok(count) if count > room_bytes => {
                return Err(BatchError::DecompressedTooLarge {
                    limit_bytes: max_bytes,
                });
            }
            Ok(count) => room_bytes -= count,
        }
    }
}
