//! Owns opening a partition's directory: cleaning up what a crash left, finding the segments, and after an unclean stop checking every batch
//! behind the recovery point.
//! Invariants: bytes below the recovery point were synced and are not read again; the log ends before the first bad batch, and nothing behind
//! it survives under a live name; one segment's bad index never makes another segment be read; what recovery kept is synced before it is
//! called the log end.

mod checked_batches;
mod clean_up;
mod old_format;

use std::path::Path;
use std::sync::Arc;

use millrace_host::disk::{DirEntry, Disk, DiskFile, OpenMode};

use crate::batch_scan::ScanError;
use crate::config::{LogConfig, OpenHints};
use crate::error::{Attempt, OpenError, ReadError, StorageError};
use crate::log::{Log, OpenReport};
use crate::names::{
    LOG_SUFFIX, PARTITION_METADATA, SNAPSHOT_SUFFIX, TEMPORARY_SUFFIX, TXN_INDEX_SUFFIX,
    parse_offset_name, with_suffix,
};
use crate::partition_metadata::PartitionMetadata;
use crate::read::PositionRing;
use crate::recovery_progress::RecoveryProgress;
use crate::segment::{Segment, continues, read_error};
use crate::segment_files::SegmentFiles;
use crate::sync_mark::{IndexEntries, SyncState};

use checked_batches::{WINDOW_BYTES, check_batches};
use old_format::is_old_format;

/// Leaves room for every offset of a segment.
const BASE_OFFSET_MAX: i64 = i64::MAX - (1 << 32);

impl<D: Disk> Log<D> {
    /// Opens the log in `dir`, creating the directory if there is none. After a clean shutdown this reads a few hundred bytes and keeps no file
    /// open; after an unclean one it takes as long as the bytes behind the recovery point take to read.
    pub fn open(
        disk: D,
        dir: &Path,
        config: LogConfig,
        hints: OpenHints,
        now_ms: i64,
    ) -> Result<Log<D>, OpenError> {
        Log::open_watched(
            disk,
            dir,
            config,
            hints,
            now_ms,
            &RecoveryProgress::default(),
        )
    }

    /// `open`, for somebody who wants to see how far recovery is.
    pub fn open_watched(
        disk: D,
        dir: &Path,
        config: LogConfig,
        hints: OpenHints,
        now_ms: i64,
        progress: &RecoveryProgress,
    ) -> Result<Log<D>, OpenError> {
        assert!(
            config.segment_bytes <= i32::MAX as u32,
            "file positions are 31 bits"
        );
        let files = SegmentFiles {
            disk,
            dir: Arc::from(dir),
            suffix: "",
        };
        let is_new = !files.disk.exists(dir).attempt("look for", dir)?;
        if is_new {
            files.disk.create_dir_all(dir).attempt("create", dir)?;
        }
        let mut log = Log {
            files,
            config,
            segments: Vec::new(),
            log_start_offset: hints.log_start_offset.max(0),
            log_end_offset: 0,
            epochs: None,
            snapshots: Vec::new(),
            producers: None,
            now_ms,
            is_transactional: false,
            has_appended: false,
            read_positions: PositionRing::default(),
            append_positions: PositionRing::default(),
            sync: SyncState::new(0),
            deletions: Vec::new(),
            space_aside: None,
            fenced: false,
            report: OpenReport::default(),
        };
        if is_new {
            log.sync.note_new_directory();
        }
        let entries = log.clean_up(if is_new { Vec::new() } else { log.list()? })?;
        log.check_topic_id(&entries, hints.topic_id)?;
        log.find_segments(&entries, now_ms)?;
        log.find_end(hints, now_ms, progress)?;
        log.settle_offsets(now_ms)?;
        Ok(log)
    }

    fn list(&self) -> Result<Vec<DirEntry>, StorageError> {
        self.files
            .disk
            .list(&self.files.dir)
            .attempt("list", &self.files.dir)
    }

    /// Compares partition.metadata with the expected id; writes it when it is missing, or torn by a crash before its first sync.
    fn check_topic_id(
        &mut self,
        entries: &[DirEntry],
        expected: Option<crate::Uuid>,
    ) -> Result<(), OpenError> {
        let Some(expected) = expected else {
            return Ok(());
        };
        let path = self.files.dir.join(PARTITION_METADATA);
        if entries.iter().any(|entry| entry.name == PARTITION_METADATA) {
            let text = self.files.disk.read_file(&path).attempt("read", &path)?;
            match PartitionMetadata::parse(&text) {
                Some(found) if found.topic_id == expected => return Ok(()),
                Some(found) => {
                    return Err(OpenError::InconsistentTopicId {
                        path,
                        expected,
                        found: found.topic_id,
                    });
                }
                None => {}
            }
        }
        // Synced with the first batch: until then nothing in this directory was acknowledged.
        let temporary = with_suffix(&path, TEMPORARY_SUFFIX);
        let text = PartitionMetadata { topic_id: expected }.to_text();
        let file = self.files.open(&temporary, OpenMode::Truncate)?;
        file.write_all_at(text.as_bytes(), 0)
            .attempt("write", &temporary)?;
        self.files
            .disk
            .rename(&temporary, &path)
            .attempt("rename", &temporary)?;
        self.sync.note_written_path(path);
        Ok(())
    }

    fn find_segments(&mut self, entries: &[DirEntry], now_ms: i64) -> Result<(), OpenError> {
        for entry in entries {
            if let Some(offset) = parse_offset_name(&entry.name, SNAPSHOT_SUFFIX) {
                self.snapshots.push(offset);
            }
            self.is_transactional |= parse_offset_name(&entry.name, TXN_INDEX_SUFFIX).is_some();
            let Some(base_offset) = parse_offset_name(&entry.name, LOG_SUFFIX) else {
                continue;
            };
            let path = self.files.dir.join(&entry.name);
            if base_offset > BASE_OFFSET_MAX {
                let reason = "no segment begins at so high an offset".to_owned();
                return Err(OpenError::Inconsistent { path, reason });
            }
            let Some(size) = u32::try_from(entry.len)
                .ok()
                .filter(|size| *size <= i32::MAX as u32)
            else {
                let reason = format!("{} bytes are more than a segment can have", entry.len);
                return Err(OpenError::Inconsistent { path, reason });
            };
            self.segments
                .push(Segment::found(base_offset, size, now_ms));
        }
        self.snapshots.sort_unstable();
        self.segments
            .sort_unstable_by_key(|segment| segment.base_offset);
        if self.segments.is_empty() {
            let mut first = Segment::new(&self.files, self.log_start_offset, now_ms);
            // Offset 0 needs no file to be remembered: an empty partition costs nothing until it is written.
            if self.log_start_offset > 0 {
                first.create_file(&self.files)?;
            }
            self.sync.note_synced_index(IndexEntries {
                segment_base_offset: self.log_start_offset,
                entries: 0,
            });
            self.segments.push(first);
        }
        Ok(())
    }

    fn find_end(
        &mut self,
        hints: OpenHints,
        now_ms: i64,
        progress: &RecoveryProgress,
    ) -> Result<(), OpenError> {
        if hints.clean_shutdown {
            let active = self.segments.last_mut().expect("found or created above");
            match active.next_offset(&self.files, &self.config) {
                Ok(next_offset) => {
                    self.log_end_offset = next_offset;
                    self.sync.note_found(next_offset);
                    if let Some(entries) = active.index_len() {
                        self.sync.note_synced_index(IndexEntries {
                            segment_base_offset: active.base_offset,
                            entries,
                        });
                    }
                    active.release(&self.files)?;
                    return Ok(());
                }
                Err(ReadError::Storage(error)) => return Err(error.into()),
                // Closed in order and damaged since: check what can be checked.
                Err(ReadError::Corrupt { .. } | ReadError::OffsetOutOfRange { .. }) => {
                    let base_offset = self.active().base_offset;
                    let recovery_point = hints.recovery_point.min(base_offset);
                    let hints = OpenHints {
                        recovery_point,
                        ..hints
                    };
                    return self.recover(hints, now_ms, progress);
                }
            }
        }
        self.recover(hints, now_ms, progress)
    }

    /// Checks every batch behind the recovery point, in the segment that holds it and all later ones.
    fn recover(
        &mut self,
        hints: OpenHints,
        now_ms: i64,
        progress: &RecoveryProgress,
    ) -> Result<(), OpenError> {
        let recovery_point = hints.recovery_point.max(0);
        let first = self
            .segments
            .partition_point(|segment| segment.base_offset <= recovery_point)
            .saturating_sub(1);
        let mut epochs_seen: Vec<(i32, i64)> = Vec::new();
        let mut transactional = Vec::new();
        let mut next_offset = self.segments[first].base_offset;
        let mut index = first;
        let mut left = progress.begin(self.segments.len() - first);
        while index < self.segments.len() {
            let base_offset = self.segments[index].base_offset;
            // A topic may have been compacted before its policy was changed: what the cleaner took away was not lost.
            let may_have_holes = self.config.compacted || base_offset <= hints.cleaned_offset;
            let is_gap = index > first && base_offset > next_offset && !may_have_holes;
            // Behind a gap: bytes in between were lost with the power, so these never were part of an acknowledged prefix.
            if is_gap || (index > first && base_offset < next_offset) {
                self.drop_recovered(index, now_ms)?;
                break;
            }
            let outcome =
                self.recover_segment(index, recovery_point, &mut epochs_seen, progress)?;
            left.end_one();
            next_offset = outcome.next_offset;
            if outcome.is_transactional {
                transactional.push(index);
            }
            index += 1;
            if outcome.is_damaged && index < self.segments.len() {
                self.drop_recovered(index, now_ms)?;
            }
        }
        self.log_end_offset = next_offset;
        self.sync.note_found(recovery_point.min(next_offset));
        // Whether one behind the recovery point belongs to these batches cannot be told: a truncation may have left it behind.
        let synced_offset = self.sync.synced_offset;
        self.remove_snapshots(|snapshot| snapshot > synced_offset)?;
        self.restore_epochs(recovery_point, &epochs_seen)?;
        for index in transactional {
            self.is_transactional = true;
            self.ensure_txn_index(index)?;
        }
        self.settle_recovered(first, hints.is_on_disk)?;
        Ok(())
    }

    fn drop_recovered(&mut self, first: usize, now_ms: i64) -> Result<(), OpenError> {
        let count = self.segments.len() - first;
        self.report.dropped_segments += count as u32;
        self.report.truncated_bytes += self.segments[first..]
            .iter()
            .map(|segment| u64::from(segment.size))
            .sum::<u64>();
        Ok(self.delete_segments(first, count, now_ms)?)
    }

    fn recover_segment(
        &mut self,
        index: usize,
        recovery_point: i64,
        epochs_seen: &mut Vec<(i32, i64)>,
        progress: &RecoveryProgress,
    ) -> Result<RecoveredSegment, OpenError> {
        let segment = &mut self.segments[index];
        let (base_offset, file_size) = (segment.base_offset, segment.size);
        let path = self.files.path(base_offset, LOG_SUFFIX);
        segment.rewind_to(&self.files, &self.config, recovery_point)?;
        let mut next_offset = segment.next_offset(&self.files, &self.config)?;
        if file_size == 0 {
            return Ok(RecoveredSegment {
                next_offset,
                is_damaged: false,
                is_transactional: false,
            });
        }
        let start = segment.size;
        let file = Arc::clone(segment.file(&self.files)?);
        let interval = self.config.index_interval_bytes;
        let mut is_transactional = false;
        let checked = check_batches(&*file, start, file_size, progress, |header| {
            let is_next = continues(base_offset, next_offset, header);
            if is_next {
                is_transactional |= header.is_transactional();
                segment.add_batch(header, interval);
                next_offset = header.next_offset();
                if epochs_seen
                    .last()
                    .is_none_or(|(epoch, _)| *epoch < header.partition_leader_epoch)
                {
                    epochs_seen.push((header.partition_leader_epoch, header.base_offset));
                }
            }
            is_next
        });
        let checked =
            checked.map_err(|error| read_error(&self.files, base_offset, ScanError::Io(error)))?;
        // Space that was set aside in advance (Kafka's `preallocate`) is no damage: the segment ends before it, and the next may follow.
        let is_unused = checked < file_size
            && holds_only_zeros(&*file, checked, file_size)
                .map_err(|error| read_error(&self.files, base_offset, ScanError::Io(error)))?;
        if !is_unused && segment.size == 0 && is_old_format(&*file, file_size, &path)? {
            let reason = "it holds record format v0 or v1, which cannot be checked; convert it with an Apache Kafka of version 3".to_owned();
            return Err(OpenError::Inconsistent { path, reason });
        }
        assert!(segment.size == checked, "every checked batch is counted");
        self.report.recovered_segments += 1;
        self.report.scanned_bytes += u64::from(checked - start);
        if checked < file_size {
            file.set_len(u64::from(checked))
                .attempt("truncate", &path)?;
        }
        // In a compacted log a hole is no gap: batches that became zeros with the power must not be passed over.
        let is_damaged = checked < file_size && (!is_unused || self.config.compacted);
        if is_damaged {
            self.report.truncated_bytes += u64::from(file_size - checked);
        } else {
            self.report.unused_bytes += u64::from(file_size - checked);
        }
        Ok(RecoveredSegment {
            next_offset,
            is_damaged,
            is_transactional,
        })
    }

    /// The checkpoint holds for what was synced with it; behind the recovery point the batches say.
    fn restore_epochs(
        &mut self,
        recovery_point: i64,
        epochs_seen: &[(i32, i64)],
    ) -> Result<(), OpenError> {
        let before = self.leader_epochs()?.clone();
        let epochs = self.leader_epochs()?;
        epochs.truncate_from_end(recovery_point);
        for &(epoch, start_offset) in epochs_seen {
            epochs.assign(epoch, start_offset);
        }
        if *epochs != before {
            self.note_epochs_changed();
        }
        Ok(())
    }

    /// Makes what recovery kept durable, so that nothing is served that a second power loss could take back. Where all of it `is_on_disk`, and
    /// recovery took nothing away, there is nothing to wait for: indexes and leader epochs go with the next sync, and the recovery point
    /// stays until then.
    fn settle_recovered(&mut self, first: usize, is_on_disk: bool) -> Result<(), OpenError> {
        let last = self.segments.len() - 1;
        for index in first..=last {
            let is_closed = index < last;
            self.segments[index].flush_indexes(&self.files, is_closed)?;
            let segment = &self.segments[index];
            if is_closed {
                let indexes = segment.index_files_to_sync()?;
                for file in segment.open_file().cloned().into_iter().chain(indexes) {
                    self.sync.note_rolled(file);
                }
            }
        }
        if self.report.truncated_bytes + self.report.unused_bytes > 0 {
            // The cut itself must last: with the old bytes back, a shorter log could grow into them.
            let active = self
                .segments
                .last_mut()
                .expect("there is always an active segment");
            let path = self.files.path(active.base_offset, LOG_SUFFIX);
            active
                .file(&self.files)?
                .sync_data()
                .attempt("sync", &path)?;
            self.sync.note_directory_change();
        }
        let has_changed = self.report.truncated_bytes + self.report.unused_bytes > 0
            || self.report.cleaned_files > 0;
        if is_on_disk && !has_changed {
            self.sync.note_on_disk(self.log_end_offset);
            return Ok(self.release_files()?);
        }
        // The process that died may not have synced the names either; nothing tells.
        if self.sync.synced_offset == 0 {
            self.sync.note_new_directory();
        } else if self.log_end_offset > self.sync.synced_offset {
            self.sync.note_directory_change();
        }
        if self.log_end_offset > self.sync.synced_offset || has_changed {
            self.checkpoint()?;
        }
        self.release_files()?;
        Ok(())
    }

    /// Brings the log start offset and the ends together.
    fn settle_offsets(&mut self, now_ms: i64) -> Result<(), OpenError> {
        let first_base_offset = self.segments[0].base_offset;
        self.log_start_offset = self.log_start_offset.max(first_base_offset);
        if self.log_start_offset > self.log_end_offset {
            // Records were deleted up to an offset that the disk then lost: nothing below it may come back.
            self.truncate_fully(self.log_start_offset, now_ms)?;
        }
        let end_offset = self.log_end_offset;
        self.remove_snapshots(|snapshot| snapshot > end_offset)?;
        self.remove_stray_snapshots()?;
        if end_offset == self.log_start_offset {
            // Nothing can be known of producers, so nothing has to be looked for.
            self.producers()?;
        }
        Ok(())
    }
}

struct RecoveredSegment {
    next_offset: i64,
    is_damaged: bool,
    is_transactional: bool,
}

/// Whether there is nothing but zeros from `start` to `end`. Reads until it finds something else.
fn holds_only_zeros<F: DiskFile>(file: &F, start: u32, end: u32) -> std::io::Result<bool> {
    let mut window = vec![0; WINDOW_BYTES.min((end - start) as usize)];
    let mut position = start;
    while position < end {
        let wanted = window.len().min((end - position) as usize);
        let bytes = file.read_up_to_at(&mut window[..wanted], u64::from(position))?;
        if bytes < wanted || window[..wanted].iter().any(|byte| *byte != 0) {
            return Ok(false);
        }
        position += wanted as u32;
    }
    Ok(true)
}

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod index_damage_tests;
#[cfg(test)]
mod reopen_tests;
