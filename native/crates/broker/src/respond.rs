//! Owns the answers of one connection: the order they leave in, and the bytes and file ranges not yet sent.
//! Never knows what an answer means.
//! Invariant: answers leave in the order their requests came, whatever order they are completed in.
//!
//! A slot goes open → completed (bytes, or nothing to say) → sent. Only the slot at the front writes into the send queue; the others keep
//! their answer until everything before them has been completed.

use millrace_host::disk::posix::PosixFile;
use millrace_host::net::TcpSocket;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// Answers are gathered in one chunk up to this size before another is begun.
const GATHER_BYTES: usize = 32 * 1024;
/// One connection sends about this much before the others get their turn.
const FLUSH_BYTES: usize = 4 * 1024 * 1024;
/// One sendfile call; larger gains nothing, and a full socket buffer ends it earlier anyway.
const SEND_FILE_BYTES: u64 = 1024 * 1024;
/// Spare chunks kept by a reactor, and the largest worth keeping.
const SPARE_CHUNKS: usize = 64;
const SPARE_BYTES: usize = 64 * 1024;

/// Part of a file to be sent as it is.
#[derive(Debug, Clone)]
pub struct FileRange {
    pub file: Arc<PosixFile>,
    pub position: u64,
    pub bytes: u64,
}

/// Whole answers, ready to be sent: bytes, and file ranges that belong between them.
#[derive(Debug, Default)]
pub struct Chunk {
    pub bytes: Vec<u8>,
    /// Each range belongs before the byte at its position in `bytes`; positions rise.
    pub files: VecDeque<(usize, FileRange)>,
}

#[derive(Debug)]
enum Slot {
    Open,
    Completed(Chunk),
}

/// Emptied chunks of one reactor, for the next answers.
#[derive(Debug, Default)]
pub struct SpareChunks(Vec<Chunk>);

impl SpareChunks {
    fn take(&mut self) -> Chunk {
        self.0.pop().unwrap_or_default()
    }

    fn give(&mut self, mut chunk: Chunk) {
        if self.0.len() < SPARE_CHUNKS && chunk.bytes.capacity() <= SPARE_BYTES {
            chunk.bytes.clear();
            chunk.files.clear();
            self.0.push(chunk);
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flushed {
    /// Nothing left to send.
    Empty,
    /// The socket takes no more for now.
    Blocked,
    /// Used up its share of this turn.
    Again,
}

#[derive(Debug, Default)]
pub struct Responses {
    slots: VecDeque<Slot>,
    first_slot: u32,
    queue: VecDeque<Chunk>,
    /// Bytes of the first chunk that are gone already.
    sent_of_first: usize,
    /// Memory held by the queue and by completed slots.
    held_bytes: usize,
}

impl Responses {
    /// A place in the order for a request that was just read.
    pub fn open(&mut self) -> u32 {
        let slot = self.first_slot.wrapping_add(self.slots.len() as u32);
        self.slots.push_back(Slot::Open);
        slot
    }

    pub fn is_open(&self, slot: u32) -> bool {
        matches!(self.slots.get(self.place(slot)), Some(Slot::Open))
    }

    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    pub fn has_output(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Completes `slot` with the answer that `write` puts behind what the chunk holds already.
    pub fn complete(&mut self, slot: u32, spare: &mut SpareChunks, write: impl FnOnce(&mut Chunk)) {
        let place = self.place(slot);
        assert!(
            matches!(self.slots.get(place), Some(Slot::Open)),
            "an answer completes an open slot"
        );
        if place > 0 {
            let mut chunk = spare.take();
            write(&mut chunk);
            self.held_bytes += chunk.bytes.len();
            self.slots[place] = Slot::Completed(chunk);
            return;
        }
        // The oldest request, the common case, writes behind what is already waiting to be sent.
        if self
            .queue
            .back()
            .is_none_or(|chunk| chunk.bytes.len() >= GATHER_BYTES)
        {
            self.queue.push_back(spare.take());
        }
        let chunk = self
            .queue
            .back_mut()
            .expect("a chunk was just made sure of");
        let before = chunk.bytes.len();
        write(chunk);
        self.held_bytes += chunk.bytes.len() - before;
        self.slots.pop_front();
        self.first_slot = self.first_slot.wrapping_add(1);
        self.advance(spare);
    }

    /// Completes `slot` without an answer (acks=0).
    pub fn complete_silently(&mut self, slot: u32, spare: &mut SpareChunks) {
        let place = self.place(slot);
        assert!(
            matches!(self.slots.get(place), Some(Slot::Open)),
            "an answer completes an open slot"
        );
        self.slots[place] = Slot::Completed(Chunk::default());
        self.advance(spare);
    }

    /// Sends until the queue is empty, the socket is full, or the turn's share is used. Returns also how much went.
    pub fn flush(
        &mut self,
        socket: &TcpSocket,
        spare: &mut SpareChunks,
    ) -> io::Result<(Flushed, usize)> {
        let mut total = 0;
        while let Some(chunk) = self.queue.front_mut() {
            if total >= FLUSH_BYTES {
                return Ok((Flushed::Again, total));
            }
            let stop = chunk.files.front().map_or(chunk.bytes.len(), |(at, _)| *at);
            let sent = if self.sent_of_first < stop {
                // More follows at once: let the kernel fill the segment.
                let more = !chunk.files.is_empty();
                socket
                    .send(&chunk.bytes[self.sent_of_first..stop], more)
                    .inspect(|sent| self.sent_of_first += sent)
            } else if let Some((_, range)) = chunk.files.front_mut() {
                let sent = send_range(socket, range);
                if range.bytes == 0 {
                    chunk.files.pop_front();
                }
                sent
            } else {
                self.held_bytes -= chunk.bytes.len();
                self.sent_of_first = 0;
                spare.give(self.queue.pop_front().expect("the chunk at the front"));
                continue;
            };
            match sent {
                Ok(sent) => total += sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Ok((Flushed::Blocked, total));
                }
                Err(error) => return Err(error),
            }
        }
        Ok((Flushed::Empty, total))
    }

    fn place(&self, slot: u32) -> usize {
        slot.wrapping_sub(self.first_slot) as usize
    }

    /// Moves answers that are complete and next in order to the send queue.
    fn advance(&mut self, spare: &mut SpareChunks) {
        while let Some(Slot::Completed(_)) = self.slots.front() {
            let Some(Slot::Completed(chunk)) = self.slots.pop_front() else {
                unreachable!("the front was completed")
            };
            self.first_slot = self.first_slot.wrapping_add(1);
            match self.queue.back_mut() {
                Some(last)
                    if chunk.files.is_empty()
                        && last.bytes.len() + chunk.bytes.len() <= GATHER_BYTES =>
                {
                    last.bytes.extend_from_slice(&chunk.bytes);
                    spare.give(chunk);
                }
                _ if chunk.bytes.is_empty() => spare.give(chunk),
                _ => self.queue.push_back(chunk),
            }
        }
    }
}

fn send_range(socket: &TcpSocket, range: &mut FileRange) -> io::Result<usize> {
    let sent = socket.send_file(
        &range.file,
        range.position,
        range.bytes.min(SEND_FILE_BYTES) as usize,
    )?;
    if sent == 0 {
        // A range handed out lies inside the file; only someone else truncating it can end it early.
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    range.position += sent as u64;
    range.bytes -= sent as u64;
    Ok(sent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queued(responses: &Responses) -> Vec<u8> {
        responses
            .queue
            .iter()
            .flat_map(|chunk| chunk.bytes.clone())
            .collect()
    }

    #[test]
    fn answers_leave_in_the_order_of_their_requests() {
        let (mut responses, mut spare) = (Responses::default(), SpareChunks::default());
        let slots = [
            responses.open(),
            responses.open(),
            responses.open(),
            responses.open(),
        ];
        responses.complete(slots[2], &mut spare, |chunk| chunk.bytes.push(2));
        responses.complete(slots[1], &mut spare, |chunk| chunk.bytes.push(1));
        assert!(!responses.has_output());
        responses.complete(slots[0], &mut spare, |chunk| chunk.bytes.push(0));
        assert_eq!(queued(&responses), [0, 1, 2]);
        responses.complete_silently(slots[3], &mut spare);
        let next = responses.open();
        assert!(responses.is_open(next) && !responses.is_open(slots[3]));
        responses.complete(next, &mut spare, |chunk| chunk.bytes.push(4));
        assert_eq!(queued(&responses), [0, 1, 2, 4]);
        assert_eq!(responses.held_bytes(), 4);
    }
}
