//! A table computed from tables above it, with or without a store of its own.

use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use straum_state::SharedSerde;

use crate::dsl::ktable::materialized::{Materialization, TableStore};
use crate::dsl::ktable::table::{Table, ValueGetter};
use crate::dsl::{KTable, Materialized, StreamsBuilder};
use crate::error::Error;
use crate::topology::{Instance, NodeId};

/// The tables above, as a derived table asks them.
pub(crate) trait Upstream<K, V>: Send + Sync {
    /// Whether old values come from above even where the table has a store: a join sends its sides', joined, not its store's.
    fn gives_old_values(&self) -> bool {
        false
    }

    fn send_old_values(&self, builder: &StreamsBuilder, force: bool) -> bool;
    fn connect(&self, builder: &StreamsBuilder, reader: NodeId);
    fn getter(&self, instance: &Instance<'_>) -> Result<Rc<dyn ValueGetter<K, V>>, Error>;
}

/// What the handle and the node of a derived table share.
pub(crate) struct Slot<K, V> {
    materialization: OnceLock<Arc<Materialization<K, V>>>,
    send_old: AtomicBool,
}

impl<K: 'static, V: Clone + 'static> Slot<K, V> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { materialization: OnceLock::new(), send_old: AtomicBool::new(false) })
    }

    pub(crate) fn sends_old(&self) -> bool {
        self.send_old.load(Ordering::Relaxed)
    }

    pub(crate) fn set_sends_old(&self) {
        self.send_old.store(true, Ordering::Relaxed);
    }

    /// The physical side of the node: with the store, if there is one.
    pub(crate) fn table_store(&self, instance: &mut Instance<'_>) -> Result<Rc<TableStore<K, V>>, Error> {
        match self.materialization.get() {
            Some(materialization) => materialization.table_store(instance),
            None => TableStore::unstored(instance, self.sends_old()),
        }
    }
}

struct DerivedTable<K, V, U> {
    slot: Arc<Slot<K, V>>,
    upstream: U,
    node: NodeId,
}

impl<K: 'static, V: Clone + 'static, U: Upstream<K, V>> Table<K, V> for DerivedTable<K, V, U> {
    fn send_old_values(&self, builder: &StreamsBuilder, force: bool) -> bool {
        let stored = self.slot.materialization.get();
        if let Some(materialization) = stored {
            materialization.set_send_old();
        }
        let above = (stored.is_none() || self.upstream.gives_old_values()) && self.upstream.send_old_values(builder, force);
        if stored.is_some() || above {
            self.slot.send_old.store(true, Ordering::Relaxed);
        }
        self.slot.sends_old()
    }

    fn connect(&self, builder: &StreamsBuilder, reader: NodeId) {
        match self.slot.materialization.get() {
            Some(materialization) => materialization.connect(builder, reader),
            None => self.upstream.connect(builder, reader),
        }
    }

    fn getter(&self, instance: &Instance<'_>) -> Result<Rc<dyn ValueGetter<K, V>>, Error> {
        match self.slot.materialization.get() {
            Some(materialization) => materialization.getter(instance),
            None => self.upstream.getter(instance),
        }
    }

    fn materialize(&self, builder: &StreamsBuilder, key_serde: SharedSerde<K>, materialized: Materialized<V>) {
        let name = Arc::clone(&materialized.name);
        let materialization = Materialization::stored(builder, key_serde, materialized);
        materialization.own(builder, self.node);
        if self.slot.sends_old() {
            materialization.set_send_old();
        }
        if self.slot.materialization.set(materialization).is_err() {
            builder.with_graph(|graph| graph.problems.push(format!("a table is materialized twice, the second time as {name}, expected once")));
        }
    }
}

impl<K: 'static, V: Clone + 'static> KTable<K, V> {
    pub(crate) fn derived(
        builder: &StreamsBuilder,
        node: NodeId,
        key_serde: SharedSerde<K>,
        slot: Arc<Slot<K, V>>,
        upstream: impl Upstream<K, V> + 'static,
    ) -> Self {
        Self::new(builder, node, key_serde, Arc::new(DerivedTable { slot, upstream, node }))
    }

    /// Keeps the table in a store of its own, which can be queried. Kafka Streams: the `Materialized` that `filter`,
    /// `mapValues` and the joins take.
    ///
    /// To be called on the handle that the operator returned, before it is used.
    ///
    /// A table of a topic or of an aggregation was given its `Materialized` when it was made and cannot get another:
    /// [`StreamsBuilder::build`](crate::dsl::StreamsBuilder::build) says so.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let rows = builder.table("in", Consumed::with(Utf8, I64), Materialized::named("rows"));
    /// let doubled = rows.map_values(|number| number * 2).materialize(Materialized::with("doubled", I64));
    /// doubled.to_stream().to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let input = driver.input("in", Utf8, I64.nullable());
    /// input.pipe_values(&mut driver, [("a", Some(1_i64)), ("b", Some(2)), ("a", None)])?;
    /// let doubled = driver.store::<String, i64>("doubled")?;
    /// assert_eq!((doubled.get(&"a".to_owned())?, doubled.get(&"b".to_owned())?), (None, Some(4)));
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn materialize(self, materialized: Materialized<V>) -> Self {
        self.table.materialize(&self.builder, Arc::clone(&self.key_serde), materialized);
        self
    }
}
