//! Owns how far a log is known to be on disk, and what a sync must cover to move that mark. Never syncs by itself.
//! Invariants: the mark never passes the log end offset, and moves back only by truncation; a sync asked for before a truncation says nothing
//! about what was appended after it. What an acknowledged offset needs beside its batches (the segment's name in the directory, the
//! leader-epoch checkpoint, the indexes of rolled segments) is part of the same sync.

use std::path::PathBuf;
use std::sync::Arc;

use millrace_host::disk::Disk;
use millrace_host::sync_service::SyncRequest;

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
}

pub(crate) struct SyncState<D: Disk> {
    pub(crate) synced_offset: i64,
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
        self.note_directory_change();
    }

    pub(crate) fn is_everything_synced(&self, log_end_offset: i64) -> bool {
        self.synced_offset == log_end_offset
            && self.rolled.is_empty()
            && self.paths.is_empty()
            && self.replacements.is_empty()
            && self.directory_changed.is_none()
            && self.parent_changed.is_none()
    }

    pub(crate) fn target(
        &self,
        log: &Arc<std::path::Path>,
        active_file: Option<&Arc<D::File>>,
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
        let request = SyncRequest {
            log: Arc::clone(log),
            files: self
                .rolled
                .iter()
                .map(|rolled| &rolled.file)
                .chain(active_file)
                .cloned()
                .collect(),
            paths: self.paths.iter().map(|(_, path)| path.clone()).collect(),
            replacements: self
                .replacements
                .iter()
                .map(|(_, path, bytes)| (path.clone(), Arc::clone(bytes)))
                .collect(),
            directories,
        };
        SyncTarget {
            request,
            mark: SyncMark {
                offset: log_end_offset,
                generation: self.generation,
                change: self.change,
            },
        }
    }

    /// Takes note of a sync that succeeded. One from before a truncation still covers names and rolled files, but no offsets.
    pub(crate) fn mark_synced(&mut self, mark: SyncMark, log_end_offset: i64) {
        if mark.generation == self.generation {
            assert!(
                mark.offset <= log_end_offset,
                "only what was appended can be synced"
            );
            self.synced_offset = self.synced_offset.max(mark.offset);
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
