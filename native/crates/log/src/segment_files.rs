//! Owns where the files of a partition are and how they are opened. Never keeps one open.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use millrace_host::disk::{Disk, OpenMode};

use crate::error::{Attempt, StorageError};
use crate::names;

/// A partition's directory on its disk. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SegmentFiles<D: Disk> {
    pub(crate) disk: D,
    pub(crate) dir: Arc<Path>,
    /// Behind every name: empty, or `.cleaned` while a segment is being written beside the live ones.
    pub(crate) suffix: &'static str,
}

impl<D: Disk> SegmentFiles<D> {
    pub(crate) fn path(&self, base_offset: i64, suffix: &str) -> PathBuf {
        let path = names::segment_path(&self.dir, base_offset, suffix);
        if self.suffix.is_empty() {
            return path;
        }
        names::with_suffix(&path, self.suffix)
    }

    pub(crate) fn open(&self, path: &Path, mode: OpenMode) -> Result<D::File, StorageError> {
        self.disk.open(path, mode).attempt("open", path)
    }

    /// Removes the file if it is there.
    pub(crate) fn remove(&self, path: &Path) -> Result<(), StorageError> {
        match self.disk.remove_file(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            result => result.attempt("remove", path),
        }
    }

    /// Renames the file if it is there; says whether it was.
    pub(crate) fn rename_if_present(&self, from: &Path, to: &Path) -> Result<bool, StorageError> {
        match self.disk.rename(from, to) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(StorageError::new("rename", from, error)),
        }
    }
}
