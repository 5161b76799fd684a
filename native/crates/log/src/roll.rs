//! Owns when a new segment begins and what that takes: the old one's indexes whole, the producers' snapshot, both part of the next sync.
//! Never writes a batch.

use std::path::Path;
use std::sync::Arc;

use millrace_host::disk::Disk;
use millrace_record::BatchHeader;

use crate::config::LogConfig;
use crate::error::{AppendError, ReadError, StorageError};
use crate::log::Log;
use crate::producers::Producers;
use crate::segment::Segment;

impl<D: Disk> Log<D> {
    /// Kafka's rules for beginning a new segment: size, age by the timestamps of the batches, full index, offsets too far apart.
    pub(crate) fn must_roll(
        &mut self,
        next: &BatchHeader,
        now_ms: i64,
    ) -> Result<bool, StorageError> {
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
        if let Err(ReadError::Storage(error)) = self.producers() {
            return Err(error);
        }
        let active = self
            .segments
            .last_mut()
            .expect("there is always an active segment");
        active.flush_indexes(&self.files, true)?;
        let is_replaced = active.size == 0;
        // A handle may have been let go with bytes still unsynced.
        let mut rolled_files = active.index_files_to_sync()?;
        rolled_files.push(Arc::clone(active.file(&self.files)?));
        let mut next = Segment::new(&self.files, base_offset, now_ms);
        next.create_file(&self.files)?;
        if is_replaced {
            // Nothing to keep: the empty segment's base is too far behind the next offset.
            self.drop_segments_from(self.segments.len() - 1)?;
        } else {
            for file in rolled_files {
                self.sync.note_rolled(file);
            }
            let first_open = self
                .producers
                .as_ref()
                .and_then(Producers::first_open_offset);
            let rolled = self
                .segments
                .last_mut()
                .expect("there is always an active segment");
            rolled.txns.first_open_at_end = first_open;
        }
        self.sync.note_new_segment(base_offset);
        self.append_positions.clear();
        self.segments.push(next);
        // As Kafka: with the producers as they are where the segment begins. Without it the next open reads more headers, nothing else.
        let _ = self.keep_producer_snapshot(base_offset);
        Ok(())
    }
}

/// Whether an offset can be written relative to a segment's base.
pub(crate) fn spans(base_offset: i64, offset: i64) -> bool {
    offset - base_offset <= i64::from(i32::MAX)
}

/// This segment's own share of `segment.jitter.ms`: spread evenly over logs and offsets, and the same every time it is asked.
pub(crate) fn roll_jitter_ms(config: &LogConfig, dir: &Path, base_offset: i64) -> i64 {
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
