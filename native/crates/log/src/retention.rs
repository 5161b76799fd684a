//! Owns letting go of the oldest part of a log: Kafka's rules for what is too old or too much, the log start offset, whole segments, and the
//! two steps in which files go: renamed to `.deleted` at once, unlinked after `file.delete.delay.ms`. Never deletes what lies above the high
//! watermark. A look costs as much as there is to delete, and one segment more: what is asked of a segment stays in memory.

use std::path::PathBuf;

use millrace_host::disk::Disk;

use crate::error::{ReadError, StorageError};
use crate::log::Log;
use crate::names::{
    DELETED_SUFFIX, INDEX_SUFFIX, LOG_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX, with_suffix,
};

pub(crate) struct PendingDeletion {
    due_ms: i64,
    paths: Vec<PathBuf>,
}

impl<D: Disk> Log<D> {
    /// How many of the oldest segments `retention.bytes` and `retention.ms` let go, under `cleanup.policy` delete. May be all of them: then
    /// the caller rolls first, because the active segment is never deleted.
    pub fn expired_segments(
        &mut self,
        high_watermark: i64,
        now_ms: i64,
    ) -> Result<usize, ReadError> {
        let config = &self.config;
        if self.fenced || !config.deletes {
            return Ok(0);
        }
        let mut surplus_bytes = match u64::try_from(config.retention_bytes) {
            Ok(limit) => self.size_bytes().saturating_sub(limit),
            Err(_) => 0,
        };
        let mut expired = 0;
        // By size first, as Kafka: what is surplus goes whatever its age, what is old goes from what is left.
        while self.may_go(expired, high_watermark) {
            let bytes = u64::from(self.segments[expired].size);
            if bytes > surplus_bytes || surplus_bytes == 0 {
                break;
            }
            surplus_bytes -= bytes;
            expired += 1;
        }
        let retention_ms = self.config.retention_ms;
        while retention_ms >= 0 && self.may_go(expired, high_watermark) {
            let segment = &mut self.segments[expired];
            let timestamp = segment.retention_timestamp(&self.files, &self.config)?;
            if now_ms.saturating_sub(timestamp) <= retention_ms {
                break;
            }
            expired += 1;
        }
        Ok(expired)
    }

    /// Begins a new segment because all of the log is to go: its snapshot keeps the producers who can be read back no more.
    pub fn roll_expired(&mut self, now_ms: i64) -> Result<(), StorageError> {
        assert!(!self.fenced, "nothing of a fenced log expires");
        self.load_active()?;
        self.roll_at(self.log_end_offset, now_ms)
    }

    /// Whether the segment at `index` may be deleted when those before it are: readers have seen all of it, and it is not the empty last one.
    fn may_go(&self, index: usize, high_watermark: i64) -> bool {
        let Some(segment) = self.segments.get(index) else {
            return false;
        };
        let (end_offset, is_last) = match self.segments.get(index + 1) {
            Some(next) => (next.base_offset, false),
            None => (self.log_end_offset, true),
        };
        high_watermark >= end_offset && !(is_last && segment.size == 0)
    }

    /// Deletes the `count` oldest segments, never the active one, and moves the log start offset to what follows them.
    pub fn delete_oldest_segments(&mut self, count: usize, now_ms: i64) -> Result<i64, ReadError> {
        assert!(
            count < self.segments.len(),
            "the active segment is never deleted"
        );
        let first_kept = self.segments[count].base_offset;
        self.delete_records_before(first_kept.max(self.log_start_offset), now_ms)
    }

    /// Makes `offset` the log start offset, if it is higher, and deletes the segments that lie wholly below it. The caller has checked it
    /// against the high watermark, and checkpoints the new start. Returns the log start offset.
    pub fn delete_records_before(&mut self, offset: i64, now_ms: i64) -> Result<i64, ReadError> {
        if offset > self.log_end_offset || offset < 0 {
            let (log_start_offset, log_end_offset) = (self.log_start_offset, self.log_end_offset);
            return Err(ReadError::OffsetOutOfRange {
                offset,
                log_start_offset,
                log_end_offset,
            });
        }
        if offset > self.log_start_offset {
            self.leader_epochs()?;
            self.log_start_offset = offset;
            if self.leader_epochs()?.truncate_from_start(offset) {
                self.note_epochs_changed();
            }
        }
        let deletable = self
            .segments
            .windows(2)
            .take_while(|pair| pair[1].base_offset <= self.log_start_offset)
            .count();
        self.delete_segments(0, deletable, now_ms)?;
        let first_base_offset = self.segments[0].base_offset;
        self.remove_snapshots(|snapshot| snapshot < first_base_offset)?;
        Ok(self.log_start_offset)
    }

    /// Files whose deletion delay has passed. The caller unlinks them (unlinking a large file takes a while: not on a reactor).
    pub fn take_due_deletions(&mut self, now_ms: i64) -> Vec<PathBuf> {
        let mut due = Vec::new();
        self.deletions.retain_mut(|deletion| {
            let is_due = deletion.due_ms <= now_ms;
            if is_due {
                due.append(&mut deletion.paths);
            }
            !is_due
        });
        due
    }

    /// When `take_due_deletions` will next have something.
    pub fn next_deletion_ms(&self) -> Option<i64> {
        self.deletions.iter().map(|deletion| deletion.due_ms).min()
    }

    /// Renames the files of `count` segments from `first` on and forgets the segments. In order, so that what a crash leaves is contiguous:
    /// from the front oldest first, from the back newest first.
    pub(crate) fn delete_segments(
        &mut self,
        first: usize,
        count: usize,
        now_ms: i64,
    ) -> Result<(), StorageError> {
        for step in 0..count {
            let index = if first == 0 {
                0
            } else {
                first + count - 1 - step
            };
            let base_offset = self.segments[index].base_offset;
            self.retire_files(base_offset, now_ms)?;
            self.segments.remove(index);
            self.read_positions.clear();
            self.sync.note_directory_change();
        }
        Ok(())
    }

    /// Renames the files of a segment to `.deleted` and notes when they may go.
    pub(crate) fn retire_files(
        &mut self,
        base_offset: i64,
        now_ms: i64,
    ) -> Result<(), StorageError> {
        let log = self.files.path(base_offset, LOG_SUFFIX);
        let deleted_log = with_suffix(&log, DELETED_SUFFIX);
        let mut paths = Vec::new();
        if self.files.rename_if_present(&log, &deleted_log)? {
            paths.push(deleted_log);
        }
        for suffix in [INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX] {
            let path = self.files.path(base_offset, suffix);
            let deleted = with_suffix(&path, DELETED_SUFFIX);
            // An index that stays behind has no segment and goes at the next open.
            if self
                .files
                .rename_if_present(&path, &deleted)
                .unwrap_or(false)
            {
                paths.push(deleted);
            }
        }
        let due_ms = now_ms.saturating_add(self.config.file_delete_delay_ms);
        for earlier in &mut self.deletions {
            // A segment of the same base, deleted before, has been replaced by this one.
            earlier.paths.retain(|path| !paths.contains(path));
        }
        self.deletions.push(PendingDeletion { due_ms, paths });
        Ok(())
    }
}

#[cfg(test)]
#[path = "retention_tests.rs"]
mod tests;
