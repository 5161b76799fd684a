//! Owns the requests of this reactor that the control plane answers, and the tokens that name them.
//! Invariant: a token answers one request of one connection; once that is answered or gone, it finds nothing.
//!
//! ```text
//! token: u8 reactor | 20 bits connection place | 20 bits of its generation | 16 bits of the slot
//! ```

use super::Reactor;
use crate::connection::Pause;
use crate::metrics::Counter;
use crate::slab::Key;
use crate::timers::Timer;
use crate::upcall::RequestUpcall;
use millrace_wire::WireError;
use millrace_wire::header::RequestPrefix;
use std::io::Write;
use std::ops::Range;

const SLOT_BITS: u32 = 16;
const GENERATION_BITS: u32 = 20;
const PLACE_BITS: u32 = 20;
const _: () = assert!(8 + PLACE_BITS + GENERATION_BITS + SLOT_BITS == 64);

const fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

/// The reactor a token belongs to.
pub fn token_reactor(token: u64) -> usize {
    (token >> (PLACE_BITS + GENERATION_BITS + SLOT_BITS)) as usize
}

fn token_of(reactor: u16, key: Key, slot: u32) -> u64 {
    assert!(
        u64::from(key.index) <= mask(PLACE_BITS),
        "fewer than 2^20 connections a reactor"
    );
    u64::from(reactor) << (PLACE_BITS + GENERATION_BITS + SLOT_BITS)
        | u64::from(key.index) << (GENERATION_BITS + SLOT_BITS)
        | (u64::from(key.generation) & mask(GENERATION_BITS)) << SLOT_BITS
        | u64::from(slot) & mask(SLOT_BITS)
}

impl Reactor {
    pub(super) fn upcall(
        &mut self,
        key: Key,
        frame: &Range<usize>,
        prefix: &RequestPrefix,
    ) -> Result<(), WireError> {
        let connection = self
            .connections
            .get_mut(key)
            .expect("the frame is from this connection");
        if !self.shared.upcalls.has_room(usize::from(self.index)) {
            connection.receive.put_back(frame);
            connection.pause = Pause::Upcalls;
            self.waiting_for_upcalls.push(key);
            self.note_change(key);
            return Ok(());
        }
        let slot = connection.responses.open();
        connection.under_way.begin(false);
        connection.was_upcalled = true;
        connection.upcalled_slot = Some(slot);
        let mut host = [0; 64];
        let host_len = {
            let mut unwritten = &mut host[..];
            write!(unwritten, "{}", connection.peer.ip().to_canonical())
                .expect("an address fits 64 characters");
            64 - unwritten.len()
        };
        self.shared.upcalls.request(&RequestUpcall {
            token: token_of(self.index, key, slot),
            connection_id: connection.id,
            listener: connection.listener,
            api_key: prefix.api_key,
            api_version: prefix.api_version,
            correlation_id: prefix.correlation_id,
            peer_host: std::str::from_utf8(&host[..host_len]).expect("an address is ascii"),
            frame: &connection.receive.bytes()[frame.clone()],
        });
        self.metrics().count(Counter::UpcallsTotal);
        Ok(())
    }

    pub(super) fn respond_upcall(&mut self, token: u64, payload: &[u8], throttle_ms: u32) {
        let Some((key, slot)) = self.upcalled(token) else {
            return;
        };
        let connection = self.connections.get_mut(key).expect("the token found it");
        connection.upcalled_slot = None;
        let size = i32::try_from(payload.len()).expect("a response is smaller than 2 GiB");
        connection
            .responses
            .complete(slot, &mut self.spare, |chunk| {
                chunk.bytes.extend_from_slice(&size.to_be_bytes());
                chunk.bytes.extend_from_slice(payload);
            });
        connection.end_request();
        if throttle_ms > 0 && matches!(connection.pause, Pause::No | Pause::Busy) {
            connection.pause = Pause::Throttled;
            self.timers
                .set(self.now_ms + u64::from(throttle_ms), Timer::Unthrottle(key));
        }
        self.note_change(key);
    }

    pub(super) fn respond_nothing(&mut self, token: u64) {
        let Some((key, slot)) = self.upcalled(token) else {
            return;
        };
        let connection = self.connections.get_mut(key).expect("the token found it");
        connection.upcalled_slot = None;
        connection
            .responses
            .complete_silently(slot, &mut self.spare);
        connection.end_request();
        self.note_change(key);
    }

    pub(super) fn close_upcalled(&mut self, token: u64) {
        if let Some((key, _)) = self.upcalled(token) {
            self.end(key);
        }
    }

    /// The connection and slot a token names, if that request still waits.
    fn upcalled(&self, token: u64) -> Option<(Key, u32)> {
        let place = (token >> (GENERATION_BITS + SLOT_BITS) & mask(PLACE_BITS)) as u32;
        let generation = token >> SLOT_BITS & mask(GENERATION_BITS);
        let key = self.connections.key_at(place)?;
        let slot = self.connections.get(key)?.upcalled_slot?;
        let is_same = u64::from(key.generation) & mask(GENERATION_BITS) == generation
            && u64::from(slot) & mask(SLOT_BITS) == token & mask(SLOT_BITS);
        is_same.then_some((key, slot))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_reactor() {
        let key = Key {
            index: 0xf_ffff,
            generation: 0xffff_ffff,
        };
        assert_eq!(token_reactor(token_of(255, key, 0xffff_ffff)), 255);
        assert_eq!(
            token_of(
                0,
                Key {
                    index: 1,
                    generation: 0
                },
                2
            ),
            1 << 36 | 2
        );
    }
}
