//! What a processor scans, whether the store is its task's or a global one.

use straum_state::{StateError, StoreIterator, ViewIterator};

/// The rows of a scan: key, value and timestamp (−1 where the store keeps none), as they were when it was opened. What is
/// written afterwards does not reach it. Kafka Streams: `KeyValueIterator`; it closes when dropped.
pub struct KeyValueIterator<K, V>(Rows<K, V>);

enum Rows<K, V> {
    Task(StoreIterator<K, V>),
    Global(ViewIterator<K, V>),
}

impl<K, V> KeyValueIterator<K, V> {
    pub(crate) const fn of_task(rows: StoreIterator<K, V>) -> Self {
        Self(Rows::Task(rows))
    }

    pub(crate) const fn of_global(rows: ViewIterator<K, V>) -> Self {
        Self(Rows::Global(rows))
    }
}

impl<K: 'static, V: Clone + 'static> Iterator for KeyValueIterator<K, V> {
    type Item = Result<(K, V, i64), StateError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Rows::Task(rows) => rows.next(),
            Rows::Global(rows) => rows.next(),
        }
    }
}
