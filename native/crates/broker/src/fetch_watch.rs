//! Owns the tie between a parked fetch and the partitions it waits for. Never answers anything: it sends the reactor a message.

use crate::inbox::{Inbox, Message};
use crate::slab::Key;
use millrace_replica::FetchGoal;
use std::sync::Arc;

/// One parking of one fetch. Every partition it waits for holds a reference; a later parking is another watch.
#[derive(Debug)]
pub struct FetchWatch {
    pub goal: FetchGoal,
    pub inbox: Arc<Inbox>,
    pub fetch: Key,
}

impl FetchWatch {
    pub fn wake(&self) {
        self.inbox.push(Message::FetchReady { fetch: self.fetch });
    }
}

/// The fetches that wait for one partition.
#[derive(Debug, Default)]
pub struct FetchWatches(Vec<Arc<FetchWatch>>);

impl FetchWatches {
    /// Fetches that were answered meanwhile are dropped here, so the list stays as long as there are readers.
    pub fn add(&mut self, watch: &Arc<FetchWatch>) {
        self.0.retain(|known| !known.goal.is_met());
        self.0.push(Arc::clone(watch));
    }

    /// Collects the watches whose goal these bytes complete.
    pub fn on_appended(&mut self, bytes: i64, woken: &mut Vec<Arc<FetchWatch>>) {
        self.0.retain(|watch| {
            if watch.goal.on_appended(bytes) {
                woken.push(Arc::clone(watch));
            }
            !watch.goal.is_met()
        });
    }

    /// The partition changed: everyone has to look again.
    pub fn give_up(&mut self, woken: &mut Vec<Arc<FetchWatch>>) {
        woken.extend(self.0.drain(..).filter(|watch| watch.goal.give_up()));
    }
}
