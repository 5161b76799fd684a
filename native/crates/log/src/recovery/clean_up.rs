//! Owns what a crash leaves beside the live files of a partition: removes it, or finishes it where that was all but done.

use std::path::Path;

use millrace_host::disk::{DirEntry, Disk, DiskFile, OpenMode};

use crate::batch_scan::{BatchScan, ScanError};
use crate::error::{Attempt, OpenError, StorageError};
use crate::log::Log;
use crate::names::{
    CLEANED_SUFFIX, DELETED_SUFFIX, INDEX_SUFFIX, LOG_SUFFIX, OFFSET_DIGITS, SWAP_SUFFIX,
    TEMPORARY_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX, parse_offset_name,
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
        let (swaps, leftovers) = sort_out(&entries);
        // Revoked ones first, then what revoked them: a crash in between must not turn them into finished ones.
        for name in leftovers {
            self.files.remove(&self.files.dir.join(name))?;
            self.report.cleaned_files += 1;
        }
        self.finish_swaps(&entries, &swaps)?;
        self.sync.note_directory_change();
        let entries = self.list()?;
        self.remove_orphan_indexes(entries)
    }

    /// A `.swap` file belongs to the finished result of compacting one or more segments. While a `.log.swap` is there, those it replaces may
    /// be too; once it has its name, only indexes are left to rename.
    fn finish_swaps(&mut self, entries: &[DirEntry], swaps: &[&str]) -> Result<(), OpenError> {
        let log_swap_suffix = format!("{LOG_SUFFIX}{SWAP_SUFFIX}");
        let (mut first_offset, mut end_offset) = (i64::MAX, i64::MIN);
        for name in swaps {
            if let Some(base_offset) = parse_offset_name(name, &log_swap_suffix) {
                let end = self.end_offset_of(&self.files.dir.join(name), base_offset)?;
                first_offset = first_offset.min(base_offset);
                // Even one without batches takes the place of the segment it is named after.
                end_offset = end_offset.max(end).max(base_offset + 1);
            }
        }
        // Newest first, so that what a crash leaves is what one in the middle of the swap would have left.
        let mut replaced: Vec<(i64, &str)> = entries
            .iter()
            .filter_map(|entry| Some((segment_file_offset(&entry.name)?, entry.name.as_str())))
            .filter(|(offset, _)| (first_offset..end_offset).contains(offset))
            .collect();
        replaced.sort_unstable_by_key(|(offset, _)| std::cmp::Reverse(*offset));
        for (_, name) in replaced {
            self.files.remove(&self.files.dir.join(name))?;
            self.report.cleaned_files += 1;
        }
        // In the order of the swap: lowest base first, of each the .log first.
        let mut renamed: Vec<(&str, bool)> = swaps
            .iter()
            .map(|name| (*name, !name.ends_with(&log_swap_suffix)))
            .collect();
        renamed.sort_unstable_by_key(|(name, is_index)| {
            (name.get(..OFFSET_DIGITS).map(str::to_owned), *is_index)
        });
        for (swap, _) in renamed {
            let name = swap.strip_suffix(SWAP_SUFFIX).expect("filtered by suffix");
            self.files
                .rename_if_present(&self.files.dir.join(swap), &self.files.dir.join(name))?;
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

/// The `.swap` files that count, and the files to remove, in this order. Kafka's rule (KAFKA-6264): a `.cleaned` file means that its group was
/// not complete yet, so every `.swap` at or above it is none either.
fn sort_out(entries: &[DirEntry]) -> (Vec<&str>, Vec<&str>) {
    let offset_of = |name: &str| name.get(..OFFSET_DIGITS)?.parse::<i64>().ok();
    let lowest_cleaned = entries
        .iter()
        .filter(|entry| entry.name.ends_with(CLEANED_SUFFIX))
        .filter_map(|entry| offset_of(&entry.name))
        .min()
        .unwrap_or(i64::MAX);
    let names = || entries.iter().map(|entry| entry.name.as_str());
    let (revoked, swaps): (Vec<&str>, Vec<&str>) = names()
        .filter(|name| name.ends_with(SWAP_SUFFIX))
        .partition(|name| offset_of(name).is_none_or(|offset| offset >= lowest_cleaned));
    let mut cleaned: Vec<&str> = names()
        .filter(|name| name.ends_with(CLEANED_SUFFIX))
        .collect();
    // The lowest, which revokes the most, last.
    cleaned.sort_unstable_by(|a, b| b.cmp(a));
    let others =
        names().filter(|name| name.ends_with(DELETED_SUFFIX) || name.ends_with(TEMPORARY_SUFFIX));
    let leftovers = revoked.into_iter().chain(cleaned).chain(others).collect();
    (swaps, leftovers)
}

/// The base offset in the name of a live segment's file.
fn segment_file_offset(name: &str) -> Option<i64> {
    [
        LOG_SUFFIX,
        INDEX_SUFFIX,
        TIME_INDEX_SUFFIX,
        TXN_INDEX_SUFFIX,
    ]
    .iter()
    .find_map(|suffix| parse_offset_name(name, suffix))
}
