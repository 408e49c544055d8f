//! `straum store`.

use anyhow::Result;
use clap::Subcommand;
use serde_json::Value;

use super::connection::Connection;
use super::operator::Request;
use super::output;
use super::{Common, Outcome};

#[derive(Subcommand)]
#[command(
    after_help = "Examples:\n  straum store list\n  straum store get words-counted foss\n  straum store range words-counted --from a --to f --limit 10 --json\n  straum store range words-counted --reverse --limit 1"
)]
pub(super) enum Store {
    /// Which stores there are, and how many rows they have
    List,
    /// The row of a key; exit code 1 when there is none
    Get {
        /// The store
        store: String,
        /// The key
        key: String,
    },
    /// Rows, by partition and then by key
    Range {
        /// The store
        store: String,
        /// From this key on
        #[arg(long)]
        from: Option<String>,
        /// Up to this key, inclusive
        #[arg(long)]
        to: Option<String>,
        /// Only keys that begin with this
        #[arg(long)]
        prefix: Option<String>,
        /// The last key of each partition first
        #[arg(long)]
        reverse: bool,
        /// At most so many rows
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// How many rows a store has
    Count {
        /// The store
        store: String,
    },
}

impl Store {
    pub(super) fn run(&self, common: &Common) -> Result<Outcome> {
        let connection = Connection::new(common)?;
        if let Self::Range { from: Some(from), to: Some(to), .. } = self
            && from > to
        {
            eprintln!("no rows: --from {from} comes after --to {to}");
        }
        let request = match self {
            Self::List => Request::Stores,
            Self::Get { store, key } => Request::Get { store: store.clone(), key: key.clone() },
            Self::Range { store, from, to, prefix, reverse, limit } => Request::Range {
                store: store.clone(),
                from: from.clone(),
                to: to.clone(),
                prefix: prefix.clone(),
                reverse: *reverse,
                limit: Some(*limit),
            },
            Self::Count { store } => Request::Count { store: store.clone() },
        };
        let answer = output::masked(common, connection.personal, connection.ask(&request)?);
        let found = if answer.is_null() { Outcome::Failed } else { Outcome::Done };
        if common.json {
            output::json(&answer)?;
            return Ok(found);
        }
        match (self, &answer) {
            (Self::Get { store, .. }, Value::Null) => eprintln!("no row of this key in store {store}"),
            (Self::Get { .. }, row) => output::line(serde_json::to_string_pretty(row.get("value").unwrap_or(row))?)?,
            (Self::Count { .. }, count) => output::line(count)?,
            (Self::List, rows) => output::line(stores(rows))?,
            (Self::Range { limit, .. }, rows) => {
                output::line(self::rows(rows))?;
                if rows.as_array().is_some_and(|rows| rows.len() == *limit) {
                    eprintln!("the first {limit} rows; for more: --limit");
                }
            }
        }
        Ok(found)
    }
}

/// A table of stores.
pub(super) fn stores(answer: &Value) -> String {
    let cell = |row: &Value, name: &str| output::cell(row.get(name).unwrap_or(&Value::Null));
    let rows = answer.as_array().into_iter().flatten().map(|row| vec![cell(row, "store"), cell(row, "rows"), cell(row, "about")]);
    output::table(&["store", "rows", "holds"], rows)
}

fn rows(answer: &Value) -> String {
    let rows = answer.as_array().into_iter().flatten().map(|row| {
        let of = |name: &str| output::cell(row.get(name).unwrap_or(&Value::Null));
        let time = row.get("timestamp").and_then(Value::as_i64).map(output::time).unwrap_or_default();
        vec![of("key"), of("value"), time]
    });
    output::table(&["key", "value", "timestamp"], rows)
}
