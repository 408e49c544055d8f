//! The one error of this crate: what went wrong, in which store, and what the caller should do about it.

use std::error::Error as StdError;
use std::fmt;

use crate::serde::SerdeError;

/// What the caller should do about a [`StateError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StateErrorKind {
    /// The files cannot be trusted: destroy the folder and restore from the changelogs.
    Corrupt,
    /// The folder was written by another version of the state format: destroy it and restore, or run that version.
    Version,
    /// The file system failed: retry, then stop the task.
    Io,
    /// The disk is full: pause the task and retry once there is room; the state is intact.
    DiskFull,
    /// Another handle has the folder open: retry once it has let go.
    Locked,
    /// One key or value has no bytes, or bytes that are not of its form: treat the record as bad.
    Serde,
    /// A store was asked for under another type than it was built with: a bug in the topology.
    WrongType,
    /// No store of that name belongs to the task: a bug in the topology.
    UnknownStore,
    /// The task's state was closed or belongs to another task: a bug in the runtime.
    Misuse,
}

/// An error of a store or of a task's state.
#[derive(Debug)]
pub struct StateError {
    kind: StateErrorKind,
    store: Option<Box<str>>,
    message: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl StateError {
    /// An error of `kind`; the message is lowercase and holds what was wrong and what was expected, never content.
    #[must_use]
    pub fn new(kind: StateErrorKind, message: impl Into<String>) -> Self {
        Self { kind, store: None, message: message.into(), source: None }
    }

    /// A key or value without a form, of `store`.
    #[must_use]
    pub fn serde(store: &str, error: SerdeError) -> Self {
        Self::new(StateErrorKind::Serde, error.to_string()).in_store(store).with_source(error)
    }

    /// No store of that name.
    #[must_use]
    pub fn unknown_store(store: &str, known: &str) -> Self {
        Self::new(StateErrorKind::UnknownStore, format!("expected one of [{known}]")).in_store(store)
    }

    /// Says which store; the first to say it wins.
    #[must_use]
    pub fn in_store(mut self, store: &str) -> Self {
        self.store.get_or_insert_with(|| store.into());
        self
    }

    /// Adds the error of the library underneath.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What the caller should do.
    #[must_use]
    pub const fn kind(&self) -> StateErrorKind {
        self.kind
    }

    /// The store it happened in, where one is known.
    #[must_use]
    pub fn store(&self) -> Option<&str> {
        self.store.as_deref()
    }
}

impl fmt::Display for StateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.store {
            Some(store) => write!(formatter, "store {store}: {}", self.message),
            None => formatter.write_str(&self.message),
        }
    }
}

impl StdError for StateError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
