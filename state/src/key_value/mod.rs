//! The key-value store: plain and timestamped, on disk and in memory, with or without a record cache.

mod builder;
mod cached;
mod entry;
mod iterator;
mod key_codec;
mod store;

pub use builder::KeyValueStoreBuilder;
pub use cached::Unforwarded;
pub use entry::StoreEntry;
pub use iterator::StoreIterator;
pub(crate) use key_codec::KeyCodec;
pub use store::{KeyValueStore, ValueAndTimestamp};
