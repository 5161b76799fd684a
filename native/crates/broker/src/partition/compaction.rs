//! Owns a partition's part in the compaction of its log: how dirty it is, and the two moments that need the lock.
//! Invariant: one cleaning at a time; one that found damage is the last until the broker starts again.

use super::{Effects, Partition, Storage};
use millrace_host::clock;
use millrace_host::disk::posix::PosixDisk;
use millrace_log::{
    Cleaned, Compaction, CompactionError, CompactionLimits, Dirtiness, Pace, ReadError,
};
use std::sync::atomic::{AtomicU8, Ordering};

/// Where a partition stands with the cleaner.
#[derive(Debug, Default)]
pub(super) struct CleaningState(AtomicU8);

const IDLE: u8 = 0;
const RUNNING: u8 = 1;
const UNCLEANABLE: u8 = 2;

/// The right to clean a partition; given back when dropped.
pub struct CleaningClaim<'a>(&'a Partition);

impl Drop for CleaningClaim<'_> {
    fn drop(&mut self) {
        let state = &self.0.cleaning.0;
        // Stays uncleanable once it is.
        let _ = state.compare_exchange(RUNNING, IDLE, Ordering::AcqRel, Ordering::Acquire);
    }
}

impl Partition {
    /// None while another cleaning runs, or when there is to be none.
    pub fn claim_cleaning(&self) -> Option<CleaningClaim<'_>> {
        let claimed =
            self.cleaning
                .0
                .compare_exchange(IDLE, RUNNING, Ordering::AcqRel, Ordering::Acquire);
        claimed.is_ok().then_some(CleaningClaim(self))
    }

    pub fn mark_uncleanable(&self) {
        self.cleaning.0.store(UNCLEANABLE, Ordering::Release);
    }

    pub fn is_uncleanable(&self) -> bool {
        self.cleaning.0.load(Ordering::Acquire) == UNCLEANABLE
    }

    /// Whether a look at the log may find something to clean. Cheap, and never waits; when in doubt yes.
    pub fn may_be_dirty(&self) -> bool {
        let Ok(state) = self.state.try_lock() else {
            return true;
        };
        let Storage::Open(open) = &state.storage else {
            return false;
        };
        let cleaned_offset = self.log_dir.cleaned_offset(&self.topic_name, self.index);
        state.config.log.compacted
            && cleaned_offset.is_none_or(|offset| offset != open.log.active_segment_base_offset())
            && open.log.segment_count() > 1
    }

    /// How dirty the log is, and the ratio its topic wants. None for one that is not compacted, or not served.
    pub fn dirtiness(&self, now_ms: i64) -> Result<Option<(Dirtiness, f64)>, ReadError> {
        let cleaned_offset = self.log_dir.cleaned_offset(&self.topic_name, self.index);
        let mut state = self.lock();
        let state = &mut *state;
        let Storage::Open(open) = &mut state.storage else {
            return Ok(None);
        };
        if !state.config.log.compacted {
            return Ok(None);
        }
        let stable_offset = open.last_stable_offset()?;
        let dirtiness = open.log.dirtiness(cleaned_offset, stable_offset, now_ms)?;
        let wanted_ratio = state.config.log.compaction.min_cleanable_dirty_ratio;
        Ok(Some((dirtiness, wanted_ratio)))
    }

    /// Cleans the log up to what memory allows. Slow; takes the lock for moments only.
    pub fn compact(
        &self,
        dirtiness: &Dirtiness,
        limits: CompactionLimits,
        pace: &mut Pace<'_>,
        effects: &mut Effects,
    ) -> Result<Cleaned, CompactionError> {
        let now_ms = clock::wall_ms();
        let mut compaction = {
            let mut state = self.lock();
            let Storage::Open(open) = &mut state.storage else {
                return Err(CompactionError::Aborted);
            };
            let producers = open.log.producer_tails()?;
            open.log
                .begin_compaction(dirtiness, producers, limits, now_ms)?
        };
        match self.clean_groups(&mut compaction, pace, effects) {
            Ok(()) => Ok(compaction.finish()),
            Err(error) => Err(self.judge(error, &compaction)),
        }
    }

    fn clean_groups(
        &self,
        compaction: &mut Compaction<PosixDisk>,
        pace: &mut Pace<'_>,
        effects: &mut Effects,
    ) -> Result<(), CompactionError> {
        compaction.index(pace)?;
        while let Some(replacement) = compaction.clean_next(pace)? {
            let mut state = self.lock();
            let state = &mut *state;
            let is_wanted = state.config.log.compacted;
            let open = match &mut state.storage {
                Storage::Open(open) if is_wanted => open,
                Storage::Open(_) => {
                    // The topic's policy changed meanwhile.
                    replacement.discard();
                    return Err(CompactionError::Aborted);
                }
                Storage::Failed | Storage::Removed | Storage::Closed => {
                    return Err(CompactionError::Aborted);
                }
            };
            let replaced = open.log.replace_segments(replacement, clock::wall_ms());
            if open.log.is_fenced() {
                self.fail(state, effects);
            }
            replaced?;
            compaction.settle()?;
        }
        Ok(())
    }

    /// A log that changed under the cleaning explains whatever went wrong with it: a missing file, or bytes of another life.
    fn judge(&self, error: CompactionError, compaction: &Compaction<PosixDisk>) -> CompactionError {
        let state = self.lock();
        match &state.storage {
            Storage::Open(open) if !open.log.has_outdated(compaction) => error,
            // The swap itself failed: that is no accident of timing.
            Storage::Failed => error,
            Storage::Open(_) | Storage::Removed | Storage::Closed => CompactionError::Aborted,
        }
    }
}
