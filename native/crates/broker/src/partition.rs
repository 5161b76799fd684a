//! Owns one partition this node holds: its log, its leader's decisions, its producers and everyone who waits for it, under one lock.
//! Never touches a socket: what others have to hear is collected in `Effects` and sent after the lock is free.
//! Invariant: log end of the leader = log end of the log; offsets are handed out only together with a successful append.
//!
//! Storage: open → failed on an I/O error that leaves the log in doubt → removed when the topic is deleted;
//!          open → removed, open → closed with the broker. Only open serves anything; removed and closed are final.

use crate::apis::produce::{PartResult, ProducePart};
use crate::append_jobs::AppendJobs;
use crate::fetch_watch::{FetchWatch, FetchWatches};
use crate::log_dirs::LogDir;
use crate::partition_table::TopicId;
use crate::respond::FileRange;
use crate::shared::{Shared, lock};
use millrace_host::disk::posix::PosixDisk;
use millrace_log::{
    AppendError, AppendInfo, Log, LogConfig, OpenError, OpenHints, ProducerSnapshotEntry,
    ReadError, StorageError, SyncMark, TimestampLookup, Uuid,
};
use millrace_record::BatchHeader;
use millrace_replica::{
    AckPolicy, Acks, Admission, DelayedProduces, EpochMismatch, FetchAllowance, Leader, LeaderTerm,
    ProducerAppend, ProducerError, ProducerState, ProducerWindow,
};
use millrace_wire::apis::LeaderIdAndEpoch;
use millrace_wire::apis::fetch::EpochEndOffset;
use millrace_wire::apis::list_offsets::{
    EARLIEST_LOCAL_TIMESTAMP, EARLIEST_PENDING_UPLOAD_TIMESTAMP, EARLIEST_TIMESTAMP,
    LATEST_TIERED_TIMESTAMP, LATEST_TIMESTAMP, ListOffsetsPartition, ListOffsetsPartitionResponse,
    MAX_TIMESTAMP,
};
use millrace_wire::error_codes;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// Produce requests one partition keeps waiting for its marks.
const WAITING_PRODUCES_MAX: usize = 10_000;
/// Rounds of upkeep without use after which file handles are let go.
const IDLE_ROUNDS: u32 = 300;

/// Settings of a topic, as published.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicConfig {
    pub log: LogConfig,
    pub min_in_sync_replicas: u32,
    /// `flush.messages`: 1 makes every acknowledgement wait for fdatasync.
    pub flush_messages: u64,
    /// `flush.ms`
    pub flush_ms: u64,
}

impl TopicConfig {
    fn ack_policy(&self) -> AckPolicy {
        if self.flush_messages <= 1 {
            AckPolicy::Synced
        } else {
            AckPolicy::Replicated
        }
    }
}

/// What the controller said of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment {
    pub leader_id: i32,
    pub leader_epoch: i32,
    pub in_sync_replicas: u32,
}

/// One batch of a turn, on its way into the log.
pub struct StagedBatch<'a> {
    pub bytes: &'a mut [u8],
    pub header: BatchHeader,
    pub part: ProducePart,
    pub acks: Acks,
}

/// What has to happen outside once the lock is free.
#[derive(Debug, Default)]
pub struct Effects {
    /// Results of staged batches; `acknowledged` says whether the part is done or still waits.
    pub results: Vec<(ProducePart, PartResult, bool)>,
    /// Parts that waited and are done, with their error code.
    pub acknowledged: Vec<(ProducePart, i16)>,
    pub woken: Vec<Arc<FetchWatch>>,
    /// The partition just appended to wants a sync; whoever called takes note of which it was.
    pub wants_sync: bool,
    pub syncs: Vec<Arc<Partition>>,
    pub appended_batches: u64,
    pub duplicates: u64,
    /// Directories that failed, with the reason.
    pub failures: Vec<(u16, String)>,
}

pub struct Partition {
    pub topic_name: Arc<str>,
    pub index: i32,
    pub log_dir: Arc<LogDir>,
    node_id: i32,
    producer_ids_max: usize,
    producer_id_expiration_ms: i64,
    is_removed: AtomicBool,
    state: Mutex<State>,
    /// Appends of the control plane that wait for their turn.
    pub(crate) jobs: Mutex<AppendJobs>,
}

struct State {
    assignment: Assignment,
    config: Arc<TopicConfig>,
    storage: Storage,
    fetches: FetchWatches,
    produces: DelayedProduces<ProducePart>,
}

enum Storage {
    Open(Box<Open>),
    /// An I/O error left the log in doubt.
    Failed,
    /// The topic was deleted.
    Removed,
    /// Closed with the broker.
    Closed,
}

struct Open {
    log: Log<PosixDisk>,
    leader: Leader,
    /// Read back from snapshot and log when the first batch with a producer id comes, or the log rolls.
    producers: Option<ProducerWindow>,
    has_appended: bool,
    /// When upkeep first saw bytes that are not synced.
    unsynced_since_ms: Option<i64>,
    /// Appends and reads so far, and how many of upkeep's rounds saw none.
    uses: u64,
    uses_seen: u64,
    idle_rounds: u32,
}

impl std::fmt::Debug for Partition {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Partition({}-{})", self.topic_name, self.index)
    }
}

/// What a fetch asks of one partition.
#[derive(Debug, Clone, Copy)]
pub struct FetchRead {
    pub fetch_offset: i64,
    pub allowance: FetchAllowance,
    pub current_leader_epoch: i32,
    pub last_fetched_epoch: i32,
    pub reads_committed: bool,
}

/// What it gets.
#[derive(Debug)]
pub struct PartitionRead {
    pub error_code: i16,
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    pub log_start_offset: i64,
    pub records: Option<FileRange>,
    /// There is more to read than was taken.
    pub is_cut_short: bool,
    pub diverging_epoch: Option<EpochEndOffset>,
    pub leader: Option<LeaderIdAndEpoch>,
}

impl PartitionRead {
    pub fn error(error_code: i16) -> PartitionRead {
        PartitionRead {
            error_code,
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            records: None,
            is_cut_short: false,
            diverging_epoch: None,
            leader: None,
        }
    }
}

/// The marks of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offsets {
    pub log_start_offset: i64,
    pub high_watermark: i64,
    pub log_end_offset: i64,
    pub last_stable_offset: i64,
}

/// What a checkpoint keeps of a partition.
#[derive(Debug, Clone, Copy)]
pub struct CheckpointOffsets {
    pub recovery_point: i64,
    pub log_start_offset: i64,
    pub high_watermark: i64,
}

/// Told how a sync ended: an error code if it failed.
pub type SyncOutcome = Box<dyn FnOnce(Result<(), i16>) + Send>;

/// What all partitions of a node are opened with.
#[derive(Debug, Clone, Copy)]
pub struct PartitionSettings {
    pub node_id: i32,
    pub producer_ids_max: usize,
    pub producer_id_expiration_ms: i64,
}

/// Who a partition is.
#[derive(Debug, Clone)]
pub struct PartitionName {
    pub topic_name: Arc<str>,
    pub topic_id: TopicId,
    pub index: i32,
}

impl Partition {
    /// Opens the log, creating the directory if there is none, and recovers it after an unclean stop.
    pub fn open(
        name: PartitionName,
        log_dir: Arc<LogDir>,
        assignment: Assignment,
        config: Arc<TopicConfig>,
        settings: PartitionSettings,
        now_ms: i64,
    ) -> Result<Partition, OpenError> {
        let hints = log_dir.open_hints(&name.topic_name, name.index);
        let high_watermark = log_dir.high_watermark(&name.topic_name, name.index);
        let hints = OpenHints {
            topic_id: Some(Uuid(name.topic_id)),
            ..hints
        };
        let path = log_dir.partition_path(&name.topic_name, name.index);
        let log = Log::open(PosixDisk, &path, config.log.clone(), hints, now_ms)?;
        let leader = Leader::new(
            term_of(assignment, &config),
            config.ack_policy(),
            log.log_start_offset(),
            log.log_end_offset(),
            high_watermark,
        );
        let state = State {
            assignment,
            config,
            storage: Storage::Open(Box::new(Open {
                log,
                leader,
                producers: None,
                has_appended: false,
                unsynced_since_ms: None,
                uses: 0,
                uses_seen: 0,
                idle_rounds: 0,
            })),
            fetches: FetchWatches::default(),
            produces: DelayedProduces::new(WAITING_PRODUCES_MAX),
        };
        let PartitionName {
            topic_name, index, ..
        } = name;
        let PartitionSettings {
            node_id,
            producer_ids_max,
            producer_id_expiration_ms,
        } = settings;
        Ok(Partition {
            topic_name,
            index,
            log_dir,
            node_id,
            producer_ids_max,
            producer_id_expiration_ms,
            is_removed: AtomicBool::new(false),
            state: Mutex::new(state),
            jobs: Mutex::default(),
        })
    }

    /// Whether the topic was deleted: whoever still holds this partition has to look it up again.
    pub fn is_removed(&self) -> bool {
        self.is_removed.load(Ordering::Acquire)
    }

    /// A new publication of the same incarnation.
    pub fn on_published(
        &self,
        assignment: Assignment,
        config: &Arc<TopicConfig>,
        effects: &mut Effects,
    ) {
        let mut state = self.lock();
        let state = &mut *state;
        let had_leader = state.assignment.leader_id;
        if assignment.leader_epoch >= state.assignment.leader_epoch {
            state.assignment = assignment;
        }
        state.config = Arc::clone(config);
        if let Storage::Open(open) = &mut state.storage {
            open.log.set_config(config.log.clone());
            open.leader.set_ack_policy(config.ack_policy());
            open.leader.on_term(term_of(state.assignment, config));
            release(&mut state.produces, &open.leader, effects);
        }
        if had_leader != state.assignment.leader_id {
            state.fetches.give_up(&mut effects.woken);
        }
    }

    /// Appends the batches one turn brought for this partition, as far as their producers may; one write for all of them.
    pub fn append_produced(
        &self,
        batches: &mut Vec<StagedBatch<'_>>,
        now_ms: i64,
        effects: &mut Effects,
    ) {
        let mut state = self.lock();
        let state = &mut *state;
        let leader_hint = state.leader_hint();
        if let Err(error_code) = state.check_leads(self.node_id) {
            for batch in batches.iter() {
                let leader =
                    (error_code == error_codes::NOT_LEADER_OR_FOLLOWER).then_some(leader_hint);
                effects.results.push((
                    batch.part,
                    PartResult {
                        leader,
                        ..PartResult::error(error_code)
                    },
                    true,
                ));
            }
            return;
        }
        let Storage::Open(open) = &mut state.storage else {
            unreachable!("only an open partition leads")
        };
        open.uses += 1;
        let start_offset = open.leader.log_end_offset();
        let verdicts = self.admit(open, batches, now_ms);
        let mut slices: Vec<&mut [u8]> = Vec::with_capacity(batches.len());
        let mut appended_bytes = 0;
        for (batch, verdict) in batches.iter_mut().zip(&verdicts) {
            if *verdict == Verdict::Append {
                appended_bytes += batch.bytes.len() as i64;
                slices.push(&mut *batch.bytes);
            }
        }
        let appended = if slices.is_empty() {
            Ok(None)
        } else {
            open.log
                .append(&mut slices, open.leader.term().leader_epoch, now_ms)
                .map(Some)
        };
        let (info, failure) = match appended {
            Ok(info) => (info, None),
            Err(error) => {
                if let Some(producers) = &mut open.producers {
                    producers.rollback();
                }
                (None, Some(error))
            }
        };
        if let Some(info) = info {
            assert!(
                info.base_offset == start_offset,
                "an append begins where the log ended"
            );
            open.leader.on_append(start_offset, info.next_offset());
            open.has_appended = true;
            effects.appended_batches += slices.len() as u64;
        }
        let failure_code = failure.as_ref().map(AppendError::kafka_code);
        let log_append_time_ms = info.map_or(-1, |info| info.log_append_time_ms);
        let log_start_offset = open.leader.log_start_offset();
        let mut next_offset = start_offset;
        for (batch, verdict) in batches.iter().zip(&verdicts) {
            let (base_offset, end_offset) = match *verdict {
                Verdict::Refuse(error_code) => {
                    effects
                        .results
                        .push((batch.part, PartResult::error(error_code), true));
                    continue;
                }
                Verdict::Append => {
                    let base_offset = next_offset;
                    next_offset += i64::from(batch.header.last_offset_delta) + 1;
                    (base_offset, next_offset)
                }
                Verdict::Duplicate {
                    base_offset,
                    last_offset,
                } => {
                    effects.duplicates += 1;
                    (base_offset, last_offset + 1)
                }
            };
            // A duplicate of a batch of this very turn shares its fate.
            if let Some(error_code) = failure_code.filter(|_| end_offset > start_offset) {
                effects
                    .results
                    .push((batch.part, PartResult::error(error_code), true));
                continue;
            }
            let result = PartResult {
                error_code: 0,
                base_offset,
                log_append_time_ms,
                log_start_offset,
                leader: None,
            };
            let waits = batch.acks != Acks::None
                && open.leader.acknowledged_end_offset(batch.acks) < end_offset;
            if waits
                && state
                    .produces
                    .park(end_offset, batch.acks, batch.part)
                    .is_err()
            {
                // Appended, but there is no room to wait: the producer asks again and finds a duplicate.
                effects.results.push((
                    batch.part,
                    PartResult::error(error_codes::NOT_ENOUGH_REPLICAS_AFTER_APPEND),
                    true,
                ));
                continue;
            }
            effects.results.push((batch.part, result, !waits));
        }
        if let Some(error) = failure {
            self.on_append_failed(state, &error, effects);
        } else if let Some(info) = info {
            self.after_append(state, info, appended_bytes, effects);
        }
    }

    /// What the producers' own history says of each batch, and whether enough replicas could keep it.
    fn admit(&self, open: &mut Open, batches: &[StagedBatch<'_>], now_ms: i64) -> Vec<Verdict> {
        let mut next_offset = open.leader.log_end_offset();
        let mut verdicts = Vec::with_capacity(batches.len());
        if let Some(producers) = &mut open.producers {
            producers.begin();
        }
        for batch in batches {
            let header = &batch.header;
            let last_offset = next_offset + i64::from(header.last_offset_delta);
            let verdict = if open.leader.check_replicas(batch.acks).is_err() {
                Verdict::Refuse(error_codes::NOT_ENOUGH_REPLICAS)
            } else if header.has_producer_id() {
                let append = ProducerAppend {
                    base_offset: next_offset,
                    last_offset,
                    ..producer_append(header)
                };
                match self.producers(open, now_ms) {
                    Ok(producers) => verdict_of(producers.admit(&append, now_ms)),
                    Err(error) => Verdict::Refuse(error.kafka_code()),
                }
            } else {
                Verdict::Append
            };
            if verdict == Verdict::Append {
                next_offset = last_offset + 1;
            }
            verdicts.push(verdict);
        }
        verdicts
    }

    /// Wakes readers, releases producers, and asks for a sync where one is due.
    fn after_append(
        &self,
        state: &mut State,
        info: AppendInfo,
        appended_bytes: i64,
        effects: &mut Effects,
    ) {
        let Storage::Open(open) = &mut state.storage else {
            unreachable!("an append needs an open log")
        };
        state
            .fetches
            .on_appended(appended_bytes, &mut effects.woken);
        release(&mut state.produces, &open.leader, effects);
        let mut wants_sync = open.leader.ack_policy() == AckPolicy::Synced;
        if info.rolled {
            // As Kafka: a rolled segment goes to disk in the background, with the producers as they are behind it.
            wants_sync = true;
            if self
                .write_snapshot(open, info.log_append_time_ms.max(0))
                .is_err()
            {
                effects.failures.push((
                    self.log_dir.index,
                    format!(
                        "cannot read {} back",
                        self.log_dir
                            .partition_path(&self.topic_name, self.index)
                            .display()
                    ),
                ));
            }
        }
        let unflushed = (open.log.log_end_offset() - open.log.synced_offset()).max(0) as u64;
        if wants_sync || unflushed >= state.config.flush_messages {
            effects.wants_sync = true;
        }
    }

    /// A full disk refuses this append and nothing else; an error that leaves the log in doubt ends it.
    fn on_append_failed(&self, state: &mut State, error: &AppendError, effects: &mut Effects) {
        if matches!(&state.storage, Storage::Open(open) if open.log.is_fenced()) {
            effects
                .failures
                .push((self.log_dir.index, error.to_string()));
            self.fail(state, effects);
        }
    }

    /// The log is in doubt: nothing is acknowledged or served from it any more.
    fn fail(&self, state: &mut State, effects: &mut Effects) {
        state.storage = Storage::Failed;
        let mut waiting = Vec::new();
        state.produces.take_all(&mut waiting);
        effects.acknowledged.extend(
            waiting
                .into_iter()
                .map(|part| (part, error_codes::KAFKA_STORAGE_ERROR)),
        );
        state.fetches.give_up(&mut effects.woken);
    }

    /// Appends batches of the control plane, in order; all or none.
    pub(crate) fn append_internal(
        &self,
        batches: &mut [&mut [u8]],
        now_ms: i64,
        effects: &mut Effects,
    ) -> Result<AppendInfo, i16> {
        let mut state = self.lock();
        let state = &mut *state;
        state.check_leads(self.node_id)?;
        let Storage::Open(open) = &mut state.storage else {
            unreachable!("only an open partition leads")
        };
        let start_offset = open.leader.log_end_offset();
        let bytes = batches.iter().map(|batch| batch.len() as i64).sum();
        match open
            .log
            .append(batches, open.leader.term().leader_epoch, now_ms)
        {
            Ok(info) => {
                open.leader.on_append(start_offset, info.next_offset());
                open.has_appended = true;
                effects.appended_batches += batches.len() as u64;
                self.after_append(state, info, bytes, effects);
                Ok(info)
            }
            Err(error) => {
                let error_code = error.kafka_code();
                self.on_append_failed(state, &error, effects);
                Err(error_code)
            }
        }
    }

    /// Starts a sync of everything appended so far; `done` hears the outcome, also when there was nothing left to sync.
    pub(crate) fn request_sync(self: &Arc<Self>, shared: &Arc<Shared>, done: Option<SyncOutcome>) {
        let target = match &mut self.lock().storage {
            Storage::Open(open) => open.log.sync_target(),
            Storage::Failed | Storage::Removed | Storage::Closed => {
                if let Some(done) = done {
                    done(Err(error_codes::KAFKA_STORAGE_ERROR));
                }
                return;
            }
        };
        let target = match target {
            Ok(Some(target)) => target,
            unsyncable => {
                if let Err(error) = &unsyncable {
                    shared
                        .upcalls
                        .log_dir_failed(self.log_dir.index, &error.to_string());
                }
                if let Some(done) = done {
                    done(unsyncable.map(|_| ()).map_err(|error| error.kafka_code()));
                }
                return;
            }
        };
        let (partition, owner, mark) = (Arc::clone(self), Arc::clone(shared), target.mark);
        shared.sync(
            target.request,
            Box::new(move |result| {
                let mut effects = Effects::default();
                let failure = result.err().map(|failure| failure.0.to_string());
                partition.on_sync(mark, failure.as_deref(), &mut effects);
                owner.apply(&mut effects);
                if let Some(done) = done {
                    done(if failure.is_none() {
                        Ok(())
                    } else {
                        Err(error_codes::KAFKA_STORAGE_ERROR)
                    });
                }
            }),
        );
    }

    fn on_sync(&self, mark: SyncMark, failure: Option<&str>, effects: &mut Effects) {
        let mut state = self.lock();
        let state = &mut *state;
        let Storage::Open(open) = &mut state.storage else {
            return;
        };
        match failure {
            None => {
                let synced_offset = open.log.mark_synced(mark);
                open.leader.on_synced(synced_offset);
                release(&mut state.produces, &open.leader, effects);
            }
            Some(reason) => {
                // What the sync covered may be lost although it can still be read. Never acknowledged, never retried.
                open.log.mark_sync_failed();
                effects.failures.push((
                    self.log_dir.index,
                    format!("cannot sync {}-{}: {reason}", self.topic_name, self.index),
                ));
                self.fail(state, effects);
            }
        }
    }

    /// One look of a fetch.
    pub fn read_for_fetch(&self, read: &FetchRead) -> PartitionRead {
        let mut state = self.lock();
        let state = &mut *state;
        let leader_hint = state.leader_hint();
        if let Err(error_code) = state.check_leads(self.node_id) {
            let leader = (error_code == error_codes::NOT_LEADER_OR_FOLLOWER).then_some(leader_hint);
            return PartitionRead {
                leader,
                ..PartitionRead::error(error_code)
            };
        }
        let Storage::Open(open) = &mut state.storage else {
            unreachable!("only an open partition leads")
        };
        open.uses += 1;
        let (high_watermark, last_stable_offset) = (
            open.leader.high_watermark(),
            open.leader.last_stable_offset(),
        );
        let mut answer = PartitionRead {
            high_watermark,
            last_stable_offset,
            log_start_offset: open.leader.log_start_offset(),
            ..PartitionRead::error(error_codes::NONE)
        };
        if let Err(mismatch) = open.leader.check_epoch(read.current_leader_epoch) {
            answer.error_code = epoch_error(mismatch);
            answer.leader = (mismatch == EpochMismatch::Fenced).then_some(leader_hint);
            return answer;
        }
        let upper_bound = if read.reads_committed {
            last_stable_offset
        } else {
            high_watermark
        };
        match read_log(open, read, upper_bound) {
            Ok(FetchOutcome::Records { range, next_offset }) => {
                answer.is_cut_short = next_offset < upper_bound;
                answer.records = Some(range);
            }
            Ok(FetchOutcome::Nothing) => answer.is_cut_short = read.fetch_offset < upper_bound,
            Ok(FetchOutcome::Diverging(epoch_end)) => answer.diverging_epoch = Some(epoch_end),
            Err(error) => answer.error_code = error.kafka_code(),
        }
        answer
    }

    /// Puts a parked fetch on the list of those to wake, unless the partition moved since it was looked at.
    pub fn watch(&self, watch: &Arc<FetchWatch>, seen_high_watermark: i64) -> bool {
        let mut state = self.lock();
        let is_unchanged = matches!(&state.storage, Storage::Open(open) if open.leader.high_watermark() == seen_high_watermark);
        if is_unchanged {
            state.fetches.add(watch);
        }
        is_unchanged
    }

    /// Answers one partition of ListOffsets. Looking for a time may read a good deal of the log.
    pub fn list_offset(
        &self,
        wanted: &ListOffsetsPartition,
        reads_committed: bool,
    ) -> ListOffsetsPartitionResponse {
        let refuse = |error_code| ListOffsetsPartitionResponse::error(wanted.index, error_code);
        let mut state = self.lock();
        if let Err(error_code) = state.check_leads(self.node_id) {
            return refuse(error_code);
        }
        let Storage::Open(open) = &mut state.storage else {
            unreachable!("only an open partition leads")
        };
        if let Err(mismatch) = open.leader.check_epoch(wanted.current_leader_epoch) {
            return refuse(epoch_error(mismatch));
        }
        let upper_bound = if reads_committed {
            open.leader.last_stable_offset()
        } else {
            open.leader.high_watermark()
        };
        match find_offset(open, wanted.timestamp, upper_bound) {
            Ok(Some(found)) => ListOffsetsPartitionResponse {
                index: wanted.index,
                error_code: error_codes::NONE,
                timestamp: found.timestamp,
                offset: found.offset,
                leader_epoch: found.leader_epoch,
            },
            Ok(None) => refuse(error_codes::NONE),
            Err(error) => refuse(error.kafka_code()),
        }
    }

    pub fn offsets(&self) -> Result<Offsets, i16> {
        let state = self.lock();
        match &state.storage {
            Storage::Open(open) => Ok(Offsets {
                log_start_offset: open.leader.log_start_offset(),
                high_watermark: open.leader.high_watermark(),
                log_end_offset: open.leader.log_end_offset(),
                last_stable_offset: open.leader.last_stable_offset(),
            }),
            Storage::Failed | Storage::Closed => Err(error_codes::KAFKA_STORAGE_ERROR),
            Storage::Removed => Err(error_codes::UNKNOWN_TOPIC_OR_PARTITION),
        }
    }

    /// Whole batches from the one that holds `offset`, up to the log end: for the control plane to replay.
    pub fn read_to_end(&self, offset: i64, max_bytes: u32) -> Result<Vec<u8>, i16> {
        let slice = {
            let mut state = self.lock();
            let Storage::Open(open) = &mut state.storage else {
                return Err(error_codes::KAFKA_STORAGE_ERROR);
            };
            let log_end_offset = open.log.log_end_offset();
            open.log
                .read(offset, max_bytes, log_end_offset, true)
                .map_err(|error| error.kafka_code())?
        };
        match slice {
            Some(slice) => slice.to_vec().map_err(|_| error_codes::KAFKA_STORAGE_ERROR),
            None => Ok(Vec::new()),
        }
    }

    /// Moves the log start offset; -1 stands for the high watermark. Answers the new one.
    pub fn delete_records(
        &self,
        before_offset: i64,
        now_ms: i64,
        effects: &mut Effects,
    ) -> Result<i64, i16> {
        let mut state = self.lock();
        state.check_leads(self.node_id)?;
        let Storage::Open(open) = &mut state.storage else {
            unreachable!("only an open partition leads")
        };
        let high_watermark = open.leader.high_watermark();
        let before_offset = if before_offset == -1 {
            high_watermark
        } else {
            before_offset
        };
        if before_offset < 0 || before_offset > high_watermark {
            return Err(error_codes::OFFSET_OUT_OF_RANGE);
        }
        let log_start_offset = open
            .log
            .delete_records_before(before_offset, now_ms)
            .map_err(|error| error.kafka_code())?;
        open.leader.on_log_start(log_start_offset);
        effects.wants_sync = true;
        Ok(log_start_offset)
    }

    /// Where an epoch ended here: (epoch, end offset), or -1 and -1.
    pub fn offset_for_leader_epoch(&self, epoch: i32) -> Result<(i32, i64), i16> {
        let mut state = self.lock();
        let Storage::Open(open) = &mut state.storage else {
            return Err(error_codes::KAFKA_STORAGE_ERROR);
        };
        let end = epoch_end(open, epoch).map_err(|error| error.kafka_code())?;
        Ok((end.epoch, end.end_offset))
    }

    /// What there is to checkpoint. None when the log does not serve any more.
    pub fn checkpoint(&self) -> Option<CheckpointOffsets> {
        let state = self.lock();
        match &state.storage {
            Storage::Open(open) => Some(CheckpointOffsets {
                recovery_point: open.log.recovery_point(),
                log_start_offset: open.log.log_start_offset(),
                high_watermark: open.leader.high_watermark(),
            }),
            Storage::Failed | Storage::Removed | Storage::Closed => None,
        }
    }

    /// Regular upkeep: silent producers go, segment files whose deletion is due come back to be unlinked, and a log nobody used for a while
    /// lets go of its file handles. Says whether `flush.ms` asks for a sync.
    pub fn maintain(&self, now_ms: i64, due_files: &mut Vec<PathBuf>) -> bool {
        let mut state = self.lock();
        let flush_ms = i64::try_from(state.config.flush_ms).unwrap_or(i64::MAX);
        let Storage::Open(open) = &mut state.storage else {
            return false;
        };
        if let Some(producers) = &mut open.producers {
            producers.expire(now_ms);
        }
        due_files.extend(open.log.take_due_deletions(now_ms));
        open.idle_rounds = if open.uses == open.uses_seen {
            open.idle_rounds.saturating_add(1)
        } else {
            0
        };
        open.uses_seen = open.uses;
        if open.idle_rounds == IDLE_ROUNDS && open.log.release_files().is_err() {
            // The handles stay open then; the next use finds out what is wrong.
            open.idle_rounds = 0;
        }
        if open.log.synced_offset() == open.log.log_end_offset() {
            open.unsynced_since_ms = None;
            return false;
        }
        let since_ms = *open.unsynced_since_ms.get_or_insert(now_ms);
        now_ms.saturating_sub(since_ms) >= flush_ms
    }

    /// The topic was deleted: everyone waiting is told, and the log is let go of. The caller takes the directory away.
    pub fn remove(&self, effects: &mut Effects) {
        self.is_removed.store(true, Ordering::Release);
        let mut state = self.lock();
        let mut waiting = Vec::new();
        state.produces.take_all(&mut waiting);
        effects.acknowledged.extend(
            waiting
                .into_iter()
                .map(|part| (part, error_codes::UNKNOWN_TOPIC_OR_PARTITION)),
        );
        state.fetches.give_up(&mut effects.woken);
        state.storage = Storage::Removed;
    }

    /// Makes everything durable and closes. None when the log was in doubt already.
    pub fn close(&self, now_ms: i64) -> Result<Option<CheckpointOffsets>, StorageError> {
        let mut state = self.lock();
        if !matches!(state.storage, Storage::Open(_)) {
            return Ok(None);
        }
        let Storage::Open(mut open) = std::mem::replace(&mut state.storage, Storage::Closed) else {
            unreachable!("just checked")
        };
        if open.has_appended {
            // Without it the next start reads the whole active segment to know its producers.
            let _ = self.write_snapshot(&mut open, now_ms);
        }
        let recovery_point = open.log.close(true)?;
        let (log_start_offset, high_watermark) =
            (open.leader.log_start_offset(), open.leader.high_watermark());
        Ok(Some(CheckpointOffsets {
            recovery_point,
            log_start_offset,
            high_watermark,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The producers of this partition, read back from disk if need be.
    fn producers<'a>(
        &self,
        open: &'a mut Open,
        now_ms: i64,
    ) -> Result<&'a mut ProducerWindow, ReadError> {
        if open.producers.is_none() {
            let mut producers =
                ProducerWindow::new(self.producer_ids_max, self.producer_id_expiration_ms);
            let mut from_offset = open.log.log_start_offset();
            if let Some(snapshot) = open.log.read_producer_snapshot()? {
                snapshot
                    .entries
                    .iter()
                    .filter(|entry| entry.last_sequence >= 0)
                    .for_each(|entry| producers.restore(&producer_state(entry), now_ms));
                from_offset = from_offset.max(snapshot.offset);
            }
            open.log.for_each_batch(from_offset, |header| {
                if header.has_producer_id()
                    && header.base_sequence >= 0
                    && header.base_offset >= from_offset
                {
                    producers.replay(&producer_append(header), now_ms);
                }
            })?;
            producers.begin();
            open.producers = Some(producers);
        }
        Ok(open.producers.as_mut().expect("just read back"))
    }

    fn write_snapshot(&self, open: &mut Open, now_ms: i64) -> Result<(), ReadError> {
        let entries: Vec<_> = self
            .producers(open, now_ms)?
            .states()
            .map(|state| snapshot_entry(&state))
            .collect();
        open.log.write_producer_snapshot(&entries);
        Ok(())
    }
}

impl State {
    /// Whether this replica may serve clients, or the code that says why not.
    fn check_leads(&self, node_id: i32) -> Result<(), i16> {
        match &self.storage {
            Storage::Removed => Err(error_codes::UNKNOWN_TOPIC_OR_PARTITION),
            _ if self.assignment.leader_id != node_id => Err(error_codes::NOT_LEADER_OR_FOLLOWER),
            Storage::Failed | Storage::Closed => Err(error_codes::KAFKA_STORAGE_ERROR),
            Storage::Open(_) => Ok(()),
        }
    }

    fn leader_hint(&self) -> LeaderIdAndEpoch {
        LeaderIdAndEpoch {
            leader_id: self.assignment.leader_id,
            leader_epoch: self.assignment.leader_epoch,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Append,
    Duplicate { base_offset: i64, last_offset: i64 },
    Refuse(i16),
}

fn verdict_of(admission: Result<Admission, ProducerError>) -> Verdict {
    match admission {
        Ok(Admission::Append) => Verdict::Append,
        Ok(Admission::Duplicate {
            base_offset,
            last_offset,
            ..
        }) => Verdict::Duplicate {
            base_offset,
            last_offset,
        },
        Err(ProducerError::StaleEpoch { .. }) => {
            Verdict::Refuse(error_codes::INVALID_PRODUCER_EPOCH)
        }
        Err(ProducerError::OutOfOrder { .. }) => {
            Verdict::Refuse(error_codes::OUT_OF_ORDER_SEQUENCE_NUMBER)
        }
        Err(ProducerError::BeforeWindow { .. }) => {
            Verdict::Refuse(error_codes::DUPLICATE_SEQUENCE_NUMBER)
        }
    }
}

enum FetchOutcome {
    Records { range: FileRange, next_offset: i64 },
    Nothing,
    Diverging(EpochEndOffset),
}

fn read_log(
    open: &mut Open,
    read: &FetchRead,
    upper_bound: i64,
) -> Result<FetchOutcome, ReadError> {
    let (log_start_offset, log_end_offset) =
        (open.log.log_start_offset(), open.log.log_end_offset());
    let out_of_range = || ReadError::OffsetOutOfRange {
        offset: read.fetch_offset,
        log_start_offset,
        log_end_offset,
    };
    if read.last_fetched_epoch >= 0 {
        let end = epoch_end(open, read.last_fetched_epoch)?;
        if end.epoch < 0 || end.end_offset < 0 || read.fetch_offset < log_start_offset {
            return Err(out_of_range());
        }
        if end.epoch < read.last_fetched_epoch || end.end_offset < read.fetch_offset {
            return Ok(FetchOutcome::Diverging(end));
        }
    }
    let slice = open.log.read(
        read.fetch_offset,
        read.allowance.max_bytes,
        upper_bound,
        read.allowance.min_one_batch,
    )?;
    Ok(match slice {
        Some(slice) => FetchOutcome::Records {
            range: FileRange {
                file: slice.file,
                position: slice.position,
                bytes: u64::from(slice.bytes),
            },
            next_offset: slice.next_offset_hint,
        },
        None => FetchOutcome::Nothing,
    })
}

/// The end of an epoch in this log; the current epoch of a log that holds none of it yet ends at the log end.
fn epoch_end(open: &mut Open, epoch: i32) -> Result<EpochEndOffset, ReadError> {
    if epoch == open.leader.term().leader_epoch {
        return Ok(EpochEndOffset {
            epoch,
            end_offset: open.log.log_end_offset(),
        });
    }
    let end = open.log.leader_epoch_end_offset(epoch)?;
    Ok(EpochEndOffset {
        epoch: end.leader_epoch,
        end_offset: end.end_offset,
    })
}

fn find_offset(
    open: &mut Open,
    timestamp: i64,
    upper_bound: i64,
) -> Result<Option<TimestampLookup>, ReadError> {
    let at = |offset, leader_epoch| {
        Ok(Some(TimestampLookup {
            timestamp: -1,
            offset,
            leader_epoch,
        }))
    };
    let leader_epoch = open.leader.term().leader_epoch;
    match timestamp {
        LATEST_TIMESTAMP => at(upper_bound, leader_epoch),
        EARLIEST_TIMESTAMP | EARLIEST_LOCAL_TIMESTAMP => {
            let log_start_offset = open.leader.log_start_offset();
            let epoch = open.log.leader_epoch_at(log_start_offset)?;
            at(log_start_offset, epoch.unwrap_or(leader_epoch))
        }
        // Nothing is in tiered storage, and nothing waits to go there.
        LATEST_TIERED_TIMESTAMP | EARLIEST_PENDING_UPLOAD_TIMESTAMP => Ok(None),
        MAX_TIMESTAMP => open.log.offset_of_max_timestamp(),
        timestamp => Ok(open
            .log
            .offset_for_timestamp(timestamp)?
            .filter(|found| found.offset < upper_bound)),
    }
}

fn release(produces: &mut DelayedProduces<ProducePart>, leader: &Leader, effects: &mut Effects) {
    if !produces.is_empty() {
        let mut released = Vec::new();
        produces.release(leader, &mut released);
        effects
            .acknowledged
            .extend(released.into_iter().map(|part| (part, error_codes::NONE)));
    }
}

fn term_of(assignment: Assignment, config: &TopicConfig) -> LeaderTerm {
    LeaderTerm {
        leader_epoch: assignment.leader_epoch,
        in_sync_replicas: assignment.in_sync_replicas,
        min_in_sync_replicas: config.min_in_sync_replicas,
    }
}

fn epoch_error(mismatch: EpochMismatch) -> i16 {
    match mismatch {
        EpochMismatch::Fenced => error_codes::FENCED_LEADER_EPOCH,
        EpochMismatch::Unknown => error_codes::UNKNOWN_LEADER_EPOCH,
    }
}

fn producer_append(header: &BatchHeader) -> ProducerAppend {
    ProducerAppend {
        producer_id: header.producer_id,
        producer_epoch: header.producer_epoch,
        base_sequence: header.base_sequence,
        last_sequence: header.last_sequence(),
        base_offset: header.base_offset,
        last_offset: header.last_offset(),
        timestamp: header.max_timestamp,
    }
}

fn producer_state(entry: &ProducerSnapshotEntry) -> ProducerState {
    ProducerState {
        producer_id: entry.producer_id,
        producer_epoch: entry.producer_epoch,
        last_sequence: entry.last_sequence,
        last_offset: entry.last_offset,
        offset_delta: entry.offset_delta,
        timestamp: entry.timestamp,
    }
}

fn snapshot_entry(state: &ProducerState) -> ProducerSnapshotEntry {
    ProducerSnapshotEntry {
        producer_id: state.producer_id,
        producer_epoch: state.producer_epoch,
        last_sequence: state.last_sequence,
        last_offset: state.last_offset,
        offset_delta: state.offset_delta,
        timestamp: state.timestamp,
        coordinator_epoch: -1,
        current_txn_first_offset: -1,
    }
}
