//! Owns the failures of an embedded log as its user meets them: a stable code and a sentence.

use std::fmt;
use std::io;
use std::path::Path;

use millrace_log::{AppendError, OpenError, ReadError, StorageError};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreError {
    pub code: &'static str,
    pub message: String,
}

impl StoreError {
    pub fn new(code: &'static str, message: impl Into<String>) -> StoreError {
        StoreError {
            code,
            message: message.into(),
        }
    }

    pub(crate) fn closed() -> StoreError {
        StoreError::new("CLOSED", "the log is closed")
    }

    pub(crate) fn io(attempt: &str, path: &Path, error: &io::Error) -> StoreError {
        let code = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "DISK_FULL",
            _ => "IO",
        };
        StoreError::new(
            code,
            format!("cannot {attempt} {}: {error}", path.display()),
        )
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for StoreError {}

impl From<StorageError> for StoreError {
    fn from(error: StorageError) -> StoreError {
        let code = if error.is_out_of_space() {
            "DISK_FULL"
        } else {
            "IO"
        };
        StoreError::new(code, error.to_string())
    }
}

impl From<AppendError> for StoreError {
    fn from(error: AppendError) -> StoreError {
        match error {
            AppendError::Storage(error) => error.into(),
            AppendError::Fenced => StoreError::new(
                "IO",
                "an earlier failure left the log in doubt: close it and open it again",
            ),
            other @ (AppendError::Invalid { .. } | AppendError::OutOfOrder { .. }) => {
                StoreError::new("INVALID_RECORD", other.to_string())
            }
        }
    }
}

impl From<ReadError> for StoreError {
    fn from(error: ReadError) -> StoreError {
        match error {
            ReadError::Storage(error) => error.into(),
            other @ ReadError::OffsetOutOfRange { .. } => {
                StoreError::new("OFFSET_OUT_OF_RANGE", other.to_string())
            }
            other @ ReadError::Corrupt { .. } => StoreError::new("CORRUPT", other.to_string()),
        }
    }
}

impl From<OpenError> for StoreError {
    fn from(error: OpenError) -> StoreError {
        StoreError::new("UNREADABLE", error.to_string())
    }
}
