//! The Processor API, and the physical nodes that the operators of the DSL become.

mod api;
pub(crate) mod cache;
mod context;
pub(crate) mod edge;
mod fixed_key;
pub(crate) mod global;
mod headers;
mod iterator;
mod nullable;
pub(crate) mod panicking;
pub(crate) mod process;
pub(crate) mod punctuation;
mod record;
pub(crate) mod record_reader;
pub(crate) mod sink;
pub(crate) mod source;
pub(crate) mod source_changelog;
pub(crate) mod store;
pub(crate) mod task_context;

pub use api::{Processor, ProcessorSupplier};
pub use cache::CachedContext;
pub use context::{Child, ProcessorContext};
pub use fixed_key::{FixedKeyProcessor, FixedKeyProcessorContext, FixedKeyProcessorSupplier};
pub use global::GlobalView;
pub use headers::Headers;
pub use iterator::KeyValueIterator;
pub use nullable::{CanBeNull, Fallible, FallibleNull, Infallible, NonNull, Nullable, NullableOutcome, Outcome};
pub use punctuation::{Punctuation, PunctuationType};
pub use record::Record;
pub use sink::Partitioner;
pub use source::TimestampExtractor;
pub use store::{KeyValue, StoreHandle};
pub use straum_state::{KeyValueStoreBuilder, RowFormat, StateError, StateErrorKind, ValueAndTimestamp};
pub use task_context::RecordMetadata;
