//! Owns Produce (key 0), versions 3 to 13. Never touches record bytes: a partition's records are a range of the frame.
//!
//! ```text
//! request   nullable string transactional id, i16 acks, i32 timeout ms, [topic]
//!   topic      string name (v0-12) | uuid id (v13), [partition]
//!   partition  i32 index, nullable bytes records
//! response  [topic], i32 throttle ms, tag 0 (v10): [node endpoint]
//!   topic      string name | uuid id, [partition]
//!   partition  i32 index, i16 error, i64 base offset, i64 log append time, i64 log start offset (v5),
//!              [i32 batch index, nullable string message] (v8), nullable string error message (v8), tag 0 (v10): leader
//! ```
//! Flexible from version 9. v11 and v12 changed meanings only (KIP-890), v13 the topic id (KIP-516).

use super::leader_hint::{LeaderIdAndEpoch, NodeEndpoint, write_node_endpoints};
use super::topic::{PartitionFields, Partitions, TopicArray, TopicArrayWriter, TopicRef};
use crate::byte_range::ByteRange;
use crate::error::WireError;
use crate::frame;
use crate::header::write_response_header;
use crate::primitive::{Reader, Writer};

pub const API_KEY: i16 = 0;
pub const VERSION_MIN: i16 = 3;
pub const VERSION_MAX: i16 = 13;
const FLEXIBLE_SINCE: i16 = 9;
const LOG_START_OFFSET_SINCE: i16 = 5;
const RECORD_ERRORS_SINCE: i16 = 8;
const LEADER_HINT_SINCE: i16 = 10;
const TOPIC_ID_SINCE: i16 = 13;

/// True when request and response headers of this version have tagged fields.
#[inline]
pub fn is_flexible(version: i16) -> bool {
    version >= FLEXIBLE_SINCE
}

/// A Produce request, checked whole. Holds places in the frame, not borrows, so that the records can be stamped in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProduceRequest {
    pub version: i16,
    pub transactional_id: Option<ByteRange>,
    pub acks: i16,
    pub timeout_ms: i32,
    topics: TopicArray,
}

/// One partition of a Produce request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducePartition {
    pub index: i32,
    /// Where the record bytes lie in the frame; None for null.
    pub records: Option<ByteRange>,
}

impl ProduceRequest {
    /// Reads the body at `body_at` (see `RequestHeader::body_at`) of `frame`.
    #[inline]
    pub fn parse(frame: &[u8], body_at: usize, version: i16) -> Result<ProduceRequest, WireError> {
        if !(VERSION_MIN..=VERSION_MAX).contains(&version) {
            return Err(WireError::UnsupportedVersion {
                api_key: API_KEY,
                api_version: version,
            });
        }
        let mut reader = Reader::new(frame, body_at, is_flexible(version));
        let transactional_id = reader.nullable_string_range_checked()?;
        let acks = reader.i16()?;
        let timeout_ms = reader.i32()?;
        let topics = TopicArray::check::<ProducePartition>(&mut reader, version)?;
        reader.skip_tagged_fields()?;
        Ok(ProduceRequest {
            version,
            transactional_id,
            acks,
            timeout_ms,
            topics,
        })
    }

    #[inline]
    pub fn partition_count(&self) -> usize {
        self.topics.partition_count as usize
    }

    /// The partitions in request order. `frame` is the one that was parsed; only record bytes may have changed since.
    #[inline]
    pub fn partitions<'a>(&self, frame: &'a [u8]) -> Partitions<'a, ProducePartition> {
        self.topics.walk(frame)
    }
}

impl PartitionFields for ProducePartition {
    #[inline]
    fn topic_by_id(version: i16) -> bool {
        version >= TOPIC_ID_SINCE
    }

    #[inline]
    fn bytes_min(version: i16) -> usize {
        if is_flexible(version) {
            4 + 1 + 1
        } else {
            4 + 4
        }
    }

    #[inline]
    fn read(reader: &mut Reader<'_>, _version: i16) -> Result<ProducePartition, WireError> {
        let index = reader.i32()?;
        let records = reader.nullable_bytes_range()?;
        reader.skip_tagged_fields()?;
        Ok(ProducePartition { index, records })
    }
}

/// The answer for one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducePartitionResponse<'a> {
    pub index: i32,
    pub error_code: i16,
    pub base_offset: i64,
    pub log_append_time_ms: i64,
    pub log_start_offset: i64,
    pub record_errors: &'a [RecordError<'a>],
    pub error_message: Option<&'a str>,
    /// Sent with NOT_LEADER_OR_FOLLOWER.
    pub current_leader: Option<LeaderIdAndEpoch>,
}

/// A record that made its batch fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordError<'a> {
    pub batch_index: i32,
    pub message: Option<&'a str>,
}

impl ProducePartitionResponse<'_> {
    /// A refused partition: all offsets unknown.
    #[inline]
    pub fn error(index: i32, error_code: i16) -> ProducePartitionResponse<'static> {
        ProducePartitionResponse {
            index,
            error_code,
            base_offset: -1,
            log_append_time_ms: -1,
            log_start_offset: -1,
            record_errors: &[],
            error_message: None,
            current_leader: None,
        }
    }
}

/// Writes one Produce response frame: `begin`, per topic `topic` and its `partition`s, `finish`.
#[derive(Debug)]
pub struct ProduceResponseWriter<'a> {
    writer: Writer<'a>,
    version: i16,
    frame_at: usize,
    topics: TopicArrayWriter,
}

impl<'a> ProduceResponseWriter<'a> {
    /// Starts a frame behind whatever `out` holds.
    #[inline]
    pub fn begin(
        out: &'a mut Vec<u8>,
        version: i16,
        correlation_id: i32,
        topic_count: usize,
    ) -> Self {
        assert!(
            (VERSION_MIN..=VERSION_MAX).contains(&version),
            "the request had a known version"
        );
        let frame_at = frame::begin_response(out);
        write_response_header(out, correlation_id, is_flexible(version));
        let mut writer = Writer::new(out, is_flexible(version));
        let topics = TopicArrayWriter::begin(version >= TOPIC_ID_SINCE, topic_count, &mut writer);
        ProduceResponseWriter {
            writer,
            version,
            frame_at,
            topics,
        }
    }

    #[inline]
    pub fn topic(&mut self, topic: TopicRef<'_>, partition_count: usize) {
        self.topics.topic(topic, partition_count, &mut self.writer);
    }

    #[inline]
    pub fn partition(&mut self, partition: &ProducePartitionResponse<'_>) {
        let (writer, version) = (&mut self.writer, self.version);
        writer.i32(partition.index);
        writer.i16(partition.error_code);
        writer.i64(partition.base_offset);
        writer.i64(partition.log_append_time_ms);
        if version >= LOG_START_OFFSET_SINCE {
            writer.i64(partition.log_start_offset);
        }
        if version >= RECORD_ERRORS_SINCE {
            writer.array_count(partition.record_errors.len());
            for error in partition.record_errors {
                writer.i32(error.batch_index);
                writer.nullable_string(error.message);
                writer.no_tagged_fields();
            }
            writer.nullable_string(partition.error_message);
        }
        match partition.current_leader {
            Some(leader) if version >= LEADER_HINT_SINCE => {
                writer.tagged_field_count(1);
                leader.write_tagged(0, writer);
            }
            _ => writer.no_tagged_fields(),
        }
        self.topics.end_partition(writer);
    }

    /// Ends the frame. Endpoints of the leaders named above, if any, go to versions that know them.
    #[inline]
    pub fn finish(mut self, throttle_time_ms: i32, node_endpoints: &[NodeEndpoint<'_>]) {
        self.topics.end();
        self.writer.i32(throttle_time_ms);
        write_node_endpoints(
            node_endpoints,
            self.version >= LEADER_HINT_SINCE,
            &mut self.writer,
        );
        frame::end_response(self.writer.buffer(), self.frame_at, 0);
    }
}
