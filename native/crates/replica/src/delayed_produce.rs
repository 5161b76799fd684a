//! Owns the produce requests of one partition that wait for its marks. Never knows who they are: a ticket stands for one.
//! Limit: `capacity` tickets; a request that finds it full is refused by the caller instead of parked.

use crate::leader::{Acks, Leader};

#[derive(Debug)]
struct Waiting<T> {
    end_offset: i64,
    acks: Acks,
    ticket: T,
}

#[derive(Debug)]
pub struct DelayedProduces<T> {
    waiting: Vec<Waiting<T>>,
    capacity: usize,
}

impl<T> DelayedProduces<T> {
    pub fn new(capacity: usize) -> DelayedProduces<T> {
        DelayedProduces {
            waiting: Vec::new(),
            capacity,
        }
    }

    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Parks `ticket` until every offset below `end_offset` is acknowledged. Hands it back when there is no room.
    pub fn park(&mut self, end_offset: i64, acks: Acks, ticket: T) -> Result<(), T> {
        assert!(acks != Acks::None, "acks=0 never waits");
        if self.waiting.len() >= self.capacity {
            return Err(ticket);
        }
        self.waiting.push(Waiting {
            end_offset,
            acks,
            ticket,
        });
        Ok(())
    }

    /// Moves every ticket whose offsets are acknowledged now to `released`, in the order they were parked.
    pub fn release(&mut self, leader: &Leader, released: &mut Vec<T>) {
        if self.waiting.is_empty() {
            return;
        }
        let for_leader = leader.acknowledged_end_offset(Acks::Leader);
        let for_all = leader.acknowledged_end_offset(Acks::All);
        let done = self.waiting.extract_if(.., |waiting| {
            waiting.end_offset
                <= if waiting.acks == Acks::All {
                    for_all
                } else {
                    for_leader
                }
        });
        released.extend(done.map(|waiting| waiting.ticket));
    }

    /// The partition is gone or failed: everyone waiting has to be told.
    pub fn take_all(&mut self, released: &mut Vec<T>) {
        released.extend(self.waiting.drain(..).map(|waiting| waiting.ticket));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flush_rules::{FlushPolicy, FlushRules};
    use crate::leader::{Appended, LeaderTerm};

    #[test]
    fn tickets_leave_in_order_as_the_sync_mark_moves() {
        let term = LeaderTerm {
            leader_epoch: 0,
            in_sync_replicas: 1,
            min_in_sync_replicas: 1,
        };
        let rules = FlushRules {
            policy: FlushPolicy::Sync,
            messages: u64::MAX,
            ms: u64::MAX,
        };
        let mut leader = Leader::new(term, rules, 0, 0, 0);
        let mut waiting = DelayedProduces::new(3);
        leader.on_append(&Appended {
            first_offset: 0,
            next_offset: 30,
            bytes: 30,
            has_acks_all: true,
            now_ms: 0,
        });
        for (end_offset, ticket) in [(10, 'a'), (20, 'b'), (30, 'c')] {
            waiting
                .park(end_offset, Acks::All, ticket)
                .expect("there is room for three");
        }
        assert_eq!(waiting.park(30, Acks::All, 'd'), Err('d'));
        let mut released = Vec::new();
        leader.on_synced(20);
        waiting.release(&leader, &mut released);
        assert_eq!(released, ['a', 'b']);
        leader.on_synced(30);
        waiting.release(&leader, &mut released);
        assert_eq!(released, ['a', 'b', 'c']);
        assert!(waiting.is_empty());
    }
}
