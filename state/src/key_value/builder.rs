//! Declares a key-value store and makes its instances.

use std::any::Any;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::error::StateError;
use crate::overlay::{CacheContext, Overlay, ValueCodec};
use crate::restore::{ChangelogRestorer, RowRestorer};
use crate::serde::SharedSerde;
use crate::spec::{RowFormat, StoreSpec};
use crate::state_store::{BuiltStore, StoreContext, StoreSupplier};
use crate::task_state::Column;

use super::key_codec::KeyCodec;
use super::store::KeyValueStore;

/// Kafka Streams: `Stores.keyValueStoreBuilder` and `timestampedKeyValueStoreBuilder`. As there, a store is persistent and
/// logged unless told otherwise, and not caching; unlike there, timestamped unless told otherwise, as in the DSL.
pub struct KeyValueStoreBuilder<K, V, X = ()> {
    name: Arc<str>,
    key_serde: SharedSerde<K>,
    value_serde: SharedSerde<V>,
    format: RowFormat,
    persistent: bool,
    caching: bool,
    logging: Option<BTreeMap<String, String>>,
    weigher: Option<fn(&V) -> usize>,
    context: PhantomData<fn() -> X>,
}

impl<K: 'static, V: Clone + 'static, X: CacheContext> KeyValueStoreBuilder<K, V, X> {
    /// A persistent, timestamped, logged store.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, key_serde: SharedSerde<K>, value_serde: SharedSerde<V>) -> Self {
        let logging = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
        Self {
            name: name.into(),
            key_serde,
            value_serde,
            format: RowFormat::Timestamped,
            persistent: true,
            caching: false,
            logging: Some(logging),
            weigher: None,
            context: PhantomData,
        }
    }

    /// Plain or timestamped rows.
    #[must_use]
    pub fn format(mut self, format: RowFormat) -> Self {
        self.format = format;
        self
    }

    /// Rows on disk, or in memory and restored whole.
    #[must_use]
    pub fn persistent(mut self, persistent: bool) -> Self {
        self.persistent = persistent;
        self
    }

    /// Lets downstream see writes later, compacted by key.
    #[must_use]
    pub fn with_caching(mut self, caching: bool) -> Self {
        self.caching = caching;
        self
    }

    /// Adds to the changelog topic's configuration, or replaces parts of it (`cleanup.policy=compact`).
    #[must_use]
    pub fn with_logging(mut self, config: BTreeMap<String, String>) -> Self {
        self.logging.get_or_insert_default().extend(config);
        self
    }

    /// No changelog: what is lost with the disk is lost.
    #[must_use]
    pub fn without_logging(mut self) -> Self {
        self.logging = None;
        self
    }

    /// Measures a value's bytes in memory by its own account, where its serialised length says too little.
    #[must_use]
    pub fn with_weigher(mut self, weigher: fn(&V) -> usize) -> Self {
        self.weigher = Some(weigher);
        self
    }

    /// The serde of the keys.
    #[must_use]
    pub const fn key_serde(&self) -> &SharedSerde<K> {
        &self.key_serde
    }

    /// The serde of the values.
    #[must_use]
    pub const fn value_serde(&self) -> &SharedSerde<V> {
        &self.value_serde
    }

    /// The form of the rows.
    #[must_use]
    pub const fn row_format(&self) -> RowFormat {
        self.format
    }
}

impl<K: 'static, V: Clone + 'static, X: CacheContext> StoreSupplier for KeyValueStoreBuilder<K, V, X> {
    fn name(&self) -> &Arc<str> {
        &self.name
    }

    fn spec(&self) -> StoreSpec {
        if self.persistent { StoreSpec::persistent(Arc::clone(&self.name)) } else { StoreSpec::in_memory(Arc::clone(&self.name)) }
    }

    fn changelog_config(&self) -> Option<BTreeMap<String, String>> {
        self.logging.clone()
    }

    fn is_caching(&self) -> bool {
        self.caching
    }

    fn restorer(&self) -> Arc<dyn ChangelogRestorer> {
        RowRestorer::shared(self.format)
    }

    fn build(&self, column: Column, context: StoreContext) -> Result<BuiltStore, StateError> {
        let topic = context.changelog_topic;
        let keys = KeyCodec::new(Arc::clone(&self.name), Arc::clone(&topic), Arc::clone(&self.key_serde));
        let values = ValueCodec::new(Arc::clone(&self.name), topic, Arc::clone(&self.value_serde), self.format).with_weigher(self.weigher);
        let overlay = Overlay::<V, X>::new(column, Arc::new(values), context.savepoint, &context.budget);
        let overlay = if self.caching { overlay.with_record_cache(context.record_cache) } else { overlay };
        Ok(BuiltStore::new(KeyValueStore::new(overlay, Arc::new(keys))))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
