//! Topic settings, by Kafka's names. What is not understood is refused by name: a setting that does nothing would lie.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::log::{LogError, LogErrorKind};

/// A topic's settings, defaults filled in.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TopicConfig {
    pub(super) compact: bool,
    pub(super) delete: bool,
    /// Milliseconds; `None` keeps for ever (Kafka: −1).
    pub(super) retention_ms: Option<i64>,
    pub(super) retention_bytes: Option<u64>,
    pub(super) segment_bytes: u64,
    pub(super) segment_ms: i64,
    pub(super) delete_retention_ms: i64,
    pub(super) max_message_bytes: usize,
    pub(super) min_compaction_lag_ms: i64,
    pub(super) min_cleanable_dirty_ratio: f64,
}

impl Default for TopicConfig {
    fn default() -> Self {
        Self {
            compact: false,
            delete: true,
            retention_ms: None,
            retention_bytes: None,
            segment_bytes: 64 << 20,
            segment_ms: 7 * 24 * 3_600_000,
            delete_retention_ms: 24 * 3_600_000,
            max_message_bytes: 1_048_588,
            min_compaction_lag_ms: 0,
            min_cleanable_dirty_ratio: 0.5,
        }
    }
}

const NAMES: [&str; 10] = [
    "cleanup.policy",
    "delete.retention.ms",
    "max.message.bytes",
    "message.timestamp.type",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "retention.bytes",
    "retention.ms",
    "segment.bytes",
    "segment.ms",
];

impl TopicConfig {
    /// Reads settings; the later map wins.
    pub(super) fn parse(defaults: &BTreeMap<String, String>, config: &BTreeMap<String, String>) -> Result<Self, LogError> {
        let mut parsed = Self::default();
        for (name, value) in defaults.iter().chain(config) {
            parsed.set(name, value)?;
        }
        Ok(parsed)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), LogError> {
        match name {
            "cleanup.policy" => {
                let policies: Vec<&str> = value.split(',').map(str::trim).collect();
                if policies.iter().any(|policy| !matches!(*policy, "delete" | "compact")) {
                    return Err(refused(name, value, "delete, compact or compact,delete"));
                }
                self.compact = policies.contains(&"compact");
                self.delete = policies.contains(&"delete");
            }
            "retention.ms" => self.retention_ms = unlimited(number(name, value, -1)?),
            "retention.bytes" => self.retention_bytes = unlimited(number::<i64>(name, value, -1)?).map(i64::unsigned_abs),
            "segment.bytes" => self.segment_bytes = number(name, value, 1)?,
            "segment.ms" => self.segment_ms = number(name, value, 1)?,
            "delete.retention.ms" => self.delete_retention_ms = number(name, value, 0)?,
            "max.message.bytes" => self.max_message_bytes = number(name, value, 0)?,
            "min.compaction.lag.ms" => self.min_compaction_lag_ms = number(name, value, 0)?,
            "min.cleanable.dirty.ratio" => {
                let ratio: f64 = number(name, value, 0.0)?;
                if ratio > 1.0 {
                    return Err(refused(name, value, "a number from 0 to 1"));
                }
                self.min_cleanable_dirty_ratio = ratio;
            }
            "message.timestamp.type" if value == "CreateTime" => {}
            "message.timestamp.type" => return Err(refused(name, value, "CreateTime")),
            _ => return Err(unknown(name)),
        }
        Ok(())
    }
}

fn number<T: FromStr + PartialOrd + std::fmt::Display>(name: &str, value: &str, least: T) -> Result<T, LogError> {
    match value.trim().parse::<T>() {
        Ok(number) if number >= least => Ok(number),
        _ => Err(refused(name, value, &format!("a number of at least {least}"))),
    }
}

fn unlimited(value: i64) -> Option<i64> {
    (value >= 0).then_some(value)
}

fn refused(name: &str, value: &str, expected: &str) -> LogError {
    LogError::new(LogErrorKind::Invalid, format!("topic setting {name} is {value:?}, expected {expected}"))
}

fn unknown(name: &str) -> LogError {
    let nearest = NAMES.iter().max_by(|left, right| strsim::jaro_winkler(left, name).total_cmp(&strsim::jaro_winkler(right, name)));
    let hint = nearest.map(|nearest| format!(", the nearest known is {nearest}")).unwrap_or_default();
    LogError::new(LogErrorKind::Invalid, format!("unknown topic setting {name:?}{hint}"))
}

/// Kafka's rule for topic names, which makes them safe as folder names too.
pub(super) fn check_topic_name(name: &str) -> Result<(), LogError> {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if name.is_empty() || name.len() > 249 || name == "." || name == ".." || !name.bytes().all(legal) {
        let expected = "1 to 249 of the characters a-z, A-Z, 0-9, '.', '_' and '-'";
        return Err(LogError::new(LogErrorKind::Invalid, format!("topic name {name:?}, expected {expected}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn parse(name: &str, value: &str) -> Result<TopicConfig, String> {
        let config = BTreeMap::from([(name.to_owned(), value.to_owned())]);
        TopicConfig::parse(&BTreeMap::new(), &config).map_err(|error| error.to_string())
    }

    #[test]
    fn settings_are_understood_or_refused() {
        let both = parse("cleanup.policy", "compact, delete").unwrap();
        assert_eq!((both.compact, both.delete), (true, true));
        assert_eq!(parse("retention.ms", "-1").unwrap().retention_ms, None);
        assert_eq!(parse("retention.ms", "5").unwrap().retention_ms, Some(5));
        for (name, value, message) in [
            ("cleanup.policy", "compakt", r#"topic setting cleanup.policy is "compakt", expected delete, compact or compact,delete"#),
            ("segment.bytes", "0", r#"topic setting segment.bytes is "0", expected a number of at least 1"#),
            ("retention.mss", "1", r#"unknown topic setting "retention.mss", the nearest known is retention.ms"#),
            ("message.timestamp.type", "LogAppendTime", r#"topic setting message.timestamp.type is "LogAppendTime", expected CreateTime"#),
        ] {
            assert_eq!(parse(name, value).unwrap_err(), message);
        }
    }

    #[test]
    fn topic_names_follow_kafka() {
        for (name, legal) in [("a.b_c-D9", true), ("", false), ("..", false), ("a/b", false), ("æ", false), (&"a".repeat(250), false)] {
            assert_eq!(check_topic_name(name).is_ok(), legal, "{name}");
        }
    }
}
