//! Owns the newest offset of every key in the dirty part of a log, in memory of a fixed size. Never keeps a key: a 128-bit hash stands for it
//! (XXH3, with a seed nobody outside knows, so that no client can make two keys meet and lose one of them).
//! Invariants: the table never grows; it takes no new key beyond its load limit, and whoever fills it learns so and goes on in another pass.
//!
//! ```text
//! one slot, 24 bytes: hash (u128 as two u64), offset + 1 (0 = free)
//! ```
//! Open addressing with linear probing: a look-up reads neighbouring memory.

use twox_hash::XxHash3_128;

pub(crate) const SLOT_BYTES: usize = 24;
/// Even the smallest table takes some keys.
const SLOTS_MIN: usize = 8;

pub(crate) struct KeyMap {
    slots: Vec<Slot>,
    keys: usize,
    keys_max: usize,
    seed: u64,
    /// Every key up to here is in the map.
    latest_offset: i64,
}

type Slot = [u64; 3];

/// The map has no room for another key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MapFull;

impl KeyMap {
    /// A map of at most `bytes_max` bytes, and no larger than `keys_expected` keys need.
    pub(crate) fn new(bytes_max: usize, load_factor: f64, keys_expected: u64, seed: u64) -> KeyMap {
        assert!(
            load_factor > 0.0 && load_factor <= 1.0,
            "a load factor is a part of one"
        );
        let slots_max = (bytes_max / SLOT_BYTES).max(SLOTS_MIN);
        let slots_wanted = (keys_expected as f64 / load_factor).ceil() + 1.0;
        let slots = if slots_wanted >= slots_max as f64 {
            slots_max
        } else {
            (slots_wanted as usize).max(SLOTS_MIN)
        };
        // A free slot must remain, or a search for a missing key would not end.
        let keys_max = ((slots as f64 * load_factor) as usize).clamp(1, slots - 1);
        KeyMap {
            // Zeroed by the kernel, page by page as it is used.
            slots: vec![[0; 3]; slots],
            keys: 0,
            keys_max,
            seed,
            latest_offset: -1,
        }
    }

    /// Notes that `offset` is the newest for `key`. Offsets of one key come in ascending order.
    pub(crate) fn put(&mut self, key: &[u8], offset: i64) -> Result<(), MapFull> {
        assert!(offset >= 0, "offsets are never negative");
        let (high, low) = self.hash(key);
        let at = self.slot_of(high, low);
        if self.slots[at][2] == 0 {
            if self.keys >= self.keys_max {
                return Err(MapFull);
            }
            self.keys += 1;
        }
        self.slots[at] = [high, low, offset as u64 + 1];
        self.latest_offset = offset;
        Ok(())
    }

    /// The newest offset noted for `key`.
    pub(crate) fn get(&self, key: &[u8]) -> Option<i64> {
        let (high, low) = self.hash(key);
        match self.slots[self.slot_of(high, low)][2] {
            0 => None,
            noted => Some((noted - 1) as i64),
        }
    }

    pub(crate) fn latest_offset(&self) -> i64 {
        self.latest_offset
    }

    /// Everything up to `offset` has been seen, with or without a key.
    pub(crate) fn advance_to(&mut self, offset: i64) {
        self.latest_offset = self.latest_offset.max(offset);
    }

    /// How full the map is, of 1.
    pub(crate) fn utilization(&self) -> f64 {
        self.keys as f64 / self.slots.len() as f64
    }

    fn hash(&self, key: &[u8]) -> (u64, u64) {
        let hash = XxHash3_128::oneshot_with_seed(self.seed, key);
        ((hash >> 64) as u64, hash as u64)
    }

    /// The slot that holds the hash, or the free one where it belongs.
    fn slot_of(&self, high: u64, low: u64) -> usize {
        let count = self.slots.len();
        let mut at = ((u128::from(high) * count as u128) >> 64) as usize;
        loop {
            let slot = &self.slots[at];
            if slot[2] == 0 || (slot[0] == high && slot[1] == low) {
                return at;
            }
            at += 1;
            if at == count {
                at = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn agrees_with_a_plain_map() {
        let mut map = KeyMap::new(1 << 20, 0.9, 5_000, 7);
        let mut plain = HashMap::new();
        for offset in 0..20_000_i64 {
            let key = format!("key-{}", offset * 7_919 % 4_000);
            map.put(key.as_bytes(), offset).expect("there is room");
            plain.insert(key, offset);
        }
        for number in 0..5_000 {
            let key = format!("key-{number}");
            assert_eq!(map.get(key.as_bytes()), plain.get(&key).copied());
        }
        assert_eq!(map.latest_offset(), 19_999);
    }

    #[test]
    fn a_full_map_takes_known_keys_and_refuses_new_ones() {
        let mut map = KeyMap::new(10 * SLOT_BYTES, 0.5, u64::MAX, 1);
        for offset in 0..5_i64 {
            map.put(&[offset as u8], offset).expect("there is room");
        }
        assert_eq!(map.put(b"sixth", 5), Err(MapFull));
        assert_eq!(map.get(b"sixth"), None);
        map.put(&[3], 6).expect("the key is known");
        assert_eq!((map.get(&[3]), map.latest_offset()), (Some(6), 6));
        assert!((map.utilization() - 0.5).abs() < 1e-9);
    }

    #[test]
    fn even_a_map_loaded_to_the_brim_ends_its_searches() {
        let mut map = KeyMap::new(1, 1.0, 1_000, 3);
        let mut offset = 0;
        while map.put(&[offset as u8], offset).is_ok() {
            offset += 1;
        }
        assert_eq!(offset, SLOTS_MIN as i64 - 1);
        assert_eq!(map.get(b"missing"), None);
    }

    #[test]
    fn a_small_log_gets_a_small_map() {
        let map = KeyMap::new(128 << 20, 0.9, 90, 1);
        assert!(map.slots.len() <= 102);
    }
}
