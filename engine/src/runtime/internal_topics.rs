//! The topics an application needs: checks that the user's exist, decides how many partitions its own have, makes them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::error::{Error, ErrorKind};
use crate::group::LeadTopics;
use crate::log::{Log, TopicPartition, TopicSpec};
use crate::runtime::StreamsConfig;
use crate::topology::{Subtopology, TaskId, TopicRef, Topology, changelog_config, changelog_topic, repartition_config};

/// The tasks, and the partitions each of them reads; made by [`prepare`].
#[derive(Clone, Debug, Default)]
pub(crate) struct TaskPlan {
    tasks: BTreeMap<TaskId, Vec<TopicPartition>>,
    repartition_topics: BTreeSet<Arc<str>>,
}

impl TaskPlan {
    /// What a task reads: its number of each source topic that has so many partitions.
    pub(crate) fn partitions(&self, task: TaskId) -> &[TopicPartition] {
        self.tasks.get(&task).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether a topic is one of the application's own, read by nobody else.
    pub(crate) fn is_repartition(&self, topic: &Arc<str>) -> bool {
        self.repartition_topics.contains(topic)
    }

    /// The topic of each sub-topology that has a partition for each of its tasks; of several the first by name, so that every
    /// instance finds the same.
    pub(crate) fn lead_topics(&self) -> LeadTopics {
        // The last task reads those that have the most partitions.
        let last_tasks: BTreeMap<u32, &Vec<TopicPartition>> = self.tasks.iter().map(|(task, sources)| (task.subtopology, sources)).collect();
        let first = |sources: &Vec<TopicPartition>| sources.iter().map(|source| &source.topic).min().map(ToString::to_string);
        LeadTopics(last_tasks.into_iter().filter_map(|(subtopology, sources)| Some((subtopology, first(sources)?))).collect())
    }

    /// How many of `threads` threads have something to do: no more than there are tasks.
    pub(crate) fn threads(&self, threads: usize) -> usize {
        threads.min(self.tasks.len().max(1))
    }

    /// The tasks of one of so many threads: they take turns.
    pub(crate) fn of_thread(&self, index: usize, threads: usize) -> Vec<TaskId> {
        self.tasks.keys().skip(index).step_by(threads).copied().collect()
    }
}

/// Checks and makes the topics.
///
/// # Errors
/// [`ErrorKind::Topology`] names the source topics that do not exist, or those that must have equally many partitions and
/// do not.
pub(crate) fn prepare(topology: &Topology, config: &StreamsConfig, log: &dyn Log) -> Result<TaskPlan, Error> {
    let mut partitions = source_partitions(topology, log)?;
    decide_repartitions(topology, &mut partitions)?;
    check_copartitioning(topology, &mut partitions)?;
    let application = &*config.application_id;
    for (topic, count) in &partitions {
        if let TopicRef::Repartition(_) = topic {
            create(log, &topic.resolve(application), *count, repartition_config())?;
        }
    }
    let mut tasks = BTreeMap::new();
    for subtopology in topology.subtopologies() {
        let count = tasks_of(subtopology, &partitions);
        for partition in 0..count {
            // Merged topics may have unequally many: a task without a partner reads what there is.
            let sources = subtopology.sources.iter().filter(|topic| partitions.get(*topic).is_some_and(|count| partition < *count));
            let sources = sources.map(|topic| TopicPartition::new(topic.resolve(application), partition)).collect();
            tasks.insert(TaskId { subtopology: subtopology.id, partition }, sources);
        }
        for store in &subtopology.stores {
            let Some(settings) = changelog_config(topology, store) else { continue };
            create(log, &changelog_topic(application, store), count, settings)?;
        }
    }
    if let Some(topic) = &config.dead_letter_topic
        && log.partitions(topic)?.is_none()
    {
        create(log, topic, 1, BTreeMap::new())?;
    }
    let repartition_topics =
        partitions.keys().filter(|topic| matches!(topic, TopicRef::Repartition(_))).map(|topic| topic.resolve(application)).collect();
    Ok(TaskPlan { tasks, repartition_topics })
}

fn source_partitions(topology: &Topology, log: &dyn Log) -> Result<BTreeMap<TopicRef, u32>, Error> {
    let mut partitions = BTreeMap::new();
    let mut missing = Vec::new();
    for topic in topology.source_topics() {
        match log.partitions(&topic)? {
            Some(count) => {
                partitions.insert(TopicRef::External(topic), count);
            }
            None => missing.push(topic.to_string()),
        }
    }
    if missing.is_empty() {
        return Ok(partitions);
    }
    let missing = missing.join(", ");
    Err(Error::new(ErrorKind::Topology, format!("source topics [{missing}] do not exist, expected them to be created before the application starts")))
}

/// A repartition topic has the number the user fixed, else the most of the topics upstream of its sink. Those that feed each
/// other have the most of the topics that feed them from outside.
fn decide_repartitions(topology: &Topology, partitions: &mut BTreeMap<TopicRef, u32>) -> Result<(), Error> {
    let mut open: Vec<&Arc<str>> = topology.graph.repartitions.keys().collect();
    let mut in_cycle = false;
    while !open.is_empty() {
        let before = open.len();
        open.retain(|name| {
            let fixed = topology.graph.repartitions.get(*name).copied().flatten();
            let upstream = || {
                let writers = topology.subtopologies().iter().filter(|subtopology| subtopology.repartition_sinks.contains(name));
                let counts = writers.flat_map(|writer| &writer.sources).map(|source| partitions.get(source).copied());
                if in_cycle {
                    return counts.flatten().max();
                }
                // Unknown while one of them is itself still open.
                counts.collect::<Option<Vec<_>>>()?.into_iter().max()
            };
            match fixed.or_else(upstream) {
                Some(count) => {
                    partitions.insert(TopicRef::Repartition(Arc::clone(name)), count);
                    false
                }
                None => true,
            }
        });
        let stuck = open.len() == before;
        if stuck && in_cycle {
            let names = open.iter().map(|name| &***name).collect::<Vec<_>>().join(", ");
            return Err(Error::topology(format!("repartition topics [{names}] feed each other, expected one with a fixed number of partitions")));
        }
        in_cycle = stuck;
    }
    Ok(())
}

/// Co-partitioned topics have equally many partitions. A repartition topic whose number is not fixed follows the others.
fn check_copartitioning(topology: &Topology, partitions: &mut BTreeMap<TopicRef, u32>) -> Result<(), Error> {
    let fixed = |topic: &TopicRef| match topic {
        TopicRef::External(_) => true,
        TopicRef::Repartition(name) => topology.graph.repartitions.get(name).copied().flatten().is_some(),
    };
    for group in topology.subtopologies().iter().flat_map(|subtopology| &subtopology.copartitions) {
        let decided: Vec<(&TopicRef, u32)> =
            group.iter().filter(|topic| fixed(topic)).filter_map(|topic| Some((topic, *partitions.get(topic)?))).collect();
        let count = match decided.first() {
            Some((_, count)) => *count,
            None => group.iter().filter_map(|topic| partitions.get(topic).copied()).max().unwrap_or(1),
        };
        if decided.iter().any(|(_, other)| *other != count) {
            let found = decided.iter().map(|(topic, count)| format!("{} has {count}", topic.display())).collect::<Vec<_>>().join(", ");
            return Err(Error::topology(format!("topics that are joined are not co-partitioned: {found}, expected equally many partitions")));
        }
        for topic in group.iter().filter(|topic| !fixed(topic)) {
            partitions.insert(topic.clone(), count);
        }
    }
    Ok(())
}

fn tasks_of(subtopology: &Subtopology, partitions: &BTreeMap<TopicRef, u32>) -> u32 {
    subtopology.sources.iter().filter_map(|source| partitions.get(source).copied()).max().unwrap_or(0)
}

fn create(log: &dyn Log, name: &str, partitions: u32, config: BTreeMap<String, String>) -> Result<(), Error> {
    // Whoever may not make topics may still run where they have been made.
    if log.partitions(name)? == Some(partitions) {
        return Ok(());
    }
    let topic = TopicSpec { name: name.to_owned(), partitions, config };
    log.create_topic(&topic).map_err(|error| Error::new(ErrorKind::Log, format!("cannot create internal topic {name}")).with_source(error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::dsl::{Consumed, Grouped, Materialized, Produced, StreamsBuilder};
    use crate::log::embedded::{EmbeddedLog, EmbeddedOptions};
    use crate::serde::{I64, Utf8};

    /// Two sub-topologies: one merges topics of 2, 4 and 4 partitions and rekeys, one counts.
    fn plan() -> TaskPlan {
        let log = EmbeddedLog::in_memory(EmbeddedOptions::new()).unwrap();
        for (name, partitions) in [("a-small", 2), ("b-large", 4), ("c-large", 4), ("out", 1)] {
            log.create_topic(&TopicSpec { name: name.to_owned(), partitions, config: BTreeMap::new() }).unwrap();
        }
        let builder = StreamsBuilder::new();
        let read = |topic| builder.stream(topic, Consumed::with(Utf8, Utf8));
        let merged = read("c-large").merge(read("a-small")).merge(read("b-large"));
        merged
            .group_by("by-value", |_, value: &String| value.clone(), Grouped::with(Utf8, Utf8))
            .count(Materialized::named("counts"))
            .to_stream()
            .to("out", Produced::with(Utf8, I64));
        prepare(&builder.build().unwrap(), &StreamsConfig::new("app"), &log).unwrap()
    }

    #[test]
    fn the_partitions_of_lead_topics_stand_for_the_tasks() {
        let plan = plan();
        let leads = plan.lead_topics();
        let named = |subtopology: u32, topic: &str| (subtopology, topic.to_owned());
        assert_eq!(leads.0.clone().into_iter().collect::<Vec<_>>(), [named(0, "b-large"), named(1, "app-by-value-repartition")]);

        let all = leads.names().into_iter().flat_map(|topic| (0..4).map(move |partition| TopicPartition::new(topic, partition)));
        assert_eq!(leads.tasks(&all.collect::<Vec<_>>()), plan.tasks.keys().copied().collect());
        for (topic, partition, expected) in [
            ("b-large", 3, Some((0, 3))),
            ("app-by-value-repartition", 0, Some((1, 0))),
            // They are read by whoever has the task of their number.
            ("a-small", 0, None),
            ("c-large", 1, None),
        ] {
            let tasks: Vec<TaskId> = leads.tasks(&[TopicPartition::new(topic, partition)]).into_iter().collect();
            let expected = expected.map(|(subtopology, partition)| TaskId { subtopology, partition });
            assert_eq!(tasks, expected.into_iter().collect::<Vec<_>>(), "{topic}-{partition}");
        }
    }
}
