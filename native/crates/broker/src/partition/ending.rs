//! Owns the ways a partition stops serving: its topic is deleted, its disk fails, its broker closes. None of them is undone.

use super::{CheckpointOffsets, Effects, Partition, Storage};
use millrace_log::StorageError;
use millrace_wire::error_codes;
use std::sync::atomic::Ordering;

impl Partition {
    /// The topic was deleted: everyone waiting is told, and the log is let go of. The caller takes the directory away.
    pub fn remove(&self, effects: &mut Effects) {
        self.is_removed.store(true, Ordering::Release);
        let mut state = self.lock();
        let mut waiting = Vec::new();
        state.produces.take_all(&mut waiting);
        effects.acknowledged.extend(
            waiting
                .into_iter()
                .map(|part| (part, error_codes::UNKNOWN_TOPIC_OR_PARTITION)),
        );
        state.fetches.give_up(&mut effects.woken);
        state.storage = Storage::Removed;
    }

    /// The log directory failed: everyone waiting is told, and the log, though perhaps sound itself, is let go of.
    pub fn take_offline(&self, effects: &mut Effects) {
        let mut state = self.lock();
        if matches!(state.storage, Storage::Open(_)) {
            self.fail(&mut state, effects);
        }
    }

    /// Whether the disk under it failed.
    pub fn is_offline(&self) -> bool {
        matches!(self.lock().storage, Storage::Failed) || self.log_dir.is_offline()
    }

    /// Makes everything durable and closes. None when the log was in doubt already.
    pub fn close(&self) -> Result<Option<CheckpointOffsets>, StorageError> {
        let mut state = self.lock();
        if !matches!(state.storage, Storage::Open(_)) || self.log_dir.is_offline() {
            return Ok(None);
        }
        let Storage::Open(mut open) = std::mem::replace(&mut state.storage, Storage::Closed) else {
            unreachable!("just checked")
        };
        let recovery_point = open.log.close(true)?;
        let (log_start_offset, high_watermark) =
            (open.leader.log_start_offset(), open.leader.high_watermark());
        Ok(Some(CheckpointOffsets {
            recovery_point,
            log_start_offset,
            high_watermark,
        }))
    }
}
