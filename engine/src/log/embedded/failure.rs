//! How an error of the disk becomes one of the log.

use std::io;

use crate::log::{LogError, LogErrorKind};

/// `doing` says what was tried, `path` where.
pub(super) fn failed(doing: &str, path: &str, error: io::Error) -> LogError {
    let kind = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => LogErrorKind::DiskFull,
        _ => LogErrorKind::Io,
    };
    LogError::new(kind, format!("cannot {doing} {path}")).with_source(error)
}

/// Bytes that are not what was written.
pub(super) fn corrupt(path: &str, position: u64, what: &str) -> LogError {
    LogError::new(LogErrorKind::Corrupt, format!("{path} is corrupt at byte {position}: {what}"))
}

/// What a group commit tells everyone who waits for it.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    kind: LogErrorKind,
    message: String,
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        Self { kind: error.kind(), message: error.to_string() }
    }
}

impl From<Failure> for LogError {
    fn from(failure: Failure) -> Self {
        Self::new(failure.kind, failure.message)
    }
}
