//! Owns what every handle of a log sees of it without asking: a page of numbers each, kept up to date by whoever changes them.
//! Never read back by the log itself. Invariant: a handle that asked to be woken is woken after the numbers it waits for are in its page.
//!
//! The page, as f64 so that JavaScript reads them as they are, then one i32:
//!
//! ```text
//!  0  log start offset
//!  8  written offset: everything below can be read and survives the death of the process
//! 16  synced offset: everything below survives power loss
//! 24  generation: changes whenever bytes that were readable no longer are (truncation, retention)
//! 32  failures: changes whenever records that were accepted were lost
//! 40  closed: 1 once the writer is gone
//! 64  i32 wake wanted: set by the handle, cleared by the wake
//! ```

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Index of the wake flag among the i32 of the page.
pub const WAKE_WANTED_INDEX: usize = 16;
const NUMBERS: usize = 8;
const WORDS: usize = 9;

pub type Wake = Box<dyn Fn() + Send + Sync>;

/// The numbers themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    pub log_start_offset: i64,
    pub written_offset: i64,
    pub synced_offset: i64,
    pub generation: u32,
    pub failures: u32,
    pub is_closed: bool,
}

/// One handle's page and the way to wake its thread.
pub struct Watcher {
    words: [AtomicU64; WORDS],
    wake: Mutex<Option<Wake>>,
}

impl Watcher {
    pub fn new(wake: Wake) -> Watcher {
        Watcher {
            words: Default::default(),
            wake: Mutex::new(Some(wake)),
        }
    }

    /// The page, for a reader outside Rust. It stays where it is for as long as the watcher lives.
    pub fn as_ptr(&self) -> *mut u8 {
        self.words.as_ptr().cast::<u8>().cast_mut()
    }

    pub fn len_bytes(&self) -> usize {
        size_of_val(&self.words)
    }

    /// Copies the page, for a reader that may not look at it directly.
    pub fn copy_to(&self, page: &mut [u8]) {
        for (word, into) in self.words.iter().zip(page.chunks_exact_mut(8)) {
            into.copy_from_slice(&word.load(Ordering::Acquire).to_ne_bytes());
        }
    }

    /// Asks for one wake; what a reader of the page itself does with an atomic store.
    pub fn want_wake(&self) {
        self.words[NUMBERS].store(1, Ordering::SeqCst);
    }

    /// Puts the numbers into the page. Every handle's page is to show them before any handle is woken: a woken one may look at the others.
    pub fn show(&self, progress: &Progress) {
        let numbers = [
            progress.log_start_offset as f64,
            progress.written_offset as f64,
            progress.synced_offset as f64,
            f64::from(progress.generation),
            f64::from(progress.failures),
            f64::from(u8::from(progress.is_closed)),
        ];
        for (word, number) in self.words.iter().zip(numbers) {
            word.store(number.to_bits(), Ordering::SeqCst);
        }
    }

    pub fn wake_if_wanted(&self) {
        if self.words[NUMBERS].swap(0, Ordering::SeqCst) != 0
            && let Some(wake) = &*self.wake.lock().unwrap_or_else(PoisonError::into_inner)
        {
            wake();
        }
    }

    /// No wake after this.
    pub fn stop(&self) {
        self.wake
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn wakes_once_for_each_wish_and_never_after_the_stop() {
        let wakes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&wakes);
        let watcher = Watcher::new(Box::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        }));
        let progress = Progress {
            written_offset: 5,
            ..Progress::default()
        };
        watcher.show(&progress);
        watcher.wake_if_wanted();
        assert_eq!(wakes.load(Ordering::Relaxed), 0);
        watcher.want_wake();
        watcher.wake_if_wanted();
        watcher.wake_if_wanted();
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
        let mut page = [0; 72];
        watcher.copy_to(&mut page);
        assert_eq!(page[8..16], 5_f64.to_ne_bytes());
        watcher.stop();
        watcher.want_wake();
        watcher.wake_if_wanted();
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
    }
}
