//! The edges of a running topology: how a node hands a record to the nodes below it.
//!
//! An edge is one virtual call with a typed record: nothing is boxed, hashed or downcast per record. Types are erased
//! only while an instance is wired, in [`ErasedEdge`].

use std::any::Any;
use std::rc::Rc;
use std::sync::Arc;

use crate::error::Error;
use crate::processor::Record;

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
    pub(crate) fn forward(&self, record: Record<K, V>) -> Result<(), Error> {
        match &*self.edges {
            [] => Ok(()),
            [only] => only.receive(record),
            [first @ .., last] => {
                if let Some(fork) = self.fork {
                    for edge in first {
                        edge.receive(fork(&record))?;
                    }
                }
                last.receive(record)
            }
        }
    }

    /// True when a record would end here.
    pub(crate) fn is_empty(&self) -> bool {
        self.edges.is_empty()
    }

    /// Hands the record to one node.
    pub(crate) fn forward_to(&self, index: usize, record: Record<K, V>) -> Result<(), Error> {
        match self.edges.get(index) {
            Some(edge) => edge.receive(record),
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
