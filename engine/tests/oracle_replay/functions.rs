//! The named functions of the description language. All are total: null has an answer too.

use std::sync::Arc;

use serde_json::Value;

use super::fixture::{Text, text};

type Shared<F> = Arc<F>;
pub(crate) type Predicate = Shared<dyn Fn(Option<&str>, Option<&str>) -> bool + Send + Sync>;
/// Of a key and a value, an aggregate and a value, or a left and a right value.
pub(crate) type Pairing = Shared<dyn Fn(Option<&str>, Option<&str>) -> Text + Send + Sync>;
pub(crate) type Timestamps = Shared<dyn Fn(Option<&str>, i64) -> i64 + Send + Sync>;

/// The sum of the UTF-8 bytes; 0 for null.
pub(crate) fn hash(x: Option<&str>) -> u64 {
    x.unwrap_or_default().bytes().map(u64::from).sum()
}

pub(crate) fn spell(x: Option<&str>) -> &str {
    x.unwrap_or("null")
}

pub(crate) fn number(x: Option<&str>) -> i64 {
    let Some(x) = x else { return 0 };
    let digits = x.strip_prefix('-').unwrap_or(x);
    if (1..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return x.parse().unwrap();
    }
    hash(Some(x)).try_into().unwrap()
}

fn count(json: &Value, name: &str) -> u64 {
    json[name].as_u64().unwrap_or_else(|| panic!("{json}, expected a number {name}"))
}

fn first(x: &str, n: u64) -> String {
    x.chars().take(n.try_into().unwrap()).collect()
}

/// The key or the value, as `of` says.
fn of<'a>(by_key: bool, key: Option<&'a str>, value: Option<&'a str>) -> Option<&'a str> {
    if by_key { key } else { value }
}

fn by_key(json: &Value) -> bool {
    json["of"] == "key"
}

fn name(json: &Value) -> &str {
    json["fn"].as_str().unwrap_or_else(|| panic!("{json}, expected a function"))
}

pub(crate) fn predicate(json: &Value) -> Predicate {
    let by_key = by_key(json);
    match name(json) {
        "hash_mod" => {
            let (n, is) = (count(json, "n"), count(json, "is"));
            Arc::new(move |key, value| hash(of(by_key, key, value)) % n == is)
        }
        "not_null" => Arc::new(move |key, value| of(by_key, key, value).is_some()),
        "is_null" => Arc::new(move |key, value| of(by_key, key, value).is_none()),
        other => panic!("predicate {other}"),
    }
}

pub(crate) fn mapper(json: &Value) -> Pairing {
    let x = text(&json["x"]).unwrap_or_default();
    match name(json) {
        "identity" => Arc::new(|_, value| value.map(str::to_owned)),
        "append" => Arc::new(move |_, value| value.map(|value| format!("{value}{x}"))),
        "spell_append" => Arc::new(move |_, value| Some(format!("{}{x}", spell(value)))),
        "prefix_key" => Arc::new(|key, value| value.map(|value| format!("{}:{value}", spell(key)))),
        "hash" => Arc::new(|_, value| value.map(|value| hash(Some(value)).to_string())),
        "clip" => {
            let n = count(json, "n");
            Arc::new(move |_, value| value.map(|value| first(value, n)))
        }
        "null_when" => {
            let (n, is) = (count(json, "n"), count(json, "is"));
            Arc::new(move |_, value| value.filter(|value| hash(Some(value)) % n != is).map(str::to_owned))
        }
        other => panic!("mapper {other}"),
    }
}

pub(crate) fn selector(json: &Value) -> Pairing {
    let by_key = by_key(json);
    match name(json) {
        "keep" => Arc::new(|key, _| key.map(str::to_owned)),
        "value" => Arc::new(|_, value| value.map(str::to_owned)),
        "value_char" => Arc::new(|_, value| value.filter(|value| !value.is_empty()).map(|value| first(value, 1))),
        "bucket" => {
            let n = count(json, "n");
            Arc::new(move |key, value| of(by_key, key, value).map(|x| format!("b{}", hash(Some(x)) % n)))
        }
        "null_when" => {
            let (n, is) = (count(json, "n"), count(json, "is"));
            Arc::new(move |key, value| key.filter(|_| hash(of(by_key, key, value)) % n != is).map(str::to_owned))
        }
        other => panic!("selector {other}"),
    }
}

/// The values of the flat mapper `repeat`.
pub(crate) fn repeat(json: &Value) -> impl Fn(Option<&str>) -> Vec<Text> + Clone + Send + Sync + 'static {
    assert_eq!(name(json), "repeat");
    let n = count(json, "n");
    move |value| (0..(hash(value) + 1) % n).map(|i| value.map(|value| format!("{value}/{i}"))).collect()
}

pub(crate) fn aggregator(json: &Value) -> Pairing {
    match name(json) {
        "concat" => {
            let n: usize = count(json, "n").try_into().unwrap();
            Arc::new(move |aggregate, value| {
                let all: Vec<char> = aggregate.unwrap_or_default().chars().chain(spell(value).chars()).collect();
                Some(all.get(all.len().saturating_sub(n)..).unwrap().iter().collect())
            })
        }
        "remove" => Arc::new(|aggregate, value| match (aggregate, value) {
            (Some(aggregate), Some(value)) => Some(aggregate.replacen(value, "", 1)),
            (aggregate, _) => aggregate.map(str::to_owned),
        }),
        "add" => Arc::new(|aggregate, value| Some((number(aggregate) + number(value)).to_string())),
        "subtract" => Arc::new(|aggregate, value| Some((number(aggregate) - number(value)).to_string())),
        "max" => Arc::new(|aggregate, value| aggregate.max(value).map(str::to_owned)),
        "null_when" => {
            let (n, is, other) = (count(json, "n"), count(json, "is"), aggregator(&json["else"]));
            Arc::new(move |aggregate, value| if hash(value) % n == is { None } else { other(aggregate, value) })
        }
        other => panic!("aggregator {other}"),
    }
}

pub(crate) fn joiner(json: &Value) -> Pairing {
    match name(json) {
        "pair" => {
            let n = json["n"].as_u64();
            Arc::new(move |left, right| {
                let pair = format!("({},{})", spell(left), spell(right));
                Some(n.map(|n| first(&pair, n)).unwrap_or(pair))
            })
        }
        "sum" => Arc::new(|left, right| Some((number(left) + number(right)).to_string())),
        "left" => Arc::new(|left, _| left.map(str::to_owned)),
        "null_when" => {
            let (n, is, other) = (count(json, "n"), count(json, "is"), joiner(&json["else"]));
            Arc::new(move |left, right| if (hash(left) + hash(right)) % n == is { None } else { other(left, right) })
        }
        other => panic!("joiner {other}"),
    }
}

pub(crate) fn timestamps(json: &Value) -> Timestamps {
    assert_eq!(name(json), "from_value");
    let (step, drop) = (i64::try_from(count(json, "step")).unwrap(), count(json, "drop"));
    Arc::new(move |value, own| match value {
        None => own,
        value if hash(value).is_multiple_of(drop) => -1,
        value => (own + (i64::try_from(hash(value) % 7).unwrap() - 3) * step).max(0),
    })
}

pub(crate) fn topics(json: &Value) -> impl Fn(Option<&str>, Option<&str>) -> String + Send + Sync + 'static {
    assert_eq!(name(json), "by_hash");
    let (by_key, topics) = (by_key(json), extracted_topics(json));
    move |key, value| {
        let index = usize::try_from(hash(of(by_key, key, value))).unwrap() % topics.len();
        topics.get(index).unwrap().clone()
    }
}

/// The topics an extractor may name.
pub(crate) fn extracted_topics(json: &Value) -> Vec<String> {
    json["topics"].as_array().into_iter().flatten().filter_map(text).collect()
}
