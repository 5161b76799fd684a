//! Owns the partition's way to the disk: a sync is asked for under the lock, done on another thread, and its outcome taken in under the lock.
//! Invariants: a sync that failed is final: what it covered is never acknowledged, and the log takes nothing more. One sync of a partition is
//! under way at a time; everyone who asks meanwhile shares the next. A full disk fails nothing for good: those who wait are refused, and the
//! sync is tried again.

use super::{Effects, Partition, State, Storage};
use crate::metrics::Counter;
use crate::shared::Shared;
use millrace_host::Instant;
use millrace_host::sync_service::SyncFailure;
use millrace_log::SyncMark;
use millrace_replica::SyncNeed;
use millrace_wire::error_codes;
use std::sync::Arc;

/// How long a disk that was too full for a sync is left alone.
const FULL_DISK_RETRY_MS: u64 = 500;

/// Told how a sync ended: an error code if it failed.
pub type SyncOutcome = Box<dyn FnOnce(Result<(), i16>) + Send>;

/// Where a partition stands with its syncs.
#[derive(Default)]
pub(super) struct SyncTurn {
    is_under_way: bool,
    is_wanted_again: bool,
    /// Those who hear how the next sync ends.
    waiting: Vec<SyncOutcome>,
    /// When the flush schedule will look at the partition.
    scheduled_ms: Option<u64>,
}

impl SyncTurn {
    /// Takes a need on. What is left of it is for the caller to bring about: nothing, if a sync under way or an earlier date covers it.
    pub(super) fn note_need(&mut self, need: &mut SyncNeed) {
        let is_covered = match *need {
            SyncNeed::None => true,
            SyncNeed::Now => {
                self.is_wanted_again |= self.is_under_way;
                self.is_under_way
            }
            SyncNeed::At(at_ms) => {
                // The end of a sync under way looks at the need anew.
                let is_covered =
                    self.is_under_way || self.scheduled_ms.is_some_and(|known| known <= at_ms);
                if !is_covered {
                    self.scheduled_ms = Some(at_ms);
                }
                is_covered
            }
        };
        if is_covered {
            *need = SyncNeed::None;
        }
    }
}

impl Partition {
    /// Starts a sync of everything appended so far; `done` hears the outcome, also when there was nothing left to sync.
    pub(crate) fn request_sync(self: &Arc<Self>, shared: &Arc<Shared>, done: Option<SyncOutcome>) {
        let target = {
            let mut state = self.lock();
            let state = &mut *state;
            state.sync.waiting.extend(done);
            if state.sync.is_under_way {
                state.sync.is_wanted_again = true;
                return;
            }
            let target = match &mut state.storage {
                Storage::Open(open) if !self.log_dir.is_offline() => open.log.sync_target(),
                Storage::Open(_) | Storage::Failed | Storage::Removed | Storage::Closed => {
                    let waiting = std::mem::take(&mut state.sync.waiting);
                    return tell(waiting, Err(error_codes::KAFKA_STORAGE_ERROR));
                }
            };
            let waiting = std::mem::take(&mut state.sync.waiting);
            match target {
                Ok(Some(target)) => {
                    state.sync.is_under_way = true;
                    Ok((target, waiting))
                }
                Ok(None) => Err((None, waiting)),
                Err(error) => Err((Some(error), waiting)),
            }
        };
        match target {
            Ok((target, waiting)) => {
                shared.other_metrics().count(Counter::SyncsTotal);
                let (partition, owner, mark) = (Arc::clone(self), Arc::clone(shared), target.mark);
                shared.sync(
                    target.request,
                    Box::new(move |result| partition.finish_sync(&owner, mark, result, waiting)),
                );
            }
            Err((None, waiting)) => tell(waiting, Ok(())),
            Err((Some(error), waiting)) => {
                shared.fail_log_dir(&self.log_dir, &error.to_string());
                tell(waiting, Err(error.kafka_code()));
            }
        }
    }

    /// On a sync thread: takes the outcome in, tells those who waited for it, and starts the next if one is wanted.
    fn finish_sync(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        mark: SyncMark,
        result: Result<(), SyncFailure>,
        waiting: Vec<SyncOutcome>,
    ) {
        let mut effects = Effects::default();
        let is_synced = result.is_ok();
        let is_out_of_space = result
            .as_ref()
            .is_err_and(|failure| failure.is_out_of_space);
        {
            let mut state = self.lock();
            let state = &mut *state;
            self.on_sync(state, mark, result, &mut effects);
            let turn = &mut state.sync;
            turn.is_under_way = false;
            let is_wanted = std::mem::take(&mut turn.is_wanted_again) || !turn.waiting.is_empty();
            let mut need = match &state.storage {
                _ if is_wanted => SyncNeed::Now,
                Storage::Open(_) if is_out_of_space => {
                    SyncNeed::At(Instant::now().millis() + FULL_DISK_RETRY_MS)
                }
                Storage::Open(open) => open.leader.sync_need(),
                Storage::Failed | Storage::Removed | Storage::Closed => SyncNeed::None,
            };
            turn.note_need(&mut need);
            effects.sync_need = need;
        }
        let need = std::mem::take(&mut effects.sync_need);
        if is_out_of_space {
            shared.other_metrics().count(Counter::DiskFullTotal);
        }
        shared.apply(&mut effects);
        shared.bring_about(need, self);
        let outcome = is_synced
            .then_some(())
            .ok_or(error_codes::KAFKA_STORAGE_ERROR);
        tell(waiting, outcome);
    }

    /// The date set for this partition has come.
    pub(crate) fn flush_if_due(self: &Arc<Self>, shared: &Arc<Shared>) {
        let need = {
            let mut state = self.lock();
            let state = &mut *state;
            state.sync.scheduled_ms = None;
            let Storage::Open(open) = &state.storage else {
                return;
            };
            let mut need = match open.leader.sync_need() {
                SyncNeed::At(at_ms) if at_ms <= Instant::now().millis() => SyncNeed::Now,
                need => need,
            };
            state.sync.note_need(&mut need);
            need
        };
        shared.bring_about(need, self);
    }

    fn on_sync(
        &self,
        state: &mut State,
        mark: SyncMark,
        result: Result<(), SyncFailure>,
        effects: &mut Effects,
    ) {
        let Storage::Open(open) = &mut state.storage else {
            return;
        };
        match result {
            // Other files of the directory are in doubt: nothing of it is acknowledged any more.
            Ok(()) if self.log_dir.is_offline() => {}
            Ok(()) => {
                let synced_offset = open.log.mark_synced(mark);
                open.leader.on_synced(synced_offset);
                state.show_and_release(effects);
            }
            // The batches stay, unseen, until there is space for what belongs to them; their producers are told to ask again.
            Err(failure) if failure.is_out_of_space => state.refuse_waiting(effects),
            Err(failure) => {
                // What the sync covered may be lost although it can still be read. Never acknowledged, never retried.
                open.log.mark_sync_failed();
                effects.failures.push((
                    Arc::clone(&self.log_dir),
                    format!(
                        "cannot sync {}-{}: {}",
                        self.topic_name, self.index, failure.error
                    ),
                ));
                self.fail(state, effects);
            }
        }
    }
}

fn tell(waiting: Vec<SyncOutcome>, outcome: Result<(), i16>) {
    for done in waiting {
        done(outcome);
    }
}
