//! The place of one key in a store, between reading and writing it.

use crate::error::StateError;
use crate::overlay::{CacheContext, Place};

use super::store::KeyValueStore;

/// What [`KeyValueStore::entry`] found.
pub struct StoreEntry<'s, K, V, X> {
    store: &'s mut KeyValueStore<K, V, X>,
    place: Place,
}

impl<'s, K: 'static, V: Clone + 'static, X: CacheContext> StoreEntry<'s, K, V, X> {
    pub(super) const fn new(store: &'s mut KeyValueStore<K, V, X>, place: Place) -> Self {
        Self { store, place }
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> Option<&V> {
        self.value_and_timestamp().map(|(value, _)| value)
    }

    /// The timestamp of the record that wrote it; −1 where a plain store's row has none.
    #[must_use]
    pub fn timestamp(&self) -> Option<i64> {
        self.value_and_timestamp().map(|(_, timestamp)| timestamp)
    }

    /// The value and its timestamp.
    #[must_use]
    pub fn value_and_timestamp(&self) -> Option<(&V, i64)> {
        self.store.overlay.value_at(self.place)
    }

    /// Writes a value, or deletes with none.
    pub fn put(self, value: Option<V>, timestamp: i64) {
        self.store.overlay.put_at(self.place, &self.store.key, value, timestamp);
    }

    /// As [`put`](Self::put), for forwarding later: see [`KeyValueStore::put_cached`].
    ///
    /// # Errors
    /// `Serde` when the record cache measures exactly and the value has no bytes.
    pub fn put_cached(self, value: Option<V>, timestamp: i64, context: X) -> Result<(), StateError> {
        self.store.overlay.put_cached_at(self.place, &self.store.key, value, timestamp, context)
    }
}
