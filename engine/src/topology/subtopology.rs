//! Sub-topologies: the connected parts of the graph, which are what a task instantiates.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::error::Error;
use crate::runtime::TopologyOptimization;
use crate::topology::{Graph, NodeId, NodeKind, TopicRef, Topology};

/// A repartition topic of a sub-topology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepartitionTopic {
    /// The name without application id and suffix.
    pub name: Arc<str>,
    /// The number of partitions the user fixed, if any.
    pub partitions: Option<u32>,
}

/// A connected part of a topology. Nodes that share a store are connected; topics do not connect.
#[derive(Clone, Debug)]
pub struct Subtopology {
    /// Its number, in the order in which the first nodes were declared; global stores are numbered among them. As Kafka
    /// Streams numbers them.
    pub id: u32,
    pub(crate) nodes: Vec<NodeId>,
    pub(crate) sources: Vec<TopicRef>,
    pub(crate) repartition_sinks: Vec<Arc<str>>,
    pub(crate) stores: Vec<Arc<str>>,
    pub(crate) copartitions: Vec<Vec<TopicRef>>,
}

impl Graph {
    /// Splits the graph and checks it.
    pub(crate) fn into_topology(mut self, optimization: TopologyOptimization) -> Result<Topology, Error> {
        self.optimize(optimization);
        if let Some(first) = self.problems.first() {
            return Err(Error::topology(first.clone()));
        }
        if self.nodes.is_empty() && self.globals.is_empty() {
            return Err(Error::topology("the topology is empty, expected at least one source"));
        }
        let groups = self.groups();
        let numbers = self.number(&groups);
        let subtopologies = groups.into_iter().zip(numbers).map(|(nodes, id)| self.subtopology(id, nodes)).collect::<Vec<_>>();
        let mut readers: BTreeMap<&TopicRef, &Arc<str>> = BTreeMap::new();
        for node in &self.nodes {
            let NodeKind::Source { topics } = &node.kind else { continue };
            for topic in topics {
                if let Some(other) = readers.insert(topic, &node.name) {
                    let (topic, name) = (topic.display(), &node.name);
                    return Err(Error::topology(format!(
                        "topic {topic} is read by two sources ({other} and {name}), expected one; fork the stream with clone()"
                    )));
                }
            }
        }
        Ok(Topology { graph: Arc::new(self), subtopologies: subtopologies.into() })
    }

    /// Kafka Streams: `InternalStreamsBuilder.maybePerformOptimizations`.
    fn optimize(&mut self, optimization: TopologyOptimization) {
        self.optimization = optimization;
        let sources = std::mem::take(&mut self.table_sources);
        if optimization == TopologyOptimization::ReuseSourceTopics {
            for (store, source) in sources {
                if let Some(entry) = self.stores.get_mut(&store) {
                    entry.source = Some(source);
                }
            }
        }
    }

    /// The numbers of the groups; those of the global stores are set.
    fn number(&mut self, groups: &[Vec<NodeId>]) -> Vec<u32> {
        let mut numbers = Vec::with_capacity(groups.len());
        let mut next = 0;
        let mut globals = self.globals.iter_mut().peekable();
        for group in groups {
            while let Some(global) = globals.next_if(|global| group.first().is_some_and(|first| global.declared_after <= first.0)) {
                global.number = next;
                next += 1;
            }
            numbers.push(next);
            next += 1;
        }
        for global in globals {
            global.number = next;
            next += 1;
        }
        numbers
    }

    /// Connected nodes, in the order of declaration.
    fn groups(&self) -> Vec<Vec<NodeId>> {
        let mut parent: Vec<usize> = (0..self.nodes.len()).collect();
        let mut first_user: BTreeMap<&Arc<str>, usize> = BTreeMap::new();
        for (index, node) in self.nodes.iter().enumerate() {
            for child in &node.children {
                union(&mut parent, index, child.0);
            }
            for store in &node.stores {
                let user = *first_user.entry(store).or_insert(index);
                union(&mut parent, user, index);
            }
        }
        let mut groups: Vec<(usize, Vec<NodeId>)> = Vec::new();
        for index in 0..self.nodes.len() {
            let root = find(&mut parent, index);
            match groups.iter_mut().find(|(group, _)| *group == root) {
                Some((_, nodes)) => nodes.push(NodeId(index)),
                None => groups.push((root, vec![NodeId(index)])),
            }
        }
        groups.into_iter().map(|(_, nodes)| nodes).collect()
    }

    fn subtopology(&self, id: u32, mut nodes: Vec<NodeId>) -> Subtopology {
        nodes.sort_unstable();
        let mut sources = BTreeSet::new();
        let mut repartition_sinks = BTreeSet::new();
        let mut stores = Vec::new();
        for node in nodes.iter().filter_map(|node| self.node(*node)) {
            match &node.kind {
                NodeKind::Source { topics } => sources.extend(topics.iter().cloned()),
                NodeKind::Sink { topic: Some(TopicRef::Repartition(name)) } => {
                    repartition_sinks.insert(Arc::clone(name));
                }
                NodeKind::Sink { .. } | NodeKind::Processor => {}
            }
            for store in &node.stores {
                if !stores.contains(store) {
                    stores.push(Arc::clone(store));
                }
            }
        }
        let copartitions = self.copartitions.iter().filter(|group| group.iter().any(|node| nodes.contains(node)));
        let copartitions = copartitions.map(|group| self.topics_of(group)).collect();
        Subtopology {
            id,
            nodes,
            sources: sources.into_iter().collect(),
            repartition_sinks: repartition_sinks.into_iter().collect(),
            stores,
            copartitions,
        }
    }

    fn topics_of(&self, sources: &[NodeId]) -> Vec<TopicRef> {
        let topics = sources.iter().filter_map(|node| self.node(*node)).filter_map(|node| match &node.kind {
            NodeKind::Source { topics } => Some(topics.iter().cloned()),
            _ => None,
        });
        topics.flatten().collect::<BTreeSet<_>>().into_iter().collect()
    }
}

fn find(parent: &mut [usize], mut index: usize) -> usize {
    while let Some(&above) = parent.get(index) {
        if above == index {
            break;
        }
        index = above;
    }
    index
}

fn union(parent: &mut [usize], left: usize, right: usize) {
    let (left, right) = (find(parent, left), find(parent, right));
    if let Some(slot) = parent.get_mut(left.max(right)) {
        *slot = left.min(right);
    }
}
