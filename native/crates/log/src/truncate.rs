//! Owns taking back the newest part of a log: what a follower does when its leader never had it, and what an append does to its own failure.
//! Invariant: afterwards the log ends at a batch boundary, durably: what was cut off never comes back, not even behind newer batches. An error
//! half-way fences the log.

use millrace_host::disk::Disk;

use crate::error::{Attempt, ReadError, StorageError};
use crate::log::Log;
use crate::names::{INDEX_SUFFIX, LOG_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX};
use crate::segment::Segment;

impl<D: Disk> Log<D> {
    /// Removes every batch that ends at or behind `offset` and returns the new log end offset: `offset`, or the base of the batch that held it;
    /// where compaction left a hole there, the end of the batch before it.
    /// Waits for the disk. The caller checkpoints the recovery point afterwards: an older, higher one in the file would hide later damage.
    pub fn truncate(&mut self, offset: i64, now_ms: i64) -> Result<i64, ReadError> {
        if offset >= self.log_end_offset {
            return Ok(self.log_end_offset);
        }
        if offset < self.segments[0].base_offset {
            self.truncate_fully(offset, now_ms)?;
        } else {
            self.truncate_to(offset)?;
        }
        Ok(self.log_end_offset)
    }

    /// Drops everything and starts again, empty, at `offset`.
    pub fn truncate_fully(&mut self, offset: i64, now_ms: i64) -> Result<(), ReadError> {
        assert!(offset >= 0, "offsets are never negative");
        self.sync.note_truncated(offset);
        let result = self.replace_all(offset, now_ms);
        self.fenced |= result.is_err();
        result
    }

    pub(crate) fn truncate_to(&mut self, offset: i64) -> Result<(), ReadError> {
        // From here on nothing behind the cut is promised, whether it succeeds or not.
        self.sync.note_truncated(offset);
        let result = self.cut_at(offset);
        self.fenced |= result.is_err();
        result
    }

    fn replace_all(&mut self, offset: i64, now_ms: i64) -> Result<(), ReadError> {
        self.leader_epochs()?;
        let dropped = self.drop_segments_from(0);
        if self.segments.is_empty() {
            self.segments
                .push(Segment::new(&self.files, offset, now_ms));
        }
        dropped?;
        self.segments[0].create_file(&self.files)?;
        self.files
            .disk
            .sync_dir(&self.files.dir)
            .attempt("sync", &self.files.dir)?;
        self.log_start_offset = offset;
        self.log_end_offset = offset;
        self.after_truncation(|epochs| epochs.truncate_from_end(i64::MIN))
    }

    fn cut_at(&mut self, offset: i64) -> Result<(), ReadError> {
        self.leader_epochs()?;
        let keep = self
            .segments
            .partition_point(|segment| segment.base_offset <= offset)
            .max(1);
        if keep < self.segments.len() {
            self.drop_segments_from(keep)?;
        }
        // Also for a swap that compaction just made: were its names lost after the cut, the segments it replaced would come back whole.
        self.files
            .disk
            .sync_dir(&self.files.dir)
            .attempt("sync", &self.files.dir)?;
        let last = self.segments.last_mut().expect("the first segment is kept");
        let end_offset = match last.locate(&self.files, &self.config, offset)? {
            Some(located) => {
                let end_offset = located.header.base_offset.min(offset);
                last.truncate(&self.files, &self.config, located.position, end_offset)?;
                end_offset
            }
            // The cut is in a hole: the end is where the batches end, as the next open will find it.
            None => {
                let next_offset = last.next_offset(&self.files, &self.config)?;
                next_offset.max(self.log_start_offset.min(offset))
            }
        };
        self.log_end_offset = end_offset;
        self.log_start_offset = self.log_start_offset.min(end_offset);
        self.after_truncation(|epochs| epochs.truncate_from_end(end_offset))
    }

    fn after_truncation(
        &mut self,
        cut: impl FnOnce(&mut crate::LeaderEpochs) -> bool,
    ) -> Result<(), ReadError> {
        let end_offset = self.log_end_offset;
        self.read_positions.clear();
        self.append_positions.clear();
        // Read back from what is left when they are needed.
        self.producers = None;
        self.sync.note_truncated(end_offset);
        self.remove_snapshots(|snapshot| snapshot > end_offset)?;
        if cut(self.leader_epochs()?) {
            self.note_epochs_changed();
        }
        Ok(())
    }

    /// Unlinks segments from `first` on, newest first, so that what a crash leaves is contiguous.
    pub(crate) fn drop_segments_from(&mut self, first: usize) -> Result<(), StorageError> {
        while self.segments.len() > first {
            let base_offset = self.segments.last().expect("counted above").base_offset;
            self.files
                .remove(&self.files.path(base_offset, LOG_SUFFIX))?;
            self.segments.pop();
            for suffix in [INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX] {
                // An index that stays behind has no segment: it is replaced by the next one of that name, or goes at the next open.
                let _ = self.files.remove(&self.files.path(base_offset, suffix));
            }
            self.sync.note_directory_change();
        }
        Ok(())
    }
}
