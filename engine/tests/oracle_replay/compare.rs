//! Compares outcomes and says where they differ.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use super::fixture::{Entry, Fixture, Outcome, Row, Text};
use super::promised::{Promise, Promises};
use super::replay::by_key;

/// What is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Every topic's records in their order.
    Exact,
    /// Every key's records in their order: several partitions have no other.
    PerKey,
    /// Every key's records, in any order those of one step.
    PerStep,
}

/// The differences from the fixture, one a line; none when all is equal.
pub(crate) fn differences(fixture: &Fixture, got: &Outcome, order: Order) -> Vec<String> {
    let mut lines = Vec::new();
    for topic in topics(fixture, got) {
        compare_topic(fixture, topic, &fixture.outcome, got, order, &mut lines);
    }
    for store in fixture.outcome.stores.keys() {
        compare_store(fixture, store, &fixture.outcome, got, &mut lines);
    }
    lines
}

/// The topics that anything has received, in Kafka Streams or here, and those that could have.
fn topics<'a>(fixture: &'a Fixture, got: &'a Outcome) -> BTreeSet<&'a String> {
    fixture.outcome.topics.keys().chain(got.topics.keys()).collect()
}

/// The differences, on several partitions and threads, from what is promised; and how many topics and stores are held to each
/// promise. `same_partitions` is what one thread gives on as many partitions.
pub(crate) fn promised_differences(fixture: &Fixture, got: &Outcome, same_partitions: &Outcome) -> (Vec<String>, BTreeMap<Promise, usize>) {
    let promises = Promises::of(fixture);
    let (mut lines, mut held) = (Vec::new(), BTreeMap::new());
    // Every task reports what is in its own store, under one key.
    let order = if fixture.punctuates { Order::PerStep } else { Order::PerKey };
    let mut count = |promise| *held.entry(promise).or_default() += 1;
    for topic in topics(fixture, got) {
        let promise = promises.topic(topic);
        count(promise);
        match promise {
            Promise::Order => compare_topic(fixture, topic, &fixture.outcome, got, Order::PerKey, &mut lines),
            Promise::Records => compare_topic(fixture, topic, &fixture.outcome, got, Order::PerStep, &mut lines),
            Promise::SamePartitions => compare_topic(fixture, topic, same_partitions, got, order, &mut lines),
            Promise::Keys => compare_keys(fixture, topic, got, &mut lines),
            Promise::Nothing => {}
        }
    }
    for store in fixture.outcome.stores.keys() {
        let promise = promises.store(store);
        count(promise);
        match promise {
            Promise::Order | Promise::Records => compare_store(fixture, store, &fixture.outcome, got, &mut lines),
            Promise::SamePartitions => compare_store(fixture, store, same_partitions, got, &mut lines),
            Promise::Keys => {
                let keys = |outcome: &Outcome| -> BTreeSet<String> { outcome.stores[store].iter().map(|entry| entry.key.clone()).collect() };
                compare(
                    &format!("{}: keys of store {store}", fixture.name),
                    &Vec::from_iter(keys(&fixture.outcome)),
                    &Vec::from_iter(keys(got)),
                    &mut lines,
                );
            }
            Promise::Nothing => {}
        }
    }
    (lines, held)
}

fn compare_topic(fixture: &Fixture, topic: &str, expected: &Outcome, got: &Outcome, order: Order, lines: &mut Vec<String>) {
    let place = format!("{}: topic {topic}", fixture.name);
    let rows = |outcome: &Outcome| outcome.topics.get(topic).cloned().unwrap_or_default();
    let (mut expected, mut got) = (rows(expected), rows(got));
    if topic.ends_with("-changelog") {
        return compare(&place, &settled(&expected), &settled(&got), lines);
    }
    match order {
        Order::Exact => return compare(&place, &expected, &got, lines),
        Order::PerKey => {}
        Order::PerStep => {
            // A row begins with its step.
            expected.sort();
            got.sort();
        }
    }
    let (expected, got) = (by_key(&expected), by_key(&got));
    for key in expected.keys().chain(got.keys()).collect::<BTreeSet<_>>() {
        let of = |rows: &BTreeMap<Text, Vec<Row>>| rows.get(key).cloned().unwrap_or_default();
        compare(&format!("{place}, key {key:?}"), &of(&expected), &of(&got), lines);
    }
}

fn compare_keys(fixture: &Fixture, topic: &str, got: &Outcome, lines: &mut Vec<String>) {
    let keys = |outcome: &Outcome| -> BTreeSet<Text> { outcome.topics.get(topic).into_iter().flatten().map(|row| row.key.clone()).collect() };
    compare(&format!("{}: keys of topic {topic}", fixture.name), &Vec::from_iter(keys(&fixture.outcome)), &Vec::from_iter(keys(got)), lines);
}

fn compare_store(fixture: &Fixture, store: &str, expected: &Outcome, got: &Outcome, lines: &mut Vec<String>) {
    let entries = |outcome: &Outcome| outcome.stores.get(store).cloned().unwrap_or_default();
    compare(&format!("{}: store {store}", fixture.name), &entries(expected), &entries(got), lines);
}

/// The first place where two lists differ, with the records around it.
fn compare<T: Debug + PartialEq>(place: &str, expected: &[T], got: &[T], lines: &mut Vec<String>) {
    let equal = expected.iter().zip(got).take_while(|(expected, got)| expected == got).count();
    if equal == expected.len() && equal == got.len() {
        return;
    }
    let show = |list: &[T]| list.get(equal).map_or_else(|| "nothing more".to_owned(), |item| format!("{item:?}"));
    lines.push(format!("{place}, record {equal} of {} (got {})\n  expected {}\n  got      {}", expected.len(), got.len(), show(expected), show(got)));
}

/// A changelog as a restore sees it after every step: of several records of a key in one step the last, without those that
/// delete nothing.
///
/// Ours are written at the commit, one a key; Kafka Streams writes each change.
fn settled(rows: &[Row]) -> Vec<Row> {
    let mut steps: BTreeMap<i64, BTreeMap<Text, Row>> = BTreeMap::new();
    for row in rows {
        steps.entry(row.step).or_default().insert(row.key.clone(), row.clone());
    }
    let mut live = BTreeSet::new();
    let mut kept = Vec::new();
    for row in steps.into_values().flat_map(BTreeMap::into_values) {
        let stays = if row.value.is_some() {
            live.insert(row.key.clone());
            true
        } else {
            live.remove(&row.key)
        };
        if stays {
            kept.push(row);
        }
    }
    kept
}

/// What of the end is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ending {
    /// The rows of the stores, and the last value of each key of a topic.
    Rows,
    /// As `Rows`, without the rows' times.
    Values,
    /// The keys.
    Keys,
}

/// The differences in what is there at the end: in the stores, and of each key of an output or a changelog.
pub(crate) fn settled_differences(fixture: &Fixture, got: &Outcome, ending: Ending) -> Vec<String> {
    let mut lines = Vec::new();
    for topic in topics(fixture, got).into_iter().filter(|topic| !topic.ends_with("-repartition")) {
        let last = |outcome: &Outcome| -> BTreeMap<Text, Text> {
            let rows = by_key(outcome.topics.get(topic).map_or(&[], Vec::as_slice));
            let mut last: BTreeMap<Text, Text> =
                rows.into_iter().map(|(key, rows)| (key, rows.into_iter().next_back().and_then(|row| row.value))).collect();
            if topic.ends_with("-changelog") {
                // A key that was never there and one that was deleted are the same.
                last.retain(|_, value| value.is_some());
            }
            if ending == Ending::Keys {
                last.values_mut().for_each(|value| *value = None);
            }
            last
        };
        let (expected, got) = (last(&fixture.outcome), last(got));
        compare(&format!("{}: topic {topic}, last of each key", fixture.name), &Vec::from_iter(expected), &Vec::from_iter(got), &mut lines);
    }
    for store in fixture.outcome.stores.keys() {
        let held = |outcome: &Outcome| -> Vec<Entry> {
            let entries = outcome.stores[store].iter().cloned();
            let held = entries.map(|entry| match ending {
                Ending::Rows => entry,
                Ending::Values => Entry { timestamp: None, ..entry },
                Ending::Keys => Entry { timestamp: None, value: String::new(), ..entry },
            });
            held.collect()
        };
        compare(&format!("{}: store {store}", fixture.name), &held(&fixture.outcome), &held(got), &mut lines);
    }
    lines
}
