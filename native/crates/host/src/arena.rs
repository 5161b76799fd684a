//! Owns a ring of equal slots of memory that the embedder fills from outside Rust (JavaScript, through a pointer) and a thread of ours empties.
//! Never grows. Invariant: at any time a slot is either the filler's or held by exactly one `Slot`; dropping that gives it back.

#![allow(unsafe_code, reason = "memory shared with a filler outside Rust")]

use std::cell::UnsafeCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub struct Arena {
    bytes: Box<[UnsafeCell<u8>]>,
    slot_bytes: usize,
    taken: Box<[AtomicBool]>,
}

// SAFETY: the bytes are reached from Rust only through a `Slot`, of which `taken` lets one exist for each part; what the filler writes from
// outside it writes before it hands the slot over and after it has it back, both ordered by `taken`.
unsafe impl Sync for Arena {}

impl Arena {
    pub fn new(slots: usize, slot_bytes: usize) -> Arc<Arena> {
        assert!(
            slots > 1 && slot_bytes > 0,
            "one slot is filled while others are emptied"
        );
        let bytes = vec![0_u8; slots * slot_bytes].into_boxed_slice();
        // SAFETY: `UnsafeCell<u8>` has the layout of `u8`, and the box is ours alone.
        let bytes = unsafe { Box::from_raw(Box::into_raw(bytes) as *mut [UnsafeCell<u8>]) };
        Arc::new(Arena {
            bytes,
            slot_bytes,
            taken: (0..slots).map(|_| AtomicBool::new(false)).collect(),
        })
    }

    pub fn slots(&self) -> usize {
        self.taken.len()
    }

    pub fn slot_bytes(&self) -> usize {
        self.slot_bytes
    }

    /// Where the filler finds the first slot; the others follow without a gap.
    pub fn as_ptr(&self) -> *mut u8 {
        self.bytes.as_ptr().cast::<u8>().cast_mut()
    }

    pub fn len_bytes(&self) -> usize {
        self.bytes.len()
    }

    pub fn is_taken(&self, slot: usize) -> bool {
        self.taken[slot].load(Ordering::Acquire)
    }

    /// Takes the slot from the filler. None while it is held already.
    pub fn take(self: &Arc<Self>, slot: usize) -> Option<Slot> {
        let was_taken = self.taken.get(slot)?.swap(true, Ordering::AcqRel);
        (!was_taken).then(|| Slot {
            arena: Arc::clone(self),
            slot,
        })
    }
}

/// One slot, held for as long as this lives.
pub struct Slot {
    arena: Arc<Arena>,
    slot: usize,
}

impl Slot {
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        let start = self.slot * self.arena.slot_bytes;
        let cells = &self.arena.bytes[start..start + self.arena.slot_bytes];
        // SAFETY: `taken` made this the only `Slot` of these bytes, and the exclusive borrow of it the only slice.
        unsafe { std::slice::from_raw_parts_mut(UnsafeCell::raw_get(cells.as_ptr()), cells.len()) }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.arena.taken[self.slot].store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_held_once_and_comes_back() {
        let arena = Arena::new(2, 8);
        let mut first = arena.take(0).expect("free");
        first.bytes_mut()[7] = 5;
        assert!(arena.take(0).is_none());
        let mut second = arena.take(1).expect("the other is free");
        second.bytes_mut().fill(9);
        assert_eq!(first.bytes_mut(), [0, 0, 0, 0, 0, 0, 0, 5]);
        drop(first);
        assert!(!arena.is_taken(0));
        assert!(arena.take(0).is_some());
        assert!(arena.take(2).is_none(), "there is no such slot");
    }
}
