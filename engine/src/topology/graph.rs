//! The graph while it is declared, and as it stays.

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use straum_state::StoreSupplier;

use crate::error::Error;
use crate::processor::edge::{Adapter, Edge, ErasedEdge, Fork};
use crate::processor::source::SourceNode;
use crate::processor::source_changelog::SourceRows;
use crate::runtime::{OffsetReset, TopologyOptimization};
use crate::topology::{Instance, TopicRef};

/// A node's place in the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct NodeId(pub(crate) usize);

/// What a factory makes for a task.
pub(crate) enum Built {
    Source(Rc<dyn SourceNode>),
    Node(ErasedEdge),
}

pub(crate) type Factory = Arc<dyn Fn(&mut Instance<'_>) -> Result<Built, Error> + Send + Sync>;

#[derive(Clone, Debug)]
pub(crate) enum NodeKind {
    Source {
        topics: Vec<TopicRef>,
    },
    Processor,
    /// `None`: the topic is chosen record by record.
    Sink {
        topic: Option<TopicRef>,
    },
}

pub(crate) struct Node {
    pub(crate) name: Arc<str>,
    pub(crate) kind: NodeKind,
    pub(crate) parents: Vec<NodeId>,
    pub(crate) children: Vec<NodeId>,
    pub(crate) stores: BTreeSet<Arc<str>>,
    pub(crate) factory: Factory,
    /// A `Fork<K, V>` of the node's output, or of what an adapter makes of it, for each type of handle that was cloned.
    forks: Vec<Arc<dyn Any + Send + Sync>>,
    /// A record goes to one child only: no fork is needed for several.
    pub(crate) branches: bool,
    /// It gives results for records with a null key. Kafka Streams: the label `NULL_KEY_RELAXED_JOIN`.
    joins_null_keys: bool,
    /// Make an edge of the node's output types from an edge of related types.
    pub(crate) adapters: Vec<Adapter>,
}

impl Node {
    /// A child's edge as one of these types, by way of adapters where it is of others.
    pub(crate) fn typed<K: 'static, V: 'static>(&self, edge: &ErasedEdge) -> Option<Edge<K, V>> {
        // Types only lead towards the node's own: no more steps than adapters.
        let mut open = vec![edge.clone()];
        for _ in 0..=self.adapters.len() {
            if let Some(typed) = open.iter().find_map(ErasedEdge::typed::<K, V>) {
                return Some(typed);
            }
            open = open.iter().flat_map(|edge| self.adapters.iter().filter_map(|adapter| adapter.edge(edge))).collect();
        }
        None
    }

    /// All children's edges as one of these types.
    pub(crate) fn hub<K: 'static, V: 'static>(&self, edges: &[ErasedEdge], names: &[Arc<str>]) -> Option<Edge<K, V>> {
        self.adapters.iter().find_map(|adapter| self.typed::<K, V>(&adapter.hub(edges, names, self)?))
    }

    pub(crate) fn fork<K: 'static, V: 'static>(&self) -> Option<Fork<K, V>> {
        self.forks.iter().find_map(|fork| fork.downcast_ref::<Fork<K, V>>()).copied()
    }
}

/// A store of the tasks of one sub-topology.
#[derive(Clone)]
pub(crate) struct StoreEntry {
    pub(crate) supplier: Arc<dyn StoreSupplier>,
    /// The topic that is its changelog, where it has none of its own.
    pub(crate) source: Option<SourceChangelog>,
}

/// The topic that a table is read from, as the changelog of its store.
#[derive(Clone)]
pub(crate) struct SourceChangelog {
    pub(crate) topic: Arc<str>,
    /// Makes rows of the topic's records.
    pub(crate) rows: Arc<dyn SourceRows>,
}

/// A store that every instance holds whole, filled from a topic before anything runs.
#[derive(Clone)]
pub(crate) struct GlobalStore {
    pub(crate) supplier: Arc<dyn StoreSupplier>,
    pub(crate) topic: Arc<str>,
    pub(crate) source: Arc<str>,
    pub(crate) processor: Arc<str>,
    /// How many nodes were declared before it, and from [`Graph::into_topology`] on its number among the sub-topologies.
    pub(crate) declared_after: usize,
    pub(crate) number: u32,
    /// Makes what turns the topic's records into the store's.
    pub(crate) updater: Arc<dyn crate::processor::global::GlobalUpdaterFactory>,
}

#[derive(Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) stores: BTreeMap<Arc<str>, StoreEntry>,
    /// The stores of tables that are read from topics, which these could be the changelogs of.
    pub(crate) table_sources: Vec<(Arc<str>, SourceChangelog)>,
    /// What it was built for.
    pub(crate) optimization: TopologyOptimization,
    pub(crate) globals: Vec<GlobalStore>,
    /// Repartition topics by name; a number of partitions where the user fixed one.
    pub(crate) repartitions: BTreeMap<Arc<str>, Option<u32>>,
    /// Groups of nodes whose source topics must have the same number of partitions.
    pub(crate) copartitions: Vec<Vec<NodeId>>,
    /// Topics of others that are read from elsewhere than `auto.offset.reset` says.
    pub(crate) resets: BTreeMap<Arc<str>, OffsetReset>,
    pub(crate) problems: Vec<String>,
    counter: u32,
}

impl Graph {
    /// The next generated name: one counter a builder, ten digits, as Kafka Streams numbers its nodes.
    pub(crate) fn new_name(&mut self, prefix: &str) -> Arc<str> {
        let number = self.counter;
        self.counter += 1;
        format!("{prefix}{number:010}").into()
    }

    /// Uses up a number, where Kafka Streams does.
    pub(crate) fn burn_name(&mut self) {
        self.counter += 1;
    }

    pub(crate) fn add(&mut self, name: Arc<str>, kind: NodeKind, parents: &[NodeId], factory: Factory) -> NodeId {
        if self.nodes.iter().any(|node| node.name == name) {
            self.problems.push(format!("two nodes are named {name}, expected every name once"));
        }
        let id = NodeId(self.nodes.len());
        for parent in parents {
            if let Some(parent) = self.nodes.get_mut(parent.0) {
                parent.children.push(id);
            }
        }
        self.nodes.push(Node {
            name,
            kind,
            parents: parents.to_vec(),
            children: Vec::new(),
            stores: BTreeSet::new(),
            factory,
            forks: Vec::new(),
            branches: false,
            joins_null_keys: false,
            adapters: Vec::new(),
        });
        id
    }

    pub(crate) fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0)
    }

    pub(crate) fn set_fork<K: 'static, V: 'static>(&mut self, id: NodeId, fork: Fork<K, V>) {
        if let Some(node) = self.nodes.get_mut(id.0) {
            node.forks.push(Arc::new(fork));
        }
    }

    pub(crate) fn set_branches(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(id.0) {
            node.branches = true;
        }
    }

    pub(crate) fn set_joins_null_keys(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(id.0) {
            node.joins_null_keys = true;
        }
    }

    /// Whether any node below, behind repartition topics too, gives results for records with a null key. Kafka Streams:
    /// `NodesWithRelaxedNullKeyJoinDownstream`.
    pub(crate) fn joins_null_keys_below(&self, id: NodeId) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![id];
        while let Some(next) = open.pop() {
            let Some(node) = self.node(next).filter(|_| seen.insert(next)) else { continue };
            if node.joins_null_keys {
                return true;
            }
            open.extend_from_slice(&node.children);
            if let NodeKind::Sink { topic: Some(TopicRef::Repartition(topic)) } = &node.kind {
                open.extend(self.readers_of(topic));
            }
        }
        false
    }

    /// The sources that read a repartition topic.
    fn readers_of<'a>(&'a self, repartition: &'a Arc<str>) -> impl Iterator<Item = NodeId> + 'a {
        let reads = move |node: &Node| match &node.kind {
            NodeKind::Source { topics } => topics.iter().any(|topic| matches!(topic, TopicRef::Repartition(name) if name == repartition)),
            _ => false,
        };
        self.nodes.iter().enumerate().filter(move |(_, node)| reads(node)).map(|(index, _)| NodeId(index))
    }

    pub(crate) fn add_adapter(&mut self, id: NodeId, adapter: Adapter) {
        if let Some(node) = self.nodes.get_mut(id.0) {
            node.adapters.push(adapter);
        }
    }

    pub(crate) fn add_store(&mut self, supplier: Arc<dyn StoreSupplier>) {
        let name = Arc::clone(supplier.name());
        if self.stores.contains_key(&name) || self.globals.iter().any(|global| *global.supplier.name() == name) {
            self.problems.push(format!("two stores are named {name}, expected every name once"));
            return;
        }
        self.stores.insert(name, StoreEntry { supplier, source: None });
    }

    /// Lets a node use a store. The nodes of a store end up in one sub-topology.
    pub(crate) fn connect(&mut self, id: NodeId, store: &Arc<str>) {
        let global = self.globals.iter().any(|entry| entry.supplier.name() == store);
        if !global && !self.stores.contains_key(store) {
            self.problems.push(format!("store {store} does not exist, expected it to be added before it is used"));
            return;
        }
        if !global && let Some(node) = self.nodes.get_mut(id.0) {
            node.stores.insert(Arc::clone(store));
        }
    }

    pub(crate) fn add_global(&mut self, global: GlobalStore) {
        let name = global.supplier.name();
        if self.stores.contains_key(name) || self.globals.iter().any(|other| other.supplier.name() == name) {
            self.problems.push(format!("two stores are named {name}, expected every name once"));
        }
        self.globals.push(GlobalStore { declared_after: self.nodes.len(), ..global });
    }

    /// Declares a repartition topic; two of one name are a mistake.
    pub(crate) fn add_repartition(&mut self, name: &Arc<str>, partitions: Option<u32>) {
        if self.repartitions.insert(Arc::clone(name), partitions).is_some() {
            self.problems.push(format!("two operators repartition under the name {name}, expected every name once"));
        }
    }

    /// The source nodes above a node, itself included, within its sub-topology.
    pub(crate) fn sources_of(&self, id: NodeId) -> BTreeSet<NodeId> {
        let mut sources = BTreeSet::new();
        let mut open = vec![id];
        while let Some(next) = open.pop() {
            let Some(node) = self.node(next) else { continue };
            if matches!(node.kind, NodeKind::Source { .. }) {
                sources.insert(next);
            }
            open.extend_from_slice(&node.parents);
        }
        sources
    }

    pub(crate) fn source_topics(&self) -> Vec<Arc<str>> {
        let mut topics: BTreeSet<Arc<str>> = self.globals.iter().map(|global| Arc::clone(&global.topic)).collect();
        for node in &self.nodes {
            if let NodeKind::Source { topics: of_node } = &node.kind {
                topics.extend(of_node.iter().filter_map(external));
            }
        }
        topics.into_iter().collect()
    }

    pub(crate) fn sink_topics(&self) -> Vec<Arc<str>> {
        let sinks = self.nodes.iter().filter_map(|node| match &node.kind {
            NodeKind::Sink { topic: Some(topic) } => external(topic),
            _ => None,
        });
        sinks.collect::<BTreeSet<_>>().into_iter().collect()
    }

    pub(crate) fn store_names(&self) -> Vec<Arc<str>> {
        let globals = self.globals.iter().map(|global| Arc::clone(global.supplier.name()));
        self.stores.keys().cloned().chain(globals).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

fn external(topic: &TopicRef) -> Option<Arc<str>> {
    match topic {
        TopicRef::External(name) => Some(Arc::clone(name)),
        TopicRef::Repartition(_) => None,
    }
}
