//! Owns one partition this node holds: its log, its leader's decisions, its producers and everyone who waits for it, under one lock.
//! Never touches a socket: what others have to hear is collected in `Effects` and sent after the lock is free.
//! Invariant: log end of the leader = log end of the log; offsets are handed out only together with a successful append.
//!
//! Storage: open → failed on an I/O error that leaves the log in doubt → removed when the topic is deleted;
//!          open → removed, open → closed with the broker. Only open serves anything; removed and closed are final.

mod append;
mod compaction;
mod ending;
mod opening;
mod read;
mod sync;

use crate::apis::produce::{PartResult, ProducePart};
use crate::append_jobs::AppendJobs;
use crate::fetch_watch::{FetchWatch, FetchWatches};
use crate::log_dirs::LogDir;
use crate::preparing::Preparing;
use crate::shared::lock;
use millrace_host::disk::posix::PosixDisk;
use millrace_log::{Log, LogConfig, OpenReport, ReadError};
use millrace_replica::{DelayedProduces, FlushRules, Leader, LeaderTerm, SyncNeed};
use millrace_wire::apis::LeaderIdAndEpoch;
use millrace_wire::error_codes;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

pub use append::StagedBatch;
pub use compaction::CleaningClaim;
pub use opening::{PartitionName, PartitionSettings};
pub use read::{FetchRead, PartitionRead};

/// Produce requests one partition keeps waiting for its marks.
const WAITING_PRODUCES_MAX: usize = 10_000;
/// Rounds of upkeep without use after which file handles are let go.
const IDLE_ROUNDS: u32 = 300;

/// Settings of a topic, as published.
#[derive(Debug, Clone, PartialEq)]
pub struct TopicConfig {
    pub log: LogConfig,
    pub min_in_sync_replicas: u32,
    pub flush: FlushRules,
}

/// What the controller said of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment {
    pub leader_id: i32,
    pub leader_epoch: i32,
    pub in_sync_replicas: u32,
}

/// What has to happen outside once the lock is free.
#[derive(Debug, Default)]
pub struct Effects {
    /// Results of staged batches; `acknowledged` says whether the part is done or still waits.
    pub results: Vec<(ProducePart, PartResult, bool)>,
    /// Parts that waited and are done, with their error code.
    pub acknowledged: Vec<(ProducePart, i16)>,
    pub woken: Vec<Arc<FetchWatch>>,
    /// When the partition just appended to wants a sync; whoever called takes note of which it was.
    pub sync_need: SyncNeed,
    pub syncs: Vec<(SyncNeed, Arc<Partition>)>,
    pub appended_batches: u64,
    pub duplicates: u64,
    /// An append found no space.
    pub is_disk_full: bool,
    /// Directories that failed, with the reason.
    pub failures: Vec<(Arc<LogDir>, String)>,
}

pub struct Partition {
    pub topic_name: Arc<str>,
    pub index: i32,
    pub log_dir: Arc<LogDir>,
    node_id: i32,
    settings: PartitionSettings,
    is_removed: AtomicBool,
    cleaning: compaction::CleaningState,
    state: Mutex<State>,
    /// Appends of the control plane that wait for their turn.
    pub(crate) jobs: Mutex<AppendJobs>,
    /// Batches of clients that are prepared on another thread.
    pub(crate) preparing: Preparing,
}

struct State {
    assignment: Assignment,
    config: Arc<TopicConfig>,
    storage: Storage,
    fetches: FetchWatches,
    produces: DelayedProduces<ProducePart>,
    sync: sync::SyncTurn,
    log_dir: Arc<LogDir>,
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
    /// The high watermark readers were last woken for, and the bytes appended since it was the log end.
    shown_offset: i64,
    unseen_bytes: i64,
    /// A marker is among them: what it makes readable was appended before.
    has_unseen_markers: bool,
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

/// The marks of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offsets {
    pub log_start_offset: i64,
    pub high_watermark: i64,
    pub log_end_offset: i64,
    pub last_stable_offset: i64,
}

/// What a checkpoint keeps of a partition.
#[derive(Debug, Clone, Copy, Default)]
pub struct CheckpointOffsets {
    pub recovery_point: i64,
    pub log_start_offset: i64,
    pub high_watermark: i64,
}

impl Open {
    /// How far readers of committed records may go. May read the producers back.
    fn last_stable_offset(&mut self) -> Result<i64, ReadError> {
        let first_open_offset = self.log.first_unstable_offset()?;
        Ok(self.leader.last_stable_offset(first_open_offset))
    }

    fn delete_expired(&mut self, now_ms: i64) -> Result<usize, ReadError> {
        let expired = self
            .log
            .expired_segments(self.leader.high_watermark(), now_ms)?;
        if expired == 0 {
            return Ok(0);
        }
        if expired == self.log.segment_count() {
            self.log.roll_expired(now_ms)?;
        }
        self.log.delete_oldest_segments(expired, now_ms)?;
        Ok(expired)
    }
}

impl Partition {
    /// What opening the log had to do.
    pub fn open_report(&self) -> Option<OpenReport> {
        match &self.lock().storage {
            Storage::Open(open) => Some(open.log.open_report().clone()),
            Storage::Failed | Storage::Removed | Storage::Closed => None,
        }
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
            open.log.set_config(self.settings.complete(&config.log));
            open.leader.set_flush_rules(config.flush);
            open.leader.on_term(term_of(state.assignment, config));
            effects.sync_need = open.leader.sync_need();
            state.sync.note_need(&mut effects.sync_need);
            state.show_and_release(effects);
        }
        if had_leader != state.assignment.leader_id {
            state.fetches.give_up(&mut effects.woken);
        }
    }

    /// -1 where there is no log any more.
    pub fn log_start_offset(&self) -> i64 {
        match &self.lock().storage {
            Storage::Open(open) => open.leader.log_start_offset(),
            Storage::Failed | Storage::Removed | Storage::Closed => -1,
        }
    }

    pub fn offsets(&self) -> Result<Offsets, i16> {
        let mut state = self.lock();
        match &mut state.storage {
            Storage::Open(open) => Ok(Offsets {
                log_start_offset: open.leader.log_start_offset(),
                high_watermark: open.leader.high_watermark(),
                log_end_offset: open.leader.log_end_offset(),
                last_stable_offset: open
                    .last_stable_offset()
                    .map_err(|error| error.kafka_code())?,
            }),
            Storage::Failed | Storage::Closed => Err(error_codes::KAFKA_STORAGE_ERROR),
            Storage::Removed => Err(error_codes::UNKNOWN_TOPIC_OR_PARTITION),
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
        effects.sync_need = SyncNeed::Now;
        Ok(log_start_offset)
    }

    /// Lets segments go that are too old or too many. Says how many went.
    pub fn retain(&self, now_ms: i64, effects: &mut Effects) -> usize {
        let mut state = self.lock();
        let state = &mut *state;
        let Storage::Open(open) = &mut state.storage else {
            return 0;
        };
        match open.delete_expired(now_ms) {
            Ok(0) => 0,
            Ok(deleted) => {
                open.leader.on_log_start(open.log.log_start_offset());
                effects.sync_need = SyncNeed::Now;
                state.sync.note_need(&mut effects.sync_need);
                deleted
            }
            // Whoever reads there or verifies the log says where the damage is; deleting it would hide it.
            Err(ReadError::Corrupt { .. } | ReadError::OffsetOutOfRange { .. }) => 0,
            // Renaming needs no space to speak of; what little it needs may be there in a while.
            Err(ReadError::Storage(error)) if error.is_out_of_space() => 0,
            Err(ReadError::Storage(error)) => {
                effects
                    .failures
                    .push((Arc::clone(&self.log_dir), error.to_string()));
                0
            }
        }
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
    /// lets go of its file handles.
    pub fn maintain(&self, now_ms: i64, due_files: &mut Vec<PathBuf>) {
        let mut state = self.lock();
        let Storage::Open(open) = &mut state.storage else {
            return;
        };
        if let Some(producers) = open.log.loaded_producers() {
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
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl State {
    /// Whether this replica may serve clients, or the code that says why not.
    fn check_leads(&self, node_id: i32) -> Result<(), i16> {
        match &self.storage {
            Storage::Removed => Err(error_codes::UNKNOWN_TOPIC_OR_PARTITION),
            _ if self.assignment.leader_id != node_id => Err(error_codes::NOT_LEADER_OR_FOLLOWER),
            Storage::Failed | Storage::Closed => Err(error_codes::KAFKA_STORAGE_ERROR),
            Storage::Open(_) if self.log_dir.is_offline() => Err(error_codes::KAFKA_STORAGE_ERROR),
            Storage::Open(_) => Ok(()),
        }
    }

    /// The marks may have moved: readers see what is below them, and producers hear.
    fn show_and_release(&mut self, effects: &mut Effects) {
        let Storage::Open(open) = &mut self.storage else {
            return;
        };
        let high_watermark = open.leader.high_watermark();
        if high_watermark > open.shown_offset {
            open.shown_offset = high_watermark;
            // Too many bytes wake a fetch too early, which looks and parks again; too few would leave it asleep.
            if open.has_unseen_markers {
                self.fetches.give_up(&mut effects.woken);
            } else {
                self.fetches
                    .on_appended(open.unseen_bytes, &mut effects.woken);
            }
            if high_watermark == open.leader.log_end_offset() {
                open.unseen_bytes = 0;
                open.has_unseen_markers = false;
            }
        }
        if !self.produces.is_empty() {
            let mut released = Vec::new();
            self.produces.release(&open.leader, &mut released);
            effects
                .acknowledged
                .extend(released.into_iter().map(|part| (part, error_codes::NONE)));
        }
    }

    /// Producers who wait for the disk wait in vain.
    fn refuse_waiting(&mut self, effects: &mut Effects) {
        let mut waiting = Vec::new();
        self.produces.take_all(&mut waiting);
        effects.acknowledged.extend(
            waiting
                .into_iter()
                .map(|part| (part, error_codes::KAFKA_STORAGE_ERROR)),
        );
    }

    fn leader_hint(&self) -> LeaderIdAndEpoch {
        LeaderIdAndEpoch {
            leader_id: self.assignment.leader_id,
            leader_epoch: self.assignment.leader_epoch,
        }
    }
}

fn term_of(assignment: Assignment, config: &TopicConfig) -> LeaderTerm {
    LeaderTerm {
        leader_epoch: assignment.leader_epoch,
        in_sync_replicas: assignment.in_sync_replicas,
        min_in_sync_replicas: config.min_in_sync_replicas,
    }
}
