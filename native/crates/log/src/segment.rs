//! Owns one segment: its `.log` file, its two indexes and what is known of both. Never decides when to roll or delete.
//! Invariant: the indexes are caches. Whatever they say is checked against the batch header it points to; when it is wrong, or they are
//! missing, they are rebuilt from this segment's own file, and no other segment is looked at.
//! An idle segment holds no file handle and no index.

use std::sync::Arc;

use millrace_host::disk::{Disk, DiskFile, OpenMode};
use millrace_record::{BatchHeader, NO_TIMESTAMP, TimestampAndOffset};

use crate::batch_scan::{BatchScan, Located, ScanError};
use crate::config::LogConfig;
use crate::error::{Attempt, Damage, ReadError, StorageError};
use crate::index_file::{IndexEntry, IndexFile, OffsetEntry, TimeEntry};
use crate::names::{INDEX_SUFFIX, LOG_SUFFIX, TIME_INDEX_SUFFIX};
use crate::segment_files::SegmentFiles;

pub(crate) struct Segment<D: Disk> {
    pub(crate) base_offset: i64,
    /// Bytes of whole batches; the file may be longer only while a failed write waits to be cut off.
    pub(crate) size: u32,
    /// When this process began to use the segment; stands in for the first timestamp in an empty one.
    pub(crate) created_ms: i64,
    file: Option<Arc<D::File>>,
    indexes: Option<Box<Indexes<D>>>,
    tail: Option<Tail>,
    /// Max timestamp of the first batch, once known.
    first_timestamp: Option<i64>,
}

pub(crate) struct Indexes<D: Disk> {
    pub(crate) offsets: IndexFile<D, OffsetEntry>,
    pub(crate) times: IndexFile<D, TimeEntry>,
}

/// What the batches behind the last index entry say.
#[derive(Clone, Copy)]
struct Tail {
    bytes_since_index_entry: u32,
    /// The largest timestamp of the segment, with the last offset of the first batch that has it.
    largest: Option<TimestampAndOffset>,
    next_offset: i64,
}

impl<D: Disk> Indexes<D> {
    fn empty(files: &SegmentFiles<D>, base_offset: i64) -> Indexes<D> {
        Indexes {
            offsets: IndexFile::empty(files.path(base_offset, INDEX_SUFFIX)),
            times: IndexFile::empty(files.path(base_offset, TIME_INDEX_SUFFIX)),
        }
    }

    fn load(files: &SegmentFiles<D>, base_offset: i64) -> Result<Option<Indexes<D>>, StorageError> {
        let offsets = IndexFile::load(&files.disk, files.path(base_offset, INDEX_SUFFIX))?;
        let times = IndexFile::load(&files.disk, files.path(base_offset, TIME_INDEX_SUFFIX))?;
        Ok(offsets
            .zip(times)
            .map(|(offsets, times)| Indexes { offsets, times }))
    }

    /// Times first: a process killed in between leaves time entries without offset entries, which are dropped, not the other way round.
    fn flush(&mut self, disk: &D) -> Result<(), StorageError> {
        self.times.flush(disk)?;
        self.offsets.flush(disk)
    }

    /// Replaces the files on disk so that no crash leaves an offset index beside a time index that is not as complete.
    fn write_anew(
        &mut self,
        files: &SegmentFiles<D>,
        base_offset: i64,
    ) -> Result<(), StorageError> {
        files.remove(&files.path(base_offset, INDEX_SUFFIX))?;
        files
            .disk
            .sync_dir(&files.dir)
            .attempt("sync", &files.dir)?;
        self.times.flush(&files.disk)?;
        self.times.sync()?;
        self.offsets.flush(&files.disk)?;
        self.offsets.sync()
    }

    /// Drops the entries of batches at or behind `position`, a boundary.
    fn truncate(&mut self, position: u32) -> Result<(), StorageError> {
        self.offsets.truncate(|entry| entry.position < position)?;
        // Time entries name offsets: those behind the last kept offset entry go, the tail scan finds their batches again.
        let kept = self.offsets.last().map(|entry| entry.relative_offset);
        self.times
            .truncate(|entry| kept.is_some_and(|kept| entry.relative_offset <= kept))
    }

    fn add_time(&mut self, base_offset: i64, largest: Option<TimestampAndOffset>) {
        let Some(largest) = largest else { return };
        let last_timestamp = self
            .times
            .last()
            .map_or(NO_TIMESTAMP, |entry| entry.timestamp);
        if largest.timestamp > last_timestamp {
            let relative_offset = relative(base_offset, largest.offset);
            self.times.push(TimeEntry {
                timestamp: largest.timestamp,
                relative_offset,
            });
        }
    }
}

fn relative(base_offset: i64, offset: i64) -> u32 {
    let relative = offset - base_offset;
    assert!(
        (0..=i64::from(i32::MAX)).contains(&relative),
        "a segment spans at most 2^31 offsets"
    );
    relative as u32
}

/// Whether a batch may lie in the segment behind everything below `next_offset`. Headers from a disk may say anything.
pub(crate) fn continues(segment_base_offset: i64, next_offset: i64, header: &BatchHeader) -> bool {
    let delta = i64::from(header.last_offset_delta);
    header.base_offset >= next_offset
        && header.base_offset >= segment_base_offset
        && delta >= 0
        && header.base_offset - segment_base_offset <= i64::from(i32::MAX) - delta
}

impl<D: Disk> Segment<D> {
    /// A segment that does not exist yet. Its file is created by the first write, or by `create_file`.
    pub(crate) fn new(files: &SegmentFiles<D>, base_offset: i64, now_ms: i64) -> Segment<D> {
        Segment {
            base_offset,
            size: 0,
            created_ms: now_ms,
            file: None,
            indexes: Some(Box::new(Indexes::empty(files, base_offset))),
            tail: Some(Tail {
                bytes_since_index_entry: 0,
                largest: None,
                next_offset: base_offset,
            }),
            first_timestamp: None,
        }
    }

    /// A segment found on disk with `size` bytes. Nothing is opened.
    pub(crate) fn found(base_offset: i64, size: u32, now_ms: i64) -> Segment<D> {
        Segment {
            base_offset,
            size,
            created_ms: now_ms,
            file: None,
            indexes: None,
            tail: None,
            first_timestamp: None,
        }
    }

    pub(crate) fn file(&mut self, files: &SegmentFiles<D>) -> Result<&Arc<D::File>, StorageError> {
        if self.file.is_none() {
            let mode = if self.size == 0 {
                OpenMode::Create
            } else {
                OpenMode::Existing
            };
            self.file = Some(Arc::new(
                files.open(&files.path(self.base_offset, LOG_SUFFIX), mode)?,
            ));
        }
        Ok(self.file.as_ref().expect("just opened"))
    }

    /// The handle if the segment holds one.
    pub(crate) fn open_file(&self) -> Option<&Arc<D::File>> {
        self.file.as_ref()
    }

    pub(crate) fn index_files(&self) -> impl Iterator<Item = &Arc<D::File>> {
        self.indexes.iter().flat_map(|indexes| {
            indexes
                .offsets
                .file()
                .into_iter()
                .chain(indexes.times.file())
        })
    }

    /// Entries of the offset index; None while it is not loaded.
    pub(crate) fn index_len(&self) -> Option<u32> {
        self.indexes.as_ref().map(|indexes| indexes.offsets.len())
    }

    /// Creates the file, emptying one that may lie there.
    pub(crate) fn create_file(&mut self, files: &SegmentFiles<D>) -> Result<(), StorageError> {
        assert!(self.size == 0, "a segment with batches has a file");
        self.file = Some(Arc::new(files.open(
            &files.path(self.base_offset, LOG_SUFFIX),
            OpenMode::Truncate,
        )?));
        Ok(())
    }

    /// Lets go of file handles and index pages, as far as nothing is only there. Only the few numbers an append needs stay.
    pub(crate) fn release(&mut self, files: &SegmentFiles<D>) -> Result<(), StorageError> {
        if let Some(indexes) = &mut self.indexes {
            if self.size > 0 {
                indexes.flush(&files.disk)?;
            }
            self.indexes = None;
        }
        self.file = None;
        Ok(())
    }

    /// Writes all index entries to their files. `is_final` adds the time entry for the segment's largest timestamp, as on roll and close.
    pub(crate) fn flush_indexes(
        &mut self,
        files: &SegmentFiles<D>,
        is_final: bool,
    ) -> Result<(), StorageError> {
        if self.size == 0 {
            return Ok(());
        }
        let largest = self.tail.and_then(|tail| tail.largest);
        if let Some(indexes) = &mut self.indexes {
            if is_final {
                indexes.add_time(self.base_offset, largest);
            }
            indexes.flush(&files.disk)?;
        }
        Ok(())
    }

    fn write_indexes_anew(&mut self, files: &SegmentFiles<D>) -> Result<(), StorageError> {
        self.indexes
            .as_mut()
            .expect("just rebuilt")
            .write_anew(files, self.base_offset)
    }

    /// Takes note of a batch that now lies at the end of the segment: Kafka's rule for index entries.
    pub(crate) fn add_batch(&mut self, header: &BatchHeader, index_interval_bytes: u32) {
        let tail = self
            .tail
            .as_mut()
            .expect("a segment is loaded before batches are added");
        let indexes = self
            .indexes
            .as_mut()
            .expect("a segment is loaded before batches are added");
        let last_offset = header.last_offset();
        let largest_so_far = tail
            .largest
            .map_or(NO_TIMESTAMP, |largest| largest.timestamp);
        if header.max_timestamp > largest_so_far {
            tail.largest = Some(TimestampAndOffset {
                timestamp: header.max_timestamp,
                offset: last_offset,
            });
        }
        if tail.bytes_since_index_entry > index_interval_bytes {
            let relative_offset = relative(self.base_offset, last_offset);
            indexes.offsets.push(OffsetEntry {
                relative_offset,
                position: self.size,
            });
            indexes.add_time(self.base_offset, tail.largest);
            tail.bytes_since_index_entry = 0;
        }
        let batch_bytes = header.size_bytes() as u32;
        if self.size == 0 {
            self.first_timestamp = Some(header.max_timestamp);
        }
        tail.bytes_since_index_entry = tail.bytes_since_index_entry.saturating_add(batch_bytes);
        tail.next_offset = last_offset + 1;
        self.size += batch_bytes;
    }

    /// Writes out full pages of index entries. A failure is harmless: the entries stay in memory and the next page, roll or close tries again.
    pub(crate) fn flush_full_index_pages(&mut self, files: &SegmentFiles<D>) {
        if let Some(indexes) = &mut self.indexes
            && indexes.offsets.has_full_page()
        {
            let _ = indexes.flush(&files.disk);
        }
    }

    /// Entries one more batch may need are still free in both indexes.
    pub(crate) fn index_has_room(&self, config: &LogConfig, batches: u32) -> bool {
        let Some(indexes) = &self.indexes else {
            return true;
        };
        let offset_entries_max = config.segment_index_bytes / OffsetEntry::BYTES as u32;
        // The last time entry is kept free for the roll.
        let time_entries_max =
            (config.segment_index_bytes / TimeEntry::BYTES as u32).saturating_sub(1);
        indexes.offsets.len() + batches <= offset_entries_max
            && indexes.times.len() + batches <= time_entries_max
    }

    /// Offset behind the last batch.
    pub(crate) fn next_offset(
        &mut self,
        files: &SegmentFiles<D>,
        config: &LogConfig,
    ) -> Result<i64, ReadError> {
        self.ensure_loaded(files, config)?;
        Ok(self.tail.expect("loaded").next_offset)
    }

    pub(crate) fn largest_timestamp(
        &mut self,
        files: &SegmentFiles<D>,
        config: &LogConfig,
    ) -> Result<Option<TimestampAndOffset>, ReadError> {
        self.ensure_loaded(files, config)?;
        Ok(self.tail.expect("loaded").largest)
    }

    /// What `segment.ms` counts from: the max timestamp of the first batch.
    pub(crate) fn first_timestamp(
        &mut self,
        files: &SegmentFiles<D>,
    ) -> Result<Option<i64>, ReadError> {
        if self.first_timestamp.is_none() && self.size > 0 {
            let (base_offset, size) = (self.base_offset, self.size);
            let file = self.file(files)?;
            let first = BatchScan::new(&**file, 0, size)
                .next()
                .map_err(|error| read_error(files, base_offset, error))?;
            self.first_timestamp = first.map(|first| first.header.max_timestamp);
        }
        Ok(self.first_timestamp)
    }

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
    fn scan_tail(
        &mut self,
        files: &SegmentFiles<D>,
        indexes: &Indexes<D>,
        end: u32,
    ) -> Result<Option<Tail>, ReadError> {
        let base_offset = self.base_offset;
        let last_entry = indexes.offsets.last();
        let start = last_entry.map_or(0, |entry| entry.position);
        if start >= end {
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
    fn check_entry(
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
        rebuilt.write_indexes_anew(files)?;
        *self = rebuilt;
        Ok(())
    }

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

    /// Cuts the segment at a batch boundary, durably: if the old bytes could come back, they might come back behind new ones.
    pub(crate) fn truncate(
        &mut self,
        files: &SegmentFiles<D>,
        config: &LogConfig,
        position: u32,
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
            return Ok(());
        }
        self.size = position;
        self.indexes.as_mut().expect("loaded").truncate(position)?;
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
        rebuilt.write_indexes_anew(files)?;
        *self = rebuilt;
        Ok(self.size)
    }
}

pub(crate) fn read_error<D: Disk>(
    files: &SegmentFiles<D>,
    base_offset: i64,
    error: ScanError,
) -> ReadError {
    match error {
        ScanError::Io(source) => ReadError::Storage(StorageError::new(
            "read",
            &files.path(base_offset, LOG_SUFFIX),
            source,
        )),
        ScanError::Bad { position, error } => ReadError::Corrupt {
            segment_base_offset: base_offset,
            position,
            damage: Damage::Batch(error),
        },
    }
}
