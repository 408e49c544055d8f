//! What the Avro serdes ask of a schema registry.

use std::fmt;
use std::sync::Arc;

use super::SchemaRegistryError;

/// The id a registry gave a schema, unique within it and never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaId(u32);

impl SchemaId {
    /// The id `id`.
    #[must_use]
    pub const fn new(id: u32) -> Self {
        Self(id)
    }

    /// The id as a number.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for SchemaId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

/// A schema and its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredSchema {
    /// The registry's id.
    pub id: SchemaId,
    /// The schema's JSON.
    pub schema: Arc<str>,
}

/// A schema registry, as Confluent's and Karapace are. Shared by every serde of a process.
///
/// Calls may block, but only for a bounded time. What an id stands for never changes: an implementation asks for it once and
/// keeps the answer for ever. It never keeps a failure.
pub trait SchemaRegistry: Send + Sync + 'static {
    /// The schema with this id. Confluent: `GET /schemas/ids/{id}`.
    ///
    /// # Errors
    /// When the id is unknown or the registry does not answer.
    fn schema(&self, id: SchemaId) -> Result<Arc<str>, SchemaRegistryError>;

    /// The id of `schema` under `subject`. Confluent: `POST /subjects/{subject}`.
    ///
    /// # Errors
    /// When it is not registered there or the registry does not answer.
    fn find(&self, subject: &str, schema: &str) -> Result<SchemaId, SchemaRegistryError>;

    /// Registers `schema` under `subject`, or finds it there. Confluent: `POST /subjects/{subject}/versions`.
    ///
    /// # Errors
    /// When the registry refuses it or does not answer.
    fn register(&self, subject: &str, schema: &str) -> Result<SchemaId, SchemaRegistryError>;

    /// The newest schema of `subject`. Confluent: `GET /subjects/{subject}/versions/latest`.
    ///
    /// # Errors
    /// When there is none or the registry does not answer.
    fn latest(&self, subject: &str) -> Result<RegisteredSchema, SchemaRegistryError>;
}
