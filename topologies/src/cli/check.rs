//! `straum check`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use straum_topologies::registry;
use straum_topologies::scenario::live::{self, Cluster};
use straum_topologies::scenario::{self, Scenario, crash};

use super::configuration::Configuration;
use super::output;
use super::{Common, Outcome};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  straum check case.yaml\n  straum check --crash-everywhere topologies/scenarios/*/*.yaml\n  straum check --kafka localhost:9092 topologies/scenarios/datadeling/*.yaml\n\nA scenario file:\n  topology: count\n  now: 2026-01-26T08:00:00+01:00         # the clock at the start\n  steps:\n    - send: { topic: words, value: { text: foss } }   # text: bytes as they are; any other value is sent as JSON\n    - expect: { topic: counts, records: [ { key: foss, value: 1 } ] }\n    - crash: {}                                        # kill -9 and come back\n    - store: { name: words-counted, key: foss, value: 2 }\nSteps: send, send_file, advance, crash, expect, expect_count, store, http. topologies/scenarios has many more.\n\nExit codes: 0 all pass, 1 one fails, 2 one is no scenario."
)]
pub(super) struct Check {
    /// Scenario files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Run each again with a crash after every step, before every commit, and inside every record: at each of its outputs, those
    /// of a file's lines at the first two
    #[arg(long)]
    crash_everywhere: bool,
    /// Run on this Kafka cluster instead of in memory: real groups, topics and transactions. Each file has an application and topics
    /// of its own there (straum-check-…), which are deleted afterwards. With --crash-everywhere: a crash after every step, and one
    /// at the first commit of every step, before it is made
    #[arg(long, value_name = "HOST:PORT")]
    kafka: Option<String>,
    /// How many files run at once on Kafka
    #[arg(long, default_value_t = 4, requires = "kafka")]
    at_once: usize,
    #[command(flatten)]
    configuration: Configuration,
}

/// How a file fared: what it came to, what is to be said of it, and how long it took.
struct Checked {
    index: usize,
    result: Outcome,
    detail: String,
    milliseconds: u64,
}

impl Check {
    pub(super) fn run(&self, common: &Common) -> Result<Outcome> {
        let cluster = match &self.kafka {
            Some(brokers) => {
                let sources = self.configuration.sources(&[("--kafka", "bootstrap.servers", Some(brokers.clone()))])?;
                Some(Cluster::new(sources.kafka("straum-check")?))
            }
            None => None,
        };
        let at_once = if cluster.is_some() { self.at_once } else { 1 };
        let bar = output::progress("checking", self.files.len() as u64);
        let mut all = Vec::new();
        let mut told = Ok(());
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let (tell, heard) = channel();
            for _ in 0..at_once.clamp(1, self.files.len()) {
                let (tell, next, cluster) = (tell.clone(), &next, cluster.as_ref());
                scope.spawn(move || {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(path) = self.files.get(index) else { return };
                        let start = Instant::now();
                        let (result, detail) = self.one(path, common, cluster);
                        let milliseconds = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
                        if tell.send(Checked { index, result, detail, milliseconds }).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(tell);
            for checked in heard {
                bar.inc(1);
                if !common.json && told.is_ok() {
                    told = bar.suspend(|| output::line(self.shown(&checked)));
                }
                all.push(checked);
            }
        });
        bar.finish_and_clear();
        told?;
        all.sort_by_key(|checked| checked.index);
        if common.json {
            output::json(&Value::Array(all.iter().map(|checked| self.as_json(checked)).collect()))?;
        }
        let any = |outcome| all.iter().any(|checked| checked.result == outcome);
        Ok(if any(Outcome::NotUnderstood) {
            Outcome::NotUnderstood
        } else if any(Outcome::Failed) {
            Outcome::Failed
        } else {
            Outcome::Done
        })
    }

    fn path(&self, checked: &Checked) -> &Path {
        self.files.get(checked.index).map_or(Path::new(""), PathBuf::as_path)
    }

    fn shown(&self, checked: &Checked) -> String {
        let (path, detail) = (self.path(checked).display(), &checked.detail);
        match checked.result {
            Outcome::Done => format!("ok      {path} ({detail}, {} ms)", checked.milliseconds),
            Outcome::Failed => format!("FAILED  {detail}\n"),
            Outcome::NotUnderstood => format!("INVALID {path}: {detail}\n"),
        }
    }

    fn as_json(&self, checked: &Checked) -> Value {
        let word = match checked.result {
            Outcome::Done => "passed",
            Outcome::Failed => "failed",
            Outcome::NotUnderstood => "invalid",
        };
        json!({ "file": self.path(checked), "result": word, "detail": checked.detail, "milliseconds": checked.milliseconds })
    }

    fn one(&self, path: &Path, common: &Common, cluster: Option<&Cluster>) -> (Outcome, String) {
        let scenario = match Scenario::read(path) {
            Ok(scenario) => scenario,
            Err(invalid) => return (Outcome::NotUnderstood, invalid.message),
        };
        let tried = |tried: crash::Tried| format!("{} runs, {} crashes", tried.runs, tried.crashes);
        let steps = |()| format!("{} steps", scenario.case.steps.len());
        let checked = match (cluster, self.crash_everywhere) {
            (None, false) => scenario::check(&scenario).map(steps),
            (None, true) => crash::check_everywhere(&scenario).map(tried),
            (Some(cluster), false) => live::check(cluster, &scenario).map(steps),
            (Some(cluster), true) => live::check_with_crashes(cluster, &scenario).map(tried),
        };
        match checked {
            Ok(detail) => (Outcome::Done, detail),
            Err(failure) if common.show_personal => (Outcome::Failed, failure.to_string()),
            Err(failure) => (Outcome::Failed, masked(&failure.to_string(), &scenario.case.topology)),
        }
    }
}

/// A failure shows records: what is personal in them is masked there too.
fn masked(text: &str, topology: &str) -> String {
    let shown = registry::find(topology).map_or_else(|_| text.to_owned(), |definition| definition.personal().mask_text(text));
    if shown == text { shown } else { format!("{shown}\n(personal ids are masked; --show-personal shows them)") }
}
