//! Transactional state stores: a typed overlay of uncommitted writes above RocksDB or memory, and the bytes of their
//! changelogs. A store knows nothing of Kafka; the runtime tells it when a transaction has committed or aborted.

mod api_skeleton;
mod error;
mod savepoint;
mod serde;

pub use api_skeleton::*;
pub use error::{StateError, StateErrorKind};
pub use savepoint::Savepoint;
pub use serde::{Part, Serde, SerdeContext, SerdeError, Serialized, SharedSerde};
