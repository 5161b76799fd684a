//! Owns how what a log knows of its producers survives: kept up with every append, written to a snapshot when a segment is rolled and when
//! the log is closed, read back from the newest sound snapshot and the batches behind it.
//! Invariant: what is loaded counts every batch below the log end offset and none behind it.

use millrace_host::disk::Disk;
use millrace_record::BatchHeader;
use millrace_record::control::TransactionMarker;

use crate::error::{Attempt, ReadError, StorageError};
use crate::log::Log;
use crate::names::SNAPSHOT_SUFFIX;
use crate::open_transactions::OpenTransactions;
use crate::producer_snapshot::{
    ProducerSnapshot, encode_producer_snapshot, parse_producer_snapshot,
};
use crate::producers::Producers;

impl<D: Disk> Log<D> {
    /// The producers of this log, read back from disk if need be. At most the headers behind the newest snapshot are read.
    pub fn producers(&mut self) -> Result<&mut Producers, ReadError> {
        if self.producers.is_none() {
            let now_ms = self.now_ms;
            let mut producers = Producers::new(
                self.config.producer_ids_max,
                self.config.producer_id_expiration_ms,
            );
            // Not from the log start: an unclean stop may move that back, and what it brings back counts again.
            let mut from_offset = self.segments[0].base_offset;
            if let Some(snapshot) = self.read_producer_snapshot(i64::MAX)? {
                for entry in &snapshot.entries {
                    producers.restore(entry, now_ms);
                }
                // Also below the log start: a marker there may have ended what the snapshot says is open.
                from_offset = snapshot.offset;
            }
            self.replay_batches(from_offset, i64::MAX, |header, marker| {
                producers.apply(header, marker, now_ms);
            })?;
            self.is_transactional |= producers.has_transactional();
            self.producers = Some(producers);
        }
        Ok(self.producers.as_mut().expect("just read back"))
    }

    /// The producers if they have been read back already.
    pub fn loaded_producers(&mut self) -> Option<&mut Producers> {
        self.producers.as_mut()
    }

    /// The first offset that is not stable yet: where the oldest open transaction begins, or the log start if that lies behind it.
    pub fn first_unstable_offset(&mut self) -> Result<Option<i64>, ReadError> {
        let log_start_offset = self.log_start_offset;
        let first_open = self.producers()?.first_open_offset();
        Ok(first_open.map(|offset| offset.max(log_start_offset)))
    }

    /// Calls `visit` for every batch from the one that holds `from_offset` to the last that begins before `end_offset`. What cannot be read of a damaged segment is passed over: it
    /// cannot be served either.
    pub(crate) fn replay_batches(
        &mut self,
        from_offset: i64,
        end_offset: i64,
        mut visit: impl FnMut(&BatchHeader, Option<TransactionMarker>),
    ) -> Result<(), ReadError> {
        let first = self
            .segments
            .partition_point(|segment| segment.base_offset <= from_offset)
            .saturating_sub(1);
        for index in first..self.segments.len() {
            let segment = &mut self.segments[index];
            if segment.base_offset >= end_offset {
                break;
            }
            let replayed = match segment.locate(&self.files, &self.config, from_offset) {
                Ok(Some(located)) => {
                    segment.replay(&self.files, located.position, |header, marker| {
                        let is_wanted = header.base_offset < end_offset;
                        if is_wanted && header.last_offset() >= from_offset {
                            visit(header, marker);
                        }
                        is_wanted
                    })
                }
                Ok(None) => Ok(()),
                Err(error) => Err(error),
            };
            match replayed {
                Ok(()) | Err(ReadError::Corrupt { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The transactions open where the segment at `index` begins.
    pub(crate) fn open_transactions_at(
        &mut self,
        index: usize,
    ) -> Result<OpenTransactions, ReadError> {
        let end_offset = self.segments[index].base_offset;
        let mut open = OpenTransactions::default();
        let mut from_offset = self.segments[0].base_offset;
        if let Some(snapshot) = self.read_producer_snapshot(end_offset)? {
            for entry in &snapshot.entries {
                if entry.current_txn_first_offset >= 0 {
                    open.begin(entry.producer_id, entry.current_txn_first_offset);
                }
            }
            from_offset = from_offset.max(snapshot.offset);
        }
        if from_offset < end_offset {
            self.replay_batches(from_offset, end_offset, |header, marker| {
                open.apply(header, marker);
            })?;
        }
        Ok(open)
    }

    // ---- snapshots

    /// Keeps the state of all producers as of the log end, as a snapshot for `offset`, where the next batch begins. The file is written by the
    /// next sync, before the recovery point passes it.
    pub(crate) fn keep_producer_snapshot(&mut self, offset: i64) -> Result<(), ReadError> {
        assert!(
            offset >= self.log_end_offset,
            "a snapshot counts all there is"
        );
        let entries: Vec<_> = self.producers()?.entries().collect();
        let path = self.files.path(offset, SNAPSHOT_SUFFIX);
        let bytes = encode_producer_snapshot(&entries);
        self.sync.note_replacement(path, bytes.into());
        if self.snapshots.last() != Some(&offset) {
            assert!(
                self.snapshots.last().is_none_or(|last| *last < offset),
                "snapshots ascend with the log"
            );
            self.snapshots.push(offset);
        }
        Ok(())
    }

    /// The newest sound snapshot that counts nothing at or behind `end_offset`. Those that turn out not to be sound are removed.
    pub(crate) fn read_producer_snapshot(
        &mut self,
        end_offset: i64,
    ) -> Result<Option<ProducerSnapshot>, StorageError> {
        let mut place = self
            .snapshots
            .partition_point(|&snapshot| snapshot <= end_offset);
        while place > 0 {
            place -= 1;
            let offset = self.snapshots[place];
            let path = self.files.path(offset, SNAPSHOT_SUFFIX);
            match self.files.disk.read_file(&path) {
                Ok(bytes) => {
                    if let Some(entries) = parse_producer_snapshot(&bytes) {
                        return Ok(Some(ProducerSnapshot { offset, entries }));
                    }
                    self.files.remove(&path)?;
                    self.snapshots.remove(place);
                }
                // On its way to the disk, or gone.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error).attempt("read", &path),
            }
        }
        Ok(None)
    }

    /// As Kafka: a snapshot belongs to the segment that begins where it ends, or it is the newest of all.
    pub(crate) fn remove_stray_snapshots(&mut self) -> Result<(), StorageError> {
        let newest = self.snapshots.last().copied();
        let last_base_offset = self.active().base_offset;
        let base_offsets: Vec<i64> = self
            .segments
            .iter()
            .map(|segment| segment.base_offset)
            .collect();
        self.remove_snapshots(|snapshot| {
            let is_newest = Some(snapshot) == newest && snapshot > last_base_offset;
            !is_newest && base_offsets.binary_search(&snapshot).is_err()
        })
    }

    /// Removes snapshots for which `is_stale` holds.
    pub(crate) fn remove_snapshots(
        &mut self,
        is_stale: impl Fn(i64) -> bool,
    ) -> Result<(), StorageError> {
        if !self.snapshots.iter().any(|&offset| is_stale(offset)) {
            return Ok(());
        }
        let stale: Vec<i64> = self
            .snapshots
            .iter()
            .copied()
            .filter(|&offset| is_stale(offset))
            .collect();
        self.snapshots.retain(|&offset| !is_stale(offset));
        for offset in stale {
            let path = self.files.path(offset, SNAPSHOT_SUFFIX);
            self.sync.forget_replacements(|known| *known == path);
            self.files.remove(&path)?;
        }
        self.sync.note_directory_change();
        Ok(())
    }
}

#[cfg(test)]
#[path = "producer_state_tests.rs"]
mod tests;
