//! Owns the answering of Produce (key 0): decode and check a request, stage its batches, gather the results, write the answer.
//! Never touches a log; `turn.rs` does, once per partition and turn.
//! Invariant: a request is answered once, when the last of its partitions has a result.

use crate::partition::Partition;
use crate::partition_table::{Snapshot, Topic};
use crate::respond::Chunk;
use crate::slab::Key;
use millrace_record::{
    BatchError, BatchHeader, DECOMPRESSED_BYTES_MAX, ProduceLimits, has_record_without_key,
    records_without_key, validate_produced,
};
use millrace_replica::Acks;
use millrace_wire::apis::produce::{
    ProducePartitionResponse, ProduceRequest, ProduceResponseWriter, RecordError,
};
use millrace_wire::apis::{LeaderIdAndEpoch, TopicRef};
use millrace_wire::{ByteRange, error_codes};
use std::sync::Arc;

/// The only client that may write to internal topics; Kafka's own rule.
const ADMIN_CLIENT_ID: &[u8] = b"__admin_client";

/// Bad records one answer names. A small compressed batch may hold millions, and each costs a message.
const RECORD_ERRORS_MAX: usize = 1_000;

/// One partition of one request under way: where its result goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducePart {
    pub reactor: u16,
    pub request: Key,
    pub part: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartResult {
    pub error_code: i16,
    pub base_offset: i64,
    pub log_append_time_ms: i64,
    pub log_start_offset: i64,
    pub leader: Option<LeaderIdAndEpoch>,
}

impl PartResult {
    pub fn error(error_code: i16) -> PartResult {
        PartResult {
            error_code,
            base_offset: -1,
            log_append_time_ms: -1,
            log_start_offset: -1,
            leader: None,
        }
    }
}

/// What a client is told beside the code; rare, so it is kept apart.
#[derive(Debug)]
pub struct Explanation {
    part: u32,
    message: String,
    records: Vec<i32>,
}

#[derive(Debug, Clone, Copy)]
enum PartTopic {
    Name(ByteRange),
    Id([u8; 16]),
}

#[derive(Debug, Clone, Copy)]
struct Part {
    topic: PartTopic,
    topic_index: u32,
    index: i32,
    is_waiting: bool,
    result: PartResult,
}

/// A Produce request between its decoding and its answer.
#[derive(Debug)]
pub struct PendingProduce {
    pub connection: Key,
    pub slot: u32,
    pub acks: Acks,
    /// When a part that has to wait gives up.
    pub deadline_ms: u64,
    has_timer: bool,
    version: i16,
    correlation_id: i32,
    waiting: u32,
    parts: Vec<Part>,
    names: Vec<u8>,
    /// In the order of their parts.
    explanations: Vec<Explanation>,
    /// Records named in all explanations.
    record_errors: usize,
}

/// A checked batch and where it goes.
pub struct AcceptedBatch {
    pub partition: Arc<Partition>,
    pub header: BatchHeader,
    /// In the frame.
    pub records: ByteRange,
    pub part: u32,
}

/// What the checks of a request need to know beside its bytes.
pub struct ProduceContext<'a> {
    pub table: &'a Snapshot,
    pub client_id: Option<&'a [u8]>,
    pub now_ms: i64,
}

impl Default for PendingProduce {
    fn default() -> PendingProduce {
        PendingProduce {
            connection: Key {
                index: u32::MAX,
                generation: 0,
            },
            slot: 0,
            acks: Acks::None,
            deadline_ms: u64::MAX,
            has_timer: false,
            version: 0,
            correlation_id: 0,
            waiting: 0,
            parts: Vec::new(),
            names: Vec::new(),
            explanations: Vec::new(),
            record_errors: 0,
        }
    }
}

impl PendingProduce {
    /// Takes on a decoded request: every partition is checked; good batches go to `accept`, the others have their result already.
    pub fn begin(
        &mut self,
        request: &ProduceRequest,
        correlation_id: i32,
        frame: &[u8],
        context: &ProduceContext<'_>,
        mut accept: impl FnMut(Acks, AcceptedBatch),
    ) {
        self.version = request.version;
        self.correlation_id = correlation_id;
        self.deadline_ms = u64::MAX;
        self.has_timer = false;
        self.waiting = 0;
        self.parts.clear();
        self.names.clear();
        self.explanations.clear();
        self.record_errors = 0;
        let acks = match request.acks {
            0 => Some(Acks::None),
            1 => Some(Acks::Leader),
            -1 => Some(Acks::All),
            _ => None,
        };
        self.acks = acks.unwrap_or(Acks::Leader);
        let mut resolved: Option<(u32, Option<Arc<Topic>>)> = None;
        for asked in request.partitions(frame) {
            let is_new_topic = resolved
                .as_ref()
                .is_none_or(|(topic_index, _)| *topic_index != asked.topic_index);
            if is_new_topic {
                resolved = Some((
                    asked.topic_index,
                    resolve(context.table, &asked.topic).cloned(),
                ));
            }
            let topic = resolved.as_ref().and_then(|(_, topic)| topic.as_ref());
            let part = self.parts.len() as u32;
            let part_topic = self.keep_topic(&asked.topic, is_new_topic);
            self.parts.push(Part {
                topic: part_topic,
                topic_index: asked.topic_index,
                index: asked.partition.index,
                is_waiting: false,
                result: PartResult::error(0),
            });
            let checked = find(topic, &asked.topic, asked.partition.index, context).and_then(
                |(topic, partition)| {
                    if acks.is_none() {
                        return Err(Refusal::code(error_codes::INVALID_REQUIRED_ACKS));
                    }
                    check(
                        frame,
                        asked.partition.records,
                        request.version,
                        topic,
                        context,
                    )
                    .map(|(header, records)| (partition, header, records))
                },
            );
            match checked {
                Ok((partition, header, records)) => {
                    self.waiting += 1;
                    self.parts[part as usize].is_waiting = true;
                    accept(
                        self.acks,
                        AcceptedBatch {
                            partition: Arc::clone(partition),
                            header,
                            records,
                            part,
                        },
                    );
                }
                Err(refusal) => {
                    self.parts[part as usize].result = PartResult {
                        leader: refusal.leader,
                        ..PartResult::error(refusal.error_code)
                    };
                    if let Some((message, mut records)) = refusal.explanation {
                        records.truncate(RECORD_ERRORS_MAX - self.record_errors);
                        self.record_errors += records.len();
                        self.explanations.push(Explanation {
                            part,
                            message,
                            records,
                        });
                    }
                }
            }
        }
    }

    /// Whether every partition has its result.
    pub fn is_complete(&self) -> bool {
        self.waiting == 0
    }

    /// Sets what one partition will answer; it still waits for its acknowledgement.
    pub fn set_result(&mut self, part: u32, result: PartResult) {
        self.parts[part as usize].result = result;
    }

    /// A part has to wait: the deadline to set a timer for, if none is set.
    pub fn start_waiting(&mut self) -> Option<u64> {
        let is_first = !std::mem::replace(&mut self.has_timer, true);
        (is_first && self.deadline_ms != u64::MAX).then_some(self.deadline_ms)
    }

    /// One partition waits no more. An error replaces what it would have answered.
    pub fn acknowledge(&mut self, part: u32, error_code: i16) {
        let part = &mut self.parts[part as usize];
        assert!(part.is_waiting, "a part is acknowledged once");
        part.is_waiting = false;
        self.waiting -= 1;
        if error_code != 0 {
            part.result = PartResult::error(error_code);
        }
    }

    /// The producer's timeout passed: whatever still waits answers `error_code`.
    pub fn expire(&mut self, error_code: i16) {
        for part in self.parts.iter_mut().filter(|part| part.is_waiting) {
            part.is_waiting = false;
            part.result = PartResult::error(error_code);
        }
        self.waiting = 0;
    }

    pub fn failed_parts(&self) -> usize {
        self.parts
            .iter()
            .filter(|part| part.result.error_code != 0)
            .count()
    }

    pub fn write(&self, chunk: &mut Chunk) {
        let topic_count = self
            .parts
            .chunk_by(|left, right| left.topic_index == right.topic_index)
            .count();
        let mut writer = ProduceResponseWriter::begin(
            &mut chunk.bytes,
            self.version,
            self.correlation_id,
            topic_count,
        );
        let mut part = 0;
        for topic_parts in self
            .parts
            .chunk_by(|left, right| left.topic_index == right.topic_index)
        {
            writer.topic(self.topic_ref(&topic_parts[0].topic), topic_parts.len());
            for state in topic_parts {
                self.write_part(part, state, &mut writer);
                part += 1;
            }
        }
        writer.finish(0, &[]);
    }

    fn write_part(&self, part: u32, state: &Part, writer: &mut ProduceResponseWriter<'_>) {
        let explanation = self
            .explanations
            .binary_search_by_key(&part, |explanation| explanation.part)
            .ok()
            .map(|place| &self.explanations[place]);
        let record_errors = explanation.map_or(Vec::new(), |explanation| {
            explanation
                .records
                .iter()
                .map(|&batch_index| RecordError {
                    batch_index,
                    message: Some(&explanation.message),
                })
                .collect()
        });
        let result = state.result;
        writer.partition(&ProducePartitionResponse {
            index: state.index,
            error_code: result.error_code,
            base_offset: result.base_offset,
            log_append_time_ms: result.log_append_time_ms,
            log_start_offset: result.log_start_offset,
            record_errors: &record_errors,
            error_message: explanation.map(|explanation| explanation.message.as_str()),
            current_leader: result.leader,
        });
    }

    fn keep_topic(&mut self, topic: &TopicRef<'_>, is_new: bool) -> PartTopic {
        match (topic, self.parts.last()) {
            (_, Some(last)) if !is_new => last.topic,
            (TopicRef::Id(id), _) => PartTopic::Id(*id),
            (TopicRef::Name(name), _) => {
                let start = self.names.len() as u32;
                self.names.extend_from_slice(name.as_bytes());
                PartTopic::Name(ByteRange {
                    start,
                    len: name.len() as u32,
                })
            }
        }
    }

    fn topic_ref(&self, topic: &PartTopic) -> TopicRef<'_> {
        match topic {
            PartTopic::Name(range) => TopicRef::Name(
                std::str::from_utf8(range.of(&self.names))
                    .expect("a name was UTF-8 when it came in"),
            ),
            PartTopic::Id(id) => TopicRef::Id(*id),
        }
    }
}

/// Why one partition takes nothing.
struct Refusal {
    error_code: i16,
    leader: Option<LeaderIdAndEpoch>,
    explanation: Option<(String, Vec<i32>)>,
}

impl Refusal {
    fn code(error_code: i16) -> Refusal {
        Refusal {
            error_code,
            leader: None,
            explanation: None,
        }
    }

    fn batch(error: BatchError) -> Refusal {
        Refusal {
            explanation: Some((error.to_string(), Vec::new())),
            ..Refusal::code(error.kafka_code())
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

fn find<'a>(
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

fn check(
    frame: &[u8],
    records: Option<ByteRange>,
    version: i16,
    topic: &Topic,
    context: &ProduceContext<'_>,
) -> Result<(BatchHeader, ByteRange), Refusal> {
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
    let header = validate_produced(batch, &limits).map_err(Refusal::batch)?;
    // Transactions are not served yet: no coordinator has verified that one is going on.
    if header.is_transactional() {
        return Err(Refusal::code(error_codes::INVALID_TXN_STATE));
    }
    if log.compacted && has_record_without_key(batch).map_err(Refusal::batch)? {
        let records = records_without_key(batch, DECOMPRESSED_BYTES_MAX, RECORD_ERRORS_MAX)
            .map_err(Refusal::batch)?;
        let message = "one or more records have been rejected: a compacted topic takes no record without a key".to_string();
        return Err(Refusal {
            explanation: Some((message, records)),
            ..Refusal::code(error_codes::INVALID_RECORD)
        });
    }
    Ok((header, records))
}
