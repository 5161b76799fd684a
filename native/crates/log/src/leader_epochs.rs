//! Owns the leader-epoch cache of a partition: at which offset each leader epoch began. Never reads the log.
//!
//! ```text
//! leader-epoch-checkpoint, text:
//! 0                 version
//! 2                 number of entries
//! 0 0               epoch, start offset
//! 3 1042
//! ```
//! Invariant: epochs and start offsets both grow strictly.

use std::fmt::Write;

/// `end_offset_for` has no answer: Kafka's undefined epoch and offset.
pub const NO_EPOCH_END: EpochEndOffset = EpochEndOffset {
    leader_epoch: -1,
    end_offset: -1,
};

const VERSION: &str = "0";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochEndOffset {
    pub leader_epoch: i32,
    pub end_offset: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    leader_epoch: i32,
    start_offset: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeaderEpochs {
    entries: Vec<Entry>,
}

impl LeaderEpochs {
    /// None when the text is not a checkpoint: the cache is then rebuilt from the log.
    pub fn parse(text: &[u8]) -> Option<LeaderEpochs> {
        let mut lines = std::str::from_utf8(text).ok()?.lines();
        if lines.next()? != VERSION {
            return None;
        }
        let count: usize = lines.next()?.trim().parse().ok()?;
        let mut epochs = LeaderEpochs::default();
        for line in lines {
            let (epoch, start) = line.split_once(' ')?;
            let entry = Entry {
                leader_epoch: epoch.parse().ok()?,
                start_offset: start.trim().parse().ok()?,
            };
            let ascends = epochs.entries.last().is_none_or(|last| {
                last.leader_epoch < entry.leader_epoch && last.start_offset < entry.start_offset
            });
            if entry.leader_epoch < 0 || entry.start_offset < 0 || !ascends {
                return None;
            }
            epochs.entries.push(entry);
        }
        (epochs.entries.len() == count).then_some(epochs)
    }

    pub fn to_text(&self) -> String {
        let mut text = format!("{VERSION}\n{}\n", self.entries.len());
        for entry in &self.entries {
            writeln!(text, "{} {}", entry.leader_epoch, entry.start_offset)
                .expect("writing to a string never fails");
        }
        text
    }

    pub fn latest_epoch(&self) -> Option<i32> {
        self.entries.last().map(|entry| entry.leader_epoch)
    }

    pub(crate) fn latest_start_offset(&self) -> Option<i64> {
        self.entries.last().map(|entry| entry.start_offset)
    }

    /// Notes that a batch of `leader_epoch` begins at `start_offset`; says whether anything changed.
    /// An older epoch is ignored: its batches lie inside what is known. Entries that the new one contradicts go.
    pub fn assign(&mut self, leader_epoch: i32, start_offset: i64) -> bool {
        if leader_epoch < 0
            || self
                .latest_epoch()
                .is_some_and(|latest| latest >= leader_epoch)
        {
            return false;
        }
        self.entries
            .retain(|entry| entry.start_offset < start_offset);
        self.entries.push(Entry {
            leader_epoch,
            start_offset,
        });
        true
    }

    /// Where the requested epoch ended, for a follower or consumer that was last there: Kafka's OffsetForLeaderEpoch rules.
    pub fn end_offset_for(&self, requested_epoch: i32, log_end_offset: i64) -> EpochEndOffset {
        if requested_epoch < 0 {
            return NO_EPOCH_END;
        }
        if self.latest_epoch() == Some(requested_epoch) {
            return EpochEndOffset {
                leader_epoch: requested_epoch,
                end_offset: log_end_offset,
            };
        }
        let higher = self
            .entries
            .partition_point(|entry| entry.leader_epoch <= requested_epoch);
        // An epoch newer than any known one: this replica cannot say.
        let Some(next) = self.entries.get(higher) else {
            return NO_EPOCH_END;
        };
        let leader_epoch = if higher == 0 {
            requested_epoch
        } else {
            self.entries[higher - 1].leader_epoch
        };
        EpochEndOffset {
            leader_epoch,
            end_offset: next.start_offset,
        }
    }

    /// The epoch of the record at `offset`.
    pub fn epoch_at(&self, offset: i64) -> Option<i32> {
        let after = self
            .entries
            .partition_point(|entry| entry.start_offset <= offset);
        after
            .checked_sub(1)
            .map(|index| self.entries[index].leader_epoch)
    }

    /// The log now ends at `end_offset`; says whether anything changed.
    pub fn truncate_from_end(&mut self, end_offset: i64) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.start_offset < end_offset);
        self.entries.len() != before
    }

    /// The log now starts at `start_offset`: the epoch that covers it starts there, older ones go. Says whether anything changed.
    pub fn truncate_from_start(&mut self, start_offset: i64) -> bool {
        let covering = self
            .entries
            .partition_point(|entry| entry.start_offset <= start_offset);
        let Some(covering) = covering.checked_sub(1) else {
            return false;
        };
        let changed = covering > 0 || self.entries[0].start_offset != start_offset;
        self.entries.drain(..covering);
        self.entries[0].start_offset = start_offset;
        changed
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// (epoch, start offset), ascending.
    pub fn iter(&self) -> impl Iterator<Item = (i32, i64)> + '_ {
        self.entries
            .iter()
            .map(|entry| (entry.leader_epoch, entry.start_offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn epochs(entries: &[(i32, i64)]) -> LeaderEpochs {
        let mut epochs = LeaderEpochs::default();
        for &(epoch, start) in entries {
            epochs.assign(epoch, start);
        }
        epochs
    }

    fn end(leader_epoch: i32, end_offset: i64) -> EpochEndOffset {
        EpochEndOffset {
            leader_epoch,
            end_offset,
        }
    }

    #[test]
    fn text_is_kafkas() {
        assert_eq!(
            epochs(&[(0, 0), (3, 1042)]).to_text(),
            "0\n2\n0 0\n3 1042\n"
        );
        assert_eq!(
            LeaderEpochs::parse(b"0\n2\n0 0\n3 1042\n"),
            Some(epochs(&[(0, 0), (3, 1042)]))
        );
        assert_eq!(
            LeaderEpochs::parse(b"0\n0\n"),
            Some(LeaderEpochs::default())
        );
        for text in [
            "",
            "1\n0\n",
            "0\n2\n0 0\n",
            "0\n1\n0\n",
            "0\n2\n3 0\n0 5\n",
            "0\n1\n-1 0\n",
            "0\n1\nx y\n",
        ] {
            assert_eq!(LeaderEpochs::parse(text.as_bytes()), None, "{text:?}");
        }
    }

    #[test]
    fn end_offsets_follow_kafkas_rules() {
        let epochs = epochs(&[(2, 10), (4, 20), (7, 30)]);
        assert_eq!(epochs.end_offset_for(7, 99), end(7, 99));
        assert_eq!(epochs.end_offset_for(4, 99), end(4, 30));
        assert_eq!(epochs.end_offset_for(5, 99), end(4, 30));
        assert_eq!(epochs.end_offset_for(0, 99), end(0, 10));
        assert_eq!(epochs.end_offset_for(8, 99), NO_EPOCH_END);
        assert_eq!(epochs.end_offset_for(-1, 99), NO_EPOCH_END);
        assert_eq!(LeaderEpochs::default().end_offset_for(0, 99), NO_EPOCH_END);
    }

    #[test]
    fn a_newer_epoch_removes_what_it_contradicts_and_an_older_one_is_ignored() {
        let mut cache = epochs(&[(0, 0), (1, 10), (2, 20)]);
        assert!(!cache.assign(1, 30));
        assert!(cache.assign(5, 10));
        assert_eq!(cache, epochs(&[(0, 0), (5, 10)]));
    }

    #[test]
    fn truncation_keeps_the_covering_epoch() {
        let mut cache = epochs(&[(0, 0), (1, 10), (2, 20)]);
        assert!(cache.truncate_from_start(15));
        assert_eq!(cache, epochs(&[(1, 15), (2, 20)]));
        assert!(!cache.truncate_from_start(15));
        assert!(cache.truncate_from_end(20));
        assert_eq!(cache, epochs(&[(1, 15)]));
        assert_eq!((cache.epoch_at(14), cache.epoch_at(15)), (None, Some(1)));
    }
}
