//! Owns the walk over the batches of a segment with their bytes, checksums checked. Stops at the first that is not whole.

use std::io;

use millrace_host::disk::DiskFile;
use millrace_record::{BatchError, BatchHeader, validate_stored};

const WINDOW_BYTES: usize = 1024 * 1024;
/// Where the length field of a batch ends: the length counts from here.
const LENGTH_END: usize = 12;

/// Why there is no further batch before the end of the file.
pub(super) enum Stop {
    Bad(BatchError),
    /// As a file system leaves behind the last write after power was lost, or as space that was reserved.
    Zeros,
}

pub(super) struct WholeBatches<'f, F: DiskFile> {
    file: &'f F,
    end: u32,
    /// Of the next batch.
    position: u32,
    window: Vec<u8>,
    window_start: u32,
    window_bytes: usize,
}

impl<'f, F: DiskFile> WholeBatches<'f, F> {
    pub(super) fn new(file: &'f F, end: u32) -> WholeBatches<'f, F> {
        WholeBatches {
            file,
            end,
            position: 0,
            window: vec![0; WINDOW_BYTES.min(end as usize)],
            window_start: 0,
            window_bytes: 0,
        }
    }

    pub(super) fn position(&self) -> u32 {
        self.position
    }

    /// The next batch, with its position; Ok(None) at the end.
    #[allow(clippy::type_complexity)]
    pub(super) fn next(&mut self) -> io::Result<Result<Option<(u32, BatchHeader, &[u8])>, Stop>> {
        let remaining = (self.end - self.position) as usize;
        if remaining == 0 {
            return Ok(Ok(None));
        }
        self.hold(LENGTH_END.min(remaining))?;
        let size = self.batch_bytes(remaining);
        self.hold(size)?;
        let at = (self.position - self.window_start) as usize;
        let position = self.position;
        match validate_stored(&self.window[at..at + size]) {
            Ok(header) => {
                self.position += size as u32;
                Ok(Ok(Some((position, header, &self.window[at..at + size]))))
            }
            Err(error) => {
                let stop = if self.is_zero_from(position)? {
                    Stop::Zeros
                } else {
                    Stop::Bad(error)
                };
                Ok(Err(stop))
            }
        }
    }

    /// What the length field says, within what the file has.
    fn batch_bytes(&self, remaining: usize) -> usize {
        let at = (self.position - self.window_start) as usize;
        let Some(length) = self.window.get(at + 8..at + LENGTH_END) else {
            return remaining;
        };
        let length = i32::from_be_bytes(length.try_into().expect("four bytes"));
        usize::try_from(length).map_or(LENGTH_END.min(remaining), |length| {
            (LENGTH_END + length).min(remaining)
        })
    }

    /// Brings `bytes` from the position on into the window.
    fn hold(&mut self, bytes: usize) -> io::Result<()> {
        let at = (self.position - self.window_start) as usize;
        if at + bytes <= self.window_bytes {
            return Ok(());
        }
        if self.window.len() < bytes {
            self.window.resize(bytes, 0);
        }
        let wanted = self.window.len().min((self.end - self.position) as usize);
        self.window_start = self.position;
        self.window_bytes = wanted;
        self.file
            .read_exact_at(&mut self.window[..wanted], u64::from(self.position))
    }

    fn is_zero_from(&mut self, start: u32) -> io::Result<bool> {
        let mut chunk = [0; 4096];
        let mut position = start;
        while position < self.end {
            let wanted = chunk.len().min((self.end - position) as usize);
            self.file
                .read_exact_at(&mut chunk[..wanted], u64::from(position))?;
            if chunk[..wanted].iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            position += wanted as u32;
        }
        Ok(true)
    }
}
