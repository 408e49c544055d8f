//! What can go wrong at the log, by what the caller should do about it.

use std::error::Error as StdError;
use std::fmt;

use super::{Offset, TopicPartition};

/// What the caller should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LogErrorKind {
    /// Call again later with the same arguments.
    Retriable,
    /// Abort the transaction and process its input again.
    Abortable,
    /// Another producer or member has taken over: drop this one and what it had begun.
    Fenced,
    /// The producer, consumer or log cannot go on: drop it and make a new one.
    Fatal,
    /// Not authorised: report it; retrying may help after a deployment.
    Unauthorized,
    /// The topic or partition does not exist.
    UnknownTopic,
    /// The offset asked for is not in the partition: decide where to start.
    OffsetOutOfRange,
    /// A record is larger than the log takes.
    RecordTooLarge,
    /// The disk is full: nothing was written; free space, then call again.
    DiskFull,
    /// Another process has the folder.
    Locked,
    /// Bytes on disk are not what was written: restore the folder from elsewhere or delete what the message names.
    Corrupt,
    /// Another version of Straum wrote the folder: begin with another one, or run that version.
    Version,
    /// The call or a setting is wrong.
    Invalid,
    /// The disk or the network failed in another way.
    Io,
}

/// An error of the log: what to do, what happened, and where.
#[derive(Debug)]
pub struct LogError {
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: LogErrorKind,
    message: String,
    partition: Option<TopicPartition>,
    offset: Option<Offset>,
    record: Option<usize>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl LogError {
    /// An error of `kind`; the message is lower-case, without a full stop, with the value that was wrong and the one
    /// expected.
    #[must_use]
    pub fn new(kind: LogErrorKind, message: impl Into<String>) -> Self {
        let inner = Inner { kind, message: message.into(), partition: None, offset: None, record: None, source: None };
        Self { inner: Box::new(inner) }
    }

    /// Says where.
    #[must_use]
    pub fn at(mut self, partition: &TopicPartition) -> Self {
        self.inner.partition = Some(partition.clone());
        self
    }

    /// Says at which offset.
    #[must_use]
    pub fn at_offset(mut self, offset: Offset) -> Self {
        self.inner.offset = Some(offset);
        self
    }

    /// Says which record of an output batch.
    #[must_use]
    pub fn of_record(mut self, index: usize) -> Self {
        self.inner.record = Some(index);
        self
    }

    /// Adds the error underneath.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// What the caller should do.
    #[must_use]
    pub fn kind(&self) -> LogErrorKind {
        self.inner.kind
    }

    /// The partition, where one is concerned.
    #[must_use]
    pub fn partition(&self) -> Option<&TopicPartition> {
        self.inner.partition.as_ref()
    }

    /// The offset, where one is concerned.
    #[must_use]
    pub fn offset(&self) -> Option<Offset> {
        self.inner.offset
    }

    /// The index in the output batch of the record that was refused.
    #[must_use]
    pub fn record(&self) -> Option<usize> {
        self.inner.record
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.inner.message)?;
        if let Some(partition) = &self.inner.partition {
            write!(formatter, " ({partition}")?;
            if let Some(offset) = self.inner.offset {
                write!(formatter, " at offset {offset}")?;
            }
            formatter.write_str(")")?;
        }
        match &self.inner.source {
            Some(source) => write!(formatter, ": {source}"),
            None => Ok(()),
        }
    }
}

impl StdError for LogError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
