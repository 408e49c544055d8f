//! Builds the topology of a description with our DSL.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;
use straum::Topology;
use straum::dsl::{
    Consumed, GlobalKTable, Grouped, Joined, KGroupedStream, KGroupedTable, KStream, KTable, Materialized, Named, Produced, Repartitioned,
    StreamsBuilder,
};
use straum::processor::{KeyValueStoreBuilder, Record, RowFormat, StoreHandle};
use straum::serde::{I64, SerdeExt, Utf8};

use super::fixture::{Text, text};
use super::functions::{aggregator, joiner, mapper, predicate, repeat, selector, timestamps, topics};
use super::processors::{Numbering, Tally};

type Texts = KStream<Text, Text>;

#[derive(Clone)]
enum Handle {
    Stream(Texts),
    /// A count as a stream.
    Numbers(KStream<String, Option<i64>>),
    Table(KTable<String, String>),
    Counts(KTable<String, i64>),
    Global(GlobalKTable<String, String>),
    Grouped(KGroupedStream<String, String>),
    GroupedTable(KGroupedTable<String, String>),
}

/// A topology that is being built. Every use of a handle is a clone of it: Kafka Streams' handles can be used again.
struct Building {
    builder: StreamsBuilder,
    handles: HashMap<String, Handle>,
}

/// The topology of a description.
pub(crate) fn topology(description: &[Value]) -> Topology {
    let mut building = Building { builder: StreamsBuilder::new(), handles: HashMap::new() };
    for node in description {
        let made = building.declare(node);
        if let (Some(id), Some(handle)) = (node["id"].as_str(), made) {
            building.handles.insert(id.to_owned(), handle);
        }
    }
    building.builder.build().unwrap_or_else(|error| panic!("{error}: {description:?}"))
}

fn field<'a>(node: &'a Value, name: &str) -> &'a str {
    node[name].as_str().unwrap_or_else(|| panic!("{node}, expected {name}"))
}

/// The store of texts that a node names.
fn store(node: &Value) -> Option<Materialized<String>> {
    node["store"].as_str().map(|store| {
        let materialized = Materialized::with(store, Utf8);
        if node["caching"] == false { materialized.with_caching_disabled() } else { materialized }
    })
}

fn counts(node: &Value) -> Materialized<i64> {
    let materialized = Materialized::named(field(node, "store"));
    if node["caching"] == false { materialized.with_caching_disabled() } else { materialized }
}

fn consumed(node: &Value) -> Consumed<String, String> {
    let consumed = Consumed::with(Utf8, Utf8);
    if node["timestamps"].is_null() {
        return consumed;
    }
    let time = timestamps(&node["timestamps"]);
    consumed.with_timestamp_extractor(move |record: Record<&String, &String>, _| time(Some(record.value), record.timestamp))
}

fn grouped() -> Grouped<String, String> {
    Grouped::with(Utf8, Utf8)
}

impl Building {
    fn handle(&self, id: &str) -> Handle {
        self.handles.get(id).unwrap_or_else(|| panic!("no node {id}")).clone()
    }

    fn stream(&self, id: &str) -> Texts {
        match self.handle(id) {
            Handle::Stream(stream) => stream,
            _ => panic!("{id} is not a stream"),
        }
    }

    fn table(&self, id: &str) -> KTable<String, String> {
        match self.handle(id) {
            Handle::Table(table) => table,
            _ => panic!("{id} is not a table"),
        }
    }

    fn declare(&mut self, node: &Value) -> Option<Handle> {
        match field(node, "op") {
            "stream" => Some(Handle::Stream(self.source(node))),
            "table" => {
                Some(Handle::Table(self.builder.table(field(node, "topic"), consumed(node), store(node).unwrap_or_else(Materialized::numbered))))
            }
            "global_table" => Some(Handle::Global(self.builder.global_table(
                field(node, "topic"),
                consumed(node),
                store(node).unwrap_or_else(Materialized::numbered),
            ))),
            "cogroup" => Some(Handle::Table(self.cogroup(node))),
            op => match self.handle(field(node, "from")) {
                Handle::Stream(stream) => self.on_stream(op, stream, node),
                Handle::Numbers(stream) => on_numbers(op, stream, node),
                Handle::Table(table) => Some(self.on_table(op, table, node)),
                Handle::Counts(table) => Some(on_counts(op, table, node)),
                Handle::Grouped(stream) => Some(on_grouped(op, stream, node)),
                Handle::GroupedTable(table) => Some(on_grouped_table(op, table, node)),
                Handle::Global(_) => panic!("{node}: nothing reads a global table by from"),
            },
        }
    }

    fn source(&self, node: &Value) -> Texts {
        let consumed = Consumed::with(Utf8.nullable(), Utf8.nullable());
        if node["timestamps"].is_null() {
            return self.builder.stream(field(node, "topic"), consumed);
        }
        let time = timestamps(&node["timestamps"]);
        let extractor = move |record: Record<&Text, &Text>, _| time(record.value.as_deref(), record.timestamp);
        self.builder.stream(field(node, "topic"), consumed.with_timestamp_extractor(extractor))
    }

    fn on_stream(&mut self, op: &str, stream: Texts, node: &Value) -> Option<Handle> {
        let made = match op {
            "filter" | "filter_not" => {
                let holds = predicate(&node["predicate"]);
                let holds = move |key: &Text, value: &Text| holds(key.as_deref(), value.as_deref());
                if op == "filter" { stream.filter(holds) } else { stream.filter_not(holds) }
            }
            "map" => {
                let (keys, values) = (selector(&node["key"]), mapper(&node["value"]));
                stream.map(move |key: Text, value: Text| (keys(key.as_deref(), value.as_deref()), values(key.as_deref(), value.as_deref())))
            }
            "map_values" => {
                let map = mapper(&node["mapper"]);
                stream.map_values_with_key(move |key, value: Text| map(key.as_deref(), value.as_deref()))
            }
            "flat_map" => {
                let values = repeat(&node["mapper"]);
                stream.flat_map(move |key: Text, value: Text| {
                    let keys =
                        (0..).map(move |i| if i == 0 { key.clone() } else { Some(format!("{}-{i}", super::functions::spell(key.as_deref()))) });
                    keys.zip(values(value.as_deref())).collect::<Vec<_>>()
                })
            }
            "flat_map_values" => {
                let values = repeat(&node["mapper"]);
                stream.flat_map_values(move |value: Text| values(value.as_deref()))
            }
            "select_key" => {
                let select = selector(&node["key"]);
                stream.select_key(move |key, value| select(key.as_deref(), value.as_deref()))
            }
            "peek" => stream.peek(|_, _| ()),
            "merge" => stream.merge(self.stream(field(node, "with"))),
            "repartition" => {
                let options = Repartitioned::with(Utf8, Utf8);
                let options = match node["partitions"].as_u64() {
                    Some(partitions) => options.with_number_of_partitions(partitions.try_into().unwrap()),
                    None => options,
                };
                stream.repartition(field(node, "name"), options)
            }
            "process" => self.tally(stream, node),
            "process_values" => {
                let handle = self.plain_store(node);
                stream.process_values(Named::numbered(), move || Numbering { handle: handle.clone(), store: None }, &[field(node, "store")])
            }
            "join" | "left_join" => self.stream_join(op == "left_join", stream, node),
            "group_by_key" => return Some(Handle::Grouped(stream.group_by_key(field(node, "name"), grouped()))),
            "group_by" => {
                let select = selector(&node["key"]);
                let select = move |key: &Text, value: &Text| -> Text { select(key.as_deref(), value.as_deref()) };
                return Some(Handle::Grouped(stream.group_by(field(node, "name"), select, grouped())));
            }
            "to_table" => {
                let table = stream.to_table(field(node, "name"), Consumed::with(Utf8, Utf8), store(node).unwrap_or_else(Materialized::numbered));
                return Some(Handle::Table(table));
            }
            "foreach" => {
                stream.foreach(|_, _| ());
                return None;
            }
            "to" => {
                to(stream, node);
                return None;
            }
            "split" => {
                self.split(stream, node);
                return None;
            }
            other => panic!("no operator {other} on a stream"),
        };
        Some(Handle::Stream(made))
    }

    fn split(&mut self, stream: Texts, node: &Value) {
        let mut split = stream.split();
        let mut ids = Vec::new();
        for branch in node["branches"].as_array().unwrap() {
            let holds = predicate(&branch["predicate"]);
            split = split.branch_named(field(branch, "id"), move |key: &Text, value: &Text| holds(key.as_deref(), value.as_deref()));
            ids.push(field(branch, "id").to_owned());
        }
        let branches = match text(&node["default"]) {
            Some(default) => {
                let branches = split.default_branch_named(&default);
                ids.push(default);
                branches
            }
            None => split.no_default_branch(),
        };
        self.handles.extend(ids.into_iter().zip(branches.into_iter().map(Handle::Stream)));
    }

    /// The store of a processor.
    fn processor_store(&self, node: &Value, format: RowFormat) -> StoreHandle<String, String> {
        let store = KeyValueStoreBuilder::new(field(node, "store"), Utf8.shared(), Utf8.shared());
        self.builder.add_state_store(store.format(format))
    }

    fn plain_store(&self, node: &Value) -> StoreHandle<String, String> {
        self.processor_store(node, RowFormat::Plain)
    }

    fn tally(&self, stream: Texts, node: &Value) -> Texts {
        let format = if node["timestamped"] == true { RowFormat::Timestamped } else { RowFormat::Plain };
        let handle = self.processor_store(node, format);
        let (stream_every, wall_every) = (node["stream_every"].as_u64(), node["wall_every"].as_u64());
        let supplier = move || Tally { handle: handle.clone(), stream_every, wall_every, store: None, by_stream_time: None };
        stream.process(Named::numbered(), supplier, &[field(node, "store")])
    }

    fn stream_join(&self, left: bool, stream: Texts, node: &Value) -> Texts {
        let pair = joiner(&node["joiner"]);
        let inner = {
            let pair = Arc::clone(&pair);
            move |this: String, other: String| pair(Some(&this), Some(&other))
        };
        let outer = move |this: String, other: Text| pair(Some(&this), other.as_deref());
        match self.handle(field(node, "with")) {
            Handle::Global(table) => {
                let select = selector(&node["key"]);
                let select = move |key: &Text, value: &String| -> Text { select(key.as_deref(), Some(value)) };
                if left { stream.left_join_global(&table, select, outer) } else { stream.join_global(&table, select, inner) }
            }
            Handle::Table(table) => {
                let joined = Joined::with(field(node, "name"), Utf8, Utf8);
                if left { stream.left_join(table, outer, joined) } else { stream.join(table, inner, joined).nullable() }
            }
            _ => panic!("{node}: joined with neither a table nor a global table"),
        }
    }

    fn on_table(&self, op: &str, table: KTable<String, String>, node: &Value) -> Handle {
        let made = match op {
            "filter" | "filter_not" => {
                let holds = predicate(&node["predicate"]);
                let holds = move |key: &String, value: &String| holds(Some(key), Some(value));
                if op == "filter" { table.filter(holds) } else { table.filter_not(holds) }
            }
            "map_values" => {
                let map = mapper(&node["mapper"]);
                table.map_values_nullable(move |key, value| map(Some(key), Some(&value)))
            }
            "join" | "left_join" | "outer_join" => {
                let name = node["name"].as_str().map_or_else(Named::numbered, Named::from);
                let (other, pair) = (self.table(field(node, "with")), joiner(&node["joiner"]));
                match op {
                    "join" => table.join_nullable(name, other, move |this, other: String| pair(Some(&this), Some(&other))),
                    "left_join" => table.left_join_nullable(name, other, move |this, other: Text| pair(Some(&this), other.as_deref())),
                    _ => table.outer_join_nullable(name, other, move |this, other: Text| pair(this.as_deref(), other.as_deref())),
                }
            }
            "to_stream" => return Handle::Stream(table.to_stream().nullable()),
            "group_by" => {
                let (keys, values) = (selector(&node["key"]), mapper(&node["value"]));
                let select = move |key: &String, value: &String| keys(Some(key), Some(value)).zip(values(Some(key), Some(value)));
                return Handle::GroupedTable(table.group_by::<String, String, Option<(String, String)>, _>(field(node, "name"), select, grouped()));
            }
            other => panic!("no operator {other} on a table"),
        };
        Handle::Table(match store(node) {
            Some(store) => made.materialize(store),
            None => made,
        })
    }

    fn cogroup(&self, node: &Value) -> KTable<String, String> {
        let mut inputs = node["inputs"].as_array().unwrap().iter().map(|input| {
            let Handle::Grouped(grouped) = self.handle(field(input, "from")) else { panic!("{input} is not a grouped stream") };
            let aggregate = aggregator(&input["aggregator"]);
            (grouped, move |_: &String, value: String, old: String| aggregate(Some(&old), Some(&value)))
        });
        let (first, aggregate) = inputs.next().unwrap();
        let mut cogrouped = first.cogroup::<String, Text, _>(aggregate);
        for (grouped, aggregate) in inputs {
            cogrouped = cogrouped.cogroup(grouped, aggregate);
        }
        let initial = field(node, "initial").to_owned();
        cogrouped.aggregate(move || initial.clone(), store(node).unwrap())
    }
}

fn to(stream: Texts, node: &Value) {
    let produced = Produced::with(Utf8, Utf8);
    if node["extractor"].is_null() {
        stream.to(field(node, "topic"), produced);
    } else {
        let topic = topics(&node["extractor"]);
        stream.to_extracted(move |key: &Text, value: &Text| topic(key.as_deref(), value.as_deref()), produced);
    }
}

fn on_numbers(op: &str, stream: KStream<String, Option<i64>>, node: &Value) -> Option<Handle> {
    match op {
        "to" => {
            stream.to(field(node, "topic"), Produced::with(Utf8, I64));
            None
        }
        "map_values" => {
            let map = mapper(&node["mapper"]);
            let mapped = stream.map_values_with_key(move |key, value| map(Some(key), value.map(|value| value.to_string()).as_deref()));
            Some(Handle::Stream(mapped.nullable()))
        }
        other => panic!("no operator {other} on a stream of counts"),
    }
}

fn on_counts(op: &str, table: KTable<String, i64>, node: &Value) -> Handle {
    match op {
        "to_stream" => Handle::Numbers(table.to_stream()),
        "map_values" => {
            let map = mapper(&node["mapper"]);
            let mapped = table.map_values_nullable(move |key, value| map(Some(key), Some(&value.to_string())));
            Handle::Table(match store(node) {
                Some(store) => mapped.materialize(store),
                None => mapped,
            })
        }
        other => panic!("no operator {other} on a table of counts"),
    }
}

fn on_grouped(op: &str, stream: KGroupedStream<String, String>, node: &Value) -> Handle {
    if op == "count" {
        return Handle::Counts(stream.count(counts(node)));
    }
    let aggregate = aggregator(&node["aggregator"]);
    Handle::Table(match (op, text(&node["initial"])) {
        ("reduce", _) => stream.reduce(move |old: &String, value: String| aggregate(Some(old), Some(&value)), store(node).unwrap()),
        ("aggregate", Some(initial)) => {
            stream.aggregate(move || initial.clone(), move |_, value: String, old: String| aggregate(Some(&old), Some(&value)), store(node).unwrap())
        }
        ("aggregate", None) => {
            stream.aggregate_nullable(move |_, value: String, old: Text| aggregate(old.as_deref(), Some(&value)), store(node).unwrap())
        }
        (other, _) => panic!("no operator {other} on a grouped stream"),
    })
}

fn on_grouped_table(op: &str, table: KGroupedTable<String, String>, node: &Value) -> Handle {
    if op == "count" {
        return Handle::Counts(table.count(counts(node)));
    }
    let (add, subtract) = (aggregator(&node["adder"]), aggregator(&node["subtractor"]));
    Handle::Table(match op {
        "reduce" => table.reduce(
            move |old: String, value: String| add(Some(&old), Some(&value)),
            move |old: String, value: String| subtract(Some(&old), Some(&value)),
            store(node).unwrap(),
        ),
        "aggregate" => {
            let initial = field(node, "initial").to_owned();
            table.aggregate(
                move || initial.clone(),
                move |_, value: String, old: String| add(Some(&old), Some(&value)),
                move |_, value: String, old: String| subtract(Some(&old), Some(&value)),
                store(node).unwrap(),
            )
        }
        other => panic!("no operator {other} on a grouped table"),
    })
}
