//! What can go wrong with a schema registry, and Avro's errors without the data they quote.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use apache_avro::error::Details;

use crate::serde::SerdeError;

/// What the caller of a [`SchemaRegistry`](super::SchemaRegistry) should do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SchemaRegistryErrorKind {
    /// No such id, subject or schema: asking again changes nothing until someone registers it.
    NotFound,
    /// The schema breaks the subject's compatibility: change the schema.
    Incompatible,
    /// The registry refuses the request: check credentials, rights and settings.
    Refused,
    /// No answer, or none now: try again later.
    Unavailable,
    /// The answer is none of a schema registry: check the address or the folder.
    InvalidAnswer,
}

/// A schema registry that did not do what it was asked.
///
/// It names the operation (for HTTP the method and the path) and the status, never host or credentials.
#[derive(Clone, Debug)]
pub struct SchemaRegistryError {
    kind: SchemaRegistryErrorKind,
    operation: String,
    reason: String,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

impl SchemaRegistryError {
    /// `operation` failed for `reason`. For implementations of [`SchemaRegistry`](super::SchemaRegistry).
    #[must_use]
    pub fn new(kind: SchemaRegistryErrorKind, operation: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { kind, operation: operation.into(), reason: reason.into(), source: None }
    }

    /// Adds the error underneath.
    #[must_use]
    pub fn with_source(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Arc::new(source));
        self
    }

    /// What the caller should do.
    #[must_use]
    pub const fn kind(&self) -> SchemaRegistryErrorKind {
        self.kind
    }
}

impl fmt::Display for SchemaRegistryError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "schema registry: {}: {}", self.operation, self.reason)?;
        match &self.source {
            Some(source) => write!(formatter, ": {source}"),
            None => Ok(()),
        }
    }
}

impl StdError for SchemaRegistryError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

/// Whether the same bytes may be read, or the same datum written, later: the schema registry was not available.
///
/// Every other error of a serde is the record's own and comes back at every attempt.
///
/// The engine retries such a record by itself, with back-off, until `task.timeout.ms` has passed; no handler is asked.
#[must_use]
pub fn is_retriable(error: &SerdeError) -> bool {
    registry_is_away(error)
}

/// Whether a schema registry that was not available is at the bottom of an error.
pub(crate) fn registry_is_away(error: &(dyn StdError + 'static)) -> bool {
    std::iter::successors(Some(error), |error| (**error).source())
        .filter_map(|error| error.downcast_ref::<SchemaRegistryError>())
        .any(|error| error.kind() == SchemaRegistryErrorKind::Unavailable)
}

/// What an error of the Avro library says about form. Its own messages quote whole values, so they are never shown.
pub(super) fn without_content(error: &apache_avro::Error) -> String {
    match error.details() {
        Details::ConvertToUtf8(_) | Details::ConvertToUtf8Error(_) => "a string that is not UTF-8".to_owned(),
        Details::BoolValue(_) => "a boolean that is neither 0 nor 1".to_owned(),
        Details::GetUnionVariant { index, num_variants } => format!("branch {index} of a union of {num_variants}"),
        Details::EnumSymbolIndex { index, num_variants } => format!("symbol {index} of an enum of {num_variants}"),
        Details::GetEnumValue { index, nsymbols } => format!("symbol {index} of an enum of {nsymbols}"),
        Details::ConvertI64ToUsize(..) | Details::ConvertI32ToUsize(..) => "a negative length or index".to_owned(),
        Details::IntegerOverflow | Details::ZagI32(..) => "a number too large for its type".to_owned(),
        Details::MemoryAllocation { maximum, .. } => format!("a length beyond {maximum} bytes"),
        Details::GetField(name) => format!("no field {name}"),
        Details::SchemaResolutionError(name) => format!("a reference to the unknown type {name}"),
        Details::SerializeRecordFieldWithSchema { field_name, record_schema, .. } => {
            format!("a value of another form in field {field_name} of {}", record_schema.name)
        }
        Details::MissingDefaultForSkippedField { field_name, schema } => {
            format!("no value of field {field_name} of {}, which has no default", schema.name)
        }
        Details::SerializeValueWithSchema { value_type, .. } => format!("a {value_type} where the schema has another type"),
        Details::DeserializeSchemaAware { value_type, .. } => format!("a value that does not fit the Rust type (asked for {value_type})"),
        Details::DeserializeValue(_) => "a value that does not fit the Rust type".to_owned(),
        _ => "a value of another form".to_owned(),
    }
}
