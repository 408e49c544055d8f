//! Replays the steps of a fixture and collects what comes out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use straum::Topology;
use straum::log::Log;
use straum::processor::Headers;
use straum::serde::{RawBytes, SerdeExt, Utf8};
use straum::testing::{TestOutput, TestRecord, TopologyTestDriver};

use super::fixture::{Entry, Fixture, Outcome, Row, Step, Text, Values};
use super::functions::extracted_topics;

/// How a fixture is replayed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct How {
    pub(crate) threads: usize,
    pub(crate) partitions: u32,
    /// Everything in memory is gone after every record, and its work, not committed yet, is done again.
    pub(crate) crashes: bool,
    /// Each step is worked off and committed before the next; otherwise there is one commit at the end.
    pub(crate) commits: bool,
}

impl How {
    /// As TopologyTestDriver does it.
    pub(crate) const SIMPLE: Self = Self { threads: 1, partitions: 1, crashes: false, commits: true };
}

type Outputs = BTreeMap<String, TestOutput<Option<Bytes>, Option<Bytes>>>;

/// What our engine makes of a fixture's steps.
pub(crate) fn replay(fixture: &Fixture, topology: &Topology, how: How) -> Outcome {
    let application_id = fixture.application_id.clone();
    let dead_letters = fixture.dead_letters();
    let mut builder = TopologyTestDriver::builder(topology).threads(how.threads).partitions(how.partitions).configure(|config| {
        config.dead_letter_topic = Some(dead_letters.into());
        config.application_id = application_id.into();
        config.statestore_cache_max_bytes = fixture.cache_bytes;
    });
    for node in &fixture.topology {
        for topic in extracted_topics(&node["extractor"]) {
            builder = builder.topic(topic, how.partitions);
        }
    }
    let mut driver = builder.start().unwrap();
    let mut outcome = Outcome::default();
    let raw = || RawBytes.nullable();
    let written = written_topics(fixture, &driver);
    let mut outputs: Outputs = written.iter().map(|topic| (topic.clone(), driver.output(topic, raw(), raw()).committed())).collect();
    for (index, step) in (0..).zip(&fixture.steps) {
        take(&mut driver, step);
        if how.crashes {
            driver.crash().unwrap();
        }
        if how.commits {
            settle(&mut driver);
            collect(&driver, fixture, &mut outputs, index, &mut outcome);
        }
    }
    if !how.commits {
        settle(&mut driver);
        collect(&driver, fixture, &mut outputs, -1, &mut outcome);
    }
    assert_eq!(written_topics(fixture, &driver), written, "{}: a topic appeared", fixture.name);
    let failing: Vec<String> = driver.failing().map(|(task, error)| format!("{task}: {error}")).collect();
    assert!(failing.is_empty(), "{}: {failing:?}", fixture.name);
    for (name, expected) in &fixture.outcome.stores {
        let plain = expected.first().is_some_and(|entry| entry.timestamp.is_none());
        outcome.stores.insert(name.clone(), rows(&mut driver, name, plain));
    }
    outcome
}

/// All topics but the inputs: what Kafka Streams wrote nothing to must stay empty here too, and there are no dead letters.
fn written_topics(fixture: &Fixture, driver: &TopologyTestDriver) -> BTreeSet<String> {
    let inputs: BTreeSet<&str> = fixture.topology.iter().filter(|node| node["from"].is_null()).filter_map(|node| node["topic"].as_str()).collect();
    let topics: BTreeSet<String> = driver.log().topics().unwrap().into_iter().collect();
    let written: BTreeSet<String> = topics.into_iter().filter(|topic| !inputs.contains(topic.as_str())).collect();
    for topic in fixture.sinks().into_iter().chain(fixture.outcome.topics.keys().cloned()).chain([fixture.dead_letters()]) {
        assert!(written.contains(&topic), "{}: topic {topic} would not be read", fixture.name);
    }
    written
}

/// Commits until nothing moves.
fn settle(driver: &mut TopologyTestDriver) {
    driver.settle().unwrap();
}

fn take(driver: &mut TopologyTestDriver, step: &Step) {
    match step {
        Step::Advance(milliseconds) => driver.advance_wall_clock(Duration::from_millis(*milliseconds)).unwrap(),
        Step::Send { topic, key, value, timestamp, headers } => {
            let input = driver.input(topic, Utf8.nullable(), Utf8.nullable());
            let headers: Headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_ref().map(String::as_bytes))).collect();
            let record = TestRecord { headers, ..TestRecord::new(key.clone(), value.clone(), *timestamp) };
            input.pipe(driver, &record).unwrap();
        }
    }
}

fn collect(driver: &TopologyTestDriver, fixture: &Fixture, outputs: &mut Outputs, step: i64, outcome: &mut Outcome) {
    for (topic, output) in outputs {
        let rows = outcome.topics.entry(topic.clone()).or_default();
        for record in output.read(driver).unwrap() {
            rows.push(Row {
                step,
                key: record.key.as_deref().map(utf8),
                value: record.value.map(|value| shown(&value, fixture.values.get(topic).copied().unwrap_or(Values::Hex))),
                timestamp: record.timestamp,
                headers: record.headers.iter().map(|(name, value)| (name.to_owned(), value.map(utf8))).collect(),
            });
        }
    }
}

/// What is no text, as no fixture has it, still shows in the difference.
fn utf8(bytes: &[u8]) -> String {
    str::from_utf8(bytes).map_or_else(|_| format!("{bytes:02x?}"), str::to_owned)
}

/// A value as the fixture writes it.
fn shown(value: &[u8], values: Values) -> String {
    match values {
        Values::Text => utf8(value),
        Values::Number => i64::from_be_bytes(value.try_into().unwrap()).to_string(),
        Values::Hex => value.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

fn rows(driver: &mut TopologyTestDriver, name: &str, plain: bool) -> Vec<Entry> {
    let rows: Vec<(String, String, i64)> = match driver.store::<String, String>(name) {
        Ok(store) => store.all().unwrap(),
        Err(_) => {
            driver.store::<String, i64>(name).unwrap().all().unwrap().into_iter().map(|(key, count, time)| (key, count.to_string(), time)).collect()
        }
    };
    let mut rows: Vec<Entry> = rows.into_iter().map(|(key, value, time)| Entry { key, value, timestamp: (!plain).then_some(time) }).collect();
    // Each task's rows are in order; all tasks' together are put in order here.
    rows.sort();
    rows
}

/// The records a key received, by key. Those of the null key are on any partition: within a step they have no order.
pub(crate) fn by_key(rows: &[Row]) -> BTreeMap<Text, Vec<Row>> {
    let mut keys: BTreeMap<Text, Vec<Row>> = BTreeMap::new();
    for row in rows {
        keys.entry(row.key.clone()).or_default().push(row.clone());
    }
    if let Some(rows) = keys.get_mut(&None) {
        rows.sort();
    }
    keys
}
