//! Owns the answering of Fetch (key 1): what a request follows, one look at its partitions, and the writing of the answer.
//! Never parks anything itself and never reads record bytes except a few it copies.
//! Invariant: partitions are served in the order of the session, and the first that has records gives at least one batch.
//!
//! Without a session of its own a request is served through a detached one, so there is one path.

use crate::apis::produce_checks::unknown_topic;
use crate::partition::{FetchRead, Partition, PartitionRead};
use crate::partition_table::{Snapshot, Topic};
use crate::respond::{Chunk, FileRange};
use crate::slab::Key;
use millrace_host::disk::DiskFile;
use millrace_replica::{
    CachedPartition, FetchBudget, FetchSession, FetchedState, SessionRequest, TopicKey,
};
use millrace_wire::apis::TopicRef;
use millrace_wire::apis::fetch::{
    FetchPartitionResponse, FetchRecords, FetchRequest, FetchResponseHead, FetchResponseWriter,
    RecordsGap,
};
use millrace_wire::error_codes;
use std::io;
use std::sync::Arc;

/// Up to this size records are read and sent with the header; a sendfile call of their own would cost more.
pub const INLINE_BYTES: u64 = 16 * 1024;

pub type Session = FetchSession<Option<Arc<Partition>>>;

/// A Fetch request between its decoding and its answer.
#[derive(Debug)]
pub struct FetchTask {
    pub connection: Key,
    pub slot: u32,
    pub session: Box<Session>,
    /// Full fetches answer for every partition, incremental ones for those with something to say.
    pub is_full: bool,
    pub wants_session: bool,
    pub max_wait_ms: i32,
    version: i16,
    correlation_id: i32,
    min_bytes: i64,
    max_bytes: i32,
    reads_committed: bool,
    reads: Vec<(u32, PartitionRead)>,
    taken_bytes: i64,
}

impl FetchTask {
    pub fn new(
        request: &FetchRequest,
        correlation_id: i32,
        connection: Key,
        slot: u32,
        session: Box<Session>,
        max_bytes: i32,
    ) -> FetchTask {
        let session_request = session_request(request);
        FetchTask {
            connection,
            slot,
            session,
            is_full: session_request.is_full(),
            wants_session: session_request.wants_session(),
            max_wait_ms: request.max_wait_ms,
            version: request.version,
            correlation_id,
            min_bytes: i64::from(request.min_bytes.max(0)),
            max_bytes: request.max_bytes.min(max_bytes),
            reads_committed: request.isolation_level == 1,
            reads: Vec::new(),
            taken_bytes: 0,
        }
    }

    /// Puts what the request names into the session, and takes out what it forgets.
    pub fn follow(&mut self, request: &FetchRequest, frame: &[u8], table: &Snapshot) {
        let mut last_topic: Option<(u32, TopicKey, Option<Arc<Topic>>)> = None;
        for asked in request.partitions(frame) {
            if last_topic
                .as_ref()
                .is_none_or(|(index, ..)| *index != asked.topic_index)
            {
                let (key, topic) = key_of(&asked.topic, table);
                last_topic = Some((asked.topic_index, key, topic));
            }
            let (_, key, topic) = last_topic.as_ref().expect("the topic was just set");
            let place = match self.session.find(key, asked.partition.index) {
                Some(place) => place,
                None => {
                    let handle = topic
                        .as_ref()
                        .and_then(|topic| topic.partition(asked.partition.index))
                        .cloned();
                    self.session.insert(CachedPartition::new(
                        key.clone(),
                        asked.partition.index,
                        handle,
                    ))
                }
            };
            let cached = self.session.at_mut(place);
            cached.fetch_offset = asked.partition.fetch_offset;
            cached.max_bytes = asked.partition.partition_max_bytes;
            cached.current_leader_epoch = asked.partition.current_leader_epoch;
            cached.last_fetched_epoch = asked.partition.last_fetched_epoch;
        }
        for forgotten in request.forgotten(frame) {
            let (key, _) = key_of(&forgotten.topic, table);
            self.session.forget(&key, forgotten.partition.index);
        }
    }

    /// Looks at every partition once. True when the answer may leave now: enough bytes, nothing to wait for, or something the
    /// client has to hear at once.
    pub fn look(&mut self, table: &Snapshot) -> bool {
        self.reads.clear();
        let mut budget = FetchBudget::new(self.max_bytes);
        let mut is_urgent = false;
        let mut next = self.session.first_place();
        while let Some(place) = next {
            next = self.session.place_after(place);
            let read = self.look_at(place, &budget, table);
            budget.take(read.records_bytes());
            // More is there than the limits let through: waiting would bring nothing.
            is_urgent |=
                read.error_code != 0 || read.diverging_epoch.is_some() || read.is_cut_short;
            self.reads.push((place, read));
        }
        self.taken_bytes = budget.taken_bytes();
        is_urgent
            || self.taken_bytes >= self.min_bytes
            || self.session.is_empty()
            || self.max_wait_ms <= 0
    }

    pub fn min_bytes(&self) -> i64 {
        self.min_bytes
    }

    pub fn taken_bytes(&self) -> i64 {
        self.taken_bytes
    }

    pub fn failed_parts(&self) -> usize {
        self.reads
            .iter()
            .filter(|(_, read)| read.error_code != 0)
            .count()
    }

    /// The partitions to wait for, with the high watermark each was seen at.
    pub fn watched(&self) -> impl Iterator<Item = (&Arc<Partition>, i64)> {
        self.reads.iter().filter_map(|(place, read)| {
            Some((
                self.session.at(*place).handle.as_ref()?,
                read.high_watermark,
            ))
        })
    }

    /// Writes the answer, remembering in the session what it says. `session_id` is what the client will continue.
    pub fn write(
        &mut self,
        session_id: i32,
        chunk: &mut Chunk,
        gaps: &mut Vec<RecordsGap>,
        copied: &mut Vec<u8>,
    ) -> io::Result<()> {
        let (session, is_full) = (&mut self.session, self.is_full);
        self.reads.retain(|(place, read)| {
            let state = FetchedState {
                records_bytes: read.records_bytes(),
                high_watermark: read.high_watermark,
                log_start_offset: read.log_start_offset,
                has_error: read.error_code != 0,
            };
            let has_news = session.on_response(*place, state);
            is_full || has_news || read.diverging_epoch.is_some()
        });
        gaps.clear();
        let same_topic = |left: &(u32, PartitionRead), right: &(u32, PartitionRead)| {
            session.at(left.0).topic == session.at(right.0).topic
        };
        let head = FetchResponseHead {
            correlation_id: self.correlation_id,
            throttle_time_ms: 0,
            error_code: 0,
            session_id,
            topic_count: self.reads.chunk_by(same_topic).count(),
        };
        let mut writer = FetchResponseWriter::begin(&mut chunk.bytes, gaps, self.version, &head);
        for topic_reads in self.reads.chunk_by(same_topic) {
            writer.topic(
                topic_ref(&session.at(topic_reads[0].0).topic),
                topic_reads.len(),
            );
            for (place, read) in topic_reads {
                copied.clear();
                if let Some(range) = read
                    .records
                    .as_ref()
                    .filter(|range| range.bytes <= INLINE_BYTES)
                {
                    copied.resize(range.bytes as usize, 0);
                    range.file.read_exact_at(copied, range.position)?;
                }
                writer.partition(&partition_response(
                    session.at(*place).partition,
                    read,
                    copied,
                    self.reads_committed,
                ));
            }
        }
        writer.finish(&[]);
        let in_files = self
            .reads
            .iter()
            .filter_map(|(_, read)| read.records.as_ref())
            .filter(|range| range.bytes > INLINE_BYTES);
        for (gap, range) in gaps.iter().zip(in_files) {
            assert!(
                u64::from(gap.bytes) == range.bytes,
                "a gap is as large as its file range"
            );
            chunk.files.push_back((gap.at, range.clone()));
        }
        Ok(())
    }

    fn look_at(&mut self, place: u32, budget: &FetchBudget, table: &Snapshot) -> PartitionRead {
        let cached = self.session.at_mut(place);
        if cached
            .handle
            .as_ref()
            .is_none_or(|partition| partition.is_removed())
        {
            cached.handle = match lookup(&cached.topic, cached.partition, table) {
                Ok(partition) => Some(Arc::clone(partition)),
                Err(error_code) => {
                    cached.handle = None;
                    return PartitionRead::error(error_code);
                }
            };
        }
        let read = FetchRead {
            fetch_offset: cached.fetch_offset,
            allowance: budget.allowance(cached.max_bytes),
            current_leader_epoch: cached.current_leader_epoch,
            last_fetched_epoch: cached.last_fetched_epoch,
            reads_committed: self.reads_committed,
        };
        cached
            .handle
            .as_ref()
            .expect("the partition was just found")
            .read_for_fetch(&read)
    }
}

pub fn session_request(request: &FetchRequest) -> SessionRequest {
    SessionRequest {
        session_id: request.session_id,
        session_epoch: request.session_epoch,
    }
}

/// An answer that is only an error: the session is not what the client thinks.
pub fn write_error(
    version: i16,
    correlation_id: i32,
    error_code: i16,
    chunk: &mut Chunk,
    gaps: &mut Vec<RecordsGap>,
) {
    let head = FetchResponseHead {
        correlation_id,
        throttle_time_ms: 0,
        error_code,
        session_id: 0,
        topic_count: 0,
    };
    FetchResponseWriter::begin(&mut chunk.bytes, gaps, version, &head).finish(&[]);
}

/// Answers every partition of a request with one code.
pub fn write_refusal(
    request: &FetchRequest,
    correlation_id: i32,
    frame: &[u8],
    error_code: i16,
    chunk: &mut Chunk,
    gaps: &mut Vec<RecordsGap>,
) {
    let asked: Vec<_> = request.partitions(frame).collect();
    let topic_count = asked
        .chunk_by(|left, right| left.topic_index == right.topic_index)
        .count();
    let head = FetchResponseHead {
        correlation_id,
        throttle_time_ms: 0,
        error_code: 0,
        session_id: 0,
        topic_count,
    };
    let mut writer = FetchResponseWriter::begin(&mut chunk.bytes, gaps, request.version, &head);
    for topic in asked.chunk_by(|left, right| left.topic_index == right.topic_index) {
        writer.topic(topic[0].topic, topic.len());
        for partition in topic {
            writer.partition(&FetchPartitionResponse::error(
                partition.partition.index,
                error_code,
            ));
        }
    }
    writer.finish(&[]);
}

fn partition_response<'a>(
    index: i32,
    read: &'a PartitionRead,
    copied: &'a [u8],
    reads_committed: bool,
) -> FetchPartitionResponse<'a> {
    let records = match &read.records {
        Some(range) if range.bytes > INLINE_BYTES => {
            FetchRecords::InFile(u32::try_from(range.bytes).expect("a fetch takes less than 4 GiB"))
        }
        _ => FetchRecords::Inline(copied),
    };
    FetchPartitionResponse {
        high_watermark: read.high_watermark,
        last_stable_offset: read.last_stable_offset,
        log_start_offset: read.log_start_offset,
        // Errors carry an empty list, as in Kafka.
        aborted_transactions: (reads_committed || read.error_code != 0).then_some(&read.aborted),
        records,
        diverging_epoch: read.diverging_epoch,
        current_leader: read.leader,
        ..FetchPartitionResponse::error(index, read.error_code)
    }
}

fn key_of(topic: &TopicRef<'_>, table: &Snapshot) -> (TopicKey, Option<Arc<Topic>>) {
    match topic {
        TopicRef::Id(id) => (TopicKey::Id(*id), table.by_id(id).cloned()),
        TopicRef::Name(name) => match table.by_name(name) {
            Some(topic) => (
                TopicKey::Name(Arc::clone(&topic.name)),
                Some(Arc::clone(topic)),
            ),
            None => (TopicKey::Name((*name).into()), None),
        },
    }
}

fn topic_ref(topic: &TopicKey) -> TopicRef<'_> {
    match topic {
        TopicKey::Name(name) => TopicRef::Name(name),
        TopicKey::Id(id) => TopicRef::Id(*id),
    }
}

fn lookup<'a>(
    topic: &TopicKey,
    index: i32,
    table: &'a Snapshot,
) -> Result<&'a Arc<Partition>, i16> {
    let found = match topic {
        TopicKey::Name(name) => table.by_name(name),
        TopicKey::Id(id) => table.by_id(id),
    };
    let found = found.ok_or_else(|| unknown_topic(&topic_ref(topic)))?;
    match found.partition(index) {
        Some(partition) => Ok(partition),
        None if found.has_partition(index) => Err(error_codes::NOT_LEADER_OR_FOLLOWER),
        None => Err(error_codes::UNKNOWN_TOPIC_OR_PARTITION),
    }
}

impl PartitionRead {
    fn records_bytes(&self) -> u32 {
        self.records.as_ref().map_or(0, |range: &FileRange| {
            u32::try_from(range.bytes).expect("a fetch takes less than 4 GiB")
        })
    }
}
