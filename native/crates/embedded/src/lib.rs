//! Embedded: one log used inside a process, without a broker.
//!
//! Owns      the single writer of a directory: its lock, its writing thread and its syncing thread, what readers of the same process see of it,
//!           and the checkpoint that lets it open again without a scan.
//! May touch `log`, `record`, `host`.
//! Never     knows Node, topics or clients; never maps a file that another process may cut.
//! Start at  store.rs, then writing.rs and stretch.rs. Why appends are not mapped: docs/decisions/0010-the-embedded-log-writes-and-maps-reads.md
#![forbid(unsafe_code)]

mod adopt;
mod ahead;
mod checkpoint;
mod error;
mod observer;
mod packed;
mod progress;
mod snapshot;
mod store;
mod stretch;
mod syncing;
mod writing;

pub use adopt::{AdoptedLog, adopt, finish_adoption};
pub use ahead::ReadAhead;
pub use checkpoint::CHECKPOINT_FILE;
pub use error::StoreError;
pub use observer::Observer;
pub use packed::{PackedRecords, packed_record_count};
pub use progress::{Progress, WAKE_WANTED_INDEX, Wake, Watcher};
pub use snapshot::SnapshotOutcome;
pub use store::{Store, StoreOptions};
pub use stretch::{Stretch, StretchBytes};
pub use writing::{Handover, SealedSlot};
