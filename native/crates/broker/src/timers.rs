//! Owns the deadlines of one reactor. A timer is not cancelled: when it fires for something already gone, its key finds nothing.
//! Limit: as many timers of what is gone as there are others, or `GONE_MIN`. Clients name deadlines weeks away and are answered at once.

use crate::slab::Key;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Timer {
    FetchWait(Key),
    ProduceWait(Key),
    /// KIP-219: a throttled connection is read again.
    Unthrottle(Key),
    /// Accepting was paused because the process ran out of descriptors.
    Accept,
}

/// Timers that are not looked through for those of what is gone.
const GONE_MIN: usize = 4_096;

#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(u64, Timer)>>,
    /// How many there were after the last look.
    kept: usize,
}

impl Timers {
    pub fn set(&mut self, deadline_ms: u64, timer: Timer) {
        self.heap.push(Reverse((deadline_ms, timer)));
    }

    pub fn next_deadline_ms(&self) -> Option<u64> {
        self.heap
            .peek()
            .map(|Reverse((deadline_ms, _))| *deadline_ms)
    }

    pub fn pop_due(&mut self, now_ms: u64) -> Option<Timer> {
        if self.next_deadline_ms()? > now_ms {
            return None;
        }
        self.heap.pop().map(|Reverse((_, timer))| timer)
    }

    /// Lets go of timers that would find nothing, once so many were set that it is worth the look.
    pub fn forget_gone(&mut self, is_waited_for: impl Fn(&Timer) -> bool) {
        if self.heap.len() > 2 * self.kept + GONE_MIN {
            self.heap.retain(|Reverse((_, timer))| is_waited_for(timer));
            self.kept = self.heap.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_of_what_is_gone_do_not_pile_up() {
        let mut timers = Timers::default();
        let waiting = Key {
            index: 7,
            generation: 0,
        };
        timers.set(5_000_000, Timer::FetchWait(waiting));
        for generation in 1..100_000 {
            let answered = Key {
                index: 8,
                generation,
            };
            timers.set(u64::from(u32::MAX), Timer::FetchWait(answered));
            timers.forget_gone(|timer| *timer == Timer::FetchWait(waiting));
            assert!(timers.heap.len() <= GONE_MIN + 3);
        }
        assert_eq!(timers.pop_due(4_999_999), None);
        assert_eq!(timers.pop_due(5_000_000), Some(Timer::FetchWait(waiting)));
    }
}
