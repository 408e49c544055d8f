//! `describe()`: the topology as text, in Kafka Streams' own format, stable so that it can be compared in review.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::topology::{GlobalStore, Graph, Node, NodeId, NodeKind, Subtopology, Topology};

impl Topology {
    /// The topology as Kafka Streams' `Topology.describe()` prints it.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = "Topologies:\n".to_owned();
        let mut number = 0;
        for subtopology in self.subtopologies() {
            subtopology_text(&self.graph, subtopology, &mut text);
            number = subtopology.id + 1;
        }
        for global in &self.graph.globals {
            global_text(global, number, &mut text);
            number += 1;
        }
        text
    }
}

fn subtopology_text(graph: &Graph, subtopology: &Subtopology, text: &mut String) {
    let indent = if subtopology.id == 0 { "   " } else { "  " };
    line(text, format_args!("{indent}Sub-topology: {}", subtopology.id));
    for id in in_print_order(graph, subtopology) {
        let Some(node) = graph.node(id) else { continue };
        node_text(graph, node, text);
    }
    text.push('\n');
}

/// Nodes with the most below them first, then by name.
fn in_print_order(graph: &Graph, subtopology: &Subtopology) -> Vec<NodeId> {
    let mut sizes: BTreeMap<NodeId, u64> = BTreeMap::new();
    for id in subtopology.nodes.iter().rev() {
        let below: u64 = graph.node(*id).map(|node| node.children.iter().filter_map(|child| sizes.get(child)).sum()).unwrap_or_default();
        sizes.insert(*id, below + 1);
    }
    let mut order = subtopology.nodes.clone();
    order.sort_by_key(|id| (std::cmp::Reverse(sizes.get(id).copied()), graph.node(*id).map(|node| node.name.clone())));
    order
}

fn node_text(graph: &Graph, node: &Node, text: &mut String) {
    match &node.kind {
        NodeKind::Source { topics } => {
            let topics = topics.iter().map(crate::topology::TopicRef::display).collect::<Vec<_>>().join(", ");
            line(text, format_args!("    Source: {} (topics: [{topics}])", node.name));
        }
        NodeKind::Processor => {
            let stores = node.stores.iter().map(|store| &**store).collect::<Vec<_>>().join(", ");
            line(text, format_args!("    Processor: {} (stores: [{stores}])", node.name));
        }
        NodeKind::Sink { topic: Some(topic) } => line(text, format_args!("    Sink: {} (topic: {})", node.name, topic.display())),
        NodeKind::Sink { topic: None } => line(text, format_args!("    Sink: {} (extractor class: closure)", node.name)),
    }
    if !matches!(node.kind, NodeKind::Sink { .. }) {
        line(text, format_args!("      --> {}", names(graph, &node.children)));
    }
    if !matches!(node.kind, NodeKind::Source { .. }) {
        line(text, format_args!("      <-- {}", names(graph, &node.parents)));
    }
}

fn names(graph: &Graph, nodes: &[NodeId]) -> String {
    let mut names: Vec<&str> = nodes.iter().filter_map(|id| graph.node(*id)).map(|node| &*node.name).collect();
    names.sort_unstable();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn global_text(global: &GlobalStore, number: u32, text: &mut String) {
    let indent = if number == 0 { "   " } else { "  " };
    line(text, format_args!("{indent}Sub-topology: {number} for global store (will not generate tasks)"));
    line(text, format_args!("    Source: {} (topics: [{}])", global.source, global.topic));
    line(text, format_args!("      --> {}", global.processor));
    line(text, format_args!("    Processor: {} (stores: [{}])", global.processor, global.supplier.name()));
    line(text, format_args!("      --> none"));
    line(text, format_args!("      <-- {}", global.source));
    text.push('\n');
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}
