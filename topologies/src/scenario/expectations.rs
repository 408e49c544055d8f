//! What the steps of a case expect, wherever it runs: on the driver or on a broker.

use std::time::Duration;

use serde_json::{Value, json};
use straum::log::Log;

use super::failure::{Failure, difference};
use super::file::{Expect, ExpectCount, Http, Scenario, SendFile, StoreRow};
use super::lists;
use super::matching::{Came, came_shown, consumed, contains, expected_shown, focus};
use crate::registry::{self, Behind, Call, HttpService, Selection, StoreDefinition, Stores};

/// How many rows that are there are named when the expected one is not.
const ROWS_NAMED: usize = 20;

/// What is wrong with a step, before it is known which.
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) difference: String,
}

impl Problem {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), difference: String::new() }
    }

    /// The failure of a step, with where a crash was put in.
    pub(super) fn in_step(self, scenario: &Scenario, index: usize, crash: Option<String>) -> Failure {
        let line = scenario.case.steps.get(index).map_or(0, |step| step.referenced.line());
        let path = scenario.path.clone();
        Failure { path, step: index + 1, line, crash, message: self.message, difference: self.difference }
    }
}

impl From<straum::Error> for Problem {
    fn from(error: straum::Error) -> Self {
        Self::new(with_causes(&error))
    }
}

impl From<straum::log::LogError> for Problem {
    fn from(error: straum::log::LogError) -> Self {
        Self::new(with_causes(&error))
    }
}

/// An error in a line, with what is behind it.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// Refuses a topic that is not there.
pub(super) fn known(log: &dyn Log, topic: &str) -> Result<(), Problem> {
    if log.partitions(topic)?.is_none() {
        let topics = log.topics()?.join(", ");
        return Err(Problem::new(format!("no topic {topic:?}, expected one of [{topics}]")));
    }
    Ok(())
}

/// The lines of a file that a step sends.
pub(super) fn lines(scenario: &Scenario, send: &SendFile) -> Result<Vec<Vec<u8>>, Problem> {
    let path = scenario.beside(&send.file);
    let text = std::fs::read(&path).map_err(|error| Problem::new(format!("{} cannot be read: {error}", path.display())))?;
    let text = text.strip_suffix(b"\n").unwrap_or(&text);
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).collect();
    if let Some(asked) = send.lines {
        let there = lines.len();
        lines = lines
            .get(asked.first - 1..asked.last)
            .map(<[_]>::to_vec)
            .ok_or_else(|| Problem::new(format!("lines {}-{}, expected within the {there} of {}", asked.first, asked.last, path.display())))?;
    }
    Ok(lines.into_iter().map(<[u8]>::to_vec).collect())
}

/// A time that the clock moves by.
pub(super) fn forward(by: jiff::SignedDuration) -> Result<Duration, Problem> {
    Duration::try_from(by).map_err(|_| Problem::new(format!("advance by {by}, expected forward")))
}

/// How long it is from `now` to an instant.
pub(super) fn until(now: i64, to: jiff::Timestamp) -> Result<Duration, Problem> {
    let by = u64::try_from(to.as_millisecond() - now);
    by.map(Duration::from_millis).map_err(|_| {
        let now = jiff::Timestamp::from_millisecond(now).unwrap_or_default();
        Problem::new(format!("{to} is before the clock's {now}, expected later"))
    })
}

/// Compares and consumes what has come out of a topic.
pub(super) fn expect(pending: &mut Vec<Came>, expect: &Expect) -> Result<(), Problem> {
    if let Some(indexes) = consumed(pending, &expect.records, expect.matching) {
        let mut index = 0;
        pending.retain(|_| {
            index += 1;
            indexes.binary_search(&(index - 1)).is_err()
        });
        return Ok(());
    }
    let with_headers = expect.records.iter().any(|record| !record.headers.is_empty());
    let with_timestamp = expect.records.iter().any(|record| record.timestamp.is_some());
    let expected = Value::Array(expect.records.iter().map(expected_shown).collect());
    let came = Value::Array(pending.iter().map(|came| came_shown(came, with_headers, with_timestamp)).collect());
    let message = format!("{} records in {}, {:?} match of {} expected", pending.len(), expect.topic, expect.matching, expect.records.len());
    Err(Problem { message: message.to_lowercase().replace(&expect.topic.to_lowercase(), &expect.topic), difference: difference(&expected, &came) })
}

/// Counts and consumes what has come out of a topic.
pub(super) fn expect_count(pending: &mut Vec<Came>, count: &ExpectCount) -> Result<(), Problem> {
    let counted = |came: &Came| count.value.as_ref().is_none_or(|value| contains(&came.value, value));
    let (came, left): (Vec<Came>, Vec<Came>) = std::mem::take(pending).into_iter().partition(counted);
    *pending = left;
    if came.len() == count.records {
        return Ok(());
    }
    let first: Vec<Value> = came.iter().take(5).map(|came| came_shown(came, false, false)).collect();
    let shown = if first.is_empty() { String::new() } else { format!(", the first: {}", json!(first)) };
    Err(Problem::new(format!("{} records in {}, expected {}{shown}", came.len(), count.topic, count.records)))
}

/// Compares a row, or how many there are.
pub(super) fn store(definitions: &[StoreDefinition], stores: Stores<'_>, asked: &StoreRow) -> Result<(), Problem> {
    let definition = definitions.iter().find(|store| store.name == asked.name).ok_or_else(|| {
        let names: Vec<_> = definitions.iter().map(|store| store.name).collect();
        Problem::new(format!("no store {:?}, expected one of [{}]", asked.name, names.join(", ")))
    })?;
    if let Some(count) = asked.count {
        let rows = definition.count(stores)?;
        return if rows == count { Ok(()) } else { Err(Problem::new(format!("{rows} rows in store {}, expected {count}", asked.name))) };
    }
    let key = asked.key.as_deref().unwrap_or_default();
    let row = definition.get(stores, key)?;
    match (row, &asked.value) {
        (None, None) => Ok(()),
        (Some(row), None) => Err(Problem {
            message: format!("store {} has a row of {key}, expected none", asked.name),
            difference: difference(&Value::Null, &row.value),
        }),
        (None, Some(_)) => {
            let rows = definition.range(stores, &Selection { limit: Some(ROWS_NAMED), ..Selection::default() })?;
            let keys: Vec<String> = rows.iter().map(|row| registry::text_of(&row.key)).collect();
            Err(Problem::new(format!("no row of {key} in store {}, which has [{}]", asked.name, keys.join(", "))))
        }
        (Some(row), Some(value)) if contains(&row.value, value) => Ok(()),
        (Some(row), Some(value)) => {
            Err(Problem { message: format!("row of {key} in store {}", asked.name), difference: difference(value, &focus(&row.value, value)) })
        }
    }
}

/// What a call of the query API is made with.
pub(super) struct Asking<'a> {
    /// The topology's name.
    pub(super) topology: &'a str,
    /// The wall clock.
    pub(super) now: i64,
    /// How far the stores are behind.
    pub(super) behind: Behind,
}

/// Calls the query API and compares the answer.
pub(super) fn http(service: Option<&dyn HttpService>, stores: Stores<'_>, asking: Asking<'_>, asked: &Http) -> Result<(), Problem> {
    let service = service.ok_or_else(|| Problem::new(format!("topology {} has no query API", asking.topology)))?;
    let (method, path, body) = (asked.method.to_uppercase(), asked.path.clone(), asked.body.clone());
    let call = Call { method, path, body, now: asking.now, behind: asking.behind };
    let answer = service.call(stores, &call);
    let name = format!("{} {}", call.method, call.path);
    if answer.status != asked.status {
        let message = format!("{name} gave status {}, expected {}", answer.status, asked.status);
        return Err(Problem { message, difference: difference(asked.response.as_ref().unwrap_or(&Value::Null), &answer.body) });
    }
    match &asked.response {
        Some(expected) if !contains(&answer.body, expected) => {
            Err(Problem { message: format!("answer of {name}"), difference: difference(expected, &focus(&answer.body, expected)) })
        }
        _ => asked
            .lists
            .iter()
            .try_for_each(|list| lists::check(&answer.body, list).map_err(|wrong| Problem::new(format!("answer of {name}: {wrong}")))),
    }
}
