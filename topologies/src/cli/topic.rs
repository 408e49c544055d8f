//! `straum topic`.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{ArgGroup, Subcommand};
use serde_json::{Value, json};
use straum_topologies::scenario::payload;

use super::connection::Connection;
use super::operator::{NewRecord, Request};
use super::output;
use super::{Common, Outcome};

/// How many records go over at once.
const BATCH: usize = 5_000;

#[derive(Subcommand)]
#[command(
    after_help = "Examples:\n  straum topic list\n  straum topic tail counts --records 5\n  straum topic produce words --value foss\n  straum generate count --records 1000 | straum topic produce words --file -"
)]
pub(super) enum Topic {
    /// Which topics there are
    List,
    /// The last records of a topic that are committed
    Tail {
        /// The topic
        topic: String,
        /// Only this partition
        #[arg(long)]
        partition: Option<u32>,
        /// How many records
        #[arg(long, short = 'n', default_value_t = 10)]
        records: usize,
    },
    /// Write to a topic: one value, or one a line of a file
    #[command(group(ArgGroup::new("content").args(["value", "file", "null"]).required(true)))]
    Produce {
        /// The topic
        topic: String,
        /// The key
        #[arg(long)]
        key: Option<String>,
        /// The value, as text
        #[arg(long)]
        value: Option<String>,
        /// No value: deletes the key
        #[arg(long)]
        null: bool,
        /// A value a line, from this file or from standard input with -
        #[arg(long)]
        file: Option<PathBuf>,
        /// Each line is {"key":…,"value":…,"timestamp":…} as `generate --whole` writes it
        #[arg(long, requires = "file")]
        whole: bool,
        /// Headers, as name=value
        #[arg(long = "header", value_name = "NAME=VALUE")]
        headers: Vec<String>,
        /// To this partition; without it the key decides
        #[arg(long)]
        partition: Option<u32>,
    },
}

impl Topic {
    pub(super) fn run(&self, common: &Common) -> Result<Outcome> {
        let connection = Connection::new(common)?;
        let answer = match self {
            Self::List => connection.ask(&Request::Topics)?,
            Self::Tail { topic, partition, records } => {
                connection.ask(&Request::Tail { topic: topic.clone(), partition: *partition, records: *records })?
            }
            Self::Produce { .. } => self.produce(&connection)?,
        };
        let answer = output::masked(common, connection.personal, answer);
        if common.json {
            output::json(&answer)?;
        } else {
            output::line(self.shown(&answer))?;
        }
        Ok(Outcome::Done)
    }

    fn shown(&self, answer: &Value) -> String {
        let rows = answer.as_array().into_iter().flatten();
        let of = |row: &Value, name: &str| output::cell(row.get(name).unwrap_or(&Value::Null));
        match self {
            Self::List => {
                let rows = rows.map(|row| ["topic", "partitions", "records", "bytes"].iter().map(|name| of(row, name)).collect());
                output::table(&["topic", "partitions", "records", "bytes"], rows)
            }
            Self::Tail { .. } => {
                let rows = rows.map(|row| {
                    let time = row.get("timestamp").and_then(Value::as_i64).map(output::time).unwrap_or_default();
                    let headers = row.get("headers").filter(|headers| headers.as_object().is_some_and(|headers| !headers.is_empty()));
                    vec![
                        format!("{}:{}", of(row, "partition"), of(row, "offset")),
                        time,
                        of(row, "key"),
                        row.get("value").map(payload::line).unwrap_or_default(),
                        headers.map(output::cell).unwrap_or_default(),
                    ]
                });
                output::table(&["at", "timestamp", "key", "value", "headers"], rows)
            }
            Self::Produce { .. } => {
                let (records, topic) = (of(answer, "records"), of(answer, "topic"));
                format!("{records} {} written to {topic}", if records == "1" { "record" } else { "records" })
            }
        }
    }

    fn produce(&self, connection: &Connection) -> Result<Value> {
        let Self::Produce { topic, key, value, null, file, whole, headers, partition } = self else { bail!("not a command to produce") };
        let headers = headers.iter().map(|header| {
            let (name, value) = header.split_once('=').with_context(|| format!("header {header:?}, expected name=value"))?;
            Ok((name.to_owned(), value.to_owned()))
        });
        let headers = headers.collect::<Result<std::collections::BTreeMap<_, _>>>()?;
        let key = key.as_ref().map_or(Value::Null, |key| json!({ "text": key }));
        let send = |records: Vec<NewRecord>| connection.ask(&Request::Produce { topic: topic.clone(), partition: *partition, records });
        let Some(file) = file else {
            let value = if *null { Value::Null } else { json!({ "text": value }) };
            return send(vec![NewRecord { key, value, timestamp: None, headers }]);
        };
        let (mut written, mut records) = (0, Vec::new());
        for (number, line) in open(file)?.split(b'\n').enumerate() {
            let line = line.with_context(|| format!("cannot read {}", file.display()))?;
            let record = if *whole {
                serde_json::from_slice(&line).with_context(|| format!("line {} of {}", number + 1, file.display()))?
            } else {
                NewRecord { key: key.clone(), value: raw(&line), timestamp: None, headers: headers.clone() }
            };
            records.push(record);
            if records.len() == BATCH {
                written += records.len();
                send(std::mem::take(&mut records))?;
            }
        }
        written += records.len();
        send(records)?;
        Ok(json!({ "topic": topic, "records": written }))
    }
}

fn open(path: &Path) -> Result<Box<dyn BufRead>> {
    let input: Box<dyn Read> = if path.as_os_str() == "-" {
        Box::new(std::io::stdin())
    } else {
        Box::new(std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?)
    };
    Ok(Box::new(BufReader::new(input)))
}

/// Bytes as they go into a record.
pub(super) fn raw(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!({ "text": text }),
        Err(_) => json!({ "hex": payload::to_hex(bytes) }),
    }
}
