//! Owns ListOffsets (key 2), versions 1 to 11. Never resolves an offset.
//!
//! ```text
//! request   i32 replica id, i8 isolation level (v2), [topic], i32 timeout ms (v10)
//!   topic      string name, [partition]
//!   partition  i32 index, i32 current leader epoch (v4), i64 timestamp
//! response  i32 throttle ms (v2), [topic]
//!   topic      string name, [partition]
//!   partition  i32 index, i16 error, i64 timestamp, i64 offset, i32 leader epoch (v4)
//! ```
//! Flexible from version 6. v7 to v9 and v11 only gave meanings to negative timestamps.

use super::topic::{PartitionFields, Partitions, TopicArray, TopicArrayWriter, TopicRef};
use crate::error::WireError;
use crate::frame;
use crate::header::write_response_header;
use crate::primitive::{Reader, Writer};

pub const API_KEY: i16 = 2;
pub const VERSION_MIN: i16 = 1;
pub const VERSION_MAX: i16 = 11;
const FLEXIBLE_SINCE: i16 = 6;
const ISOLATION_LEVEL_SINCE: i16 = 2;
const THROTTLE_TIME_SINCE: i16 = 2;
const LEADER_EPOCH_SINCE: i16 = 4;
const TIMEOUT_SINCE: i16 = 10;

/// The end of the log: the high watermark, or the last stable offset to a reader of committed records.
pub const LATEST_TIMESTAMP: i64 = -1;
/// The log start offset.
pub const EARLIEST_TIMESTAMP: i64 = -2;
/// The record with the largest timestamp (v7).
pub const MAX_TIMESTAMP: i64 = -3;
/// The first offset on local disk (v8).
pub const EARLIEST_LOCAL_TIMESTAMP: i64 = -4;
/// The last offset in tiered storage (v9).
pub const LATEST_TIERED_TIMESTAMP: i64 = -5;
/// The first offset not yet in tiered storage (v11).
pub const EARLIEST_PENDING_UPLOAD_TIMESTAMP: i64 = -6;

/// True when request and response headers of this version have tagged fields.
#[inline]
pub fn is_flexible(version: i16) -> bool {
    version >= FLEXIBLE_SINCE
}

/// A ListOffsets request, checked whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListOffsetsRequest {
    pub version: i16,
    /// -1 for a consumer.
    pub replica_id: i32,
    /// 0 read uncommitted, 1 read committed.
    pub isolation_level: i8,
    /// For reads of tiered storage; 0 before v10.
    pub timeout_ms: i32,
    topics: TopicArray,
}

/// One partition of a ListOffsets request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListOffsetsPartition {
    pub index: i32,
    /// -1 for not known.
    pub current_leader_epoch: i32,
    /// A time in ms, or one of the negative constants.
    pub timestamp: i64,
}

impl ListOffsetsRequest {
    #[inline]
    pub fn parse(
        frame: &[u8],
        body_at: usize,
        version: i16,
    ) -> Result<ListOffsetsRequest, WireError> {
        if !(VERSION_MIN..=VERSION_MAX).contains(&version) {
            return Err(WireError::UnsupportedVersion {
                api_key: API_KEY,
                api_version: version,
            });
        }
        let mut reader = Reader::new(frame, body_at, is_flexible(version));
        let replica_id = reader.i32()?;
        let isolation_level = if version >= ISOLATION_LEVEL_SINCE {
            reader.i8()?
        } else {
            0
        };
        let topics = TopicArray::check::<ListOffsetsPartition>(&mut reader, version)?;
        let timeout_ms = if version >= TIMEOUT_SINCE {
            reader.i32()?
        } else {
            0
        };
        reader.skip_tagged_fields()?;
        Ok(ListOffsetsRequest {
            version,
            replica_id,
            isolation_level,
            timeout_ms,
            topics,
        })
    }

    #[inline]
    pub fn partition_count(&self) -> usize {
        self.topics.partition_count as usize
    }

    /// The partitions in request order. `frame` is the one that was parsed.
    #[inline]
    pub fn partitions<'a>(&self, frame: &'a [u8]) -> Partitions<'a, ListOffsetsPartition> {
        self.topics.walk(frame)
    }
}

impl PartitionFields for ListOffsetsPartition {
    #[inline]
    fn topic_by_id(_version: i16) -> bool {
        false
    }

    #[inline]
    fn bytes_min(version: i16) -> usize {
        let epoch_bytes = if version >= LEADER_EPOCH_SINCE { 4 } else { 0 };
        4 + epoch_bytes + 8 + usize::from(is_flexible(version))
    }

    #[inline]
    fn read(reader: &mut Reader<'_>, version: i16) -> Result<ListOffsetsPartition, WireError> {
        let index = reader.i32()?;
        let current_leader_epoch = if version >= LEADER_EPOCH_SINCE {
            reader.i32()?
        } else {
            -1
        };
        let timestamp = reader.i64()?;
        reader.skip_tagged_fields()?;
        Ok(ListOffsetsPartition {
            index,
            current_leader_epoch,
            timestamp,
        })
    }
}

/// The answer for one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListOffsetsPartitionResponse {
    pub index: i32,
    pub error_code: i16,
    /// -1 where there is none.
    pub timestamp: i64,
    /// -1 where there is none.
    pub offset: i64,
    /// -1 where there is none.
    pub leader_epoch: i32,
}

impl ListOffsetsPartitionResponse {
    /// An answer without an offset.
    #[inline]
    pub fn error(index: i32, error_code: i16) -> ListOffsetsPartitionResponse {
        ListOffsetsPartitionResponse {
            index,
            error_code,
            timestamp: -1,
            offset: -1,
            leader_epoch: -1,
        }
    }
}

/// Writes one ListOffsets response frame: `begin`, per topic `topic` and its `partition`s, `finish`.
#[derive(Debug)]
pub struct ListOffsetsResponseWriter<'a> {
    writer: Writer<'a>,
    version: i16,
    frame_at: usize,
    topics: TopicArrayWriter,
}

impl<'a> ListOffsetsResponseWriter<'a> {
    /// Starts a frame behind whatever `out` holds.
    #[inline]
    pub fn begin(
        out: &'a mut Vec<u8>,
        version: i16,
        correlation_id: i32,
        throttle_time_ms: i32,
        topic_count: usize,
    ) -> Self {
        assert!(
            (VERSION_MIN..=VERSION_MAX).contains(&version),
            "the request had a known version"
        );
        let frame_at = frame::begin_response(out);
        write_response_header(out, correlation_id, is_flexible(version));
        let mut writer = Writer::new(out, is_flexible(version));
        if version >= THROTTLE_TIME_SINCE {
            writer.i32(throttle_time_ms);
        }
        let topics = TopicArrayWriter::begin(false, topic_count, &mut writer);
        ListOffsetsResponseWriter {
            writer,
            version,
            frame_at,
            topics,
        }
    }

    #[inline]
    pub fn topic(&mut self, name: &str, partition_count: usize) {
        self.topics
            .topic(TopicRef::Name(name), partition_count, &mut self.writer);
    }

    #[inline]
    pub fn partition(&mut self, partition: &ListOffsetsPartitionResponse) {
        let writer = &mut self.writer;
        writer.i32(partition.index);
        writer.i16(partition.error_code);
        writer.i64(partition.timestamp);
        writer.i64(partition.offset);
        if self.version >= LEADER_EPOCH_SINCE {
            writer.i32(partition.leader_epoch);
        }
        writer.no_tagged_fields();
        self.topics.end_partition(writer);
    }

    #[inline]
    pub fn finish(mut self) {
        self.topics.end();
        self.writer.no_tagged_fields();
        frame::end_response(self.writer.buffer(), self.frame_at, 0);
    }
}
