//! Transactional state stores: a typed overlay of uncommitted writes above RocksDB or memory, and the bytes of their
//! changelogs. A store knows nothing of Kafka; the runtime tells it when a transaction has committed or aborted.
//!
//! - [`TaskState`] holds what is committed, of every store of one task: rows, changelog offsets, metadata.
//! - [`StoreSupplier`]s, such as [`KeyValueStoreBuilder`], make [`StateStore`]s above its columns.
//! - [`Overlay`] is what stores are made of; write your own with it.
//! - [`StoreView`] reads what is committed, from any thread.
//! - [`MemoryBudget`] is the one number of bytes that all of them share.

/// Checks, with the `invariants` feature, what only a bug in this crate or in its caller can break.
macro_rules! invariant {
    ($condition:expr, $($message:tt)+) => {
        if cfg!(feature = "invariants") {
            assert!($condition, $($message)+);
        }
    };
}

mod error;
mod flush;
mod key_bytes;
mod key_value;
mod memory;
mod overlay;
mod persistent_map;
mod range;
mod restore;
mod savepoint;
mod serde;
mod spec;
mod state_store;
mod task_state;
mod view;

pub use error::{StateError, StateErrorKind};
pub use flush::FlushScheduler;
pub use key_bytes::KeyBytes;
pub use key_value::{KeyValueStore, KeyValueStoreBuilder, StoreEntry, StoreIterator, Unforwarded, ValueAndTimestamp};
pub use memory::{Charge, MemoryBudget, MemoryPart};
pub use overlay::{CacheContext, CacheSizing, Overlay, OverlayIterator, RecordCache, ValueCodec};
pub use range::{Direction, KeyRange};
pub use restore::{ChangelogRecord, ChangelogRestorer, RowRestorer, RowSink};
pub use savepoint::Savepoint;
pub use serde::{Part, Serde, SerdeContext, SerdeError, Serialized, SharedSerde};
pub use spec::{NO_TIMESTAMP, RowFormat, StoreSpec};
pub use state_store::{BuiltStore, ChangelogWriter, StateStore, StoreContext, StoreSupplier};
pub use task_state::{Column, ColumnCursor, CommitBatch, StateOptions, TaskState, WallClock};
pub use view::{StoreView, ViewIterator};
