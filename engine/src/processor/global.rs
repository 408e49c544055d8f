//! Global stores as the rest of the engine sees them: committed state, filled by the global thread, read by every task.

use std::any::Any;
use std::sync::Arc;

use straum_state::{Column, Part, RowFormat, SerdeContext, SharedSerde, StateError, StateErrorKind, StoreView, ValueAndTimestamp, ViewIterator};

use crate::error::Error;
use crate::log::LogRecord;

/// A global table's rows, readable from any thread.
pub struct GlobalView<K, V> {
    name: Arc<str>,
    view: Arc<StoreView<K, V>>,
}

impl<K, V> Clone for GlobalView<K, V> {
    fn clone(&self) -> Self {
        Self { name: Arc::clone(&self.name), view: Arc::clone(&self.view) }
    }
}

impl<K: 'static, V: 'static> GlobalView<K, V> {
    /// The value of a key, with its timestamp.
    ///
    /// # Errors
    /// The store's.
    pub fn get(&self, key: &K) -> Result<Option<ValueAndTimestamp<V>>, StateError> {
        self.view.get(key)
    }

    /// All rows by serialised key.
    ///
    /// # Errors
    /// The store's.
    pub fn all(&self) -> Result<ViewIterator<K, V>, StateError> {
        self.view.range(None, None)
    }

    /// About how many rows there are.
    #[must_use]
    pub fn approximate_count(&self) -> u64 {
        self.view.approximate_count()
    }

    pub(crate) fn not_writable(&self) -> StateError {
        StateError::new(StateErrorKind::Misuse, "a global store can only be read here with get, expected a store of the task").in_store(&self.name)
    }
}

/// Types of a global store, erased: makes its view, and checks the topic's records before they are stored.
pub(crate) trait GlobalUpdaterFactory: Send + Sync {
    /// A `GlobalView<K, V>`.
    fn view(&self, column: Column) -> Arc<dyn Any + Send + Sync>;

    /// An error when the record is not of the table's types.
    fn check(&self, topic: &str, record: &LogRecord<'_>) -> Result<(), Error>;
}

pub(crate) struct GlobalTableUpdater<K, V> {
    pub(crate) name: Arc<str>,
    pub(crate) topic: Arc<str>,
    pub(crate) key_serde: SharedSerde<K>,
    pub(crate) value_serde: SharedSerde<V>,
}

impl<K: 'static, V: 'static> GlobalUpdaterFactory for GlobalTableUpdater<K, V> {
    fn view(&self, column: Column) -> Arc<dyn Any + Send + Sync> {
        let (key_serde, value_serde) = (Arc::clone(&self.key_serde), Arc::clone(&self.value_serde));
        let view = StoreView::new(column, Arc::clone(&self.topic), key_serde, value_serde, RowFormat::Timestamped);
        Arc::new(GlobalView { name: Arc::clone(&self.name), view: Arc::new(view) })
    }

    fn check(&self, topic: &str, record: &LogRecord<'_>) -> Result<(), Error> {
        let failed = |error| Error::new(crate::error::ErrorKind::Deserialization, "cannot deserialise a record of a global table").with_source(error);
        self.key_serde.deserialize(record.key, SerdeContext::new(topic, Part::Key)).map_err(failed)?;
        if record.value.is_some() {
            self.value_serde.deserialize(record.value, SerdeContext::new(topic, Part::Value)).map_err(failed)?;
        }
        Ok(())
    }
}
