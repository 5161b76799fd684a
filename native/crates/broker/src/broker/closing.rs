//! Owns the end of a data plane: requests under way finish, threads stop, logs and checkpoints reach the disk, the directories are let go of.
//! Invariant: a directory gets its clean marker only when everything in it is in order and durable.

use super::Broker;
use super::threads::in_parallel;
use crate::error::BrokerError;
use crate::inbox::Message;
use crate::log_dirs::{CheckpointRow, LogDirs};
use crate::maintenance;
use crate::shared::lock;
use millrace_host::Instant;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Threads that sync and close logs.
const CLOSING_THREADS: usize = 16;

impl Broker {
    /// Stops accepting and reading, lets requests under way finish for at most `timeout`, sends what is to be sent, closes connections.
    pub fn drain(&self, timeout: Duration) {
        let reactors = lock(&self.life).reactors.len();
        if reactors == 0 {
            return;
        }
        self.shared.drained.start(reactors);
        let deadline_ms = Instant::now()
            .millis()
            .saturating_add(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        for inbox in &self.shared.inboxes {
            inbox.push(Message::Drain { deadline_ms });
        }
        self.shared
            .drained
            .wait(timeout + Duration::from_millis(100));
    }

    /// Stops every thread, makes every log durable, writes checkpoints and the clean marker, lets go of the directories.
    pub fn close(&self) -> Result<(), BrokerError> {
        let mut life = lock(&self.life);
        if std::mem::replace(&mut life.is_closed, true) {
            return Ok(());
        }
        for inbox in &self.shared.inboxes {
            inbox.push(Message::Stop);
        }
        let mut threads = std::mem::take(&mut life.reactors);
        life.listeners.clear();
        self.maintenance.stop();
        self.shared.flushes.stop();
        self.stop_jobs();
        threads.append(&mut life.upkeep);
        drop(life);
        self.jobs.shut();
        for thread in threads {
            // One that panicked has said so.
            let _ = thread.join();
        }
        // Before the sync threads: what is still appended may ask them for a sync.
        self.shared.workers.stop();
        let syncs = self
            .shared
            .syncs
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // Outside the lock: its last tasks may still ask for syncs, which closing the logs makes up for.
        drop(syncs);
        match self.log_dirs.get() {
            Some(log_dirs) => self.close_logs(log_dirs),
            None => Ok(()),
        }
    }

    fn close_logs(&self, log_dirs: &LogDirs) -> Result<(), BrokerError> {
        let partitions = maintenance::partitions(&self.shared);
        // Waiting for the disk, not for a processor: syncs that run side by side share its commits.
        let threads = self
            .shared
            .options
            .recovery_threads_per_data_dir
            .max(CLOSING_THREADS);
        let closed = in_parallel(&partitions, threads, |partition| {
            (Arc::clone(partition), partition.close())
        });
        let mut first_error = None;
        for dir in log_dirs.iter() {
            if dir.is_offline() {
                // Nothing is written to a disk that failed; letting go of the lock needs no write.
                let _ = dir.close(false);
                continue;
            }
            let mut rows = Vec::new();
            let mut is_clean = !self.shared.has_failed.load(Ordering::SeqCst);
            for (partition, outcome) in closed
                .iter()
                .filter(|(partition, _)| partition.log_dir.index == dir.index)
            {
                match outcome {
                    Ok(Some(offsets)) => rows.push(CheckpointRow::new(
                        Arc::clone(&partition.topic_name),
                        partition.index,
                        *offsets,
                    )),
                    Ok(None) => is_clean = false,
                    Err(error) => {
                        is_clean = false;
                        first_error.get_or_insert_with(|| error.to_string());
                    }
                }
            }
            let written = dir.write_checkpoints(dir.unopened_rows(), rows);
            let marked = dir.close(is_clean && written.is_ok());
            if let Err(error) = written.and(marked) {
                first_error.get_or_insert_with(|| error.to_string());
            }
        }
        match first_error {
            None => Ok(()),
            Some(message) => Err(BrokerError::new("IO", message)),
        }
    }
}
