//! Owns a listening TCP socket. Binding and listening are two steps, so that every port is known before any client is let in.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::{self, AddressFamily, SocketFlags, SocketType, sockopt};

use super::tcp_socket::TcpSocket;

#[derive(Debug)]
pub struct TcpListener {
    socket: OwnedFd,
}

impl TcpListener {
    /// Binds with SO_REUSEADDR (a restart must not wait for old connections to time out). A port that another socket listens on is EADDRINUSE.
    pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
        let family = if address.is_ipv4() {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
        sockopt::set_socket_reuseaddr(&socket, true)?;
        net::bind(&socket, &address)?;
        Ok(TcpListener { socket })
    }

    pub fn listen(&self, backlog: u32) -> io::Result<()> {
        Ok(net::listen(
            &self.socket,
            i32::try_from(backlog).unwrap_or(i32::MAX),
        )?)
    }

    /// The bound address: the way to learn the port after binding port 0.
    pub fn local_address(&self) -> io::Result<SocketAddr> {
        SocketAddr::try_from(net::getsockname(&self.socket)?)
            .map_err(|_| io::ErrorKind::InvalidData.into())
    }

    /// One waiting connection, or `WouldBlock`. ECONNABORTED and EINTR are swallowed: that client is gone, the next may not be.
    /// EMFILE and ENFILE come back: the caller must pause accepting, since the listener stays readable.
    pub fn accept(&self) -> io::Result<(TcpSocket, SocketAddr)> {
        loop {
            match net::acceptfrom_with(&self.socket, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
                Ok((socket, Some(address))) => {
                    let address = SocketAddr::try_from(address)
                        .map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
                    return Ok((TcpSocket::from_owned(socket), address));
                }
                Ok((_, None)) | Err(rustix::io::Errno::INTR | rustix::io::Errno::CONNABORTED) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
