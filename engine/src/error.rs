//! The engine's one public error: what the caller should do, what happened, and where.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use straum_state::{SerdeError, StateError};

use crate::log::{LogError, LogErrorKind, Offset, TopicPartition};
use crate::topology::TaskId;

/// An error of user code: whatever a closure, a processor or a serde returns.
pub type BoxError = Box<dyn StdError + Send + Sync>;

/// What the caller should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The topology cannot be built: change the code.
    Topology,
    /// A setting is wrong: change it.
    Config,
    /// A record's bytes are not of the form its serde reads; the deserialisation handler decides.
    Deserialization,
    /// User code failed or panicked on a record; the processing handler decides.
    Processing,
    /// An output could not be serialised or was refused; the production handler decides.
    Production,
    /// A state store failed: the task retries, then pauses.
    State,
    /// The log failed; [`Error::log_kind`] says how.
    Log,
    /// A call does not fit the state the application or the store is in.
    InvalidState,
}

/// An error: what to do ([`Error::kind`]), what happened, and where.
#[derive(Debug)]
pub struct Error {
    inner: Box<Inner>,
}

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    task: Option<TaskId>,
    partition: Option<TopicPartition>,
    offset: Option<Offset>,
    node: Option<Arc<str>>,
    store: Option<Arc<str>>,
    source: Option<BoxError>,
}

impl Error {
    /// An error of `kind`; the message is lower-case, without a full stop, with the value that was wrong and the one
    /// expected.
    #[must_use]
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            inner: Box::new(Inner {
                kind,
                message: message.into(),
                task: None,
                partition: None,
                offset: None,
                node: None,
                store: None,
                source: None,
            }),
        }
    }

    pub(crate) fn topology(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Topology, message)
    }

    pub(crate) fn processing(source: impl Into<BoxError>) -> Self {
        Self::new(ErrorKind::Processing, "processing failed").with_source(source)
    }

    /// A closure of the user's panicked.
    pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Self {
        let message = panic.downcast_ref::<&str>().map(|text| (*text).to_owned()).or_else(|| panic.downcast_ref::<String>().cloned());
        Self::processing(format!("panicked: {}", message.unwrap_or_else(|| "no message".to_owned())))
    }

    /// It stays, however often it is tried: code or settings have to change.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self.inner.kind, ErrorKind::Topology | ErrorKind::InvalidState | ErrorKind::Config)
    }

    /// Adds the error underneath.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.inner.source = Some(source.into());
        self
    }

    /// Says in which task.
    #[must_use]
    pub fn in_task(mut self, task: TaskId) -> Self {
        self.inner.task = Some(task);
        self
    }

    /// Says at which record.
    #[must_use]
    pub fn at(mut self, partition: &TopicPartition, offset: Offset) -> Self {
        self.inner.partition = Some(partition.clone());
        self.inner.offset = Some(offset);
        self
    }

    /// Says in which node; the innermost node that is named stays.
    #[must_use]
    pub fn in_node(mut self, node: &Arc<str>) -> Self {
        self.inner.node.get_or_insert_with(|| Arc::clone(node));
        self
    }

    /// Says in which store.
    #[must_use]
    pub fn in_store(mut self, store: impl Into<Arc<str>>) -> Self {
        self.inner.store = Some(store.into());
        self
    }

    /// The error for a log: what code or data of the user's says is left out, for it may name a person.
    pub(crate) fn without_user_text(&self) -> String {
        let whole = self.to_string();
        match (&self.inner.kind, &self.inner.source) {
            (ErrorKind::Log | ErrorKind::State, _) | (_, None) => whole,
            (_, Some(source)) => whole.strip_suffix(&format!(": {source}")).map_or_else(|| self.inner.message.clone(), str::to_owned),
        }
    }

    /// What the caller should do.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.inner.kind
    }

    /// The task, where one is concerned.
    #[must_use]
    pub fn task(&self) -> Option<TaskId> {
        self.inner.task
    }

    /// The partition of the record, where one is concerned.
    #[must_use]
    pub fn partition(&self) -> Option<&TopicPartition> {
        self.inner.partition.as_ref()
    }

    /// The offset of the record, where one is concerned.
    #[must_use]
    pub fn offset(&self) -> Option<Offset> {
        self.inner.offset
    }

    /// The node, where one is concerned.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        self.inner.node.as_deref()
    }

    /// The store, where one is concerned.
    #[must_use]
    pub fn store(&self) -> Option<&str> {
        self.inner.store.as_deref()
    }

    /// The kind of the log's error underneath, for [`ErrorKind::Log`].
    #[must_use]
    pub fn log_kind(&self) -> Option<LogErrorKind> {
        self.inner.source.as_ref()?.downcast_ref::<LogError>().map(LogError::kind)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.inner.message)?;
        if let Some(task) = self.inner.task {
            write!(formatter, " in task {task}")?;
        }
        if let Some(node) = &self.inner.node {
            write!(formatter, " in node {node}")?;
        }
        if let Some(store) = &self.inner.store {
            write!(formatter, " in store {store}")?;
        }
        if let (Some(partition), Some(offset)) = (&self.inner.partition, self.inner.offset) {
            write!(formatter, " at {partition} offset {offset}")?;
        }
        match &self.inner.source {
            Some(source) => write!(formatter, ": {source}"),
            None => Ok(()),
        }
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.inner.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<LogError> for Error {
    fn from(error: LogError) -> Self {
        Self::new(ErrorKind::Log, "the log failed").with_source(error)
    }
}

impl From<StateError> for Error {
    fn from(error: StateError) -> Self {
        Self::new(ErrorKind::State, "a state store failed").with_source(error)
    }
}

impl From<SerdeError> for Error {
    fn from(error: SerdeError) -> Self {
        Self::new(ErrorKind::Production, "serialisation failed").with_source(error)
    }
}
