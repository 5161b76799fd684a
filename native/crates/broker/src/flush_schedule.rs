//! Owns when partitions are looked at because what they hold unsynced grows old (`flush.ms`, and the time bound of `flush.policy=relaxed`).
//! Never syncs: it asks the partition, which asks the sync threads.
//! Invariant: a partition with something unsynced and a limit on its age has a date here, or a sync under way. The partition sees to that,
//! and that it has one date at a time unless an earlier one is needed.

use crate::partition::Partition;
use crate::shared::{Shared, lock};
use millrace_host::Instant;
use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};
use std::time::Duration;

#[derive(Debug, Default)]
pub struct FlushSchedule {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// By date; the number keeps partitions of one date apart.
    dates: BTreeMap<(u64, u64), Weak<Partition>>,
    next_number: u64,
    is_stopping: bool,
}

impl FlushSchedule {
    pub fn add(&self, at_ms: u64, partition: &Arc<Partition>) {
        let mut state = lock(&self.state);
        let is_earliest = state
            .dates
            .first_key_value()
            .is_none_or(|((earliest_ms, _), _)| at_ms < *earliest_ms);
        let number = state.next_number;
        state.next_number += 1;
        state
            .dates
            .insert((at_ms, number), Arc::downgrade(partition));
        drop(state);
        if is_earliest {
            self.changed.notify_one();
        }
    }

    pub fn stop(&self) {
        lock(&self.state).is_stopping = true;
        self.changed.notify_all();
    }

    /// Runs until stopped.
    pub fn run(&self, shared: &Arc<Shared>) {
        while let Some(due) = self.wait() {
            for partition in due.iter().filter_map(Weak::upgrade) {
                partition.flush_if_due(shared);
            }
        }
    }

    /// The partitions whose date has come; None when it is time to stop.
    fn wait(&self) -> Option<Vec<Weak<Partition>>> {
        let mut state = lock(&self.state);
        loop {
            if state.is_stopping {
                return None;
            }
            let now_ms = Instant::now().millis();
            let later = state.dates.split_off(&(now_ms + 1, 0));
            let due = std::mem::replace(&mut state.dates, later);
            if !due.is_empty() {
                return Some(due.into_values().collect());
            }
            let earliest = state.dates.first_key_value().map(|((at_ms, _), _)| *at_ms);
            state = match earliest {
                None => self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(at_ms) => {
                    let wait = Duration::from_millis(at_ms.saturating_sub(now_ms));
                    self.changed
                        .wait_timeout(state, wait)
                        .unwrap_or_else(PoisonError::into_inner)
                        .0
                }
            };
        }
    }
}
