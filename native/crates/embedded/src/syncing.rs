//! Owns the thread that waits for the disk: group commit, the checkpoint, retention. Never holds the log while it waits.
//! Invariant: one sync at a time; whoever wants one while it runs is covered by the next.

use std::sync::PoisonError;
use std::time::Duration;

use millrace_host::{Instant, clock};

use crate::checkpoint::Checkpoint;
use crate::error::StoreError;
use crate::store::{Store, lock};

/// How often retention by age is looked at, and what was written is made safe from long recovery.
const TIDY_INTERVAL: Duration = Duration::from_secs(30);

#[derive(Default)]
pub(crate) struct SyncWishes {
    sync: bool,
    tidy: bool,
    is_stopping: bool,
}

impl Store {
    pub(crate) fn want_sync(&self) {
        lock(&self.wishes).sync = true;
        self.wished.notify_one();
    }

    pub(crate) fn want_tidying(&self) {
        lock(&self.wishes).tidy = true;
        self.wished.notify_one();
    }

    pub(crate) fn stop_syncing(&self) {
        lock(&self.wishes).is_stopping = true;
        self.wished.notify_all();
    }

    /// The syncing thread.
    pub(crate) fn sync_until_stopped(&self) {
        let mut tidied = Instant::now();
        loop {
            let wishes = {
                let mut wishes = lock(&self.wishes);
                while !wishes.sync && !wishes.tidy && !wishes.is_stopping {
                    let left = TIDY_INTERVAL.saturating_sub(Instant::now() - tidied);
                    if left.is_zero() {
                        wishes.tidy = true;
                        break;
                    }
                    wishes = self
                        .wished
                        .wait_timeout(wishes, left)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0;
                }
                let taken = SyncWishes {
                    is_stopping: wishes.is_stopping,
                    ..std::mem::take(&mut *wishes)
                };
                wishes.is_stopping = taken.is_stopping;
                taken
            };
            if wishes.sync
                && let Err(error) = self.sync_now()
            {
                self.fail(error);
            }
            if wishes.tidy {
                tidied = Instant::now();
                if let Err(error) = self.tidy() {
                    self.fail(error);
                }
            }
            if wishes.is_stopping && !wishes.sync && !wishes.tidy {
                return;
            }
        }
    }

    /// Makes everything written so far durable. Returns when it is.
    pub fn sync_now(&self) -> Result<i64, StoreError> {
        let target = lock(&self.log).sync_target()?;
        let synced_offset = match target {
            None => lock(&self.log).synced_offset(),
            Some(target) => {
                let performed = target.request.perform(&self.disk);
                let mut log = lock(&self.log);
                if let Err(failure) = performed {
                    // No space for a small file beside the log is no failed sync: the next one may find some.
                    if !failure.is_out_of_space {
                        log.mark_sync_failed();
                    }
                    return Err(StoreError::io("sync", &self.dir, &failure.error));
                }
                log.mark_synced(target.mark)
            }
        };
        self.change_progress(|progress| progress.synced_offset = synced_offset);
        Ok(synced_offset)
    }

    /// Lets go of what is too old, unlinks what was let go of long enough ago, and checkpoints.
    pub(crate) fn tidy(&self) -> Result<(), StoreError> {
        let now_ms = clock::wall_ms();
        self.retain(now_ms)?;
        self.unlink_due(now_ms)?;
        self.checkpoint(false)
    }

    pub(crate) fn unlink_due(&self, now_ms: i64) -> Result<(), StoreError> {
        let due = lock(&self.log).take_due_deletions(now_ms);
        for path in due {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(StoreError::io("remove", &path, &error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Writes what the next open may rely on.
    pub(crate) fn checkpoint(&self, is_clean: bool) -> Result<(), StoreError> {
        let checkpoint = {
            let log = lock(&self.log);
            Checkpoint {
                is_clean,
                recovery_point: log.recovery_point(),
                log_start_offset: log.log_start_offset(),
            }
        };
        let mut last = lock(&self.checkpointed);
        if *last == checkpoint {
            return Ok(());
        }
        checkpoint.write(&self.disk, &self.dir)?;
        *last = checkpoint;
        Ok(())
    }
}
