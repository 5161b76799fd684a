//! Owns how far a log is known to be on disk, and what a sync must cover to move that mark. Never syncs by itself.
//! Invariants: the mark never passes the log end offset, and moves back only by truncation; a sync asked for before a truncation says nothing
//! about what was appended after it. What an acknowledged offset needs beside its batches (the segment's name in the directory, the
//! leader-epoch checkpoint) is part of the same sync.
//!
//! Beside the sync mark there is the recovery point: below it the index files are on disk too, whole. It is what the recovery-point checkpoint
//! must hold: recovery trusts index entries below it, and an offset index that survived a power loss beside a time index that did not would
//! hide records from a search by time. Index files are synced once in `INDEX_SYNC_ENTRIES` entries, with a roll, and for a checkpoint, so the
//! recovery point trails the sync mark by little.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use millrace_host::disk::Disk;
use millrace_host::sync_service::SyncRequest;

/// Index entries of the active segment after which a sync takes the index files along.
pub(crate) const INDEX_SYNC_ENTRIES: u32 = if cfg!(test) { 3 } else { 128 };

/// What to sync, and the mark to hand back when that has succeeded.
pub struct SyncTarget<D: Disk> {
    pub request: SyncRequest<D>,
    pub mark: SyncMark,
}

/// Everything below `offset` was in the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncMark {
    pub offset: i64,
    generation: u64,
    change: u64,
    /// Everything below is in index files that are part of the request, or needs no entry.
    indexed_offset: i64,
    index_entries: Option<IndexEntries>,
}

/// How much of the active segment's index is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IndexEntries {
    pub(crate) segment_base_offset: i64,
    pub(crate) entries: u32,
}

/// The active segment's part of a target.
pub(crate) struct ActiveFiles<D: Disk> {
    /// The batches, if any are not synced, and the index files, if they go along.
    pub(crate) files: Vec<Arc<D::File>>,
    pub(crate) indexed_offset: i64,
    pub(crate) index_entries: Option<IndexEntries>,
}

pub(crate) struct SyncState<D: Disk> {
    pub(crate) synced_offset: i64,
    pub(crate) recovery_point: i64,
    index_entries: Option<IndexEntries>,
    /// Counts truncations.
    generation: u64,
    /// Counts changes to anything but the active segment's bytes.
    change: u64,
    rolled: Vec<Rolled<D>>,
    /// Small files written in place, to be synced by path.
    paths: Vec<(u64, PathBuf)>,
    /// Small files to be replaced by the sync itself.
    replacements: Vec<(u64, PathBuf, Arc<[u8]>)>,
    directory_changed: Option<u64>,
    parent_changed: Option<u64>,
}

/// A file of a segment that stopped being active before it was synced.
struct Rolled<D: Disk> {
    change: u64,
    file: Arc<D::File>,
}

impl<D: Disk> SyncState<D> {
    pub(crate) fn new(synced_offset: i64) -> SyncState<D> {
        SyncState {
            synced_offset,
            recovery_point: synced_offset,
            index_entries: None,
            generation: 0,
            change: 0,
            rolled: Vec::new(),
            paths: Vec::new(),
            replacements: Vec::new(),
            directory_changed: None,
            parent_changed: None,
        }
    }

    fn next_change(&mut self) -> u64 {
        self.change += 1;
        self.change
    }

    /// A name in the partition's directory appeared, changed or went.
    pub(crate) fn note_directory_change(&mut self) {
        self.directory_changed = Some(self.next_change());
    }

    /// The partition's directory itself is new.
    pub(crate) fn note_new_directory(&mut self) {
        self.parent_changed = Some(self.next_change());
        self.note_directory_change();
    }

    pub(crate) fn note_written_path(&mut self, path: PathBuf) {
        let change = self.next_change();
        self.paths.push((change, path));
        self.note_directory_change();
    }

    /// The content that `path` is to have; an earlier content not yet written is forgotten.
    pub(crate) fn note_replacement(&mut self, path: PathBuf, bytes: Arc<[u8]>) {
        let change = self.next_change();
        self.replacements.retain(|(_, known, _)| *known != path);
        self.replacements.push((change, path, bytes));
        self.note_directory_change();
    }

    pub(crate) fn forget_replacements(&mut self, is_forgotten: impl Fn(&PathBuf) -> bool) {
        self.replacements.retain(|(_, path, _)| !is_forgotten(path));
    }

    pub(crate) fn note_rolled(&mut self, file: Arc<D::File>) {
        let change = self.next_change();
        self.rolled.push(Rolled { change, file });
    }

    /// The log now ends at `end_offset`, and what comes behind it is other data than before.
    pub(crate) fn note_truncated(&mut self, end_offset: i64) {
        self.generation += 1;
        self.synced_offset = self.synced_offset.min(end_offset);
        self.recovery_point = self.recovery_point.min(end_offset);
        self.index_entries = None;
        self.note_directory_change();
    }

    /// How often the log was cut.
    pub(crate) fn truncations(&self) -> u64 {
        self.generation
    }

    pub(crate) fn is_everything_synced(&self, log_end_offset: i64) -> bool {
        self.synced_offset == log_end_offset
            && self.rolled.is_empty()
            && self.paths.is_empty()
            && self.replacements.is_empty()
            && self.directory_changed.is_none()
            && self.parent_changed.is_none()
    }

    /// Index entries of the segment that are not known to be on disk.
    pub(crate) fn unsynced_index_entries(&self, segment_base_offset: i64, entries: u32) -> u32 {
        let synced = self
            .index_entries
            .filter(|synced| synced.segment_base_offset == segment_base_offset);
        // Unknown counts as one more than there are: an index without entries is to be synced too before it is vouched for.
        synced.map_or(entries + 1, |synced| entries.saturating_sub(synced.entries))
    }

    /// A segment without batches, whose name is not synced yet. Its empty index needs no sync.
    pub(crate) fn note_new_segment(&mut self, segment_base_offset: i64) {
        self.note_synced_index(IndexEntries {
            segment_base_offset,
            entries: 0,
        });
        self.note_directory_change();
    }

    /// What opening found on disk.
    pub(crate) fn note_found(&mut self, synced_offset: i64) {
        self.synced_offset = synced_offset;
        self.recovery_point = synced_offset;
    }

    /// The batches below are on disk; of the indexes nothing is known.
    pub(crate) fn note_on_disk(&mut self, synced_offset: i64) {
        assert!(
            self.recovery_point <= synced_offset,
            "what is indexed on disk is on disk"
        );
        self.synced_offset = synced_offset;
    }

    /// Opened or recovered: the index of the active segment is on disk.
    pub(crate) fn note_synced_index(&mut self, index_entries: IndexEntries) {
        self.index_entries = Some(index_entries);
    }

    /// The index changed in a way its length does not show.
    pub(crate) fn forget_synced_index(&mut self) {
        self.index_entries = None;
    }

    pub(crate) fn target(
        &self,
        log: &Arc<Path>,
        active: ActiveFiles<D>,
        log_end_offset: i64,
    ) -> SyncTarget<D> {
        let mut directories = Vec::new();
        if self.directory_changed.is_some() {
            directories.push(log.to_path_buf());
        }
        if self.parent_changed.is_some()
            && let Some(parent) = log.parent()
        {
            directories.push(parent.to_path_buf());
        }
        let rolled = self.rolled.iter().map(|rolled| Arc::clone(&rolled.file));
        let request = SyncRequest {
            log: Arc::clone(log),
            files: rolled.chain(active.files).collect(),
            paths: self.paths.iter().map(|(_, path)| path.clone()).collect(),
            replacements: self
                .replacements
                .iter()
                .map(|(_, path, bytes)| (path.clone(), Arc::clone(bytes)))
                .collect(),
            directories,
        };
        let mark = SyncMark {
            offset: log_end_offset,
            generation: self.generation,
            change: self.change,
            indexed_offset: active.indexed_offset,
            index_entries: active.index_entries,
        };
        SyncTarget { request, mark }
    }

    /// Takes note of a sync that succeeded. One from before a truncation still covers names and rolled files, but no offsets.
    pub(crate) fn mark_synced(&mut self, mark: SyncMark, log_end_offset: i64) {
        if mark.generation == self.generation {
            assert!(
                mark.offset <= log_end_offset,
                "only what was appended can be synced"
            );
            self.synced_offset = self.synced_offset.max(mark.offset);
            self.recovery_point = self.recovery_point.max(mark.indexed_offset);
            assert!(
                self.recovery_point <= self.synced_offset,
                "what is indexed on disk is on disk"
            );
            if mark.index_entries.is_some() {
                self.index_entries = mark.index_entries;
            }
        }
        self.rolled.retain(|rolled| rolled.change > mark.change);
        self.paths.retain(|(change, _)| *change > mark.change);
        self.replacements
            .retain(|(change, _, _)| *change > mark.change);
        for changed in [&mut self.directory_changed, &mut self.parent_changed] {
            *changed = changed.filter(|change| *change > mark.change);
        }
    }
}
