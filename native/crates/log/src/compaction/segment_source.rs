//! Owns reading a segment batch by batch through one buffer. Every batch is checked before it is handed out: whole, the right checksum, offsets
//! that ascend. Never skips what it cannot read: a damaged segment is not compacted at all.
//! Invariant: the buffer grows to the largest batch met, which is never larger than what is left of the segment, and shrinks with `restore`.

use std::sync::Arc;

use millrace_host::disk::{Disk, DiskFile, OpenMode};
use millrace_record::{BatchError, BatchHeader, HEADER_BYTES, validate_stored};

use super::{CompactionError, Pace, Source};
use crate::batch_scan::ScanError;
use crate::error::{Damage, ReadError};
use crate::names::LOG_SUFFIX;
use crate::segment::{continues, read_error};
use crate::segment_files::SegmentFiles;

/// The read buffer of one cleaning, used for one segment after the other.
pub(crate) struct ReadBuffer {
    bytes: Vec<u8>,
    usual_bytes: usize,
}

impl ReadBuffer {
    pub(crate) fn new(usual_bytes: usize) -> ReadBuffer {
        ReadBuffer {
            bytes: Vec::new(),
            usual_bytes: usual_bytes.max(HEADER_BYTES),
        }
    }

    fn restore(&mut self) {
        self.bytes.resize(self.usual_bytes, 0);
        self.bytes.shrink_to(self.usual_bytes);
    }
}

pub(crate) struct SegmentSource<'a, D: Disk> {
    files: &'a SegmentFiles<D>,
    source: &'a Source,
    file: Arc<D::File>,
    buffer: &'a mut ReadBuffer,
    /// Position in the file of the first byte in the buffer that was not handed out yet.
    position: u32,
    /// The unread part of the buffer.
    from: usize,
    until: usize,
    next_offset: i64,
}

impl<'a, D: Disk> SegmentSource<'a, D> {
    pub(crate) fn open(
        files: &'a SegmentFiles<D>,
        source: &'a Source,
        buffer: &'a mut ReadBuffer,
    ) -> Result<SegmentSource<'a, D>, CompactionError> {
        let path = files.path(source.base_offset, LOG_SUFFIX);
        let file = Arc::new(files.open(&path, OpenMode::Existing)?);
        buffer.restore();
        Ok(SegmentSource {
            files,
            source,
            file,
            buffer,
            position: 0,
            from: 0,
            until: 0,
            next_offset: source.base_offset,
        })
    }

    /// The next batch, or None at the end of the segment.
    pub(crate) fn next(
        &mut self,
        pace: &mut Pace<'_>,
    ) -> Result<Option<(BatchHeader, &[u8])>, CompactionError> {
        if self.position >= self.source.size {
            return Ok(None);
        }
        let wanted = loop {
            let unread = &self.buffer.bytes[self.from..self.until];
            match BatchHeader::parse(unread) {
                Ok(header) if header.size_bytes() <= unread.len() => break header.size_bytes(),
                Ok(header) => self.fill(header.size_bytes(), pace)?,
                Err(BatchError::Incomplete { needed_bytes, .. }) => {
                    self.fill(needed_bytes, pace)?
                }
                Err(error) => return Err(self.damaged(Damage::Batch(error))),
            }
        };
        let batch = self.from..self.from + wanted;
        let header = match validate_stored(&self.buffer.bytes[batch.clone()]) {
            Ok(header) => header,
            Err(error) => return Err(self.damaged(Damage::Batch(error))),
        };
        if !continues(self.source.base_offset, self.next_offset, &header) {
            return Err(self.damaged(Damage::OffsetsNotAscending {
                base_offset: header.base_offset,
            }));
        }
        self.next_offset = header.next_offset();
        self.from = batch.end;
        self.position += wanted as u32;
        Ok(Some((header, &self.buffer.bytes[batch])))
    }

    /// What is wrong with the batch handed out last.
    pub(crate) fn damaged_at(&self, header: &BatchHeader, error: BatchError) -> CompactionError {
        let position = self.position - header.size_bytes() as u32;
        CompactionError::Damaged(ReadError::Corrupt {
            segment_base_offset: self.source.base_offset,
            position,
            damage: Damage::Batch(error),
        })
    }

    fn damaged(&self, damage: Damage) -> CompactionError {
        CompactionError::Damaged(ReadError::Corrupt {
            segment_base_offset: self.source.base_offset,
            position: self.position,
            damage,
        })
    }

    /// Brings at least `needed` unread bytes into the buffer.
    fn fill(&mut self, needed: usize, pace: &mut Pace<'_>) -> Result<(), CompactionError> {
        let unread = self.until - self.from;
        assert!(needed > unread, "only what is missing is read");
        let left = (self.source.size - self.position) as usize;
        if needed > left {
            return Err(self.damaged(Damage::Batch(BatchError::Incomplete {
                needed_bytes: needed,
                present_bytes: left,
            })));
        }
        self.buffer.bytes.copy_within(self.from..self.until, 0);
        (self.from, self.until) = (0, unread);
        if needed > self.buffer.bytes.len() {
            self.buffer.bytes.resize(needed, 0);
        }
        let end = self.buffer.bytes.len().min(left);
        let read = self
            .file
            .read_up_to_at(
                &mut self.buffer.bytes[unread..end],
                u64::from(self.position) + unread as u64,
            )
            .map_err(|error| {
                read_error(self.files, self.source.base_offset, ScanError::Io(error))
            })?;
        self.until += read;
        if self.until < needed {
            return Err(self.damaged(Damage::Batch(BatchError::Incomplete {
                needed_bytes: needed,
                present_bytes: self.until,
            })));
        }
        pace.spend(read as u64)
    }
}
