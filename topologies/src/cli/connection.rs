//! Whom to ask about a data folder: its process, or, when none runs, the folder itself.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::Value;
use straum::runtime::{Clock, ConfigSources, SystemClock};
use straum_topologies::registry::Personal;

use super::Common;
use super::application::{Application, Opening, open_log};
use super::data_folder::{DataFolder, Listening};
use super::operator::{self, Request};
use super::place::Place;
use super::server::TOKEN;

/// A data folder that can be asked.
pub(super) struct Connection {
    folder: DataFolder,
    process: Option<Listening>,
    /// What is personal in its topics and stores.
    pub(super) personal: Personal,
}

impl Connection {
    pub(super) fn new(common: &Common) -> Result<Self> {
        let folder = DataFolder::new(common.data.as_deref());
        if !folder.exists() {
            bail!("nothing has run in {} yet; start with: straum run TOPOLOGY, or name the folder with --data DIR", folder.path().display());
        }
        let personal = match folder.occupant()? {
            Some(occupant) => super::find(&occupant.topology)?.personal(),
            None => Personal { fields: &[], eleven_digits: true },
        };
        let process = folder.listening()?.filter(|listening| std::net::TcpStream::connect(("127.0.0.1", listening.port)).is_ok());
        Ok(Self { folder, process, personal })
    }

    /// Asks.
    pub(super) fn ask(&self, request: &Request) -> Result<Value> {
        match &self.process {
            Some(process) => ask_process(process, request),
            None => self.ask_folder(request),
        }
    }

    fn ask_folder(&self, request: &Request) -> Result<Value> {
        if let Some(brokers) = self.folder.occupant()?.and_then(|occupant| occupant.brokers) {
            let folder = self.folder.path().display();
            bail!(
                "{folder} is of a topology on Kafka ({brokers}) whose process does not run: start it with straum run TOPOLOGY --brokers {brokers}, then ask again"
            );
        }
        if matches!(request, Request::Topics | Request::Tail { .. } | Request::Produce { .. }) {
            return operator::of_topics(&Place::Embedded(open_log(&self.folder)?), |_| true, request, SystemClock.now());
        }
        let occupant = self
            .folder
            .occupant()?
            .with_context(|| format!("no topology has run in {} yet; start with: straum run TOPOLOGY", self.folder.path().display()))?;
        let application =
            Application::open(&self.folder, &occupant, Opening { clock: Arc::new(SystemClock), settings: ConfigSources::new(), paused: true })?;
        let answer = operator::of_stores(&application, request);
        application.close()?;
        answer
    }
}

fn ask_process(process: &Listening, request: &Request) -> Result<Value> {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(Duration::from_secs(300))).build().into();
    let mut response = agent
        .post(format!("http://127.0.0.1:{}/operator", process.port))
        .header(TOKEN, &process.token)
        .send_json(request)
        .with_context(|| format!("process {} does not answer", process.process))?;
    let status = response.status();
    let body: Value = response
        .body_mut()
        .with_config()
        .limit(1 << 30)
        .read_json()
        .with_context(|| format!("process {} answered what is not JSON", process.process))?;
    match body.get("error").and_then(Value::as_str) {
        _ if status.is_success() => Ok(body),
        Some(error) => bail!("{error}"),
        None => bail!("process {} answered with status {status}", process.process),
    }
}
