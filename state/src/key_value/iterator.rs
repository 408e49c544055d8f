//! A scan of a store.

use std::sync::Arc;

use crate::error::StateError;
use crate::overlay::OverlayIterator;

use super::key_codec::KeyCodec;

/// The rows of a scan: key, value and timestamp (−1 where a plain store's committed row has none), as they were when it
/// was opened. It holds no borrow of the store; writes, deletes, commits and rollbacks do not reach it. Kafka Streams:
/// `KeyValueIterator`; it closes when dropped.
pub struct StoreIterator<K, V> {
    rows: OverlayIterator<V>,
    keys: Arc<KeyCodec<K>>,
}

impl<K: 'static, V: Clone + 'static> StoreIterator<K, V> {
    pub(crate) const fn new(rows: OverlayIterator<V>, keys: Arc<KeyCodec<K>>) -> Self {
        Self { rows, keys }
    }
}

impl<K: 'static, V: Clone + 'static> Iterator for StoreIterator<K, V> {
    type Item = Result<(K, V, i64), StateError>;

    fn next(&mut self) -> Option<Self::Item> {
        let keys = &self.keys;
        let row = self.rows.next_with(|key, value, timestamp| keys.read(key).map(|key| (key, value, timestamp)));
        row.map(Result::flatten)
    }
}
