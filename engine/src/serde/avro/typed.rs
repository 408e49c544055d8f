//! Avro of a Rust type.

use std::marker::PhantomData;
use std::sync::Arc;

use ::serde::Serialize;
use ::serde::de::DeserializeOwned;
use apache_avro::reader::datum::GenericDatumReader;

use super::framing::split;
use super::schemas::{OwnSchema, Schemas};
use super::{AvroSettings, SchemaRegistry};
use crate::serde::{Serde, SerdeContext, SerdeError, Serialized};

/// A type that serde knows, as Avro. Confluent: `SpecificAvroSerde`.
///
/// It writes in its own schema, and reads data of any schema that resolves to it by Avro's rules. Data of its own schema go
/// straight into the Rust type; others take a detour over a generic value, which is slower.
///
/// ```
/// use std::sync::Arc;
///
/// use serde::{Deserialize, Serialize};
/// use straum::serde::avro::{Avro, FileSchemaRegistry};
/// use straum::serde::{Part, Serde, SerdeContext, SerdeExt};
///
/// #[derive(Serialize, Deserialize)]
/// struct Order {
///     customer: String,
/// }
///
/// # let folder = tempfile::tempdir()?;
/// # let folder = folder.path();
/// let registry = Arc::new(FileSchemaRegistry::open(folder)?);
/// let schema = r#"{"type":"record","name":"Order","fields":[{"name":"customer","type":"string"}]}"#;
/// let orders = Avro::<Order>::new(registry, schema)?;
///
/// let context = SerdeContext::new("orders", Part::Value);
/// let bytes = orders.to_bytes(&Order { customer: "Kari".to_owned() }, context)?;
/// assert_eq!(bytes.as_deref(), Some(b"\0\0\0\0\x01\x08Kari".as_slice()));
/// assert_eq!(orders.deserialize(bytes.as_deref(), context)?.customer, "Kari");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Avro<T> {
    schemas: Schemas,
    of: PhantomData<fn() -> T>,
}

impl<T: Serialize + DeserializeOwned + 'static> Avro<T> {
    /// Avro of `T` in this schema (the JSON of an `.avsc`), with default settings.
    ///
    /// # Errors
    /// When the text is no Avro schema. The registry is not asked yet.
    pub fn new(registry: Arc<dyn SchemaRegistry>, schema: &str) -> Result<Self, SerdeError> {
        Self::with_settings(registry, schema, AvroSettings::default())
    }

    /// As [`Avro::new`], with settings.
    ///
    /// # Errors
    /// When the text is no Avro schema.
    pub fn with_settings(registry: Arc<dyn SchemaRegistry>, schema: &str, settings: AvroSettings) -> Result<Self, SerdeError> {
        let own = OwnSchema::parse(schema)?;
        Ok(Self { schemas: Schemas::new(registry, settings, Some(own)), of: PhantomData })
    }

    /// Finds or registers the schema of this topic now, so that its first record need not wait for the registry.
    ///
    /// # Errors
    /// When the registry has or takes no such schema, or does not answer ([`is_retriable`](super::is_retriable)).
    pub fn prepare(&self, context: SerdeContext<'_>) -> Result<(), SerdeError> {
        self.schemas.writer(context).map(|_| ())
    }
}

impl<T: Serialize + DeserializeOwned + 'static> Serde for Avro<T> {
    type Data = T;

    fn serialize(&self, data: &T, context: SerdeContext<'_>, out: &mut Vec<u8>) -> Result<Serialized, SerdeError> {
        self.schemas.writer(context)?.write(out, |writer, out| writer.write_ser(out, data))
    }

    fn deserialize(&self, bytes: Option<&[u8]>, _: SerdeContext<'_>) -> Result<T, SerdeError> {
        let (id, datum) = split(bytes)?;
        let schema = self.schemas.reader(id)?;
        if schema.is_direct() {
            schema.read(datum, GenericDatumReader::read_deser)
        } else {
            schema.read(datum, |reader, datum| apache_avro::from_value(&reader.read_value(datum)?))
        }
    }
}
