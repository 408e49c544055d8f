//! `straum group`: a topology's group as its cluster sees it.

use std::collections::BTreeSet;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use straum::group::heartbeat_topology;
use straum::group::wire::{DescribedGroup, TaskIds};
use straum::log::kafka::{KafkaAdmin, KafkaLog};
use straum::log::{Log, TopicPartition};
use straum_topologies::registry::Settings;

use super::configuration::{self, ClusterArguments};
use super::output;
use super::{Common, Outcome, topologies};

#[derive(Subcommand)]
pub(super) enum Group {
    /// Members, their tasks, and how far each topic is read; exit code 1 when there is no such group
    Describe(Describe),
}

#[derive(Args)]
#[command(after_help = format!("Examples:\n  straum group describe count --brokers localhost:9092\n  straum group describe datadeling --json\n\n{}", configuration::HELP))]
pub(super) struct Describe {
    /// The topology
    #[arg(value_parser = topologies())]
    topology: String,
    #[command(flatten)]
    cluster: ClusterArguments,
}

/// How far a partition is read.
pub(super) struct Reach {
    pub(super) partition: TopicPartition,
    pub(super) committed: Option<i64>,
    pub(super) start: i64,
    pub(super) end: i64,
}

impl Reach {
    fn lag(&self) -> i64 {
        self.end - self.committed.unwrap_or(self.start)
    }
}

impl Group {
    pub(super) fn run(&self, common: &Common) -> Result<Outcome> {
        let Self::Describe(describe) = self;
        describe.run(common)
    }
}

impl Describe {
    fn run(&self, common: &Common) -> Result<Outcome> {
        let definition = super::find(&self.topology)?;
        let options = self.cluster.options(&*definition)?;
        let id = options.application_id.clone();
        let Some(group) = KafkaAdmin::new(&options)?.group()? else {
            eprintln!(
                "no streams group {id} on {}; it is there once the topology has run: straum run {} --brokers …",
                options.bootstrap_servers, self.topology
            );
            return Ok(Outcome::Failed);
        };
        let log = KafkaLog::connect(options)?;
        let topics = match &group.topology {
            Some(topology) => read_topics(topology.subtopologies.iter().flatten().map(|sub| (&sub.source_topics, &sub.repartition_source_topics))),
            None => source_topics(&*definition, &id)?,
        };
        let reach = reach(&log, &id, &topics)?;
        if common.json {
            output::json(&as_json(&group, &reach))?;
        } else {
            output::line(shown(&group, &reach))?;
        }
        Ok(Outcome::Done)
    }
}

/// The topics an application reads and commits offsets of: its sources, and its own repartition topics.
fn source_topics(definition: &dyn straum_topologies::registry::TopologyDefinition, id: &str) -> Result<BTreeSet<String>> {
    let topology = definition.build(&Settings::new()).map_err(anyhow::Error::from_boxed)?;
    let described = heartbeat_topology(&topology, id);
    Ok(read_topics(described.subtopologies.iter().map(|sub| (&sub.source_topics, &sub.repartition_source_topics))))
}

fn read_topics<'a>(of: impl Iterator<Item = (&'a Vec<String>, &'a Vec<straum::group::wire::TopicInfo>)>) -> BTreeSet<String> {
    of.flat_map(|(sources, repartitions)| sources.iter().chain(repartitions.iter().map(|topic| &topic.name))).cloned().collect()
}

/// How far topics are read by a group; those that are not there are left out.
pub(super) fn reach(log: &KafkaLog, group: &str, topics: &BTreeSet<String>) -> Result<Vec<Reach>> {
    let mut partitions = Vec::new();
    for topic in topics {
        partitions.extend((0..log.partitions(topic)?.unwrap_or(0)).map(|number| TopicPartition::new(topic.as_str(), number)));
    }
    let committed = log.committed(group, &partitions)?;
    let mut reach = Vec::new();
    for (partition, committed) in partitions.into_iter().zip(committed) {
        let (start, end) = log.offsets(&partition)?;
        reach.push(Reach { partition, committed: committed.map(|committed| committed.offset), start, end });
    }
    Ok(reach)
}

fn tasks(ids: &[TaskIds]) -> Vec<String> {
    ids.iter().flat_map(|of| of.partitions.iter().map(|partition| format!("{}_{partition}", of.subtopology_id))).collect()
}

fn shown(group: &DescribedGroup, reach: &[Reach]) -> String {
    let members = group.members.iter().map(|member| {
        vec![
            member.member_id.clone(),
            member.process_id.clone(),
            member.client_host.trim_start_matches('/').to_owned(),
            member.member_epoch.to_string(),
            tasks(&member.assignment.active_tasks).join(" "),
            tasks(&member.assignment.standby_tasks).join(" "),
        ]
    });
    let members = output::table(&["member (a thread)", "process", "host", "epoch", "active tasks", "standby tasks"], members);
    let rows = reach.iter().map(|of| {
        vec![
            of.partition.to_string(),
            of.committed.map_or("none".to_owned(), |committed| committed.to_string()),
            of.end.to_string(),
            of.lag().to_string(),
        ]
    });
    let offsets = output::table(&["partition", "committed", "end", "lag"], rows);
    let processes: BTreeSet<&str> = group.members.iter().map(|member| member.process_id.as_str()).collect();
    format!(
        "group {} is {} (epoch {}): {} processes, {} threads\n{members}\n\n{offsets}",
        group.group_id,
        group.group_state,
        group.group_epoch,
        processes.len(),
        group.members.len()
    )
}

fn as_json(group: &DescribedGroup, reach: &[Reach]) -> Value {
    let members = group.members.iter().map(|member| {
        json!({
            "member": member.member_id, "process": member.process_id, "host": member.client_host.trim_start_matches('/'), "client": member.client_id,
            "epoch": member.member_epoch, "active": tasks(&member.assignment.active_tasks), "standby": tasks(&member.assignment.standby_tasks),
        })
    });
    let offsets = reach.iter().map(|of| {
        json!({ "topic": &*of.partition.topic, "partition": of.partition.partition, "committed": of.committed, "start": of.start, "end": of.end, "lag": of.lag() })
    });
    json!({
        "group": group.group_id, "state": group.group_state, "epoch": group.group_epoch,
        "members": members.collect::<Vec<_>>(), "offsets": offsets.collect::<Vec<_>>(),
    })
}
