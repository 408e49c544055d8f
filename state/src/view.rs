//! Queries: the committed rows of a key-value store, from any thread.
//!
//! A view never sees what a transaction has not committed, nor waits for the task: it reads the column, by snapshot.

use std::sync::Arc;

use crate::error::StateError;
use crate::key_value::{KeyCodec, ValueAndTimestamp};
use crate::overlay::ValueCodec;
use crate::range::{Direction, KeyRange};
use crate::serde::SharedSerde;
use crate::spec::RowFormat;
use crate::task_state::{Column, ColumnCursor};

/// A read-only view of one task's part of a store. Kafka Streams: `ReadOnlyKeyValueStore`, reading committed.
///
/// Every method fails with `Serde` for a key or value without form, and with `Corrupt` or `Io` when the disk does.
pub struct StoreView<K, V> {
    column: Column,
    keys: Arc<KeyCodec<K>>,
    values: Arc<ValueCodec<V>>,
}

impl<K, V> Clone for StoreView<K, V> {
    fn clone(&self) -> Self {
        Self { column: self.column.clone(), keys: Arc::clone(&self.keys), values: Arc::clone(&self.values) }
    }
}

impl<K: 'static, V: 'static> StoreView<K, V> {
    /// A view of a store's column, with the serdes and the form it was written with.
    #[must_use]
    pub fn new(column: Column, changelog_topic: Arc<str>, key_serde: SharedSerde<K>, value_serde: SharedSerde<V>, format: RowFormat) -> Self {
        let store = Arc::clone(column.store());
        let keys = Arc::new(KeyCodec::new(Arc::clone(&store), Arc::clone(&changelog_topic), key_serde));
        let values = Arc::new(ValueCodec::new(store, changelog_topic, value_serde, format));
        Self { column, keys, values }
    }

    /// The value of a key.
    ///
    /// # Errors
    /// See the type.
    pub fn get(&self, key: &K) -> Result<Option<ValueAndTimestamp<V>>, StateError> {
        let mut bytes = Vec::new();
        self.keys.write(key, &mut bytes)?;
        let read = self.column.get_with(&bytes, |row| self.values.read(row))?.transpose()?;
        Ok(read.map(|(value, timestamp)| ValueAndTimestamp { value, timestamp }))
    }

    /// The rows from one key to another, both included; none leaves an end open.
    ///
    /// # Errors
    /// See the type.
    pub fn range(&self, from: Option<&K>, to: Option<&K>) -> Result<ViewIterator<K, V>, StateError> {
        Ok(self.scan(&self.between(from, to)?, Direction::Forward))
    }

    /// As [`range`](Self::range), last key first.
    ///
    /// # Errors
    /// See the type.
    pub fn reverse_range(&self, from: Option<&K>, to: Option<&K>) -> Result<ViewIterator<K, V>, StateError> {
        Ok(self.scan(&self.between(from, to)?, Direction::Reverse))
    }

    /// The rows whose key begins with these bytes.
    #[must_use]
    pub fn prefix_scan_bytes(&self, prefix: &[u8]) -> ViewIterator<K, V> {
        self.scan(&KeyRange::prefix(prefix), Direction::Forward)
    }

    /// About how many rows there are.
    #[must_use]
    pub fn approximate_count(&self) -> u64 {
        self.column.approximate_count()
    }

    fn between(&self, from: Option<&K>, to: Option<&K>) -> Result<KeyRange, StateError> {
        let bytes = |key: Option<&K>| {
            let mut bytes = Vec::new();
            key.map(|key| self.keys.write(key, &mut bytes)).transpose().map(|written| written.map(|()| bytes))
        };
        Ok(KeyRange::inclusive(bytes(from)?.as_deref(), bytes(to)?.as_deref()))
    }

    fn scan(&self, range: &KeyRange, direction: Direction) -> ViewIterator<K, V> {
        ViewIterator { rows: self.column.scan(range, direction), keys: Arc::clone(&self.keys), values: Arc::clone(&self.values), failed: false }
    }
}

/// The rows of a view's scan, as they were when it was opened: key, value and timestamp. `Send`; without a borrow.
pub struct ViewIterator<K, V> {
    rows: ColumnCursor,
    keys: Arc<KeyCodec<K>>,
    values: Arc<ValueCodec<V>>,
    failed: bool,
}

impl<K: 'static, V: 'static> Iterator for ViewIterator<K, V> {
    type Item = Result<(K, V, i64), StateError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let Some((key, row)) = self.rows.current() else {
            self.failed = true;
            return self.rows.status().err().map(Err);
        };
        let read = self.keys.read(key).and_then(|key| self.values.read(row).map(|(value, timestamp)| (key, value, timestamp)));
        self.rows.advance();
        self.failed = read.is_err();
        Some(read)
    }
}
