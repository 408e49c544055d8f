//! Our engine against what Kafka Streams 4.3.1 gave: see `oracle/README.md`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod oracle_replay;

use std::collections::BTreeMap;

use oracle_replay::compare::{Order, differences, promised_differences, settled_differences};
use oracle_replay::fixture::{Fixture, Values, folder, operators, read};
use oracle_replay::language::topology;
use oracle_replay::named_caches::{Faults, join_of_tables};
use oracle_replay::promised::{Promise, Promises};
use oracle_replay::replay::{How, replay};

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
    let fixtures: Vec<_> = operators().into_iter().filter(|fixture| !fixture.punctuates).collect();
    hold(&fixtures, How { threads: 2, partitions: 3, ..How::SIMPLE }, Order::PerKey);
}

/// Random graphs have more ways than Kafka Streams makes promises: `promised.rs` tells which are held to what.
#[test]
fn threads_and_partitions_change_nothing_for_a_key_of_a_graph() {
    let fixtures: Vec<_> = graphs().into_iter().filter(|fixture| !fixture.punctuates).collect();
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
    let expected = [(Promise::Order, 2209), (Promise::Records, 35), (Promise::SamePartitions, 87), (Promise::Nothing, 95)];
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
        lines.extend(settled_differences(fixture, &outcome));
        let output = fixture.kinds.iter().find(|(_, kind)| *kind == "output").unwrap().0;
        for (faults, rows) in [(Faults::Kept, &fixture.outcome.topics[output]), (Faults::Repaired, &outcome.topics[output])] {
            let modelled = join_of_tables(fixture, faults);
            let equal = modelled.iter().zip(rows).take_while(|(modelled, row)| modelled == row).count();
            if modelled != *rows {
                lines.push(format!("{}, faults {faults:?}: record {equal}: model {:?}, got {:?}", fixture.name, modelled.get(equal), rows.get(equal)));
            }
        }
    }
    assert_none(&fixtures, &lines);
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

    // A cache that evicts at another point, and one before a join that forgets the last update.
    let evicting = small_caches(false).into_iter().find(|fixture| fixture.name == "cached/count-small").unwrap();
    let larger = Fixture { cache_bytes: evicting.cache_bytes + 100, ..evicting.clone() };
    let cached = replay(&larger, &topology(&evicting.topology), AT_THE_END);
    assert!(!differences(&evicting, &cached, Order::Exact).is_empty(), "another size");
    let joining = small_caches(true).remove(0);
    let mut cached = replay(&joining, &topology(&joining.topology), AT_THE_END);
    let output = joining.kinds.iter().find(|(_, kind)| *kind == "output").unwrap().0;
    cached.topics.get_mut(output).unwrap().pop();
    assert!(!settled_differences(&joining, &cached).is_empty(), "the last update forgotten");

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

    // On several partitions: a value that is promised in whichever way.
    let graphs = graphs();
    for promise in [Promise::Order, Promise::Records, Promise::SamePartitions] {
        let (graph, topic) = promised_topic(&graphs, promise);
        let topology = topology(&graph.topology);
        let right = replay(graph, &topology, How { partitions: 3, ..How::SIMPLE });
        assert_eq!(promised_differences(graph, &right, &right).0, Vec::<String>::new());
        let mut wrong = right.clone();
        wrong.topics.get_mut(&topic).unwrap()[0].value = Some("fault".to_owned());
        assert!(!promised_differences(graph, &wrong, &right).0.is_empty(), "another value where {promise:?} is promised");
    }
}

/// An output of a graph that is held to this promise.
fn promised_topic(graphs: &[Fixture], promise: Promise) -> (&Fixture, String) {
    let held = graphs.iter().filter(|graph| !graph.punctuates).find_map(|graph| {
        let promises = Promises::of(graph);
        let mut outputs = graph.kinds.iter().filter(|(_, kind)| *kind == "output").map(|(topic, _)| topic);
        outputs.find(|topic| promises.topic(topic) == promise).map(|topic| (graph, topic.clone()))
    });
    held.unwrap_or_else(|| panic!("no output with {promise:?}"))
}
