//! The topology as a Mermaid flowchart, for documents that render one.

use std::fmt::Write;

use crate::topology::{Node, NodeId, NodeKind, TopicRef, Topology};

impl Topology {
    /// A Mermaid flowchart: one box a node, one group a sub-topology, cylinders for stores, stadiums for topics.
    #[must_use]
    pub fn mermaid(&self) -> String {
        let mut text = "flowchart TD\n".to_owned();
        for subtopology in self.subtopologies() {
            line(&mut text, format_args!("  subgraph s{0}[\"Sub-topology {0}\"]", subtopology.id));
            for id in &subtopology.nodes {
                if let Some(node) = self.graph.node(*id)
                    && matches!(node.kind, NodeKind::Processor)
                {
                    line(&mut text, format_args!("    n{}[\"{}\"]", id.0, node.name));
                }
            }
            for store in &subtopology.stores {
                line(&mut text, format_args!("    {}[(\"{store}\")]", store_id(store)));
            }
            line(&mut text, format_args!("  end"));
        }
        for (index, node) in self.graph.nodes.iter().enumerate() {
            self.edges(NodeId(index), node, &mut text);
        }
        for global in &self.graph.globals {
            let (topic, store) = (&global.topic, global.supplier.name());
            line(&mut text, format_args!("  {}([\"{topic}\"]) --> {}[(\"{store}\")]", topic_id(topic), store_id(store)));
        }
        text
    }

    fn edges(&self, id: NodeId, node: &Node, text: &mut String) {
        match &node.kind {
            NodeKind::Source { topics } => {
                for (topic, child) in topics.iter().flat_map(|topic| node.children.iter().map(move |child| (topic, child))) {
                    let name = topic.display();
                    line(text, format_args!("  {}([\"{name}\"]) --> {}", topic_id(&name), self.target(*child)));
                }
            }
            NodeKind::Processor => {
                for child in &node.children {
                    line(text, format_args!("  n{} --> {}", id.0, self.target(*child)));
                }
                for store in &node.stores {
                    line(text, format_args!("  n{} -.- {}", id.0, store_id(store)));
                }
            }
            NodeKind::Sink { .. } => {}
        }
    }

    /// A node, or for a sink the topic it writes to.
    fn target(&self, id: NodeId) -> String {
        match self.graph.node(id).map(|node| (&node.kind, &node.name)) {
            Some((NodeKind::Sink { topic: Some(topic) }, _)) => {
                let name = TopicRef::display(topic);
                format!("{}([\"{name}\"])", topic_id(&name))
            }
            Some((NodeKind::Sink { topic: None }, name)) => format!("n{}([\"{name}\"])", id.0),
            _ => format!("n{}", id.0),
        }
    }
}

fn store_id(store: &str) -> String {
    identifier("store", store)
}

fn topic_id(topic: &str) -> String {
    identifier("topic", topic)
}

fn identifier(kind: &str, name: &str) -> String {
    let plain: String = name.chars().map(|character| if character.is_ascii_alphanumeric() { character } else { '_' }).collect();
    format!("{kind}_{plain}")
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}
