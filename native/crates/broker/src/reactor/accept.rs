//! Owns letting connections in and out: accepting on the first reactor, spreading them over all, closing.

use super::{LISTENER_TOKEN, Reactor};
use crate::connection::Connection;
use crate::inbox::Message;
use crate::metrics::Counter;
use crate::slab::Key;
use crate::timers::Timer;
use millrace_host::net::{Interest, Poller, TcpListener, TcpSocket};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;

/// Connections accepted before others get their turn.
const ACCEPTS: usize = 64;
/// Connections the kernel completes before we accept them.
const BACKLOG: u32 = 1024;
/// How long to wait for a free file descriptor.
const ACCEPT_PAUSE_MS: u64 = 100;

/// The listening sockets; only the first reactor has any.
#[derive(Debug, Default)]
pub struct Listeners {
    sockets: Vec<TcpListener>,
    next_reactor: usize,
}

impl Listeners {
    /// Lets clients connect from now on; a reactor takes them in as soon as it runs.
    pub fn listen(sockets: Vec<TcpListener>) -> io::Result<Listeners> {
        sockets
            .iter()
            .try_for_each(|socket| socket.listen(BACKLOG))?;
        Ok(Listeners {
            sockets,
            next_reactor: 0,
        })
    }

    pub(super) fn watch(&self, poller: &Poller) -> io::Result<()> {
        self.sockets
            .iter()
            .enumerate()
            .try_for_each(|(index, socket)| {
                poller.add(socket, LISTENER_TOKEN - index as u64, Interest::READ)
            })
    }
}

impl Reactor {
    pub(super) fn stop_listening(&mut self) {
        self.listeners.sockets.clear();
    }

    pub(super) fn accept(&mut self, listener: usize) {
        for _ in 0..ACCEPTS {
            let Some(socket) = self.listeners.sockets.get(listener) else {
                return;
            };
            match socket.accept() {
                Ok((socket, peer)) => self.take_in(socket, peer, listener),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => {
                    // Out of descriptors, most likely: the listener stays readable, so stop looking for a while.
                    self.metrics().count(Counter::AcceptErrorsTotal);
                    self.set_accepting(Interest::NONE);
                    self.timers
                        .set(self.now_ms + ACCEPT_PAUSE_MS, Timer::Accept);
                    return;
                }
            }
        }
    }

    pub(super) fn resume_accepting(&mut self) {
        self.set_accepting(Interest::READ);
    }

    pub(super) fn add_connection(&mut self, socket: TcpSocket, peer: SocketAddr, listener: u16) {
        let id = self
            .shared
            .next_connection_id
            .fetch_add(1, Ordering::Relaxed);
        let connection = Connection::new(socket, peer, listener, id, self.now_ms);
        let key = self.connections.insert(Box::new(connection));
        let connection = self.connections.get(key).expect("just inserted");
        let is_refused = self.draining_until_ms.is_some()
            || self
                .poller
                .add(&connection.socket, key.to_u64(), connection.interest)
                .is_err();
        if is_refused {
            self.close(key);
        }
    }

    /// Takes the connection out, with everything that waits on its behalf. Nothing of it may be staged.
    pub(super) fn close(&mut self, key: Key) {
        let Some(mut connection) = self.connections.remove(key) else {
            return;
        };
        assert!(
            !connection.has_staged,
            "staged batches are committed before their connection is closed"
        );
        if let Some(fetch) = connection.parked_fetch.take() {
            self.drop_fetch(fetch);
        }
        if connection.was_upcalled {
            self.shared.upcalls.connection_closed(connection.id);
        }
        self.shared
            .connections
            .remove(connection.peer.ip().to_canonical());
        self.metrics().count(Counter::ConnectionsClosedTotal);
    }

    fn take_in(&mut self, socket: TcpSocket, peer: SocketAddr, listener: usize) {
        let options = &self.shared.options;
        if !self.shared.connections.try_add(
            peer.ip().to_canonical(),
            options.max_connections,
            options.max_connections_per_ip,
        ) {
            self.metrics().count(Counter::ConnectionsRefusedTotal);
            return;
        }
        self.metrics().count(Counter::ConnectionsAcceptedTotal);
        // A socket that refuses an option still works.
        let _ = socket.set_nodelay(true);
        let _ = socket.set_keepalive(true);
        if let Ok(bytes) = usize::try_from(options.socket_send_buffer_bytes) {
            let _ = socket.set_send_buffer_bytes(bytes);
        }
        if let Ok(bytes) = usize::try_from(options.socket_receive_buffer_bytes) {
            let _ = socket.set_recv_buffer_bytes(bytes);
        }
        let listener = u16::try_from(listener).expect("fewer than 2^16 listeners");
        let target = self.listeners.next_reactor % self.shared.inboxes.len();
        self.listeners.next_reactor = target + 1;
        if target == usize::from(self.index) {
            self.add_connection(socket, peer, listener);
        } else {
            self.shared.inboxes[target].push(Message::Connection {
                socket,
                peer,
                listener,
            });
        }
    }

    fn set_accepting(&mut self, interest: Interest) {
        for (index, socket) in self.listeners.sockets.iter().enumerate() {
            if let Err(error) = self
                .poller
                .modify(socket, LISTENER_TOKEN - index as u64, interest)
            {
                self.shared
                    .fail(&format!("cannot watch a listener: {error}"));
            }
        }
    }
}
