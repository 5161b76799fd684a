//! Owns the leader's marks of one partition: log start, log end, high watermark, last stable offset, sync mark.
//! Never reads the log or the clock.
//! Invariant: log start ≤ last stable offset ≤ high watermark ≤ log end, sync mark ≤ log end, and within one leader epoch the high
//! watermark, the last stable offset and the sync mark never move back. What acks=all still waits for on the disk lies behind the high watermark: no reader sees it sooner
//! than its producer is told (docs/decisions/0008-what-readers-see-before-the-disk.md).

use crate::flush_rules::{FlushRules, Held, SyncNeed, Unsynced};

/// What the controller says about one partition, as far as its leader needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaderTerm {
    pub leader_epoch: i32,
    pub in_sync_replicas: u32,
    pub min_in_sync_replicas: u32,
}

/// Which acknowledgement a producer asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    None,
    Leader,
    All,
}

/// What was put behind the log end.
#[derive(Debug, Clone, Copy)]
pub struct Appended {
    pub first_offset: i64,
    pub next_offset: i64,
    pub bytes: u64,
    /// One of its producers asked for acks=all.
    pub has_acks_all: bool,
    pub now_ms: u64,
}

/// Offsets from `from` to `to` are acknowledged as the sync mark passes them. Over when it has reached `to`.
#[derive(Debug, Clone, Copy, Default)]
struct Hold {
    from: i64,
    to: i64,
}

impl Hold {
    fn extend(&mut self, appended: &Appended, sync_mark: i64) {
        if sync_mark >= self.to {
            self.from = appended.first_offset;
        }
        self.to = appended.next_offset;
    }

    /// The end of what may be acknowledged.
    fn bound(&self, sync_mark: i64) -> i64 {
        if sync_mark >= self.to {
            i64::MAX
        } else {
            self.from.max(sync_mark)
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EpochMismatch {
    /// The client's epoch is older than ours: FENCED_LEADER_EPOCH.
    Fenced,
    /// The client knows a newer leader than we do: UNKNOWN_LEADER_EPOCH.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotEnoughReplicas {
    pub in_sync: u32,
    pub required: u32,
}

#[derive(Debug, Clone)]
pub struct Leader {
    term: LeaderTerm,
    flush_rules: FlushRules,
    log_start_offset: i64,
    log_end_offset: i64,
    high_watermark: i64,
    sync_mark: i64,
    unsynced: Unsynced,
    /// What acks=all waits for; what acks=1 waits for is part of it.
    held: Hold,
    held_from_all: Hold,
    /// The highest last stable offset named so far.
    stable_mark: i64,
    /// Transactions that are decided, but whose marker the high watermark has not passed: first offset and the marker's.
    unreplicated: Vec<(i64, i64)>,
}

impl Leader {
    /// Takes over a log as it was found on disk. With nobody else in sync every byte we hold is committed at once;
    /// otherwise the checkpointed high watermark is the last thing we may claim.
    pub fn new(
        term: LeaderTerm,
        flush_rules: FlushRules,
        log_start_offset: i64,
        log_end_offset: i64,
        high_watermark_checkpoint: i64,
    ) -> Leader {
        assert!(
            log_start_offset >= 0,
            "a log starts at a non-negative offset"
        );
        assert!(
            log_start_offset <= log_end_offset,
            "a log never ends before it starts"
        );
        let high_watermark = if term.in_sync_replicas <= 1 {
            log_end_offset
        } else {
            high_watermark_checkpoint.clamp(log_start_offset, log_end_offset)
        };
        Leader {
            term,
            flush_rules,
            log_start_offset,
            log_end_offset,
            high_watermark,
            sync_mark: log_end_offset,
            unsynced: Unsynced::default(),
            held: Hold::default(),
            held_from_all: Hold::default(),
            stable_mark: log_start_offset,
            unreplicated: Vec::new(),
        }
    }

    pub fn term(&self) -> LeaderTerm {
        self.term
    }

    pub fn log_start_offset(&self) -> i64 {
        self.log_start_offset
    }

    pub fn log_end_offset(&self) -> i64 {
        self.log_end_offset
    }

    pub fn high_watermark(&self) -> i64 {
        self.high_watermark
    }

    /// How far readers of committed records may go: up to the oldest transaction that is open, or decided by a marker behind the high
    /// watermark. `first_open_offset` is what the log says of the open ones.
    pub fn last_stable_offset(&mut self, first_open_offset: Option<i64>) -> i64 {
        let undecided = self.unreplicated.iter().map(|(first, _)| *first);
        let first_unstable = undecided.chain(first_open_offset).min();
        let stable = first_unstable.map_or(self.high_watermark, |first| {
            first.max(self.log_start_offset).min(self.high_watermark)
        });
        // A log that cannot be read whole any more may tell less than it did. What was called stable stays so.
        self.stable_mark = self.stable_mark.max(stable);
        self.stable_mark
    }

    /// Markers were appended: each with the first offset of its transaction and its own.
    pub fn on_transactions_completed(&mut self, completed: impl Iterator<Item = (i64, i64)>) {
        self.unreplicated.extend(completed);
        self.forget_replicated();
    }

    fn forget_replicated(&mut self) {
        let high_watermark = self.high_watermark;
        self.unreplicated
            .retain(|(_, marker_offset)| *marker_offset >= high_watermark);
    }

    pub fn sync_mark(&self) -> i64 {
        self.sync_mark
    }

    /// A new term published from above. Epochs only rise; a stale publication is ignored.
    pub fn on_term(&mut self, term: LeaderTerm) {
        if term.leader_epoch < self.term.leader_epoch {
            return;
        }
        self.term = term;
        self.advance_high_watermark();
    }

    /// Holds for what is appended from now on; who waits already goes on waiting for the sync that is under way.
    pub fn set_flush_rules(&mut self, flush_rules: FlushRules) {
        self.flush_rules = flush_rules;
    }

    /// KIP-320: -1 means the client does not know an epoch and takes any.
    pub fn check_epoch(&self, claimed_epoch: i32) -> Result<(), EpochMismatch> {
        match claimed_epoch {
            -1 => Ok(()),
            epoch if epoch < self.term.leader_epoch => Err(EpochMismatch::Fenced),
            epoch if epoch > self.term.leader_epoch => Err(EpochMismatch::Unknown),
            _ => Ok(()),
        }
    }

    /// Before an append: with acks=all the write is refused while fewer replicas than promised could keep it.
    pub fn check_replicas(&self, acks: Acks) -> Result<(), NotEnoughReplicas> {
        if acks == Acks::All && self.term.in_sync_replicas < self.term.min_in_sync_replicas {
            return Err(NotEnoughReplicas {
                in_sync: self.term.in_sync_replicas,
                required: self.term.min_in_sync_replicas,
            });
        }
        Ok(())
    }

    /// The log now holds these batches behind everything it held before. Says when they want a sync.
    pub fn on_append(&mut self, appended: &Appended) -> SyncNeed {
        assert!(
            appended.first_offset == self.log_end_offset,
            "an append must be contiguous with the log end"
        );
        assert!(
            appended.next_offset > appended.first_offset,
            "an append adds at least one offset"
        );
        self.log_end_offset = appended.next_offset;
        self.unsynced
            .add(appended.next_offset, appended.bytes, appended.now_ms);
        let unsynced_offsets = self.log_end_offset.abs_diff(self.sync_mark);
        let held = self.flush_rules.on_append(
            &self.unsynced,
            unsynced_offsets,
            appended.has_acks_all,
            appended.now_ms,
        );
        if held != Held::Nobody {
            self.held.extend(appended, self.sync_mark);
        }
        if held == Held::Everybody {
            self.held_from_all.extend(appended, self.sync_mark);
        }
        self.advance_high_watermark();
        if held == Held::Nobody {
            self.sync_need()
        } else {
            SyncNeed::Now
        }
    }

    /// `fdatasync` covered every offset below `synced_end_offset`.
    pub fn on_synced(&mut self, synced_end_offset: i64) {
        assert!(
            synced_end_offset <= self.log_end_offset,
            "nothing past the log end can have been synced"
        );
        self.sync_mark = self.sync_mark.max(synced_end_offset);
        self.unsynced.synced_to(self.sync_mark);
        self.advance_high_watermark();
    }

    /// When what is not synced yet wants a sync, were nothing more appended.
    pub fn sync_need(&self) -> SyncNeed {
        if self.held.to > self.sync_mark {
            SyncNeed::Now
        } else {
            self.flush_rules.need(&self.unsynced)
        }
    }

    /// Records before `offset` are gone (DeleteRecords or retention). Never moves back, never passes the high watermark.
    pub fn on_log_start(&mut self, offset: i64) {
        assert!(
            offset <= self.high_watermark,
            "the log start never passes the high watermark"
        );
        self.log_start_offset = self.log_start_offset.max(offset);
    }

    /// Every offset below the answer is kept as well as `acks` asks for.
    pub fn acknowledged_end_offset(&self, acks: Acks) -> i64 {
        match acks {
            Acks::None => i64::MAX,
            Acks::Leader => self
                .log_end_offset
                .min(self.held_from_all.bound(self.sync_mark)),
            Acks::All => self.high_watermark,
        }
    }

    fn advance_high_watermark(&mut self) {
        // Followers are not fetched from in this form of the leader: with others in sync the mark stands still.
        if self.term.in_sync_replicas <= 1 {
            let kept = self.log_end_offset.min(self.held.bound(self.sync_mark));
            self.high_watermark = self.high_watermark.max(kept);
            self.forget_replicated();
        }
        assert!(
            self.high_watermark <= self.log_end_offset,
            "the high watermark never passes the log end"
        );
    }
}

#[cfg(test)]
#[path = "leader_tests.rs"]
mod tests;
