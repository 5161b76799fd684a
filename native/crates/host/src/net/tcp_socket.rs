//! Owns one nonblocking TCP connection; dropping it closes the descriptor.
//! Sends never raise SIGPIPE. Every call does at most one transfer and says how much went: the caller keeps the rest.

use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    self, AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, SocketFlags, SocketType,
    sockopt,
};

use crate::disk::posix::PosixFile;

/// The kernel's limit on slices in one vectored send (UIO_MAXIOV). More are legal to pass; the rest is not sent.
pub const SEND_SLICES_MAX: usize = 1024;

#[derive(Debug)]
pub struct TcpSocket {
    socket: OwnedFd,
}

impl TcpSocket {
    pub(crate) fn from_owned(socket: OwnedFd) -> TcpSocket {
        TcpSocket { socket }
    }

    /// Starts connecting. The socket becomes writable when the attempt has ended; then `take_error` says how.
    pub fn connect(address: SocketAddr) -> io::Result<TcpSocket> {
        let family = if address.is_ipv4() {
            AddressFamily::INET
        } else {
            AddressFamily::INET6
        };
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = net::socket_with(family, SocketType::STREAM, flags, None)?;
        match net::connect(&socket, &address) {
            Ok(()) | Err(Errno::INPROGRESS) => Ok(TcpSocket { socket }),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads what has arrived. 0 means the peer has closed its side (or `bytes` is empty).
    pub fn recv(&self, bytes: &mut [u8]) -> io::Result<usize> {
        retry_interrupted(|| {
            net::recv(&self.socket, &mut *bytes, RecvFlags::empty()).map(|(received, _)| received)
        })
    }

    /// `more` = MSG_MORE: hold a partial segment back, more follows at once (a response header before its file range).
    pub fn send(&self, bytes: &[u8], more: bool) -> io::Result<usize> {
        retry_interrupted(|| net::send(&self.socket, bytes, send_flags(more)))
    }

    /// One gathering send of up to `SEND_SLICES_MAX` slices.
    pub fn send_vectored(&self, slices: &[IoSlice<'_>], more: bool) -> io::Result<usize> {
        let slices = &slices[..slices.len().min(SEND_SLICES_MAX)];
        retry_interrupted(|| {
            net::sendmsg(
                &self.socket,
                slices,
                &mut SendAncillaryBuffer::default(),
                send_flags(more),
            )
        })
    }

    /// Sends `bytes` of the file from `position`, without copying through this process. Fewer may go; 0 means the file ended early.
    pub fn send_file(&self, file: &PosixFile, position: u64, bytes: usize) -> io::Result<usize> {
        let mut offset = position;
        retry_interrupted(|| rustix::fs::sendfile(&self.socket, file, Some(&mut offset), bytes))
    }

    pub fn set_nodelay(&self, on: bool) -> io::Result<()> {
        Ok(sockopt::set_tcp_nodelay(&self.socket, on)?)
    }

    pub fn set_send_buffer_bytes(&self, bytes: usize) -> io::Result<()> {
        Ok(sockopt::set_socket_send_buffer_size(&self.socket, bytes)?)
    }

    pub fn set_recv_buffer_bytes(&self, bytes: usize) -> io::Result<()> {
        Ok(sockopt::set_socket_recv_buffer_size(&self.socket, bytes)?)
    }

    pub fn set_keepalive(&self, on: bool) -> io::Result<()> {
        Ok(sockopt::set_socket_keepalive(&self.socket, on)?)
    }

    /// Sends FIN after what is queued; reading goes on.
    pub fn shutdown_send(&self) -> io::Result<()> {
        Ok(net::shutdown(&self.socket, net::Shutdown::Write)?)
    }

    pub fn shutdown_both(&self) -> io::Result<()> {
        Ok(net::shutdown(&self.socket, net::Shutdown::Both)?)
    }

    pub fn local_address(&self) -> io::Result<SocketAddr> {
        SocketAddr::try_from(net::getsockname(&self.socket)?)
            .map_err(|_| io::ErrorKind::InvalidData.into())
    }

    pub fn peer_address(&self) -> io::Result<SocketAddr> {
        let address = net::getpeername(&self.socket)?.ok_or(io::ErrorKind::NotConnected)?;
        SocketAddr::try_from(address).map_err(|_| io::ErrorKind::InvalidData.into())
    }

    /// The pending error of the socket (SO_ERROR), cleared by asking.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(sockopt::socket_error(&self.socket)?
            .err()
            .map(io::Error::from))
    }

    /// Closes now, discarding what was not sent. The same as dropping, but says so at the call.
    pub fn close(self) {}
}

impl AsFd for TcpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

fn send_flags(more: bool) -> SendFlags {
    if more {
        SendFlags::NOSIGNAL | SendFlags::MORE
    } else {
        SendFlags::NOSIGNAL
    }
}

fn retry_interrupted(mut call: impl FnMut() -> rustix::io::Result<usize>) -> io::Result<usize> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            result => return result.map_err(io::Error::from),
        }
    }
}
