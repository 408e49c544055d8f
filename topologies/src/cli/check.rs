//! `straum check`.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use serde_json::json;
use straum_topologies::registry;
use straum_topologies::scenario::{self, Scenario, crash};

use super::output;
use super::{Common, Outcome};

#[derive(Args)]
#[command(
    after_help = "Examples:\n  straum check case.yaml\n  straum check --crash-everywhere topologies/scenarios/*/*.yaml\n\nA scenario file:\n  topology: count\n  now: 2026-01-26T08:00:00+01:00         # the clock at the start\n  steps:\n    - send: { topic: words, value: { text: foss } }   # text: bytes as they are; any other value is sent as JSON\n    - expect: { topic: counts, records: [ { key: foss, value: 1 } ] }\n    - crash: {}                                        # kill -9 and come back\n    - store: { name: words-counted, key: foss, value: 2 }\nSteps: send, send_file, advance, crash, expect, expect_count, store, http. topologies/scenarios has many more.\n\nExit codes: 0 all pass, 1 one fails, 2 one is no scenario."
)]
pub(super) struct Check {
    /// Scenario files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Run each again with a crash after every step, before every commit, and inside every record: at each of its outputs, those
    /// of a file's lines at the first two
    #[arg(long)]
    crash_everywhere: bool,
}

impl Check {
    pub(super) fn run(&self, common: &Common) -> Result<Outcome> {
        let mut outcome = Outcome::Done;
        let mut results = Vec::new();
        let bar = output::progress("checking", self.files.len() as u64);
        for path in &self.files {
            let start = Instant::now();
            let (result, detail) = self.one(path, common);
            bar.inc(1);
            let milliseconds = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
            outcome = match (outcome, result) {
                (Outcome::NotUnderstood, _) | (_, Outcome::NotUnderstood) => Outcome::NotUnderstood,
                (Outcome::Failed, _) | (_, Outcome::Failed) => Outcome::Failed,
                _ => Outcome::Done,
            };
            if common.json {
                let word = match result {
                    Outcome::Done => "passed",
                    Outcome::Failed => "failed",
                    Outcome::NotUnderstood => "invalid",
                };
                results.push(json!({ "file": path, "result": word, "detail": detail, "milliseconds": milliseconds }));
            } else {
                let text = match result {
                    Outcome::Done => format!("ok      {} ({detail}, {milliseconds} ms)", path.display()),
                    Outcome::Failed => format!("FAILED  {detail}\n"),
                    Outcome::NotUnderstood => format!("INVALID {}: {detail}\n", path.display()),
                };
                bar.suspend(|| output::line(text))?;
            }
        }
        bar.finish_and_clear();
        if common.json {
            output::json(&json!(results))?;
        }
        Ok(outcome)
    }

    fn one(&self, path: &std::path::Path, common: &Common) -> (Outcome, String) {
        let scenario = match Scenario::read(path) {
            Ok(scenario) => scenario,
            Err(invalid) => return (Outcome::NotUnderstood, invalid.message),
        };
        let checked = if self.crash_everywhere {
            crash::check_everywhere(&scenario).map(|tried| format!("{} runs, {} crashes", tried.runs, tried.crashes))
        } else {
            scenario::check(&scenario).map(|()| format!("{} steps", scenario.case.steps.len()))
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
