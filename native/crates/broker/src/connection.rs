//! Owns one client connection: socket, received bytes, answers, and which requests are under way.
//! Never interprets a request body.
//! Invariant: requests are answered in the order they came. Produce requests may overlap; any other request is alone on its connection.
//!
//! Under way: Nothing → Produces(n) as produce requests are dispatched, back as they are answered;
//!            Nothing → Alone when any other request is dispatched, back when it is answered. Produces(n) → Alone never happens.

use crate::receive::ReceiveBuffer;
use crate::respond::Responses;
use crate::slab::Key;
use millrace_host::net::{Interest, TcpSocket};
use std::net::SocketAddr;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnderWay {
    Nothing,
    Produces(usize),
    Alone,
}

impl UnderWay {
    /// Whether a request may be dispatched now.
    pub fn admits(self, is_produce: bool, produces_max: usize) -> bool {
        match self {
            UnderWay::Nothing => true,
            UnderWay::Produces(count) => is_produce && count < produces_max,
            UnderWay::Alone => false,
        }
    }

    pub fn begin(&mut self, is_produce: bool) {
        *self = match (*self, is_produce) {
            (UnderWay::Nothing, false) => UnderWay::Alone,
            (UnderWay::Nothing, true) => UnderWay::Produces(1),
            (UnderWay::Produces(count), true) => UnderWay::Produces(count + 1),
            (under_way, _) => unreachable!("{under_way:?} admits nothing more"),
        };
    }

    pub fn end(&mut self) {
        *self = match *self {
            UnderWay::Alone | UnderWay::Produces(1) => UnderWay::Nothing,
            UnderWay::Produces(count) => UnderWay::Produces(count - 1),
            UnderWay::Nothing => unreachable!("an answer ends a request under way"),
        };
    }
}

/// Why a connection is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    No,
    /// The next frame waits for an answer, or too many answers wait.
    Busy,
    /// The control plane's queue is full.
    Upcalls,
    /// No memory for its next frame.
    Memory,
    /// KIP-219: throttled until a timer fires.
    Throttled,
}

#[derive(Debug)]
pub struct Connection {
    pub socket: TcpSocket,
    pub peer: SocketAddr,
    pub listener: u16,
    /// Names the connection to the control plane; never reused while this process lives.
    pub id: u32,
    pub receive: ReceiveBuffer,
    pub responses: Responses,
    pub under_way: UnderWay,
    pub pause: Pause,
    /// Something ended since the connection was found busy: its waiting frame may be tried again.
    pub may_go_on: bool,
    /// What the poller was told last.
    pub interest: Interest,
    pub last_active_ms: u64,
    /// The control plane has heard of this connection and has to hear of its end.
    pub was_upcalled: bool,
    /// Slot of the request the control plane is answering.
    pub upcalled_slot: Option<u32>,
    /// Batches of this connection are staged in the current step: its buffer must not move.
    pub has_staged: bool,
    /// On the reactor's list of connections to look at before the turn ends.
    pub is_noted: bool,
    /// No more is read; closed once everything is answered and sent.
    pub is_closing: bool,
    /// Closed at the end of the turn, sent or not.
    pub has_failed: bool,
    /// The fetch that waits for records on behalf of this connection.
    pub parked_fetch: Option<Key>,
    pub blocked_on_write: bool,
}

impl Connection {
    pub fn new(
        socket: TcpSocket,
        peer: SocketAddr,
        listener: u16,
        id: u32,
        now_ms: u64,
    ) -> Connection {
        Connection {
            socket,
            peer,
            listener,
            id,
            receive: ReceiveBuffer::default(),
            responses: Responses::default(),
            under_way: UnderWay::Nothing,
            pause: Pause::No,
            may_go_on: false,
            interest: Interest::READ,
            last_active_ms: now_ms,
            was_upcalled: false,
            upcalled_slot: None,
            has_staged: false,
            is_noted: false,
            is_closing: false,
            has_failed: false,
            parked_fetch: None,
            blocked_on_write: false,
        }
    }

    /// A request under way was answered.
    pub fn end_request(&mut self) {
        self.under_way.end();
        self.may_go_on = true;
    }

    pub fn wanted_interest(&self) -> Interest {
        let reads = self.pause == Pause::No && !self.is_closing;
        match (reads, self.blocked_on_write) {
            (true, false) => Interest::READ,
            (true, true) => Interest::READ_WRITE,
            (false, true) => Interest::WRITE,
            (false, false) if self.is_closing => Interest::CLOSE,
            // A peer that closed is noticed later: what it sent before still counts.
            (false, false) => Interest::NONE,
        }
    }
}
