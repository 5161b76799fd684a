//! Owns the byte buffers that sockets and files fill. A buffer goes back to the pool when dropped.
//! Invariant: bytes handed out and not yet dropped never exceed `outstanding_bytes_max`; bytes kept for reuse never exceed `cached_bytes_max`.
//! At the first limit `try_take` says no (the caller stops reading: backpressure); at the second a returned buffer is freed.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Smallest and largest pooled sizes; between them every power of two is a class. Larger buffers are made to measure and never kept.
pub const SMALLEST_CLASS_BYTES: usize = 4 * 1024;
pub const LARGEST_CLASS_BYTES: usize = 4 * 1024 * 1024;
/// What most requests fit in.
const SMALL_BYTES: usize = 32 * 1024;
const CLASS_COUNT: usize = (LARGEST_CLASS_BYTES / SMALLEST_CLASS_BYTES).ilog2() as usize + 1;
const _: () =
    assert!(SMALLEST_CLASS_BYTES.is_power_of_two() && LARGEST_CLASS_BYTES.is_power_of_two());

#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    pub outstanding_bytes_max: usize,
    pub cached_bytes_max: usize,
}

/// Cheap to clone; clones share the pool.
#[derive(Clone)]
pub struct BufferPool {
    shared: Arc<Shared>,
}

struct Shared {
    limits: PoolLimits,
    outstanding_bytes: AtomicUsize,
    cache: Mutex<Cache>,
}

struct Cache {
    classes: [Vec<Box<[u8]>>; CLASS_COUNT],
    cached_bytes: usize,
}

impl BufferPool {
    pub fn new(limits: PoolLimits) -> BufferPool {
        let cache = Cache {
            classes: [const { Vec::new() }; CLASS_COUNT],
            cached_bytes: 0,
        };
        BufferPool {
            shared: Arc::new(Shared {
                limits,
                outstanding_bytes: AtomicUsize::new(0),
                cache: Mutex::new(cache),
            }),
        }
    }

    /// A buffer of at least `bytes_min` bytes, or None when that would pass `outstanding_bytes_max`. The last quarter is for small buffers:
    /// large ones that are never given back cannot keep out who needs little.
    /// Its contents are unspecified (earlier data of this process): fill before sending. A pool with nothing outstanding never refuses,
    /// so one request larger than the limit can still be served alone.
    pub fn try_take(&self, bytes_min: usize) -> Option<Buffer> {
        let size = rounded_size(bytes_min);
        let before = self
            .shared
            .outstanding_bytes
            .fetch_add(size, Ordering::Relaxed);
        let max = self.shared.limits.outstanding_bytes_max;
        let limit = if size > SMALL_BYTES {
            max - max / 4
        } else {
            max
        };
        if before != 0 && before.saturating_add(size) > limit {
            self.shared
                .outstanding_bytes
                .fetch_sub(size, Ordering::Relaxed);
            return None;
        }
        Some(self.make(size))
    }

    /// A buffer of at least `bytes_min` bytes, whatever is outstanding: for bounded small needs that must not fail (replies, control).
    pub fn take(&self, bytes_min: usize) -> Buffer {
        let size = rounded_size(bytes_min);
        self.shared
            .outstanding_bytes
            .fetch_add(size, Ordering::Relaxed);
        self.make(size)
    }

    pub fn outstanding_bytes(&self) -> usize {
        self.shared.outstanding_bytes.load(Ordering::Relaxed)
    }

    pub fn cached_bytes(&self) -> usize {
        self.shared.lock().cached_bytes
    }

    /// Frees everything kept for reuse: for a process that has gone idle.
    pub fn trim(&self) {
        let mut cache = self.shared.lock();
        for class in &mut cache.classes {
            class.clear();
            class.shrink_to_fit();
        }
        cache.cached_bytes = 0;
    }

    fn make(&self, size: usize) -> Buffer {
        let cached = class_index(size).and_then(|class| {
            let mut cache = self.shared.lock();
            let bytes = cache.classes[class].pop()?;
            cache.cached_bytes -= bytes.len();
            Some(bytes)
        });
        let bytes = cached.unwrap_or_else(|| vec![0; size].into_boxed_slice());
        assert!(bytes.len() == size, "a class holds buffers of its own size");
        Buffer {
            bytes,
            shared: Some(Arc::clone(&self.shared)),
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Cache> {
        // Nothing inside the lock can panic half-way, so a poisoned cache is still a sound one.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, bytes: Box<[u8]>) {
        self.outstanding_bytes
            .fetch_sub(bytes.len(), Ordering::Relaxed);
        let Some(class) = class_index(bytes.len()) else {
            return;
        };
        let mut cache = self.lock();
        if cache.cached_bytes + bytes.len() <= self.limits.cached_bytes_max {
            cache.cached_bytes += bytes.len();
            cache.classes[class].push(bytes);
        }
    }
}

fn rounded_size(bytes_min: usize) -> usize {
    if bytes_min > LARGEST_CLASS_BYTES {
        bytes_min
    } else {
        bytes_min.max(SMALLEST_CLASS_BYTES).next_power_of_two()
    }
}

fn class_index(size: usize) -> Option<usize> {
    (size <= LARGEST_CLASS_BYTES).then(|| (size / SMALLEST_CLASS_BYTES).ilog2() as usize)
}

/// A pooled byte buffer. Dereferences to its whole capacity.
pub struct Buffer {
    bytes: Box<[u8]>,
    shared: Option<Arc<Shared>>,
}

impl Buffer {
    /// A buffer outside any pool, freed when dropped.
    pub fn unpooled(bytes: usize) -> Buffer {
        Buffer {
            bytes: vec![0; bytes].into_boxed_slice(),
            shared: None,
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.give_back(std::mem::take(&mut self.bytes));
        }
    }
}

impl Deref for Buffer {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.bytes
    }
}

impl std::fmt::Debug for Buffer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Buffer({} bytes)", self.bytes.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(outstanding_bytes_max: usize, cached_bytes_max: usize) -> BufferPool {
        BufferPool::new(PoolLimits {
            outstanding_bytes_max,
            cached_bytes_max,
        })
    }

    #[test]
    fn sizes_round_up_to_their_class() {
        let pool = pool(usize::MAX, usize::MAX);
        assert_eq!(pool.take(1).len(), SMALLEST_CLASS_BYTES);
        assert_eq!(
            pool.take(SMALLEST_CLASS_BYTES + 1).len(),
            2 * SMALLEST_CLASS_BYTES
        );
        assert_eq!(pool.take(LARGEST_CLASS_BYTES).len(), LARGEST_CLASS_BYTES);
        assert_eq!(
            pool.take(LARGEST_CLASS_BYTES + 1).len(),
            LARGEST_CLASS_BYTES + 1
        );
    }

    #[test]
    fn dropped_buffer_is_reused() {
        let pool = pool(usize::MAX, usize::MAX);
        let mut first = pool.take(100);
        first[0] = 7;
        let address = first.as_ptr();
        drop(first);
        assert_eq!(pool.cached_bytes(), SMALLEST_CLASS_BYTES);
        let second = pool.take(200);
        assert_eq!(second.as_ptr(), address);
        assert_eq!(pool.cached_bytes(), 0);
    }

    #[test]
    fn outstanding_limit_refuses_and_recovers() {
        let pool = pool(2 * SMALLEST_CLASS_BYTES, usize::MAX);
        let first = pool.try_take(1).expect("within the limit");
        let _second = pool.try_take(1).expect("within the limit");
        assert!(pool.try_take(1).is_none());
        drop(first);
        assert!(pool.try_take(1).is_some());
    }

    #[test]
    fn large_buffers_leave_a_quarter_to_small_ones() {
        let pool = pool(16 * SMALL_BYTES, usize::MAX);
        let large = std::iter::from_fn(|| pool.try_take(2 * SMALL_BYTES)).collect::<Vec<_>>();
        assert_eq!(large.len(), 6);
        let small = std::iter::from_fn(|| pool.try_take(SMALL_BYTES)).collect::<Vec<_>>();
        assert_eq!(small.len(), 4);
    }

    #[test]
    fn a_single_oversized_buffer_is_served_when_nothing_else_is_out() {
        let pool = pool(1, usize::MAX);
        let big = pool.try_take(LARGEST_CLASS_BYTES + 1).expect("alone");
        assert!(pool.try_take(1).is_none());
        drop(big);
        assert_eq!(pool.outstanding_bytes(), 0);
        assert_eq!(pool.cached_bytes(), 0);
    }

    #[test]
    fn cache_limit_frees_instead_of_keeping() {
        let pool = pool(usize::MAX, SMALLEST_CLASS_BYTES);
        let (first, second) = (pool.take(1), pool.take(1));
        drop(first);
        drop(second);
        assert_eq!(pool.cached_bytes(), SMALLEST_CLASS_BYTES);
        pool.trim();
        assert_eq!(pool.cached_bytes(), 0);
    }
}
