//! Owns the deadlines of one reactor. A timer is not cancelled: when it fires for something already gone, its key finds nothing.

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

#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(u64, Timer)>>,
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
}
