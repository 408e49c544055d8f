//! Avro without a Rust type.

use std::sync::Arc;

use apache_avro::reader::datum::GenericDatumReader;

use super::framing::split;
use super::schemas::{OwnSchema, Schemas};
use super::{AvroSettings, AvroValue, SchemaRegistry};
use crate::serde::{Serde, SerdeContext, SerdeError, Serialized};

/// Avro as a generic value. Confluent: `GenericAvroSerde`.
///
/// A generic value here carries no schema of its own, so the serde has the one to write and read in.
/// [`GenericAvro::as_written`] makes one for tools: it reads whatever comes, in the schema it was written in.
///
/// ```
/// use std::sync::Arc;
///
/// use straum::serde::avro::{AvroValue, FileSchemaRegistry, GenericAvro};
/// use straum::serde::{Part, Serde, SerdeContext, SerdeExt};
///
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let registry = Arc::new(FileSchemaRegistry::open(folder)?);
/// let names = GenericAvro::new(registry.clone(), r#""string""#)?;
/// let context = SerdeContext::new("names", Part::Value);
/// let bytes = names.to_bytes(&AvroValue::String("Kari".to_owned()), context)?;
///
/// let anything = GenericAvro::as_written(registry);
/// assert_eq!(anything.deserialize(bytes.as_deref(), context)?, AvroValue::String("Kari".to_owned()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct GenericAvro {
    schemas: Schemas,
}

impl GenericAvro {
    /// Generic values of this schema (the JSON of an `.avsc`), with default settings.
    ///
    /// # Errors
    /// When the text is no Avro schema. The registry is not asked yet.
    pub fn new(registry: Arc<dyn SchemaRegistry>, schema: &str) -> Result<Self, SerdeError> {
        Self::with_settings(registry, schema, AvroSettings::default())
    }

    /// As [`GenericAvro::new`], with settings.
    ///
    /// # Errors
    /// When the text is no Avro schema.
    pub fn with_settings(registry: Arc<dyn SchemaRegistry>, schema: &str, settings: AvroSettings) -> Result<Self, SerdeError> {
        let own = OwnSchema::parse(schema)?;
        Ok(Self { schemas: Schemas::new(registry, settings, Some(own)) })
    }

    /// Reads every datum in the schema it was written in, and refuses to write.
    #[must_use]
    pub fn as_written(registry: Arc<dyn SchemaRegistry>) -> Self {
        Self { schemas: Schemas::new(registry, AvroSettings::default(), None) }
    }

    /// Finds or registers the schema of this topic now, so that its first record need not wait for the registry.
    ///
    /// # Errors
    /// When the registry has or takes no such schema, or does not answer ([`is_retriable`](super::is_retriable)).
    pub fn prepare(&self, context: SerdeContext<'_>) -> Result<(), SerdeError> {
        self.schemas.writer(context).map(|_| ())
    }
}

impl Serde for GenericAvro {
    type Data = AvroValue;

    fn serialize(&self, data: &AvroValue, context: SerdeContext<'_>, out: &mut Vec<u8>) -> Result<Serialized, SerdeError> {
        self.schemas.writer(context)?.write(out, |writer, out| writer.write_value_ref(out, data))
    }

    fn deserialize(&self, bytes: Option<&[u8]>, _: SerdeContext<'_>) -> Result<AvroValue, SerdeError> {
        let (id, datum) = split(bytes)?;
        self.schemas.reader(id)?.read(datum, GenericDatumReader::read_value)
    }
}
