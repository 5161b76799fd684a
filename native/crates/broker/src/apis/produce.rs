//! Owns the answering of Produce (key 0): decode and check a request, stage its batches, gather the results, write the answer.
//! Never touches a log; `turn.rs` does, once per partition and turn.
//! Invariant: a request is answered once, when the last of its partitions has a result.

use super::produce_checks::{Refusal, check, find, resolve};
use crate::partition::Partition;
use crate::partition_table::{Snapshot, Topic};
use crate::respond::Chunk;
use crate::slab::Key;
use millrace_record::{BatchError, BatchHeader, Preparation, PreparationError};
use millrace_replica::Acks;
use millrace_wire::apis::produce::{
    ProducePartitionResponse, ProduceRequest, ProduceResponseWriter, RecordError,
};
use millrace_wire::apis::{LeaderIdAndEpoch, TopicRef};
use millrace_wire::{ByteRange, error_codes};
use std::sync::Arc;

/// Bad records one answer names. A small compressed batch may hold millions, and each costs a message.
pub(super) const RECORD_ERRORS_MAX: usize = 1_000;

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

    /// What a batch answers that is not what it should be.
    pub fn of(error: &BatchError, partition: &Partition) -> PartResult {
        let log_start_offset = if error.is_found_appending() {
            partition.log_start_offset()
        } else {
            -1
        };
        PartResult {
            log_start_offset,
            ..PartResult::error(error.kafka_code())
        }
    }
}

/// What a client is told beside the code; rare, so it is kept apart.
#[derive(Debug)]
pub struct Explanation {
    part: u32,
    pub(super) message: String,
    /// Bad records by index, with what is wrong with each.
    pub(super) records: Vec<(i32, String)>,
}

impl Explanation {
    /// In Kafka's words where records are named.
    pub fn of(part: u32, error: &PreparationError) -> Explanation {
        let message = match (error.error, error.records.len()) {
            (error, 0) => error.to_string(),
            (BatchError::TimestampOutOfRange { .. }, _) => {
                "One or more records have been rejected due to invalid timestamp".to_string()
            }
            (_, count) => {
                format!(
                    "One or more records have been rejected due to {count} record errors in total"
                )
            }
        };
        let records = error.records.iter();
        Explanation {
            part,
            message,
            records: records
                .map(|(index, error)| (*index, error.to_string()))
                .collect(),
        }
    }
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
    has_result: bool,
    /// Acknowledged before its result came: a batch prepared on another thread may be synced before that thread is done telling.
    early_code: Option<i16>,
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
    /// Not on a reactor.
    pub preparation: Option<Preparation>,
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
                has_result: false,
                early_code: None,
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
                        partition,
                        context,
                    )
                    .map(|checked| (partition, checked))
                },
            );
            match checked {
                Ok((partition, (header, records, preparation))) => {
                    self.waiting += 1;
                    self.parts[part as usize].is_waiting = true;
                    accept(
                        self.acks,
                        AcceptedBatch {
                            partition: Arc::clone(partition),
                            header,
                            records,
                            part,
                            preparation,
                        },
                    );
                }
                Err(refusal) => {
                    self.parts[part as usize].result = refusal.result;
                    if let Some((message, records)) = refusal.explanation {
                        self.explain(Explanation {
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

    /// Sets what one partition will answer; it still waits for its acknowledgement, unless that is what comes back.
    pub fn set_result(&mut self, part: u32, result: PartResult) -> Option<i16> {
        let part = &mut self.parts[part as usize];
        // The producer's timeout may have answered for it.
        if part.is_waiting {
            part.result = result;
            part.has_result = true;
        }
        part.early_code.take()
    }

    /// Keeps what is said of one partition, as far as there is room.
    pub fn explain(&mut self, mut explanation: Explanation) {
        explanation
            .records
            .truncate(RECORD_ERRORS_MAX - self.record_errors);
        self.record_errors += explanation.records.len();
        let place = self
            .explanations
            .partition_point(|known| known.part < explanation.part);
        self.explanations.insert(place, explanation);
    }

    /// A part has to wait: the deadline to set a timer for, if none is set.
    pub fn start_waiting(&mut self) -> Option<u64> {
        let is_first = !std::mem::replace(&mut self.has_timer, true);
        (is_first && self.deadline_ms != u64::MAX).then_some(self.deadline_ms)
    }

    /// One partition waits no more, unless its result is still on its way. An error replaces what it would have answered.
    pub fn acknowledge(&mut self, part: u32, error_code: i16) -> bool {
        let part = &mut self.parts[part as usize];
        assert!(part.is_waiting, "a part is acknowledged once");
        if !part.has_result {
            part.early_code = Some(error_code);
            return false;
        }
        part.is_waiting = false;
        self.waiting -= 1;
        if error_code != 0 {
            part.result = PartResult::error(error_code);
        }
        true
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
                .map(|(batch_index, message)| RecordError {
                    batch_index: *batch_index,
                    message: Some(message),
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
