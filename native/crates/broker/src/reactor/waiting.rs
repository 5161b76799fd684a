//! Owns how long the reactor sleeps, and the bounded spin before it does.
//! Invariant: it sleeps only after announcing so to its inbox, and never past the next deadline.

use super::Reactor;
use millrace_host::Instant;
use millrace_host::net::Events;
use std::io;
use std::time::Duration;

/// How soon a connection that found no memory tries again.
const MEMORY_RETRY_MS: u64 = 10;

impl Reactor {
    pub(super) fn wait(&mut self, events: &mut Events) -> io::Result<()> {
        let has_work = !self.unsent.is_empty() || !self.resumed.is_empty();
        let spin_us = self.shared.options.spin_us;
        if !has_work
            && spin_us > 0
            && (!self.fetches.is_empty() || !self.produces.is_empty())
            && self.spin(events, spin_us)?
        {
            return Ok(());
        }
        let timeout = if has_work || !self.inbox.prepare_sleep() {
            Duration::ZERO
        } else {
            self.sleep_time()
        };
        self.poller.wait(events, Some(timeout))?;
        self.inbox.awake();
        self.events.clear();
        self.events.extend(events.iter());
        Ok(())
    }

    /// Looks for events without sleeping. True when there were some.
    fn spin(&mut self, events: &mut Events, spin_us: u64) -> io::Result<bool> {
        let until = Instant::now() + Duration::from_micros(spin_us);
        self.events.clear();
        while Instant::now() < until {
            self.poller.wait(events, Some(Duration::ZERO))?;
            if !events.is_empty() || self.inbox.has_messages() {
                self.events.extend(events.iter());
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn sleep_time(&self) -> Duration {
        let mut until_ms = self.next_sweep_ms;
        if let Some(deadline_ms) = self.timers.next_deadline_ms() {
            until_ms = until_ms.min(deadline_ms);
        }
        if let Some(deadline_ms) = self.draining_until_ms {
            until_ms = until_ms.min(deadline_ms);
        }
        if !self.waiting_for_memory.is_empty() {
            until_ms = until_ms.min(self.now_ms + MEMORY_RETRY_MS);
        }
        Duration::from_millis(until_ms.saturating_sub(Instant::now().millis()))
    }
}
