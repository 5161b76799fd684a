//! Owns a copy of the log in another directory, consistent as of one moment. Never holds the log while it copies.
//! Invariant: the copy opens as a log with exactly the records that were written when it began, or the directory is not called one: its
//! checkpoint comes last. Files are copied, not linked: a log cuts and appends to its files in place.

use std::path::Path;
use std::sync::Arc;

use millrace_host::disk::{Disk, DiskFile, OpenMode};
use millrace_log::ReadSlice;

use crate::checkpoint::Checkpoint;
use crate::error::StoreError;
use crate::store::{Store, lock};

const COPY_BYTES: usize = 1024 * 1024;
/// Stretch of a segment copied by one look at the log.
const STRETCH_BYTES: u32 = 64 * 1024 * 1024;

/// What became of a snapshot, once it is known.
pub type SnapshotOutcome = Result<i64, StoreError>;

impl Store {
    /// Begins a snapshot on a thread of its own. Watchers are woken when `take_snapshot` has something.
    pub fn begin_snapshot(self: &Arc<Self>, into: &Path) -> Result<(), StoreError> {
        self.flush()?;
        let store = Arc::clone(self);
        let into = into.to_path_buf();
        // The records of this moment, however long the thread takes to begin.
        let (start, end, generation) = {
            let progress = self.progress();
            (
                progress.log_start_offset,
                progress.written_offset,
                progress.generation,
            )
        };
        std::thread::Builder::new()
            .name("millrace-snapshot".to_owned())
            .spawn(move || {
                let outcome = store.copy_range(&into, start, end, generation);
                lock(&store.snapshots).push((into, outcome));
                store.change_progress(|_| {});
            })
            .map_err(|error| StoreError::new("IO", format!("cannot start a thread: {error}")))?;
        Ok(())
    }

    /// The outcome of the snapshot into this directory, once.
    pub fn take_snapshot(&self, into: &Path) -> Option<SnapshotOutcome> {
        let mut outcomes = lock(&self.snapshots);
        let index = outcomes.iter().position(|(path, _)| path == into)?;
        Some(outcomes.swap_remove(index).1)
    }

    fn copy_range(&self, into: &Path, start: i64, end: i64, generation: u32) -> SnapshotOutcome {
        let disk = &self.disk;
        let exists = disk
            .exists(into)
            .map_err(|error| StoreError::io("look for", into, &error))?;
        if exists {
            return Err(StoreError::new(
                "INVALID_ARGUMENT",
                format!("{} exists: a snapshot makes its directory", into.display()),
            ));
        }
        disk.create_dir_all(into)
            .map_err(|error| StoreError::io("create", into, &error))?;
        let mut offset = start;
        let mut buffer = vec![0; COPY_BYTES];
        let mut open: Option<(i64, millrace_host::disk::mappable::MappableFile, u64)> = None;
        while offset < end {
            let (slice, base_offset) = {
                let mut log = lock(&self.log);
                let slice = log.read(offset, STRETCH_BYTES, end, true)?;
                (slice, log.segment_base_offset_of(offset))
            };
            let Some(slice) = slice else { break };
            // The first segment of the copy begins where the first batch does: whole batches before the start are not copied.
            let is_next = open
                .as_ref()
                .is_none_or(|(base, _, _)| *base != base_offset);
            if is_next {
                if let Some((_, file, _)) = open.take() {
                    sync(&file, into)?;
                }
                let path = into.join(format!(
                    "{:020}.log",
                    base_offset.max(first_offset(&slice)?)
                ));
                let file = disk
                    .open(&path, OpenMode::Truncate)
                    .map_err(|error| StoreError::io("create", &path, &error))?;
                open = Some((base_offset, file, 0));
            }
            let (_, file, position) = open.as_mut().expect("opened above");
            copy(&slice, file, position, &mut buffer)
                .map_err(|error| StoreError::io("copy into", into, &error))?;
            offset = slice.next_offset_hint;
        }
        if let Some((_, file, _)) = open {
            sync(&file, into)?;
        }
        if self.progress().generation != generation {
            return Err(StoreError::new(
                "OFFSET_OUT_OF_RANGE",
                "the log was cut while it was copied",
            ));
        }
        let checkpoint = Checkpoint {
            is_clean: false,
            recovery_point: 0,
            log_start_offset: start,
        };
        checkpoint.write(disk, into)?;
        Ok(end)
    }
}

fn first_offset(
    slice: &ReadSlice<millrace_host::disk::mappable::MappableDisk>,
) -> Result<i64, StoreError> {
    let mut base_offset = [0; 8];
    slice
        .file
        .read_exact_at(&mut base_offset, slice.position)
        .map_err(|error| StoreError::new("IO", format!("cannot read the log: {error}")))?;
    Ok(i64::from_be_bytes(base_offset))
}

fn copy<F: DiskFile>(
    slice: &ReadSlice<millrace_host::disk::mappable::MappableDisk>,
    file: &F,
    position: &mut u64,
    buffer: &mut [u8],
) -> std::io::Result<()> {
    let end = slice.position + u64::from(slice.bytes);
    let mut from = slice.position;
    while from < end {
        let bytes = usize::try_from(end - from)
            .unwrap_or(buffer.len())
            .min(buffer.len());
        slice.file.read_exact_at(&mut buffer[..bytes], from)?;
        file.write_all_at(&buffer[..bytes], *position)?;
        from += bytes as u64;
        *position += bytes as u64;
    }
    Ok(())
}

fn sync<F: DiskFile>(file: &F, dir: &Path) -> Result<(), StoreError> {
    file.sync_data()
        .map_err(|error| StoreError::io("sync", dir, &error))
}
