//! Owns bringing a segment's indexes and tail into memory, and building them anew when they are missing or wrong.

use std::sync::Arc;

use millrace_host::disk::Disk;
use millrace_record::{NO_TIMESTAMP, TimestampAndOffset};

use super::{Indexes, Segment, Tail, continues, read_error};
use crate::batch_scan::{BatchScan, Located, ScanError};
use crate::config::LogConfig;
use crate::error::{Damage, ReadError};
use crate::index_file::OffsetEntry;
use crate::segment_files::SegmentFiles;

impl<D: Disk> Segment<D> {
    /// Loads the indexes and the tail, rebuilding what is missing or wrong.
    pub(crate) fn ensure_loaded(
        &mut self,
        files: &SegmentFiles<D>,
        config: &LogConfig,
    ) -> Result<(), ReadError> {
        if self.indexes.is_some() && self.tail.is_some() {
            return Ok(());
        }
        if self.size == 0 {
            *self = Segment {
                file: self.file.take(),
                ..Segment::new(files, self.base_offset, self.created_ms)
            };
            return Ok(());
        }
        match self.try_load(files) {
            Ok(true) => Ok(()),
            Ok(false) | Err(ReadError::Corrupt { .. }) => self.rebuild_indexes(files, config),
            Err(error) => Err(error),
        }
    }

    /// False when the indexes are missing or contradict the log.
    fn try_load(&mut self, files: &SegmentFiles<D>) -> Result<bool, ReadError> {
        let Some(indexes) = Indexes::load(files, self.base_offset)? else {
            return Ok(false);
        };
        if self.tail.is_none() {
            let Some(tail) = self.scan_tail(files, &indexes, self.size)? else {
                return Ok(false);
            };
            self.tail = Some(tail);
        } else if !self.last_entry_is_right(files, &indexes)? {
            return Ok(false);
        }
        self.indexes = Some(Box::new(indexes));
        Ok(true)
    }

    fn last_entry_is_right(
        &mut self,
        files: &SegmentFiles<D>,
        indexes: &Indexes<D>,
    ) -> Result<bool, ReadError> {
        let Some(last) = indexes.offsets.last() else {
            return Ok(true);
        };
        if last.position >= self.size {
            return Ok(false);
        }
        Ok(self.check_entry(files, last)?.is_some())
    }

    /// Walks the batches from the last index entry to `end`. None when an index contradicts them.
    pub(super) fn scan_tail(
        &mut self,
        files: &SegmentFiles<D>,
        indexes: &Indexes<D>,
        end: u32,
    ) -> Result<Option<Tail>, ReadError> {
        let base_offset = self.base_offset;
        let last_entry = indexes.offsets.last();
        let start = last_entry.map_or(0, |entry| entry.position);
        // No entry is for the first batch: one that is stems from a file of zeros.
        if start >= end || (start == 0 && last_entry.is_some()) {
            return Ok(None);
        }
        let mut tail = Tail {
            bytes_since_index_entry: end - start,
            largest: None,
            next_offset: base_offset,
        };
        let last_time = indexes.times.last().map(|entry| TimestampAndOffset {
            timestamp: entry.timestamp,
            offset: base_offset + i64::from(entry.relative_offset),
        });
        tail.largest = last_time;
        let file = Arc::clone(self.file(files)?);
        let mut scan = BatchScan::new(&*file, start, end);
        while let Some(Located { position, header }) = scan
            .next()
            .map_err(|error| read_error(files, base_offset, error))?
        {
            let entry_is_wrong = last_entry.is_some_and(|entry| {
                position == entry.position
                    && header.last_offset() != base_offset + i64::from(entry.relative_offset)
            });
            if entry_is_wrong || !continues(base_offset, tail.next_offset, &header) {
                return Ok(None);
            }
            if header.max_timestamp
                > tail
                    .largest
                    .map_or(NO_TIMESTAMP, |largest| largest.timestamp)
            {
                tail.largest = Some(TimestampAndOffset {
                    timestamp: header.max_timestamp,
                    offset: header.last_offset(),
                });
            }
            tail.next_offset = header.next_offset();
        }
        // A time entry for an offset that the segment does not have, or for no time.
        let time_is_wrong = last_time
            .is_some_and(|last| last.offset >= tail.next_offset || last.timestamp <= NO_TIMESTAMP);
        if time_is_wrong {
            return Ok(None);
        }
        Ok(Some(tail))
    }

    /// The batch an entry points to, or None when it is not the one the entry names.
    pub(super) fn check_entry(
        &mut self,
        files: &SegmentFiles<D>,
        entry: OffsetEntry,
    ) -> Result<Option<Located>, ReadError> {
        let (base_offset, size) = (self.base_offset, self.size);
        let file = self.file(files)?;
        match BatchScan::new(&**file, entry.position, size).next() {
            Ok(Some(located))
                if located.header.last_offset()
                    == base_offset + i64::from(entry.relative_offset) =>
            {
                Ok(Some(located))
            }
            Ok(_) | Err(ScanError::Bad { .. }) => Ok(None),
            Err(error @ ScanError::Io(_)) => Err(read_error(files, base_offset, error)),
        }
    }

    /// Writes both indexes anew from the batch headers of this segment.
    pub(crate) fn rebuild_indexes(
        &mut self,
        files: &SegmentFiles<D>,
        config: &LogConfig,
    ) -> Result<(), ReadError> {
        let base_offset = self.base_offset;
        let size = self.size;
        let file = Arc::clone(self.file(files)?);
        let mut rebuilt = Segment::new(files, base_offset, self.created_ms);
        let mut scan = BatchScan::new(&*file, 0, size);
        while let Some(located) = scan
            .next()
            .map_err(|error| read_error(files, base_offset, error))?
        {
            let next_offset = rebuilt.tail.expect("new").next_offset;
            if !continues(base_offset, next_offset, &located.header) {
                let damage = Damage::OffsetsNotAscending {
                    base_offset: located.header.base_offset,
                };
                return Err(ReadError::Corrupt {
                    segment_base_offset: base_offset,
                    position: located.position,
                    damage,
                });
            }
            rebuilt.add_batch(&located.header, config.index_interval_bytes);
        }
        assert!(rebuilt.size == size, "the scan covered the whole segment");
        rebuilt.file = Some(file);
        rebuilt.txns = self.txns.take();
        rebuilt.scans = self.scans + 1;
        rebuilt.write_indexes_anew(files)?;
        *self = rebuilt;
        Ok(())
    }
}
