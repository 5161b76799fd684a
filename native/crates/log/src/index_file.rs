//! Owns one index of a segment: fixed-size big-endian entries, ascending. The truth is the log; an index may be deleted at any time.
//!
//! ```text
//! .index       8 bytes an entry: i32 offset relative to the segment's base, i32 file position.
//!              An entry holds the LAST offset of the batch that begins at the position.
//! .timeindex  12 bytes an entry: i64 timestamp, i32 relative offset. Timestamps grow strictly; the entry says that no batch
//!              up to that offset is younger.
//! ```
//! Entries gather in memory and go to the file a page at a time, so an append touches no index file, and a busy segment holds one page
//! of new entries and one page read back, however large it grows. Kafka preallocates `segment.index.bytes` and maps it; here the file is
//! never longer than its entries, which is how Kafka leaves it after a roll. The file is open only while it is read or written: a node with
//! ten thousand partitions keeps no thirty thousand files open.
//! Invariant: file entries followed by tail entries are the index; `last` is the last of them.

use std::path::PathBuf;
use std::sync::Arc;

use millrace_host::disk::{Disk, DiskFile, OpenMode};

use crate::error::{Attempt, StorageError};

/// Entries written, and read back, at a time.
pub(crate) const PAGE_ENTRIES: usize = if cfg!(test) { 4 } else { 512 };

pub(crate) trait IndexEntry: Copy {
    const BYTES: usize;
    fn encode(self, out: &mut Vec<u8>);
    /// `bytes` is exactly one entry.
    fn decode(bytes: &[u8]) -> Self;
    /// Whether `self` may stand directly before `next`.
    fn precedes(self, next: Self) -> bool;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    pub(crate) relative_offset: u32,
    pub(crate) position: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    pub(crate) timestamp: i64,
    pub(crate) relative_offset: u32,
}

impl IndexEntry for OffsetEntry {
    const BYTES: usize = 8;

    fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
        out.extend_from_slice(&self.position.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> OffsetEntry {
        OffsetEntry {
            relative_offset: be_u32(&bytes[0..4]),
            position: be_u32(&bytes[4..8]),
        }
    }

    fn precedes(self, next: OffsetEntry) -> bool {
        self.relative_offset < next.relative_offset && self.position < next.position
    }
}

impl IndexEntry for TimeEntry {
    const BYTES: usize = 12;

    fn encode(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.timestamp.to_be_bytes());
        out.extend_from_slice(&self.relative_offset.to_be_bytes());
    }

    fn decode(bytes: &[u8]) -> TimeEntry {
        let timestamp = i64::from_be_bytes(bytes[0..8].try_into().expect("eight bytes"));
        TimeEntry {
            timestamp,
            relative_offset: be_u32(&bytes[8..12]),
        }
    }

    fn precedes(self, next: TimeEntry) -> bool {
        self.timestamp < next.timestamp && self.relative_offset <= next.relative_offset
    }
}

fn be_u32(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().expect("four bytes"))
}

pub(crate) struct IndexFile<D: Disk, E: IndexEntry> {
    disk: D,
    path: PathBuf,
    /// Whether the file on disk is this index's; what lies there otherwise is replaced by the first flush.
    has_file: bool,
    file_entries: u32,
    tail: Vec<E>,
    last: Option<E>,
    /// Part of the file read back, beginning with entry `page_first`.
    page: Vec<E>,
    page_first: u32,
}

impl<D: Disk, E: IndexEntry> IndexFile<D, E> {
    /// An index without entries. Nothing is on disk before the first flush, which replaces what may lie there.
    pub(crate) fn empty(disk: D, path: PathBuf) -> IndexFile<D, E> {
        IndexFile {
            disk,
            path,
            has_file: false,
            file_entries: 0,
            tail: Vec::new(),
            last: None,
            page: Vec::new(),
            page_first: 0,
        }
    }

    /// The index on disk, or None when it is missing or not a whole number of entries.
    pub(crate) fn load(disk: &D, path: PathBuf) -> Result<Option<IndexFile<D, E>>, StorageError> {
        let file = match disk.open(&path, OpenMode::Existing) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StorageError::new("open", &path, error)),
        };
        let bytes = file.len().attempt("measure", &path)?;
        let entries = bytes / E::BYTES as u64;
        let Ok(file_entries) = u32::try_from(entries) else {
            return Ok(None);
        };
        if entries * E::BYTES as u64 != bytes {
            return Ok(None);
        }
        let mut index = IndexFile::empty(disk.clone(), path);
        index.has_file = true;
        index.file_entries = file_entries;
        if file_entries > 0 {
            index.last = Some(index.read_entry(&file, file_entries - 1)?);
        }
        Ok(Some(index))
    }

    pub(crate) fn len(&self) -> u32 {
        self.file_entries + self.tail.len() as u32
    }

    pub(crate) fn last(&self) -> Option<E> {
        self.last
    }

    pub(crate) fn push(&mut self, entry: E) {
        assert!(
            self.last.is_none_or(|last| last.precedes(entry)),
            "index entries ascend"
        );
        self.tail.push(entry);
        self.last = Some(entry);
    }

    pub(crate) fn has_full_page(&self) -> bool {
        self.tail.len() >= PAGE_ENTRIES
    }

    /// Writes the entries that are only in memory. After an error they still are, and may be written again.
    pub(crate) fn flush(&mut self) -> Result<(), StorageError> {
        if self.tail.is_empty() && self.has_file {
            return Ok(());
        }
        let file = if self.has_file {
            self.open()?
        } else {
            assert!(self.file_entries == 0, "entries in a file need the file");
            self.disk
                .open(&self.path, OpenMode::Truncate)
                .attempt("create", &self.path)?
        };
        self.has_file = true;
        let mut bytes = Vec::with_capacity(self.tail.len() * E::BYTES);
        for entry in &self.tail {
            entry.encode(&mut bytes);
        }
        let position = u64::from(self.file_entries) * E::BYTES as u64;
        file.write_all_at(&bytes, position)
            .attempt("write", &self.path)?;
        self.file_entries += self.tail.len() as u32;
        self.tail.clear();
        Ok(())
    }

    pub(crate) fn sync(&self) -> Result<(), StorageError> {
        self.open()?.sync_data().attempt("sync", &self.path)
    }

    /// The last entry for which `is_below` holds. It must hold for a prefix of the entries (they ascend).
    pub(crate) fn last_below(
        &mut self,
        is_below: impl Fn(&E) -> bool,
    ) -> Result<Option<E>, StorageError> {
        let count = self.count_below(&is_below)?;
        if count == 0 {
            Ok(None)
        } else {
            self.entry(count - 1).map(Some)
        }
    }

    /// Cuts the index to the prefix for which `is_below` holds, in the file too.
    pub(crate) fn truncate(&mut self, is_below: impl Fn(&E) -> bool) -> Result<(), StorageError> {
        let count = self.count_below(&is_below)?;
        if count >= self.file_entries {
            self.tail.truncate((count - self.file_entries) as usize);
        } else {
            self.tail.clear();
            let bytes = u64::from(count) * E::BYTES as u64;
            self.open()?
                .set_len(bytes)
                .attempt("truncate", &self.path)?;
            self.file_entries = count;
            self.page.clear();
        }
        self.last = if count == 0 {
            None
        } else {
            Some(self.entry(count - 1)?)
        };
        Ok(())
    }

    /// Reads every entry and says whether they ascend.
    pub(crate) fn ascends(&mut self) -> Result<bool, StorageError> {
        let mut before: Option<E> = None;
        for index in 0..self.len() {
            let entry = self.entry(index)?;
            if before.is_some_and(|before| !before.precedes(entry)) {
                return Ok(false);
            }
            before = Some(entry);
        }
        Ok(true)
    }

    /// A handle to sync everything written so far by; None when nothing was.
    pub(crate) fn file_to_sync(&self) -> Result<Option<Arc<D::File>>, StorageError> {
        if self.has_file {
            self.open().map(Arc::new).map(Some)
        } else {
            Ok(None)
        }
    }

    fn open(&self) -> Result<D::File, StorageError> {
        assert!(self.has_file, "entries in a file need the file");
        self.disk
            .open(&self.path, OpenMode::Existing)
            .attempt("open", &self.path)
    }

    fn count_below(&mut self, is_below: &impl Fn(&E) -> bool) -> Result<u32, StorageError> {
        if self.tail.first().is_some_and(is_below) {
            return Ok(self.file_entries + self.tail.partition_point(is_below) as u32);
        }
        // A sequential reader finds the page of its last lookup still here.
        if let (Some(first), Some(last)) = (self.page.first(), self.page.last()) {
            let page_end = self.page_first + self.page.len() as u32;
            if is_below(first) && (!is_below(last) || page_end == self.file_entries) {
                return Ok(self.page_first + self.page.partition_point(is_below) as u32);
            }
        }
        if self.file_entries == 0 {
            return Ok(0);
        }
        // Binary search over pages by their first entry, then within the page.
        let file = self.open()?;
        let (mut low, mut high) = (0, self.file_entries.div_ceil(PAGE_ENTRIES as u32));
        while low < high {
            let middle = low + (high - low) / 2;
            if is_below(&self.read_entry(&file, middle * PAGE_ENTRIES as u32)?) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        if low == 0 {
            return Ok(0);
        }
        self.read_page(&file, low - 1)?;
        Ok(self.page_first + self.page.partition_point(is_below) as u32)
    }

    fn entry(&mut self, index: u32) -> Result<E, StorageError> {
        assert!(index < self.len(), "index entries are counted");
        if index >= self.file_entries {
            return Ok(self.tail[(index - self.file_entries) as usize]);
        }
        let in_page = index
            .checked_sub(self.page_first)
            .and_then(|at| self.page.get(at as usize));
        if let Some(entry) = in_page {
            return Ok(*entry);
        }
        self.read_page(&self.open()?, index / PAGE_ENTRIES as u32)?;
        Ok(self.page[(index - self.page_first) as usize])
    }

    fn read_entry(&self, file: &D::File, index: u32) -> Result<E, StorageError> {
        let mut bytes = [0; 16];
        let bytes = &mut bytes[..E::BYTES];
        file.read_exact_at(bytes, u64::from(index) * E::BYTES as u64)
            .attempt("read", &self.path)?;
        Ok(E::decode(bytes))
    }

    fn read_page(&mut self, file: &D::File, page: u32) -> Result<(), StorageError> {
        let first = page * PAGE_ENTRIES as u32;
        let count = (self.file_entries - first).min(PAGE_ENTRIES as u32);
        let mut bytes = vec![0; count as usize * E::BYTES];
        file.read_exact_at(&mut bytes, u64::from(first) * E::BYTES as u64)
            .attempt("read", &self.path)?;
        self.page.clear();
        self.page
            .extend(bytes.chunks_exact(E::BYTES).map(E::decode));
        self.page_first = first;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use millrace_host::disk::memory::MemoryDisk;

    use super::*;

    type Offsets = IndexFile<MemoryDisk, OffsetEntry>;

    fn filled(disk: &MemoryDisk, entries: u32) -> Offsets {
        let mut index = Offsets::empty(disk.clone(), PathBuf::from("/a.index"));
        for number in 1..=entries {
            index.push(OffsetEntry {
                relative_offset: number * 10,
                position: number * 1000,
            });
            if index.has_full_page() {
                index.flush().expect("flush");
            }
        }
        index
    }

    #[test]
    fn lookups_agree_with_a_plain_search_in_file_page_and_tail() {
        let disk = MemoryDisk::new();
        let count = 3 * PAGE_ENTRIES as u32 + 2;
        let mut index = filled(&disk, count);
        for offset in (0..(count + 2) * 10).chain((0..(count + 2) * 10).rev()) {
            let found = index
                .last_below(|entry| entry.relative_offset <= offset)
                .expect("lookup");
            let expected = (offset / 10).min(count);
            assert_eq!(
                found.map_or(0, |entry| entry.relative_offset / 10),
                expected
            );
        }
    }

    #[test]
    fn a_loaded_index_is_the_flushed_one() {
        let disk = MemoryDisk::new();
        let mut index = filled(&disk, 7);
        index.flush().expect("flush");
        let bytes = disk.read_file(Path::new("/a.index")).expect("read");
        assert_eq!(bytes.len(), 7 * 8);
        assert_eq!(bytes[..8], [0, 0, 0, 10, 0, 0, 3, 232]);
        let loaded = Offsets::load(&disk, PathBuf::from("/a.index"))
            .expect("load")
            .expect("present");
        assert_eq!((loaded.len(), loaded.last()), (7, index.last()));
    }

    #[test]
    fn truncation_cuts_tail_and_file() {
        let disk = MemoryDisk::new();
        for keep in (0..=11).rev() {
            let mut index = filled(&disk, 11);
            index
                .truncate(|entry| entry.relative_offset <= keep * 10)
                .expect("truncate");
            assert_eq!(index.len(), keep);
            assert_eq!(
                index.last().map_or(0, |entry| entry.relative_offset),
                keep * 10
            );
            index.push(OffsetEntry {
                relative_offset: 500,
                position: 500_000,
            });
            index.flush().expect("flush");
            assert_eq!(
                disk.read_file(Path::new("/a.index")).expect("read").len() as u32,
                (keep + 1) * 8
            );
            assert!(index.ascends().expect("read"));
        }
    }

    #[test]
    fn a_ragged_or_missing_file_is_no_index() {
        let disk = MemoryDisk::new();
        assert!(
            Offsets::load(&disk, PathBuf::from("/a.index"))
                .expect("load")
                .is_none()
        );
        let file = disk
            .open(Path::new("/a.index"), OpenMode::Create)
            .expect("open");
        file.write_all_at(&[0; 13], 0).expect("write");
        assert!(
            Offsets::load(&disk, PathBuf::from("/a.index"))
                .expect("load")
                .is_none()
        );
    }
}
