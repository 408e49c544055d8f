//! What happens to a record that fails: the decision, and the dead letter.

use std::sync::Arc;

use crate::error::{Error, ErrorKind};
use crate::log::{LogRecord, TopicPartition};
use crate::serde::avro::registry_is_away;

/// What to do about a record that failed. Kafka Streams: the `Response` of its exception handlers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Write the record to the dead-letter topic, if there is one, and go on.
    Continue,
    /// Try the record again, with back-off, for `task.timeout.ms`; then the task pauses.
    Retry,
    /// Pause the task at this record and say why. The other tasks go on.
    Fail,
}

/// A record that failed, as a handler sees it.
#[derive(Debug)]
pub struct Failure<'a> {
    /// What happened, and where.
    pub error: &'a Error,
    /// Where the record was read from; `None` when a punctuation or a cached update failed.
    pub partition: Option<&'a TopicPartition>,
    /// The record as it came; `None` when a punctuation or a cached update failed.
    pub record: Option<LogRecord<'a>>,
}

/// Decides about a failure.
pub type ExceptionHandler = Arc<dyn Fn(&Failure<'_>) -> Decision + Send + Sync>;

/// The handlers of an application. By default every bad record goes to the dead-letter topic and nothing stops, where
/// Kafka Streams' default fails.
///
/// None is asked about what is no record's fault. A state store or a log that fails, or a schema registry that does not
/// answer, is tried again, with back-off, for `task.timeout.ms`; then the task pauses.
#[derive(Clone)]
pub struct ExceptionHandlers {
    /// A record whose bytes are not of its serde's form. Kafka Streams: `DeserializationExceptionHandler`.
    pub deserialization: ExceptionHandler,
    /// User code failed or panicked. Kafka Streams: `ProcessingExceptionHandler`.
    pub processing: ExceptionHandler,
    /// An output could not be serialised or was refused. Kafka Streams: `ProductionExceptionHandler`.
    pub production: ExceptionHandler,
}

impl ExceptionHandlers {
    /// What is to be done: the handler of the error's kind decides, if it is the record's fault at all.
    pub(crate) fn decide(&self, failure: &Failure<'_>) -> Decision {
        if registry_is_away(failure.error) {
            return Decision::Retry;
        }
        match failure.error.kind() {
            ErrorKind::Deserialization => (self.deserialization)(failure),
            ErrorKind::Processing => (self.processing)(failure),
            ErrorKind::Production => (self.production)(failure),
            // Not the record's fault: the task tries again and pauses in the end.
            ErrorKind::State | ErrorKind::Log => Decision::Retry,
            ErrorKind::Topology | ErrorKind::Config | ErrorKind::InvalidState => Decision::Fail,
        }
    }
}

impl Default for ExceptionHandlers {
    fn default() -> Self {
        let proceed: ExceptionHandler = Arc::new(|_| Decision::Continue);
        Self { deserialization: Arc::clone(&proceed), processing: Arc::clone(&proceed), production: proceed }
    }
}

impl std::fmt::Debug for ExceptionHandlers {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("ExceptionHandlers").finish_non_exhaustive()
    }
}

/// The headers of a dead letter (KIP-1034).
pub mod dead_letter {
    /// The kind of error.
    pub const EXCEPTION: &str = "__streams.errors.exception";
    /// The error and the errors underneath it, one a line; there is no stack.
    pub const STACKTRACE: &str = "__streams.errors.stacktrace";
    /// What happened.
    pub const MESSAGE: &str = "__streams.errors.message";
    /// The topic the record was read from.
    pub const TOPIC: &str = "__streams.errors.topic";
    /// Its partition, in decimal digits.
    pub const PARTITION: &str = "__streams.errors.partition";
    /// Its offset, in decimal digits.
    pub const OFFSET: &str = "__streams.errors.offset";
    /// Straum's own: how many bytes of key and value, and of the record's headers if those too, were left out, because the
    /// letter would have exceeded `max.request.size`. They are where the record was read from.
    pub const LEFT_OUT: &str = "__streams.errors.left.out.bytes";
}
