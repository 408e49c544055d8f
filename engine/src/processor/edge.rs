//! The edges of a running topology: how a node hands a record to the nodes below it.
//!
//! An edge is one virtual call with a typed record: nothing is boxed, hashed or downcast per record. Types are erased
//! only while an instance is wired, in [`ErasedEdge`].

use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;

use crate::error::Error;
use crate::processor::{Record, panicking};
use crate::topology::Node;

/// The receiving end of an edge. A node that keeps state while it runs keeps it behind a `RefCell`: a topology has no
/// cycles, so a node is never entered twice.
pub(crate) trait Receiver<K, V> {
    /// Handles a record and everything below it.
    fn receive(&self, record: Record<K, V>) -> Result<(), Error>;
}

/// A node as its parents see it.
pub(crate) type Edge<K, V> = Rc<dyn Receiver<K, V>>;

/// Copies a record where a stream forks. Present only where `.clone()` was called on a handle.
pub(crate) type Fork<K, V> = fn(&Record<K, V>) -> Record<K, V>;

/// An edge while the instance is wired.
#[derive(Clone)]
pub(crate) struct ErasedEdge(Rc<dyn Any>);

impl ErasedEdge {
    pub(crate) fn new<K: 'static, V: 'static>(edge: Edge<K, V>) -> Self {
        Self(Rc::new(edge))
    }

    pub(crate) fn typed<K: 'static, V: 'static>(&self) -> Option<Edge<K, V>> {
        self.0.downcast_ref::<Edge<K, V>>().map(Rc::clone)
    }
}

/// How a node that puts out `K`, `V` is joined to edges of related types.
#[derive(Clone)]
pub(crate) struct Adapter {
    edge: Arc<dyn Fn(&ErasedEdge) -> Option<ErasedEdge> + Send + Sync>,
    hub: Arc<dyn Fn(&[ErasedEdge], &[Arc<str>], &Node) -> Option<ErasedEdge> + Send + Sync>,
}

impl Adapter {
    pub(crate) fn new<K: 'static, V: 'static, K2: 'static, V2: 'static>(
        adapt: impl Fn(Edge<K2, V2>) -> Edge<K, V> + Send + Sync + Copy + 'static,
    ) -> Self {
        Self {
            edge: Arc::new(move |edge| edge.typed().map(|edge| ErasedEdge::new(adapt(edge)))),
            hub: Arc::new(move |edges, names, node| {
                let edges = edges.iter().map(|edge| node.typed::<K2, V2>(edge)).collect::<Option<Vec<_>>>()?;
                let fork = node.fork::<K2, V2>()?;
                Some(ErasedEdge::new(adapt(Rc::new(Hub { downstream: Downstream::new(edges, names.to_vec(), Some(fork)) }))))
            }),
        }
    }

    /// An edge of the types it converts to; `None` when the edge is not of the types it converts from.
    pub(crate) fn edge(&self, edge: &ErasedEdge) -> Option<ErasedEdge> {
        (self.edge)(edge)
    }

    /// One edge for all of a node's children: where the handle of the types it converts from was cloned, not the node's own.
    pub(crate) fn hub(&self, edges: &[ErasedEdge], names: &[Arc<str>], node: &Node) -> Option<ErasedEdge> {
        (self.hub)(edges, names, node)
    }
}

/// Forks behind an adapter.
struct Hub<K, V> {
    downstream: Downstream<K, V>,
}

impl<K, V> Receiver<K, V> for Hub<K, V> {
    fn receive(&self, record: Record<K, V>) -> Result<(), Error> {
        self.downstream.forward(record)
    }
}

/// The nodes below a node, in the order they were added.
pub(crate) struct Downstream<K, V> {
    edges: Box<[Edge<K, V>]>,
    names: Box<[Arc<str>]>,
    fork: Option<Fork<K, V>>,
}

impl<K, V> Downstream<K, V> {
    /// More than one edge needs a `fork`.
    pub(crate) fn new(edges: Vec<Edge<K, V>>, names: Vec<Arc<str>>, fork: Option<Fork<K, V>>) -> Self {
        Self { edges: edges.into(), names: names.into(), fork }
    }

    /// Hands the record to every node below. With none it ends here.
    #[inline]
    pub(crate) fn forward(&self, record: Record<K, V>) -> Result<(), Error> {
        match &*self.edges {
            // The record is moved from hand to hand, never copied on the way.
            [only] => {
                let note = panicking::note(&self.names, 0);
                let result = only.receive(record);
                note.forget();
                result
            }
            _ => self.forward_to_all(record),
        }
    }

    fn forward_to_all(&self, record: Record<K, V>) -> Result<(), Error> {
        let Some(last) = self.edges.len().checked_sub(1) else { return Ok(()) };
        if let Some(fork) = self.fork {
            (0..last).try_for_each(|index| self.forward_to(index, fork(&record)))?;
        }
        self.forward_to(last, record)
    }

    /// True when a record would end here.
    pub(crate) fn is_empty(&self) -> bool {
        self.edges.is_empty()
    }

    /// Hands the record to one node.
    pub(crate) fn forward_to(&self, index: usize, record: Record<K, V>) -> Result<(), Error> {
        match self.edges.get(index) {
            Some(edge) => {
                let note = panicking::note(&self.names, index);
                let result = edge.receive(record);
                note.forget();
                result
            }
            None => Ok(()),
        }
    }

    /// The index of the node of this name.
    pub(crate) fn child(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|child| &**child == name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|name| &**name)
    }
}
