//! Cases on a Kafka broker: the same files, the same expectations, a real streams group, real topics and transactions.
//!
//! Each run of a case has an application of its own under names of its own (`straum-check-…`), since cases speak of whole topics
//! and stores and have each their own clock; many run at once. Its topics and its group are deleted when it is done.
//!
//! A step has ended when the group's committed offsets have reached the ends of all source and repartition topics, and the global
//! stores those of theirs. A crash cuts the application off its log, so that nothing it has not committed ever arrives, drops it
//! and opens it again on its state; `make crash-proof-kafka` does it with kill -9.

mod application;
mod namespace;
mod outputs;
mod run;

use std::sync::atomic::{AtomicUsize, Ordering};

use straum::log::kafka::KafkaOptions;

use super::crash::Tried;
use super::failure::Failure;
use super::file::Scenario;
use application::PATIENCE;
use run::{Crashing, Run};

/// The cluster that cases run on.
#[derive(Debug)]
pub struct Cluster {
    options: KafkaOptions,
    name: String,
    runs: AtomicUsize,
}

impl Cluster {
    /// The cluster that these options reach; their application id is not used.
    #[must_use]
    pub fn new(options: KafkaOptions) -> Self {
        let id = uuid::Uuid::new_v4().simple().to_string();
        Self { options, name: format!("straum-check-{}", id.get(..8).unwrap_or(&id)), runs: AtomicUsize::new(0) }
    }

    /// Names for one more run, and how to reach the cluster for the group of an application in it.
    fn prefix(&self) -> String {
        format!("{}-{}.", self.name, self.runs.fetch_add(1, Ordering::Relaxed))
    }

    fn options(&self, group: String) -> KafkaOptions {
        KafkaOptions { application_id: group, request_timeout: PATIENCE, ..self.options.clone() }
    }
}

/// Runs a case.
///
/// # Errors
/// The first step that does not come out as the file says, or why the cluster could not be used.
pub fn check(cluster: &Cluster, scenario: &Scenario) -> Result<(), Failure> {
    Run::of(cluster, scenario, Crashing::Never).map(|_| ())
}

/// Runs a case as it is, with a crash after every step, and with a crash at the first commit of every step, before it is made.
///
/// # Errors
/// As [`check`], and where the crash was.
pub fn check_with_crashes(cluster: &Cluster, scenario: &Scenario) -> Result<Tried, Failure> {
    let mut tried = Tried::default();
    for crashing in [Crashing::Never, Crashing::AfterStep, Crashing::BeforeCommit] {
        tried.crashes += Run::of(cluster, scenario, crashing)?;
        tried.runs += 1;
    }
    Ok(tried)
}
