//! Owns the walk over batch headers in a segment file with few, small reads. Never reads record bytes it can step over.

use std::io;

use millrace_host::disk::DiskFile;
use millrace_record::{BatchError, BatchHeader, HEADER_BYTES};

/// One read covers this much: several headers of small batches, one of a large batch.
const WINDOW_BYTES: usize = 4096;

#[derive(Debug)]
pub(crate) enum ScanError {
    Io(io::Error),
    /// No batch begins at the position, or it reaches beyond the end.
    Bad {
        position: u32,
        error: BatchError,
    },
}

/// A batch in a segment file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Located {
    pub(crate) position: u32,
    pub(crate) header: BatchHeader,
}

impl Located {
    pub(crate) fn end(&self) -> u32 {
        self.position + self.header.size_bytes() as u32
    }
}

/// Walks `position..end`, both batch boundaries.
pub(crate) struct BatchScan<'f, F: DiskFile> {
    file: &'f F,
    position: u32,
    end: u32,
    window: [u8; WINDOW_BYTES],
    window_start: u32,
    window_bytes: usize,
    /// Small batches so far: reading a whole window pays.
    read_ahead: bool,
}

impl<'f, F: DiskFile> BatchScan<'f, F> {
    pub(crate) fn new(file: &'f F, position: u32, end: u32) -> BatchScan<'f, F> {
        BatchScan {
            file,
            position,
            end,
            window: [0; WINDOW_BYTES],
            window_start: 0,
            window_bytes: 0,
            read_ahead: true,
        }
    }

    /// The next batch, or None at the end. After an error the scan stays where it is.
    pub(crate) fn next(&mut self) -> Result<Option<Located>, ScanError> {
        if self.position >= self.end {
            return Ok(None);
        }
        let remaining = (self.end - self.position) as usize;
        let header =
            BatchHeader::parse(self.header_bytes(remaining)?).map_err(|error| self.bad(error))?;
        let batch_bytes = header.size_bytes();
        if batch_bytes > remaining {
            return Err(self.bad(BatchError::Incomplete {
                needed_bytes: batch_bytes,
                present_bytes: remaining,
            }));
        }
        self.read_ahead = batch_bytes < WINDOW_BYTES / 2;
        let located = Located {
            position: self.position,
            header,
        };
        self.position = located.end();
        Ok(Some(located))
    }

    fn bad(&self, error: BatchError) -> ScanError {
        ScanError::Bad {
            position: self.position,
            error,
        }
    }

    fn header_bytes(&mut self, remaining: usize) -> Result<&[u8], ScanError> {
        let wanted = HEADER_BYTES.min(remaining);
        let at = self.position.wrapping_sub(self.window_start) as usize;
        let in_window = self.position >= self.window_start && at + wanted <= self.window_bytes;
        if in_window {
            return Ok(&self.window[at..at + wanted]);
        }
        let bytes = if self.read_ahead {
            WINDOW_BYTES.min(remaining)
        } else {
            wanted
        };
        self.window_start = self.position;
        self.window_bytes = self
            .file
            .read_up_to_at(&mut self.window[..bytes], u64::from(self.position))
            .map_err(ScanError::Io)?;
        Ok(&self.window[..wanted.min(self.window_bytes)])
    }
}
