//! Owns one epoll instance. Level-triggered unless the interest says edge.
//! Invariant: a token is whatever the caller chose; the poller never interprets it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};

/// What to be woken for. Peer shutdown (EPOLLRDHUP), errors and hang-ups are always reported, except under `NONE`, which still reports the last two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest(epoll::EventFlags);

impl Interest {
    /// Stay registered, hear only of errors: the way to stop reading a connection (backpressure) without losing its slot.
    pub const NONE: Interest = Interest(epoll::EventFlags::empty());
    /// Hear of the peer's shutdown too: for a connection whose unread bytes matter to nobody.
    pub const CLOSE: Interest = Interest(epoll::EventFlags::RDHUP);
    pub const READ: Interest = Interest(epoll::EventFlags::IN.union(epoll::EventFlags::RDHUP));
    pub const WRITE: Interest = Interest(epoll::EventFlags::OUT.union(epoll::EventFlags::RDHUP));
    pub const READ_WRITE: Interest = Interest(Interest::READ.0.union(Interest::WRITE.0));

    /// The same interest, reported once per change instead of as long as it holds.
    pub const fn edge(self) -> Interest {
        Interest(self.0.union(epoll::EventFlags::ET))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    pub token: u64,
    pub readable: bool,
    pub writable: bool,
    /// The peer has shut down its sending side; bytes it sent before may still be readable.
    pub read_closed: bool,
    /// The socket failed or both directions are closed.
    pub failed: bool,
}

/// The reusable list `Poller::wait` fills.
pub struct Events {
    list: Vec<epoll::Event>,
    capacity: usize,
}

impl Events {
    pub fn with_capacity(capacity: usize) -> Events {
        assert!(capacity > 0, "waiting for no events would never return any");
        Events {
            list: Vec::with_capacity(capacity),
            capacity,
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = Event> + '_ {
        self.list.iter().map(|event| {
            let flags = event.flags;
            Event {
                token: event.data.u64(),
                readable: flags.intersects(epoll::EventFlags::IN),
                writable: flags.intersects(epoll::EventFlags::OUT),
                read_closed: flags.intersects(epoll::EventFlags::RDHUP | epoll::EventFlags::HUP),
                failed: flags.intersects(epoll::EventFlags::ERR | epoll::EventFlags::HUP),
            }
        })
    }

    pub fn len(&self) -> usize {
        self.list.len()
    }

    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

pub struct Poller {
    epoll: OwnedFd,
}

impl Poller {
    pub fn new() -> io::Result<Poller> {
        Ok(Poller {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
        })
    }

    pub fn add(&self, source: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(
            &self.epoll,
            source,
            epoll::EventData::new_u64(token),
            interest.0,
        )?)
    }

    pub fn modify(&self, source: impl AsFd, token: u64, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(
            &self.epoll,
            source,
            epoll::EventData::new_u64(token),
            interest.0,
        )?)
    }

    pub fn remove(&self, source: impl AsFd) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, source)?)
    }

    /// Waits for events, at most `timeout` (rounded up to a millisecond, except that zero polls); None waits without limit.
    /// A signal ends the wait early with no events.
    pub fn wait(&self, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
        events.list.clear();
        events.list.reserve_exact(events.capacity);
        let timeout = timeout.map(whole_milliseconds);
        match epoll::wait(
            &self.epoll,
            spare_capacity(&mut events.list),
            timeout.as_ref(),
        ) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// epoll_wait counts in milliseconds up to i32::MAX; rounding down would turn a short timer into a busy loop.
fn whole_milliseconds(timeout: Duration) -> Timespec {
    const MILLIS_MAX: u128 = i32::MAX as u128;
    let millis = timeout.as_nanos().div_ceil(1_000_000).min(MILLIS_MAX) as i64;
    Timespec {
        tv_sec: millis / 1_000,
        tv_nsec: (millis % 1_000) * 1_000_000,
    }
}
