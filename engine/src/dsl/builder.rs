//! `StreamsBuilder`: where a topology begins.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;
use std::sync::Arc;

use straum_state::{KeyValueStoreBuilder, StoreSupplier};

use crate::dsl::{Consumed, KStream};
use crate::error::Error;
use crate::processor::source::{Source, SourceNode};
use crate::processor::{CachedContext, StoreHandle};
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
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A stream of a topic's records.
    pub fn stream<K: 'static, V: 'static>(&self, topic: impl Into<Arc<str>>, consumed: Consumed<K, V>) -> KStream<K, V> {
        let name = self.new_name("KSTREAM-SOURCE-");
        let node = self.add_source(name, TopicRef::External(topic.into()), consumed);
        KStream::new(self, node, false)
    }

    /// Adds a key-value store for processors to use.
    pub fn add_state_store<K: 'static, V: Clone + 'static>(&self, store: KeyValueStoreBuilder<K, V, CachedContext>) -> StoreHandle<K, V> {
        let name = Arc::clone(StoreSupplier::name(&store));
        self.graph.borrow_mut().add_store(Arc::new(store));
        StoreHandle::new(name)
    }

    /// Adds a store of a type of its own. Kafka Streams: a custom `StoreBuilder`.
    pub fn add_custom_store(&self, store: impl StoreSupplier + 'static) {
        self.graph.borrow_mut().add_store(Arc::new(store));
    }

    /// The topology, checked.
    ///
    /// # Errors
    /// [`ErrorKind::Topology`](crate::ErrorKind::Topology) with the first mistake found: two operators or stores of one name, a topic read
    /// twice, a store that does not exist, a missing serde.
    pub fn build(&self) -> Result<Topology, Error> {
        self.graph.take().into_topology()
    }

    pub(crate) fn with_graph<T>(&self, work: impl FnOnce(&mut Graph) -> T) -> T {
        work(&mut self.graph.borrow_mut())
    }

    pub(crate) fn new_name(&self, prefix: &str) -> Arc<str> {
        self.graph.borrow_mut().new_name(prefix)
    }

    pub(crate) fn add_source<K: 'static, V: 'static>(&self, name: Arc<str>, topic: TopicRef, consumed: Consumed<K, V>) -> NodeId {
        let of_node = Arc::clone(&name);
        let Consumed { key_serde, value_serde, extractor } = consumed;
        let factory = Arc::new(move |instance: &mut crate::topology::Instance<'_>| {
            let source = Source {
                name: Arc::clone(&of_node),
                key_serde: Arc::clone(&key_serde),
                value_serde: Arc::clone(&value_serde),
                extractor: extractor.clone(),
                downstream: instance.downstream::<K, V>()?,
                task: Rc::clone(&instance.task),
            };
            Ok(Built::Source(Rc::new(source) as Rc<dyn SourceNode>))
        });
        self.with_graph(|graph| graph.add(name, NodeKind::Source { topics: vec![topic] }, &[], factory))
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
