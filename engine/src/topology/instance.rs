//! Makes the physical nodes of one task from the logical graph: children first, so that every node is given its edges.

use std::any::Any;
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::rc::{Rc, Weak};
use std::sync::Arc;

use straum_state::BuiltStore;

use crate::error::Error;
use crate::processor::cache::FlushCache;
use crate::processor::edge::{Downstream, Edge, ErasedEdge};
use crate::processor::source::SourceNode;
use crate::processor::store::{ConnectedStores, Store};
use crate::processor::task_context::TaskContext;
use crate::topology::graph::Built;
use crate::topology::{Graph, NodeId, NodeKind, Subtopology, TopicRef, Topology};

/// The wired nodes of a task.
pub(crate) struct TaskGraph {
    /// The sources by topic.
    pub(crate) sources: Vec<(TopicRef, Rc<dyn SourceNode>)>,
    /// The nodes with cached stores, upstream first.
    pub(crate) caches: Vec<Rc<dyn FlushCache>>,
}

/// What a node's factory is given.
pub(crate) struct Instance<'a> {
    graph: &'a Graph,
    pub(crate) task: Rc<TaskContext>,
    stores: &'a BTreeMap<Arc<str>, BuiltStore>,
    globals: &'a BTreeMap<Arc<str>, Arc<dyn Any + Send + Sync>>,
    edges: HashMap<NodeId, ErasedEdge>,
    node: NodeId,
    caches: Vec<Rc<dyn FlushCache>>,
    by_store: RefCell<HashMap<Arc<str>, CacheOf>>,
}

/// The node whose store a look-up reads, if that store caches: there once all nodes are made. Weak, for the node leads to
/// those below it, which look up.
pub(crate) type CacheOf = Rc<OnceCell<Weak<dyn FlushCache>>>;

impl Topology {
    /// Wires a sub-topology for one task.
    pub(crate) fn instantiate(
        &self,
        subtopology: &Subtopology,
        task: &Rc<TaskContext>,
        stores: &BTreeMap<Arc<str>, BuiltStore>,
        globals: &BTreeMap<Arc<str>, Arc<dyn Any + Send + Sync>>,
    ) -> Result<TaskGraph, Error> {
        let mut instance = Instance {
            graph: &self.graph,
            task: Rc::clone(task),
            stores,
            globals,
            edges: HashMap::new(),
            node: NodeId(0),
            caches: Vec::new(),
            by_store: RefCell::default(),
        };
        let mut sources = Vec::new();
        // A node is added after its parents, so the reverse order meets children first.
        for id in subtopology.nodes.iter().rev() {
            let Some(node) = self.graph.node(*id) else { continue };
            instance.node = *id;
            match (node.factory)(&mut instance).map_err(|error| error.in_node(&node.name).in_task(task.task))? {
                Built::Node(edge) => {
                    instance.edges.insert(*id, edge);
                }
                Built::Source(source) => {
                    if let NodeKind::Source { topics } = &node.kind {
                        sources.extend(topics.iter().map(|topic| (topic.clone(), Rc::clone(&source))));
                    }
                }
            }
        }
        let mut caches = instance.caches;
        caches.reverse();
        sources.reverse();
        Ok(TaskGraph { sources, caches })
    }
}

impl Instance<'_> {
    /// The name of the node being made.
    pub(crate) fn name(&self) -> Arc<str> {
        self.name_of(self.node)
    }

    fn name_of(&self, node: NodeId) -> Arc<str> {
        self.graph.node(node).map_or_else(|| "".into(), |node| Arc::clone(&node.name))
    }

    /// The edges to the node's children.
    pub(crate) fn downstream<K: 'static, V: 'static>(&self) -> Result<Downstream<K, V>, Error> {
        let Some(node) = self.graph.node(self.node) else { return Ok(Downstream::new(Vec::new(), Vec::new(), None)) };
        let fork = node.fork::<K, V>();
        let forks = node.children.len() > 1 && !node.branches;
        if forks && fork.is_none() {
            // The handle that was cloned is of a type that adapters lead to: its fork is behind them.
            let erased: Vec<ErasedEdge> = node.children.iter().filter_map(|child| self.edges.get(child).cloned()).collect();
            let names: Vec<Arc<str>> = node.children.iter().map(|child| self.name_of(*child)).collect();
            if let Some(hub) = node.hub::<K, V>(&erased, &names) {
                return Ok(Downstream::new(vec![hub], Vec::new(), None));
            }
        }
        let mut edges: Vec<Edge<K, V>> = Vec::with_capacity(node.children.len());
        let mut names = Vec::with_capacity(node.children.len());
        for child in &node.children {
            let name = self.name_of(*child);
            let edge = self.edges.get(child).and_then(|edge| node.typed::<K, V>(edge));
            edges.push(edge.ok_or_else(|| Error::topology(format!("node {name} does not take what {} puts out", node.name)))?);
            names.push(name);
        }
        if forks && fork.is_none() {
            return Err(Error::topology(format!("node {} has {} children, expected one unless its handle is cloned", node.name, edges.len())));
        }
        Ok(Downstream::new(edges, names, fork))
    }

    /// A store of the engine's key-value type.
    pub(crate) fn key_value<K: 'static, V: Clone + 'static>(&self, name: &Arc<str>) -> Result<Rc<RefCell<Store<K, V>>>, Error> {
        let built = self.stores.get(name).ok_or_else(|| Error::topology("store is not in this task").in_store(Arc::clone(name)))?;
        let typed = Rc::clone(&built.typed).downcast::<RefCell<Store<K, V>>>();
        typed.map_err(|_| Error::topology("store is of another type").in_store(Arc::clone(name)))
    }

    /// Whether a store is restored from the topic that its table is read from.
    pub(crate) fn has_source_changelog(&self, store: &str) -> bool {
        self.graph.stores.get(store).is_some_and(|entry| entry.source.is_some())
    }

    /// Whether any node below the one being made gives results for records with a null key.
    pub(crate) fn joins_null_keys_below(&self) -> bool {
        self.graph.joins_null_keys_below(self.node)
    }

    /// A global store's view.
    pub(crate) fn global<T: Any + Send + Sync + Clone>(&self, name: &Arc<str>) -> Result<T, Error> {
        let view = self.globals.get(name).and_then(|global| global.downcast_ref::<T>());
        view.cloned().ok_or_else(|| Error::topology("global store is missing or of another type").in_store(Arc::clone(name)))
    }

    /// The stores the node was connected to, and every global one.
    pub(crate) fn connected(&self) -> ConnectedStores {
        let names = self.graph.node(self.node).map(|node| node.stores.clone()).unwrap_or_default();
        let of_sources = names.iter().filter(|name| self.has_source_changelog(name)).cloned().collect();
        let stores = names.into_iter().filter_map(|name| self.stores.get(&name).map(|built| (name, Rc::clone(&built.typed)))).collect();
        ConnectedStores { task: Rc::clone(&self.task), stores, globals: self.globals.clone(), of_sources }
    }

    /// Registers a node whose store caches. Of several with one store any will do.
    pub(crate) fn add_cache(&mut self, store: &Arc<str>, cache: Rc<dyn FlushCache>) {
        let _ = self.cache_of(store).set(Rc::downgrade(&cache));
        self.caches.push(cache);
    }

    /// Where the node of a caching store will be found.
    pub(crate) fn cache_of(&self, store: &Arc<str>) -> CacheOf {
        Rc::clone(self.by_store.borrow_mut().entry(Arc::clone(store)).or_default())
    }
}
