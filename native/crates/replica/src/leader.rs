//! Owns the leader's marks of one partition: log start, log end, high watermark, sync mark.
//! Never reads the log or the clock.
//! Invariant: log start ≤ high watermark ≤ log end, sync mark ≤ log end, and within one leader epoch the high watermark
//! and the sync mark never move back.

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

/// When bytes count as kept. `Replicated` is Kafka's own rule (page cache on enough replicas);
/// `Synced` also waits until this replica's `fdatasync` covers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckPolicy {
    Replicated,
    Synced,
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
    ack_policy: AckPolicy,
    log_start_offset: i64,
    log_end_offset: i64,
    high_watermark: i64,
    sync_mark: i64,
}

impl Leader {
    /// Takes over a log as it was found on disk. With nobody else in sync every byte we hold is committed at once;
    /// otherwise the checkpointed high watermark is the last thing we may claim.
    pub fn new(
        term: LeaderTerm,
        ack_policy: AckPolicy,
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
            ack_policy,
            log_start_offset,
            log_end_offset,
            high_watermark,
            sync_mark: log_end_offset,
        }
    }

    pub fn term(&self) -> LeaderTerm {
        self.term
    }

    pub fn ack_policy(&self) -> AckPolicy {
        self.ack_policy
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

    /// Without transactions nothing is undecided, so readers of committed data may go as far as everyone else.
    pub fn last_stable_offset(&self) -> i64 {
        self.high_watermark
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

    pub fn set_ack_policy(&mut self, ack_policy: AckPolicy) {
        self.ack_policy = ack_policy;
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

    /// The log now holds `[first_offset, next_offset)` behind everything it held before.
    pub fn on_append(&mut self, first_offset: i64, next_offset: i64) {
        assert!(
            first_offset == self.log_end_offset,
            "an append must be contiguous with the log end"
        );
        assert!(
            next_offset > first_offset,
            "an append adds at least one offset"
        );
        self.log_end_offset = next_offset;
        self.advance_high_watermark();
    }

    /// `fdatasync` covered every offset below `synced_end_offset`.
    pub fn on_synced(&mut self, synced_end_offset: i64) {
        assert!(
            synced_end_offset <= self.log_end_offset,
            "nothing past the log end can have been synced"
        );
        self.sync_mark = self.sync_mark.max(synced_end_offset);
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
        let replicated = match acks {
            Acks::None => return i64::MAX,
            Acks::Leader => self.log_end_offset,
            Acks::All => self.high_watermark,
        };
        match self.ack_policy {
            AckPolicy::Replicated => replicated,
            AckPolicy::Synced => replicated.min(self.sync_mark),
        }
    }

    fn advance_high_watermark(&mut self) {
        // Followers are not fetched from in this form of the leader: with others in sync the mark stands still.
        if self.term.in_sync_replicas <= 1 {
            self.high_watermark = self.log_end_offset;
        }
        assert!(
            self.high_watermark <= self.log_end_offset,
            "the high watermark never passes the log end"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone(epoch: i32) -> LeaderTerm {
        LeaderTerm {
            leader_epoch: epoch,
            in_sync_replicas: 1,
            min_in_sync_replicas: 1,
        }
    }

    #[test]
    fn a_lone_replica_commits_what_it_appends() {
        let mut leader = Leader::new(alone(3), AckPolicy::Replicated, 0, 10, 0);
        assert_eq!(leader.high_watermark(), 10);
        leader.on_append(10, 15);
        assert_eq!((leader.high_watermark(), leader.log_end_offset()), (15, 15));
        assert_eq!(leader.acknowledged_end_offset(Acks::All), 15);
    }

    #[test]
    fn synced_policy_waits_for_the_sync_mark() {
        let mut leader = Leader::new(alone(0), AckPolicy::Synced, 0, 0, 0);
        leader.on_append(0, 5);
        assert_eq!(leader.acknowledged_end_offset(Acks::All), 0);
        assert_eq!(leader.acknowledged_end_offset(Acks::Leader), 0);
        leader.on_synced(5);
        assert_eq!(leader.acknowledged_end_offset(Acks::All), 5);
    }

    #[test]
    fn the_high_watermark_stands_still_while_others_are_in_sync() {
        let term = LeaderTerm {
            leader_epoch: 0,
            in_sync_replicas: 2,
            min_in_sync_replicas: 2,
        };
        let mut leader = Leader::new(term, AckPolicy::Replicated, 0, 10, 4);
        leader.on_append(10, 12);
        assert_eq!(leader.high_watermark(), 4);
        leader.on_term(LeaderTerm {
            leader_epoch: 1,
            in_sync_replicas: 1,
            min_in_sync_replicas: 2,
        });
        assert_eq!(leader.high_watermark(), 12);
        assert!(leader.check_replicas(Acks::All).is_err());
        assert!(leader.check_replicas(Acks::Leader).is_ok());
    }

    #[test]
    fn epochs_are_fenced_both_ways() {
        let leader = Leader::new(alone(4), AckPolicy::Replicated, 0, 0, 0);
        assert_eq!(leader.check_epoch(3), Err(EpochMismatch::Fenced));
        assert_eq!(leader.check_epoch(5), Err(EpochMismatch::Unknown));
        assert_eq!(leader.check_epoch(4), Ok(()));
        assert_eq!(leader.check_epoch(-1), Ok(()));
    }

    #[test]
    #[should_panic(expected = "contiguous")]
    fn an_append_with_a_hole_is_a_bug() {
        Leader::new(alone(0), AckPolicy::Replicated, 0, 5, 5).on_append(6, 7);
    }
}
