//! Owns when a partition goes to disk and who waits for it: the flush policy, `flush.messages`, `flush.ms`, and what is not synced yet.
//! Never syncs and never reads a clock.
//! Limit: `RUNS_MAX` runs of unsynced appends are told apart; beyond that the last one grows, which makes waiting longer, never shorter.

use std::collections::VecDeque;

/// Under `Relaxed`, acknowledged bytes of a partition that a power loss may take.
pub const RELAXED_BYTES_MAX: u64 = 256 * 1024;
/// Under `Relaxed`, how long after the first unsynced append another one may still be acknowledged without a sync.
pub const RELAXED_MS_MAX: u64 = 100;
/// A sync starts at half of either bound, so that it is over before anyone has to wait.
const RELAXED_SYNC_BYTES: u64 = RELAXED_BYTES_MAX / 2;
const RELAXED_SYNC_MS: u64 = RELAXED_MS_MAX / 2;

const RUNS_MAX: usize = 32;
const RUN_BYTES: u64 = RELAXED_BYTES_MAX / 16;
const RUN_MS: u64 = RELAXED_MS_MAX / 10;

/// `flush.policy`: what acks=all waits for beside the replicas. acks=0 and acks=1 wait for none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlushPolicy {
    /// Until fdatasync covers the batch.
    Sync,
    /// Nothing: Kafka's own rule.
    Replicated,
    /// Nothing, as long as less than `RELAXED_BYTES_MAX` is unsynced and none of it older than `RELAXED_MS_MAX`.
    Relaxed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlushRules {
    pub policy: FlushPolicy,
    /// `flush.messages`: the append that brings so many unsynced offsets is synced before anyone hears of it, whatever the acks.
    pub messages: u64,
    /// `flush.ms`: a sync starts when the oldest unsynced append is so old. Nobody waits for it.
    pub ms: u64,
}

/// When a sync is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SyncNeed {
    #[default]
    None,
    /// When the clock says so, unless one happened before.
    At(u64),
    Now,
}

/// Whose acknowledgement an append holds back until it is synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    Nobody,
    AcksAll,
    Everybody,
}

/// Appends that are not known to be on disk, oldest first.
#[derive(Debug, Clone, Default)]
pub struct Unsynced {
    runs: VecDeque<Run>,
    bytes: u64,
}

#[derive(Debug, Clone)]
struct Run {
    end_offset: i64,
    bytes: u64,
    since_ms: u64,
}

impl Unsynced {
    pub fn add(&mut self, end_offset: i64, bytes: u64, now_ms: u64) {
        self.bytes += bytes;
        let is_full = self.runs.len() >= RUNS_MAX;
        match self.runs.back_mut() {
            Some(run)
                if is_full
                    || (run.bytes + bytes <= RUN_BYTES
                        && now_ms.saturating_sub(run.since_ms) < RUN_MS) =>
            {
                run.end_offset = end_offset;
                run.bytes += bytes;
            }
            _ => self.runs.push_back(Run {
                end_offset,
                bytes,
                since_ms: now_ms,
            }),
        }
    }

    /// Everything below `offset` is on disk. A run that is only partly so still counts whole.
    pub fn synced_to(&mut self, offset: i64) {
        while let Some(run) = self.runs.front().filter(|run| run.end_offset <= offset) {
            self.bytes -= run.bytes;
            self.runs.pop_front();
        }
        if self.runs.is_empty() {
            // An idle partition holds no memory for this.
            self.runs = VecDeque::new();
        }
    }

    fn oldest_ms(&self) -> Option<u64> {
        self.runs.front().map(|run| run.since_ms)
    }
}

impl FlushRules {
    /// Decides for an append that is part of `unsynced` already. `unsynced_offsets` counts the offsets behind the sync mark.
    pub fn on_append(
        &self,
        unsynced: &Unsynced,
        unsynced_offsets: u64,
        has_acks_all: bool,
        now_ms: u64,
    ) -> Held {
        if unsynced_offsets >= self.messages {
            return Held::Everybody;
        }
        match self.policy {
            FlushPolicy::Sync if has_acks_all => Held::AcksAll,
            FlushPolicy::Relaxed if is_over_bound(unsynced, now_ms) => Held::AcksAll,
            FlushPolicy::Sync | FlushPolicy::Relaxed | FlushPolicy::Replicated => Held::Nobody,
        }
    }

    /// When the oldest of `unsynced` is to go to disk by its age or amount.
    pub fn need(&self, unsynced: &Unsynced) -> SyncNeed {
        let Some(oldest_ms) = unsynced.oldest_ms() else {
            return SyncNeed::None;
        };
        let is_relaxed = self.policy == FlushPolicy::Relaxed;
        if is_relaxed && unsynced.bytes >= RELAXED_SYNC_BYTES {
            return SyncNeed::Now;
        }
        let age_ms = if is_relaxed {
            self.ms.min(RELAXED_SYNC_MS)
        } else {
            self.ms
        };
        match oldest_ms.saturating_add(age_ms) {
            u64::MAX => SyncNeed::None,
            at_ms => SyncNeed::At(at_ms),
        }
    }
}

fn is_over_bound(unsynced: &Unsynced, now_ms: u64) -> bool {
    unsynced.bytes > RELAXED_BYTES_MAX
        || unsynced
            .oldest_ms()
            .is_some_and(|oldest_ms| now_ms.saturating_sub(oldest_ms) >= RELAXED_MS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELAXED: FlushRules = FlushRules {
        policy: FlushPolicy::Relaxed,
        messages: u64::MAX,
        ms: u64::MAX,
    };

    #[test]
    fn relaxed_holds_acks_all_beyond_its_bytes() {
        let mut unsynced = Unsynced::default();
        unsynced.add(1, RELAXED_BYTES_MAX, 0);
        assert_eq!(RELAXED.on_append(&unsynced, 1, true, 0), Held::Nobody);
        unsynced.add(2, 1, 0);
        assert_eq!(RELAXED.on_append(&unsynced, 2, true, 0), Held::AcksAll);
        assert_eq!(RELAXED.need(&unsynced), SyncNeed::Now);
        unsynced.synced_to(1);
        assert_eq!(RELAXED.on_append(&unsynced, 1, true, 0), Held::Nobody);
    }

    #[test]
    fn relaxed_holds_acks_all_behind_an_old_append() {
        let mut unsynced = Unsynced::default();
        unsynced.add(1, 10, 1_000);
        assert_eq!(RELAXED.need(&unsynced), SyncNeed::At(1_050));
        assert_eq!(RELAXED.on_append(&unsynced, 1, true, 1_099), Held::Nobody);
        assert_eq!(RELAXED.on_append(&unsynced, 1, true, 1_100), Held::AcksAll);
    }

    #[test]
    fn flush_messages_holds_everybody_and_flush_ms_nobody() {
        let rules = FlushRules {
            policy: FlushPolicy::Replicated,
            messages: 3,
            ms: 500,
        };
        let mut unsynced = Unsynced::default();
        unsynced.add(2, 10, 1_000);
        assert_eq!(rules.on_append(&unsynced, 2, true, 9_000), Held::Nobody);
        assert_eq!(rules.on_append(&unsynced, 3, false, 1_000), Held::Everybody);
        assert_eq!(rules.need(&unsynced), SyncNeed::At(1_500));
        unsynced.synced_to(2);
        assert_eq!(rules.need(&unsynced), SyncNeed::None);
    }

    #[test]
    fn runs_are_bounded_and_forget_nothing() {
        let mut unsynced = Unsynced::default();
        for index in 0..1_000 {
            unsynced.add(index + 1, RUN_BYTES, index as u64);
        }
        assert_eq!(unsynced.runs.len(), RUNS_MAX);
        unsynced.synced_to(999);
        assert!(unsynced.bytes >= RUN_BYTES);
        unsynced.synced_to(1_000);
        assert_eq!((unsynced.bytes, unsynced.runs.capacity()), (0, 0));
    }
}
