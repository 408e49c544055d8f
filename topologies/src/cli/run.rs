//! `straum run`.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;
use straum::runtime::SystemClock;
use straum_topologies::registry::Settings;

use super::application::{Application, Opening};
use super::data_folder::{DataFolder, Occupant};
use super::output;
use super::server;
use super::{Common, Outcome, topologies};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  straum run count\n  straum run datadeling --data /var/lib/datadeling --set epoke=2\nWhile it runs, `straum store` and `straum topic` on the same folder ask it."
)]
pub(super) struct Run {
    /// The topology
    #[arg(value_parser = topologies())]
    topology: String,
    /// Settings of the topology, as name=value; the value is JSON or text
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = setting)]
    settings: Vec<(String, Value)>,
    /// Stream threads
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// The port of its API on the loopback interface; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
}

impl Run {
    pub(super) fn run(&self, common: &Common) -> Result<Outcome> {
        let folder = DataFolder::new(common.data.as_deref());
        let settings: Settings = self.settings.iter().cloned().collect();
        let occupant = Occupant { topology: self.topology.clone(), settings };
        let application = Application::open(&folder, &occupant, Opening { clock: Arc::new(SystemClock), threads: self.threads, paused: false })?;
        let name = self.topology.clone();
        serve(Arc::new(application), &folder, self.port, |address| {
            output::line(format_args!("{name} runs in {} and listens on http://{address}; Ctrl-C ends it", folder.path().display()))
        })?;
        Ok(Outcome::Done)
    }
}

fn setting(text: &str) -> Result<(String, Value), String> {
    let (name, value) = text.split_once('=').ok_or("expected name=value")?;
    Ok((name.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| Value::from(value))))
}

/// Serves until told to end, then commits and closes.
pub(super) fn serve(application: Arc<Application>, folder: &DataFolder, port: u16, ready: impl FnOnce(SocketAddr) -> Result<()>) -> Result<()> {
    let runtime = tokio::runtime::Runtime::new().context("cannot start the threads of the API")?;
    let served = runtime.block_on(server::serve(Arc::clone(&application), folder, port, ready));
    // Queries that are under way end before the stores do.
    drop(runtime);
    let closed = application.close();
    served.and(closed)
}
