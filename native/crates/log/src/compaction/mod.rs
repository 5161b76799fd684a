//! Compaction: of every key only the newest record stays.
//!
//! Owns      Kafka's cleaner rules for one log: how dirty it is, the map of newest offsets, what stays of a batch, the `.cleaned` files, the swap.
//! May touch `record` (batches) and `host::disk`; the `Log` only in `dirtiness`, `begin_compaction` and `replace_segments`, which run under the
//!           partition's lock. Everything between runs beside it, on closed segments that nobody writes.
//! Never     reads a clock, sleeps, or touches the active segment or anything at or behind the last stable offset.
//! Start at  plan.rs (what to clean), then cleaning.rs (the work) and swap.rs. Why it is so: docs/internals/compaction.md
//!
//! ```text
//! dirtiness ─▶ begin_compaction ─▶ index ─▶ clean_next ─▶ replace_segments ─▶ settle ─▶ … ─▶ finish
//!  lock          lock               (read)    (write)        lock                              │
//!                                               ▲────────── next group ─────┘                  ▼ cleaner-offset-checkpoint
//! ```

mod cleaning;
mod cleaning_output;
mod key_map;
mod plan;
mod retention_rules;
mod segment_source;
mod swap;
mod transactions;

#[cfg(test)]
mod cleaning_tests;
#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod interference_tests;
#[cfg(test)]
pub(crate) mod keyed_log;
#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod plan_tests;

use std::fmt;
use std::ops::ControlFlow;

use crate::error::{ReadError, StorageError};

pub use cleaning::{Cleaned, Compaction, CompactionLimits};
pub use plan::Dirtiness;
pub use retention_rules::ProducerTail;
pub use swap::Replacement;

/// A closed segment as it was when the cleaning began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Source {
    pub(crate) base_offset: i64,
    pub(crate) size: u32,
    /// Where the next segment begins.
    pub(crate) end_offset: i64,
}

/// Asked after every chunk of bytes that was read or written: sleeps to hold a rate, and says whether to go on.
pub struct Pace<'a>(pub &'a mut dyn FnMut(u64) -> ControlFlow<()>);

impl Pace<'_> {
    pub(crate) fn spend(&mut self, bytes: u64) -> Result<(), CompactionError> {
        match (self.0)(bytes) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(CompactionError::Aborted),
        }
    }
}

/// What one cleaning did.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CompactionStats {
    /// Read to learn the newest offsets.
    pub index_bytes_read: u64,
    pub index_records_read: u64,
    pub bytes_read: u64,
    pub bytes_written: u64,
    pub records_read: u64,
    pub records_written: u64,
    /// Records without a key, dropped.
    pub keyless_records: u64,
    /// How full the key map got, of 1.
    pub map_utilization: f64,
    pub segments_before: u64,
    pub segments_after: u64,
}

/// Why a cleaning ended early. Nothing of the log was lost or changed but by groups already swapped in.
#[derive(Debug)]
pub enum CompactionError {
    /// The log changed under the cleaning, or whoever paces it said so. To be tried again.
    Aborted,
    /// Bytes cannot be read back: the log is not to be cleaned until somebody looked at it.
    Damaged(ReadError),
    Storage(StorageError),
}

impl fmt::Display for CompactionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CompactionError::Aborted => write!(formatter, "the log changed while it was compacted"),
            CompactionError::Damaged(error) => error.fmt(formatter),
            CompactionError::Storage(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for CompactionError {}

impl From<StorageError> for CompactionError {
    fn from(error: StorageError) -> CompactionError {
        CompactionError::Storage(error)
    }
}

impl From<ReadError> for CompactionError {
    fn from(error: ReadError) -> CompactionError {
        match error {
            ReadError::Storage(error) => CompactionError::Storage(error),
            damage @ (ReadError::Corrupt { .. } | ReadError::OffsetOutOfRange { .. }) => {
                CompactionError::Damaged(damage)
            }
        }
    }
}
