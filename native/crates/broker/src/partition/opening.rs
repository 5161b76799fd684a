//! Owns how a partition comes to be: with its log open, or known and offline. Never decides in which directory it lies.

use super::{Assignment, Open, Partition, State, Storage, TopicConfig, WAITING_PRODUCES_MAX};
use super::{compaction, sync, term_of};
use crate::fetch_watch::FetchWatches;
use crate::log_dirs::LogDir;
use crate::partition_table::TopicId;
use crate::preparing::Preparing;
use millrace_host::disk::posix::PosixDisk;
use millrace_log::{Log, LogConfig, OpenError, OpenHints, RecoveryProgress, Uuid};
use millrace_replica::{DelayedProduces, Leader};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

/// What all partitions of a node are opened with.
#[derive(Debug, Clone, Copy)]
pub struct PartitionSettings {
    pub node_id: i32,
    pub producer_ids_max: usize,
    pub producer_id_expiration_ms: i64,
}

impl PartitionSettings {
    /// A topic's settings with those of the node beside them.
    pub(super) fn complete(&self, log: &LogConfig) -> LogConfig {
        LogConfig {
            producer_ids_max: self.producer_ids_max,
            producer_id_expiration_ms: self.producer_id_expiration_ms,
            ..log.clone()
        }
    }
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
        progress: &RecoveryProgress,
    ) -> Result<Partition, OpenError> {
        let (hints, high_watermark) = log_dir.open_hints(&name.topic_name, name.index);
        let hints = OpenHints {
            topic_id: Some(Uuid(name.topic_id)),
            ..hints
        };
        let path = log_dir.partition_path(&name.topic_name, name.index);
        let log = Log::open_watched(
            PosixDisk,
            &path,
            settings.complete(&config.log),
            hints,
            now_ms,
            progress,
        )?;
        let cleaned_offset = log_dir.cleaned_offset(&name.topic_name, name.index);
        if cleaned_offset.is_some_and(|offset| offset > log.log_end_offset()) {
            // Cleaned records were lost: what is written in their place is not clean.
            log_dir.forget_cleaned_offset(&name.topic_name, name.index)?;
        }
        let leader = Leader::new(
            term_of(assignment, &config),
            config.flush,
            log.log_start_offset(),
            log.log_end_offset(),
            high_watermark,
        );
        let open = Open {
            log,
            leader,
            shown_offset: 0,
            unseen_bytes: 0,
            has_unseen_markers: false,
            uses: 0,
            uses_seen: 0,
            idle_rounds: 0,
        };
        let storage = Storage::Open(Box::new(open));
        Ok(Partition::new(
            name, log_dir, assignment, config, settings, storage,
        ))
    }

    /// A partition whose log directory failed, or whose log cannot be read: it is known, and not served.
    pub fn offline(
        name: PartitionName,
        log_dir: Arc<LogDir>,
        assignment: Assignment,
        config: Arc<TopicConfig>,
        settings: PartitionSettings,
    ) -> Partition {
        let storage = Storage::Failed;
        Partition::new(name, log_dir, assignment, config, settings, storage)
    }

    fn new(
        name: PartitionName,
        log_dir: Arc<LogDir>,
        assignment: Assignment,
        config: Arc<TopicConfig>,
        settings: PartitionSettings,
        storage: Storage,
    ) -> Partition {
        let state = State {
            assignment,
            config,
            storage,
            fetches: FetchWatches::default(),
            produces: DelayedProduces::new(WAITING_PRODUCES_MAX),
            sync: sync::SyncTurn::default(),
            log_dir: Arc::clone(&log_dir),
        };
        let PartitionName {
            topic_name, index, ..
        } = name;
        Partition {
            topic_name,
            index,
            log_dir,
            node_id: settings.node_id,
            settings,
            is_removed: AtomicBool::new(false),
            cleaning: compaction::CleaningState::default(),
            state: Mutex::new(state),
            jobs: Mutex::default(),
            preparing: Preparing::default(),
        }
    }
}
