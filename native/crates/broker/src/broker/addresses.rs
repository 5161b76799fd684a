//! Owns where a listener binds: from a host as a user wrote it to one socket. Never accepts.

use crate::error::BrokerError;
use millrace_host::net::TcpListener;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenAddress {
    pub name: String,
    /// Empty for all addresses.
    pub host: String,
    /// 0 for any that is free.
    pub port: u16,
}

impl ListenAddress {
    /// The socket, and this address with the port that it got.
    pub(super) fn bind(&self) -> Result<(TcpListener, ListenAddress), BrokerError> {
        let what = format!("cannot listen on {}:{}", self.host, self.port);
        let failed = |error| BrokerError::io(&what, &error);
        let listener = bind_first(&resolve(&self.host, self.port)?).map_err(failed)?;
        let port = listener.local_address().map_err(failed)?.port();
        Ok((
            listener,
            ListenAddress {
                port,
                ..self.clone()
            },
        ))
    }
}

/// The addresses to try, best first. No host stands for every interface, over IPv6 and IPv4 at once where there is both.
fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, BrokerError> {
    if host.is_empty() {
        return Ok(vec![
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, port)),
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)),
        ]);
    }
    let what = format!("cannot resolve {host}");
    let found = (host, port)
        .to_socket_addrs()
        .map_err(|error| BrokerError::new("ENOTFOUND", format!("{what}: {error}")))?;
    // As Java does: a name with addresses of both kinds means the IPv4 one.
    found
        .min_by_key(|address| !address.is_ipv4())
        .map(|address| vec![address])
        .ok_or_else(|| BrokerError::new("ENOTFOUND", what))
}

fn bind_first(addresses: &[SocketAddr]) -> io::Result<TcpListener> {
    let mut outcome = Err(io::ErrorKind::AddrNotAvailable.into());
    for address in addresses {
        outcome = TcpListener::bind(*address);
        match &outcome {
            // A machine without IPv6.
            Err(error) if address.is_ipv6() && error.kind() != io::ErrorKind::AddrInUse => {}
            Ok(_) | Err(_) => break,
        }
    }
    outcome
}
