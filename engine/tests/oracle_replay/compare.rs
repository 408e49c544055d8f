//! Compares outcomes and says where they differ.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use super::fixture::{Fixture, Outcome, Row, Text};
use super::replay::by_key;

/// What is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Every topic's records in their order.
    Exact,
    /// Every key's records in their order: several partitions have no other.
    PerKey,
}

/// The differences from the fixture, one a line; none when all is equal.
pub fn differences(fixture: &Fixture, got: &Outcome, order: Order) -> Vec<String> {
    let mut lines = Vec::new();
    let name = &fixture.name;
    for (topic, expected) in &fixture.outcome.topics {
        let rows = got.topics.get(topic).map(Vec::as_slice).unwrap_or_default();
        let place = format!("{name}: topic {topic}");
        if fixture.kinds[topic] == "changelog" {
            compare(&place, &settled(expected), &settled(rows), &mut lines);
        } else if order == Order::Exact {
            compare(&place, expected, rows, &mut lines);
        } else {
            let (expected, got) = (by_key(expected), by_key(rows));
            for key in expected.keys().chain(got.keys()).collect::<BTreeSet<_>>() {
                let of = |rows: &BTreeMap<Text, Vec<Row>>| rows.get(key).cloned().unwrap_or_default();
                compare(&format!("{place}, key {key:?}"), &of(&expected), &of(&got), &mut lines);
            }
        }
    }
    for (store, expected) in &fixture.outcome.stores {
        let entries = got.stores.get(store).map(Vec::as_slice).unwrap_or_default();
        compare(&format!("{name}: store {store}"), expected, entries, &mut lines);
    }
    lines
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

/// The differences of an application whose caches evict: stores and the last record of each key are the fixture's, and what
/// was sent before are records that are sent without caches, in their order. (Not of joins: a flush joins one side's update
/// with the other's of another time.)
pub fn evicting_differences(fixture: &Fixture, got: &Outcome, uncached: &Outcome) -> Vec<String> {
    let mut lines = Vec::new();
    let name = &fixture.name;
    let joins = fixture.topology.iter().any(|node| node["op"].as_str().is_some_and(|op| op.ends_with("join")));
    for (topic, expected) in fixture.outcome.topics.iter().filter(|(topic, _)| fixture.kinds[*topic] == "output") {
        let rows = |outcome: &Outcome| by_key(outcome.topics.get(topic).map(Vec::as_slice).unwrap_or_default());
        let (got, every, expected) = (rows(got), rows(uncached), by_key(expected));
        for key in expected.keys().chain(got.keys()).collect::<BTreeSet<_>>() {
            let of = |rows: &BTreeMap<Text, Vec<Row>>| rows.get(key).cloned().unwrap_or_default();
            let place = format!("{name}: topic {topic}, key {key:?}");
            let last = |rows: Vec<Row>| rows.into_iter().next_back().map(|row| row.value);
            compare(&format!("{place}, last"), &[last(of(&expected))], &[last(of(&got))], &mut lines);
            if joins {
                continue;
            }
            let mut all = of(&every).into_iter();
            for row in of(&got) {
                if !all.any(|update| update.value == row.value) {
                    lines.push(format!("{place}: {row:?} is not among the later updates without caches"));
                    break;
                }
            }
        }
    }
    for (store, expected) in &fixture.outcome.stores {
        let entries = got.stores.get(store).map(Vec::as_slice).unwrap_or_default();
        compare(&format!("{name}: store {store}"), expected, entries, &mut lines);
    }
    lines
}
