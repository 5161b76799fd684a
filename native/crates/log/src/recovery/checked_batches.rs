//! Owns reading batches whole and checking their checksums, as far as they are sound. Never decides what follows from that.

use millrace_host::disk::DiskFile;
use millrace_record::{BatchError, BatchHeader, BatchIter, validate_stored};

use crate::recovery_progress::RecoveryProgress;

/// Bytes read at a time while checksums are computed.
pub(super) const WINDOW_BYTES: usize = if cfg!(test) { 512 } else { 1024 * 1024 };

/// Reads `start..end` and hands every batch that is whole and has the right checksum to `accept`, until one is not or `accept` says no.
/// Returns where the good batches end.
pub(super) fn check_batches<F: DiskFile>(
    file: &F,
    start: u32,
    end: u32,
    progress: &RecoveryProgress,
    mut accept: impl FnMut(&BatchHeader) -> bool,
) -> std::io::Result<u32> {
    let mut window = vec![0; WINDOW_BYTES.min((end - start) as usize)];
    let mut position = start;
    while position < end {
        let remaining = (end - position) as usize;
        let wanted = window.len().min(remaining);
        let bytes = file.read_up_to_at(&mut window[..wanted], u64::from(position))?;
        progress.add_scanned(bytes)?;
        let mut good = 0;
        let mut needed = 0;
        for item in BatchIter::new(&window[..bytes]) {
            match item {
                Ok((header, batch)) if validate_stored(batch).is_ok() && accept(&header) => {
                    good += batch.len()
                }
                Err(BatchError::Incomplete { needed_bytes, .. }) => needed = needed_bytes,
                Ok(_) | Err(_) => return Ok(position + good as u32),
            }
        }
        position += good as u32;
        if good == 0 {
            // The batch is larger than the window, or than what is left of the file.
            if needed > remaining || bytes < wanted || needed <= window.len() {
                return Ok(position);
            }
            window.resize(needed, 0);
        }
    }
    Ok(position)
}
