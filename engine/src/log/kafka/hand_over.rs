//! Handing an application over between Kafka Streams and this library, with its offsets, topics and state.
//!
//! Names and bytes of internal topics are the same on both sides, so that what is handed over is the group. One of the
//! classic protocol only has to be empty. One of the streams protocol keeps its topology, and its broker compares
//! topologies literally, orders that mean nothing included: it takes nobody but who wrote it. So that group is deleted,
//! and its offsets, which say what has been processed, are written back to an empty one of the same name.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::group::heartbeat_topology;
use crate::group::wire::HeartbeatSubtopology;
use crate::log::{CommittedOffset, GroupMembership, Log, LogError, LogErrorKind, TopicPartition};
use crate::topology::Topology;

use super::administration::{GroupStanding, KafkaAdmin, MemberProtocol};
use super::kafka_log::KafkaLog;

/// What is to be handed over, as it was found.
#[derive(Clone, Debug)]
pub struct HandOver {
    /// The application id, which is the group's name.
    pub group: String,
    /// How the group stands. `None` when there is none: it never ran, or an earlier hand-over was interrupted.
    pub standing: Option<GroupStanding>,
    /// What its members have processed; it goes on there.
    pub offsets: Vec<CommittedOffset>,
    /// The topics that this topology reads, and those that hold its state.
    pub topics: Vec<HandOverTopic>,
    /// Topics named like the application's internal ones, which this topology does not have.
    pub strangers: Vec<String>,
    /// An earlier hand-over was interrupted: its offsets are taken from where it kept them.
    pub resumed: bool,
    /// The group has offsets, and other ones than an interrupted hand-over kept.
    contradicted: bool,
}

/// A topic of the topology.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandOverTopic {
    /// Its whole name.
    pub name: String,
    /// Made by the application, not for it.
    pub internal: bool,
    /// How many partitions it has; `None` when it is missing.
    pub partitions: Option<u32>,
    /// How many it must have, where that follows from others.
    pub expected: Option<u32>,
}

/// Offsets between the deletion of a group and their return.
#[derive(Serialize, Deserialize)]
struct Kept {
    group: String,
    offsets: Vec<KeptOffset>,
}

#[derive(Serialize, Deserialize)]
struct KeptOffset {
    topic: String,
    partition: u32,
    offset: i64,
    metadata: String,
}

impl HandOver {
    /// Looks at what there is. `kept` is the file in which [`HandOver::execute`] keeps the offsets while the group is
    /// deleted; when it is there, an earlier hand-over was interrupted and is to be ended.
    ///
    /// # Errors
    /// When the cluster cannot be asked, or the file cannot be read.
    pub fn plan(admin: &KafkaAdmin, log: &KafkaLog, topology: &Topology, application_id: &str, kept: &Path) -> Result<Self, LogError> {
        let described = heartbeat_topology(topology, application_id);
        let mut topics = Vec::new();
        for subtopology in &described.subtopologies {
            topics.extend(topics_of(log, subtopology)?);
        }
        let own = |name: &String| topics.iter().any(|topic: &HandOverTopic| topic.name == *name);
        let strangers = log.topics()?.into_iter().filter(|topic| is_internal(topic, application_id) && !own(topic)).collect();
        let sources =
            described.subtopologies.iter().flat_map(|of| of.source_topics.iter().chain(of.repartition_source_topics.iter().map(|topic| &topic.name)));
        let mut partitions = Vec::new();
        for name in sources {
            let count = topics.iter().find(|topic| topic.name == *name).and_then(|topic| topic.partitions).unwrap_or(0);
            partitions.extend((0..count).map(|partition| TopicPartition::new(name.as_str(), partition)));
        }
        let committed: Vec<CommittedOffset> = log.committed(application_id, &partitions)?.into_iter().flatten().collect();
        let interrupted = read(kept, application_id)?;
        let contradicted = interrupted.as_ref().is_some_and(|kept| !committed.is_empty() && *kept != committed);
        let resumed = interrupted.is_some();
        let offsets = interrupted.unwrap_or(committed);
        Ok(Self { group: application_id.to_owned(), standing: admin.standing()?, offsets, topics, strangers, resumed, contradicted })
    }

    /// Why it cannot be handed over as it is, each with what to do; empty when it can.
    #[must_use]
    pub fn obstacles(&self) -> Vec<String> {
        let group = &self.group;
        let mut obstacles = Vec::new();
        match &self.standing {
            Some(standing) if standing.members > 0 => obstacles.push(format!(
                "group {group} has {} members: stop every instance; one that was killed is in the group until its session time-out",
                standing.members
            )),
            None if self.offsets.is_empty() => {
                obstacles.push(format!("group {group} has committed nothing: there is nothing to take over, just start"));
            }
            _ => {}
        }
        if self.contradicted {
            obstacles.push(format!(
                "an interrupted hand-over has kept offsets of group {group} that are not those it has now: delete the file of the kept ones if the application ran since"
            ));
        }
        for topic in &self.topics {
            match (topic.partitions, topic.expected) {
                (None, _) if topic.internal => obstacles.push(format!(
                    "internal topic {} is missing: the stores and repartitions of both topologies must have the same names, or state would be lost",
                    topic.name
                )),
                (None, _) => obstacles.push(format!("source topic {} is missing: make it", topic.name)),
                (Some(found), Some(expected)) if found != expected => obstacles
                    .push(format!("topic {} has {found} partitions, expected {expected}: both topologies must divide the work alike", topic.name)),
                _ => {}
            }
        }
        obstacles
    }

    /// Hands it over: afterwards the group is empty, has no topology, and its offsets are what they were. May be called
    /// again, after a new [`HandOver::plan`], when it was interrupted.
    ///
    /// # Errors
    /// [`LogErrorKind::Invalid`] when there are obstacles; when the file cannot be written, or the cluster refuses.
    pub fn execute(&self, admin: &KafkaAdmin, log: &KafkaLog, kept: &Path) -> Result<(), LogError> {
        if let Some(obstacle) = self.obstacles().into_iter().next() {
            return Err(LogError::new(LogErrorKind::Invalid, obstacle));
        }
        let keeps_topology = self.standing.as_ref().is_some_and(|standing| standing.protocol == MemberProtocol::Streams);
        if !self.resumed && !keeps_topology {
            return Ok(());
        }
        write(kept, &self.group, &self.offsets)?;
        if keeps_topology {
            admin.delete_group()?;
        }
        log.commit_offsets(&GroupMembership { group: self.group.clone(), member: None }, &self.offsets)?;
        let partitions: Vec<TopicPartition> = self.offsets.iter().map(|offset| offset.partition.clone()).collect();
        let written: Vec<CommittedOffset> = log.committed(&self.group, &partitions)?.into_iter().flatten().collect();
        if written != self.offsets {
            return Err(LogError::new(LogErrorKind::Retriable, format!("the offsets of group {} are not back yet: hand over again", self.group)));
        }
        fs::remove_file(kept).map_err(|error| of_file(kept, "deleted", error))
    }
}

fn topics_of(log: &KafkaLog, subtopology: &HeartbeatSubtopology) -> Result<Vec<HandOverTopic>, LogError> {
    let mut topics = Vec::new();
    let mut find = |name: &str, internal| {
        log.partitions(name).map(|partitions| topics.push(HandOverTopic { name: name.to_owned(), internal, partitions, expected: None }))
    };
    subtopology.source_topics.iter().try_for_each(|name| find(name, false))?;
    subtopology.repartition_source_topics.iter().try_for_each(|topic| find(&topic.name, true))?;
    subtopology.state_changelog_topics.iter().try_for_each(|topic| find(&topic.name, true))?;
    let fixed: BTreeMap<&str, u32> = subtopology
        .repartition_source_topics
        .iter()
        .filter_map(|topic| Some((topic.name.as_str(), u32::try_from(topic.partitions).ok().filter(|count| *count > 0)?)))
        .collect();
    // A task for each partition of the widest source, and a changelog partition for each task.
    let sources = subtopology.source_topics.len() + subtopology.repartition_source_topics.len();
    let tasks = topics.iter().take(sources).map(|topic| topic.partitions).max().flatten();
    for (index, topic) in topics.iter_mut().enumerate() {
        topic.expected = if index < sources { fixed.get(topic.name.as_str()).copied() } else { tasks };
    }
    Ok(topics)
}

/// Of the form that Kafka Streams gives its internal topics.
fn is_internal(topic: &str, application_id: &str) -> bool {
    let rest = topic.strip_prefix(application_id).and_then(|rest| rest.strip_prefix('-'));
    rest.is_some_and(|rest| rest.ends_with("-changelog") || rest.ends_with("-repartition"))
}

fn read(kept: &Path, group: &str) -> Result<Option<Vec<CommittedOffset>>, LogError> {
    let bytes = match fs::read(kept) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(of_file(kept, "read", error)),
    };
    let found: Kept = serde_json::from_slice(&bytes).map_err(|error| of_file(kept, "read", error))?;
    if found.group != group {
        let text = format!("{} holds offsets of group {}, expected {group}", kept.display(), found.group);
        return Err(LogError::new(LogErrorKind::Invalid, text));
    }
    let offset = |of: KeptOffset| CommittedOffset {
        partition: TopicPartition::new(of.topic.as_str(), of.partition),
        offset: of.offset,
        metadata: of.metadata,
    };
    Ok(Some(found.offsets.into_iter().map(offset).collect()))
}

/// On the disk when this returns, whole or not at all.
fn write(kept: &Path, group: &str, offsets: &[CommittedOffset]) -> Result<(), LogError> {
    let keep = |of: &CommittedOffset| KeptOffset {
        topic: of.partition.topic.to_string(),
        partition: of.partition.partition,
        offset: of.offset,
        metadata: of.metadata.clone(),
    };
    let offsets = Kept { group: group.to_owned(), offsets: offsets.iter().map(keep).collect() };
    let text = serde_json::to_vec_pretty(&offsets).map_err(|error| of_file(kept, "written", error))?;
    let folder = kept.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    let put = || {
        fs::create_dir_all(folder)?;
        let new = kept.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&new, kept)?;
        File::open(folder)?.sync_all()
    };
    put().map_err(|error| of_file(kept, "written", error))
}

fn of_file(kept: &Path, doing: &str, error: impl std::error::Error + Send + Sync + 'static) -> LogError {
    LogError::new(LogErrorKind::Io, format!("the file of kept offsets {} cannot be {doing}", kept.display())).with_source(error)
}
