//! Owns the settings of one log, under Kafka's names with the units spelled out. Defaults are Kafka's; who sets them is above.

use millrace_record::{TimestampType, TopicCompression};

use crate::Uuid;

#[derive(Clone, Debug, PartialEq)]
pub struct LogConfig {
    /// `segment.bytes`: a segment never grows beyond it.
    pub segment_bytes: u32,
    /// `segment.ms`: a segment whose first batch is older than this, by the timestamps of what is appended, is rolled.
    pub segment_ms: i64,
    /// `segment.jitter.ms`: each segment rolls earlier by its own share of this, so that partitions do not roll together.
    pub segment_jitter_ms: i64,
    /// `segment.index.bytes`: room in each index; a full index rolls the segment.
    pub segment_index_bytes: u32,
    /// `index.interval.bytes`: bytes of batches between two index entries.
    pub index_interval_bytes: u32,
    /// `max.message.bytes`. Enforced by whoever validates; kept here because it travels with the rest.
    pub max_message_bytes: u32,
    /// `message.timestamp.type`.
    pub message_timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`, enforced by whoever validates.
    pub message_timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`, enforced by whoever validates.
    pub message_timestamp_after_max_ms: i64,
    /// `compression.type` with its level, enforced by whoever validates.
    pub compression: TopicCompression,
    /// `cleanup.policy` contains compact: offsets may have gaps between segments.
    pub compacted: bool,
    /// When and how a compacted log is cleaned.
    pub compaction: CompactionConfig,
    /// `cleanup.policy` contains delete: segments go by age and size. Without it they go only when they lie below the log start offset.
    pub deletes: bool,
    /// `retention.ms`: a segment whose largest timestamp is older than this goes. -1 = never.
    pub retention_ms: i64,
    /// `retention.bytes`: oldest segments go as long as the others still hold this much. -1 = no limit.
    pub retention_bytes: i64,
    /// `file.delete.delay.ms`: how long a deleted segment keeps its `.deleted` name before it is unlinked.
    pub file_delete_delay_ms: i64,
    /// `producer.id.expiration.ms`: a producer silent for so long is forgotten, unless its transaction is open.
    pub producer_id_expiration_ms: i64,
    /// Producers without an open transaction that are remembered.
    pub producer_ids_max: usize,
}

impl Default for LogConfig {
    fn default() -> LogConfig {
        LogConfig {
            segment_bytes: 1024 * 1024 * 1024,
            segment_ms: 7 * 24 * 60 * 60 * 1000,
            segment_jitter_ms: 0,
            segment_index_bytes: 10 * 1024 * 1024,
            index_interval_bytes: 4096,
            max_message_bytes: 1024 * 1024 + 12,
            message_timestamp_type: TimestampType::CreateTime,
            message_timestamp_before_max_ms: i64::MAX,
            message_timestamp_after_max_ms: 60 * 60 * 1000,
            compression: TopicCompression::Producer,
            compacted: false,
            compaction: CompactionConfig::default(),
            deletes: true,
            retention_ms: 7 * 24 * 60 * 60 * 1000,
            retention_bytes: -1,
            file_delete_delay_ms: 60_000,
            producer_id_expiration_ms: 24 * 60 * 60 * 1000,
            producer_ids_max: 10_000,
        }
    }
}

/// The topic's settings for the log cleaner.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompactionConfig {
    /// `min.cleanable.dirty.ratio`: the log is cleaned when more than this part of it is dirty.
    pub min_cleanable_dirty_ratio: f64,
    /// `min.compaction.lag.ms`: a segment with a younger record stays as it is, and so does everything behind it.
    pub min_compaction_lag_ms: i64,
    /// `max.compaction.lag.ms`: a record older than this makes a cleaning due whatever the ratio, and rolls the active segment.
    pub max_compaction_lag_ms: i64,
    /// `delete.retention.ms`: how long tombstones and transaction markers stay once they are all that is left.
    pub delete_retention_ms: i64,
}

impl Default for CompactionConfig {
    fn default() -> CompactionConfig {
        CompactionConfig {
            min_cleanable_dirty_ratio: 0.5,
            min_compaction_lag_ms: 0,
            max_compaction_lag_ms: i64::MAX,
            delete_retention_ms: 24 * 60 * 60 * 1000,
        }
    }
}

impl LogConfig {
    /// `segment.ms`, or less where `max.compaction.lag.ms` must be kept: the active segment is never compacted.
    pub(crate) fn segment_ms_max(&self) -> i64 {
        let max_lag_ms = self.compaction.max_compaction_lag_ms;
        if self.compacted && max_lag_ms > 0 {
            self.segment_ms.min(max_lag_ms)
        } else {
            self.segment_ms
        }
    }
}

/// What the log directory's checkpoints say about a partition before it is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OpenHints {
    /// The clean-shutdown marker was there: files are what their owner left.
    pub clean_shutdown: bool,
    /// After an unclean stop: names and bytes as they are now are on disk, because the whole file system was synced since.
    pub is_on_disk: bool,
    /// From recovery-point-offset-checkpoint: everything below was synced. 0 when unknown.
    pub recovery_point: i64,
    /// From log-start-offset-checkpoint. 0 when unknown.
    pub log_start_offset: i64,
    /// From cleaner-offset-checkpoint: below it compaction may have left holes, whatever the policy is today. 0 when it never ran.
    pub cleaned_offset: i64,
    /// The topic's id: checked against partition.metadata, which is written if missing.
    pub topic_id: Option<Uuid>,
}
