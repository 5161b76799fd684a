//! Owns what can be seen of recoveries while they run, and the way to end them early. One may be shared by logs that recover side by side.
//! Invariant: a recovery that was given up has changed nothing that the next one would not do again.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

#[derive(Debug, Default)]
pub struct RecoveryProgress {
    segments_left: AtomicU64,
    scanned_bytes: AtomicU64,
    is_given_up: AtomicBool,
}

impl RecoveryProgress {
    /// Segments that still have to be checked, of the logs whose recovery has begun.
    pub fn segments_left(&self) -> u64 {
        self.segments_left.load(Ordering::Relaxed)
    }

    /// Bytes whose checksums were computed.
    pub fn scanned_bytes(&self) -> u64 {
        self.scanned_bytes.load(Ordering::Relaxed)
    }

    /// Makes every recovery under way end with an error soon.
    pub fn give_up(&self) {
        self.is_given_up.store(true, Ordering::Relaxed);
    }

    /// Takes note of segments to check; they count as done when the answer is dropped.
    pub(crate) fn begin(&self, segments: usize) -> SegmentsLeft<'_> {
        self.segments_left
            .fetch_add(segments as u64, Ordering::Relaxed);
        SegmentsLeft {
            progress: self,
            left: segments as u64,
        }
    }

    pub(crate) fn add_scanned(&self, bytes: usize) -> std::io::Result<()> {
        self.scanned_bytes
            .fetch_add(bytes as u64, Ordering::Relaxed);
        if self.is_given_up.load(Ordering::Relaxed) {
            return Err(std::io::Error::other("recovery was given up"));
        }
        Ok(())
    }
}

/// What one log still has to check.
pub(crate) struct SegmentsLeft<'a> {
    progress: &'a RecoveryProgress,
    left: u64,
}

impl SegmentsLeft<'_> {
    pub(crate) fn end_one(&mut self) {
        self.left -= 1;
        self.progress.segments_left.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Drop for SegmentsLeft<'_> {
    fn drop(&mut self) {
        self.progress
            .segments_left
            .fetch_sub(self.left, Ordering::Relaxed);
    }
}
