//! Owns the events on their way up to the control plane, packed as it will read them.
//! Never interprets a frame.
//! Invariant: while events wait, exactly one wake is under way; the next one is sent only after a take found nothing left.
//! Limit: `bytes_max`; above it a reactor stops reading the connection that wants more, and hears when there is room.
//!
//! One event, little-endian:
//!
//! ```text
//! u32 bytes that follow | u8 kind | fields of the kind
//! kind 1 Request          u64 token  u32 connection  u16 listener  i16 apiKey  i16 apiVersion  i32 correlationId
//!                         u8 n + n bytes peer host (ascii)  u32 n + n bytes frame (from the api key on)
//! kind 2 AppendDone       u64 token  i16 errorCode  i64 baseOffset  i64 lastOffset
//! kind 3 ConnectionClosed u32 connection
//! kind 4 LogDirFailed     u16 index (65535: the broker itself)  u16 n + n bytes message (utf-8)
//! ```

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Events are gathered in chunks of about this size; one chunk is one crossing.
const CHUNK_BYTES: usize = 256 * 1024;
const KIND_REQUEST: u8 = 1;
const KIND_APPEND_DONE: u8 = 2;
const KIND_CONNECTION_CLOSED: u8 = 3;
const KIND_LOG_DIR_FAILED: u8 = 4;
/// Stands for the whole broker where a log directory's index is expected.
pub const BROKER_INDEX: u16 = u16::MAX;

pub type Wake = Box<dyn Fn() + Send + Sync>;

pub struct UpcallQueue {
    state: Mutex<State>,
    wake: Wake,
    bytes_max: usize,
}

#[derive(Default)]
struct State {
    chunks: VecDeque<Vec<u8>>,
    bytes: usize,
    wake_pending: bool,
    /// Reactors (a bit each) that found the queue full.
    reactors_waiting: u64,
}

pub struct RequestUpcall<'a> {
    pub token: u64,
    pub connection_id: u32,
    pub listener: u16,
    pub api_key: i16,
    pub api_version: i16,
    pub correlation_id: i32,
    pub peer_host: &'a str,
    pub frame: &'a [u8],
}

impl UpcallQueue {
    pub fn new(bytes_max: usize, wake: Wake) -> UpcallQueue {
        UpcallQueue {
            state: Mutex::new(State::default()),
            wake,
            bytes_max,
        }
    }

    /// Whether a request may go up now. When not, `reactor` is told once there is room.
    pub fn has_room(&self, reactor: usize) -> bool {
        let mut state = self.lock();
        if state.bytes < self.bytes_max {
            return true;
        }
        state.reactors_waiting |= 1 << (reactor % 64);
        false
    }

    pub fn request(&self, request: &RequestUpcall<'_>) {
        let peer_len = u8::try_from(request.peer_host.len())
            .expect("an address is shorter than 256 characters");
        let frame_len = u32::try_from(request.frame.len()).expect("a frame is smaller than 4 GiB");
        self.push(
            28 + request.peer_host.len() + request.frame.len(),
            KIND_REQUEST,
            |bytes| {
                bytes.extend_from_slice(&request.token.to_le_bytes());
                bytes.extend_from_slice(&request.connection_id.to_le_bytes());
                bytes.extend_from_slice(&request.listener.to_le_bytes());
                bytes.extend_from_slice(&request.api_key.to_le_bytes());
                bytes.extend_from_slice(&request.api_version.to_le_bytes());
                bytes.extend_from_slice(&request.correlation_id.to_le_bytes());
                bytes.push(peer_len);
                bytes.extend_from_slice(request.peer_host.as_bytes());
                bytes.extend_from_slice(&frame_len.to_le_bytes());
                bytes.extend_from_slice(request.frame);
            },
        );
    }

    pub fn append_done(&self, token: u64, error_code: i16, base_offset: i64, last_offset: i64) {
        self.push(27, KIND_APPEND_DONE, |bytes| {
            bytes.extend_from_slice(&token.to_le_bytes());
            bytes.extend_from_slice(&error_code.to_le_bytes());
            bytes.extend_from_slice(&base_offset.to_le_bytes());
            bytes.extend_from_slice(&last_offset.to_le_bytes());
        });
    }

    pub fn connection_closed(&self, connection_id: u32) {
        self.push(5, KIND_CONNECTION_CLOSED, |bytes| {
            bytes.extend_from_slice(&connection_id.to_le_bytes())
        });
    }

    /// `index` of the log directory, or `BROKER_INDEX`.
    pub fn log_dir_failed(&self, index: u16, message: &str) {
        let end = (0..=message.len().min(4096))
            .rev()
            .find(|&end| message.is_char_boundary(end))
            .unwrap_or(0);
        let message = &message.as_bytes()[..end];
        self.push(5 + message.len(), KIND_LOG_DIR_FAILED, |bytes| {
            bytes.extend_from_slice(&index.to_le_bytes());
            bytes.extend_from_slice(&(message.len() as u16).to_le_bytes());
            bytes.extend_from_slice(message);
        });
    }

    /// Whole events of about `bytes_max` together (a single larger event still comes whole), or None: then the next event wakes
    /// again. Also says which reactors wait for room.
    pub fn take(&self, bytes_max: usize) -> (Option<Vec<u8>>, u64) {
        let mut state = self.lock();
        let Some(mut taken) = state.chunks.pop_front() else {
            state.wake_pending = false;
            return (None, 0);
        };
        while let Some(next) = state.chunks.front() {
            if taken.len() + next.len() > bytes_max {
                break;
            }
            taken.extend_from_slice(next);
            state.chunks.pop_front();
        }
        state.bytes -= taken.len();
        let has_room = state.bytes <= self.bytes_max / 2;
        let waiting = if has_room {
            std::mem::take(&mut state.reactors_waiting)
        } else {
            0
        };
        (Some(taken), waiting)
    }

    /// Only events pushed to an idle queue wake; the others are found by the taker that is already on its way.
    fn push(&self, event_bytes: usize, kind: u8, write: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.lock();
        let event_len = u32::try_from(event_bytes).expect("an event is smaller than 4 GiB");
        let needs_chunk = state
            .chunks
            .back()
            .is_none_or(|chunk| chunk.len() + event_bytes > CHUNK_BYTES);
        if needs_chunk {
            state.chunks.push_back(Vec::with_capacity(event_bytes + 4));
        }
        let chunk = state
            .chunks
            .back_mut()
            .expect("a chunk was just made sure of");
        let start = chunk.len();
        chunk.extend_from_slice(&event_len.to_le_bytes());
        chunk.push(kind);
        write(chunk);
        assert!(
            chunk.len() - start == event_bytes + 4,
            "an event is as long as it says"
        );
        state.bytes += event_bytes + 4;
        let wakes = !std::mem::replace(&mut state.wake_pending, true);
        drop(state);
        if wakes {
            (self.wake)();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn queue(bytes_max: usize) -> (UpcallQueue, Arc<AtomicUsize>) {
        let wakes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&wakes);
        let wake = move || {
            counter.fetch_add(1, Ordering::SeqCst);
        };
        (UpcallQueue::new(bytes_max, Box::new(wake)), wakes)
    }

    #[test]
    fn one_wake_covers_all_events_until_the_queue_was_found_empty() {
        let (queue, wakes) = queue(1 << 20);
        queue.connection_closed(7);
        queue.append_done(1, 0, 10, 11);
        assert_eq!(wakes.load(Ordering::SeqCst), 1);
        let taken = queue.take(1 << 20).0.expect("two events");
        assert_eq!(taken.len(), 9 + 31);
        assert_eq!(
            &taken[..9],
            [5, 0, 0, 0, KIND_CONNECTION_CLOSED, 7, 0, 0, 0]
        );
        queue.connection_closed(8);
        assert_eq!(
            wakes.load(Ordering::SeqCst),
            1,
            "the taker has not seen the queue empty yet"
        );
        assert!(queue.take(1 << 20).0.is_some());
        assert!(queue.take(1 << 20).0.is_none());
        queue.connection_closed(9);
        assert_eq!(wakes.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn a_full_queue_says_so_and_tells_who_waits_when_there_is_room() {
        let (queue, _) = queue(100);
        let frame = [0; 200];
        assert!(queue.has_room(3));
        queue.request(&RequestUpcall {
            token: 1,
            connection_id: 2,
            listener: 0,
            api_key: 3,
            api_version: 4,
            correlation_id: 5,
            peer_host: "127.0.0.1",
            frame: &frame,
        });
        assert!(!queue.has_room(3));
        let (taken, waiting) = queue.take(10);
        assert_eq!(
            taken.expect("a large event comes whole").len(),
            4 + 28 + 9 + 200
        );
        assert_eq!(waiting, 1 << 3);
        assert!(queue.has_room(3));
    }
}
