//! `straum reset`: an application begins from the beginning. Kafka Streams: `kafka-streams-application-reset`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::{Value, json};
use straum::group::heartbeat_topology;
use straum::log::kafka::{KafkaAdmin, KafkaLog};
use straum::log::{CommittedOffset, GroupMembership, Log, TopicPartition};

use super::configuration::{self, ClusterArguments};
use super::data_folder::DataFolder;
use super::group::reach;
use super::output;
use super::{Common, Outcome, topologies};

const EXAMPLES: &str = "\
Examples:
  straum reset count --brokers localhost:9092              what would be done
  straum reset count --brokers localhost:9092 --execute    does it

All processes of the application must be stopped. Its group is forgotten, with its offsets and the topology it was made for;
its source topics are read from the beginning again; its internal topics and the state in the data folder are deleted. Topics it
writes to are left as they are: what it writes again is there twice. Other processes' data folders are theirs to delete.
It is also the way to run a changed topology under the same application id.";

#[derive(Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{}", configuration::HELP))]
pub(super) struct Reset {
    /// The topology
    #[arg(value_parser = topologies())]
    topology: String,
    /// Do it; without this it is only shown
    #[arg(long)]
    execute: bool,
    #[command(flatten)]
    cluster: ClusterArguments,
}

/// What is to be done.
struct Plan {
    id: String,
    group: bool,
    inputs: Vec<(TopicPartition, Option<i64>, i64)>,
    internal: Vec<String>,
    /// Of the same form, but not this topology's: an earlier version's, or another application's.
    others: Vec<String>,
    state: Option<PathBuf>,
}

impl Reset {
    pub(super) fn run(&self, common: &Common) -> Result<Outcome> {
        let definition = super::find(&self.topology)?;
        let options = self.cluster.options(&*definition)?;
        let (admin, log) = (KafkaAdmin::new(&options)?, KafkaLog::connect(options.clone())?);
        let id = options.application_id;
        let group = admin.group()?;
        if let Some(members) = group.as_ref().map(|group| group.members.len()).filter(|members| *members > 0) {
            eprintln!(
                "group {id} has {members} members: stop every process of the application first; one that was killed is in the group until its session time-out"
            );
            return Ok(Outcome::Failed);
        }
        let folder = DataFolder::new(common.data.as_deref());
        let plan = Self::plan(&*definition, &log, id, group.is_some(), &folder)?;
        if self.execute {
            plan.execute(&admin, &log)?;
        }
        if common.json {
            output::json(&plan.as_json(self.execute))?;
        } else {
            output::line(plan.shown(self.execute))?;
        }
        Ok(Outcome::Done)
    }

    fn plan(
        definition: &dyn straum_topologies::registry::TopologyDefinition,
        log: &KafkaLog,
        id: String,
        group: bool,
        folder: &DataFolder,
    ) -> Result<Plan> {
        // The settings it last ran with decide which topics it has.
        let topology = definition.build(&folder.settings_of(definition.name())?).map_err(anyhow::Error::from_boxed)?;
        let described = heartbeat_topology(&topology, &id);
        let inputs = described.subtopologies.iter().flat_map(|sub| &sub.source_topics);
        let inputs = reach(log, &id, &inputs.filter(|topic| !definition.global_topics().contains(&topic.as_str())).cloned().collect())?;
        let own: Vec<String> = described
            .subtopologies
            .iter()
            .flat_map(|sub| sub.repartition_source_topics.iter().chain(&sub.state_changelog_topics))
            .map(|topic| topic.name.clone())
            .collect();
        let (mut internal, others): (Vec<String>, Vec<String>) =
            log.topics()?.into_iter().filter(|topic| own.contains(topic) || is_internal(topic, &id)).partition(|topic| own.contains(topic));
        internal.sort();
        let state = Some(folder.state().join(&id)).filter(|state| state.is_dir());
        let inputs = inputs.into_iter().map(|of| (of.partition, of.committed, of.start)).collect();
        Ok(Plan { id, group, inputs, internal, others, state })
    }
}

/// The names that Kafka's own tool takes for internal topics.
fn is_internal(topic: &str, id: &str) -> bool {
    const ENDS: [&str; 4] = ["-changelog", "-repartition", "-subscription-registration-topic", "-subscription-response-topic"];
    topic.strip_prefix(id).is_some_and(|rest| rest.starts_with('-') && ENDS.iter().any(|end| rest.ends_with(end)))
}

impl Plan {
    fn execute(&self, admin: &KafkaAdmin, log: &KafkaLog) -> Result<()> {
        if let Some(state) = &self.state {
            std::fs::remove_dir_all(state).with_context(|| format!("cannot delete {}", state.display()))?;
        }
        if self.group {
            admin.delete_group()?;
        }
        admin.delete_topics(&self.internal.iter().map(String::as_str).collect::<Vec<_>>())?;
        let offsets: Vec<_> = self
            .inputs
            .iter()
            .map(|(partition, _, start)| CommittedOffset { partition: partition.clone(), offset: *start, metadata: String::new() })
            .collect();
        Ok(log.commit_offsets(&GroupMembership { group: self.id.clone(), member: None }, &offsets)?)
    }

    fn shown(&self, done: bool) -> String {
        let mut rows = Vec::new();
        let mut row = |what: &str, name: String, then: String| rows.push(vec![what.to_owned(), name, then]);
        if self.group {
            row("group", self.id.clone(), "forgotten".to_owned());
        }
        for (partition, committed, start) in &self.inputs {
            row("source", partition.to_string(), format!("read from {start} (was at {})", committed.map_or("none".to_owned(), |at| at.to_string())));
        }
        for topic in &self.internal {
            row("internal topic", topic.clone(), "deleted".to_owned());
        }
        if let Some(state) = &self.state {
            row("state", state.display().to_string(), "deleted".to_owned());
        }
        for topic in &self.others {
            row("topic", topic.clone(), "left: not of this topology as it is now; delete it yourself if it is of an earlier version".to_owned());
        }
        let end = if done { "Done." } else { "Nothing has been done: --execute does it." };
        format!("{}\n{end}", output::table(&["what", "name", if done { "is" } else { "would be" }], rows))
    }

    fn as_json(&self, done: bool) -> Value {
        let inputs = self.inputs.iter().map(|(partition, committed, start)| {
            json!({ "topic": &*partition.topic, "partition": partition.partition, "committed": committed, "from": start })
        });
        json!({
            "group": self.id, "forgotten": self.group, "sources": inputs.collect::<Vec<_>>(), "deletedTopics": self.internal,
            "leftTopics": self.others, "deletedState": self.state, "executed": done,
        })
    }
}
