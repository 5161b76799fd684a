//! Owns what other threads hand to one reactor.
//! Invariant: a message pushed before the reactor sleeps is seen before it sleeps; one pushed while it sleeps wakes it.
//! A reactor that is awake is never signalled: that would cost both sides a syscall for nothing.

use crate::slab::Key;
use millrace_host::net::{TcpSocket, Waker};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

#[derive(Debug)]
pub enum Message {
    Connection {
        socket: TcpSocket,
        peer: SocketAddr,
        listener: u16,
    },
    /// Response header and body for an upcalled request.
    Respond {
        token: u64,
        payload: Vec<u8>,
        throttle_ms: u32,
    },
    RespondNone {
        token: u64,
    },
    CloseConnection {
        token: u64,
    },
    /// A whole frame made on another thread for a request of this reactor.
    Answer {
        connection: Key,
        slot: u32,
        frame: Vec<u8>,
    },
    FetchReady {
        fetch: Key,
    },
    ProduceAcked {
        part: crate::apis::produce::ProducePart,
        error_code: i16,
    },
    /// What became of a batch that was prepared on another thread.
    ProduceResult {
        part: crate::apis::produce::ProducePart,
        result: crate::apis::produce::PartResult,
        is_acknowledged: bool,
        explanation: Option<Box<crate::apis::produce::Explanation>>,
    },
    /// The upcall queue has room again.
    UpcallsTaken,
    Drain {
        deadline_ms: u64,
    },
    Stop,
}

#[derive(Debug)]
pub struct Inbox {
    queue: Mutex<Vec<Message>>,
    sleeping: AtomicBool,
    waker: Waker,
}

impl Inbox {
    pub fn new() -> io::Result<Inbox> {
        Ok(Inbox {
            queue: Mutex::new(Vec::new()),
            sleeping: AtomicBool::new(false),
            waker: Waker::new()?,
        })
    }

    pub fn waker(&self) -> &Waker {
        &self.waker
    }

    pub fn push(&self, message: Message) {
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(message);
        if self.sleeping.swap(false, Ordering::SeqCst) {
            self.waker.wake();
        }
    }

    /// Swaps the waiting messages into `taken`, which must be empty: its room is reused for the next ones.
    pub fn take(&self, taken: &mut Vec<Message>) {
        assert!(taken.is_empty(), "the last messages were handled");
        std::mem::swap(
            &mut *self.queue.lock().unwrap_or_else(PoisonError::into_inner),
            taken,
        );
    }

    pub fn has_messages(&self) -> bool {
        !self
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }

    /// Announces that the reactor is about to sleep. False when there is something to do instead.
    pub fn prepare_sleep(&self) -> bool {
        self.sleeping.store(true, Ordering::SeqCst);
        let is_empty = self
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty();
        if !is_empty {
            self.sleeping.store(false, Ordering::SeqCst);
        }
        is_empty
    }

    pub fn awake(&self) {
        self.sleeping.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reactor_with_messages_does_not_sleep() {
        let inbox = Inbox::new().expect("an eventfd");
        assert!(inbox.prepare_sleep());
        inbox.push(Message::Stop);
        assert!(!inbox.prepare_sleep());
        let mut taken = Vec::new();
        inbox.take(&mut taken);
        assert_eq!(taken.len(), 1);
        assert!(inbox.prepare_sleep());
    }
}
