//! `straum describe`.

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde_json::json;

use super::output;
use super::{Common, Outcome, topologies};

#[derive(Args)]
#[command(after_help = "Examples:\n  straum describe count\n  straum describe datadeling --format mermaid > topology.mmd")]
pub(super) struct Describe {
    /// The topology
    #[arg(value_parser = topologies())]
    topology: String,
    /// As Kafka Streams prints it, or as a Mermaid diagram
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    Text,
    Mermaid,
}

impl Describe {
    pub(super) fn run(&self, common: &Common) -> Result<Outcome> {
        let definition = super::find(&self.topology)?;
        let topology = definition.build(&Default::default()).map_err(anyhow::Error::from_boxed)?;
        let text = match self.format {
            Format::Text => topology.describe(),
            Format::Mermaid => topology.mermaid(),
        };
        if common.json {
            let texts = |names: Vec<std::sync::Arc<str>>| names.iter().map(ToString::to_string).collect::<Vec<_>>();
            output::json(&json!({
                "topology": definition.name(), "about": definition.about(), "description": text,
                "sources": texts(topology.source_topics()), "sinks": texts(topology.sink_topics()), "stores": texts(topology.store_names()),
            }))?;
        } else {
            output::line(text.trim_end())?;
        }
        Ok(Outcome::Done)
    }
}
