//! Owns an eventfd that wakes a `Poller` from another thread. Register it for reading; call `drain` when it fires.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;

/// Cheap to clone; clones wake the same poller.
#[derive(Clone, Debug)]
pub struct Waker {
    eventfd: Arc<OwnedFd>,
}

impl Waker {
    pub fn new() -> io::Result<Waker> {
        let eventfd = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Waker {
            eventfd: Arc::new(eventfd),
        })
    }

    /// Makes the eventfd readable. Any number of wakes before a `drain` count as one.
    pub fn wake(&self) {
        loop {
            match rustix::io::write(&self.eventfd, &1u64.to_ne_bytes()) {
                // EAGAIN: the counter is at its maximum, so the reader is already due to wake.
                Ok(_) | Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => {}
                Err(error) => panic!("writing to an eventfd we own failed: {error}"),
            }
        }
    }

    /// Clears pending wakes. Call before looking at the queues the wake announces, never after.
    pub fn drain(&self) {
        let mut counter = [0; 8];
        loop {
            match rustix::io::read(&self.eventfd, &mut counter) {
                Ok(_) | Err(Errno::AGAIN) => return,
                Err(Errno::INTR) => {}
                Err(error) => panic!("reading an eventfd we own failed: {error}"),
            }
        }
    }
}

impl AsFd for Waker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.eventfd.as_fd()
    }
}
