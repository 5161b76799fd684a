//! Owns finding batches in a segment: by offset, by position, by time. Every index entry is checked against the batch it names.

use millrace_host::disk::Disk;

use super::{Segment, read_error};
use crate::batch_scan::{BatchScan, Located};
use crate::config::LogConfig;
use crate::error::{Damage, ReadError, StorageError};
use crate::index_file::{OffsetEntry, TimeEntry};
use crate::segment_files::SegmentFiles;

impl<D: Disk> Segment<D> {
    /// The first batch whose last offset is at or above `offset`, or None when all end before it.
    pub(crate) fn locate(
        &mut self,
        files: &SegmentFiles<D>,
        config: &LogConfig,
        offset: i64,
    ) -> Result<Option<Located>, ReadError> {
        if self.size == 0 {
            return Ok(None);
        }
        self.ensure_loaded(files, config)?;
        match self.locate_by_index(files, offset) {
            Err(ReadError::Corrupt { .. }) => {
                self.rebuild_indexes(files, config)?;
                self.locate_by_index(files, offset)
            }
            result => result,
        }
    }

    fn locate_by_index(
        &mut self,
        files: &SegmentFiles<D>,
        offset: i64,
    ) -> Result<Option<Located>, ReadError> {
        let base_offset = self.base_offset;
        let indexes = self.indexes.as_mut().expect("loaded");
        let entry = indexes
            .offsets
            .last_below(|entry| base_offset + i64::from(entry.relative_offset) <= offset)?;
        let mut found = None;
        self.scan_from_entry(files, entry, 0, |located| {
            let is_wanted = located.header.last_offset() >= offset;
            if is_wanted {
                found = Some(*located);
            }
            !is_wanted
        })?;
        Ok(found)
    }

    /// Scans from the batch an index entry names, or from `otherwise`. An entry that names another batch than lies there is an error.
    fn scan_from_entry(
        &mut self,
        files: &SegmentFiles<D>,
        entry: Option<OffsetEntry>,
        otherwise: u32,
        mut visit: impl FnMut(&Located) -> bool,
    ) -> Result<(), ReadError> {
        let base_offset = self.base_offset;
        let Some(entry) = entry else {
            return self.scan(files, otherwise, visit);
        };
        let entry_offset = base_offset + i64::from(entry.relative_offset);
        let mut is_right = false;
        self.scan(files, entry.position, |located| {
            is_right =
                located.position > entry.position || located.header.last_offset() == entry_offset;
            is_right && visit(located)
        })?;
        let damage = Damage::IndexContradicts;
        if is_right {
            Ok(())
        } else {
            Err(ReadError::Corrupt {
                segment_base_offset: base_offset,
                position: entry.position,
                damage,
            })
        }
    }

    /// The end of the last whole batch in `start..limit`, with the offset that follows it; `start` is a batch boundary and the result
    /// is (start, None) when not even one batch fits. Costs one index lookup and a scan of about one index interval.
    pub(crate) fn last_boundary(
        &mut self,
        files: &SegmentFiles<D>,
        config: &LogConfig,
        start: u32,
        limit: u32,
    ) -> Result<(u32, Option<i64>), ReadError> {
        self.ensure_loaded(files, config)?;
        match self.last_boundary_by_index(files, start, limit) {
            Err(ReadError::Corrupt { .. }) => {
                self.rebuild_indexes(files, config)?;
                self.last_boundary_by_index(files, start, limit)
            }
            result => result,
        }
    }

    fn last_boundary_by_index(
        &mut self,
        files: &SegmentFiles<D>,
        start: u32,
        limit: u32,
    ) -> Result<(u32, Option<i64>), ReadError> {
        let indexes = self.indexes.as_mut().expect("loaded");
        let entry = indexes
            .offsets
            .last_below(|entry| entry.position < limit)?
            .filter(|entry| entry.position > start);
        let scan_start = entry.map_or(start, |entry| entry.position);
        let (mut end, mut next_offset) = (scan_start, None);
        self.scan_from_entry(files, entry, start, |located| {
            if located.end() <= limit {
                end = located.end();
                next_offset = Some(located.header.next_offset());
            } else if next_offset.is_none() && scan_start > start {
                // The batch an entry points to may itself cross the limit; its base is where the range stops.
                next_offset = Some(located.header.base_offset);
            }
            located.end() < limit
        })?;
        Ok((end, next_offset))
    }

    /// Where to begin looking for a record at or after `timestamp`: no batch before the returned position is that young.
    pub(crate) fn position_before_timestamp(
        &mut self,
        files: &SegmentFiles<D>,
        config: &LogConfig,
        timestamp: i64,
    ) -> Result<u32, ReadError> {
        self.ensure_loaded(files, config)?;
        let Some(entry) = self.time_entry_below(timestamp)? else {
            return Ok(0);
        };
        let offset = self.base_offset + i64::from(entry.relative_offset);
        let named = self.locate(files, config, offset)?;
        if let Some(named) = named.filter(|named| named.header.max_timestamp == entry.timestamp) {
            return Ok(named.position);
        }
        // The entry names a batch of another time: it is no use.
        self.rebuild_indexes(files, config)?;
        let Some(entry) = self.time_entry_below(timestamp)? else {
            return Ok(0);
        };
        let offset = self.base_offset + i64::from(entry.relative_offset);
        Ok(self
            .locate(files, config, offset)?
            .map_or(0, |located| located.position))
    }

    fn time_entry_below(&mut self, timestamp: i64) -> Result<Option<TimeEntry>, StorageError> {
        let indexes = self.indexes.as_mut().expect("loaded");
        indexes
            .times
            .last_below(|entry| entry.timestamp < timestamp)
    }

    /// Calls `visit` for every batch from `position` on until it returns false.
    pub(crate) fn scan(
        &mut self,
        files: &SegmentFiles<D>,
        position: u32,
        mut visit: impl FnMut(&Located) -> bool,
    ) -> Result<(), ReadError> {
        if self.size == 0 {
            return Ok(());
        }
        let (base_offset, size) = (self.base_offset, self.size);
        let file = self.file(files)?;
        let mut scan = BatchScan::new(&**file, position, size);
        while let Some(located) = scan
            .next()
            .map_err(|error| read_error(files, base_offset, error))?
        {
            if !visit(&located) {
                return Ok(());
            }
        }
        Ok(())
    }
}
