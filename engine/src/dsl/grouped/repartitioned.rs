//! What the handles of one grouping share: the source of its repartition topic.

use std::cell::Cell;

use crate::dsl::StreamsBuilder;
use crate::topology::NodeId;

/// The first aggregation of a grouping makes the repartition topic; the others read from it too.
#[derive(Default)]
pub(crate) struct SharedSource {
    source: Cell<Option<NodeId>>,
    /// Lets the source hand records to several aggregations; set when the handle was cloned.
    fork: Cell<Option<fn(&StreamsBuilder, NodeId)>>,
}

impl SharedSource {
    /// Says how the source copies its records.
    pub(crate) fn fork_with(&self, fork: fn(&StreamsBuilder, NodeId)) {
        self.fork.set(Some(fork));
    }

    /// The source, if an aggregation has made it.
    pub(crate) fn get(&self) -> Option<NodeId> {
        self.source.get()
    }

    /// Takes note of the source.
    pub(crate) fn set(&self, builder: &StreamsBuilder, source: NodeId) {
        self.source.set(Some(source));
        if let Some(fork) = self.fork.get() {
            fork(builder, source);
        }
    }
}
