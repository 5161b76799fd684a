//! Owns appending: offsets and leader epoch are stamped into the batches where they lie, and all batches that go to one segment are written
//! with one call; what they say of producers and transactions is kept up. Never checks a checksum: whoever received the bytes has.
//! Invariant: a call appends all of its batches or none; the log end offset moves once, after the bytes are written.

use std::io::IoSlice;
use std::sync::Arc;

use millrace_host::disk::{Disk, DiskFile};
use millrace_record::control::{TransactionMarker, transaction_marker};
use millrace_record::{
    BatchError, BatchHeader, NO_TIMESTAMP, TimestampType, stamp_base_offset, stamp_leader_epoch,
    stamp_log_append_time,
};

use crate::config::LogConfig;
use crate::error::{AppendError, ReadError, StorageError};
use crate::log::Log;
use crate::names::LOG_SUFFIX;
use crate::open_transactions::CompletedTransaction;
use crate::roll::spans;

/// Where the batches of one call went. Batch i begins where batch i-1 ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppendInfo {
    pub base_offset: i64,
    pub last_offset: i64,
    /// The time stamped into the batches, -1 under CreateTime.
    pub log_append_time_ms: i64,
    /// A new segment was begun: time for a sync in the background.
    pub rolled: bool,
    /// Transactions whose markers were among the batches.
    pub completed: Vec<CompletedTransaction>,
}

impl AppendInfo {
    pub fn next_offset(&self) -> i64 {
        self.last_offset + 1
    }
}

/// Who decides offsets and epochs.
#[derive(Clone, Copy)]
enum Stamp {
    /// This replica leads.
    Assign {
        leader_epoch: i32,
        log_append_time_ms: Option<i64>,
    },
    /// The batches carry the leader's.
    Keep,
}

impl<D: Disk> Log<D> {
    /// Appends as leader. Each slice is exactly one validated batch; its base offset, leader epoch and, under LogAppendTime, timestamp and
    /// checksum are written into it.
    pub fn append(
        &mut self,
        batches: &mut [&mut [u8]],
        leader_epoch: i32,
        now_ms: i64,
    ) -> Result<AppendInfo, AppendError> {
        let log_append_time_ms = match self.config.message_timestamp_type {
            TimestampType::CreateTime => None,
            TimestampType::LogAppendTime => Some(now_ms),
        };
        self.append_stamped(
            batches,
            Stamp::Assign {
                leader_epoch,
                log_append_time_ms,
            },
            now_ms,
        )
    }

    /// Appends batches that carry their offsets and epochs already: as a follower, or when a log is copied. Offsets may skip ahead
    /// (compaction), never back.
    pub fn append_as_follower(
        &mut self,
        batches: &mut [&mut [u8]],
        now_ms: i64,
    ) -> Result<AppendInfo, AppendError> {
        self.append_stamped(batches, Stamp::Keep, now_ms)
    }

    fn append_stamped(
        &mut self,
        batches: &mut [&mut [u8]],
        stamp: Stamp,
        now_ms: i64,
    ) -> Result<AppendInfo, AppendError> {
        if self.fenced {
            return Err(AppendError::Fenced);
        }
        assert!(!batches.is_empty(), "an append has at least one batch");
        self.now_ms = self.now_ms.max(now_ms);
        let start_offset = self.log_end_offset;
        let segments_before = self.segments.len();
        if prepare(batches, stamp, start_offset, &self.config)? {
            // Before anything is written: what a marker completes is found in what came before it.
            let loaded = self.producers().map(|_| ());
            loaded.map_err(|error| self.unreadable(error))?;
        }

        let mut completed = Vec::new();
        let mut written = 0;
        while written < batches.len() {
            match self.write_run(&batches[written..], now_ms, &mut completed) {
                Ok(count) => written += count,
                Err(error) => {
                    self.undo_append(start_offset, segments_before);
                    return Err(error.into());
                }
            }
        }
        let first = header_of(batches[0]);
        let log_append_time_ms = match stamp {
            Stamp::Assign {
                log_append_time_ms, ..
            } => log_append_time_ms.unwrap_or(NO_TIMESTAMP),
            Stamp::Keep => NO_TIMESTAMP,
        };
        Ok(AppendInfo {
            base_offset: first.base_offset,
            last_offset: self.log_end_offset - 1,
            log_append_time_ms,
            rolled: self.segments.len() > segments_before,
            completed,
        })
    }

    /// Writes as many of the batches as belong into one segment, rolling first if the first one does not fit. Returns how many.
    fn write_run(
        &mut self,
        batches: &[&mut [u8]],
        now_ms: i64,
        completed: &mut Vec<CompletedTransaction>,
    ) -> Result<usize, StorageError> {
        let first = header_of(batches[0]);
        self.load_active()?;
        if self.must_roll(&first, now_ms)? {
            self.roll_at(first.base_offset.max(self.log_end_offset), now_ms)?;
            self.load_active()?;
        }
        let run = self.run_length(batches);
        if batches[..run]
            .iter()
            .any(|batch| is_marker(&header_of(batch)))
        {
            let checked = self.ensure_txn_index(self.segments.len() - 1);
            checked.map_err(|error| self.unreadable(error))?;
        }
        let is_new = self.active().size == 0 && self.active().open_file().is_none();
        let active = self
            .segments
            .last_mut()
            .expect("there is always an active segment");
        let position = u64::from(active.size);
        let file = Arc::clone(active.file(&self.files)?);
        if is_new {
            self.sync.note_directory_change();
        }
        let result = match &batches[..run] {
            [only] => file.write_all_at(only, position),
            several => {
                let mut slices: Vec<IoSlice<'_>> =
                    several.iter().map(|batch| IoSlice::new(batch)).collect();
                file.write_all_vectored_at(&mut slices, position)
            }
        };
        if let Err(source) = result {
            let error = StorageError::new(
                "write",
                &self.files.path(self.active().base_offset, LOG_SUFFIX),
                source,
            );
            self.cut_off_partial_write(&file, position, &error);
            return Err(error);
        }
        self.add_written(&batches[..run], now_ms, completed);
        Ok(run)
    }

    /// Bookkeeping for batches that are in the file.
    fn add_written(
        &mut self,
        batches: &[&mut [u8]],
        now_ms: i64,
        completed: &mut Vec<CompletedTransaction>,
    ) {
        let active = self
            .segments
            .last_mut()
            .expect("there is always an active segment");
        let mut newest_epoch = i32::MIN;
        let mut epochs_changed = false;
        for batch in batches {
            let header = header_of(batch);
            active.add_batch(&header, self.config.index_interval_bytes);
            // One comparison a batch: a new epoch is a new leader, or the first batch since opening.
            if header.partition_leader_epoch > newest_epoch {
                newest_epoch = header.partition_leader_epoch;
                let epochs = self
                    .epochs
                    .as_mut()
                    .expect("loaded with the active segment");
                epochs_changed |= epochs.assign(newest_epoch, header.base_offset);
            }
            self.log_end_offset = header.next_offset();
            if header.has_producer_id() {
                let producers = self
                    .producers
                    .as_mut()
                    .expect("loaded before a producer's batch is written");
                let marker = transaction_marker_of(&header, batch);
                self.is_transactional |= header.is_transactional();
                if let Some(transaction) = producers.apply(&header, marker, now_ms) {
                    if transaction.is_aborted {
                        active.txns.add(&self.files, (&transaction).into());
                    }
                    completed.push(transaction);
                }
            }
        }
        self.has_appended = true;
        active.flush_full_index_pages();
        self.append_positions
            .insert(self.log_end_offset, active.base_offset, active.size);
        if epochs_changed {
            self.note_epochs_changed();
        }
    }

    pub(crate) fn load_active(&mut self) -> Result<(), StorageError> {
        if let Err(error) = self.leader_epochs() {
            return Err(self.unreadable(error));
        }
        let active = self
            .segments
            .last_mut()
            .expect("there is always an active segment");
        match active.ensure_loaded(&self.files, &self.config) {
            Ok(()) => Ok(()),
            Err(error) => Err(self.unreadable(error)),
        }
    }

    /// The tail cannot be read, so nothing can be put behind it.
    fn unreadable(&mut self, error: ReadError) -> StorageError {
        match error {
            ReadError::Storage(error) => error,
            damage @ (ReadError::Corrupt { .. } | ReadError::OffsetOutOfRange { .. }) => {
                self.fenced = true;
                StorageError::new(
                    "append to",
                    &self.files.dir,
                    std::io::Error::new(std::io::ErrorKind::InvalidData, damage.to_string()),
                )
            }
        }
    }

    /// How many of the batches fit behind each other into the active segment; at least the first, which has been checked.
    fn run_length(&self, batches: &[&mut [u8]]) -> usize {
        let active = self.active();
        let mut size = active.size as usize;
        for (index, batch) in batches.iter().enumerate() {
            size += batch.len();
            let fits = index == 0
                || (size <= self.config.segment_bytes as usize
                    && active.index_has_room(&self.config, index as u32 + 1)
                    && spans(active.base_offset, header_of(batch).last_offset()));
            if !fits {
                return index;
            }
        }
        batches.len()
    }

    /// Makes file and memory agree again after a failed write. Out of space leaves a sound, shorter file; anything else, or a cut that fails,
    /// leaves doubt and fences the log.
    fn cut_off_partial_write(&mut self, file: &D::File, position: u64, error: &StorageError) {
        let cut = file.set_len(position);
        // Cutting gave back what lay behind, too.
        self.space_aside = None;
        if cut.is_err() || !error.is_out_of_space() {
            self.fenced = true;
        }
    }

    /// Sets space aside behind the active segment, so that appends of `bytes` bytes need none that a full disk would not have. Changes no
    /// length. Where it cannot be done nothing is lost but that.
    pub fn set_space_aside(&mut self, bytes: u64) {
        let active = self
            .segments
            .last_mut()
            .expect("there is always an active segment");
        let (base_offset, size) = (active.base_offset, u64::from(active.size));
        let known_end = self
            .space_aside
            .filter(|(known, _)| *known == base_offset)
            .map_or(0, |(_, end)| end);
        if known_end >= size + bytes / 2 {
            return;
        }
        if let Ok(file) = active.file(&self.files)
            && file.preallocate(size + bytes).is_ok()
        {
            self.space_aside = Some((base_offset, size + bytes));
        }
    }

    /// Takes back the earlier segments' share of a call that failed in a later one.
    fn undo_append(&mut self, start_offset: i64, segments_before: usize) {
        if self.log_end_offset == start_offset && self.segments.len() == segments_before {
            return;
        }
        if self.truncate_to(start_offset).is_err() {
            self.fenced = true;
        }
    }
}

/// Checks that every slice is one batch that fits, and stamps it. Says whether any has a producer.
fn prepare(
    batches: &mut [&mut [u8]],
    stamp: Stamp,
    start_offset: i64,
    config: &LogConfig,
) -> Result<bool, AppendError> {
    let mut next_offset = start_offset;
    let mut has_producer = false;
    for (index, batch) in batches.iter_mut().enumerate() {
        let header = check(batch, config).map_err(|error| AppendError::Invalid { index, error })?;
        has_producer |= header.has_producer_id();
        match stamp {
            Stamp::Assign {
                leader_epoch,
                log_append_time_ms,
            } => {
                stamp_base_offset(batch, next_offset);
                stamp_leader_epoch(batch, leader_epoch);
                if let Some(now_ms) = log_append_time_ms {
                    stamp_log_append_time(batch, now_ms);
                }
                next_offset += i64::from(header.last_offset_delta) + 1;
            }
            Stamp::Keep => {
                if header.base_offset < next_offset {
                    let (base_offset, log_end_offset) = (header.base_offset, next_offset);
                    return Err(AppendError::OutOfOrder {
                        index,
                        base_offset,
                        log_end_offset,
                    });
                }
                next_offset = header.next_offset();
            }
        }
    }
    Ok(has_producer)
}

fn is_marker(header: &BatchHeader) -> bool {
    header.is_control() && header.has_producer_id()
}

fn transaction_marker_of(header: &BatchHeader, batch: &[u8]) -> Option<TransactionMarker> {
    if is_marker(header) {
        transaction_marker(batch)
    } else {
        None
    }
}

fn check(batch: &[u8], config: &LogConfig) -> Result<BatchHeader, BatchError> {
    let header = BatchHeader::parse(batch)?;
    let batch_bytes = header.size_bytes();
    if batch.len() < batch_bytes {
        return Err(BatchError::Incomplete {
            needed_bytes: batch_bytes,
            present_bytes: batch.len(),
        });
    }
    if batch.len() > batch_bytes {
        return Err(BatchError::MoreThanOneBatch {
            extra_bytes: batch.len() - batch_bytes,
        });
    }
    let segment_bytes = config.segment_bytes as usize;
    if batch_bytes > segment_bytes {
        return Err(BatchError::LargerThanSegment {
            batch_bytes,
            segment_bytes,
        });
    }
    if header.last_offset_delta < 0 {
        return Err(BatchError::CountMismatch {
            record_count: header.record_count,
            last_offset_delta: header.last_offset_delta,
        });
    }
    Ok(header)
}

fn header_of(batch: &[u8]) -> BatchHeader {
    BatchHeader::parse(batch).expect("checked before")
}

#[cfg(test)]
#[path = "append_tests.rs"]
mod tests;
