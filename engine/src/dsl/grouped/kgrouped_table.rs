//! `KGroupedTable`: a table grouped by another key, and its aggregations by adding and subtracting.

use std::rc::Rc;
use std::sync::Arc;

use crate::dsl::grouped::repartitioned::SharedSource;
use crate::dsl::kstream::to::Topic;
use crate::dsl::ktable::materialized::{Materialization, TableStore};
use crate::dsl::{Consumed, Grouped, KStream, KTable, Materialized, Produced};
use crate::error::{BoxError, Error};
use crate::processor::edge::Receiver;
use crate::processor::{NonNull, NullableOutcome, Record};
use crate::serde::{Change, ChangeSerde, I64};
use crate::topology::{NodeKind, TopicRef};

/// A table grouped by another key. Kafka Streams: `KGroupedTable`.
///
/// Of each change the old row is subtracted from its group before the new one is added to its own.
///
/// A clone lets one grouping have several aggregations, which share its repartition topic.
///
/// ```
/// # use straum::{dsl::*, serde::*, testing::*};
/// # let builder = StreamsBuilder::new();
/// let people = builder.table("people", Consumed::with(Utf8, Utf8), Materialized::named("people"));
/// let by_town = people.group_by("by-town", |_, town| (town.clone(), 1_i64), Grouped::with(Utf8, I64));
/// by_town.count(Materialized::named("counts"));
/// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
/// driver.input("people", Utf8, Utf8).pipe_values(&mut driver, [("ada", "oslo"), ("bo", "oslo"), ("ada", "bodø")])?;
/// driver.settle()?;
/// let counts = driver.store::<String, i64>("counts")?;
/// assert_eq!((counts.get(&"oslo".to_owned())?, counts.get(&"bodø".to_owned())?), (Some(1), Some(1)));
/// # Ok::<(), straum::Error>(())
/// ```
#[must_use = "a grouped table that nothing aggregates does nothing"]
pub struct KGroupedTable<K, V> {
    changes: KStream<K, Change<V>>,
    name: Arc<str>,
    grouped: Grouped<K, V>,
    /// The source of the repartition topic, once an aggregation has made it: all aggregations of one grouping share it.
    source: Rc<SharedSource>,
}

impl<K: Clone + 'static, V: Clone + 'static> Clone for KGroupedTable<K, V> {
    fn clone(&self) -> Self {
        let Self { changes, name, grouped, source } = self;
        source.fork_with(|builder, source| builder.with_graph(|graph| graph.set_fork::<K, Change<V>>(source, Record::clone)));
        Self { changes: changes.clone(), name: Arc::clone(name), grouped: grouped.clone(), source: Rc::clone(source) }
    }
}

/// The steps of an aggregation.
struct Steps<K, V, A> {
    /// The aggregate without the old row; asked only when both are there.
    subtract: Box<dyn Fn(&K, V, A) -> Result<Option<A>, BoxError> + Send + Sync>,
    /// The aggregate, if there is one, with the new row.
    add: Box<dyn Fn(&K, V, Option<A>) -> Result<Option<A>, BoxError> + Send + Sync>,
}

impl<K: 'static, V: 'static> KGroupedTable<K, V> {
    pub(crate) fn new(changes: KStream<K, Change<V>>, name: Arc<str>, grouped: Grouped<K, V>) -> Self {
        Self { changes, name, grouped, source: Rc::default() }
    }

    /// The number of rows in each group. Kafka Streams: `KGroupedTable.count`.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let people = builder.table("people", Consumed::with(Utf8, Utf8), Materialized::named("people"));
    /// let by_town = people.group_by("by-town", |_, town| (town.clone(), 1_i64), Grouped::with(Utf8, I64));
    /// by_town.count(Materialized::named("counts"));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let people = driver.input("people", Utf8, Utf8.nullable());
    /// let town = |town: &str| Some(town.to_owned());
    /// people.pipe_values(&mut driver, [("ada", town("oslo")), ("bo", town("oslo")), ("ada", town("bodø")), ("bo", None)])?;
    /// driver.settle()?;
    /// let counts = driver.store::<String, i64>("counts")?;
    /// // A group that has lost its last row counts 0: it is not deleted.
    /// assert_eq!((counts.get(&"oslo".to_owned())?, counts.get(&"bodø".to_owned())?), (Some(0), Some(1)));
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn count(self, mut materialized: Materialized<i64>) -> KTable<K, i64> {
        materialized.value_serde.get_or_insert_with(|| Arc::new(I64));
        let steps = Steps {
            subtract: Box::new(|_, _, count| Ok(Some(count - 1))),
            add: Box::new(|_, _, count: Option<i64>| Ok(Some(count.unwrap_or(0) + 1))),
        };
        self.aggregate_nodes("KTABLE-AGGREGATE-", steps, materialized)
    }

    /// Combines the rows of each group: `adder` adds a row's value, `subtractor` takes one away. The first value is taken as
    /// it is. Either may return `None`, which deletes. Kafka Streams: `KGroupedTable.reduce`.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let people = builder.table("people", Consumed::with(Utf8, Utf8), Materialized::named("people"));
    /// let by_town = people.group_by("by-town", |_, town| (town.clone(), 1_i64), Grouped::with(Utf8, I64));
    /// by_town.reduce(|sum, one| sum + one, |sum, one| Some(sum - one).filter(|sum| *sum > 0), Materialized::named("sums"));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let people = driver.input("people", Utf8, Utf8.nullable());
    /// let town = |town: &str| Some(town.to_owned());
    /// people.pipe_values(&mut driver, [("ada", town("oslo")), ("bo", town("oslo")), ("ada", town("bodø")), ("bo", None)])?;
    /// driver.settle()?;
    /// let sums = driver.store::<String, i64>("sums")?;
    /// assert_eq!((sums.get(&"oslo".to_owned())?, sums.get(&"bodø".to_owned())?), (None, Some(1)));
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn reduce<R, M, S, N>(
        self,
        adder: impl Fn(V, V) -> R + Send + Sync + 'static,
        subtractor: impl Fn(V, V) -> S + Send + Sync + 'static,
        mut materialized: Materialized<V>,
    ) -> KTable<K, V>
    where
        V: Clone,
        R: NullableOutcome<V, M>,
        S: NullableOutcome<V, N>,
    {
        let value_serde = Arc::clone(&self.grouped.value_serde);
        materialized.value_serde.get_or_insert(value_serde);
        let steps = Steps {
            subtract: Box::new(move |_, value, aggregate| subtractor(aggregate, value).into_nullable()),
            add: Box::new(move |_, value, aggregate| match aggregate {
                Some(aggregate) => adder(aggregate, value).into_nullable(),
                None => Ok(Some(value)),
            }),
        };
        self.aggregate_nodes("KTABLE-REDUCE-", steps, materialized)
    }

    /// Aggregates the rows of each group into another type; `adder` and `subtractor` may return `None`,
    /// which deletes. Kafka Streams: `KGroupedTable.aggregate`.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let people = builder.table("people", Consumed::with(Utf8, Utf8), Materialized::named("people"));
    /// let by_town = people.group_by("by-town", |_, town| (town.clone(), 1_i64), Grouped::with(Utf8, I64));
    /// let (adder, subtractor) = (|_: &String, one, sum| sum + one, |_: &String, one, sum| sum - one);
    /// by_town.aggregate(|| 10, adder, subtractor, Materialized::with("sums", I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let people = driver.input("people", Utf8, Utf8.nullable());
    /// let town = |town: &str| Some(town.to_owned());
    /// people.pipe_values(&mut driver, [("ada", town("oslo")), ("bo", town("oslo")), ("ada", town("bodø")), ("bo", None)])?;
    /// driver.settle()?;
    /// let sums = driver.store::<String, i64>("sums")?;
    /// assert_eq!((sums.get(&"oslo".to_owned())?, sums.get(&"bodø".to_owned())?), (Some(10), Some(11)));
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn aggregate<A, R, M, S, N>(
        self,
        initializer: impl Fn() -> A + Send + Sync + 'static,
        adder: impl Fn(&K, V, A) -> R + Send + Sync + 'static,
        subtractor: impl Fn(&K, V, A) -> S + Send + Sync + 'static,
        materialized: Materialized<A>,
    ) -> KTable<K, A>
    where
        A: Clone + 'static,
        R: NullableOutcome<A, M>,
        S: NullableOutcome<A, N>,
    {
        let steps = Steps {
            subtract: Box::new(move |key, value, aggregate| subtractor(key, value, aggregate).into_nullable()),
            add: Box::new(move |key, value, aggregate| adder(key, value, aggregate.unwrap_or_else(&initializer)).into_nullable()),
        };
        self.aggregate_nodes("KTABLE-AGGREGATE-", steps, materialized)
    }

    fn aggregate_nodes<A: Clone + 'static>(self, prefix: &str, steps: Steps<K, V, A>, materialized: Materialized<A>) -> KTable<K, A> {
        let Self { changes, name, grouped, source } = self;
        let builder = changes.builder.clone();
        let (sink_name, source_name) = (builder.new_name("KSTREAM-SINK-"), builder.new_name("KSTREAM-SOURCE-"));
        let node_name = builder.new_name(prefix);
        let shared = source;
        let source = shared.get().unwrap_or_else(|| {
            builder.with_graph(|graph| graph.add_repartition(&name, None));
            let topic = TopicRef::Repartition(name);
            let change_serde = || ChangeSerde::new(Arc::clone(&grouped.value_serde));
            let produced = Produced { key_serde: Arc::clone(&grouped.key_serde), value_serde: Arc::new(change_serde()), partitioner: None };
            changes.sink::<K, Change<V>, NonNull, NonNull>(sink_name, Topic::Fixed(topic.clone()), produced);
            let consumed =
                Consumed { key_serde: Arc::clone(&grouped.key_serde), value_serde: Arc::new(change_serde()), extractor: None, reset: None };
            let made = builder.add_source(source_name, [topic], consumed);
            shared.set(&builder, made);
            made
        });
        let key_serde = Arc::clone(&grouped.key_serde);
        let materialization = Materialization::stored(&builder, Arc::clone(&key_serde), materialized);
        let (steps, of_node) = (Arc::new(steps), Arc::clone(&materialization));
        let node = builder.add_node(node_name, NodeKind::Processor, &[source], move |instance| {
            Ok(Rc::new(TableAggregateNode { name: instance.name(), steps: Arc::clone(&steps), table: of_node.table_store(instance)? }))
        });
        materialization.own(&builder, node);
        KTable::new(&builder, node, key_serde, materialization)
    }
}

struct TableAggregateNode<K, V, A> {
    name: Arc<str>,
    steps: Arc<Steps<K, V, A>>,
    table: Rc<TableStore<K, A>>,
}

impl<K: 'static, V: 'static, A: Clone + 'static> Receiver<K, Change<V>> for TableAggregateNode<K, V, A> {
    fn receive(&self, record: Record<K, Change<V>>) -> Result<(), Error> {
        let Record { key, value: Change { old, new }, timestamp, headers } = record;
        let failed = |error| Error::processing(error).in_node(&self.name);
        let found = self.table.get(&key)?;
        let later = found.as_ref().map_or(timestamp, |found| found.timestamp.max(timestamp));
        let before = found.map(|found| found.value);
        let mut time = timestamp;
        let mut aggregate = before.clone();
        if let (Some(row), Some(from)) = (old, before.clone()) {
            aggregate = (self.steps.subtract)(&key, row, from).map_err(failed)?;
            time = later;
        }
        if let Some(row) = new {
            aggregate = (self.steps.add)(&key, row, aggregate).map_err(failed)?;
            time = later;
        }
        self.table.put_aggregate(Record { key, value: Change { old: before, new: aggregate }, timestamp: time, headers }, timestamp)
    }
}
