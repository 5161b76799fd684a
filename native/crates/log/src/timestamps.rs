//! Owns finding a record by time: time index, offset index, batch headers, and at last the records of one batch, which are the only ones
//! this crate ever decompresses. A search is begun on the log and run without it, so that whoever guards the log with a lock need not hold
//! that while batches are read and decompressed.
//! Invariant: a search reads the file it was begun on, whatever becomes of the segment: rolled, compacted away or deleted.

use std::path::PathBuf;
use std::sync::Arc;

use millrace_host::disk::{Disk, DiskFile};
use millrace_record::{
    BatchError, BatchHeader, NO_PARTITION_LEADER_EPOCH, TimestampAndOffset, offset_for_timestamp,
    offset_of_max_timestamp,
};

use crate::batch_scan::{BatchScan, Located, ScanError};
use crate::error::{Attempt, Damage, ReadError, StorageError};
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

/// The file of one segment, as it was when a search began.
struct SearchedFile<D: Disk> {
    file: Arc<D::File>,
    path: PathBuf,
    segment_base_offset: i64,
}

impl<D: Disk> SearchedFile<D> {
    fn batch_bytes(&self, located: &Located) -> Result<Vec<u8>, ReadError> {
        let mut bytes = vec![0; located.header.size_bytes()];
        self.file
            .read_exact_at(&mut bytes, u64::from(located.position))
            .attempt("read", &self.path)?;
        Ok(bytes)
    }

    fn damage(&self, position: u32, error: BatchError) -> ReadError {
        ReadError::Corrupt {
            segment_base_offset: self.segment_base_offset,
            position,
            damage: Damage::Batch(error),
        }
    }
}

/// Looks for the first record at or after a time in one segment.
pub struct TimeSearch<D: Disk> {
    searched: SearchedFile<D>,
    position: u32,
    end: u32,
    timestamp: i64,
    log_start_offset: i64,
}

impl<D: Disk> TimeSearch<D> {
    /// None: the segment has none, and the log is to be asked for the next search.
    pub fn run(&self) -> Result<Option<TimestampLookup>, ReadError> {
        let searched = &self.searched;
        let mut scan = BatchScan::new(&*searched.file, self.position, self.end);
        loop {
            let located = match scan.next() {
                Ok(Some(located)) => located,
                Ok(None) => return Ok(None),
                Err(ScanError::Bad { position, error }) => {
                    return Err(searched.damage(position, error));
                }
                Err(ScanError::Io(error)) => {
                    return Err(StorageError::new("read", &searched.path, error).into());
                }
            };
            let header = &located.header;
            if header.max_timestamp < self.timestamp || header.last_offset() < self.log_start_offset
            {
                continue;
            }
            let batch = searched.batch_bytes(&located)?;
            let found = offset_for_timestamp(&batch, self.timestamp, self.log_start_offset)
                .map_err(|error| searched.damage(located.position, error))?;
            if let Some(found) = found {
                return Ok(Some(TimestampLookup::new(found, header)));
            }
        }
    }

    /// Where the log is to be asked for the next search.
    pub fn next_from(&self) -> i64 {
        self.searched.segment_base_offset + 1
    }
}

/// Looks for the first record with the largest timestamp in the batch that has it.
pub struct MaxTimeSearch<D: Disk> {
    searched: SearchedFile<D>,
    located: Located,
    largest: TimestampAndOffset,
}

impl<D: Disk> MaxTimeSearch<D> {
    pub fn run(&self) -> Result<TimestampLookup, ReadError> {
        let batch = self.searched.batch_bytes(&self.located)?;
        let found = offset_of_max_timestamp(&batch)
            .map_err(|error| self.searched.damage(self.located.position, error))?;
        // An emptied batch that compaction kept still stands for its last offset.
        let found = found.unwrap_or(self.largest);
        Ok(TimestampLookup::new(found, &self.located.header))
    }
}

impl<D: Disk> Log<D> {
    /// The first record at or after `timestamp`, from the log start offset on. None when all are older.
    pub fn offset_for_timestamp(
        &mut self,
        timestamp: i64,
    ) -> Result<Option<TimestampLookup>, ReadError> {
        let mut from = 0;
        while let Some(search) = self.begin_time_search(timestamp, from)? {
            if let Some(found) = search.run()? {
                return Ok(Some(found));
            }
            from = search.next_from();
        }
        Ok(None)
    }

    /// A search in the first segment that may have a record at or after `timestamp`, of those that begin at `from` or above; the first
    /// search is begun from 0. None: there is no such segment.
    pub fn begin_time_search(
        &mut self,
        timestamp: i64,
        from: i64,
    ) -> Result<Option<TimeSearch<D>>, ReadError> {
        let first = self
            .segments
            .partition_point(|segment| segment.base_offset < from);
        for index in first..self.segments.len() {
            let segment = &mut self.segments[index];
            let largest = segment.largest_timestamp(&self.files, &self.config)?;
            if largest.is_none_or(|largest| largest.timestamp < timestamp) {
                continue;
            }
            let position =
                segment.position_before_timestamp(&self.files, &self.config, timestamp)?;
            return Ok(Some(TimeSearch {
                position,
                end: segment.size,
                timestamp,
                log_start_offset: self.log_start_offset,
                searched: self.searched_file(index)?,
            }));
        }
        Ok(None)
    }

    /// The first record that carries the largest timestamp of the log. None in an empty log, or one without timestamps.
    pub fn offset_of_max_timestamp(&mut self) -> Result<Option<TimestampLookup>, ReadError> {
        let search = self.begin_max_time_search()?;
        search.map(|search| search.run()).transpose()
    }

    pub fn begin_max_time_search(&mut self) -> Result<Option<MaxTimeSearch<D>>, ReadError> {
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
        let located = self.segments[index].locate(&self.files, &self.config, largest.offset)?;
        let Some(located) = located else {
            return Ok(None);
        };
        Ok(Some(MaxTimeSearch {
            searched: self.searched_file(index)?,
            located,
            largest,
        }))
    }

    fn searched_file(&mut self, index: usize) -> Result<SearchedFile<D>, ReadError> {
        let segment = &mut self.segments[index];
        let segment_base_offset = segment.base_offset;
        Ok(SearchedFile {
            path: self.files.path(segment_base_offset, LOG_SUFFIX),
            segment_base_offset,
            file: Arc::clone(segment.file(&self.files)?),
        })
    }
}

#[cfg(test)]
#[path = "timestamps_tests.rs"]
mod tests;
