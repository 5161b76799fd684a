//! Owns the ways the log fails, each with the Kafka code a client gets. Never logs: whoever handles an error does.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use millrace_host::disk::is_out_of_space;
use millrace_record::BatchError;

// The numbers are Kafka's; millrace_wire::error_codes has the whole table, which this crate may not import.
const OFFSET_OUT_OF_RANGE: i16 = 1;
const CORRUPT_MESSAGE: i16 = 2;
const KAFKA_STORAGE_ERROR: i16 = 56;
const INCONSISTENT_TOPIC_ID: i16 = 103;

/// The disk refused: what was attempted, on which file.
#[derive(Debug)]
pub struct StorageError {
    pub operation: &'static str,
    pub path: PathBuf,
    pub source: io::Error,
}

impl StorageError {
    pub(crate) fn new(operation: &'static str, path: &Path, source: io::Error) -> StorageError {
        StorageError {
            operation,
            path: path.to_path_buf(),
            source,
        }
    }

    pub fn kafka_code(&self) -> i16 {
        KAFKA_STORAGE_ERROR
    }

    /// Full disk or quota: nothing is lost and appending may be tried again once there is space.
    pub fn is_out_of_space(&self) -> bool {
        is_out_of_space(&self.source)
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "cannot {} {}: {}",
            self.operation,
            self.path.display(),
            self.source
        )
    }
}

impl std::error::Error for StorageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Adds the attempt and the file to an I/O result.
pub(crate) trait Attempt<T> {
    fn attempt(self, operation: &'static str, path: &Path) -> Result<T, StorageError>;
}

impl<T> Attempt<T> for io::Result<T> {
    fn attempt(self, operation: &'static str, path: &Path) -> Result<T, StorageError> {
        self.map_err(|source| StorageError::new(operation, path, source))
    }
}

/// Nothing of the call was appended.
#[derive(Debug)]
pub enum AppendError {
    /// The bytes at `index` are not exactly one batch, do not fit a segment, or do not continue the log.
    Invalid {
        index: usize,
        error: BatchError,
    },
    /// Offsets of the batch at `index` (a replica keeps the leader's) are not above the log end offset.
    OutOfOrder {
        index: usize,
        base_offset: i64,
        log_end_offset: i64,
    },
    Storage(StorageError),
    /// An earlier I/O error left the file in doubt: this log takes no more appends until it is opened again.
    Fenced,
}

impl AppendError {
    pub fn kafka_code(&self) -> i16 {
        match self {
            AppendError::Invalid { error, .. } => error.kafka_code(),
            AppendError::OutOfOrder { .. } => CORRUPT_MESSAGE,
            AppendError::Storage(_) | AppendError::Fenced => KAFKA_STORAGE_ERROR,
        }
    }
}

impl fmt::Display for AppendError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AppendError::Invalid { index, error } => {
                write!(formatter, "batch {index} of the append: {error}")
            }
            AppendError::OutOfOrder {
                index,
                base_offset,
                log_end_offset,
            } => {
                write!(
                    formatter,
                    "batch {index} of the append begins at offset {base_offset}, the log ends at {log_end_offset}"
                )
            }
            AppendError::Storage(error) => error.fmt(formatter),
            AppendError::Fenced => {
                write!(formatter, "the log is fenced after an earlier I/O error")
            }
        }
    }
}

impl std::error::Error for AppendError {}

impl From<StorageError> for AppendError {
    fn from(error: StorageError) -> AppendError {
        AppendError::Storage(error)
    }
}

#[derive(Debug)]
pub enum ReadError {
    OffsetOutOfRange {
        offset: i64,
        log_start_offset: i64,
        log_end_offset: i64,
    },
    /// Bytes below the log end offset are not what was written there, even with the index rebuilt.
    Corrupt {
        segment_base_offset: i64,
        position: u32,
        damage: Damage,
    },
    Storage(StorageError),
}

/// What is wrong at a position of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    Batch(BatchError),
    /// The batch begins below the end of the one before it.
    OffsetsNotAscending {
        base_offset: i64,
    },
    /// The index names another batch than lies there. Rebuilding it is the cure; nobody outside the log sees this.
    IndexContradicts,
}

impl fmt::Display for Damage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Damage::Batch(error) => error.fmt(formatter),
            Damage::OffsetsNotAscending { base_offset } => write!(
                formatter,
                "base offset {base_offset} lies below the batch before it"
            ),
            Damage::IndexContradicts => write!(formatter, "the index names another batch"),
        }
    }
}

impl ReadError {
    pub fn kafka_code(&self) -> i16 {
        match self {
            ReadError::OffsetOutOfRange { .. } => OFFSET_OUT_OF_RANGE,
            ReadError::Corrupt { .. } => CORRUPT_MESSAGE,
            ReadError::Storage(_) => KAFKA_STORAGE_ERROR,
        }
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::OffsetOutOfRange {
                offset,
                log_start_offset,
                log_end_offset,
            } => {
                write!(
                    formatter,
                    "offset {offset} is outside the log, which spans {log_start_offset} to {log_end_offset}"
                )
            }
            ReadError::Corrupt {
                segment_base_offset,
                position,
                damage,
            } => {
                write!(
                    formatter,
                    "segment {segment_base_offset} is damaged at position {position}: {damage}"
                )
            }
            ReadError::Storage(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for ReadError {}

impl From<StorageError> for ReadError {
    fn from(error: StorageError) -> ReadError {
        ReadError::Storage(error)
    }
}

/// Why a partition's directory cannot be opened.
#[derive(Debug)]
pub enum OpenError {
    Storage(StorageError),
    /// The directory belongs to another incarnation of the topic.
    InconsistentTopicId {
        path: PathBuf,
        expected: crate::Uuid,
        found: crate::Uuid,
    },
    /// A segment that recovery may not touch (below the recovery point) does not continue the one before it.
    Inconsistent {
        path: PathBuf,
        reason: String,
    },
    /// Bytes that recovery may not touch are damaged.
    Damaged(ReadError),
}

impl OpenError {
    pub fn kafka_code(&self) -> i16 {
        match self {
            OpenError::Storage(_) | OpenError::Inconsistent { .. } | OpenError::Damaged(_) => {
                KAFKA_STORAGE_ERROR
            }
            OpenError::InconsistentTopicId { .. } => INCONSISTENT_TOPIC_ID,
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Storage(error) => error.fmt(formatter),
            OpenError::InconsistentTopicId {
                path,
                expected,
                found,
            } => {
                write!(
                    formatter,
                    "{} belongs to topic id {found}, not {expected}",
                    path.display()
                )
            }
            OpenError::Inconsistent { path, reason } => {
                write!(formatter, "{}: {reason}", path.display())
            }
            OpenError::Damaged(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for OpenError {}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> OpenError {
        match error {
            ReadError::Storage(error) => OpenError::Storage(error),
            damage @ (ReadError::Corrupt { .. } | ReadError::OffsetOutOfRange { .. }) => {
                OpenError::Damaged(damage)
            }
        }
    }
}

impl From<StorageError> for OpenError {
    fn from(error: StorageError) -> OpenError {
        OpenError::Storage(error)
    }
}
