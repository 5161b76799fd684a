//! Log: the segments of one partition, and the log directory they live in.
//!
//! Owns      Kafka's on-disk layout: segments, offset, time and transaction index, leader-epoch checkpoint, producer snapshots,
//!           partition.metadata, meta.properties, the checkpoints of a log directory; append, roll, read, truncate, recovery, verification, repair;
//!           what the batches say of their producers and transactions.
//! May touch `record` (batch headers) and `host::disk` (a `Disk`). A `Log` is used under its partition's own lock.
//! Never     reads a clock, starts a thread, decides who may write, or decompresses a batch except to find a record by time.
//! Start at  log.rs, then append.rs, read.rs and recovery.rs. Every file byte by byte: docs/formats/log-directory.md
#![forbid(unsafe_code)]

mod aborted;
mod append;
mod batch_scan;
mod clean_shutdown;
mod compaction;
mod config;
mod error;
mod index_file;
mod leader_epochs;
mod log;
mod log_directory;
mod meta_properties;
mod names;
mod offset_checkpoint;
mod open_transactions;
mod partition_metadata;
mod producer_snapshot;
mod producer_state;
mod producers;
mod read;
mod recovery;
mod recovery_progress;
mod repair;
mod retention;
mod roll;
mod segment;
mod segment_files;
mod sync_mark;
mod timestamps;
mod truncate;
mod txn_index;
mod uuid;
mod verify;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod test_log;

pub use append::AppendInfo;
pub use clean_shutdown::CleanShutdown;
pub use compaction::{
    Cleaned, Compaction, CompactionError, CompactionLimits, CompactionStats, Dirtiness, Pace,
    ProducerTail, Replacement,
};
pub use config::{CompactionConfig, LogConfig, OpenHints};
pub use error::{AppendError, Damage, OpenError, ReadError, StorageError};
pub use leader_epochs::{EpochEndOffset, LeaderEpochs, NO_EPOCH_END};
pub use log::{Log, OpenReport};
pub use log_directory::{DirectoryError, DirectoryIdentity, LogDirectory, PartitionDirectory};
pub use meta_properties::{MetaProperties, MetaPropertiesError};
pub use names::{parse_partition_directory_name, partition_directory_name};
pub use offset_checkpoint::{OffsetCheckpoint, TopicPartitionOffset, parse_offset_checkpoint};
pub use open_transactions::CompletedTransaction;
pub use partition_metadata::PartitionMetadata;
pub use producer_snapshot::{
    ProducerSnapshot, ProducerSnapshotEntry, encode_producer_snapshot, parse_producer_snapshot,
};
pub use producers::{Admission, ProducerAppend, ProducerError, Producers};
pub use read::ReadSlice;
pub use recovery_progress::RecoveryProgress;
pub use repair::{RepairError, RepairOptions, RepairReport, repair_partition};
pub use sync_mark::{SyncMark, SyncTarget};
pub use timestamps::{MaxTimeSearch, TimeSearch, TimestampLookup};
pub use txn_index::AbortedTransaction;
pub use uuid::Uuid;
pub use verify::{
    DamagedAt, Finding, PartitionEnds, Severity, VerifyOptions, VerifyReport,
    verify_directory_files, verify_partition,
};
