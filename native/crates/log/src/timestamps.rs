//! Owns finding a record by time: time index, offset index, batch headers, and at last the records of one batch, which are the only ones
//! this crate ever decompresses.

use std::sync::Arc;

use millrace_host::disk::{Disk, DiskFile};
use millrace_record::{
    BatchError, BatchHeader, NO_PARTITION_LEADER_EPOCH, TimestampAndOffset, offset_for_timestamp,
    offset_of_max_timestamp,
};

use crate::batch_scan::Located;
use crate::error::{Attempt, Damage, ReadError};
use crate::log::Log;
use crate::names::LOG_SUFFIX;

/// The answer to ListOffsets by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampLookup {
    pub timestamp: i64,
    pub offset: i64,
    /// -1 when unknown.
    pub leader_epoch: i32,
}

impl TimestampLookup {
    fn new(found: TimestampAndOffset, header: &BatchHeader) -> TimestampLookup {
        let leader_epoch = header.partition_leader_epoch.max(NO_PARTITION_LEADER_EPOCH);
        TimestampLookup {
            timestamp: found.timestamp,
            offset: found.offset,
            leader_epoch,
        }
    }
}

impl<D: Disk> Log<D> {
    /// The first record at or after `timestamp`, from the log start offset on. None when all are older.
    pub fn offset_for_timestamp(
        &mut self,
        timestamp: i64,
    ) -> Result<Option<TimestampLookup>, ReadError> {
        let log_start_offset = self.log_start_offset;
        for index in 0..self.segments.len() {
            let segment = &mut self.segments[index];
            let largest = segment.largest_timestamp(&self.files, &self.config)?;
            if largest.is_none_or(|largest| largest.timestamp < timestamp) {
                continue;
            }
            let mut position =
                segment.position_before_timestamp(&self.files, &self.config, timestamp)?;
            while let Some(located) = self.next_batch(index, position, |header| {
                header.max_timestamp >= timestamp && header.last_offset() >= log_start_offset
            })? {
                let batch = self.batch_bytes(index, &located)?;
                let found = offset_for_timestamp(&batch, timestamp, log_start_offset)
                    .map_err(|error| self.damage(index, &located, error))?;
                if let Some(found) = found {
                    return Ok(Some(TimestampLookup::new(found, &located.header)));
                }
                position = located.end();
            }
        }
        Ok(None)
    }

    /// The first record that carries the largest timestamp of the log. None in an empty log, or one without timestamps.
    pub fn offset_of_max_timestamp(&mut self) -> Result<Option<TimestampLookup>, ReadError> {
        let mut newest: Option<(usize, TimestampAndOffset)> = None;
        for index in 0..self.segments.len() {
            if let Some(largest) =
                self.segments[index].largest_timestamp(&self.files, &self.config)?
                && newest.is_none_or(|(_, newest)| largest.timestamp > newest.timestamp)
            {
                newest = Some((index, largest));
            }
        }
        let Some((index, largest)) = newest else {
            return Ok(None);
        };
        // The noted offset is the last one of the batch, so this finds that batch.
        let Some(located) =
            self.segments[index].locate(&self.files, &self.config, largest.offset)?
        else {
            return Ok(None);
        };
        let batch = self.batch_bytes(index, &located)?;
        let found =
            offset_of_max_timestamp(&batch).map_err(|error| self.damage(index, &located, error))?;
        // An emptied batch that compaction kept still stands for its last offset.
        let found = found.unwrap_or(largest);
        Ok(Some(TimestampLookup::new(found, &located.header)))
    }

    fn next_batch(
        &mut self,
        index: usize,
        position: u32,
        is_wanted: impl Fn(&BatchHeader) -> bool,
    ) -> Result<Option<Located>, ReadError> {
        let mut found = None;
        self.segments[index].scan(&self.files, position, |located| {
            if is_wanted(&located.header) {
                found = Some(*located);
            }
            found.is_none()
        })?;
        Ok(found)
    }

    fn batch_bytes(&mut self, index: usize, located: &Located) -> Result<Vec<u8>, ReadError> {
        let segment = &mut self.segments[index];
        let path = self.files.path(segment.base_offset, LOG_SUFFIX);
        let file = Arc::clone(segment.file(&self.files)?);
        let mut bytes = vec![0; located.header.size_bytes()];
        file.read_exact_at(&mut bytes, u64::from(located.position))
            .attempt("read", &path)?;
        Ok(bytes)
    }

    fn damage(&self, index: usize, located: &Located, error: BatchError) -> ReadError {
        let segment_base_offset = self.segments[index].base_offset;
        ReadError::Corrupt {
            segment_base_offset,
            position: located.position,
            damage: Damage::Batch(error),
        }
    }
}

#[cfg(test)]
#[path = "timestamps_tests.rs"]
mod tests;
