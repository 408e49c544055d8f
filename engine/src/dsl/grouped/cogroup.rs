//! Aggregates several grouped streams into one table.

use std::rc::Rc;
use std::sync::Arc;

use crate::dsl::grouped::kgrouped_stream::{AggregateNode, Step};
use crate::dsl::ktable::materialized::Materialization;
use crate::dsl::{KGroupedStream, KTable, Materialized, StreamsBuilder};
use crate::error::{BoxError, Error};
use crate::processor::NullableOutcome;
use crate::processor::Record;
use crate::processor::edge::{Downstream, Receiver};
use crate::serde::Change;
use crate::topology::{NodeId, NodeKind};
use straum_state::SharedSerde;

impl<K: 'static, V: 'static> KGroupedStream<K, V> {
    /// Begins an aggregation of several grouped streams, with this one's aggregator. Kafka Streams: `KGroupedStream.cogroup`.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let clicks = builder.stream("clicks", Consumed::with(Utf8, I64)).group_by_key("clicks-by-key", Grouped::with(Utf8, I64));
    /// let names = builder.stream("names", Consumed::with(Utf8, Utf8)).group_by_key("names-by-key", Grouped::with(Utf8, Utf8));
    /// # drop(names);
    /// let alone = clicks.cogroup(|_, click, text: String| format!("{text}{click}"));
    /// alone.aggregate(String::new, Materialized::with("texts", Utf8)).to_stream().to("out", Produced::with(Utf8, Utf8));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("clicks", Utf8, I64).pipe_values(&mut driver, [("a", 1), ("a", 2)])?;
    /// assert_eq!(driver.output("out", Utf8, Utf8).read_pairs(&driver)?, [("a".into(), "1".into()), ("a".into(), "12".into())]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn cogroup<A, R, M>(self, aggregator: impl Fn(&K, V, A) -> R + Send + Sync + 'static) -> CogroupedKStream<K, A>
    where
        A: Clone + 'static,
        R: NullableOutcome<A, M>,
    {
        let (builder, key_serde) = (self.builder(), self.key_serde());
        let cogrouped = CogroupedKStream { builder, key_serde, groups: Vec::new() };
        cogrouped.cogroup(self, aggregator)
    }
}

/// One of the streams: partitions it when told to, then adds its aggregation.
type Group<K, A> = Box<dyn FnOnce() -> Box<dyn FnOnce(Arc<dyn Fn() -> A + Send + Sync>, Arc<Materialization<K, A>>) -> NodeId>>;

/// Several grouped streams of one key type that will make one table. Kafka Streams: `CogroupedKStream`.
#[must_use = "cogrouped streams that nothing aggregates do nothing"]
pub struct CogroupedKStream<K, A> {
    builder: StreamsBuilder,
    key_serde: SharedSerde<K>,
    groups: Vec<Group<K, A>>,
}

impl<K: 'static, A: Clone + 'static> CogroupedKStream<K, A> {
    /// Adds a grouped stream with its aggregator. Kafka Streams: `CogroupedKStream.cogroup`.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let clicks = builder.stream("clicks", Consumed::with(Utf8, I64)).group_by_key("clicks-by-key", Grouped::with(Utf8, I64));
    /// let names = builder.stream("names", Consumed::with(Utf8, Utf8)).group_by_key("names-by-key", Grouped::with(Utf8, Utf8));
    /// let both = clicks.cogroup(|_, click, text: String| format!("{text}{click}")).cogroup(names, |_, name, text| format!("{text}{name}"));
    /// both.aggregate(String::new, Materialized::with("texts", Utf8)).to_stream().to("out", Produced::with(Utf8, Utf8));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("clicks", Utf8, I64).pipe_values(&mut driver, [("a", 1)])?;
    /// driver.input("names", Utf8, Utf8).pipe_values(&mut driver, [("a", "ada")])?;
    /// assert_eq!(driver.output("out", Utf8, Utf8).read_pairs(&driver)?, [("a".into(), "1".into()), ("a".into(), "1ada".into())]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn cogroup<V, R, M>(mut self, grouped: KGroupedStream<K, V>, aggregator: impl Fn(&K, V, A) -> R + Send + Sync + 'static) -> Self
    where
        V: 'static,
        R: NullableOutcome<A, M>,
    {
        let builder = self.builder.clone();
        self.groups.push(Box::new(move || {
            let stream = grouped.partitioned();
            Box::new(move |initializer, materialization| {
                let name = builder.new_name("COGROUPKSTREAM-AGGREGATE-");
                let step = move |key: &K, value: V, old: Option<&A>| -> Result<Step<A>, BoxError> {
                    let old = old.cloned().unwrap_or_else(|| initializer());
                    let new = aggregator(key, value, old.clone()).into_nullable()?;
                    Ok(Step { old: Some(old), new })
                };
                let (step, of_node) = (Arc::new(step), Arc::clone(&materialization));
                let node = builder.add_node(name, NodeKind::Processor, &[stream.node], move |instance| {
                    Ok(Rc::new(AggregateNode { name: instance.name(), step: Arc::clone(&step), table: of_node.table_store(instance)? }))
                });
                materialization.own(&builder, node);
                node
            })
        }));
        self
    }

    /// Aggregates the streams: each record by its stream's aggregator, from what `initializer` makes. Kafka Streams:
    /// `CogroupedKStream.aggregate`.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let clicks = builder.stream("clicks", Consumed::with(Utf8, I64)).group_by_key("clicks-by-key", Grouped::with(Utf8, I64));
    /// let names = builder.stream("names", Consumed::with(Utf8, Utf8)).group_by_key("names-by-key", Grouped::with(Utf8, Utf8));
    /// let clicked = clicks.cogroup(|_, click, text: String| format!("{text}{click}"));
    /// let both = clicked.cogroup(names, |_, name, _| Some(name).filter(|name| !name.is_empty()));
    /// both.aggregate(|| ">".to_owned(), Materialized::with("texts", Utf8));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let get = |driver: &mut TopologyTestDriver| driver.store::<String, String>("texts")?.get(&"a".to_owned());
    /// driver.input("clicks", Utf8, I64).pipe_values(&mut driver, [("a", 1)])?;
    /// assert_eq!(get(&mut driver)?, Some(">1".into()));
    /// driver.input("names", Utf8, Utf8).pipe_values(&mut driver, [("a", "")])?;
    /// assert_eq!(get(&mut driver)?, None, "an aggregator that returns `None` deletes");
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn aggregate(self, initializer: impl Fn() -> A + Send + Sync + 'static, materialized: Materialized<A>) -> KTable<K, A> {
        let Self { builder, key_serde, groups } = self;
        let initializer: Arc<dyn Fn() -> A + Send + Sync> = Arc::new(initializer);
        let materialization = Materialization::stored(&builder, Arc::clone(&key_serde), materialized);
        // Kafka Streams makes all repartition topics before the first aggregation.
        let partitioned: Vec<_> = groups.into_iter().map(|group| group()).collect();
        let nodes: Vec<NodeId> = partitioned.into_iter().map(|aggregate| aggregate(Arc::clone(&initializer), Arc::clone(&materialization))).collect();
        let name = builder.new_name("COGROUPKSTREAM-MERGE-");
        let merge = builder.add_node(name, NodeKind::Processor, &nodes, |instance| {
            Ok(Rc::new(CogroupMergeNode { downstream: instance.downstream::<K, Change<A>>()? }))
        });
        builder.with_graph(|graph| {
            let sources = nodes.iter().flat_map(|node| graph.sources_of(*node)).collect();
            graph.copartitions.push(sources);
        });
        KTable::new(&builder, merge, key_serde, materialization)
    }
}

struct CogroupMergeNode<K, A> {
    downstream: Downstream<K, Change<A>>,
}

impl<K, A> Receiver<K, Change<A>> for CogroupMergeNode<K, A> {
    fn receive(&self, record: Record<K, Change<A>>) -> Result<(), Error> {
        self.downstream.forward(record)
    }
}
