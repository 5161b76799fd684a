//! Owns appending: offsets and leader epoch are stamped into the batches where they lie, and all batches that go to one segment are written
//! with one call. Never checks a checksum: whoever received the bytes has.
//! Invariant: a call appends all of its batches or none; the log end offset moves once, after the bytes are written.

use std::io::IoSlice;
use std::path::Path;
use std::sync::Arc;

use millrace_host::disk::{Disk, DiskFile};
use millrace_record::{
    BatchError, BatchHeader, NO_TIMESTAMP, TimestampType, stamp_base_offset, stamp_leader_epoch,
    stamp_log_append_time,
};

use crate::config::LogConfig;
use crate::error::{AppendError, ReadError, StorageError};
use crate::log::Log;
use crate::names::LOG_SUFFIX;
use crate::segment::Segment;

/// Where the batches of one call went. Batch i begins where batch i-1 ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppendInfo {
    pub base_offset: i64,
    pub last_offset: i64,
    /// The time stamped into the batches, -1 under CreateTime.
    pub log_append_time_ms: i64,
    /// A new segment was begun: time for a producer snapshot and a sync in the background.
    pub rolled: bool,
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
        let start_offset = self.log_end_offset;
        let segments_before = self.segments.len();
        prepare(batches, stamp, start_offset, &self.config)?;

        let mut written = 0;
        while written < batches.len() {
            match self.write_run(&batches[written..], now_ms) {
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
        })
    }

    /// Writes as many of the batches as belong into one segment, rolling first if the first one does not fit. Returns how many.
    fn write_run(&mut self, batches: &[&mut [u8]], now_ms: i64) -> Result<usize, StorageError> {
        let first = header_of(batches[0]);
        self.load_active()?;
        if self.must_roll(&first, now_ms)? {
            self.roll_at(first.base_offset.max(self.log_end_offset), now_ms)?;
            self.load_active()?;
        }
        let run = self.run_length(batches);
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
        self.add_written(&batches[..run]);
        Ok(run)
    }

    /// Bookkeeping for batches that are in the file.
    fn add_written(&mut self, batches: &[&mut [u8]]) {
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
        }
        active.flush_full_index_pages(&self.files);
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

    /// Kafka's rules for beginning a new segment: size, age by the timestamps of the batches, full index, offsets too far apart.
    fn must_roll(&mut self, next: &BatchHeader, now_ms: i64) -> Result<bool, StorageError> {
        let config = &self.config;
        let active = self
            .segments
            .last_mut()
            .expect("there is always an active segment");
        if !spans(active.base_offset, next.last_offset()) {
            return Ok(true);
        }
        if active.size == 0 {
            return Ok(false);
        }
        if active.size as usize + next.size_bytes() > config.segment_bytes as usize
            || !active.index_has_room(config, 1)
        {
            return Ok(true);
        }
        let first_timestamp = match active.first_timestamp(&self.files) {
            Ok(timestamp) => timestamp.filter(|&timestamp| timestamp >= 0),
            Err(ReadError::Storage(error)) => return Err(error),
            // An unreadable first batch has no time; the reader who meets it reports it.
            Err(ReadError::Corrupt { .. } | ReadError::OffsetOutOfRange { .. }) => None,
        };
        let age_ms = match first_timestamp {
            Some(first) => next.max_timestamp.saturating_sub(first),
            None => now_ms.saturating_sub(active.created_ms),
        };
        Ok(age_ms
            > config.segment_ms_max().saturating_sub(roll_jitter_ms(
                config,
                &self.files.dir,
                active.base_offset,
            )))
    }

    /// Begins a new segment at the log end offset, unless the active one is empty.
    pub fn roll(&mut self, now_ms: i64) -> Result<(), AppendError> {
        if self.fenced {
            return Err(AppendError::Fenced);
        }
        self.load_active()?;
        if self.active().size > 0 {
            self.roll_at(self.log_end_offset, now_ms)?;
        }
        Ok(())
    }

    /// Every step before the last leaves the log as it was when it fails.
    pub(crate) fn roll_at(&mut self, base_offset: i64, now_ms: i64) -> Result<(), StorageError> {
        let active = self
            .segments
            .last_mut()
            .expect("there is always an active segment");
        active.flush_indexes(&self.files, true)?;
        let is_replaced = active.size == 0;
        // The handle may have been let go with bytes still unsynced.
        let file = Arc::clone(active.file(&self.files)?);
        let mut next = Segment::new(&self.files, base_offset, now_ms);
        next.create_file(&self.files)?;
        if is_replaced {
            // Nothing to keep: the empty segment's base is too far behind the next offset.
            self.drop_segments_from(self.segments.len() - 1)?;
        } else {
            let rolled = self
                .segments
                .last()
                .expect("there is always an active segment");
            for file in rolled.index_files().cloned().chain([file]) {
                self.sync.note_rolled(file);
            }
        }
        self.sync.note_new_segment(base_offset);
        self.append_positions.clear();
        self.segments.push(next);
        Ok(())
    }

    /// Makes file and memory agree again after a failed write. Out of space leaves a sound, shorter file; anything else, or a cut that fails,
    /// leaves doubt and fences the log.
    fn cut_off_partial_write(&mut self, file: &D::File, position: u64, error: &StorageError) {
        let cut = file.set_len(position);
        if cut.is_err() || !error.is_out_of_space() {
            self.fenced = true;
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

/// Checks that every slice is one batch that fits, and stamps it.
fn prepare(
    batches: &mut [&mut [u8]],
    stamp: Stamp,
    start_offset: i64,
    config: &LogConfig,
) -> Result<(), AppendError> {
    let mut next_offset = start_offset;
    for (index, batch) in batches.iter_mut().enumerate() {
        let header = check(batch, config).map_err(|error| AppendError::Invalid { index, error })?;
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
    Ok(())
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

/// Whether an offset can be written relative to a segment's base.
fn spans(base_offset: i64, offset: i64) -> bool {
    offset - base_offset <= i64::from(i32::MAX)
}

/// This segment's own share of `segment.jitter.ms`: spread evenly over logs and offsets, and the same every time it is asked.
fn roll_jitter_ms(config: &LogConfig, dir: &Path, base_offset: i64) -> i64 {
    let limit = config.segment_jitter_ms.min(config.segment_ms_max());
    if limit <= 0 {
        return 0;
    }
    // FNV-1a of the name: without it all logs that begin at offset 0 would share one age.
    let name = dir.file_name().unwrap_or_default().as_encoded_bytes();
    let log = name.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let mixed = (base_offset as u64)
        .wrapping_add(log)
        .wrapping_add(1)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        >> 11;
    (mixed % limit as u64) as i64
}

#[cfg(test)]
#[path = "append_tests.rs"]
mod tests;
