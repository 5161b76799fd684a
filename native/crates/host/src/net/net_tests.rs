use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::time::Duration;

use super::*;
use crate::disk::posix::PosixDisk;
use crate::disk::{Disk, DiskFile, OpenMode};

const LISTENER: u64 = 1;
const WAKER: u64 = 2;
const CLIENT: u64 = 3;
const SERVER: u64 = 4;

fn loopback() -> SocketAddr {
    "127.0.0.1:0".parse().expect("an address")
}

fn listening() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(loopback()).expect("bind");
    listener.listen(16).expect("listen");
    let address = listener.local_address().expect("address");
    (listener, address)
}

/// Waits until an event of `token` satisfies `wanted`.
fn wait_for(poller: &Poller, token: u64, wanted: impl Fn(&Event) -> bool) -> Event {
    let mut events = Events::with_capacity(16);
    for _ in 0..100 {
        poller
            .wait(&mut events, Some(Duration::from_millis(100)))
            .expect("wait");
        if let Some(event) = events
            .iter()
            .find(|event| event.token == token && wanted(event))
        {
            return event;
        }
    }
    panic!("no such event of {token}");
}

/// A connected pair: the client's end and the server's, both registered.
fn connected(poller: &Poller) -> (TcpSocket, TcpSocket) {
    let (listener, address) = listening();
    poller
        .add(&listener, LISTENER, Interest::READ)
        .expect("add");
    let client = TcpSocket::connect(address).expect("connect");
    poller
        .add(&client, CLIENT, Interest::READ_WRITE)
        .expect("add");
    wait_for(poller, LISTENER, |event| event.readable);
    let (server, peer) = listener.accept().expect("accept");
    wait_for(poller, CLIENT, |event| event.writable);
    assert!(client.take_error().expect("error").is_none());
    assert_eq!(client.local_address().expect("address"), peer);
    assert_eq!(server.peer_address().expect("address"), peer);
    poller.add(&server, SERVER, Interest::READ).expect("add");
    poller.remove(&listener).expect("remove");
    poller
        .modify(&client, CLIENT, Interest::READ)
        .expect("modify");
    (client, server)
}

fn receive(poller: &Poller, token: u64, socket: &TcpSocket, bytes: usize) -> Vec<u8> {
    let mut received = Vec::new();
    let mut buffer = vec![0; 64 * 1024];
    while received.len() < bytes {
        match socket.recv(&mut buffer) {
            Ok(0) => break,
            Ok(count) => received.extend_from_slice(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                wait_for(poller, token, |event| event.readable);
            }
            Err(error) => panic!("recv: {error}"),
        }
    }
    received
}

#[test]
fn bytes_slices_and_file_ranges_arrive_in_order() {
    let poller = Poller::new().expect("poller");
    let (client, server) = connected(&poller);
    server.set_nodelay(true).expect("option");
    server.set_keepalive(true).expect("option");
    server.set_send_buffer_bytes(1 << 20).expect("option");
    client.set_recv_buffer_bytes(1 << 20).expect("option");
    assert_eq!(server.send(b"head ", true).expect("send"), 5);
    let slices = [
        IoSlice::new(b"er "),
        IoSlice::new(b""),
        IoSlice::new(b"and "),
    ];
    assert_eq!(server.send_vectored(&slices, true).expect("send"), 7);

    let directory = tempfile::tempdir().expect("temporary directory");
    let path = directory.path().join("range");
    let file = PosixDisk.open(&path, OpenMode::Create).expect("open");
    file.write_all_at(b"0123456789", 0).expect("write");
    assert_eq!(server.send_file(&file, 3, 4).expect("sendfile"), 4);
    assert_eq!(
        server.send_file(&file, 10, 4).expect("sendfile"),
        0,
        "behind the end"
    );
    assert_eq!(receive(&poller, CLIENT, &client, 16), b"head er and 3456");
}

#[test]
fn a_full_socket_would_block_and_becomes_writable_again() {
    let poller = Poller::new().expect("poller");
    let (client, server) = connected(&poller);
    let chunk = vec![7; 256 * 1024];
    let mut sent = 0;
    let error = loop {
        match server.send(&chunk, false) {
            Ok(count) => sent += count,
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    poller
        .modify(&server, SERVER, Interest::READ_WRITE)
        .expect("modify");
    assert_eq!(receive(&poller, CLIENT, &client, sent).len(), sent);
    wait_for(&poller, SERVER, |event| event.writable);
}

#[test]
fn peer_shutdown_is_reported_and_what_it_sent_still_arrives() {
    let poller = Poller::new().expect("poller");
    let (client, server) = connected(&poller);
    client.send(b"last words", false).expect("send");
    client.shutdown_send().expect("shutdown");
    wait_for(&poller, SERVER, |event| event.read_closed);
    assert_eq!(receive(&poller, SERVER, &server, 100), b"last words");
    drop(server);
    wait_for(&poller, CLIENT, |event| event.failed || event.read_closed);
}

#[test]
fn no_interest_hears_nothing_of_waiting_bytes() {
    let poller = Poller::new().expect("poller");
    let (client, server) = connected(&poller);
    poller
        .modify(&server, SERVER, Interest::NONE)
        .expect("modify");
    client.send(b"x", false).expect("send");
    let mut events = Events::with_capacity(4);
    poller
        .wait(&mut events, Some(Duration::from_millis(30)))
        .expect("wait");
    assert!(events.is_empty());
    poller
        .modify(&server, SERVER, Interest::READ)
        .expect("modify");
    wait_for(&poller, SERVER, |event| event.readable);
}

#[test]
fn edge_interest_reports_once() {
    let poller = Poller::new().expect("poller");
    let (client, server) = connected(&poller);
    poller
        .modify(&server, SERVER, Interest::READ.edge())
        .expect("modify");
    client.send(b"x", false).expect("send");
    wait_for(&poller, SERVER, |event| event.readable);
    let mut events = Events::with_capacity(4);
    poller
        .wait(&mut events, Some(Duration::ZERO))
        .expect("wait");
    assert_eq!(events.len(), 0);
}

#[test]
fn a_waker_wakes_from_another_thread_and_many_wakes_are_one() {
    let poller = Poller::new().expect("poller");
    let waker = Waker::new().expect("waker");
    poller.add(&waker, WAKER, Interest::READ).expect("add");
    let remote = waker.clone();
    let thread = std::thread::spawn(move || (0..1_000).for_each(|_| remote.wake()));
    thread.join().expect("join");
    wait_for(&poller, WAKER, |event| event.readable);
    waker.drain();
    let mut events = Events::with_capacity(4);
    poller
        .wait(&mut events, Some(Duration::ZERO))
        .expect("wait");
    assert!(events.is_empty());
}

#[test]
fn a_port_in_use_is_said_at_once_and_free_again_after() {
    let (listener, address) = listening();
    let error = TcpListener::bind(address).expect_err("in use");
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    drop(listener);
    TcpListener::bind(address).expect("free");
}

#[test]
fn nobody_waiting_to_be_accepted_would_block() {
    let (listener, _) = listening();
    let error = listener.accept().expect_err("nobody");
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
}

#[test]
fn refused_connection_is_told_by_the_socket() {
    let (listener, address) = listening();
    drop(listener);
    let poller = Poller::new().expect("poller");
    let socket = match TcpSocket::connect(address) {
        Ok(socket) => socket,
        Err(error) => {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
            return;
        }
    };
    poller.add(&socket, CLIENT, Interest::WRITE).expect("add");
    wait_for(&poller, CLIENT, |event| event.failed);
    let error = socket.take_error().expect("error").expect("refused");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn wait_ends_with_its_timeout() {
    let poller = Poller::new().expect("poller");
    let mut events = Events::with_capacity(1);
    let start = crate::Instant::now();
    poller
        .wait(&mut events, Some(Duration::from_micros(1)))
        .expect("wait");
    assert!(events.is_empty());
    assert!(crate::Instant::now() - start >= Duration::from_micros(1));
}
