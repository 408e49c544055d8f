//! A table that every instance holds whole.

use std::marker::PhantomData;
use std::sync::Arc;

use straum_state::{KeyValueStoreBuilder, RowFormat, StoreSupplier};

use crate::dsl::{Consumed, Materialized, StreamsBuilder};
use crate::processor::global::{GlobalProcessorFactory, GlobalTableFactory};
use crate::processor::{CachedContext, ProcessorSupplier, StoreHandle};
use crate::topology::GlobalStore;

/// A table that every instance holds whole: it is read to its end before anything runs, needs no co-partitioning, and is
/// updated beside the tasks, so that what a join finds depends on when it looks. Kafka Streams: `GlobalKTable`.
///
/// ```
/// # use straum::{dsl::*, serde::*, testing::*};
/// # let builder = StreamsBuilder::new();
/// let names = builder.global_table("names", Consumed::with(I64, Utf8), Materialized::named("names"));
/// let visits = builder.stream("visits", Consumed::with(Utf8, I64));
/// visits.join_global(&names, |_, id| *id, |_, name| name).to("out", Produced::with(Utf8, Utf8));
/// // Every task sees every name, whichever partition it is in.
/// let mut driver = TopologyTestDriver::builder(&builder.build()?).partitions(3).start()?;
/// driver.input("names", I64, Utf8).pipe_values(&mut driver, [(1, "ada"), (2, "bo")])?;
/// driver.input("visits", Utf8, I64).pipe_values(&mut driver, [("x", 2)])?;
/// assert_eq!(driver.output("out", Utf8, Utf8).read_pairs(&driver)?, [("x".into(), "bo".into())]);
/// # Ok::<(), straum::Error>(())
/// ```
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
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let names = builder.global_table("names", Consumed::with(I64, Utf8), Materialized::named("names"));
    /// # drop(names);
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let input = driver.input("names", I64, Utf8.nullable());
    /// input.pipe_values(&mut driver, [(1, Some("ada".to_owned())), (2, Some("bo".to_owned())), (1, None)])?;
    /// let rows = driver.store::<i64, String>("names")?;
    /// assert_eq!((rows.get(&1)?, rows.get(&2)?), (None, Some("bo".into())));
    /// # Ok::<(), straum::Error>(())
    /// ```
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
        let updater = GlobalTableFactory { name: Arc::clone(&name), topic: Arc::clone(&topic), key_serde, value_serde };
        let global = GlobalStore { supplier: Arc::new(store), topic, source, processor, declared_after: 0, number: 0, updater: Arc::new(updater) };
        self.with_graph(|graph| graph.add_global(global));
        GlobalKTable { store: name, marker: PhantomData }
    }

    /// Adds a store that every instance holds whole, filled by a processor of the user's from the records of a topic; it
    /// alone writes the store, processors of all tasks read it. Kafka Streams: `StreamsBuilder.addGlobalStore`.
    ///
    /// The processor forwards nothing and its punctuations never come. A record that it cannot take is undone and left out,
    /// and told in the log. A store that is built up anew goes through the processor too.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use straum::{BoxError, dsl::*, processor::*, serde::*, testing::*};
    /// struct Longest(StoreHandle<i64, String>);
    /// impl Processor<i64, String, (), ()> for Longest {
    ///     fn process(&mut self, record: Record<i64, String>, context: &ProcessorContext<'_, (), ()>) -> Result<(), BoxError> {
    ///         let names = context.store(&self.0)?;
    ///         if names.get(&record.key)?.is_none_or(|name| name.len() < record.value.len()) {
    ///             names.put(&record.key, record.value)?;
    ///         }
    ///         Ok(())
    ///     }
    /// }
    /// # let builder = StreamsBuilder::new();
    /// let store = KeyValueStoreBuilder::new("longest", Arc::new(I64), Arc::new(Utf8));
    /// builder.add_global_store(store, "names", Consumed::with(I64, Utf8), || Longest(StoreHandle::new("longest")));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("names", I64, Utf8).pipe_values(&mut driver, [(1, "ada"), (1, "adelaide"), (1, "ad")])?;
    /// assert_eq!(driver.store::<i64, String>("longest")?.get(&1)?, Some("adelaide".to_owned()));
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn add_global_store<K: 'static, V: 'static, SK: 'static, SV: Clone + 'static, S: ProcessorSupplier<K, V, (), ()>>(
        &self,
        store: KeyValueStoreBuilder<SK, SV, CachedContext>,
        topic: impl Into<Arc<str>>,
        consumed: Consumed<K, V>,
        supplier: S,
    ) -> StoreHandle<SK, SV> {
        let topic = topic.into();
        let (source, processor) = (self.new_name("KSTREAM-SOURCE-"), self.new_name("KTABLE-SOURCE-"));
        let name = Arc::clone(StoreSupplier::name(&store));
        let (row_keys, row_values) = (Arc::clone(store.key_serde()), Arc::clone(store.value_serde()));
        let rows = GlobalTableFactory { name: Arc::clone(&name), topic: Arc::clone(&topic), key_serde: row_keys, value_serde: row_values };
        let store = store.format(RowFormat::Timestamped).without_logging();
        let Consumed { key_serde, value_serde, .. } = consumed;
        let updater = GlobalProcessorFactory { store: rows, node: Arc::clone(&processor), key_serde, value_serde, supplier };
        let global = GlobalStore { supplier: Arc::new(store), topic, source, processor, declared_after: 0, number: 0, updater: Arc::new(updater) };
        self.with_graph(|graph| graph.add_global(global));
        StoreHandle::new(name)
    }
}
