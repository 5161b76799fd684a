//! Owns one segment: its `.log` file, its two indexes and what is known of both. Never decides when to roll or delete.
//! Invariant: the indexes are caches. Whatever they say is checked against the batch header it points to; when it is wrong, or they are
//! missing, they are rebuilt from this segment's own file, and no other segment is looked at.
//! An idle segment holds no file handle and no index.

mod cut;
mod load;
mod lookup;
mod txns;

use std::sync::Arc;

use millrace_host::disk::{Disk, OpenMode};
use millrace_record::{BatchHeader, NO_TIMESTAMP, TimestampAndOffset};

use crate::batch_scan::{BatchScan, ScanError};
use crate::config::LogConfig;
use crate::error::{Attempt, Damage, ReadError, StorageError};
use crate::index_file::{IndexEntry, IndexFile, OffsetEntry, TimeEntry};
use crate::names::{INDEX_SUFFIX, LOG_SUFFIX, TIME_INDEX_SUFFIX};
use crate::segment_files::SegmentFiles;
pub(crate) use txns::Txns;

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
    pub(crate) txns: Txns<D>,
    /// Times all batch headers of this segment were read because an index was missing or wrong.
    pub(crate) scans: u32,
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
            offsets: IndexFile::empty(files.disk.clone(), files.path(base_offset, INDEX_SUFFIX)),
            times: IndexFile::empty(
                files.disk.clone(),
                files.path(base_offset, TIME_INDEX_SUFFIX),
            ),
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
    fn flush(&mut self) -> Result<(), StorageError> {
        self.times.flush()?;
        self.offsets.flush()
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
        self.times.flush()?;
        self.times.sync()?;
        self.offsets.flush()?;
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
            txns: Txns::empty(files, base_offset),
            scans: 0,
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
            txns: Txns::unknown(),
            scans: 0,
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

    /// Handles to sync the indexes by, as far as they are loaded and have files.
    pub(crate) fn index_files_to_sync(&self) -> Result<Vec<Arc<D::File>>, StorageError> {
        let mut files: Vec<_> = self.txns.file().cloned().into_iter().collect();
        if let Some(indexes) = &self.indexes {
            files.extend(indexes.offsets.file_to_sync()?);
            files.extend(indexes.times.file_to_sync()?);
        }
        Ok(files)
    }

    /// Entries of the offset and the transaction index; None while they are not loaded.
    pub(crate) fn index_len(&self) -> Option<u32> {
        let indexes = self.indexes.as_ref()?;
        Some(indexes.offsets.len() + self.txns.len())
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
                indexes.flush()?;
            }
            self.indexes = None;
        }
        self.txns.release(&files.disk)?;
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
            indexes.flush()?;
        }
        self.txns.flush(&files.disk)
    }

    /// Writes the rebuilt indexes with the time entry for the largest timestamp, as Kafka's recovery does.
    fn write_indexes_anew(&mut self, files: &SegmentFiles<D>) -> Result<(), StorageError> {
        let largest = self.tail.and_then(|tail| tail.largest);
        let indexes = self.indexes.as_mut().expect("just rebuilt");
        indexes.add_time(self.base_offset, largest);
        indexes.write_anew(files, self.base_offset)
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
    pub(crate) fn flush_full_index_pages(&mut self) {
        if let Some(indexes) = &mut self.indexes
            && indexes.offsets.has_full_page()
        {
            let _ = indexes.flush();
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
        if self.tail.is_none() {
            self.ensure_loaded(files, config)?;
        }
        Ok(self.tail.expect("loaded").largest)
    }

    /// What `retention.ms` counts from: the largest timestamp, or when the file was written where no batch has one. Read once: a segment
    /// that was idle is idle again.
    pub(crate) fn retention_timestamp(
        &mut self,
        files: &SegmentFiles<D>,
        config: &LogConfig,
    ) -> Result<i64, ReadError> {
        let was_idle = self.file.is_none() && self.indexes.is_none();
        let largest = self.largest_timestamp(files, config)?;
        if was_idle {
            self.release(files)?;
        }
        match largest.filter(|largest| largest.timestamp >= 0) {
            Some(largest) => Ok(largest.timestamp),
            None => {
                let path = files.path(self.base_offset, LOG_SUFFIX);
                Ok(files.disk.modified_ms(&path).attempt("look at", &path)?)
            }
        }
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
