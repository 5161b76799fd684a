//! Owns the moment a cleaned group takes the place of the segments it was made of. Never syncs: whoever called does, outside the lock.
//!
//! ```text
//! 1  X.*.cleaned ─▶ X.*.swap    the lowest base last: a file that is still `.cleaned` revokes every .swap at or above it
//! 2  old segments ─▶ .deleted   newest first; a .log.swap means that whatever lies in its range is old
//! 3  X.*.swap ─▶ X.*            the lowest base first, of each the .log first: then its range is new
//! ```
//! Invariants: the names change in this order, and a directory keeps the order of its changes over a power loss, so every prefix of the steps
//! is one that opening takes back (1) or finishes (2 and 3), as Kafka does (`recovery/clean_up.rs`); the contents were durable before step 1,
//! and no other `.cleaned` file was there. The log must not have been cut, nor lost one of the segments, since the cleaning began.

use millrace_host::disk::Disk;

use super::cleaning_output::remove_files;
use super::{Compaction, CompactionError, Source};
use crate::error::StorageError;
use crate::log::Log;
use crate::names::{
    CLEANED_SUFFIX, INDEX_SUFFIX, LOG_SUFFIX, SWAP_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX,
    with_suffix,
};
use crate::segment::{Segment, Txns};
use crate::segment_files::SegmentFiles;

/// One group, cleaned and on disk under `.cleaned` names.
pub struct Replacement<D: Disk> {
    pub(super) files: SegmentFiles<D>,
    pub(super) sources: Vec<Source>,
    pub(super) segments: Vec<Segment<D>>,
    pub(super) truncations: u64,
}

impl<D: Disk> Replacement<D> {
    /// Removes what was written, when it is not to go live after all.
    pub fn discard(self) {
        let cleaned = SegmentFiles {
            suffix: CLEANED_SUFFIX,
            ..self.files.clone()
        };
        for segment in &self.segments {
            // What stays behind goes at the next open.
            let _ = remove_files(&cleaned, segment.base_offset);
        }
    }
}

impl<D: Disk> Log<D> {
    /// Puts a cleaned group in the place of its segments. `Aborted` when the log is not what it was; a storage error fences the log.
    /// Readers that hold a slice of an old segment read on: its file is unlinked after `file.delete.delay.ms`, and stays readable even then.
    pub fn replace_segments(
        &mut self,
        replacement: Replacement<D>,
        now_ms: i64,
    ) -> Result<(), CompactionError> {
        let Some(first) = self.find_sources(&replacement) else {
            replacement.discard();
            return Err(CompactionError::Aborted);
        };
        let result = self.swap(first, replacement, now_ms);
        // Half renamed, memory and directory disagree; opening anew brings them together.
        self.fenced |= result.is_err();
        Ok(result?)
    }

    /// Whether the log was cut, or lost its first segments, since the cleaning began: then whatever went wrong with it means nothing.
    pub fn has_outdated(&self, compaction: &Compaction<D>) -> bool {
        let (truncations, first_offset) = compaction.planned();
        self.fenced
            || self.sync.truncations() != truncations
            || first_offset.is_some_and(|offset| self.segments[0].base_offset > offset)
    }

    /// Where the group's segments lie in the list, if they are still those it was made of.
    fn find_sources(&self, replacement: &Replacement<D>) -> Option<usize> {
        if self.fenced || self.sync.truncations() != replacement.truncations {
            return None;
        }
        let sources = &replacement.sources;
        let first = self
            .segments
            .binary_search_by_key(&sources[0].base_offset, |segment| segment.base_offset)
            .ok()?;
        let found = self.segments.get(first..first + sources.len())?;
        let is_same = found.iter().zip(sources).all(|(segment, source)| {
            segment.base_offset == source.base_offset && segment.size == source.size
        });
        // The active segment is never among them.
        (is_same && first + sources.len() < self.segments.len()).then_some(first)
    }

    fn swap(
        &mut self,
        first: usize,
        replacement: Replacement<D>,
        now_ms: i64,
    ) -> Result<(), StorageError> {
        let Replacement {
            sources,
            mut segments,
            ..
        } = replacement;
        for segment in &mut segments {
            // Its index was written beside it; whether it is right is found out as for any other on disk.
            segment.txns = Txns::unknown();
        }
        for segment in segments.iter().rev() {
            self.rename_segment(segment.base_offset, CLEANED_SUFFIX, SWAP_SUFFIX)?;
        }
        for source in sources.iter().rev() {
            self.retire_files(source.base_offset, now_ms)?;
        }
        for segment in &segments {
            self.rename_segment(segment.base_offset, SWAP_SUFFIX, "")?;
        }
        let is_replaced = |offset: i64| {
            sources.iter().any(|source| source.base_offset == offset)
                && !segments.iter().any(|segment| segment.base_offset == offset)
        };
        self.remove_snapshots(is_replaced)?;
        self.segments.splice(first..first + sources.len(), segments);
        self.read_positions.clear();
        self.append_positions.clear();
        self.sync.note_directory_change();
        Ok(())
    }

    /// Renames the files of a segment, the `.log` first.
    fn rename_segment(&self, base_offset: i64, from: &str, to: &str) -> Result<(), StorageError> {
        for suffix in [
            LOG_SUFFIX,
            INDEX_SUFFIX,
            TIME_INDEX_SUFFIX,
            TXN_INDEX_SUFFIX,
        ] {
            let path = self.files.path(base_offset, suffix);
            self.files
                .rename_if_present(&with_suffix(&path, from), &with_suffix(&path, to))?;
        }
        Ok(())
    }
}
