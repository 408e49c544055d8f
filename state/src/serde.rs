//! How a typed key or value becomes bytes, on a topic, in a changelog and in a store.
//!
//! The trait lives here because a store serialises at commit; the serdes people use (`Utf8`, `Json`, …) are the
//! engine's. A serde is shared by every task of a process, so it holds no state that a record changes.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// Which half of a record is meant; a schema registry's subject depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The record's key.
    Key,
    /// The record's value.
    Value,
}

/// Where the bytes come from or go to.
#[derive(Clone, Copy, Debug)]
pub struct SerdeContext<'a> {
    topic: &'a str,
    part: Part,
}

impl<'a> SerdeContext<'a> {
    /// The key or value of a record on `topic`. A store passes the name of its changelog.
    #[must_use]
    pub const fn new(topic: &'a str, part: Part) -> Self {
        Self { topic, part }
    }

    /// The topic the bytes stand on.
    #[must_use]
    pub const fn topic(&self) -> &'a str {
        self.topic
    }

    /// Key or value.
    #[must_use]
    pub const fn part(&self) -> Part {
        self.part
    }
}

/// What [`Serde::serialize`] made of the datum: bytes, or Kafka's null.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serialized {
    /// The bytes were appended to the buffer (possibly none: an empty value is not a null).
    Bytes,
    /// A null; nothing was appended. As a store's value it deletes.
    Null,
}

/// Serialises and deserialises one type. Kafka Streams: `Serde`.
///
/// Unlike there, whether null is a value is part of the type: a serde of `T` refuses null, a nullable serde is one of
/// `Option<T>`.
pub trait Serde: Send + Sync + 'static {
    /// The type in memory.
    type Data: 'static;

    /// Appends the bytes of `data` to `out`.
    ///
    /// # Errors
    /// When the datum has no form on this topic. What was appended before the error is the caller's to drop.
    fn serialize(&self, data: &Self::Data, context: SerdeContext<'_>, out: &mut Vec<u8>) -> Result<Serialized, SerdeError>;

    /// Reads a datum from bytes, `None` being Kafka's null.
    ///
    /// # Errors
    /// When the bytes are not of the form, or null where the type has none.
    fn deserialize(&self, bytes: Option<&[u8]>, context: SerdeContext<'_>) -> Result<Self::Data, SerdeError>;
}

/// A serde behind one virtual call, shared by the tasks.
pub type SharedSerde<T> = Arc<dyn Serde<Data = T>>;

/// Bytes that are not of the expected form, or a datum that has no bytes.
#[derive(Debug)]
pub struct SerdeError {
    expected: String,
    found: String,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl SerdeError {
    /// What was expected and what was found instead. `found` must not hold the content: it may be personal.
    #[must_use]
    pub fn new(expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { expected: expected.into(), found: found.into(), source: None }
    }

    /// A null where `expected` has none.
    #[must_use]
    pub fn null(expected: impl Into<String>) -> Self {
        Self::new(expected, "null (a nullable serde accepts it)")
    }

    /// Adds the error of the library underneath.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for SerdeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "expected {}, found {}", self.expected, self.found)?;
        match &self.source {
            Some(source) => write!(formatter, ": {source}"),
            None => Ok(()),
        }
    }
}

impl StdError for SerdeError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}
