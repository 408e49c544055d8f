//! Serdes: how typed keys and values become bytes.
//!
//! The trait is the state crate's ([`Serde`]); here are the serdes a topology names
//! (`Consumed::with(Utf8, Json::<Order>::new())`). Bytes follow Kafka's own serdes, so that topics can be shared with a JVM
//! application. A serde is called on stream threads for every record: it must not allocate beyond the value it makes. Its errors
//! state forms, lengths and positions and never repeat the content, which may be personal.

pub mod avro;
mod boolean;
mod cbor;
mod change;
mod extension;
mod json;
mod nullable;
mod number;
mod raw;
#[cfg(test)]
mod tests;
mod text;
mod uuid_text;
mod void;

pub use avro::{Avro, GenericAvro};
pub use boolean::Bool;
pub use cbor::Cbor;
pub use change::{Change, ChangeSerde};
pub use extension::SerdeExt;
pub use json::Json;
pub use nullable::Nullable;
pub use number::{F32, F64, I16, I32, I64, U8, U16, U32, U64};
pub use raw::RawBytes;
pub use straum_state::{Part, Serde, SerdeContext, SerdeError, Serialized, SharedSerde};
pub use text::Utf8;
pub use uuid_text::UuidText;
pub use void::Void;
