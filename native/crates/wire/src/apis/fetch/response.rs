//! Owns writing a Fetch response around record bytes that stay where they are. Never copies a record that comes from a file.
//! Invariant: the frame's size is the bytes written plus every gap.
//!
//! The records of a partition are left out as a gap: a position in the output buffer, and how many bytes go there on the socket.
//! The reactor sends `out[..gap.at]`, then a range of the segment file, then the bytes up to the next gap, and so on.

use super::{
    LOG_START_OFFSET_SINCE, NODE_ENDPOINTS_SINCE, RACK_SINCE, SESSION_SINCE, VERSION_MAX,
    VERSION_MIN, is_flexible, topic_by_id,
};
use crate::apis::leader_hint::{LeaderIdAndEpoch, NodeEndpoint, write_node_endpoints};
use crate::apis::topic::{TopicArrayWriter, TopicRef};
use crate::frame;
use crate::header::write_response_header;
use crate::primitive::Writer;

/// The first version that names a preferred read replica is the one that sends a rack.
const PREFERRED_READ_REPLICA_SINCE: i16 = RACK_SINCE;

/// What is said before the topics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchResponseHead {
    pub correlation_id: i32,
    pub throttle_time_ms: i32,
    pub error_code: i16,
    /// 0 for none.
    pub session_id: i32,
    pub topic_count: usize,
}

/// The answer for one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchPartitionResponse<'a> {
    pub index: i32,
    pub error_code: i16,
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    pub log_start_offset: i64,
    /// None is null: the reader did not ask for committed records only.
    pub aborted_transactions: Option<&'a [AbortedTransaction]>,
    /// -1 for none.
    pub preferred_read_replica: i32,
    pub records: FetchRecords<'a>,
    pub diverging_epoch: Option<EpochEndOffset>,
    /// Sent with NOT_LEADER_OR_FOLLOWER and FENCED_LEADER_EPOCH.
    pub current_leader: Option<LeaderIdAndEpoch>,
    pub snapshot_id: Option<SnapshotId>,
}

/// Where the record bytes of a partition come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FetchRecords<'a> {
    Null,
    /// So many bytes of a segment file, sent in a gap. 0 is an empty field and leaves no gap.
    InFile(u32),
    /// Bytes to copy: a few, where a system call of their own would cost more.
    Inline(&'a [u8]),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    pub producer_id: i64,
    pub first_offset: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEndOffset {
    pub epoch: i32,
    pub end_offset: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SnapshotId {
    pub end_offset: i64,
    pub epoch: i32,
}

/// Bytes of a file that belong between `out[..at]` and `out[at..]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordsGap {
    /// Position in the whole output buffer, not in the frame.
    pub at: usize,
    pub bytes: u32,
}

impl FetchPartitionResponse<'_> {
    /// A partition without records and without offsets, as Kafka answers errors.
    #[inline]
    pub fn error(index: i32, error_code: i16) -> FetchPartitionResponse<'static> {
        FetchPartitionResponse {
            index,
            error_code,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            aborted_transactions: Some(&[]),
            preferred_read_replica: -1,
            records: FetchRecords::InFile(0),
            diverging_epoch: None,
            current_leader: None,
            snapshot_id: None,
        }
    }
}

/// Writes one Fetch response frame: `begin`, per topic `topic` and its `partition`s, `finish`.
#[derive(Debug)]
pub struct FetchResponseWriter<'a> {
    writer: Writer<'a>,
    gaps: &'a mut Vec<RecordsGap>,
    gap_bytes: usize,
    version: i16,
    frame_at: usize,
    topics: TopicArrayWriter,
}

impl<'a> FetchResponseWriter<'a> {
    /// Starts a frame behind whatever `out` and `gaps` hold.
    #[inline]
    pub fn begin(
        out: &'a mut Vec<u8>,
        gaps: &'a mut Vec<RecordsGap>,
        version: i16,
        head: &FetchResponseHead,
    ) -> FetchResponseWriter<'a> {
        assert!(
            (VERSION_MIN..=VERSION_MAX).contains(&version),
            "the request had a known version"
        );
        let frame_at = frame::begin_response(out);
        write_response_header(out, head.correlation_id, is_flexible(version));
        let mut writer = Writer::new(out, is_flexible(version));
        writer.i32(head.throttle_time_ms);
        if version >= SESSION_SINCE {
            writer.i16(head.error_code);
            writer.i32(head.session_id);
        }
        let topics = TopicArrayWriter::begin(topic_by_id(version), head.topic_count, &mut writer);
        FetchResponseWriter {
            writer,
            gaps,
            gap_bytes: 0,
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
    pub fn partition(&mut self, partition: &FetchPartitionResponse<'_>) {
        let (writer, version) = (&mut self.writer, self.version);
        writer.i32(partition.index);
        writer.i16(partition.error_code);
        writer.i64(partition.high_watermark);
        writer.i64(partition.last_stable_offset);
        if version >= LOG_START_OFFSET_SINCE {
            writer.i64(partition.log_start_offset);
        }
        writer.nullable_array_count(partition.aborted_transactions.map(<[_]>::len));
        for aborted in partition.aborted_transactions.unwrap_or_default() {
            writer.i64(aborted.producer_id);
            writer.i64(aborted.first_offset);
            writer.no_tagged_fields();
        }
        if version >= PREFERRED_READ_REPLICA_SINCE {
            writer.i32(partition.preferred_read_replica);
        }
        match partition.records {
            FetchRecords::Null => writer.nullable_len(None),
            FetchRecords::Inline(bytes) => writer.nullable_bytes(Some(bytes)),
            FetchRecords::InFile(bytes) => {
                writer.nullable_len(Some(bytes as usize));
                if bytes > 0 {
                    self.gaps.push(RecordsGap {
                        at: writer.position(),
                        bytes,
                    });
                    self.gap_bytes += bytes as usize;
                }
            }
        }
        if is_flexible(version) {
            write_partition_tags(partition, writer);
        }
        self.topics.end_partition(writer);
    }

    /// Ends the frame; returns how many bytes of it come from files.
    #[inline]
    pub fn finish(mut self, node_endpoints: &[NodeEndpoint<'_>]) -> usize {
        self.topics.end();
        write_node_endpoints(
            node_endpoints,
            self.version >= NODE_ENDPOINTS_SINCE,
            &mut self.writer,
        );
        frame::end_response(self.writer.buffer(), self.frame_at, self.gap_bytes);
        self.gap_bytes
    }
}

fn write_partition_tags(partition: &FetchPartitionResponse<'_>, writer: &mut Writer<'_>) {
    let FetchPartitionResponse {
        diverging_epoch,
        current_leader,
        snapshot_id,
        ..
    } = partition;
    let count = u32::from(diverging_epoch.is_some())
        + u32::from(current_leader.is_some())
        + u32::from(snapshot_id.is_some());
    writer.tagged_field_count(count);
    if let Some(diverging) = diverging_epoch {
        writer.tagged_field(0, 4 + 8 + 1, |content| {
            content.i32(diverging.epoch);
            content.i64(diverging.end_offset);
            content.no_tagged_fields();
        });
    }
    if let Some(leader) = current_leader {
        leader.write_tagged(1, writer);
    }
    if let Some(snapshot) = snapshot_id {
        writer.tagged_field(2, 8 + 4 + 1, |content| {
            content.i64(snapshot.end_offset);
            content.i32(snapshot.epoch);
            content.no_tagged_fields();
        });
    }
}
