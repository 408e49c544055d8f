//! A task's instance of a key-value store.

use std::any::Any;
use std::sync::Arc;

use crate::error::StateError;
use crate::overlay::{CacheContext, Overlay, Place};
use crate::range::{Direction, KeyRange};
use crate::serde::SharedSerde;
use crate::state_store::{ChangelogWriter, StateStore};
use crate::task_state::CommitBatch;

use super::entry::StoreEntry;
use super::iterator::StoreIterator;
use super::key_codec::KeyCodec;

/// A value and the timestamp of the record that last wrote it. Kafka Streams: `ValueAndTimestamp`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueAndTimestamp<V> {
    /// The value.
    pub value: V,
    /// Milliseconds since the epoch; −1 where a plain store's row has none.
    pub timestamp: i64,
}

/// Typed keys and values, transactional. Kafka Streams: `KeyValueStore` and `TimestampedKeyValueStore`; the order of scans
/// is that of the serialised keys, as there. `X` is what the engine keeps with a write that downstream has not seen.
///
/// Every method fails with `Serde` for a key or value without form, and with `Corrupt` or `Io` when the disk does.
pub struct KeyValueStore<K, V, X = ()> {
    pub(super) overlay: Overlay<V, X>,
    pub(super) keys: Arc<KeyCodec<K>>,
    /// The bytes of the key in use.
    pub(super) key: Vec<u8>,
}

impl<K: 'static, V: Clone + 'static, X: CacheContext> KeyValueStore<K, V, X> {
    pub(super) const fn new(overlay: Overlay<V, X>, keys: Arc<KeyCodec<K>>) -> Self {
        Self { overlay, keys, key: Vec::new() }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// See the type.
    pub fn get(&mut self, key: &K) -> Result<Option<V>, StateError> {
        Ok(self.peek(key)?.map(|(value, _)| value.clone()))
    }

    /// The value of a key, with its timestamp.
    ///
    /// # Errors
    /// See the type.
    pub fn get_with_timestamp(&mut self, key: &K) -> Result<Option<ValueAndTimestamp<V>>, StateError> {
        Ok(self.peek(key)?.map(|(value, timestamp)| ValueAndTimestamp { value: value.clone(), timestamp }))
    }

    /// The value of a key and its timestamp, in place.
    ///
    /// # Errors
    /// See the type.
    pub fn peek(&mut self, key: &K) -> Result<Option<(&V, i64)>, StateError> {
        self.keys.write(key, &mut self.key)?;
        self.overlay.get(&self.key)
    }

    /// Writes a value, or deletes with none. What was there is not read.
    ///
    /// # Errors
    /// See the type.
    pub fn put(&mut self, key: &K, value: Option<V>, timestamp: i64) -> Result<(), StateError> {
        self.keys.write(key, &mut self.key)?;
        self.overlay.put(&self.key, value, timestamp);
        Ok(())
    }

    /// Writes a value unless there is one, which is given back.
    ///
    /// # Errors
    /// See the type.
    pub fn put_if_absent(&mut self, key: &K, value: V, timestamp: i64) -> Result<Option<V>, StateError> {
        let entry = self.entry(key)?;
        match entry.value() {
            Some(present) => Ok(Some(present.clone())),
            None => {
                entry.put(Some(value), timestamp);
                Ok(None)
            }
        }
    }

    /// Writes many rows: key, value (none deletes) and timestamp.
    ///
    /// # Errors
    /// See the type; the rows before the one that failed are written.
    pub fn put_all(&mut self, rows: impl IntoIterator<Item = (K, Option<V>, i64)>) -> Result<(), StateError> {
        rows.into_iter().try_for_each(|(key, value, timestamp)| self.put(&key, value, timestamp))
    }

    /// Deletes a key, giving back its value.
    ///
    /// # Errors
    /// See the type.
    pub fn delete(&mut self, key: &K, timestamp: i64) -> Result<Option<V>, StateError> {
        let entry = self.entry(key)?;
        let deleted = entry.value().cloned();
        entry.put(None, timestamp);
        Ok(deleted)
    }

    /// The place of a key, for reading and then writing: it is serialised, hashed and looked up once.
    ///
    /// # Errors
    /// See the type.
    pub fn entry(&mut self, key: &K) -> Result<StoreEntry<'_, K, V, X>, StateError> {
        self.keys.write(key, &mut self.key)?;
        let place: Place = self.overlay.locate(&self.key)?;
        Ok(StoreEntry::new(self, place))
    }

    /// The rows from one key to another, both included; none leaves an end open.
    ///
    /// # Errors
    /// See the type.
    pub fn range(&mut self, from: Option<&K>, to: Option<&K>) -> Result<StoreIterator<K, V>, StateError> {
        self.scan_between(from, to, Direction::Forward)
    }

    /// As [`range`](Self::range), last key first.
    ///
    /// # Errors
    /// See the type.
    pub fn reverse_range(&mut self, from: Option<&K>, to: Option<&K>) -> Result<StoreIterator<K, V>, StateError> {
        self.scan_between(from, to, Direction::Reverse)
    }

    /// Every row.
    ///
    /// # Errors
    /// See the type.
    pub fn all(&mut self) -> Result<StoreIterator<K, V>, StateError> {
        self.scan_between(None, None, Direction::Forward)
    }

    /// Every row, last key first.
    ///
    /// # Errors
    /// See the type.
    pub fn reverse_all(&mut self) -> Result<StoreIterator<K, V>, StateError> {
        self.scan_between(None, None, Direction::Reverse)
    }

    /// The rows whose key begins with the bytes of `prefix`.
    ///
    /// # Errors
    /// See the type.
    pub fn prefix_scan<P: 'static>(&mut self, prefix: &P, serde: &SharedSerde<P>) -> Result<StoreIterator<K, V>, StateError> {
        self.keys.write_part(prefix, serde, &mut self.key)?;
        let range = KeyRange::prefix(&self.key);
        Ok(self.scan(&range, Direction::Forward))
    }

    /// The rows whose key begins with these bytes.
    pub fn prefix_scan_bytes(&mut self, prefix: &[u8]) -> StoreIterator<K, V> {
        self.scan(&KeyRange::prefix(prefix), Direction::Forward)
    }

    /// About how many rows there are. Kafka Streams: `approximateNumEntries`.
    #[must_use]
    pub fn approximate_count(&self) -> u64 {
        self.overlay.approximate_count()
    }

    fn scan_between(&mut self, from: Option<&K>, to: Option<&K>, direction: Direction) -> Result<StoreIterator<K, V>, StateError> {
        let bytes = |key: Option<&K>| {
            let mut bytes = Vec::new();
            key.map(|key| self.keys.write(key, &mut bytes)).transpose().map(|written| written.map(|()| bytes))
        };
        let (start, end) = (bytes(from)?, bytes(to)?);
        Ok(self.scan(&KeyRange::inclusive(start.as_deref(), end.as_deref()), direction))
    }

    fn scan(&mut self, range: &KeyRange, direction: Direction) -> StoreIterator<K, V> {
        StoreIterator::new(self.overlay.scan(range, direction), Arc::clone(&self.keys))
    }
}

impl<K: 'static, V: Clone + 'static, X: CacheContext> StateStore for KeyValueStore<K, V, X> {
    fn name(&self) -> &Arc<str> {
        self.keys.store()
    }

    fn prepare(&mut self, batch: &mut CommitBatch, changelog: &mut ChangelogWriter<'_>) -> Result<(), StateError> {
        self.overlay.prepare(batch, changelog)
    }

    fn committed(&mut self) {
        self.overlay.committed();
    }

    fn rollback(&mut self) {
        self.overlay.rollback();
    }

    fn revert(&mut self) {
        self.overlay.revert();
    }

    fn dirty_bytes(&self) -> u64 {
        self.overlay.dirty_bytes()
    }

    fn memory_bytes(&self) -> u64 {
        self.overlay.memory_bytes()
    }

    fn evict_clean(&mut self, bytes: u64) -> u64 {
        self.overlay.evict_clean(bytes)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
