//! Host: everything this process asks of the operating system.
//!
//! Owns      syscalls: files, directories, locks, sockets, readiness, clocks, entropy, the buffers they fill and the threads that may block.
//! May touch rustix, memmap2. The only crate besides `binding` where `unsafe` may appear: in `arena` and `disk::mappable`.
//! Never     knows what a record batch, a topic or a Kafka API is.
//! Start at  `disk` (trait `Disk`), then `net` (`Poller`). Doubles for tests: `disk::memory` (crashes) and `disk::faulty` (fails on order).

pub mod arena;
pub mod buffer_pool;
pub mod clock;
pub mod disk;
pub mod entropy;
pub mod net;
pub mod sync_service;

pub use buffer_pool::{Buffer, BufferPool, PoolLimits};
pub use clock::Instant;
pub use disk::{Disk, DiskFile};
pub use sync_service::{SyncRequest, SyncService};
