//! Owns the background upkeep of the data plane: checkpoints, retention, silent producers, files and directories whose deletion is due.
//! Never touches a socket. One thread, woken every second (sooner if retention is to be checked more often) and when it is to stop.

use crate::log_dirs::{CheckpointRow, LogDirs};
use crate::metrics::Counter;
use crate::partition::{Effects, Partition};
use crate::shared::{Shared, lock};
use millrace_host::disk::Disk;
use millrace_host::disk::posix::PosixDisk;
use millrace_host::{Instant, clock};
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

const STEP: Duration = Duration::from_secs(1);
/// How often partitions are looked over for due files.
const UPKEEP_MS: u64 = 1_000;

/// Directories of deleted partitions, with the time to remove them.
#[derive(Debug, Default)]
pub struct Maintenance {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    is_stopping: bool,
    doomed: Vec<(i64, PathBuf)>,
}

impl Maintenance {
    pub fn remove_later(&self, due_ms: i64, path: PathBuf) {
        lock(&self.state).doomed.push((due_ms, path));
    }

    pub fn stop(&self) {
        lock(&self.state).is_stopping = true;
        self.changed.notify_all();
    }

    /// Runs until stopped.
    pub fn run(&self, shared: &Arc<Shared>, log_dirs: &LogDirs) {
        let mut next_checkpoint_ms =
            Instant::now().millis() + shared.options.checkpoint_interval_ms;
        let mut next_upkeep_ms = Instant::now().millis() + UPKEEP_MS;
        let retention_interval_ms = shared.options.retention_check_interval_ms.max(1);
        let mut next_retention_ms = Instant::now().millis() + shared.options.initial_task_delay_ms;
        let step = STEP.min(Duration::from_millis(retention_interval_ms));
        while let Some(doomed) = self.wait(step) {
            for path in doomed {
                note(PosixDisk.remove_dir_all(&path), shared);
            }
            let now_ms = Instant::now().millis();
            if now_ms >= next_upkeep_ms {
                next_upkeep_ms = now_ms + UPKEEP_MS;
                look_over(shared);
            }
            if now_ms >= next_retention_ms {
                next_retention_ms = now_ms + retention_interval_ms;
                retain(shared);
            }
            if now_ms >= next_checkpoint_ms {
                next_checkpoint_ms = now_ms + shared.options.checkpoint_interval_ms;
                checkpoint(shared, log_dirs);
            }
        }
    }

    /// The next step, with the directories whose time has come. None when it is time to stop.
    fn wait(&self, step: Duration) -> Option<Vec<PathBuf>> {
        let state = lock(&self.state);
        let (mut state, _) = self
            .changed
            .wait_timeout_while(state, step, |state| !state.is_stopping)
            .unwrap_or_else(PoisonError::into_inner);
        if state.is_stopping {
            return None;
        }
        let now_ms = clock::wall_ms();
        let due = state.doomed.extract_if(.., |(due_ms, _)| *due_ms <= now_ms);
        Some(due.map(|(_, path)| path).collect())
    }
}

fn look_over(shared: &Arc<Shared>) {
    let now_ms = clock::wall_ms();
    let mut due_files = Vec::new();
    for partition in partitions(shared) {
        partition.maintain(now_ms, &mut due_files);
    }
    for path in due_files {
        note(PosixDisk.remove_file(&path), shared);
    }
}

/// A look at each partition holds its lock for as long as renaming takes what is to go, and costs next to nothing where nothing is.
fn retain(shared: &Arc<Shared>) {
    for partition in partitions(shared) {
        let mut effects = Effects::default();
        let expired = partition.retain(clock::wall_ms(), &mut effects);
        shared
            .other_metrics()
            .add(Counter::ExpiredSegmentsTotal, expired as u64);
        let need = std::mem::take(&mut effects.sync_need);
        shared.apply(&mut effects);
        shared.bring_about(need, &partition);
    }
}

/// Writes what there is to remember of every partition.
pub fn checkpoint(shared: &Arc<Shared>, log_dirs: &LogDirs) {
    let _turn = lock(&log_dirs.checkpointing);
    for dir in log_dirs.iter().filter(|dir| !dir.is_offline()) {
        let unopened = dir.unopened_rows();
        let rows = partitions(shared)
            .iter()
            .filter(|partition| partition.log_dir.index == dir.index)
            .filter_map(|partition| row(partition))
            .collect();
        match dir.write_checkpoints(unopened, rows) {
            Ok(()) => {}
            // The old one holds, and recovery reads a little more.
            Err(error) if error.is_out_of_space() => {
                shared.other_metrics().count(Counter::DiskFullTotal)
            }
            Err(error) => shared.fail_log_dir(dir, &error.to_string()),
        }
    }
}

fn row(partition: &Partition) -> Option<CheckpointRow> {
    let offsets = partition.checkpoint()?;
    Some(CheckpointRow::new(
        Arc::clone(&partition.topic_name),
        partition.index,
        offsets,
    ))
}

pub fn partitions(shared: &Shared) -> Vec<Arc<Partition>> {
    shared
        .table
        .load()
        .topics()
        .flat_map(|topic| topic.partitions.iter().flatten())
        .cloned()
        .collect()
}

/// A file that cannot be removed costs space, nothing else; the next start tries again.
fn note(removed: io::Result<()>, shared: &Shared) {
    if removed.is_err_and(|error| error.kind() != io::ErrorKind::NotFound) {
        shared.other_metrics().count(Counter::RemoveErrorsTotal);
    }
}
