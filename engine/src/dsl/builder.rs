//! `StreamsBuilder`: where a topology begins.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use straum_state::{KeyValueStoreBuilder, StoreSupplier};

use crate::dsl::{Consumed, KStream};
use crate::error::Error;
use crate::processor::record_reader::RecordReader;
use crate::processor::source::{Source, SourceNode};
use crate::processor::{CachedContext, StoreHandle};
use crate::runtime::{StreamsConfig, TopologyOptimization};
use crate::topology::{Built, Graph, NodeId, NodeKind, TopicRef, Topology};

/// Declares a topology. Kafka Streams: `StreamsBuilder`.
///
/// Handles ([`KStream`], [`KTable`](crate::dsl::KTable), …) are consumed by use, and `.clone()` is the fork: it alone asks keys and values
/// for `Clone`. Mistakes that the types cannot show are reported by [`StreamsBuilder::build`], which names them.
///
/// ```
/// use straum::dsl::{Consumed, Produced, StreamsBuilder};
/// use straum::serde::{I64, Utf8};
///
/// let builder = StreamsBuilder::new();
/// builder.stream("in", Consumed::with(Utf8, I64)).filter(|_, amount| *amount > 0).to("out", Produced::with(Utf8, I64));
/// let topology = builder.build()?;
/// assert_eq!(topology.subtopologies().len(), 1);
/// # Ok::<(), straum::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct StreamsBuilder {
    graph: Rc<RefCell<Graph>>,
}

impl StreamsBuilder {
    /// An empty topology.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// let builder = StreamsBuilder::new();
    /// let mistake = builder.build().unwrap_err();
    /// assert!(mistake.to_string().contains("topology is empty"));
    /// # Ok::<(), straum::Error>(())
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A stream of a topic's records.
    ///
    /// Nulls are a part of the type: read a topic that has them with serdes that are [nullable](crate::serde::SerdeExt::nullable).
    /// Kafka Streams: `StreamsBuilder.stream`, of one topic; it hands nulls to every operator.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// builder.stream("in", Consumed::with(Utf8, I64)).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// // Neither key nor value may be null here: such a record goes to the dead-letter topic.
    /// let input = driver.input("in", Utf8, I64.nullable());
    /// input.pipe_values(&mut driver, [("a", Some(1_i64)), ("a", None), ("b", Some(2))])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 1), ("b".into(), 2)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn stream<K: 'static, V: 'static>(&self, topic: impl Into<Arc<str>>, consumed: Consumed<K, V>) -> KStream<K, V> {
        self.stream_topics([topic], consumed)
    }

    /// A stream of the records of several topics of one type. Between topics there is no order; a task has the same partition of each.
    ///
    /// Kafka Streams: `StreamsBuilder.stream`, of a collection of topics.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// builder.stream_topics(["shops", "web"], Consumed::with(Utf8, I64)).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("shops", Utf8, I64).pipe_values(&mut driver, [("a", 1)])?;
    /// driver.input("web", Utf8, I64).pipe_values(&mut driver, [("a", 2)])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 1), ("a".into(), 2)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn stream_topics<K: 'static, V: 'static, T: Into<Arc<str>>>(
        &self,
        topics: impl IntoIterator<Item = T>,
        consumed: Consumed<K, V>,
    ) -> KStream<K, V> {
        let name = self.new_name("KSTREAM-SOURCE-");
        let node = self.add_source(name, topics.into_iter().map(|topic| TopicRef::External(topic.into())), consumed);
        KStream::new(self, node, false)
    }

    /// Adds a key-value store for processors to use.
    ///
    /// Kafka Streams: `StreamsBuilder.addStateStore`. Processors are connected to it by its name.
    ///
    /// ```
    /// # use straum::{BoxError, dsl::*, processor::*, serde::*, testing::*};
    /// # use std::sync::Arc;
    /// struct Sum(StoreHandle<String, i64>);
    /// impl FixedKeyProcessor<String, i64, i64> for Sum {
    ///     fn process(&mut self, key: &String, value: i64, context: &FixedKeyProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
    ///         let sums = context.store(&self.0)?;
    ///         let sum = sums.get(key)?.unwrap_or(0) + value;
    ///         sums.put(key, sum)?;
    ///         Ok(context.forward_value(sum)?)
    ///     }
    /// }
    /// # let builder = StreamsBuilder::new();
    /// let sums = builder.add_state_store(KeyValueStoreBuilder::new("sums", Arc::new(Utf8), Arc::new(I64)));
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// numbers.process_values("sum", move || Sum(sums.clone()), &["sums"]).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1), ("a", 2)])?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("a".into(), 1), ("a".into(), 3)]);
    /// assert_eq!(driver.store::<String, i64>("sums")?.get(&"a".to_owned())?, Some(3));
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn add_state_store<K: 'static, V: Clone + 'static>(&self, store: KeyValueStoreBuilder<K, V, CachedContext>) -> StoreHandle<K, V> {
        let name = Arc::clone(StoreSupplier::name(&store));
        self.graph.borrow_mut().add_store(Arc::new(store));
        StoreHandle::new(name)
    }

    /// Adds a store of a type of its own. Kafka Streams: a custom `StoreBuilder`.
    ///
    /// A processor reaches it by [`ProcessorContext::custom_store`](crate::processor::ProcessorContext::custom_store). What a store is made
    /// of, and how to write one, is in [`straum::state`](crate::state).
    ///
    /// ```
    /// # use std::{any::Any, collections::BTreeMap, sync::{Arc, atomic::{AtomicU32, Ordering}}};
    /// # use straum::{BoxError, dsl::*, processor::*, serde::*, testing::*};
    /// # use straum::state::{BuiltStore, ChangelogRestorer, Column, StateError, StoreContext, StoreSpec, StoreSupplier};
    /// # struct Idle;
    /// # impl FixedKeyProcessor<String, i64, i64> for Idle {
    /// #     fn process(&mut self, _: &String, _: i64, _: &FixedKeyProcessorContext<'_, String, i64>) -> Result<(), BoxError> { Ok(()) }
    /// # }
    /// struct Counted { rows: KeyValueStoreBuilder<String, i64, CachedContext>, built: Arc<AtomicU32> }
    /// impl StoreSupplier for Counted {
    ///     fn build(&self, column: Column, context: StoreContext) -> Result<BuiltStore, StateError> {
    ///         self.built.fetch_add(1, Ordering::Relaxed);
    ///         self.rows.build(column, context)
    ///     }
    ///     // name, spec, changelog_config, restorer and as_any are those of `rows`.
    /// #   fn name(&self) -> &Arc<str> { StoreSupplier::name(&self.rows) }
    /// #   fn spec(&self) -> StoreSpec { self.rows.spec() }
    /// #   fn changelog_config(&self) -> Option<BTreeMap<String, String>> { self.rows.changelog_config() }
    /// #   fn restorer(&self) -> Arc<dyn ChangelogRestorer> { self.rows.restorer() }
    /// #   fn as_any(&self) -> &dyn Any { self.rows.as_any() }
    /// }
    /// # let builder = StreamsBuilder::new();
    /// let built = Arc::new(AtomicU32::new(0));
    /// builder.add_custom_store(Counted { rows: KeyValueStoreBuilder::new("rows", Arc::new(Utf8), Arc::new(I64)), built: Arc::clone(&built) });
    /// builder.stream("in", Consumed::with(Utf8, I64)).process_values("idle", || Idle, &["rows"]).to("out", Produced::with(Utf8, I64));
    /// let driver = TopologyTestDriver::builder(&builder.build()?).partitions(2).start()?;
    /// assert_eq!(built.load(Ordering::Relaxed), 2, "one instance a task");
    /// # drop(driver);
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn add_custom_store(&self, store: impl StoreSupplier + 'static) {
        self.graph.borrow_mut().add_store(Arc::new(store));
    }

    /// The topology, checked.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// builder.stream("in", Consumed::with(Utf8, I64)).to("out", Produced::with(Utf8, I64));
    /// builder.stream("in", Consumed::with(Utf8, I64)).to("other", Produced::with(Utf8, I64));
    /// let mistake = builder.build().unwrap_err();
    /// assert_eq!(mistake.kind(), straum::ErrorKind::Topology);
    /// assert!(mistake.to_string().contains("in"));
    /// # Ok::<(), straum::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Topology`](crate::ErrorKind::Topology) with the first mistake found: two operators or stores of one name, a topic read
    /// twice, a store that does not exist, a missing serde.
    pub fn build(&self) -> Result<Topology, Error> {
        self.graph.take().into_topology(TopologyOptimization::None)
    }

    /// The topology, checked, and made as `topology.optimization` of these settings says. Kafka Streams:
    /// `StreamsBuilder.build(properties)`.
    ///
    /// Another `topology.optimization` is another topology: the internal topics are not the same, so a streams group refuses it until it
    /// is deleted. A store whose changelog is another than before is made anew from it.
    ///
    /// ```
    /// # use straum::{dsl::*, log::Log, runtime::StreamsConfig, serde::*, testing::*};
    /// let config = StreamsConfig::from_settings([("application.id", "test"), ("topology.optimization", "reuse.ktable.source.topics")])?;
    /// # let builder = StreamsBuilder::new();
    /// builder.table("in", Consumed::with(Utf8, I64), Materialized::named("rows")).to_stream().to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build_for(&config)?)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1)])?;
    /// assert_eq!(driver.store::<String, i64>("rows")?.get(&"a".to_owned())?, Some(1));
    /// assert!(!driver.log().topics()?.contains(&"test-rows-changelog".to_owned()));
    /// # Ok::<(), straum::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`StreamsBuilder::build`].
    pub fn build_for(&self, config: &StreamsConfig) -> Result<Topology, Error> {
        self.graph.take().into_topology(config.topology_optimization)
    }

    pub(crate) fn with_graph<T>(&self, work: impl FnOnce(&mut Graph) -> T) -> T {
        work(&mut self.graph.borrow_mut())
    }

    pub(crate) fn new_name(&self, prefix: &str) -> Arc<str> {
        self.graph.borrow_mut().new_name(prefix)
    }

    pub(crate) fn add_source<K: 'static, V: 'static>(
        &self,
        name: Arc<str>,
        topics: impl IntoIterator<Item = TopicRef>,
        consumed: Consumed<K, V>,
    ) -> NodeId {
        let (reader, reset) = (RecordReader::new(Arc::clone(&name), &consumed), consumed.reset);
        let factory = Arc::new(move |instance: &mut crate::topology::Instance<'_>| {
            let source = Source { reader: reader.clone(), downstream: instance.downstream::<K, V>()?, task: Rc::clone(&instance.task) };
            Ok(Built::Source(Rc::new(source) as Rc<dyn SourceNode>))
        });
        // A topic named twice is read once.
        let topics: Vec<TopicRef> = topics.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        self.with_graph(|graph| {
            if topics.is_empty() {
                graph.problems.push(format!("source {name} reads no topic, expected one at least"));
            }
            if let Some(reset) = reset {
                graph.resets.extend(topics.iter().map(|topic| (topic.display().into(), reset)));
            }
            graph.add(name, NodeKind::Source { topics }, &[], factory)
        })
    }

    /// Adds a node with one physical receiver. `make` runs once a task.
    pub(crate) fn add_node<K, V, R>(
        &self,
        name: Arc<str>,
        kind: NodeKind,
        parents: &[NodeId],
        make: impl Fn(&mut crate::topology::Instance<'_>) -> Result<Rc<R>, Error> + Send + Sync + 'static,
    ) -> NodeId
    where
        K: 'static,
        V: 'static,
        R: crate::processor::edge::Receiver<K, V> + 'static,
    {
        let factory = Arc::new(move |instance: &mut crate::topology::Instance<'_>| {
            let node: crate::processor::edge::Edge<K, V> = make(instance)?;
            Ok(Built::Node(crate::processor::edge::ErasedEdge::new(node)))
        });
        self.with_graph(|graph| graph.add(name, kind, parents, factory))
    }
}

impl std::fmt::Debug for StreamsBuilder {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("StreamsBuilder").field("nodes", &self.graph.borrow().nodes.len()).finish()
    }
}

/// Marks types a node only passes through.
pub(crate) type Passes<T> = PhantomData<fn(T)>;
