//! `straum adopt`: an application changes hands between Kafka Streams and Straum.

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use straum::log::kafka::{HandOver, KafkaAdmin, KafkaLog, MemberProtocol};

use super::configuration::{self, ClusterArguments};
use super::data_folder::DataFolder;
use super::output;
use super::{Common, Outcome, topologies};

const EXAMPLES: &str = "\
Examples:
  straum adopt count --brokers localhost:9092              what would be done
  straum adopt count --brokers localhost:9092 --execute    does it; then: straum run count --brokers …

An application of Kafka Streams with the same application id, topics and names of stores and repartitions is taken over:
its offsets, repartition topics and changelogs are gone on with, and every record still counts once. The other way round it
is the same command: stop Straum, adopt, start the Kafka Streams application. All instances must be stopped, best with
leaving their group; whoever was killed is in it until its session time-out.

A group that Kafka Streams ran by the classic protocol only has to be empty. One of the streams protocol keeps a topology
that the broker compares literally: it is deleted, and its offsets are written back. Meanwhile they are kept in a file of
the data folder; if this is interrupted, run it again.";

#[derive(Args)]
#[command(after_help = format!("{EXAMPLES}\n\n{}", configuration::HELP))]
pub(super) struct Adopt {
    /// The topology
    #[arg(value_parser = topologies())]
    topology: String,
    /// Do it; without this it is only shown
    #[arg(long)]
    execute: bool,
    #[command(flatten)]
    cluster: ClusterArguments,
}

impl Adopt {
    pub(super) fn run(&self, common: &Common) -> Result<Outcome> {
        let definition = super::find(&self.topology)?;
        let options = self.cluster.options(&*definition)?;
        let (admin, log) = (KafkaAdmin::new(&options)?, KafkaLog::connect(options.clone())?);
        let id = options.application_id;
        let folder = DataFolder::new(common.data.as_deref());
        let topology = definition.build(&folder.settings_of(definition.name())?).map_err(anyhow::Error::from_boxed)?;
        let kept = folder.path().join(format!("adopt-{id}.json"));
        let hand_over = HandOver::plan(&admin, &log, &topology, &id, &kept)?;
        let obstacles = hand_over.obstacles();
        let done = self.execute && obstacles.is_empty();
        if done {
            hand_over.execute(&admin, &log, &kept)?;
        }
        if common.json {
            output::json(&as_json(&hand_over, &obstacles, done))?;
        } else {
            output::line(shown(&hand_over, &obstacles, done))?;
        }
        Ok(if obstacles.is_empty() { Outcome::Done } else { Outcome::Failed })
    }
}

fn shown(hand_over: &HandOver, obstacles: &[String], done: bool) -> String {
    let mut rows = Vec::new();
    let mut row = |what: &str, name: String, then: String| rows.push(vec![what.to_owned(), name, then]);
    let (group, of) = match &hand_over.standing {
        Some(standing) => (format!("{} ({}, {})", hand_over.group, standing.protocol.name(), standing.state), standing.protocol),
        None => (format!("{} (deleted by an earlier attempt)", hand_over.group), MemberProtocol::Streams),
    };
    let then = match of {
        MemberProtocol::Streams => "its topology is forgotten, its offsets stay",
        MemberProtocol::Classic => "stays as it is",
    };
    row("group", group, then.to_owned());
    for offset in &hand_over.offsets {
        row("partition", offset.partition.to_string(), format!("goes on at {}", offset.offset));
    }
    for topic in hand_over.topics.iter().filter(|topic| topic.internal) {
        let found = topic.partitions.map_or("missing".to_owned(), |count| format!("{count} partitions, gone on with"));
        row("internal topic", topic.name.clone(), found);
    }
    for topic in &hand_over.strangers {
        row("topic", topic.clone(), "left: this topology has no such store or repartition".to_owned());
    }
    let mut text = output::table(&["what", "name", if done { "is" } else { "would be" }], rows);
    for obstacle in obstacles {
        text += &format!("\n- {obstacle}");
    }
    text += match (done, obstacles) {
        (true, _) => "\nDone. Its new owner may be started.",
        (false, []) => "\nNothing has been done: --execute does it.",
        (false, _) => "\nNothing has been done: see above what hinders it.",
    };
    text
}

fn as_json(hand_over: &HandOver, obstacles: &[String], done: bool) -> Value {
    let offsets =
        hand_over.offsets.iter().map(|of| json!({ "topic": &*of.partition.topic, "partition": of.partition.partition, "offset": of.offset }));
    let topics = hand_over
        .topics
        .iter()
        .map(|topic| json!({ "name": topic.name, "internal": topic.internal, "partitions": topic.partitions, "expected": topic.expected }));
    let standing = hand_over.standing.as_ref().map(|of| json!({ "protocol": of.protocol.name(), "state": of.state, "members": of.members }));
    json!({
        "group": hand_over.group, "standing": standing, "offsets": offsets.collect::<Vec<_>>(), "topics": topics.collect::<Vec<_>>(),
        "strangers": hand_over.strangers, "resumed": hand_over.resumed, "obstacles": obstacles, "executed": done,
    })
}
