//! Owns what a crash leaves beside the live files of a partition: removes it, or finishes it where that was all but done.

use std::path::Path;

use millrace_host::disk::{DirEntry, Disk, DiskFile, OpenMode};

use crate::batch_scan::{BatchScan, ScanError};
use crate::error::{Attempt, OpenError, StorageError};
use crate::log::Log;
use crate::names::{
    CLEANED_SUFFIX, DELETED_SUFFIX, INDEX_SUFFIX, LOG_SUFFIX, SWAP_SUFFIX, TEMPORARY_SUFFIX,
    TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX, parse_offset_name,
};

impl<D: Disk> Log<D> {
    /// Removes what no live log has: leftovers of deletion, of an unfinished compaction and of an unfinished replacement, and indexes without
    /// a segment. Finishes a compaction whose result was complete (`.swap`).
    pub(super) fn clean_up(&mut self, entries: Vec<DirEntry>) -> Result<Vec<DirEntry>, OpenError> {
        let has = |suffix: &str| entries.iter().any(|entry| entry.name.ends_with(suffix));
        if !has(DELETED_SUFFIX)
            && !has(CLEANED_SUFFIX)
            && !has(SWAP_SUFFIX)
            && !has(TEMPORARY_SUFFIX)
        {
            return self.remove_orphan_indexes(entries);
        }
        for entry in entries.iter().filter(|entry| is_leftover(&entry.name)) {
            self.files.remove(&self.files.dir.join(&entry.name))?;
            self.report.cleaned_files += 1;
        }
        self.finish_swaps(&entries)?;
        self.sync.note_directory_change();
        let entries = self.list()?;
        self.remove_orphan_indexes(entries)
    }

    /// A `.swap` file is the finished result of compacting one or more segments; those it replaces may still be there.
    fn finish_swaps(&mut self, entries: &[DirEntry]) -> Result<(), OpenError> {
        let swaps: Vec<&DirEntry> = entries
            .iter()
            .filter(|entry| entry.name.ends_with(SWAP_SUFFIX))
            .collect();
        let log_swap_suffix = format!("{LOG_SUFFIX}{SWAP_SUFFIX}");
        for swap in &swaps {
            let Some(base_offset) = parse_offset_name(&swap.name, &log_swap_suffix) else {
                continue;
            };
            let end_offset = self.end_offset_of(&self.files.dir.join(&swap.name), base_offset)?;
            let replaced = entries
                .iter()
                .filter_map(|entry| parse_offset_name(&entry.name, LOG_SUFFIX));
            for offset in replaced
                .filter(|offset| (base_offset..end_offset.max(base_offset + 1)).contains(offset))
            {
                for suffix in [
                    LOG_SUFFIX,
                    INDEX_SUFFIX,
                    TIME_INDEX_SUFFIX,
                    TXN_INDEX_SUFFIX,
                ] {
                    self.files.remove(&self.files.path(offset, suffix))?;
                }
            }
        }
        // The .log last: until it has its name, a crash starts this over.
        let (logs, indexes): (Vec<&DirEntry>, Vec<&DirEntry>) = swaps
            .into_iter()
            .partition(|entry| entry.name.ends_with(&log_swap_suffix));
        for swap in indexes.into_iter().chain(logs) {
            let name = swap
                .name
                .strip_suffix(SWAP_SUFFIX)
                .expect("filtered by suffix");
            self.files
                .rename_if_present(&self.files.dir.join(&swap.name), &self.files.dir.join(name))?;
            self.report.cleaned_files += 1;
        }
        Ok(())
    }

    /// The offset behind the last whole batch of a file, by its headers.
    fn end_offset_of(&self, path: &Path, base_offset: i64) -> Result<i64, StorageError> {
        let file = self.files.open(path, OpenMode::Existing)?;
        let size = u32::try_from(file.len().attempt("measure", path)?).unwrap_or(u32::MAX);
        let mut scan = BatchScan::new(&file, 0, size);
        let mut end_offset = base_offset;
        loop {
            match scan.next() {
                Ok(Some(located)) => end_offset = located.header.next_offset(),
                Ok(None) | Err(ScanError::Bad { .. }) => return Ok(end_offset),
                Err(ScanError::Io(error)) => return Err(StorageError::new("read", path, error)),
            }
        }
    }

    fn remove_orphan_indexes(
        &mut self,
        entries: Vec<DirEntry>,
    ) -> Result<Vec<DirEntry>, OpenError> {
        let mut kept = Vec::with_capacity(entries.len());
        let log_offsets: Vec<i64> = entries
            .iter()
            .filter_map(|entry| parse_offset_name(&entry.name, LOG_SUFFIX))
            .collect();
        for entry in entries {
            let index_offset = [INDEX_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX]
                .iter()
                .find_map(|suffix| parse_offset_name(&entry.name, suffix));
            if index_offset.is_some_and(|offset| !log_offsets.contains(&offset)) {
                self.files.remove(&self.files.dir.join(&entry.name))?;
                self.report.cleaned_files += 1;
            } else {
                kept.push(entry);
            }
        }
        Ok(kept)
    }
}

fn is_leftover(name: &str) -> bool {
    name.ends_with(DELETED_SUFFIX)
        || name.ends_with(CLEANED_SUFFIX)
        || name.ends_with(TEMPORARY_SUFFIX)
}
