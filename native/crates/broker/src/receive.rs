//! Owns the bytes of one connection that have arrived and are not yet handled, and the cutting of frames.
//! Never trusts a length: memory grows as bytes come in, not because a header announces them.
//! Invariant: bytes before `start` belong to frames already handed out; they stay in place until `settle`.
//! Limits: `socket_request_max_bytes` a frame, and the pool's bound over all connections of the reactor.
//!
//! An idle connection holds no buffer. One that receives takes a buffer of the size its frames usually need, large frames are
//! received to exactly their end, so the bytes of a frame are copied once, by the kernel.

use millrace_host::net::TcpSocket;
use millrace_host::{Buffer, BufferPool};
use millrace_wire::{
    WireError,
    frame::{self, Framing, SIZE_BYTES},
};
use std::io;
use std::ops::Range;

/// Received at once while the size of the next frame is unknown.
const OPENING_BYTES: usize = 16 * 1024;
/// Buffer for a frame of a connection that never completed one of that size: the rest must be earned by sending.
const TRUSTED_BYTES: usize = 64 * 1024;
/// Largest buffer taken because earlier frames were that large.
const USUAL_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Frames from this size on are received to exactly their end.
const LARGE_FRAME_BYTES: usize = 32 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Received {
    /// So many bytes, and there may be more.
    More(usize),
    /// So many bytes (perhaps none), and no more for now.
    Drained(usize),
    /// The buffer is full of frames that must be settled first.
    Full,
    /// The memory of all connections together is used up.
    NoMemory,
    /// The peer has closed.
    Closed,
}

#[derive(Debug)]
pub struct ReceiveBuffer {
    buffer: Option<Buffer>,
    start: usize,
    end: usize,
    /// The largest frame completed so far, within `USUAL_BYTES_MAX`.
    usual_bytes: usize,
}

impl Default for ReceiveBuffer {
    fn default() -> ReceiveBuffer {
        ReceiveBuffer {
            buffer: None,
            start: 0,
            end: 0,
            usual_bytes: OPENING_BYTES,
        }
    }
}

impl ReceiveBuffer {
    /// Bytes that arrived and belong to no frame handed out yet.
    pub fn pending_bytes(&self) -> usize {
        self.end - self.start
    }

    /// The next whole frame as a range of `bytes()`, without its size field.
    pub fn next_frame(&mut self, limit_bytes: usize) -> Result<Option<Range<usize>>, WireError> {
        let Some(buffer) = &self.buffer else {
            return Ok(None);
        };
        match frame::first_frame(&buffer[self.start..self.end], limit_bytes)? {
            Framing::Whole { bytes } => {
                let frame_start = self.start + SIZE_BYTES;
                self.start = frame_start + bytes;
                self.usual_bytes = self
                    .usual_bytes
                    .max((bytes + SIZE_BYTES).min(USUAL_BYTES_MAX));
                Ok(Some(frame_start..frame_start + bytes))
            }
            Framing::NeedSize | Framing::NeedBytes(_) => Ok(None),
        }
    }

    /// Puts the frame last handed out back: it cannot be handled yet.
    pub fn put_back(&mut self, frame: &Range<usize>) {
        assert!(
            self.start == frame.end,
            "only the last frame can be put back"
        );
        self.start = frame.start - SIZE_BYTES;
    }

    pub fn bytes(&self) -> &[u8] {
        self.buffer.as_deref().unwrap_or_default()
    }

    /// Lends the buffer out, to stamp and write batches that lie in it.
    pub fn lend(&mut self) -> Buffer {
        self.buffer
            .take()
            .expect("a buffer with staged batches is here")
    }

    pub fn bring_back(&mut self, buffer: Buffer) {
        assert!(self.buffer.is_none(), "a buffer is lent once");
        self.buffer = Some(buffer);
    }

    /// Receives once. `has_staged`: ranges of handed-out frames are still in use, so nothing may be moved.
    pub fn receive(
        &mut self,
        socket: &TcpSocket,
        pool: &BufferPool,
        limit_bytes: usize,
        has_staged: bool,
    ) -> io::Result<Received> {
        let announced = match self
            .buffer
            .as_deref()
            .map(|buffer| frame::first_frame(&buffer[self.start..self.end], limit_bytes))
        {
            Some(Ok(Framing::NeedBytes(missing))) => Some(self.pending_bytes() + missing),
            // The cutter will find the same error and close.
            None | Some(Ok(Framing::NeedSize | Framing::Whole { .. }) | Err(_)) => None,
        };
        if let Some(refusal) = self.make_room(announced, pool, has_staged) {
            return Ok(refusal);
        }
        let buffer = self.buffer.as_deref_mut().expect("room was made");
        let stop = match announced {
            Some(frame_bytes) if frame_bytes >= LARGE_FRAME_BYTES => {
                (self.start + frame_bytes).min(buffer.len())
            }
            Some(_) => buffer.len(),
            None => (self.end + OPENING_BYTES).min(buffer.len()),
        };
        let space = &mut buffer[self.end..stop];
        let space_bytes = space.len();
        match socket.recv(space) {
            Ok(0) => Ok(Received::Closed),
            Ok(received) => {
                self.end += received;
                Ok(if received < space_bytes {
                    Received::Drained(received)
                } else {
                    Received::More(received)
                })
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Received::Drained(0)),
            Err(error) => Err(error),
        }
    }

    /// Nothing handed out is in use any more. A buffer without pending bytes goes back to the pool.
    pub fn settle(&mut self) {
        if self.start == self.end {
            self.buffer = None;
            self.start = 0;
            self.end = 0;
        }
    }

    /// Makes sure the buffer has space behind `end`, for the frame at `start` if its size is known.
    fn make_room(
        &mut self,
        announced: Option<usize>,
        pool: &BufferPool,
        has_staged: bool,
    ) -> Option<Received> {
        let pending = self.pending_bytes();
        let capacity = self.buffer.as_ref().map_or(0, |buffer| buffer.len());
        let wanted = announced.unwrap_or(pending + SIZE_BYTES);
        let has_space = self.end < capacity;
        // What there is gets filled before more is taken: a length alone earns nothing.
        if has_space && (self.start == 0 || self.start + wanted <= capacity) {
            return None;
        }
        if has_staged {
            return Some(Received::Full);
        }
        if self.start > 0 && pending < capacity {
            let buffer = self
                .buffer
                .as_deref_mut()
                .expect("a buffer with a start is here");
            buffer.copy_within(self.start..self.end, 0);
        } else {
            let earned = self.usual_bytes.max(TRUSTED_BYTES).max(capacity * 2);
            let bytes = if self.buffer.is_none() {
                self.usual_bytes
            } else {
                wanted.min(earned)
            };
            let Some(mut larger) = pool.try_take(bytes.max(pending + SIZE_BYTES)) else {
                return Some(Received::NoMemory);
            };
            if let Some(buffer) = &self.buffer {
                larger[..pending].copy_from_slice(&buffer[self.start..self.end]);
            }
            self.buffer = Some(larger);
        }
        self.start = 0;
        self.end = pending;
        None
    }
}
