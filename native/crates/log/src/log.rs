//! Owns the log of one partition: its segments, its ends, and the small state beside them. Used under the partition's own lock.
//! Invariants: there is always an active (last) segment; segments ascend by base offset and do not overlap;
//! log start offset <= synced offset's segment end <= log end offset; the log end offset advances only after the bytes are written.

use std::path::Path;
use std::sync::Arc;

use millrace_host::disk::Disk;

use crate::config::LogConfig;
use crate::error::{ReadError, StorageError};
use crate::leader_epochs::{EpochEndOffset, LeaderEpochs};
use crate::names::LEADER_EPOCH_CHECKPOINT;
use crate::producers::Producers;
use crate::read::PositionRing;
use crate::retention::PendingDeletion;
use crate::segment::Segment;
use crate::segment_files::SegmentFiles;
use crate::sync_mark::{
    ActiveFiles, INDEX_SYNC_ENTRIES, IndexEntries, SyncMark, SyncState, SyncTarget,
};

pub struct Log<D: Disk> {
    pub(crate) files: SegmentFiles<D>,
    pub(crate) config: LogConfig,
    /// Ascending; the last is the active one.
    pub(crate) segments: Vec<Segment<D>>,
    pub(crate) log_start_offset: i64,
    pub(crate) log_end_offset: i64,
    /// Loaded on first use.
    pub(crate) epochs: Option<LeaderEpochs>,
    /// Offsets of the producer snapshots on disk or on their way there, ascending.
    pub(crate) snapshots: Vec<i64>,
    /// Loaded on first use, and kept up with every append from then on.
    pub(crate) producers: Option<Producers>,
    /// The latest time this log was told: what is read back from disk counts as seen then.
    pub(crate) now_ms: i64,
    /// A trace of a transaction was found: a transaction index, a transactional producer, a transactional batch.
    pub(crate) is_transactional: bool,
    /// Something was appended since the log was opened.
    pub(crate) has_appended: bool,
    pub(crate) read_positions: PositionRing,
    pub(crate) append_positions: PositionRing,
    pub(crate) sync: SyncState<D>,
    pub(crate) deletions: Vec<PendingDeletion>,
    /// Space set aside behind the active segment: its base offset, and where the space ends.
    pub(crate) space_aside: Option<(i64, u64)>,
    /// An I/O error left file and memory in doubt: no appends until reopened.
    pub(crate) fenced: bool,
    pub(crate) report: OpenReport,
}

/// What opening had to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// Segments whose batches were checked.
    pub recovered_segments: u32,
    /// Bytes whose checksums were computed.
    pub scanned_bytes: u64,
    /// Bytes cut off behind the last good batch, in all segments.
    pub truncated_bytes: u64,
    /// Zeros cut off behind the last batch: space set aside in advance by whoever wrote the segment.
    pub unused_bytes: u64,
    /// Whole segments dropped because they lie behind damage.
    pub dropped_segments: u32,
    /// Files removed or renamed: orphan indexes, leftovers of deletion and compaction.
    pub cleaned_files: u32,
}

impl<D: Disk> Log<D> {
    pub fn directory(&self) -> &Path {
        &self.files.dir
    }

    pub fn config(&self) -> &LogConfig {
        &self.config
    }

    /// Takes effect from the next append on.
    pub fn set_config(&mut self, config: LogConfig) {
        if let Some(producers) = &mut self.producers {
            producers.set_expiration(config.producer_id_expiration_ms);
        }
        self.config = config;
    }

    pub fn open_report(&self) -> &OpenReport {
        &self.report
    }

    /// First offset that may be read.
    pub fn log_start_offset(&self) -> i64 {
        self.log_start_offset
    }

    /// Offset of the next batch.
    pub fn log_end_offset(&self) -> i64 {
        self.log_end_offset
    }

    /// Everything below is on disk (the sync mark).
    pub fn synced_offset(&self) -> i64 {
        self.sync.synced_offset
    }

    /// What the recovery-point checkpoint of the log directory is to hold: recovery begins here. At most the synced offset.
    pub fn recovery_point(&self) -> i64 {
        self.sync.recovery_point
    }

    /// Bytes of all segments.
    pub fn size_bytes(&self) -> u64 {
        self.segments
            .iter()
            .map(|segment| u64::from(segment.size))
            .sum()
    }

    pub fn segment_count(&self) -> usize {
        self.segments.len()
    }

    /// Base offset of the active segment.
    pub fn active_segment_base_offset(&self) -> i64 {
        self.active().base_offset
    }

    /// Base offset of the segment whose offsets `offset` falls among.
    pub fn segment_base_offset_of(&self, offset: i64) -> i64 {
        let after = self
            .segments
            .partition_point(|segment| segment.base_offset <= offset);
        self.segments[after.saturating_sub(1)].base_offset
    }

    pub fn is_fenced(&self) -> bool {
        self.fenced
    }

    pub(crate) fn active(&self) -> &Segment<D> {
        self.segments
            .last()
            .expect("there is always an active segment")
    }

    // ---- syncing

    /// What to sync so that everything appended so far is on disk; None when it already is. Hand the request to the sync threads and the
    /// mark back to `mark_synced`, or the failure to `mark_sync_failed`.
    pub fn sync_target(&mut self) -> Result<Option<SyncTarget<D>>, StorageError> {
        if self.sync.is_everything_synced(self.log_end_offset) {
            return Ok(None);
        }
        self.target(INDEX_SYNC_ENTRIES).map(Some)
    }

    /// The same, with every index entry: afterwards the recovery point is the log end offset. For the regular checkpoint; None when nothing
    /// was appended since the last.
    pub fn checkpoint_target(&mut self) -> Result<Option<SyncTarget<D>>, StorageError> {
        if self.sync.is_everything_synced(self.log_end_offset)
            && self.sync.recovery_point == self.log_end_offset
        {
            return Ok(None);
        }
        self.load_active()?;
        self.target(0).map(Some)
    }

    fn target(&mut self, index_entries_max: u32) -> Result<SyncTarget<D>, StorageError> {
        if self.fenced {
            // File and memory may disagree: a sync of the one says nothing about the other.
            let reason = std::io::Error::other("the log is fenced after an earlier I/O error");
            return Err(StorageError::new("sync", &self.files.dir, reason));
        }
        let active = self.active_files(index_entries_max);
        self.fenced |= active.as_ref().is_err_and(|error| !error.is_out_of_space());
        Ok(self
            .sync
            .target(&self.files.dir, active?, self.log_end_offset))
    }

    /// The active segment's files that need a sync. Its index goes along when more than `index_entries_max` entries of it are unsynced.
    fn active_files(&mut self, index_entries_max: u32) -> Result<ActiveFiles<D>, StorageError> {
        let active = self
            .segments
            .last_mut()
            .expect("there is always an active segment");
        let base_offset = active.base_offset;
        let mut files = Vec::new();
        if active.size > 0 && self.sync.synced_offset < self.log_end_offset {
            // A released segment has lost its handle; opening it again reaches the same pages.
            files.push(Arc::clone(active.file(&self.files)?));
        }
        let Some(entries) = active.index_len() else {
            // Released: its index was written out, but perhaps not synced. What was vouched for before still is.
            return Ok(ActiveFiles {
                files,
                indexed_offset: self.sync.recovery_point,
                index_entries: None,
            });
        };
        let unsynced = self.sync.unsynced_index_entries(base_offset, entries);
        let is_taken = unsynced > index_entries_max
            && match active.flush_indexes(&self.files, false) {
                Ok(()) => true,
                // The batches need no index to be safe. Its entries wait in memory, and the recovery point with them.
                Err(error) if error.is_out_of_space() => false,
                Err(error) => return Err(error),
            };
        if is_taken {
            files.extend(active.index_files_to_sync()?);
        }
        if is_taken || unsynced == 0 {
            let index_entries = Some(IndexEntries {
                segment_base_offset: base_offset,
                entries,
            });
            return Ok(ActiveFiles {
                files,
                indexed_offset: self.log_end_offset,
                index_entries,
            });
        }
        // The indexes of the segments before it are in the request or were synced.
        let indexed_offset = self.sync.recovery_point.max(base_offset);
        Ok(ActiveFiles {
            files,
            indexed_offset,
            index_entries: None,
        })
    }

    /// The sync behind the mark has succeeded. Returns the synced offset.
    pub fn mark_synced(&mut self, mark: SyncMark) -> i64 {
        self.sync.mark_synced(mark, self.log_end_offset);
        self.sync.synced_offset
    }

    /// A sync failed: what it covered may be lost although reads still show it. Nothing more is appended or called synced.
    pub fn mark_sync_failed(&mut self) {
        self.fenced = true;
    }

    /// Syncs on the calling thread. For start-up, shutdown and logs without a reactor.
    pub fn sync(&mut self) -> Result<i64, StorageError> {
        let target = self.sync_target()?;
        self.perform(target)?;
        Ok(self.sync.synced_offset)
    }

    /// `sync`, with every index entry. Returns the recovery point.
    pub fn checkpoint(&mut self) -> Result<i64, StorageError> {
        let target = self.checkpoint_target()?;
        self.perform(target)?;
        Ok(self.sync.recovery_point)
    }

    fn perform(&mut self, target: Option<SyncTarget<D>>) -> Result<(), StorageError> {
        let Some(target) = target else { return Ok(()) };
        if let Err(failure) = target.request.perform(&self.files.disk) {
            self.fenced |= !failure.is_out_of_space;
            let source = std::io::Error::new(failure.error.kind(), failure.error);
            return Err(StorageError::new("sync", &self.files.dir, source));
        }
        self.mark_synced(target.mark);
        Ok(())
    }

    /// Writes index entries out and lets go of every file handle and index page: for a partition nobody has used for a while.
    /// Ranges handed out by `read` stay valid.
    pub fn release_files(&mut self) -> Result<(), StorageError> {
        for segment in &mut self.segments {
            segment.release(&self.files)?;
        }
        self.read_positions.clear();
        self.append_positions.clear();
        Ok(())
    }

    /// Closes the log. `clean` makes everything durable first and returns the recovery point to checkpoint; the clean-shutdown marker may be
    /// written when every log of the directory has closed cleanly. Not clean = as if the process had died.
    pub fn close(&mut self, clean: bool) -> Result<i64, StorageError> {
        if clean && !self.fenced {
            let has_snapshot = self.snapshots.last() == Some(&self.log_end_offset);
            if self.has_appended && !has_snapshot {
                // Without it the next open reads headers to know the producers; that it cannot be made now is no reason not to close.
                let _ = self.keep_producer_snapshot(self.log_end_offset);
            }
            if self.sync.recovery_point < self.log_end_offset {
                self.load_active()?;
                self.note_final_index_entries()?;
                self.checkpoint()?;
            }
            self.sync()?;
        }
        self.fenced = true;
        for segment in &mut self.segments {
            // What could be written has been; what remains is rebuilt at the next open.
            let _ = segment.release(&self.files);
        }
        Ok(self.sync.recovery_point)
    }

    /// The last time entry of a segment is its largest timestamp, as on roll.
    fn note_final_index_entries(&mut self) -> Result<(), StorageError> {
        let active = self
            .segments
            .last_mut()
            .expect("there is always an active segment");
        active.flush_indexes(&self.files, true)?;
        self.sync.forget_synced_index();
        Ok(())
    }

    // ---- leader epochs

    /// Where `epoch` ended in this log: Kafka's OffsetForLeaderEpoch.
    pub fn leader_epoch_end_offset(&mut self, epoch: i32) -> Result<EpochEndOffset, ReadError> {
        let log_end_offset = self.log_end_offset;
        Ok(self.leader_epochs()?.end_offset_for(epoch, log_end_offset))
    }

    /// The leader epoch of the record at `offset`.
    pub fn leader_epoch_at(&mut self, offset: i64) -> Result<Option<i32>, ReadError> {
        Ok(self.leader_epochs()?.epoch_at(offset))
    }

    pub fn latest_leader_epoch(&mut self) -> Result<Option<i32>, ReadError> {
        Ok(self.leader_epochs()?.latest_epoch())
    }

    pub(crate) fn leader_epochs(&mut self) -> Result<&mut LeaderEpochs, ReadError> {
        if self.epochs.is_none() {
            let path = self.files.dir.join(LEADER_EPOCH_CHECKPOINT);
            let found = match self.files.disk.read_file(&path) {
                Ok(text) => LeaderEpochs::parse(&text),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
                Err(error) => return Err(StorageError::new("read", &path, error).into()),
            };
            let is_rebuilt = found.is_none() && self.log_end_offset > self.log_start_offset;
            let mut epochs = match found {
                Some(epochs) => epochs,
                None => self.epochs_from_batches()?,
            };
            // The checkpoint may be older than a truncation or a moved log start.
            epochs.truncate_from_end(self.log_end_offset);
            epochs.truncate_from_start(self.log_start_offset);
            self.epochs = Some(epochs);
            if is_rebuilt {
                self.note_epochs_changed();
            }
        }
        Ok(self.epochs.as_mut().expect("just loaded"))
    }

    fn epochs_from_batches(&mut self) -> Result<LeaderEpochs, ReadError> {
        let mut epochs = LeaderEpochs::default();
        self.replay_batches(self.log_start_offset, i64::MAX, |header, _| {
            epochs.assign(header.partition_leader_epoch, header.base_offset);
        })?;
        Ok(epochs)
    }

    /// Makes the leader-epoch checkpoint part of the next sync.
    pub(crate) fn note_epochs_changed(&mut self) {
        let text = self.epochs.as_ref().expect("epochs were changed").to_text();
        self.sync.note_replacement(
            self.files.dir.join(LEADER_EPOCH_CHECKPOINT),
            Arc::from(text.into_bytes()),
        );
    }
}
