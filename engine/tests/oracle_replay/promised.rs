//! What of a topology's outcome is the same on one partition and on several: Kafka Streams promises no more than this.
//!
//! A subtopology has a task a partition, and tasks take turns as they like. Of one input record (everything it causes is
//! worked off before the next) that leaves, by the description alone:
//!
//! - before any repartition topic one task makes all records, one after the other: their order is promised, whatever their
//!   keys become;
//! - behind a repartition topic a task makes the records of its keys: the order is promised for each key that the topic had.
//!   Once such keys change, records of one new key come from several tasks: which they are is promised, their order is not.
//!   What is then kept by key (an aggregate, a joined table, a count) depends on that order: which keys have something is
//!   promised, and not what, so that behind a step that looks at the value (a filter, a new key, a join) nothing is;
//! - a processor's store is that of a partition. Below a change of key, where Kafka Streams repartitions nothing for a
//!   processor, a key is met in several partitions and counted in each: the outcome depends on the number of partitions, and
//!   on nothing else, so any number of threads gives the same. So do punctuations: each task has its own stream time, and
//!   reports what its own store holds; what is kept of several tasks' reports is not promised.
//!
//! Relies on what the fixtures leave out: no input reaches a subtopology by two repartition topics.

use std::cmp::max;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::fixture::{Fixture, text};
use super::functions::extracted_topics;

/// What is promised of a topic or a store, the most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Promise {
    /// The records of each key, in their order.
    Order,
    /// The records of each key; in any order those that one input record causes.
    Records,
    /// As `Order`, for any number of threads on the same partitions.
    SamePartitions,
    /// Which keys have records, and nothing of what these are.
    Keys,
    Nothing,
}

/// Who makes the records that one input record causes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Makers {
    OneTask,
    OneTaskPerKey,
    Several,
}

#[derive(Clone)]
struct Flow {
    inputs: BTreeSet<String>,
    makers: Makers,
    /// Each key is in one partition.
    placed: bool,
    /// Kafka Streams repartitions before the next aggregation or join.
    flagged: bool,
    /// `Order` unless what is in it is not promised.
    content: Promise,
    /// Which keys there are depends on no value that several partitions may change.
    keys: bool,
}

impl Flow {
    fn source(topic: &str) -> Self {
        Self {
            inputs: BTreeSet::from([topic.to_owned()]),
            makers: Makers::OneTask,
            placed: true,
            flagged: false,
            content: Promise::Order,
            keys: true,
        }
    }

    fn promise(&self) -> Promise {
        if self.content == Promise::Order && self.makers == Makers::Several { Promise::Records } else { self.content }
    }

    fn rekeyed(mut self) -> Self {
        if self.makers == Makers::OneTaskPerKey {
            self.makers = Makers::Several;
        }
        Self { placed: false, flagged: true, ..self }
    }

    fn repartitioned(self) -> Self {
        Self { makers: max(self.makers, Makers::OneTaskPerKey), placed: true, flagged: false, ..self }
    }

    /// Something is kept by key and the records depend on it.
    fn kept(mut self) -> Self {
        if self.makers == Makers::Several {
            self.content = max(self.content, if self.keys { Promise::Keys } else { Promise::Nothing });
        } else if !self.placed {
            self.content = max(self.content, Promise::SamePartitions);
        }
        self
    }

    /// Which records there are, or their keys, now depends on values.
    fn by_value(mut self) -> Self {
        self.keys &= self.content == Promise::Order;
        if self.content == Promise::Keys {
            self.content = Promise::Nothing;
        }
        self
    }

    fn by_value_unless(self, keyed: bool) -> Self {
        if keyed { self } else { self.by_value() }
    }

    fn with(self, other: &Self) -> Self {
        let keys = self.keys && other.keys;
        let content = max(self.content, other.content);
        Self {
            inputs: self.inputs.union(&other.inputs).cloned().collect(),
            makers: max(self.makers, other.makers),
            placed: self.placed && other.placed,
            flagged: self.flagged || other.flagged,
            content: if content == Promise::Keys && !keys { Promise::Nothing } else { content },
            keys,
        }
    }
}

/// Behind a processor that may punctuate: each task has a stream time and a store of its own, and all report under one key.
fn punctuated(flow: Flow, node: &Value) -> Flow {
    if node["stream_every"].is_null() && node["wall_every"].is_null() {
        return flow;
    }
    Flow { content: max(flow.content, Promise::SamePartitions), makers: Makers::Several, keys: false, ..flow }
}

/// A function that looks at the key alone.
fn of_key(function: &Value) -> bool {
    function["of"] == "key" || function["fn"] == "keep"
}

/// What is promised of every topic and store that the description names.
pub(crate) struct Promises {
    application_id: String,
    flows: BTreeMap<String, Flow>,
    topics: BTreeMap<String, Promise>,
    stores: BTreeMap<String, Promise>,
}

impl Promises {
    pub(crate) fn of(fixture: &Fixture) -> Self {
        let mut promises =
            Self { application_id: fixture.application_id.clone(), flows: BTreeMap::new(), topics: BTreeMap::new(), stores: BTreeMap::new() };
        for node in &fixture.topology {
            let flow = promises.declare(node);
            if let (Some(store), Some(flow)) = (text(&node["store"]), &flow) {
                promises.stores.insert(store.clone(), flow.promise());
                promises.topics.insert(format!("{}-{store}-changelog", promises.application_id), flow.promise());
            }
            if let (Some(id), Some(flow)) = (text(&node["id"]), flow) {
                promises.flows.insert(id, flow);
            }
        }
        promises
    }

    /// A store that the description does not name is a source table's.
    pub(crate) fn store(&self, name: &str) -> Promise {
        self.stores.get(name).copied().unwrap_or(Promise::Order)
    }

    /// As for stores.
    pub(crate) fn topic(&self, name: &str) -> Promise {
        self.topics.get(name).copied().unwrap_or(Promise::Order)
    }

    fn flow(&self, id: &Value) -> Flow {
        self.flows.get(id.as_str().unwrap()).unwrap_or_else(|| panic!("no node {id}")).clone()
    }

    /// Through the repartition topic that a node names.
    fn through(&mut self, flow: Flow, node: &Value) -> Flow {
        self.topics.insert(format!("{}-{}-repartition", self.application_id, node["name"].as_str().unwrap()), flow.promise());
        flow.repartitioned()
    }

    fn through_if_flagged(&mut self, flow: Flow, node: &Value) -> Flow {
        if flow.flagged { self.through(flow, node) } else { flow }
    }

    fn declare(&mut self, node: &Value) -> Option<Flow> {
        let op = node["op"].as_str().unwrap();
        if let "stream" | "table" | "global_table" = op {
            return Some(Flow::source(node["topic"].as_str().unwrap()));
        }
        if op == "cogroup" {
            let inputs: Vec<Flow> = node["inputs"].as_array().unwrap().iter().map(|input| self.flow(&input["from"])).collect();
            return inputs.into_iter().reduce(|one, other| one.with(&other)).map(Flow::kept);
        }
        let from = self.flow(&node["from"]);
        Some(match op {
            "peek" | "to_stream" => from,
            // A null is left out further on.
            "map_values" => from.by_value_unless(node["mapper"]["fn"] != "null_when"),
            "filter" | "filter_not" => from.by_value_unless(of_key(&node["predicate"])),
            "flat_map_values" => from.by_value(),
            "map" | "select_key" => from.by_value_unless(of_key(&node["key"])).rekeyed(),
            "flat_map" => from.by_value().rekeyed(),
            "merge" => from.with(&self.flow(&node["with"])),
            "repartition" => self.through(from, node),
            // The topic of a grouping is named where it is declared and met where it is aggregated: once is enough.
            "group_by_key" => self.through_if_flagged(from, node),
            "group_by" => self.through(from.by_value_unless(of_key(&node["key"])).rekeyed(), node),
            "to_table" => self.through_if_flagged(from, node).kept(),
            "count" | "reduce" | "aggregate" | "process_values" => from.kept(),
            "process" => Flow { flagged: true, ..punctuated(from.kept(), node) },
            // Whether there is another side depends on what came first.
            "join" | "left_join" | "outer_join" => self.joined(from, node).by_value(),
            "split" => {
                let branches = node["branches"].as_array().unwrap().iter().map(|branch| &branch["id"]).chain([&node["default"]]);
                self.flows.extend(branches.filter_map(text).map(|id| (id, from.clone())));
                return None;
            }
            "foreach" => return None,
            "to" => {
                let written = extracted_topics(&node["extractor"]).into_iter().chain(text(&node["topic"]));
                self.topics.extend(written.map(|topic| (topic, from.promise())));
                return None;
            }
            other => panic!("no operator {other}"),
        })
    }

    fn joined(&mut self, from: Flow, node: &Value) -> Flow {
        let other = self.flow(&node["with"]);
        if !node["key"].is_null() {
            // A global table does not change while an input record is worked off.
            return Flow { content: max(from.content, other.content), ..from };
        }
        let from = self.through_if_flagged(from, node);
        // The other side stands still during the step unless the same input changes it too.
        let stands_still = from.inputs.is_disjoint(&other.inputs);
        let joined = from.with(&other);
        if stands_still { joined } else { joined.kept() }
    }
}
