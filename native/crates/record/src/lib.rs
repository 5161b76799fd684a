//! Record: a Kafka record batch as bytes.
//!
//! Owns      the v2 batch format: header, CRC-32C, validation, stamping, records, the four codecs, control records.
//! May touch nothing but the bytes it is given (crc-fast, flate2, snap, lz4_flex, zstd do the arithmetic).
//! Never     reads a clock, makes a syscall, or allocates while it checks or stamps a batch.
//! Start at  header.rs, then produced.rs. The format, byte by byte: docs/formats/record-batch.md
#![forbid(unsafe_code)]

mod batch_iter;
mod batch_writer;
mod builder;
mod checksum;
pub mod compression;
pub mod control;
mod cursor;
mod error;
mod header;
mod preparation;
mod produced;
mod records;
mod retained;
mod stamp;
mod timestamp_lookup;
pub mod varint;

pub use batch_iter::BatchIter;
pub use batch_writer::{BatchWriter, RecordsSummary, seal};
pub use builder::{BatchBuilder, Header};
pub use checksum::{crc32c, verify_crc};
pub use compression::Compression;
pub use error::BatchError;
pub use header::{
    BatchHeader, HEADER_BYTES, LENGTH_END, MAGIC_V2, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID, NO_SEQUENCE, NO_TIMESTAMP, TimestampType, next_sequence,
};
pub use preparation::{Preparation, PreparationError, TopicCompression, prepare};
pub use produced::{ProduceLimits, validate_produced, validate_stored};
pub use records::{
    DECOMPRESSED_BYTES_MAX, HeaderIter, HeaderView, Headers, RecordIter, RecordView, Records,
    records, records_with_limit,
};
pub use retained::{RetainedRecords, write_empty_batch};
pub use stamp::{stamp_base_offset, stamp_leader_epoch, stamp_log_append_time};
pub use timestamp_lookup::{TimestampAndOffset, offset_for_timestamp, offset_of_max_timestamp};
