//! Owns the partition's way to the disk: a sync is asked for under the lock, done on another thread, and its outcome taken in under the lock.
//! Invariant: a sync that failed is final. What it covered is never acknowledged, and the log takes nothing more.

use super::{Effects, Partition, Storage, release};
use crate::shared::Shared;
use millrace_log::SyncMark;
use millrace_wire::error_codes;
use std::sync::Arc;

/// Told how a sync ended: an error code if it failed.
pub type SyncOutcome = Box<dyn FnOnce(Result<(), i16>) + Send>;

impl Partition {
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
}
