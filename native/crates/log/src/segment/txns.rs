//! Owns what a segment knows of the transactions decided in it: its transaction index, and whether that is known to be what the log says.
//! Never checks that itself: finding out takes the transactions that were open where the segment begins, and those the log knows.
//!
//! unknown (found on disk) → right, when compared with the batches; new segments are right from the start. The entries may be let go of and
//! read again.

use std::sync::Arc;

use millrace_host::disk::{Disk, DiskFile};
use millrace_record::BatchHeader;
use millrace_record::control::{TransactionMarker, transaction_marker};

use super::{Segment, read_error};
use crate::batch_scan::{BatchScan, Located, ScanError};
use crate::error::{ReadError, StorageError};
use crate::names::TXN_INDEX_SUFFIX;
use crate::segment_files::SegmentFiles;
use crate::txn_index::{AbortedTransaction, TxnIndex};

/// A marker's batch takes 78 bytes. One that is far larger is none of Kafka's.
const MARKER_BYTES_MAX: usize = 4096;

pub(crate) struct Txns<D: Disk> {
    index: Option<TxnIndex<D>>,
    is_right: bool,
    /// Of a closed segment that is right: where the oldest transaction begins that was open at its end.
    pub(crate) first_open_at_end: Option<i64>,
}

impl<D: Disk> Txns<D> {
    pub(crate) fn empty(files: &SegmentFiles<D>, base_offset: i64) -> Txns<D> {
        Txns {
            index: Some(TxnIndex::empty(files.path(base_offset, TXN_INDEX_SUFFIX))),
            is_right: true,
            first_open_at_end: None,
        }
    }

    pub(crate) fn unknown() -> Txns<D> {
        Txns {
            index: None,
            is_right: false,
            first_open_at_end: None,
        }
    }

    pub(crate) fn take(&mut self) -> Txns<D> {
        std::mem::replace(self, Txns::unknown())
    }

    /// Takes on what was found to be right.
    pub(crate) fn settle(&mut self, index: TxnIndex<D>, first_open_at_end: Option<i64>) {
        self.index = Some(index);
        self.is_right = true;
        self.first_open_at_end = first_open_at_end;
    }

    /// Whether entries can be had and added. Reads them back if they were let go of; `bytes_max` is the size of the segment.
    pub(crate) fn ensure_loaded(
        &mut self,
        files: &SegmentFiles<D>,
        base_offset: i64,
        bytes_max: u64,
    ) -> Result<bool, StorageError> {
        if self.is_right && self.index.is_none() {
            let path = files.path(base_offset, TXN_INDEX_SUFFIX);
            self.index = TxnIndex::load(&files.disk, path, bytes_max)?;
            self.is_right = self.index.is_some();
        }
        Ok(self.is_right)
    }

    pub(crate) fn entries(&self) -> &[AbortedTransaction] {
        self.index.as_ref().map_or(&[], TxnIndex::entries)
    }

    pub(crate) fn len(&self) -> u32 {
        self.entries().len() as u32
    }

    pub(crate) fn file(&self) -> Option<&Arc<D::File>> {
        self.index.as_ref()?.file()
    }

    /// Adds a transaction whose marker was just written. A failure to write the entry is harmless: it stays in memory, and the next roll, sync
    /// or close tries again.
    pub(crate) fn add(&mut self, files: &SegmentFiles<D>, entry: AbortedTransaction) {
        let index = self
            .index
            .as_mut()
            .expect("loaded before a marker is written");
        index.push(entry);
        let _ = index.flush(&files.disk);
    }

    /// Adds a transaction to a segment that is not live yet.
    pub(crate) fn push(&mut self, entry: AbortedTransaction) {
        let index = self.index.as_mut().expect("a new segment has its index");
        index.push(entry);
    }

    pub(crate) fn flush(&mut self, disk: &D) -> Result<(), StorageError> {
        match &mut self.index {
            Some(index) => index.flush(disk),
            None => Ok(()),
        }
    }

    pub(crate) fn release(&mut self, disk: &D) -> Result<(), StorageError> {
        self.flush(disk)?;
        self.index = None;
        Ok(())
    }

    /// Forgets what was decided at or behind `end_offset`, on disk too.
    pub(crate) fn truncate(
        &mut self,
        files: &SegmentFiles<D>,
        base_offset: i64,
        bytes_max: u64,
        end_offset: i64,
    ) -> Result<(), StorageError> {
        self.first_open_at_end = None;
        let path = files.path(base_offset, TXN_INDEX_SUFFIX);
        if self.index.is_none() {
            self.index = TxnIndex::load(&files.disk, path.clone(), bytes_max)?;
        }
        match &mut self.index {
            Some(index) => index.truncate(end_offset),
            None => {
                // Nothing can be cut out of a file that makes no sense; without it the segment is read when it is needed.
                self.is_right = false;
                files.remove(&path)
            }
        }
    }
}

impl<D: Disk> Segment<D> {
    /// Calls `visit` with every batch from `position` on and what it decides, if it is a marker, until it returns false.
    pub(crate) fn replay(
        &mut self,
        files: &SegmentFiles<D>,
        position: u32,
        mut visit: impl FnMut(&BatchHeader, Option<TransactionMarker>) -> bool,
    ) -> Result<(), ReadError> {
        if self.size == 0 {
            return Ok(());
        }
        let (base_offset, size) = (self.base_offset, self.size);
        let file = Arc::clone(self.file(files)?);
        let mut scan = BatchScan::new(&*file, position, size);
        while let Some(located) = scan
            .next()
            .map_err(|error| read_error(files, base_offset, error))?
        {
            let marker = marker_of(&*file, &located)
                .map_err(|error| read_error(files, base_offset, ScanError::Io(error)))?;
            if !visit(&located.header, marker) {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn marker_of<F: DiskFile>(
    file: &F,
    located: &Located,
) -> std::io::Result<Option<TransactionMarker>> {
    let header = &located.header;
    if !header.is_control() || !header.has_producer_id() || header.size_bytes() > MARKER_BYTES_MAX {
        return Ok(None);
    }
    let mut batch = vec![0; header.size_bytes()];
    file.read_exact_at(&mut batch, u64::from(located.position))?;
    Ok(transaction_marker(&batch))
}
