//! Owns what one batch of a Produce request has to pass before it is staged, as far as a reactor may look: where it goes, its header, its
//! checksum. Never decompresses; a batch that needs that is said to.

use super::produce::{Explanation, PartResult, ProduceContext, RECORD_ERRORS_MAX};
use crate::partition::Partition;
use crate::partition_table::{Snapshot, Topic};
use millrace_record::{
    BatchError, BatchHeader, DECOMPRESSED_BYTES_MAX, Preparation, ProduceLimits, TopicCompression,
    prepare, validate_produced,
};
use millrace_wire::apis::TopicRef;
use millrace_wire::{ByteRange, error_codes};
use std::sync::Arc;

/// The only client that may write to internal topics; Kafka's own rule.
const ADMIN_CLIENT_ID: &[u8] = b"__admin_client";

/// Why one partition takes nothing.
pub(super) struct Refusal {
    pub(super) result: PartResult,
    pub(super) explanation: Option<(String, Vec<(i32, String)>)>,
}

impl Refusal {
    pub(super) fn code(error_code: i16) -> Refusal {
        Refusal {
            result: PartResult::error(error_code),
            explanation: None,
        }
    }

    fn batch(error: BatchError, partition: &Partition) -> Refusal {
        Refusal {
            result: PartResult::of(&error, partition),
            explanation: Some((error.to_string(), Vec::new())),
        }
    }
}

pub fn resolve<'a>(table: &'a Snapshot, topic: &TopicRef<'_>) -> Option<&'a Arc<Topic>> {
    match topic {
        TopicRef::Name(name) => table.by_name(name),
        TopicRef::Id(id) => table.by_id(id),
    }
}

/// The code for a topic that is not in the table, by the way it was named.
pub fn unknown_topic(topic: &TopicRef<'_>) -> i16 {
    match topic {
        TopicRef::Name(_) => error_codes::UNKNOWN_TOPIC_OR_PARTITION,
        TopicRef::Id(_) => error_codes::UNKNOWN_TOPIC_ID,
    }
}

pub(super) fn find<'a>(
    topic: Option<&'a Arc<Topic>>,
    asked: &TopicRef<'_>,
    index: i32,
    context: &ProduceContext<'_>,
) -> Result<(&'a Arc<Topic>, &'a Arc<Partition>), Refusal> {
    let topic = topic.ok_or_else(|| Refusal::code(unknown_topic(asked)))?;
    if topic.is_internal && context.client_id != Some(ADMIN_CLIENT_ID) {
        return Err(Refusal::code(error_codes::INVALID_TOPIC_EXCEPTION));
    }
    match topic.partition(index) {
        Some(partition) => Ok((topic, partition)),
        None if topic.has_partition(index) => {
            Err(Refusal::code(error_codes::NOT_LEADER_OR_FOLLOWER))
        }
        None => Err(Refusal::code(error_codes::UNKNOWN_TOPIC_OR_PARTITION)),
    }
}

pub(super) fn check(
    frame: &[u8],
    records: Option<ByteRange>,
    version: i16,
    topic: &Topic,
    partition: &Partition,
    context: &ProduceContext<'_>,
) -> Result<(BatchHeader, ByteRange, Option<Preparation>), Refusal> {
    let records = records
        .filter(|records| !records.is_empty())
        .ok_or_else(|| Refusal::code(error_codes::INVALID_RECORD))?;
    let batch = records.of(frame);
    let log = &topic.config.log;
    let limits = ProduceLimits {
        max_message_bytes: log.max_message_bytes as usize,
        segment_bytes: log.segment_bytes as usize,
        produce_version: version,
        now_ms: context.now_ms,
        timestamp_type: log.message_timestamp_type,
        timestamp_before_max_ms: log.message_timestamp_before_max_ms,
        timestamp_after_max_ms: log.message_timestamp_after_max_ms,
    };
    let header =
        validate_produced(batch, &limits).map_err(|error| Refusal::batch(error, partition))?;
    // Transactions are not served yet: no coordinator has verified that one is going on.
    if header.is_transactional() {
        return Err(Refusal::code(error_codes::INVALID_TXN_STATE));
    }
    let codec = header.compression();
    let mut preparation = Preparation {
        limits,
        compression: log.compression,
        needs_keys: log.compacted,
        decompressed_bytes_max: DECOMPRESSED_BYTES_MAX,
        record_errors_max: RECORD_ERRORS_MAX,
    };
    if log.compression.changes(codec)
        || (log.compacted && codec.is_some())
        || limits.wants_record_times(&header)
    {
        return Ok((header, records, Some(preparation)));
    }
    if log.compacted {
        // Plain records are looked at where they lie: that costs less than another thread.
        preparation.compression = TopicCompression::Producer;
        if let Err(error) = prepare(batch, &preparation) {
            let explanation = Explanation::of(0, &error);
            return Err(Refusal {
                result: PartResult::of(&error.error, partition),
                explanation: Some((explanation.message, explanation.records)),
            });
        }
    }
    Ok((header, records, None))
}
