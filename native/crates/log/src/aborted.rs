//! Owns which transactions a reader of committed records has to skip, and that each segment's transaction index is what its batches say.
//! A log in which no trace of a transaction is found costs nothing here. In any other a segment found on disk is read once, header by header,
//! before its index is believed: an index has no checksum, and a missing one looks like one without entries.
//! Invariant: an index that is missing or wrong makes its own segment be read and no other.

use millrace_host::disk::Disk;

use crate::error::ReadError;
use crate::log::Log;
use crate::names::TXN_INDEX_SUFFIX;
use crate::open_transactions::OpenTransactions;
use crate::txn_index::{AbortedTransaction, TxnIndex};

impl<D: Disk> Log<D> {
    /// The aborted transactions that have records in `from_offset..end_offset`, in the order of their markers.
    pub fn aborted_transactions(
        &mut self,
        from_offset: i64,
        end_offset: i64,
    ) -> Result<Vec<AbortedTransaction>, ReadError> {
        let mut aborted = Vec::new();
        self.producers()?;
        if !self.is_transactional {
            return Ok(aborted);
        }
        let first = self
            .segments
            .partition_point(|segment| segment.base_offset <= from_offset)
            .saturating_sub(1);
        for index in first..self.segments.len() {
            self.ensure_txn_index(index)?;
            let txns = &self.segments[index].txns;
            let touched = txns.entries().iter().filter(|entry| {
                entry.last_offset >= from_offset && entry.first_offset < end_offset
            });
            aborted.extend(touched);
            // Markers further on matter only to transactions that are still open here.
            let is_decided = txns
                .first_open_at_end
                .is_none_or(|offset| offset >= end_offset);
            let next_base_offset = self
                .segments
                .get(index + 1)
                .map_or(i64::MAX, |next| next.base_offset);
            if is_decided && next_base_offset >= end_offset {
                break;
            }
        }
        Ok(aborted)
    }

    /// Makes sure the transaction index of a segment is loaded and right.
    pub(crate) fn ensure_txn_index(&mut self, index: usize) -> Result<(), ReadError> {
        let segment = &mut self.segments[index];
        let bytes_max = u64::from(segment.size);
        let (base_offset, files) = (segment.base_offset, &self.files);
        if segment.txns.ensure_loaded(files, base_offset, bytes_max)? {
            return Ok(());
        }
        let mut open = self.open_transactions_at(index)?;
        // Compaction takes away the data of a transaction before its marker.
        let is_whole = !self.config.compacted && self.knows_what_was_open_at(index);
        let files = &self.files;
        let path = files.path(base_offset, TXN_INDEX_SUFFIX);
        let found = TxnIndex::load(&files.disk, path.clone(), bytes_max)?;
        let on_disk = found.as_ref().map_or(&[][..], TxnIndex::entries);
        let segment = &mut self.segments[index];
        segment.scans += 1;
        let mut entries = Vec::new();
        let mut next_offset = base_offset;
        let replayed = segment.replay(files, 0, |header, marker| {
            next_offset = header.next_offset();
            let is_abort = marker.is_some_and(|marker| !marker.is_commit);
            match open.apply(header, marker) {
                Some(completed) if completed.is_aborted => entries.push((&completed).into()),
                // The transaction began where nothing is left to read: what the index says is all there is.
                None if is_abort && !is_whole => entries.extend(on_disk.iter().filter(|entry| {
                    entry.last_offset == header.base_offset
                        && entry.producer_id == header.producer_id
                })),
                Some(_) | None => {}
            }
            true
        });
        match replayed {
            Ok(()) => {}
            // Batches behind the damage can still be read, so what the index says of them is kept.
            Err(ReadError::Corrupt { .. }) => entries.extend(
                on_disk
                    .iter()
                    .filter(|entry| entry.last_offset >= next_offset),
            ),
            Err(error) => return Err(error),
        }
        let first_open_at_end = open.first_offset();
        let right = match found {
            Some(found) if found.entries() == entries => found,
            Some(_) | None => {
                self.sync.note_directory_change();
                TxnIndex::write_anew(&files.disk, path, entries)?
            }
        };
        segment.txns.settle(right, first_open_at_end);
        Ok(())
    }

    /// Whether a snapshot or the log's beginning tells which transactions were open where the segment begins.
    fn knows_what_was_open_at(&self, index: usize) -> bool {
        let base_offset = self.segments[index].base_offset;
        let is_told = |snapshot: &i64| *snapshot <= base_offset;
        self.segments[0].base_offset == 0 || self.snapshots.iter().any(is_told)
    }
}

impl OpenTransactions {
    /// Takes note of a batch that lies in the log.
    pub(crate) fn apply(
        &mut self,
        header: &millrace_record::BatchHeader,
        marker: Option<millrace_record::control::TransactionMarker>,
    ) -> Option<crate::CompletedTransaction> {
        if !header.has_producer_id() {
            return None;
        }
        if header.is_control() {
            let marker = marker?;
            return self.complete(header.producer_id, header.base_offset, !marker.is_commit);
        }
        if header.is_transactional() {
            self.begin(header.producer_id, header.base_offset);
        }
        None
    }
}

#[cfg(test)]
#[path = "aborted_tests.rs"]
mod tests;
