//! Owns how much one fetch may take and when a waiting fetch has enough. Never reads a log.
//! Limits: a fetch never takes more than its own maximum, except one whole batch when it would otherwise take nothing.

use std::sync::atomic::{AtomicI64, Ordering};

/// What one partition of a fetch may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchAllowance {
    pub max_bytes: u32,
    /// KIP-74: the first batch of the first non-empty partition is returned even if it is larger than every limit.
    pub min_one_batch: bool,
}

/// The byte limit of one fetch, spent partition by partition in request order.
#[derive(Debug)]
pub struct FetchBudget {
    left_bytes: i64,
    taken_bytes: i64,
}

impl FetchBudget {
    pub fn new(max_bytes: i32) -> FetchBudget {
        FetchBudget {
            left_bytes: i64::from(max_bytes.max(0)),
            taken_bytes: 0,
        }
    }

    pub fn allowance(&self, partition_max_bytes: i32) -> FetchAllowance {
        let max_bytes = i64::from(partition_max_bytes.max(0)).min(self.left_bytes);
        FetchAllowance {
            max_bytes: u32::try_from(max_bytes).expect("a fetch limit is a non-negative i32"),
            min_one_batch: self.taken_bytes == 0,
        }
    }

    pub fn take(&mut self, bytes: u32) {
        self.taken_bytes += i64::from(bytes);
        self.left_bytes = (self.left_bytes - i64::from(bytes)).max(0);
    }

    pub fn taken_bytes(&self) -> i64 {
        self.taken_bytes
    }
}

/// What a parked fetch still misses. Shared by all its partitions; each append to one of them brings it nearer.
/// Invariant: `on_appended` answers true at most once, so a fetch is woken at most once per parking.
#[derive(Debug)]
pub struct FetchGoal {
    missing_bytes: AtomicI64,
}

impl FetchGoal {
    /// A goal that was already met must not be parked.
    pub fn new(min_bytes: i64, found_bytes: i64) -> FetchGoal {
        let missing_bytes = min_bytes - found_bytes;
        assert!(
            missing_bytes > 0,
            "a fetch that has enough is answered, not parked"
        );
        FetchGoal {
            missing_bytes: AtomicI64::new(missing_bytes),
        }
    }

    /// True when this append is the one that completes the goal.
    pub fn on_appended(&self, bytes: i64) -> bool {
        let before = self.missing_bytes.fetch_sub(bytes, Ordering::AcqRel);
        before > 0 && before <= bytes
    }

    /// The partition changed under the fetch (deleted, failed, new leader): it must answer now. True unless it was woken before.
    pub fn give_up(&self) -> bool {
        self.missing_bytes.swap(0, Ordering::AcqRel) > 0
    }

    pub fn is_met(&self) -> bool {
        self.missing_bytes.load(Ordering::Acquire) <= 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_non_empty_partition_may_exceed_the_limit() {
        let mut budget = FetchBudget::new(100);
        assert_eq!(
            budget.allowance(40),
            FetchAllowance {
                max_bytes: 40,
                min_one_batch: true
            }
        );
        budget.take(0);
        assert!(budget.allowance(40).min_one_batch);
        budget.take(150);
        assert_eq!(
            budget.allowance(40),
            FetchAllowance {
                max_bytes: 0,
                min_one_batch: false
            }
        );
        assert_eq!(
            FetchBudget::new(-5).allowance(-1),
            FetchAllowance {
                max_bytes: 0,
                min_one_batch: true
            }
        );
    }

    #[test]
    fn a_goal_wakes_its_fetch_once() {
        let goal = FetchGoal::new(10, 3);
        assert!(!goal.on_appended(6));
        assert!(!goal.is_met());
        assert!(goal.on_appended(1));
        assert!(!goal.on_appended(5));
        assert!(!goal.give_up());
        let goal = FetchGoal::new(1, 0);
        assert!(goal.give_up());
        assert!(!goal.on_appended(1));
    }
}
