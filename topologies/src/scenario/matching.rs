//! When what came is what was expected.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::file::{ExpectedRecord, Match};
use super::payload;

/// A record that came, in a file's terms.
#[derive(Clone, Debug, PartialEq)]
pub struct Came {
    /// The key.
    pub key: Value,
    /// The value.
    pub value: Value,
    /// The last header of each name.
    pub headers: BTreeMap<String, Value>,
    /// Milliseconds since the epoch.
    pub timestamp: i64,
}

impl Came {
    /// A record from its bytes.
    pub fn of<'a>(key: Option<&[u8]>, value: Option<&[u8]>, headers: impl Iterator<Item = (&'a str, Option<&'a [u8]>)>, timestamp: i64) -> Self {
        let headers = headers.map(|(name, value)| (name.to_owned(), payload::shown(value, true))).collect();
        Self { key: payload::shown(key, true), value: payload::shown(value, false), headers, timestamp }
    }
}

/// True when every field of `expected` is in `came`, at any depth; lists have the same length.
#[must_use]
pub fn contains(came: &Value, expected: &Value) -> bool {
    match (came, expected) {
        (Value::Object(came), Value::Object(expected)) => {
            expected.iter().all(|(name, value)| came.get(name).map_or(value.is_null(), |came| contains(came, value)))
        }
        (Value::Array(came), Value::Array(expected)) => {
            came.len() == expected.len() && came.iter().zip(expected).all(|(came, expected)| contains(came, expected))
        }
        _ => same(came, expected),
    }
}

/// Equal, numbers by value.
fn same(came: &Value, expected: &Value) -> bool {
    match (came, expected) {
        (Value::Number(came), Value::Number(expected)) => came == expected || came.as_f64() == expected.as_f64(),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, value)| b.get(name).is_some_and(|other| same(value, other)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        _ => came == expected,
    }
}

fn matches(came: &Came, expected: &ExpectedRecord, subset: bool) -> bool {
    let fits = |came: &Value, expected: &Option<Value>, key| {
        expected.as_ref().is_none_or(|expected| {
            let expected = payload::normal(expected, key);
            if subset { contains(came, &expected) } else { same(came, &expected) }
        })
    };
    fits(&came.key, &expected.key, true)
        && fits(&came.value, &expected.value, false)
        && expected.headers.iter().all(|(name, value)| came.headers.get(name).is_some_and(|came| same(came, &payload::normal(value, true))))
        && expected.timestamp.is_none_or(|timestamp| timestamp.as_millisecond() == came.timestamp)
}

/// Which of the records that came are consumed by what was expected, by index; `None` when they do not match.
#[must_use]
pub fn consumed(came: &[Came], expected: &[ExpectedRecord], matching: Match) -> Option<Vec<usize>> {
    if matching == Match::Exact {
        let all = came.len() == expected.len() && came.iter().zip(expected).all(|(came, expected)| matches(came, expected, false));
        return all.then(|| (0..came.len()).collect());
    }
    if matching == Match::Unordered && came.len() != expected.len() {
        return None;
    }
    let fitting: Vec<Vec<usize>> = expected
        .iter()
        .map(|expected| {
            came.iter().enumerate().filter(|(_, came)| matches(came, expected, matching == Match::Subset)).map(|(index, _)| index).collect()
        })
        .collect();
    pair(&fitting, came.len())
}

/// Gives every expected record one that came, if that can be done at all (augmenting paths, earlier ones first).
fn pair(fitting: &[Vec<usize>], came: usize) -> Option<Vec<usize>> {
    fn give(expected: usize, fitting: &[Vec<usize>], taken: &mut [Option<usize>], tried: &mut [bool]) -> bool {
        for index in fitting.get(expected).into_iter().flatten() {
            let Some(seen) = tried.get_mut(*index) else { continue };
            if std::mem::replace(seen, true) {
                continue;
            }
            let free = match taken.get(*index).copied().flatten() {
                None => true,
                Some(other) => give(other, fitting, taken, tried),
            };
            if free && let Some(slot) = taken.get_mut(*index) {
                *slot = Some(expected);
                return true;
            }
        }
        false
    }
    let mut taken = vec![None; came];
    for expected in 0..fitting.len() {
        if !give(expected, fitting, &mut taken, &mut vec![false; came]) {
            return None;
        }
    }
    Some(taken.iter().enumerate().filter(|(_, by)| by.is_some()).map(|(index, _)| index).collect())
}

/// The part of a value that an expectation speaks of, so that a difference shows nothing else. Where the forms differ it is
/// the whole.
#[must_use]
pub fn focus(came: &Value, expected: &Value) -> Value {
    match (came, expected) {
        (Value::Object(came), Value::Object(expected)) => {
            let fields = expected.iter().filter_map(|(name, value)| Some((name.clone(), focus(came.get(name)?, value))));
            Value::Object(fields.collect())
        }
        (Value::Array(came), Value::Array(expected)) if came.len() == expected.len() => {
            Value::Array(came.iter().zip(expected).map(|(came, expected)| focus(came, expected)).collect())
        }
        _ => came.clone(),
    }
}

/// An expected record as it is shown.
#[must_use]
pub fn expected_shown(expected: &ExpectedRecord) -> Value {
    let mut shown = json!({});
    let mut set = |name: &str, value: Value| {
        if let Some(fields) = shown.as_object_mut() {
            fields.insert(name.to_owned(), value);
        }
    };
    if let Some(key) = &expected.key {
        set("key", payload::normal(key, true));
    }
    if let Some(value) = &expected.value {
        set("value", payload::normal(value, false));
    }
    if !expected.headers.is_empty() {
        set("headers", json!(expected.headers));
    }
    if let Some(timestamp) = expected.timestamp {
        set("timestamp", json!(timestamp.to_string()));
    }
    shown
}

/// A record that came as it is shown.
#[must_use]
pub fn came_shown(came: &Came, with_headers: bool, with_timestamp: bool) -> Value {
    let mut shown = json!({ "key": came.key, "value": came.value });
    if let Some(fields) = shown.as_object_mut() {
        if with_headers {
            fields.insert("headers".to_owned(), json!(came.headers));
        }
        if with_timestamp {
            let timestamp =
                jiff::Timestamp::from_millisecond(came.timestamp).map_or_else(|_| came.timestamp.to_string(), |timestamp| timestamp.to_string());
            fields.insert("timestamp".to_owned(), json!(timestamp));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn came(value: Value) -> Came {
        Came { key: json!("k"), value, headers: BTreeMap::new(), timestamp: 0 }
    }

    fn expected(value: Value) -> ExpectedRecord {
        ExpectedRecord { key: None, value: Some(value), headers: BTreeMap::new(), timestamp: None }
    }

    #[test]
    fn records_match_as_asked() {
        let two = [came(json!({"a": 1, "b": 2})), came(json!({"a": 2, "b": 2}))];
        for (matching, records, consumes) in [
            (Match::Exact, vec![json!({"a": 1, "b": 2}), json!({"a": 2, "b": 2.0})], Some(vec![0, 1])),
            (Match::Exact, vec![json!({"a": 2, "b": 2}), json!({"a": 1, "b": 2})], None),
            (Match::Exact, vec![json!({"a": 1, "b": 2})], None),
            (Match::Exact, vec![json!({"a": 1}), json!({"a": 2})], None),
            (Match::Unordered, vec![json!({"a": 2, "b": 2}), json!({"a": 1, "b": 2})], Some(vec![0, 1])),
            (Match::Unordered, vec![json!({"a": 2, "b": 2})], None),
            (Match::Subset, vec![json!({"a": 2})], Some(vec![1])),
            (Match::Subset, vec![json!({"b": 2}), json!({"a": 1})], Some(vec![0, 1])),
            (Match::Subset, vec![json!({"a": 3})], None),
            (Match::Subset, vec![json!({"a": 1, "c": null})], Some(vec![0])),
            (Match::Subset, vec![json!({"a": 1}), json!({"a": 1})], None),
        ] {
            let records: Vec<_> = records.into_iter().map(expected).collect();
            assert_eq!(consumed(&two, &records, matching), consumes, "{matching:?} {records:?}");
        }
    }
}
