//! A table that every instance holds whole.

use std::marker::PhantomData;
use std::sync::Arc;

use straum_state::KeyValueStoreBuilder;

use crate::dsl::{Consumed, Materialized, StreamsBuilder};
use crate::processor::CachedContext;
use crate::processor::global::GlobalTableUpdater;
use crate::topology::GlobalStore;

/// A table that every instance holds whole: it is read to its end before anything runs, needs no co-partitioning, and is
/// updated beside the tasks, so that what a join finds depends on when it looks. Kafka Streams: `GlobalKTable`.
pub struct GlobalKTable<K, V> {
    pub(crate) store: Arc<str>,
    marker: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Clone for GlobalKTable<K, V> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), marker: PhantomData }
    }
}

impl StreamsBuilder {
    /// A global table of a topic, in a store of this name. Kafka Streams: `StreamsBuilder.globalTable`.
    ///
    /// A null value deletes its key; a record with a null key, or one that is not of the table's types, is left out.
    pub fn global_table<K: 'static, V: Clone + 'static>(
        &self,
        topic: impl Into<Arc<str>>,
        consumed: Consumed<K, V>,
        materialized: Materialized<V>,
    ) -> GlobalKTable<K, V> {
        let topic = topic.into();
        let materialized = materialized.or_number(self, &format!("{topic}-"));
        let (source, processor) = (self.new_name("KSTREAM-SOURCE-"), self.new_name("KTABLE-SOURCE-"));
        let name = Arc::clone(&materialized.name);
        let Consumed { key_serde, value_serde, .. } = consumed;
        let store = KeyValueStoreBuilder::<K, V, CachedContext>::new(Arc::clone(&name), Arc::clone(&key_serde), Arc::clone(&value_serde));
        let store = store.persistent(materialized.persistent).without_logging();
        let updater = GlobalTableUpdater { name: Arc::clone(&name), topic: Arc::clone(&topic), key_serde, value_serde };
        let global = GlobalStore { supplier: Arc::new(store), topic, source, processor, declared_after: 0, number: 0, updater: Arc::new(updater) };
        self.with_graph(|graph| graph.add_global(global));
        GlobalKTable { store: name, marker: PhantomData }
    }
}
