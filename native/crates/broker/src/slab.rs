//! Owns a table of things that come and go, each named by a key that is never reused.
//! Invariant: a key of something removed finds nothing, also when its place is taken again.

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    pub index: u32,
    pub generation: u32,
}

impl Key {
    pub fn to_u64(self) -> u64 {
        u64::from(self.generation) << 32 | u64::from(self.index)
    }

    pub fn from_u64(bits: u64) -> Key {
        Key {
            index: bits as u32,
            generation: (bits >> 32) as u32,
        }
    }
}

#[derive(Debug)]
pub struct Slab<T> {
    places: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
    len: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Slab<T> {
        Slab {
            places: Vec::new(),
            free: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Slab<T> {
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn insert(&mut self, thing: T) -> Key {
        self.len += 1;
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.places.push((0, None));
                u32::try_from(self.places.len() - 1).expect("fewer than 2^32 places")
            }
        };
        let (generation, place) = &mut self.places[index as usize];
        *place = Some(thing);
        Key {
            index,
            generation: *generation,
        }
    }

    pub fn get(&self, key: Key) -> Option<&T> {
        match self.places.get(key.index as usize) {
            Some((generation, Some(thing))) if *generation == key.generation => Some(thing),
            _ => None,
        }
    }

    pub fn get_mut(&mut self, key: Key) -> Option<&mut T> {
        match self.places.get_mut(key.index as usize) {
            Some((generation, Some(thing))) if *generation == key.generation => Some(thing),
            _ => None,
        }
    }

    /// The key of whatever is at this place now.
    pub fn key_at(&self, index: u32) -> Option<Key> {
        match self.places.get(index as usize) {
            Some((generation, Some(_))) => Some(Key {
                index,
                generation: *generation,
            }),
            _ => None,
        }
    }

    pub fn remove(&mut self, key: Key) -> Option<T> {
        self.get(key)?;
        let (generation, place) = &mut self.places[key.index as usize];
        *generation = generation.wrapping_add(1);
        self.free.push(key.index);
        self.len -= 1;
        place.take()
    }

    pub fn keys(&self) -> impl Iterator<Item = Key> + '_ {
        self.places
            .iter()
            .enumerate()
            .filter(|(_, (_, place))| place.is_some())
            .map(|(index, (generation, _))| Key {
                index: index as u32,
                generation: *generation,
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_of_something_removed_finds_nothing() {
        let mut slab = Slab::default();
        let first = slab.insert('a');
        assert_eq!(slab.remove(first), Some('a'));
        let second = slab.insert('b');
        assert_eq!(second.index, first.index);
        assert_eq!((slab.get(first), slab.get(second)), (None, Some(&'b')));
        assert_eq!(slab.remove(first), None);
        assert_eq!(Key::from_u64(second.to_u64()), second);
        assert_eq!(slab.keys().collect::<Vec<_>>(), [second]);
        assert!(!slab.is_empty());
    }
}
