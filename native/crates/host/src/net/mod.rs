//! Sockets and readiness: epoll, eventfd, TCP. Everything here is nonblocking; `WouldBlock` comes back as an `io::Error` of that kind.

mod poller;
mod tcp_listener;
mod tcp_socket;
mod waker;

pub use poller::{Event, Events, Interest, Poller};
pub use tcp_listener::TcpListener;
pub use tcp_socket::{SEND_SLICES_MAX, TcpSocket};
pub use waker::Waker;

#[cfg(test)]
#[path = "net_tests.rs"]
mod tests;
