//! The logical graph a topology is declared as: nodes, names, sub-topologies, stores and topics.
//!
//! It is made once by the DSL and never changes afterwards. Types are erased here and only here: every node holds a
//! factory that makes its typed, physical counterpart for one task.

mod describe;
mod graph;
mod id;
mod instance;
mod internal;
mod java_order;
mod java_tree;
mod mermaid;
mod subtopology;

pub use id::TaskId;
pub use subtopology::{RepartitionTopic, Subtopology};

pub(crate) use graph::{Built, GlobalStore, Graph, Node, NodeId, NodeKind, SourceChangelog, StoreEntry};
pub(crate) use id::{TopicRef, changelog_topic};
pub(crate) use instance::{CacheOf, Instance};
pub(crate) use internal::{changelog_config, repartition_config, topic_of_store};

use std::sync::Arc;

/// A declared topology, ready to run: shared by all threads, instantiated once a task. Kafka Streams: `Topology`.
#[derive(Clone)]
pub struct Topology {
    pub(crate) graph: Arc<Graph>,
    pub(crate) subtopologies: Arc<[Subtopology]>,
}

impl Topology {
    /// The sub-topologies, in the order of their ids. Global stores are not among them.
    #[must_use]
    pub fn subtopologies(&self) -> &[Subtopology] {
        &self.subtopologies
    }

    /// The topics that must exist before the application starts, sorted: all that a source, table or global table reads.
    #[must_use]
    pub fn source_topics(&self) -> Vec<Arc<str>> {
        self.graph.source_topics()
    }

    /// The repartition topics of an application that runs it, sorted: `<application>-<name>-repartition`.
    #[must_use]
    pub fn repartition_topics(&self, application: &str) -> Vec<Arc<str>> {
        self.graph.repartitions.keys().map(|name| TopicRef::Repartition(Arc::clone(name)).resolve(application)).collect()
    }

    /// The topics with a fixed name that sinks write to, sorted.
    #[must_use]
    pub fn sink_topics(&self) -> Vec<Arc<str>> {
        self.graph.sink_topics()
    }

    /// The names of all state stores, sorted; global stores included.
    #[must_use]
    pub fn store_names(&self) -> Vec<Arc<str>> {
        self.graph.store_names()
    }
}

impl std::fmt::Debug for Topology {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Topology").field("subtopologies", &self.subtopologies).finish_non_exhaustive()
    }
}
