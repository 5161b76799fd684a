//! Owns the question how dirty a log is, and which of its segments are compacted into one. Never reads a record.
//! Invariant: nothing at or behind the first uncleanable offset is touched: not the active segment, nothing at or behind the last stable
//! offset, nothing that is not synced, nothing younger than `min.compaction.lag.ms`, nor what follows it.

use millrace_host::disk::Disk;

use super::Source;
use crate::config::LogConfig;
use crate::error::ReadError;
use crate::log::Log;
use crate::segment::Segment;

/// How dirty a log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dirtiness {
    /// Below it every key is already there once, or was when it was cleaned.
    pub first_dirty_offset: i64,
    /// Base of the first segment that must stay as it is.
    pub first_uncleanable_offset: i64,
    /// Bytes below the first dirty offset.
    pub clean_bytes: u64,
    /// Bytes between the two.
    pub cleanable_bytes: u64,
    /// How long ago `max.compaction.lag.ms` demanded a cleaning; 0 while it does not.
    pub overdue_ms: i64,
    /// The checkpoint does not fit the log: `first_dirty_offset` is to take its place.
    pub resets_checkpoint: bool,
}

impl Dirtiness {
    /// The dirty part of what could be cleaned, of 1.
    pub fn ratio(&self) -> f64 {
        let total_bytes = self.clean_bytes + self.cleanable_bytes;
        if total_bytes == 0 {
            return 0.0;
        }
        self.cleanable_bytes as f64 / total_bytes as f64
    }

    /// Whether the log is to be cleaned now.
    pub fn wants_cleaning(&self, min_cleanable_dirty_ratio: f64) -> bool {
        self.cleanable_bytes > 0
            && (self.overdue_ms > 0 || self.ratio() > min_cleanable_dirty_ratio)
    }
}

impl<D: Disk> Log<D> {
    /// How dirty the log is. `cleaned_offset` is what the cleaner-offset-checkpoint says, `last_stable_offset` is not above the high watermark.
    pub fn dirtiness(
        &mut self,
        cleaned_offset: Option<i64>,
        last_stable_offset: i64,
        now_ms: i64,
    ) -> Result<Dirtiness, ReadError> {
        let (log_start_offset, log_end_offset) = (self.log_start_offset, self.log_end_offset);
        let noted = cleaned_offset.unwrap_or(log_start_offset);
        // Records below the log start are gone; a checkpoint behind the end speaks of records that were cut off.
        let resets_checkpoint = noted < log_start_offset || noted > log_end_offset;
        let first_dirty_offset = if resets_checkpoint {
            log_start_offset
        } else {
            noted
        };
        let limit = self
            .uncleanable_from(first_dirty_offset, last_stable_offset, now_ms)?
            .max(first_dirty_offset);
        // As Kafka: whole segments only, so the one that holds the limit stays as it is.
        let first_uncleanable = self.segment_holding(limit);
        let first_uncleanable_offset = self.segments[first_uncleanable].base_offset;
        let first_dirty = self.segment_holding(first_dirty_offset.min(first_uncleanable_offset));
        let first_not_clean = self
            .segments
            .partition_point(|segment| segment.base_offset < first_dirty_offset);
        let bytes =
            |segments: &[Segment<D>]| segments.iter().map(|segment| u64::from(segment.size)).sum();
        let clean_bytes = bytes(&self.segments[..first_not_clean]);
        let cleanable_bytes = bytes(&self.segments[first_dirty..first_uncleanable]);
        let overdue_ms = self.overdue_ms(self.segment_holding(first_dirty_offset), now_ms)?;
        Ok(Dirtiness {
            first_dirty_offset,
            first_uncleanable_offset,
            clean_bytes,
            cleanable_bytes,
            overdue_ms,
            resets_checkpoint,
        })
    }

    /// The first offset that must not be compacted yet.
    fn uncleanable_from(
        &mut self,
        first_dirty_offset: i64,
        last_stable_offset: i64,
        now_ms: i64,
    ) -> Result<i64, ReadError> {
        let active = self.segments.len() - 1;
        let limit = last_stable_offset
            .min(self.segments[active].base_offset)
            // A record that a power loss can take back must not cost the one it supersedes, which it cannot.
            .min(self.sync.synced_offset);
        let min_lag_ms = self.config.compaction.min_compaction_lag_ms.max(0);
        if min_lag_ms == 0 {
            return Ok(limit);
        }
        let young_from_ms = now_ms.saturating_sub(min_lag_ms);
        for index in self.segment_holding(first_dirty_offset)..active {
            let segment = &mut self.segments[index];
            let largest = segment.largest_timestamp(&self.files, &self.config)?;
            if largest.is_some_and(|largest| largest.timestamp > young_from_ms) {
                return Ok(limit.min(segment.base_offset));
            }
        }
        Ok(limit)
    }

    /// How long the oldest dirty closed segment has waited beyond `max.compaction.lag.ms`, by the timestamps of first batches.
    fn overdue_ms(&mut self, first_dirty: usize, now_ms: i64) -> Result<i64, ReadError> {
        let max_lag_ms = self.config.compaction.max_compaction_lag_ms.max(0);
        if max_lag_ms == i64::MAX {
            return Ok(0);
        }
        let due_before_ms = now_ms.saturating_sub(max_lag_ms);
        let active = self.segments.len() - 1;
        let mut oldest_ms = i64::MAX;
        for index in first_dirty..active {
            let first = self.segments[index].first_timestamp(&self.files)?;
            oldest_ms = first
                .filter(|&first| first > 0)
                .map_or(oldest_ms, |first| oldest_ms.min(first));
        }
        Ok(due_before_ms.saturating_sub(oldest_ms).max(0))
    }

    /// The segment that holds `offset`: the last one that begins at or below it.
    fn segment_holding(&self, offset: i64) -> usize {
        self.segments
            .partition_point(|segment| segment.base_offset <= offset)
            .saturating_sub(1)
    }
}

/// What grouping looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SourceSizes {
    pub(crate) source: Source,
    pub(crate) index_bytes: u64,
    pub(crate) time_index_bytes: u64,
}

/// Cuts the segments into runs that are compacted into one segment each: together they fit `segment.bytes`, `segment.index.bytes` and the
/// offset span of a segment, even if nothing can be removed.
pub(crate) fn group(sources: &[SourceSizes], config: &LogConfig) -> Vec<Vec<Source>> {
    let (segment_bytes_max, index_bytes_max) = (
        u64::from(config.segment_bytes),
        u64::from(config.segment_index_bytes),
    );
    let mut groups: Vec<Vec<Source>> = Vec::new();
    let mut sums = (0, 0, 0);
    for sizes in sources {
        let source = sizes.source;
        let grown = (
            sums.0 + u64::from(source.size),
            sums.1 + sizes.index_bytes,
            sums.2 + sizes.time_index_bytes,
        );
        let fits = grown.0 <= segment_bytes_max
            && grown.1 <= index_bytes_max
            && grown.2 <= index_bytes_max;
        match groups.last_mut() {
            // An empty segment has no offsets of its own to reach.
            Some(group)
                if fits
                    && (source.size == 0
                        || source.end_offset - 1 - group[0].base_offset <= i64::from(i32::MAX)) =>
            {
                group.push(source);
                sums = grown;
            }
            Some(_) | None => {
                groups.push(vec![source]);
                sums = (
                    u64::from(source.size),
                    sizes.index_bytes,
                    sizes.time_index_bytes,
                );
            }
        }
    }
    groups
}
