//! `describe()`: the topology as text, in Kafka Streams' own format, stable so that it can be compared in review.
//!
//! Byte for byte, its order included. Nodes are printed largest first, a node's size being that of the tree below it; nodes
//! that are reached by two ways count twice. The names after an arrow are ordered by the sizes at the moment their edge was
//! added, and edges are added in the order of a Java hash table.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::fmt::Write;

use crate::topology::java_order::hash_order;
use crate::topology::java_tree::JavaTree;
use crate::topology::{GlobalStore, Graph, Node, NodeId, NodeKind, Subtopology, TopicRef, Topology};

impl Topology {
    /// The topology as Kafka Streams' `Topology.describe()` prints it.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = "Topologies:\n ".to_owned();
        let mut globals = self.graph.globals.iter().peekable();
        for subtopology in self.subtopologies() {
            while let Some(global) = globals.next_if(|global| global.number < subtopology.id) {
                global_text(global, &mut text);
            }
            subtopology_text(&self.graph, subtopology, &mut text);
        }
        for global in globals {
            global_text(global, &mut text);
        }
        text
    }
}

/// A node among those of its sub-topology.
struct Described<'a> {
    node: &'a Node,
    size: u64,
    successors: JavaTree<NodeId>,
    predecessors: JavaTree<NodeId>,
}

/// The nodes of a sub-topology while edges are added.
struct Edges<'a> {
    nodes: HashMap<NodeId, Described<'a>>,
}

impl<'a> Edges<'a> {
    fn of(graph: &'a Graph, subtopology: &Subtopology) -> Self {
        let described = |id: &NodeId| {
            let node = graph.node(*id)?;
            Some((*id, Described { node, size: 1, successors: JavaTree::default(), predecessors: JavaTree::default() }))
        };
        let named: Vec<_> = subtopology.nodes.iter().filter_map(described).collect();
        let order = hash_order(named, |(_, described)| &described.node.name);
        let ids: Vec<NodeId> = order.iter().map(|(id, _)| *id).collect();
        let mut edges = Self { nodes: order.into_iter().collect() };
        for id in ids {
            for parent in graph.node(id).map(|node| node.parents.as_slice()).unwrap_or_default() {
                edges.add(*parent, id);
            }
        }
        edges
    }

    fn add(&mut self, parent: NodeId, child: NodeId) {
        self.insert(child, |child| &mut child.predecessors, parent);
        self.insert(parent, |parent| &mut parent.successors, child);
        let grown = self.nodes.get(&child).map_or(0, |child| child.size);
        self.grow(parent, grown);
    }

    /// Adds a neighbour where the order of now puts it. Those that are there do not move.
    fn insert(&mut self, id: NodeId, list: impl for<'d> Fn(&'d mut Described<'a>) -> &'d mut JavaTree<NodeId>, neighbour: NodeId) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        let mut tree = std::mem::take(list(node));
        tree.insert(neighbour, |left, right| self.order(left, right));
        if let Some(described) = self.nodes.get_mut(&id) {
            *list(described) = tree;
        }
    }

    /// Adds to the size of a node and, along every path, of those above it.
    fn grow(&mut self, id: NodeId, by: u64) {
        let Some(node) = self.nodes.get_mut(&id) else { return };
        node.size += by;
        for above in node.predecessors.items() {
            self.grow(above, by);
        }
    }

    /// The largest first, then by name.
    fn order(&self, left: NodeId, right: NodeId) -> Ordering {
        let key = |id| self.nodes.get(&id).map(|described| (std::cmp::Reverse(described.size), &described.node.name));
        key(left).cmp(&key(right))
    }

    fn names(&self, ids: &[NodeId]) -> String {
        let names: Vec<&str> = ids.iter().filter_map(|id| self.nodes.get(id)).map(|described| &*described.node.name).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

fn subtopology_text(graph: &Graph, subtopology: &Subtopology, text: &mut String) {
    line(text, format_args!("  Sub-topology: {}", subtopology.id));
    let edges = Edges::of(graph, subtopology);
    let mut order = subtopology.nodes.clone();
    order.sort_by(|left, right| edges.order(*left, *right));
    for described in order.iter().filter_map(|id| edges.nodes.get(id)) {
        node_text(described, &edges, text);
    }
    text.push('\n');
}

fn node_text(described: &Described<'_>, edges: &Edges<'_>, text: &mut String) {
    let node = described.node;
    match &node.kind {
        NodeKind::Source { topics } => {
            let topics = hash_order(topics.iter().map(TopicRef::display).collect(), |topic| topic).join(", ");
            line(text, format_args!("    Source: {} (topics: [{topics}])", node.name));
        }
        NodeKind::Processor => {
            let stores = hash_order(node.stores.iter().map(|store| &**store).collect(), |store| store).join(", ");
            line(text, format_args!("    Processor: {} (stores: [{stores}])", node.name));
        }
        NodeKind::Sink { topic: Some(topic) } => line(text, format_args!("    Sink: {} (topic: {})", node.name, topic.display())),
        NodeKind::Sink { topic: None } => line(text, format_args!("    Sink: {} (extractor class: closure)", node.name)),
    }
    if !matches!(node.kind, NodeKind::Sink { .. }) {
        line(text, format_args!("      --> {}", edges.names(&described.successors.items())));
    }
    if !matches!(node.kind, NodeKind::Source { .. }) {
        line(text, format_args!("      <-- {}", edges.names(&described.predecessors.items())));
    }
}

fn global_text(global: &GlobalStore, text: &mut String) {
    line(text, format_args!("  Sub-topology: {} for global store (will not generate tasks)", global.number));
    line(text, format_args!("    Source: {} (topics: [{}])", global.source, global.topic));
    line(text, format_args!("      --> {}", global.processor));
    line(text, format_args!("    Processor: {} (stores: [{}])", global.processor, global.supplier.name()));
    line(text, format_args!("      --> none"));
    line(text, format_args!("      <-- {}", global.source));
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}
