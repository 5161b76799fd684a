//! Owns the `.cleaned` files of one group: batches come in, segments with indexes go to disk. Never decides what is written.
//! Invariants: an output segment stays within `segment.bytes`, the room of its indexes and the offset span of a segment (a batch that grew
//! when it was compressed anew may ask for one segment more than planned); what `finish` returns is on disk, names included.

use millrace_host::disk::{Disk, DiskFile};
use millrace_record::BatchHeader;

use super::{CompactionError, Pace};
use crate::config::LogConfig;
use crate::error::{Attempt, StorageError};
use crate::names::{CLEANED_SUFFIX, INDEX_SUFFIX, LOG_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX};
use crate::segment::{Segment, continues};
use crate::segment_files::SegmentFiles;
use crate::txn_index::AbortedTransaction;

pub(crate) struct CleaningOutput<'a, D: Disk> {
    files: SegmentFiles<D>,
    config: &'a LogConfig,
    now_ms: i64,
    /// Whole ones, and the one being written.
    segments: Vec<Written<D>>,
    /// Batches of the last segment that are not in its file yet.
    waiting: Vec<u8>,
    buffer_bytes: usize,
}

struct Written<D: Disk> {
    segment: Segment<D>,
    written_bytes: u64,
}

impl<'a, D: Disk> CleaningOutput<'a, D> {
    /// Creates the first output segment, at the base of the group.
    pub(crate) fn create(
        files: &SegmentFiles<D>,
        config: &'a LogConfig,
        base_offset: i64,
        buffer_bytes: usize,
        now_ms: i64,
    ) -> Result<CleaningOutput<'a, D>, StorageError> {
        let files = SegmentFiles {
            suffix: CLEANED_SUFFIX,
            ..files.clone()
        };
        let mut output = CleaningOutput {
            files,
            config,
            now_ms,
            segments: Vec::new(),
            waiting: Vec::new(),
            buffer_bytes,
        };
        output.begin_segment(base_offset)?;
        Ok(output)
    }

    fn begin_segment(&mut self, base_offset: i64) -> Result<(), StorageError> {
        remove_files(&self.files, base_offset)?;
        let mut segment = Segment::new(&self.files, base_offset, self.now_ms);
        segment.create_file(&self.files)?;
        self.segments.push(Written {
            segment,
            written_bytes: 0,
        });
        Ok(())
    }

    /// Adds a batch behind all others.
    pub(crate) fn push(
        &mut self,
        batch: &[u8],
        pace: &mut Pace<'_>,
    ) -> Result<(), CompactionError> {
        let header = &BatchHeader::parse(batch).expect("a whole batch");
        if !self.has_room(header, batch.len()) {
            self.write_out(pace)?;
            self.begin_segment(header.base_offset)?;
        }
        self.waiting.extend_from_slice(batch);
        let written = self.segments.last_mut().expect("there is an open segment");
        written
            .segment
            .add_batch(header, self.config.index_interval_bytes);
        if self.waiting.len() >= self.buffer_bytes {
            self.write_out(pace)?;
        }
        Ok(())
    }

    fn has_room(&self, header: &BatchHeader, batch_bytes: usize) -> bool {
        let segment = &self.last().segment;
        let bytes = segment.size as usize + batch_bytes;
        let is_first = segment.size == 0;
        is_first
            || (bytes <= self.config.segment_bytes as usize
                && segment.index_has_room(self.config, 1)
                && continues(segment.base_offset, segment.base_offset, header))
    }

    /// An aborted transaction whose marker was just pushed.
    pub(crate) fn push_aborted(&mut self, transaction: AbortedTransaction) {
        let segment = &mut self.last_mut().segment;
        segment.txns.push(transaction);
    }

    /// Where the oldest aborted transaction begins that is open behind the batch that was just looked at.
    pub(crate) fn note_ongoing_abort(&mut self, first_offset: Option<i64>) {
        self.last_mut().segment.txns.first_open_at_end = first_offset;
    }

    fn last_mut(&mut self) -> &mut Written<D> {
        self.segments.last_mut().expect("there is an open segment")
    }

    fn last(&self) -> &Written<D> {
        self.segments.last().expect("there is an open segment")
    }

    fn write_out(&mut self, pace: &mut Pace<'_>) -> Result<(), CompactionError> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let written = self.segments.last_mut().expect("there is an open segment");
        let path = self.files.path(written.segment.base_offset, LOG_SUFFIX);
        let file = written.segment.file(&self.files)?;
        file.write_all_at(&self.waiting, written.written_bytes)
            .attempt("write", &path)?;
        let bytes = self.waiting.len() as u64;
        written.written_bytes += bytes;
        self.waiting.clear();
        pace.spend(bytes)
    }

    /// Writes what is left, with the indexes, and makes all of it durable. Leaves no file open.
    pub(crate) fn finish(&mut self, pace: &mut Pace<'_>) -> Result<(), CompactionError> {
        self.write_out(pace)?;
        for written in &mut self.segments {
            let segment = &mut written.segment;
            segment.flush_indexes(&self.files, true)?;
            let path = self.files.path(segment.base_offset, LOG_SUFFIX);
            let indexes = segment.index_files_to_sync()?;
            for file in segment.open_file().into_iter().chain(&indexes) {
                file.sync_data().attempt("sync", &path)?;
            }
            segment.release(&self.files)?;
        }
        let dir = &self.files.dir;
        Ok(self.files.disk.sync_dir(dir).attempt("sync", dir)?)
    }

    /// The segments, once finished.
    pub(crate) fn into_segments(self) -> Vec<Segment<D>> {
        assert!(self.waiting.is_empty(), "finished before it is taken");
        self.segments
            .into_iter()
            .map(|written| written.segment)
            .collect()
    }

    /// Removes what was written.
    pub(crate) fn discard(self) {
        for written in &self.segments {
            // What stays behind goes at the next cleaning or the next open.
            let _ = remove_files(&self.files, written.segment.base_offset);
        }
    }
}

/// Removes all files of a segment, under the suffix that `files` carries.
pub(crate) fn remove_files<D: Disk>(
    files: &SegmentFiles<D>,
    base_offset: i64,
) -> Result<(), StorageError> {
    for suffix in [
        LOG_SUFFIX,
        INDEX_SUFFIX,
        TIME_INDEX_SUFFIX,
        TXN_INDEX_SUFFIX,
    ] {
        files.remove(&files.path(base_offset, suffix))?;
    }
    Ok(())
}
