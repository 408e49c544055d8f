//! `straum generate`.

use std::io::{BufWriter, Write};

use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Value, json};
use straum_topologies::registry::{Generated, Wish};

use super::topic::raw;
use super::{Common, Outcome, topologies};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  straum generate datadeling --records 100000 --seed 7 > messages.jsonl\n  straum generate count | straum topic produce words --file -\nNo message concerns a real person."
)]
pub(super) struct Generate {
    /// The topology
    #[arg(value_parser = topologies())]
    topology: String,
    /// How many
    #[arg(long, short = 'n', default_value_t = 1000)]
    records: u64,
    /// The same seed gives the same messages
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Keys and timestamps too, one object a line: {"key":…,"value":…,"timestamp":…}; the same as --json
    #[arg(long)]
    whole: bool,
}

impl Generate {
    pub(super) fn run(&self, common: &Common) -> Result<Outcome> {
        let definition = super::find(&self.topology)?;
        let wish = Wish { seed: self.seed, records: self.records };
        let records = definition.generate(wish).with_context(|| format!("topology {} has no generator", self.topology))?;
        let mut out = BufWriter::new(std::io::stdout().lock());
        for record in records {
            if self.whole || common.json {
                serde_json::to_writer(&mut out, &whole(&record))?;
            } else {
                out.write_all(&record.value.unwrap_or_default())?;
            }
            out.write_all(b"\n")?;
        }
        out.flush()?;
        Ok(Outcome::Done)
    }
}

fn whole(record: &Generated) -> Value {
    let part = |bytes: &Option<Vec<u8>>| bytes.as_deref().map_or(Value::Null, raw);
    json!({ "key": part(&record.key), "value": part(&record.value), "timestamp": record.timestamp })
}
