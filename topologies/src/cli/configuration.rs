//! Settings of an application and of its cluster on the command line, beside those of a file and of the environment.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use straum::log::kafka::KafkaOptions;
use straum::runtime::ConfigSources;
use straum_topologies::registry::TopologyDefinition;

/// The variable by which NAIS gives an application its id.
const NAIS_APPLICATION_ID: &str = "KAFKA_STREAMS_APPLICATION_ID";

/// What commands that use settings say of them.
pub(super) const HELP: &str = "\
Settings have Kafka's names. What is given last in this list holds:
  the topology's own, FILE of --config-file (key=value a line), NAIS' variables (KAFKA_BROKERS, KAFKA_CA_PATH,
  KAFKA_CERTIFICATE_PATH, KAFKA_PRIVATE_KEY_PATH, KAFKA_STREAMS_APPLICATION_ID), STRAUM_ variables
  (STRAUM_NUM_STREAM_THREADS is num.stream.threads), --config KEY=VALUE, and options of their own such as --brokers.";

/// Settings by Kafka's names.
#[derive(Args, Clone, Debug, Default)]
pub(super) struct Configuration {
    /// A properties file: key=value a line
    #[arg(long, value_name = "FILE")]
    config_file: Option<PathBuf>,
    /// A setting of the application or of Kafka's clients, by Kafka's name
    #[arg(long = "config", value_name = "KEY=VALUE", value_parser = pair)]
    config: Vec<(String, String)>,
}

/// The cluster an operator's command is about.
#[derive(Args, Clone, Debug)]
pub(super) struct ClusterArguments {
    /// The brokers, HOST:PORT, comma-separated [default: bootstrap.servers of the settings]
    #[arg(long, value_name = "HOST:PORT")]
    brokers: Option<String>,
    #[command(flatten)]
    configuration: Configuration,
}

impl Configuration {
    /// All settings; `options` are those with options of their own, which stand over the rest.
    pub(super) fn sources(&self, options: &[(&str, &str, Option<String>)]) -> Result<ConfigSources> {
        let mut sources = ConfigSources::new();
        if let Some(file) = &self.config_file {
            sources = sources.properties(file)?;
        }
        sources = sources.environment(std::env::vars())?;
        for (key, value) in &self.config {
            sources = sources.set(key, value, "--config")?;
        }
        for (option, key, value) in options {
            if let Some(value) = value {
                sources = sources.set(*key, value, option)?;
            }
        }
        Ok(sources)
    }
}

impl ClusterArguments {
    /// All settings.
    pub(super) fn sources(&self) -> Result<ConfigSources> {
        self.configuration.sources(&[("--brokers", "bootstrap.servers", self.brokers.clone())])
    }

    /// How to reach the cluster for a topology's application.
    pub(super) fn options(&self, definition: &dyn TopologyDefinition) -> Result<KafkaOptions> {
        let sources = self.sources()?;
        Ok(sources.kafka(&application_id(&sources, definition)?)?)
    }
}

/// The application id: the topology's, or the one that NAIS' access rules are made for.
pub(super) fn application_id(sources: &ConfigSources, definition: &dyn TopologyDefinition) -> Result<String> {
    match (sources.get("application.id"), sources.origin("application.id")) {
        (None, _) => Ok(definition.application_id().to_owned()),
        (Some(id), Some(NAIS_APPLICATION_ID)) => Ok(id.to_owned()),
        (Some(id), _) if id == definition.application_id() => Ok(id.to_owned()),
        (Some(id), from) => {
            let (own, name) = (definition.application_id(), definition.name());
            anyhow::bail!("{}: application.id is {id}, expected none: topology {name} has {own}", from.unwrap_or("settings"))
        }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected key=value")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}
