//! Owns the answering of ListOffsets (key 2). Never waits: what takes long is run on another thread by the caller.

use crate::partition_table::Snapshot;
use hashbrown::HashSet;
use millrace_wire::apis::list_offsets::{
    EARLIEST_LOCAL_TIMESTAMP, EARLIEST_PENDING_UPLOAD_TIMESTAMP, LATEST_TIERED_TIMESTAMP,
    ListOffsetsPartition, ListOffsetsPartitionResponse, ListOffsetsRequest,
    ListOffsetsResponseWriter, MAX_TIMESTAMP,
};
use millrace_wire::apis::{TopicPartition, TopicRef};
use millrace_wire::error_codes;

/// Whether answering means looking for a record by its time.
pub fn searches_logs(request: &ListOffsetsRequest, frame: &[u8]) -> bool {
    request.partitions(frame).any(|asked| {
        let timestamp = asked.partition.timestamp;
        timestamp >= 0 || timestamp == MAX_TIMESTAMP
    })
}

/// Writes the whole answer frame behind what `out` holds.
pub fn write(
    request: &ListOffsetsRequest,
    correlation_id: i32,
    frame: &[u8],
    table: &Snapshot,
    out: &mut Vec<u8>,
) {
    let asked: Vec<_> = request.partitions(frame).collect();
    let repeated = repeated(&asked);
    let by_topic = || asked.chunk_by(|left, right| left.topic_index == right.topic_index);
    let mut writer = ListOffsetsResponseWriter::begin(
        out,
        request.version,
        correlation_id,
        0,
        by_topic().count(),
    );
    for topic in by_topic() {
        let TopicRef::Name(name) = topic[0].topic else {
            unreachable!("ListOffsets names topics by name")
        };
        writer.topic(name, topic.len());
        for partition in topic {
            writer.partition(&answer(request, partition, name, &repeated, table));
        }
    }
    writer.finish();
}

/// What a request names more than once: each time that is an error.
fn repeated<'a>(
    asked: &[TopicPartition<'a, ListOffsetsPartition>],
) -> HashSet<(TopicRef<'a>, i32)> {
    let mut seen = HashSet::with_capacity(asked.len());
    let names = asked.iter().map(|one| (one.topic, one.partition.index));
    names.filter(|name| !seen.insert(*name)).collect()
}

fn answer(
    request: &ListOffsetsRequest,
    asked: &TopicPartition<'_, ListOffsetsPartition>,
    name: &str,
    repeated: &HashSet<(TopicRef<'_>, i32)>,
    table: &Snapshot,
) -> ListOffsetsPartitionResponse {
    let wanted = &asked.partition;
    let refuse = |error_code| ListOffsetsPartitionResponse::error(wanted.index, error_code);
    if repeated.contains(&(asked.topic, wanted.index)) {
        return refuse(error_codes::INVALID_REQUEST);
    }
    if request.version < version_min_of(wanted.timestamp) {
        return refuse(error_codes::UNSUPPORTED_VERSION);
    }
    let Some(topic) = table.by_name(name) else {
        return refuse(error_codes::UNKNOWN_TOPIC_OR_PARTITION);
    };
    match topic.partition(wanted.index) {
        Some(partition) => partition.list_offset(wanted, request.isolation_level == 1),
        None if topic.has_partition(wanted.index) => refuse(error_codes::NOT_LEADER_OR_FOLLOWER),
        None => refuse(error_codes::UNKNOWN_TOPIC_OR_PARTITION),
    }
}

/// Negative timestamps came with versions of their own.
fn version_min_of(timestamp: i64) -> i16 {
    match timestamp {
        MAX_TIMESTAMP => 7,
        EARLIEST_LOCAL_TIMESTAMP => 8,
        LATEST_TIERED_TIMESTAMP => 9,
        EARLIEST_PENDING_UPLOAD_TIMESTAMP => 11,
        // The next one may come with a version we do not know.
        ..EARLIEST_PENDING_UPLOAD_TIMESTAMP => i16::MAX,
        _ => 1,
    }
}
