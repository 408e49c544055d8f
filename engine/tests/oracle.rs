//! Our engine against what Kafka Streams 4.3.1 gave: see `oracle/README.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod oracle_replay;

use std::collections::BTreeMap;

use oracle_replay::compare::{Ending, Order, differences, promised_differences, settled_differences};
use oracle_replay::fixture::{Entry, Fixture, Values, folder, operators, read};
use oracle_replay::language::topology;
use oracle_replay::named_caches::{Faults, join_of_tables};
use oracle_replay::promised::{Promise, Promises};
use oracle_replay::replay::{How, replay};
use straum::dsl::{Consumed, Produced, StreamsBuilder};
use straum::serde::{I64, SerdeExt, Utf8};

/// Fails with the first differences of every fixture that has some.
fn hold(fixtures: &[Fixture], how: How, order: Order) {
    let mut lines = Vec::new();
    for fixture in fixtures {
        let outcome = replay(fixture, &topology(&fixture.topology), how);
        lines.extend(differences(fixture, &outcome, order));
    }
    assert_none(fixtures, &lines);
}

fn assert_none(fixtures: &[Fixture], lines: &[String]) {
    assert!(!fixtures.is_empty(), "no fixtures");
    let shown = lines.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
    assert!(lines.is_empty(), "{} differences in {} fixtures:\n{shown}", lines.len(), fixtures.len());
}

fn graphs() -> Vec<Fixture> {
    read(&folder().join("graphs.jsonl.gz"))
}

fn uncached() -> Vec<Fixture> {
    let mut fixtures = operators();
    fixtures.extend(graphs());
    fixtures
}

#[test]
fn every_operator_gives_what_kafka_streams_gives() {
    hold(&operators(), How::SIMPLE, Order::Exact);
}

#[test]
fn random_graphs_give_what_kafka_streams_gives() {
    hold(&graphs(), How::SIMPLE, Order::Exact);
}

#[test]
fn threads_and_partitions_change_nothing_for_a_key() {
    // Those that punctuate are below.
    let fixtures: Vec<_> = operators().into_iter().filter(|fixture| !fixture.punctuates).collect();
    hold(&fixtures, How { threads: 2, partitions: 3, ..How::SIMPLE }, Order::PerKey);
}

/// Random graphs, and what punctuates, have more ways than Kafka Streams makes promises: `promised.rs` tells which are held to what.
#[test]
fn threads_and_partitions_change_nothing_for_a_key_of_a_graph() {
    let fixtures: Vec<_> = graphs().into_iter().chain(operators().into_iter().filter(|fixture| fixture.punctuates)).collect();
    let (mut lines, mut held) = (Vec::new(), BTreeMap::new());
    for fixture in &fixtures {
        let topology = topology(&fixture.topology);
        let [got, same_partitions] = [2, 1].map(|threads| replay(fixture, &topology, How { threads, partitions: 3, ..How::SIMPLE }));
        let (differences, promises) = promised_differences(fixture, &got, &same_partitions);
        lines.extend(differences);
        for (promise, count) in promises {
            *held.entry(promise).or_insert(0) += count;
        }
    }
    assert_none(&fixtures, &lines);
    // Nothing may slip out of what is held to.
    let expected = [(Promise::Order, 2646), (Promise::Records, 40), (Promise::SamePartitions, 205), (Promise::Keys, 99), (Promise::Nothing, 64)];
    assert_eq!(held, BTreeMap::from(expected));
}

#[test]
fn a_crash_between_any_two_records_changes_nothing() {
    let mut fixtures: Vec<_> = uncached().into_iter().filter(|fixture| !fixture.punctuates).step_by(5).collect();
    for fixture in &mut fixtures {
        shorten(fixture, 60);
    }
    hold(&fixtures, How { crashes: true, ..How::SIMPLE }, Order::Exact);
}

/// Keeps the first steps and what they caused; the stores at the end are no longer known.
fn shorten(fixture: &mut Fixture, steps: usize) {
    fixture.steps.truncate(steps);
    for rows in fixture.outcome.topics.values_mut() {
        rows.retain(|row| usize::try_from(row.step).unwrap() < steps);
    }
    fixture.outcome.stores.clear();
}

const AT_THE_END: How = How { commits: false, ..How::SIMPLE };

#[test]
fn caches_that_hold_everything_give_what_kafka_streams_gives() {
    let fixtures: Vec<_> = read(&folder().join("cached.jsonl.gz")).into_iter().filter(|fixture| !fixture.name.contains("-small")).collect();
    hold(&fixtures, AT_THE_END, Order::Exact);
}

/// Fixtures with a cache of a few entries. Joins of two tables are those in which a store is looked up while it is flushed.
fn small_caches(joins_of_tables: bool) -> Vec<Fixture> {
    let joins = |fixture: &Fixture| fixture.name.starts_with("cached/table-table-");
    let fixtures = read(&folder().join("cached.jsonl.gz")).into_iter();
    fixtures.filter(|fixture| fixture.name.contains("-small") && joins(fixture) == joins_of_tables).collect()
}

#[test]
fn caches_that_evict_give_what_kafka_streams_gives() {
    let fixtures = small_caches(false);
    assert_eq!(fixtures.len(), 18);
    hold(&fixtures, AT_THE_END, Order::Exact);
}

/// Two faults of Kafka Streams are not ours (`named_caches.rs`): a model of its caches with them gives what it gave, without them
/// what we give. Stores and the last of each key are the same either way.
#[test]
fn caches_that_evict_before_a_join_of_tables_differ_by_two_faults_alone() {
    let fixtures = small_caches(true);
    assert_eq!(fixtures.len(), 6);
    let mut lines = Vec::new();
    for fixture in &fixtures {
        let outcome = replay(fixture, &topology(&fixture.topology), AT_THE_END);
        lines.extend(settled_differences(fixture, &outcome, Ending::Rows));
        let output = fixture.kinds.iter().find(|(_, kind)| *kind == "output").unwrap().0;
        for (faults, rows) in [(Faults::Kept, &fixture.outcome.topics[output]), (Faults::Repaired, &outcome.topics[output])] {
            let modelled = join_of_tables(fixture, faults);
            let equal = modelled.iter().zip(rows).take_while(|(modelled, row)| modelled == row).count();
            if modelled != *rows {
                lines.push(format!(
                    "{}, faults {faults:?}: record {equal}: model {:?}, got {:?}",
                    fixture.name,
                    modelled.get(equal),
                    rows.get(equal)
                ));
            }
        }
    }
    assert_none(&fixtures, &lines);
}

/// With several tasks each cache evicts, and flushes at the commit, in an order of its own: the end is promised, not the way.
#[test]
fn threads_and_partitions_change_nothing_at_the_end_with_caches() {
    let fixtures = read(&folder().join("cached.jsonl.gz"));
    let (mut lines, mut held) = (Vec::new(), BTreeMap::new());
    for fixture in &fixtures {
        let outcome = replay(fixture, &topology(&fixture.topology), How { threads: 2, partitions: 3, ..AT_THE_END });
        let ending = ending(fixture);
        lines.extend(settled_differences(fixture, &outcome, ending));
        *held.entry(ending).or_insert(0) += 1;
    }
    assert_none(&fixtures, &lines);
    assert_eq!(held, BTreeMap::from([(Ending::Rows, 40), (Ending::Values, 4), (Ending::Keys, 3)]));
}

/// What is promised of the end on several partitions. When a table is grouped by another key, the changes that several tasks
/// flush meet in one aggregate: a text that is put together from them depends on their order. A change that a cache of a few
/// entries holds back, to be replaced, gives the aggregate no time.
fn ending(fixture: &Fixture) -> Ending {
    // A grouping of a stream selects no value.
    let regrouped = fixture.topology.iter().any(|node| node["op"] == "group_by" && !node["value"].is_null());
    let put_together = fixture.topology.iter().any(|node| node["adder"]["fn"] == "concat");
    match (regrouped, put_together, fixture.name.contains("-small")) {
        (true, true, _) => Ending::Keys,
        (true, false, true) => Ending::Values,
        _ => Ending::Rows,
    }
}

#[test]
fn topologies_are_printed_as_kafka_streams_prints_them() {
    let mut fixtures = uncached();
    fixtures.extend(read(&folder().join("describe.jsonl.gz")));
    fixtures.extend(read(&folder().join("cached.jsonl.gz")));
    let mut lines = Vec::new();
    for fixture in &fixtures {
        // A closure has no name to print.
        let expected = fixture.describe.replace("(extractor class: by_hash)", "(extractor class: closure)");
        let printed = topology(&fixture.topology).describe();
        if printed != expected {
            let at = expected.lines().zip(printed.lines()).take_while(|(expected, printed)| expected == printed).count();
            lines.push(format!("{}: line {at}\n  expected {:?}\n  got      {:?}", fixture.name, expected.lines().nth(at), printed.lines().nth(at)));
        }
    }
    assert_none(&fixtures, &lines);
}

/// Each fault must be found, else the tests above say nothing.
#[test]
fn seeded_faults_are_found() {
    let fixture = |name: &str| operators().into_iter().find(|fixture| fixture.name == name).unwrap_or_else(|| panic!("no fixture {name}"));
    let filter = fixture("filter/value");
    let right = replay(&filter, &topology(&filter.topology), How::SIMPLE);
    assert_eq!(differences(&filter, &right, Order::Exact), Vec::<String>::new());

    // Another parameter in the topology.
    let mut other = filter.topology.clone();
    let node = other.iter_mut().find(|node| node["op"] == "filter").unwrap();
    node["predicate"]["is"] = (1 - node["predicate"]["is"].as_u64().unwrap()).into();
    assert!(!differences(&filter, &replay(&filter, &topology(&other), How::SIMPLE), Order::Exact).is_empty(), "another predicate");

    // The right records, one of them changed in each of its parts.
    let topic = filter.values.iter().find(|(_, values)| **values == Values::Text).map(|(topic, _)| topic.clone()).unwrap();
    let faults: [(&str, fn(&mut Vec<oracle_replay::fixture::Row>)); 6] = [
        ("two records swapped", |rows| rows.swap(3, 4)),
        ("a record lost", |rows| drop(rows.pop())),
        ("another value", |rows| rows[5].value = Some("fault".to_owned())),
        ("another time", |rows| rows[5].timestamp += 1),
        ("another header", |rows| rows[5].headers.push(("fault".to_owned(), None))),
        ("a later step", |rows| rows[5].step += 1),
    ];
    for (fault, seed) in faults {
        let mut wrong = right.clone();
        seed(wrong.topics.get_mut(&topic).unwrap());
        assert!(!differences(&filter, &wrong, Order::Exact).is_empty(), "{fault}");
    }

    // A record in a topic that got none in Kafka Streams, and a dead letter.
    let graphs = graphs();
    let empty = |graph: &Fixture| {
        let sinks = graph.topology.iter().filter(|node| node["op"] == "to").filter_map(|node| node["topic"].as_str());
        sinks.map(str::to_owned).find(|topic| !graph.outcome.topics.contains_key(topic))
    };
    let (graph, empty) = graphs.iter().find_map(|graph| Some((graph, empty(graph)?))).unwrap();
    let right = replay(graph, &topology(&graph.topology), How::SIMPLE);
    assert_eq!(differences(graph, &right, Order::Exact), Vec::<String>::new());
    let mut other = graph.topology.clone();
    let source = other.iter().find(|node| node["op"] == "stream").unwrap()["id"].clone();
    other.iter_mut().find(|node| node["op"] == "to" && node["topic"] == *empty).unwrap()["from"] = source;
    let found = differences(graph, &replay(graph, &topology(&other), How::SIMPLE), Order::Exact);
    assert!(found.iter().any(|line| line.contains(&format!("topic {empty},"))), "a record where none should be: {found:?}");
    let found = differences(&filter, &replay(&filter, &unreadable(&filter), How::SIMPLE), Order::Exact);
    assert!(found.iter().any(|line| line.contains(&format!("topic {},", filter.dead_letters()))), "a dead letter: {found:?}");

    // A cache that evicts at another point, and one before a join that forgets the last update.
    let evicting = small_caches(false).into_iter().find(|fixture| fixture.name == "cached/count-small").unwrap();
    let larger = Fixture { cache_bytes: evicting.cache_bytes + 100, ..evicting.clone() };
    let cached = replay(&larger, &topology(&evicting.topology), AT_THE_END);
    assert!(!differences(&evicting, &cached, Order::Exact).is_empty(), "another size");
    let joining = small_caches(true).remove(0);
    let mut cached = replay(&joining, &topology(&joining.topology), AT_THE_END);
    let output = joining.kinds.iter().find(|(_, kind)| *kind == "output").unwrap().0;
    cached.topics.get_mut(output).unwrap().pop();
    assert!(!settled_differences(&joining, &cached, Ending::Rows).is_empty(), "the last update forgotten");
    let right = replay(&joining, &topology(&joining.topology), AT_THE_END);
    let faults: [(Ending, fn(&mut Entry)); 3] =
        [(Ending::Rows, |row| row.timestamp = Some(1)), (Ending::Values, |row| row.value.push('x')), (Ending::Keys, |row| row.key.push('x'))];
    for (ending, seed) in faults {
        assert_eq!(settled_differences(&joining, &right, ending), Vec::<String>::new());
        let mut wrong = right.clone();
        seed(&mut wrong.stores.values_mut().next().unwrap()[0]);
        assert!(!settled_differences(&joining, &wrong, ending).is_empty(), "another row where {ending:?} are held to");
    }

    // A store that holds something else, and a changelog that ends elsewhere.
    let count = fixture("count/by-key");
    let right = replay(&count, &topology(&count.topology), How::SIMPLE);
    assert_eq!(differences(&count, &right, Order::PerKey), Vec::<String>::new());
    let mut wrong = right.clone();
    wrong.stores.values_mut().next().unwrap()[0].timestamp = Some(0);
    assert!(!differences(&count, &wrong, Order::PerKey).is_empty(), "another time in a store");
    let mut wrong = right;
    let changelog = wrong.topics.iter_mut().find(|(topic, _)| topic.ends_with("-changelog")).unwrap().1;
    changelog.last_mut().unwrap().value = Some("0".to_owned());
    assert!(!differences(&count, &wrong, Order::PerKey).is_empty(), "another value in a changelog");

    // On several partitions: what is promised in whichever way.
    for promise in [Promise::Order, Promise::Records, Promise::SamePartitions, Promise::Keys] {
        let (graph, topic) = promised_topic(&graphs, promise);
        let topology = topology(&graph.topology);
        let right = replay(graph, &topology, How { partitions: 3, ..How::SIMPLE });
        assert_eq!(promised_differences(graph, &right, &right).0, Vec::<String>::new());
        let mut wrong = right.clone();
        let row = &mut wrong.topics.get_mut(&topic).unwrap()[0];
        if promise == Promise::Keys {
            row.key = Some("fault".to_owned());
        } else {
            row.value = Some("fault".to_owned());
        }
        assert!(!promised_differences(graph, &wrong, &right).0.is_empty(), "another record where {promise:?} is promised");
    }
}

/// The inputs of a fixture read as numbers, which they are not.
fn unreadable(fixture: &Fixture) -> straum::Topology {
    let builder = StreamsBuilder::new();
    let input = fixture.topology.iter().find(|node| node["op"] == "stream").unwrap()["topic"].as_str().unwrap();
    for sink in fixture.sinks() {
        builder.stream(input, Consumed::with(Utf8.nullable(), I64.nullable())).to(sink.as_str(), Produced::with(Utf8.nullable(), I64.nullable()));
    }
    builder.build().unwrap()
}

/// An output of a graph that is held to this promise.
fn promised_topic(graphs: &[Fixture], promise: Promise) -> (&Fixture, String) {
    let held = graphs.iter().filter(|graph| !graph.punctuates).find_map(|graph| {
        let promises = Promises::of(graph);
        let mut outputs = graph.kinds.iter().filter(|(_, kind)| *kind == "output").map(|(topic, _)| topic);
        outputs.find(|topic| promises.topic(topic) == promise && !graph.outcome.topics[*topic].is_empty()).map(|topic| (graph, topic.clone()))
    });
    held.unwrap_or_else(|| panic!("no output with {promise:?}"))
}
