//! Owns the aborted transactions of one segment: those whose marker lies in it. The truth is the log; the file may be deleted at any time.
//! Never decides what was aborted, and never tells whether the file is right: whoever loads it checks it against the log.
//!
//! ```text
//! .txnindex, 34 bytes an entry, big-endian, in the order of the markers; no file without entries:
//!  0 i16 version 0    2 i64 producer id    10 i64 first offset    18 i64 last offset (the marker's)    26 i64 last stable offset
//! ```

use std::path::PathBuf;
use std::sync::Arc;

use millrace_host::disk::{Disk, DiskFile, OpenMode};

use crate::error::{Attempt, StorageError};
use crate::open_transactions::CompletedTransaction;

const VERSION: i16 = 0;
const ENTRY_BYTES: usize = 34;

/// A transaction that was aborted: readers of committed records skip what its producer wrote from `first_offset` to `last_offset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    pub producer_id: i64,
    pub first_offset: i64,
    pub last_offset: i64,
    /// The first offset of the oldest transaction open behind the marker, or the offset behind it.
    pub last_stable_offset: i64,
}

impl From<&CompletedTransaction> for AbortedTransaction {
    fn from(completed: &CompletedTransaction) -> AbortedTransaction {
        AbortedTransaction {
            producer_id: completed.producer_id,
            first_offset: completed.first_offset,
            last_offset: completed.last_offset,
            last_stable_offset: completed.last_stable_offset,
        }
    }
}

pub(crate) struct TxnIndex<D: Disk> {
    path: PathBuf,
    file: Option<Arc<D::File>>,
    entries: Vec<AbortedTransaction>,
    /// Entries that are in the file.
    written: usize,
}

impl<D: Disk> TxnIndex<D> {
    /// An index without entries. A file that may lie there is replaced by the first flush.
    pub(crate) fn empty(path: PathBuf) -> TxnIndex<D> {
        TxnIndex {
            path,
            file: None,
            entries: Vec::new(),
            written: 0,
        }
    }

    /// The index on disk; None when it is no sequence of sound entries, or longer than `bytes_max`. A missing file is an index without
    /// entries.
    pub(crate) fn load(
        disk: &D,
        path: PathBuf,
        bytes_max: u64,
    ) -> Result<Option<TxnIndex<D>>, StorageError> {
        let file = match disk.open(&path, OpenMode::Existing) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Some(TxnIndex::empty(path)));
            }
            Err(error) => return Err(StorageError::new("open", &path, error)),
        };
        if file.len().attempt("measure", &path)? > bytes_max {
            return Ok(None);
        }
        let bytes = disk.read_file(&path).attempt("read", &path)?;
        let Some(entries) = parse_entries(&bytes) else {
            return Ok(None);
        };
        Ok(Some(TxnIndex {
            path,
            file: Some(Arc::new(file)),
            written: entries.len(),
            entries,
        }))
    }

    pub(crate) fn entries(&self) -> &[AbortedTransaction] {
        &self.entries
    }

    pub(crate) fn push(&mut self, entry: AbortedTransaction) {
        assert!(
            self.entries
                .last()
                .is_none_or(|last| last.last_offset < entry.last_offset),
            "markers ascend"
        );
        self.entries.push(entry);
    }

    /// Writes the entries that are only in memory. After an error they still are, and may be written again.
    pub(crate) fn flush(&mut self, disk: &D) -> Result<(), StorageError> {
        if self.written == self.entries.len() {
            return Ok(());
        }
        if self.file.is_none() {
            let file = disk
                .open(&self.path, OpenMode::Truncate)
                .attempt("create", &self.path)?;
            self.file = Some(Arc::new(file));
        }
        let file = self.file.as_ref().expect("just opened");
        let bytes = encode_entries(&self.entries[self.written..]);
        file.write_all_at(&bytes, (self.written * ENTRY_BYTES) as u64)
            .attempt("write", &self.path)?;
        self.written = self.entries.len();
        Ok(())
    }

    /// Replaces what is on disk by these entries, durably.
    pub(crate) fn write_anew(
        disk: &D,
        path: PathBuf,
        entries: Vec<AbortedTransaction>,
    ) -> Result<TxnIndex<D>, StorageError> {
        let mut index = TxnIndex {
            entries,
            ..TxnIndex::empty(path)
        };
        if index.entries.is_empty() {
            match disk.remove_file(&index.path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                result => result.attempt("remove", &index.path)?,
            }
            return Ok(index);
        }
        index.flush(disk)?;
        index
            .file()
            .expect("flushed")
            .sync_data()
            .attempt("sync", &index.path)?;
        Ok(index)
    }

    /// Drops the transactions whose marker lies at or behind `offset`, in the file too.
    pub(crate) fn truncate(&mut self, offset: i64) -> Result<(), StorageError> {
        let kept = self
            .entries
            .partition_point(|entry| entry.last_offset < offset);
        self.entries.truncate(kept);
        if kept < self.written {
            let file = self.file.as_ref().expect("entries in a file need the file");
            file.set_len((kept * ENTRY_BYTES) as u64)
                .attempt("truncate", &self.path)?;
            self.written = kept;
        }
        Ok(())
    }

    /// The handle, for a sync.
    pub(crate) fn file(&self) -> Option<&Arc<D::File>> {
        self.file.as_ref()
    }
}

/// The bytes of a file that holds these entries.
pub(crate) fn encode_entries(entries: &[AbortedTransaction]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(entries.len() * ENTRY_BYTES);
    for entry in entries {
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        for field in [
            entry.producer_id,
            entry.first_offset,
            entry.last_offset,
            entry.last_stable_offset,
        ] {
            bytes.extend_from_slice(&field.to_be_bytes());
        }
    }
    bytes
}

/// None when the bytes are not whole entries of the known version whose markers ascend.
pub(crate) fn parse_entries(bytes: &[u8]) -> Option<Vec<AbortedTransaction>> {
    if !bytes.len().is_multiple_of(ENTRY_BYTES) {
        return None;
    }
    let mut entries: Vec<AbortedTransaction> = Vec::with_capacity(bytes.len() / ENTRY_BYTES);
    for bytes in bytes.chunks_exact(ENTRY_BYTES) {
        let field = |at: usize| {
            i64::from_be_bytes(bytes[at..at + 8].try_into().expect("an entry is 34 bytes"))
        };
        let entry = AbortedTransaction {
            producer_id: field(2),
            first_offset: field(10),
            last_offset: field(18),
            last_stable_offset: field(26),
        };
        let is_sound = i16::from_be_bytes([bytes[0], bytes[1]]) == VERSION
            && entry.producer_id >= 0
            && entry.first_offset >= 0
            && entry.first_offset <= entry.last_offset
            && entries
                .last()
                .is_none_or(|last| last.last_offset < entry.last_offset);
        if !is_sound {
            return None;
        }
        entries.push(entry);
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use millrace_host::disk::memory::MemoryDisk;

    use super::*;

    fn entry(number: i64) -> AbortedTransaction {
        AbortedTransaction {
            producer_id: 7,
            first_offset: number * 10,
            last_offset: number * 10 + 5,
            last_stable_offset: number * 10 + 6,
        }
    }

    #[test]
    fn layout_is_kafkas() {
        let bytes = encode_entries(&[entry(3)]);
        assert_eq!(bytes.len(), 34);
        assert_eq!(bytes[..2], [0, 0]);
        assert_eq!(bytes[2..10], 7_i64.to_be_bytes());
        assert_eq!(bytes[10..18], 30_i64.to_be_bytes());
        assert_eq!(bytes[18..26], 35_i64.to_be_bytes());
        assert_eq!(bytes[26..34], 36_i64.to_be_bytes());
        assert_eq!(parse_entries(&bytes), Some(vec![entry(3)]));
        for len in 1..34 {
            assert_eq!(parse_entries(&bytes[..len]), None);
        }
        assert_eq!(parse_entries(&encode_entries(&[entry(3), entry(3)])), None);
    }

    #[test]
    fn entries_come_back_and_truncation_cuts_the_file() {
        let disk = MemoryDisk::new();
        let path = PathBuf::from("/a.txnindex");
        let mut index = TxnIndex::empty(path.clone());
        index.flush(&disk).expect("nothing to write");
        assert!(!disk.exists(&path).expect("look"));
        for number in 0..5 {
            index.push(entry(number));
            index.flush(&disk).expect("flush");
        }
        let mut loaded = TxnIndex::load(&disk, path.clone(), 1_000)
            .expect("load")
            .expect("sound");
        assert_eq!(loaded.entries(), index.entries());
        loaded.truncate(35).expect("cut");
        assert_eq!(loaded.entries(), [entry(0), entry(1), entry(2)]);
        let bytes = disk.read_file(Path::new("/a.txnindex")).expect("read");
        assert_eq!(bytes, encode_entries(&[entry(0), entry(1), entry(2)]));
    }
}
