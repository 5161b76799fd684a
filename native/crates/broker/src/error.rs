//! Owns the ways the data plane refuses its owner: a word to match on and a sentence for people.

use millrace_log::DirectoryError;
use std::fmt;
use std::io;

#[derive(Debug, Clone)]
pub struct BrokerError {
    /// A stable word: LOCKED, UNWRITABLE, EADDRINUSE, ...
    pub code: &'static str,
    pub message: String,
}

impl BrokerError {
    pub fn new(code: &'static str, message: impl Into<String>) -> BrokerError {
        BrokerError {
            code,
            message: message.into(),
        }
    }

    pub fn kafka(error_code: i16, what: &str) -> BrokerError {
        BrokerError {
            code: "KAFKA_ERROR",
            message: format!("{what}: Kafka error {error_code}"),
        }
    }

    pub fn io(what: &str, error: &io::Error) -> BrokerError {
        let code = match error.kind() {
            io::ErrorKind::AddrInUse => "EADDRINUSE",
            io::ErrorKind::AddrNotAvailable => "EADDRNOTAVAIL",
            io::ErrorKind::PermissionDenied => "EACCES",
            _ => "IO",
        };
        BrokerError {
            code,
            message: format!("{what}: {error}"),
        }
    }
}

impl fmt::Display for BrokerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for BrokerError {}

impl From<DirectoryError> for BrokerError {
    fn from(error: DirectoryError) -> BrokerError {
        BrokerError::from(&error)
    }
}

impl From<&DirectoryError> for BrokerError {
    fn from(error: &DirectoryError) -> BrokerError {
        let code = match error {
            DirectoryError::Locked { .. } => "LOCKED",
            DirectoryError::Unwritable(_) => "UNWRITABLE",
            DirectoryError::BadMetaProperties { .. } => "BAD_META_PROPERTIES",
            DirectoryError::OtherCluster { .. } => "OTHER_CLUSTER",
            DirectoryError::OtherNode { .. } => "OTHER_NODE",
        };
        BrokerError {
            code,
            message: error.to_string(),
        }
    }
}
