//! How a difference reads: where, what was expected, what came.

use std::fmt;
use std::path::PathBuf;

use serde_json::Value;
use similar::TextDiff;

/// A step that did not come out as its file says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The file.
    pub path: PathBuf,
    /// The step, counted from 1.
    pub step: usize,
    /// Its line in the file.
    pub line: u64,
    /// Where a crash was put in, if one was.
    pub crash: Option<String>,
    /// What is wrong, in a sentence.
    pub message: String,
    /// The difference, lines with `-` expected and with `+` come.
    pub difference: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: step {}: {}", self.path.display(), self.line, self.step, self.message)?;
        if let Some(crash) = &self.crash {
            write!(formatter, "\n  with a crash {crash}")?;
        }
        if !self.difference.is_empty() {
            write!(formatter, "\n  - expected\n  + came")?;
            for line in self.difference.lines() {
                write!(formatter, "\n    {line}")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

/// The lines that differ and three around them.
#[must_use]
pub fn difference(expected: &Value, came: &Value) -> String {
    let (expected, came) = (lines(expected), lines(came));
    let diff = TextDiff::from_lines(&expected, &came);
    let unified = diff.unified_diff().context_radius(3).to_string();
    unified.lines().filter(|line| !line.starts_with("@@") && !line.starts_with("\\ ")).map(|line| format!("{line}\n")).collect()
}

/// A line a field, sorted by name, so that only what differs differs.
fn lines(value: &Value) -> String {
    let mut text = match value {
        Value::Array(records) => {
            let records: Vec<String> = records.iter().map(|record| serde_json::to_string_pretty(&sorted(record)).unwrap_or_default()).collect();
            records.join("\n")
        }
        one => serde_json::to_string_pretty(&sorted(one)).unwrap_or_default(),
    };
    text.push('\n');
    text
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut names: Vec<_> = fields.iter().collect();
            names.sort_by_key(|(name, _)| *name);
            Value::Object(names.into_iter().map(|(name, value)| (name.clone(), sorted(value))).collect())
        }
        Value::Array(elements) => Value::Array(elements.iter().map(sorted).collect()),
        other => other.clone(),
    }
}
