//! Owns one reactor thread: its poller, its connections, and the turn of its loop.
//! Never blocks but in the poller, and never holds a partition's lock across a send.
//! Invariant: every batch staged in a turn is committed before any buffer it lies in is moved and before its connection is closed.
//!
//! One turn: wait → messages from other threads → accept, read and cut frames (staging produce batches) → commit → timers →
//! frames that became free to go → send → close what is to be closed.

mod accept;
mod dispatch;
mod endings;
mod fetches;
mod produces;
mod upcalls;
mod waiting;

use crate::apis::fetch::FetchTask;
use crate::apis::produce::PendingProduce;
use crate::connection::{Connection, Pause, UnderWay};
use crate::fetch_watch::FetchWatch;
use crate::inbox::{Inbox, Message};
use crate::metrics::{Counter, Metrics};
use crate::partition::Effects;
use crate::receive::Received;
use crate::respond::{Flushed, SpareChunks};
use crate::shared::Shared;
use crate::slab::{Key, Slab};
use crate::timers::{Timer, Timers};
use crate::turn::Turn;
pub use accept::Listeners;
pub use upcalls::token_reactor;

use millrace_host::net::{Event, Events, Interest, Poller};
use millrace_host::{Buffer, BufferPool, Instant, PoolLimits, clock};
use millrace_wire::apis::fetch::RecordsGap;
use std::io;
use std::sync::Arc;

/// Bytes read from one connection before the others get their turn.
const READ_BYTES: usize = 1024 * 1024;
/// Staged bytes that are written at once: enough for a large write, few enough to be still in the processor's cache.
const COMMIT_BYTES: usize = 1024 * 1024;
/// Memory in answers one connection may hold unsent; above it, it is not read.
const RESPONSE_BYTES_MAX: usize = 1024 * 1024;
/// Rounds of frames that were waiting for an answer of the same turn.
const RESUME_ROUNDS: usize = 16;
/// How often idle and stuck connections are looked for.
const SWEEP_MS: u64 = 5_000;
const EVENTS: usize = 512;
const WAKER_TOKEN: u64 = u64::MAX;
/// Listeners count down from here.
const LISTENER_TOKEN: u64 = u64::MAX - 1;
const LISTENERS_MAX: u64 = 1024;
/// Buffers kept for reuse by one reactor.
const CACHED_BUFFER_BYTES: usize = 16 * 1024 * 1024;

pub struct ParkedFetch {
    pub task: Box<FetchTask>,
    pub watch: Option<Arc<FetchWatch>>,
    pub deadline_ms: u64,
}

pub struct Reactor {
    index: u16,
    shared: Arc<Shared>,
    inbox: Arc<Inbox>,
    poller: Poller,
    events: Vec<Event>,
    messages: Vec<Message>,
    listeners: Listeners,
    connections: Slab<Box<Connection>>,
    turn: Turn,
    effects: Effects,
    lent: Vec<Buffer>,
    produces: Slab<PendingProduce>,
    spare_produces: Vec<PendingProduce>,
    fetches: Slab<ParkedFetch>,
    timers: Timers,
    pool: BufferPool,
    spare: SpareChunks,
    gaps: Vec<RecordsGap>,
    copied: Vec<u8>,
    /// Connections to look at before the turn ends: something to send, another interest, or the end.
    changed: Vec<Key>,
    /// Connections whose waiting frame may go now.
    resumed: Vec<Key>,
    /// Connections that used up their share of sending.
    unsent: Vec<Key>,
    waiting_for_memory: Vec<Key>,
    waiting_for_upcalls: Vec<Key>,
    now_ms: u64,
    wall_ms: i64,
    next_sweep_ms: u64,
    draining_until_ms: Option<u64>,
    is_stopping: bool,
}

impl Reactor {
    pub fn new(index: u16, shared: Arc<Shared>, listeners: Listeners) -> io::Result<Reactor> {
        let poller = Poller::new()?;
        let inbox = Arc::clone(&shared.inboxes[usize::from(index)]);
        poller.add(inbox.waker(), WAKER_TOKEN, Interest::READ)?;
        listeners.watch(&poller)?;
        let reactors = shared.inboxes.len();
        let pool = BufferPool::new(PoolLimits {
            outstanding_bytes_max: shared.options.queued_max_request_bytes / reactors,
            cached_bytes_max: CACHED_BUFFER_BYTES,
        });
        let now_ms = Instant::now().millis();
        Ok(Reactor {
            index,
            shared,
            inbox,
            poller,
            events: Vec::new(),
            messages: Vec::new(),
            listeners,
            connections: Slab::default(),
            turn: Turn::default(),
            effects: Effects::default(),
            lent: Vec::new(),
            produces: Slab::default(),
            spare_produces: Vec::new(),
            fetches: Slab::default(),
            timers: Timers::default(),
            pool,
            spare: SpareChunks::default(),
            gaps: Vec::new(),
            copied: Vec::new(),
            changed: Vec::new(),
            resumed: Vec::new(),
            unsent: Vec::new(),
            waiting_for_memory: Vec::new(),
            waiting_for_upcalls: Vec::new(),
            now_ms,
            wall_ms: clock::wall_ms(),
            next_sweep_ms: now_ms + SWEEP_MS,
            draining_until_ms: None,
            is_stopping: false,
        })
    }

    /// Turns until told to stop.
    pub fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        while !self.is_stopping {
            self.wait(&mut events)?;
            self.now_ms = Instant::now().millis();
            self.wall_ms = clock::wall_ms();
            self.metrics().count(Counter::LoopTurnsTotal);
            self.take_messages();
            self.take_events()?;
            self.commit();
            self.run_timers();
            self.retry_memory();
            self.resume();
            self.finish_changed();
            self.drain_step();
        }
        Ok(())
    }

    fn metrics(&self) -> &Metrics {
        &self.shared.metrics[usize::from(self.index)]
    }

    fn take_messages(&mut self) {
        let mut messages = std::mem::take(&mut self.messages);
        self.inbox.take(&mut messages);
        for message in messages.drain(..) {
            match message {
                Message::Connection {
                    socket,
                    peer,
                    listener,
                } => self.add_connection(socket, peer, listener),
                Message::Respond {
                    token,
                    payload,
                    throttle_ms,
                } => self.respond_upcall(token, &payload, throttle_ms),
                Message::RespondNone { token } => self.respond_nothing(token),
                Message::CloseConnection { token } => self.close_upcalled(token),
                Message::Answer {
                    connection,
                    slot,
                    frame,
                } => self.answer(connection, slot, &frame),
                Message::FetchReady { fetch } => self.wake_fetch(fetch),
                Message::ProduceAcked { part, error_code } => self.acknowledge(part, error_code),
                Message::ProduceResult {
                    part,
                    result,
                    is_acknowledged,
                    explanation,
                } => {
                    self.explain(part, explanation);
                    self.take_result(part, result, is_acknowledged);
                }
                Message::UpcallsTaken => {
                    let waiting = std::mem::take(&mut self.waiting_for_upcalls);
                    self.resumed.extend(waiting);
                }
                Message::Drain { deadline_ms } => self.start_draining(deadline_ms),
                Message::Stop => self.is_stopping = true,
            }
        }
        self.messages = messages;
    }

    fn take_events(&mut self) -> io::Result<()> {
        let mut events = std::mem::take(&mut self.events);
        for event in events.drain(..) {
            match event.token {
                WAKER_TOKEN => self.inbox.waker().drain(),
                token if token > LISTENER_TOKEN - LISTENERS_MAX => {
                    self.accept((LISTENER_TOKEN - token) as usize)
                }
                token => self.connection_event(Key::from_u64(token), event),
            }
        }
        self.events = events;
        Ok(())
    }

    fn connection_event(&mut self, key: Key, event: Event) {
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if event.failed {
            self.end(key);
            return;
        }
        if event.writable {
            connection.blocked_on_write = false;
            self.note_change(key);
        }
        let Some(connection) = self.connections.get_mut(key) else {
            return;
        };
        if connection.pause == Pause::No && !connection.is_closing {
            if event.readable || event.read_closed {
                self.read(key);
            }
        } else if event.read_closed {
            // Nobody reads here now, and the poller would report the closed side for ever.
            self.end(key);
        }
    }

    /// Receives and cuts until the socket is empty, the turn's share is used, or the connection has to wait.
    fn read(&mut self, key: Key) {
        let mut left = READ_BYTES;
        loop {
            let limit = self.shared.options.socket_request_max_bytes;
            let Some(connection) = self.connections.get_mut(key) else {
                return;
            };
            let received = connection.receive.receive(
                &connection.socket,
                &self.pool,
                limit,
                connection.has_staged,
            );
            let (bytes, is_last) = match received {
                Ok(Received::More(bytes)) => (bytes, bytes >= left),
                Ok(Received::Drained(bytes)) => (bytes, true),
                Ok(Received::Full) => break,
                Ok(Received::NoMemory) => {
                    connection.pause = Pause::Memory;
                    self.waiting_for_memory.push(key);
                    self.metrics().count(Counter::RequestMemoryWaitsTotal);
                    self.note_change(key);
                    break;
                }
                Ok(Received::Closed) => {
                    if connection.receive.pending_bytes() > 0 {
                        self.metrics().count(Counter::BadFrameTruncated);
                    }
                    self.end(key);
                    break;
                }
                Err(_) => {
                    self.end(key);
                    break;
                }
            };
            left = left.saturating_sub(bytes);
            if bytes > 0 {
                connection.last_active_ms = self.now_ms;
                self.metrics().add(Counter::BytesInTotal, bytes as u64);
                self.cut(key);
            }
            if is_last
                || self
                    .connections
                    .get(key)
                    .is_none_or(|connection| connection.pause != Pause::No || connection.is_closing)
            {
                break;
            }
        }
        if self.turn.staged_bytes() >= COMMIT_BYTES {
            self.commit();
        }
        self.settle(key);
    }

    /// Gives a receive buffer back as soon as nothing lies in it.
    fn settle(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key)
            && !connection.has_staged
        {
            connection.receive.settle();
        }
    }

    /// Dispatches the whole frames that have arrived, as far as the connection may go.
    fn cut(&mut self, key: Key) {
        let limit = self.shared.options.socket_request_max_bytes;
        while let Some(connection) = self.connections.get_mut(key) {
            if connection.pause != Pause::No || connection.is_closing {
                return;
            }
            match connection.receive.next_frame(limit) {
                Ok(Some(frame)) => self.dispatch(key, frame),
                Ok(None) => return,
                Err(error) => {
                    self.refuse_frame(key, &error);
                    return;
                }
            }
        }
    }

    /// Writes what was staged and settles the connections it came from.
    fn commit(&mut self) {
        if !self.turn.is_empty() {
            self.write_staged();
        }
        // Behind what was staged before them.
        for (partition, job) in self.turn.take_deferred() {
            self.shared.enqueue_preparation(&partition, job);
        }
    }

    fn write_staged(&mut self) {
        let mut lent = std::mem::take(&mut self.lent);
        for key in self.turn.connections() {
            let connection = self
                .connections
                .get_mut(*key)
                .expect("a connection with staged batches stays until the commit");
            lent.push(connection.receive.lend());
        }
        let connections = self.turn.connections().to_vec();
        self.turn.commit(&mut lent, self.wall_ms, &mut self.effects);
        for (key, buffer) in connections.iter().zip(lent.drain(..)) {
            let connection = self
                .connections
                .get_mut(*key)
                .expect("a connection with staged batches stays until the commit");
            connection.has_staged = false;
            connection.receive.bring_back(buffer);
            connection.receive.settle();
        }
        self.lent = lent;
        self.apply_effects();
    }

    fn run_timers(&mut self) {
        while let Some(timer) = self.timers.pop_due(self.now_ms) {
            match timer {
                Timer::FetchWait(fetch) => self.expire_fetch(fetch),
                Timer::ProduceWait(request) => self.expire_produce(request),
                Timer::Unthrottle(key) => {
                    if let Some(connection) = self.connections.get_mut(key)
                        && connection.pause == Pause::Throttled
                    {
                        self.resumed.push(key);
                    }
                }
                Timer::Accept => self.resume_accepting(),
            }
        }
        let (fetches, produces, connections) = (&self.fetches, &self.produces, &self.connections);
        self.timers.forget_gone(|timer| match timer {
            Timer::FetchWait(fetch) => fetches.get(*fetch).is_some(),
            Timer::ProduceWait(request) => produces.get(*request).is_some(),
            Timer::Unthrottle(key) => connections.get(*key).is_some(),
            Timer::Accept => true,
        });
        if self.now_ms >= self.next_sweep_ms {
            self.next_sweep_ms = self.now_ms + SWEEP_MS;
            self.sweep();
        }
    }

    fn retry_memory(&mut self) {
        let waiting = std::mem::take(&mut self.waiting_for_memory);
        self.resumed.extend(waiting);
    }

    /// Lets connections go on whose waiting frame may go now. What they stage is committed, which may free the next ones.
    fn resume(&mut self) {
        for _ in 0..RESUME_ROUNDS {
            if self.resumed.is_empty() {
                return;
            }
            for key in std::mem::take(&mut self.resumed) {
                let Some(connection) = self.connections.get_mut(key) else {
                    continue;
                };
                if connection.pause == Pause::No || connection.is_closing {
                    continue;
                }
                connection.pause = Pause::No;
                self.cut(key);
                self.settle(key);
                self.note_change(key);
            }
            self.commit();
        }
    }

    /// Sends, tells the poller what to look for, and closes.
    fn finish_changed(&mut self) {
        let unsent = std::mem::take(&mut self.unsent);
        for key in unsent {
            self.note_change(key);
        }
        while let Some(key) = self.changed.pop() {
            let Some(connection) = self.connections.get_mut(key) else {
                continue;
            };
            connection.is_noted = false;
            if connection.responses.has_output() && !connection.blocked_on_write {
                match connection
                    .responses
                    .flush(&connection.socket, &mut self.spare)
                {
                    Ok((flushed, sent)) => {
                        if sent > 0 {
                            connection.last_active_ms = self.now_ms;
                            connection.may_go_on = true;
                            self.shared.metrics[usize::from(self.index)]
                                .add(Counter::BytesOutTotal, sent as u64);
                        }
                        connection.blocked_on_write = flushed == Flushed::Blocked;
                        if flushed == Flushed::Again {
                            self.unsent.push(key);
                        }
                    }
                    Err(_) => connection.has_failed = true,
                }
            }
            if connection.pause == Pause::Busy && connection.may_go_on {
                connection.may_go_on = false;
                self.resumed.push(key);
            }
            let is_done = connection.is_closing
                && connection.under_way == UnderWay::Nothing
                && !connection.responses.has_output();
            if connection.has_failed || is_done {
                self.close(key);
                continue;
            }
            let wanted = connection.wanted_interest();
            if wanted != connection.interest {
                connection.interest = wanted;
                if self
                    .poller
                    .modify(&connection.socket, key.to_u64(), wanted)
                    .is_err()
                {
                    self.close(key);
                }
            }
        }
    }

    /// Puts the connection on the list of those to look at before the turn ends.
    fn note_change(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key)
            && !connection.is_noted
        {
            connection.is_noted = true;
            self.changed.push(key);
        }
    }
}
