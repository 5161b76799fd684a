//! Owns how connections end on this reactor: marked and closed at the end of the turn, swept when silent or stuck, drained at shutdown.

use super::Reactor;
use crate::connection::{Pause, UnderWay};
use crate::metrics::Counter;
use crate::slab::Key;

impl Reactor {
    /// The connection is over; it is closed at the end of the turn, when nothing of it is staged any more.
    pub(super) fn end(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.is_closing = true;
            connection.has_failed = true;
            self.note_change(key);
        }
    }

    /// No more is read of the connection; what was asked before is answered, then it is closed.
    pub(super) fn end_when_answered(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.is_closing = true;
            self.note_change(key);
        }
    }

    /// Idle connections, and those that began a frame and do not go on.
    pub(super) fn sweep(&mut self) {
        let options = &self.shared.options;
        let (idle_ms, partial_ms) = (
            options.connections_max_idle_ms,
            options.partial_frame_max_ms,
        );
        let mut ended = Vec::new();
        for key in self.connections.keys() {
            let connection = self.connections.get(key).expect("a key just listed");
            let silent_ms = self.now_ms.saturating_sub(connection.last_active_ms);
            let is_partial = connection.receive.pending_bytes() > 0
                && connection.under_way == UnderWay::Nothing
                && connection.pause != Pause::Upcalls;
            if silent_ms > idle_ms {
                ended.push((key, Counter::ConnectionsIdleClosedTotal));
            } else if is_partial && silent_ms > partial_ms {
                ended.push((key, Counter::ConnectionsSlowClosedTotal));
            }
        }
        for (key, counter) in ended {
            self.metrics().count(counter);
            self.end(key);
        }
    }

    pub(super) fn start_draining(&mut self, deadline_ms: u64) {
        self.stop_listening();
        self.draining_until_ms = Some(deadline_ms);
        for fetch in self.fetches.keys().collect::<Vec<_>>() {
            self.expire_fetch(fetch);
        }
        for key in self.connections.keys().collect::<Vec<_>>() {
            if let Some(connection) = self.connections.get_mut(key) {
                connection.is_closing = true;
                // Its caller has stopped listening, or it would not drain.
                connection.has_failed |= connection.upcalled_slot.is_some();
            }
            self.note_change(key);
        }
    }

    pub(super) fn drain_step(&mut self) {
        if let Some(deadline_ms) = self.draining_until_ms
            && (self.connections.is_empty() || self.now_ms >= deadline_ms)
        {
            for key in self.connections.keys().collect::<Vec<_>>() {
                self.close(key);
            }
            self.draining_until_ms = None;
            self.shared.drained.count_down();
        }
    }
}
