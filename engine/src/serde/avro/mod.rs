//! Avro behind a schema registry, in Confluent's framing: a zero byte, the schema's id in 4 bytes, the datum.
//!
//! A schema is asked for once: by its id when a record first carries it, and by its subject when a topic is first written to.
//! That first call waits for the registry on the calling thread, within the registry's timeout; afterwards nothing here
//! locks, asks or allocates by itself. [`Avro::prepare`] takes the wait at start instead. A registry that
//! cannot be reached is no fault of the record: [`is_retriable`] tells such an error from bad bytes.
//!
//! A datum must be read whole: bytes left over are refused, as cut-off ones are (Confluent's deserializer ignores them). So are schemas
//! that contain themselves, or refer to other subjects of the registry.
//!
//! Schema ids in record headers (17-byte GUIDs, magic byte 1) are not read: a serde sees no headers.

mod error;
mod file;
mod framing;
mod generic;
mod http;
mod known;
mod parsing;
mod registry;
mod schemas;
mod settings;
#[cfg(test)]
mod tests;
mod typed;

pub use apache_avro::types::Value as AvroValue;
pub(crate) use error::registry_is_away;
pub use error::{SchemaRegistryError, SchemaRegistryErrorKind, is_retriable};
pub use file::FileSchemaRegistry;
pub use generic::GenericAvro;
pub use http::HttpSchemaRegistry;
pub use registry::{RegisteredSchema, SchemaId, SchemaRegistry};
pub use settings::{AvroSettings, SubjectNameStrategy};
pub use typed::Avro;
