//! `straum doctor`: whether a topology can run on a cluster, and what to change where it cannot.

mod checks;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use straum::group::heartbeat_topology;
use straum::log::kafka::KafkaAdmin;
use straum::runtime::StreamsConfig;
use straum_topologies::registry::Settings;

use self::checks::{Check, Patient, Verdict};
use super::configuration::{self, ClusterArguments};
use super::output;
use super::{Common, Outcome, topologies};

#[derive(Args)]
#[command(after_help = format!("Examples:\n  straum doctor count --brokers localhost:9092\n  straum doctor datadeling --config-file app.properties --json\n\nNothing is changed. Exit code 1 when a check fails; a warning does not.\n\n{}", configuration::HELP))]
pub(super) struct Doctor {
    /// The topology
    #[arg(value_parser = topologies())]
    topology: String,
    /// Settings of the topology, as name=value; the value is JSON or text
    #[arg(long = "set", value_name = "NAME=VALUE", value_parser = super::run::setting)]
    settings: Vec<(String, Value)>,
    #[command(flatten)]
    cluster: ClusterArguments,
}

impl Doctor {
    pub(super) fn run(&self, common: &Common) -> Result<Outcome> {
        let definition = super::find(&self.topology)?;
        let options = self.cluster.options(&*definition)?;
        let topology = definition.build(&self.settings.iter().cloned().collect::<Settings>()).map_err(anyhow::Error::from_boxed)?;
        let mut config = StreamsConfig::new(options.application_id.as_str());
        definition.configure(&mut config);
        self.cluster.sources()?.apply_to(&mut config)?;
        let patient = Patient {
            id: options.application_id.clone(),
            servers: options.bootstrap_servers.clone(),
            described: heartbeat_topology(&topology, &options.application_id),
            sinks: topology.sink_topics().iter().map(ToString::to_string).collect(),
            globals: definition.global_topics().iter().map(|topic| (*topic).to_owned()).collect(),
            dead_letters: config.dead_letter_topic.as_deref().map(str::to_owned),
        };
        let asked = KafkaAdmin::new(&options).and_then(|admin| Ok((admin.inspect(&patient.topics())?, admin.standing())));
        let checks = match asked {
            Ok((inspection, standing)) => checks::all(&patient, &inspection, standing.ok().flatten().as_ref()),
            Err(error) => {
                let causes = format!("{:#}", anyhow::Error::from(error));
                vec![Check::fail(
                    "brokers",
                    format!("{} cannot be used: {causes}", patient.servers),
                    "correct bootstrap.servers, security.protocol and the credentials",
                )]
            }
        };
        if common.json {
            let rows =
                checks.iter().map(|check| json!({ "check": check.what, "verdict": check.verdict.word(), "found": check.found, "do": check.remedy }));
            output::json(&Value::Array(rows.collect()))?;
        } else {
            for check in &checks {
                output::line(check)?;
            }
        }
        Ok(if checks.iter().any(|check| check.verdict == Verdict::Fail) { Outcome::Failed } else { Outcome::Done })
    }
}
