//! The format of a scenario file. Fields that are not known are refused by name, with their line.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use serde_saphyr::Spanned;

use super::expectations::with_causes;
use crate::registry::{self, Settings};

/// A case: a topology, where it starts, and what is done and expected.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file it was read from.
    pub path: PathBuf,
    /// What it says.
    pub case: Case,
}

/// The contents of a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What the case shows, for people.
    #[serde(default)]
    pub about: Option<String>,
    /// The name of the topology.
    pub topology: String,
    /// The wall clock at the start.
    pub now: Timestamp,
    /// Settings of the topology.
    #[serde(default)]
    pub config: Settings,
    /// Partitions of topics, where they are not the topology's own choice.
    #[serde(default)]
    pub partitions: BTreeMap<String, u32>,
    /// Records that are there before the application starts: nothing has read them until the first step that is not `http`.
    #[serde(default)]
    pub before: Vec<SendFile>,
    /// What is done and expected, in order.
    pub steps: Vec<Spanned<Step>>,
}

/// One thing done or expected.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// Writes a record.
    Send(Send),
    /// Writes lines of a file as values.
    SendFile(SendFile),
    /// Moves the wall clock.
    Advance(Advance),
    /// kill -9 and back again.
    Crash(Crash),
    /// Records that have come out.
    Expect(Expect),
    /// How many records have come out; consumes them.
    ExpectCount(ExpectCount),
    /// A row of a store, that there is none, or how many there are.
    Store(StoreRow),
    /// A call of the query API.
    Http(Http),
}

/// Writes a record.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Send {
    /// To this topic.
    pub topic: String,
    /// To this partition; without it the key decides.
    #[serde(default)]
    pub partition: Option<u32>,
    /// The key: text, or as a value.
    #[serde(default)]
    pub key: Value,
    /// The value: JSON, `text:`, `hex:`, or null.
    #[serde(default)]
    pub value: Value,
    /// Headers: text, `hex:`, or null.
    #[serde(default)]
    pub headers: BTreeMap<String, Value>,
    /// The record's time; without it the wall clock.
    #[serde(default)]
    pub timestamp: Option<Timestamp>,
}

/// Writes lines of a file, one record a line.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SendFile {
    /// To this topic.
    pub topic: String,
    /// The file, relative to the scenario.
    pub file: PathBuf,
    /// The first and last line, counted from 1; without it all.
    #[serde(default)]
    pub lines: Option<Lines>,
    /// To this partition; without it the key decides.
    #[serde(default)]
    pub partition: Option<u32>,
    /// The key of every record.
    #[serde(default)]
    pub key: Value,
}

/// `3-7`, or `3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lines {
    /// The first line, from 1.
    pub first: usize,
    /// The last line, inclusive.
    pub last: usize,
}

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok(last)) if 0 < first && first <= last => Ok(Self { first, last }),
            _ => Err(serde::de::Error::custom(format!("lines {text:?}, expected first-last, counted from 1"))),
        }
    }
}

/// Moves the wall clock, by a time or to an instant.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Advance {
    /// By this much (`30s`, `1h 5m`).
    By(SignedDuration),
    /// To this instant.
    To(Timestamp),
}

/// A crash.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crash {
    /// When it is back; without it at once.
    #[serde(default)]
    pub until: Option<Timestamp>,
    /// The settings it is back with; without it the same.
    #[serde(default)]
    pub config: Option<Settings>,
    /// A topic that it reads from the beginning again, at the same offsets.
    #[serde(default)]
    pub reread: Option<String>,
}

/// How expected records are matched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    /// All records that have come, in order (of a partition; partitions one after the other).
    #[default]
    Exact,
    /// For each of these a record that has at least these fields; other records are left for later.
    Subset,
    /// All records that have come, in any order.
    Unordered,
}

/// Records that have come out since they were last consumed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The topic.
    pub topic: String,
    /// How they are matched.
    #[serde(default, rename = "match")]
    pub matching: Match,
    /// The records.
    pub records: Vec<ExpectedRecord>,
}

/// An expected record; what is not given is not compared.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedRecord {
    /// The key.
    #[serde(default, deserialize_with = "given")]
    pub key: Option<Value>,
    /// The value; null is a tombstone.
    #[serde(default, deserialize_with = "given")]
    pub value: Option<Value>,
    /// Headers it has, among others.
    #[serde(default)]
    pub headers: BTreeMap<String, Value>,
    /// The record's time.
    #[serde(default)]
    pub timestamp: Option<Timestamp>,
}

/// How many records have come out since they were last consumed.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectCount {
    /// The topic.
    pub topic: String,
    /// Only those whose value has at least these fields; others are left for later.
    #[serde(default, deserialize_with = "given")]
    pub value: Option<Value>,
    /// How many.
    pub records: usize,
}

/// A row of a store, or how many rows.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreRow {
    /// The store.
    pub name: String,
    /// The key.
    #[serde(default)]
    pub key: Option<String>,
    /// Fields of the value.
    #[serde(default, deserialize_with = "given")]
    pub value: Option<Value>,
    /// True: there is no such row.
    #[serde(default)]
    pub absent: bool,
    /// How many rows the store has.
    #[serde(default)]
    pub count: Option<u64>,
}

/// A call of the query API.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// The method.
    #[serde(default = "post")]
    pub method: String,
    /// The path.
    pub path: String,
    /// The body.
    #[serde(default)]
    pub body: Value,
    /// The expected status.
    #[serde(default = "ok")]
    pub status: u16,
    /// Fields of the expected answer.
    #[serde(default, deserialize_with = "given")]
    pub response: Option<Value>,
    /// What is expected of lists in the answer.
    #[serde(default)]
    pub lists: Vec<ExpectedList>,
}

/// What is expected of a list, without its elements one by one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedList {
    /// Where it is in the answer: `/data/avtaler`.
    pub at: String,
    /// Only the elements that have at least these fields.
    #[serde(default, rename = "where", deserialize_with = "given")]
    pub having: Option<Value>,
    /// How many elements.
    #[serde(default)]
    pub rows: Option<usize>,
    /// How many different values a field has.
    #[serde(default)]
    pub distinct: BTreeMap<String, usize>,
    /// How many days two dates of an element span, both included.
    #[serde(default)]
    pub span: Option<Span>,
}

/// The shortest and the longest span between two dates.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// The field of the first date.
    pub from: String,
    /// The field of the last date.
    pub to: String,
    /// Days of the shortest.
    pub shortest: i32,
    /// Days of the longest.
    pub longest: i32,
}

fn post() -> String {
    "POST".to_owned()
}

const fn ok() -> u16 {
    200
}

/// Tells a null that is given from nothing given.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// A file that is no scenario: where, and what was expected there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The file.
    pub path: PathBuf,
    /// What is wrong, with line and column where there are.
    pub message: String,
}

impl fmt::Display for Invalid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path.display(), self.message)
    }
}

impl std::error::Error for Invalid {}

impl Scenario {
    /// Reads a file.
    ///
    /// # Errors
    /// [`Invalid`] when it cannot be read or is no scenario.
    pub fn read(path: &Path) -> Result<Self, Invalid> {
        let invalid = |message: String| Invalid { path: path.to_owned(), message };
        let text = std::fs::read_to_string(path).map_err(|error| invalid(format!("cannot be read: {error}")))?;
        Self::parse(path, &text)
    }

    /// Reads the text of a file; `path` is what its paths are relative to.
    ///
    /// # Errors
    /// [`Invalid`] when it is no scenario.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Invalid> {
        let invalid = |message: String| Invalid { path: path.to_owned(), message };
        let case: Case = serde_saphyr::from_str(text).map_err(|error| invalid(error.to_string()))?;
        let definition = registry::find(&case.topology).map_err(|error| invalid(error.to_string()))?;
        if let Err(error) = definition.build(&case.config).and_then(|_| definition.http(&case.config)) {
            let line = text.lines().position(|line| line.starts_with("config:")).map(|line| format!("line {}: ", line + 1));
            return Err(invalid(format!("{}config: {}", line.unwrap_or_default(), with_causes(&*error))));
        }
        for step in &case.steps {
            if let Step::Crash(Crash { until: Some(_), config: Some(_), .. }) = &step.value {
                return Err(invalid(format!("line {}: crash with until and config, expected one of them", step.referenced.line())));
            }
            if let Step::Store(row) = &step.value {
                let asks = usize::from(row.value.is_some()) + usize::from(row.absent) + usize::from(row.count.is_some());
                if asks != 1 || row.key.is_some() == row.count.is_some() {
                    let line = step.referenced.line();
                    return Err(invalid(format!(
                        "line {line}: store {:?}, expected a key with value or absent: true, or a count without a key",
                        row.name
                    )));
                }
            }
        }
        Ok(Self { path: path.to_owned(), case })
    }

    /// The path of a file that the case names.
    #[must_use]
    pub fn beside(&self, file: &Path) -> PathBuf {
        self.path.parent().map_or_else(|| file.to_owned(), |folder| folder.join(file))
    }
}
