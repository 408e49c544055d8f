//! Reads fixtures: what Kafka Streams was given and what it gave.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use serde_json::Value;

use super::functions::extracted_topics;

pub(crate) type Text = Option<String>;
pub(crate) type HeaderTexts = Vec<(String, Text)>;

/// One topology with its inputs and outcome.
#[derive(Clone)]
pub(crate) struct Fixture {
    pub(crate) name: String,
    pub(crate) topology: Vec<Value>,
    pub(crate) describe: String,
    pub(crate) application_id: String,
    pub(crate) cache_bytes: usize,
    pub(crate) punctuates: bool,
    pub(crate) steps: Vec<Step>,
    pub(crate) values: BTreeMap<String, Values>,
    pub(crate) kinds: BTreeMap<String, String>,
    pub(crate) outcome: Outcome,
}

impl Fixture {
    /// Every topic that a `to` of the description may write to; the outcome has only those that were written to.
    pub(crate) fn sinks(&self) -> Vec<String> {
        let sinks = self.topology.iter().filter(|node| node["op"] == "to");
        sinks.flat_map(|node| extracted_topics(&node["extractor"]).into_iter().chain(text(&node["topic"]))).collect()
    }

    /// The topic of records that cannot be processed; every fixture's can be.
    pub(crate) fn dead_letters(&self) -> String {
        format!("{}-dead-letter-queue", self.application_id)
    }
}

#[derive(Clone)]
pub(crate) enum Step {
    Send { topic: String, key: Text, value: Text, timestamp: i64, headers: HeaderTexts },
    Advance(u64),
}

/// How the values of a topic are written in the fixture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Values {
    Text,
    Number,
    Hex,
}

/// What a run gave.
#[derive(Clone, Default)]
pub(crate) struct Outcome {
    pub(crate) topics: BTreeMap<String, Vec<Row>>,
    pub(crate) stores: BTreeMap<String, Vec<Entry>>,
}

/// A record of a topic, and the step that caused it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) step: i64,
    pub(crate) key: Text,
    pub(crate) value: Text,
    pub(crate) timestamp: i64,
    pub(crate) headers: HeaderTexts,
}

/// A row of a store; without a timestamp when the store is plain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) timestamp: Option<i64>,
}

/// All fixtures of a file below `tests/fixtures`.
pub(crate) fn read(file: &Path) -> Vec<Fixture> {
    let lines = BufReader::new(GzDecoder::new(File::open(file).unwrap())).lines();
    lines.map(|line| parse(&serde_json::from_str(&line.unwrap()).unwrap())).collect()
}

/// The folder of the fixtures.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The fixtures of every operator, file by file.
pub(crate) fn operators() -> Vec<Fixture> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder().join("operators")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().flat_map(|file| read(file)).collect()
}

fn parse(json: &Value) -> Fixture {
    let object = |name: &str| json[name].as_object().into_iter().flatten();
    Fixture {
        name: string(&json["name"]),
        topology: json["topology"].as_array().unwrap().clone(),
        describe: string(&json["describe"]),
        application_id: text(&json["application_id"]).unwrap_or_else(|| "oracle".to_owned()),
        cache_bytes: json["cache_bytes"].as_u64().unwrap_or(0).try_into().unwrap(),
        punctuates: json["punctuates"].as_bool().unwrap_or(false),
        steps: json["steps"].as_array().into_iter().flatten().map(step).collect(),
        values: object("topics").map(|(name, topic)| (name.clone(), values(&topic["values"]))).collect(),
        kinds: object("topics").map(|(name, topic)| (name.clone(), string(&topic["kind"]))).collect(),
        outcome: Outcome {
            topics: object("topics").map(|(name, topic)| (name.clone(), topic["records"].as_array().unwrap().iter().map(row).collect())).collect(),
            stores: object("stores").map(|(name, store)| (name.clone(), store["entries"].as_array().unwrap().iter().map(entry).collect())).collect(),
        },
    }
}

fn step(json: &Value) -> Step {
    match json.as_u64() {
        Some(milliseconds) => Step::Advance(milliseconds),
        None => Step::Send {
            topic: string(&json[0]),
            key: text(&json[1]),
            value: text(&json[2]),
            timestamp: json[3].as_i64().unwrap(),
            headers: headers(&json[4]),
        },
    }
}

fn row(json: &Value) -> Row {
    Row {
        step: json[0].as_i64().unwrap(),
        key: text(&json[1]),
        value: text(&json[2]),
        timestamp: json[3].as_i64().unwrap(),
        headers: headers(&json[4]),
    }
}

fn entry(json: &Value) -> Entry {
    Entry { key: string(&json[0]), value: string(&json[1]), timestamp: json[2].as_i64() }
}

fn headers(json: &Value) -> HeaderTexts {
    json.as_array().into_iter().flatten().map(|header| (string(&header[0]), text(&header[1]))).collect()
}

fn values(json: &Value) -> Values {
    match json.as_str() {
        Some("text") => Values::Text,
        Some("number") => Values::Number,
        Some("hex") => Values::Hex,
        other => panic!("values {other:?}, expected text, number or hex"),
    }
}

/// A text or null.
pub(crate) fn text(json: &Value) -> Text {
    json.as_str().map(str::to_owned)
}

fn string(json: &Value) -> String {
    text(json).unwrap_or_else(|| panic!("{json}, expected a text"))
}
