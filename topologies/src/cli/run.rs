//! `straum run`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;
use straum::runtime::SystemClock;
use straum_topologies::registry::Settings;
use tokio::sync::Notify;

use super::application::{Application, Opening};
use super::configuration::{self, Configuration, application_id};
use super::data_folder::{DataFolder, Occupant};
use super::output;
use super::{Common, Outcome, kafka_process, server, topologies};

const EXAMPLES: &str = "\
Examples:
  straum run count
  straum run datadeling --data /var/lib/datadeling --set epoke=2
  straum run count --brokers localhost:9092 --threads 2
  straum run datadeling --config-file app.properties --host 0.0.0.0 --port 8080

While it runs, `straum store` and `straum topic` on the same folder ask it. /internal/isalive, /internal/isready and
/internal/metrics are for whoever supervises it. On Kafka (4.2 or later) the processes of an application form a streams group and
share its tasks; the topics a topology reads and writes are yours to make, and it says which are missing. SIGTERM and Ctrl-C
end it within 30 s with everything committed; back within the session time-out it has its tasks again.";

#[derive(Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{}", configuration::HELP))]
pub(super) struct Run {
    /// The topology
    #[arg(value_parser = topologies())]
    topology: String,
    /// Settings of the topology, as name=value; the value is JSON or text
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, Value)>,
    /// Run on this Kafka cluster; without it (and without bootstrap.servers in the settings) on the log in the data folder
    #[arg(long, value_name = "HOST:PORT")]
    brokers: Option<String>,
    /// Stream threads: num.stream.threads [default: 1]
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    threads: Option<u16>,
    /// The interface of its API; 0.0.0.0 answers everybody who can reach it
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// The port of its API; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    #[command(flatten)]
    configuration: Configuration,
}

impl Run {
    pub(super) fn run(&self, common: &Common) -> Result<Outcome> {
        let folder = DataFolder::new(common.data.as_deref());
        let options = [
            ("--brokers", "bootstrap.servers", self.brokers.clone()),
            ("--threads", "num.stream.threads", self.threads.map(|threads| threads.to_string())),
        ];
        let sources = self.configuration.sources(&options)?;
        let definition = super::find(&self.topology)?;
        let brokers = sources.get("bootstrap.servers").map(str::to_owned);
        let occupant = Occupant { topology: self.topology.clone(), settings: self.settings.iter().cloned().collect::<Settings>(), brokers };
        // What is wrong with the settings is said before anything is connected to.
        let id = application_id(&sources, &*definition)?;
        definition.build(&occupant.settings).map_err(anyhow::Error::from_boxed)?;
        let opening = Opening { clock: Arc::new(SystemClock), settings: sources.clone(), paused: false };
        let (name, place, address) = (self.topology.clone(), folder.path().display().to_string(), (self.host, self.port));
        if let Some(brokers) = &occupant.brokers {
            let log = kafka_process::connect(sources.kafka(&id)?)?;
            let application = Application::prepare(&folder, &occupant, &opening, Some(log))?;
            kafka_process::run(application, &folder, address, |address| {
                output::line(format_args!(
                    "{name} runs as group {id} on {brokers} with its state in {place} and listens on http://{address}; Ctrl-C ends it"
                ))
            })?;
        } else {
            let application = Application::open(&folder, &occupant, opening)?;
            serve(Arc::new(application), &folder, address, |address| {
                output::line(format_args!("{name} runs in {place} and listens on http://{address}; Ctrl-C ends it"))
            })?;
        }
        Ok(Outcome::Done)
    }
}

pub(super) fn setting(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("expected name=value")?;
    Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::from(value))))
}

/// Serves until told to end, then commits and closes.
pub(super) fn serve(
    application: Arc<Application>,
    folder: &DataFolder,
    address: (IpAddr, u16),
    ready: impl FnOnce(SocketAddr) -> Result<()>,
) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the threads of the API")?;
    let served = runtime.block_on(server::serve(Arc::clone(&application), folder, address, Arc::new(Notify::new()), ready));
    // Queries that are under way end before the stores do.
    drop(runtime);
    let closed = application.close();
    served.and(closed)
}
