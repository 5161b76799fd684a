//! Owns taking batches off the end of a segment: truncation, and the rewinding with which recovery begins.

use millrace_host::disk::{Disk, DiskFile};

use super::{Indexes, Segment, continues};
use crate::config::LogConfig;
use crate::error::{Attempt, ReadError};
use crate::names::{INDEX_SUFFIX, LOG_SUFFIX, TIME_INDEX_SUFFIX, TXN_INDEX_SUFFIX};
use crate::segment_files::SegmentFiles;

impl<D: Disk> Segment<D> {
    /// Cuts the segment at a batch boundary, the position of the batch that begins at `end_offset`, durably: if the old bytes could come back, they might come back behind new ones.
    pub(crate) fn truncate(
        &mut self,
        files: &SegmentFiles<D>,
        config: &LogConfig,
        position: u32,
        end_offset: i64,
    ) -> Result<(), ReadError> {
        assert!(position <= self.size, "truncation never extends");
        self.ensure_loaded(files, config)?;
        let path = files.path(self.base_offset, LOG_SUFFIX);
        let file = self.file(files)?;
        file.set_len(u64::from(position))
            .attempt("truncate", &path)?;
        file.sync_data().attempt("sync", &path)?;
        if position == 0 {
            let file = self.file.take();
            *self = Segment {
                file,
                ..Segment::new(files, self.base_offset, self.created_ms)
            };
            // Stale entries must not meet new batches of the same offsets after a crash; if removal fails they are found out by checking.
            let _ = files.remove(&files.path(self.base_offset, INDEX_SUFFIX));
            let _ = files.remove(&files.path(self.base_offset, TIME_INDEX_SUFFIX));
            let _ = files.remove(&files.path(self.base_offset, TXN_INDEX_SUFFIX));
            return Ok(());
        }
        self.size = position;
        self.indexes.as_mut().expect("loaded").truncate(position)?;
        self.txns
            .truncate(files, self.base_offset, u64::from(self.size), end_offset)?;
        match self.rescan_tail(files) {
            Ok(true) => Ok(()),
            // The entry that is now the last was never looked at before.
            Ok(false) | Err(ReadError::Corrupt { .. }) => self.rebuild_indexes(files, config),
            Err(error) => Err(error),
        }
    }

    fn rescan_tail(&mut self, files: &SegmentFiles<D>) -> Result<bool, ReadError> {
        let indexes = self.indexes.take().expect("loaded");
        let tail = self.scan_tail(files, &indexes, self.size);
        self.indexes = Some(indexes);
        self.tail = tail?;
        Ok(self.tail.is_some())
    }

    /// Prepares the segment for recovery from `recovery_point`: finds the first batch that is not wholly below it, keeps the index entries
    /// before that batch and forgets the rest. `size` becomes the batch's position. The file stays as it is.
    /// Batches below the recovery point were synced: their headers are walked, their bytes not read.
    pub(crate) fn rewind_to(
        &mut self,
        files: &SegmentFiles<D>,
        config: &LogConfig,
        recovery_point: i64,
    ) -> Result<(), ReadError> {
        let file_size = self.size;
        let position = if recovery_point <= self.base_offset || file_size == 0 {
            0
        } else {
            match self.rewind_by_index(files, recovery_point)? {
                Some(position) => position,
                None => self.rewind_by_scan(files, config, recovery_point)?,
            }
        };
        if position == 0 {
            let file = self.file.take();
            *self = Segment {
                file,
                txns: self.txns.take(),
                scans: self.scans,
                ..Segment::new(files, self.base_offset, self.created_ms)
            };
        }
        assert!(
            self.size == position && position <= file_size,
            "the segment is rewound to a boundary"
        );
        Ok(())
    }

    /// None when the indexes are not to be trusted.
    fn rewind_by_index(
        &mut self,
        files: &SegmentFiles<D>,
        recovery_point: i64,
    ) -> Result<Option<u32>, ReadError> {
        let base_offset = self.base_offset;
        let Some(mut indexes) = Indexes::load(files, base_offset)? else {
            return Ok(None);
        };
        if !indexes.offsets.ascends()? || !indexes.times.ascends()? {
            return Ok(None);
        }
        let is_below = |relative: u32| base_offset + i64::from(relative) < recovery_point;
        let entry = indexes
            .offsets
            .last_below(|entry| is_below(entry.relative_offset))?;
        if let Some(entry) = entry
            && (entry.position >= self.size || self.check_entry(files, entry)?.is_none())
        {
            return Ok(None);
        }
        let mut position = entry.map_or(0, |entry| entry.position);
        let walked = self.scan(files, position, |located| {
            let is_synced = located.header.last_offset() < recovery_point;
            if is_synced {
                position = located.end();
            }
            is_synced
        });
        match walked {
            Ok(()) | Err(ReadError::Corrupt { .. }) => {}
            Err(error) => return Err(error),
        }
        // Only what was just checked and what lies before it: later entries may stem from before a truncation.
        let kept = entry.map(|entry| entry.relative_offset);
        indexes
            .offsets
            .truncate(|entry| kept.is_some_and(|kept| entry.relative_offset <= kept))?;
        indexes
            .times
            .truncate(|entry| kept.is_some_and(|kept| entry.relative_offset <= kept))?;
        if position > 0 {
            let Some(tail) = self.scan_tail(files, &indexes, position)? else {
                return Ok(None);
            };
            self.tail = Some(tail);
        }
        self.indexes = Some(Box::new(indexes));
        self.size = position;
        Ok(Some(position))
    }

    fn rewind_by_scan(
        &mut self,
        files: &SegmentFiles<D>,
        config: &LogConfig,
        recovery_point: i64,
    ) -> Result<u32, ReadError> {
        let mut rebuilt = Segment::new(files, self.base_offset, self.created_ms);
        let walked = self.scan(files, 0, |located| {
            let next_offset = rebuilt.tail.expect("new").next_offset;
            let is_synced = continues(rebuilt.base_offset, next_offset, &located.header)
                && located.header.last_offset() < recovery_point;
            if is_synced {
                rebuilt.add_batch(&located.header, config.index_interval_bytes);
            }
            is_synced
        });
        match walked {
            Ok(()) | Err(ReadError::Corrupt { .. }) => {}
            Err(error) => return Err(error),
        }
        rebuilt.file = self.file.take();
        rebuilt.txns = self.txns.take();
        rebuilt.scans = self.scans + 1;
        rebuilt.write_indexes_anew(files)?;
        *self = rebuilt;
        Ok(self.size)
    }
}
