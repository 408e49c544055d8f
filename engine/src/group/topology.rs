//! What the group is told to run: a topology as its topics, in the one form that gives the same bytes every time.
//!
//! A broker compares it literally with what the group's first member sent, so everything is sorted: sub-topologies by id (as
//! text, as Kafka Streams does), topics and settings by name, co-partition groups by their indices.

use std::collections::BTreeMap;

use super::wire::{CopartitionGroup, HeartbeatSubtopology, HeartbeatTopology, KeyValue, TopicInfo};
use crate::topology::{Subtopology, TopicRef, Topology, changelog_config, changelog_topic, repartition_config};

/// The broker's default.
const DEFAULT_REPLICATION: i16 = -1;

/// The number of partitions of a topic whose number the broker decides.
const DECIDED_BY_BROKER: i32 = 0;

/// The topology as a joining member sends it. The application id is the prefix of its internal topics' names.
#[must_use]
pub fn heartbeat_topology(topology: &Topology, application_id: &str) -> HeartbeatTopology {
    let mut subtopologies: Vec<_> = topology.subtopologies().iter().map(|subtopology| described(topology, subtopology, application_id)).collect();
    subtopologies.sort_by(|left, right| left.subtopology_id.cmp(&right.subtopology_id));
    HeartbeatTopology { epoch: 0, subtopologies }
}

fn described(topology: &Topology, subtopology: &Subtopology, application_id: &str) -> HeartbeatSubtopology {
    let mut source_topics = Vec::new();
    let mut repartition_source_topics = Vec::new();
    for source in &subtopology.sources {
        let name = source.resolve(application_id).to_string();
        match source {
            TopicRef::External(_) => source_topics.push(name),
            TopicRef::Repartition(short) => {
                let fixed = topology.graph.repartitions.get(short).copied().flatten();
                let partitions = fixed.map_or(DECIDED_BY_BROKER, |count| i32::try_from(count).unwrap_or(i32::MAX));
                repartition_source_topics.push(topic_info(name, partitions, repartition_config()));
            }
        }
    }
    source_topics.sort();
    repartition_source_topics.sort_by(|left, right| left.name.cmp(&right.name));
    let mut repartition_sink_topics: Vec<_> =
        subtopology.repartition_sinks.iter().map(|name| TopicRef::Repartition(name.clone()).resolve(application_id).to_string()).collect();
    repartition_sink_topics.sort();
    let changelogs = subtopology.stores.iter().filter_map(|store| {
        let name = changelog_topic(application_id, store).to_string();
        Some(topic_info(name, DECIDED_BY_BROKER, changelog_config(topology, store)?))
    });
    let mut state_changelog_topics: Vec<_> = changelogs.collect();
    state_changelog_topics.sort_by(|left, right| left.name.cmp(&right.name));
    let groups = subtopology.copartitions.iter().map(|group| copartition_group(group, application_id, &source_topics, &repartition_source_topics));
    let mut copartition_groups: Vec<_> = groups.collect();
    copartition_groups.sort_by(|left, right| indices(left).cmp(&indices(right)));
    copartition_groups.dedup();
    HeartbeatSubtopology {
        subtopology_id: subtopology.id.to_string(),
        source_topics,
        source_topic_regex: Vec::new(),
        state_changelog_topics,
        repartition_sink_topics,
        repartition_source_topics,
        copartition_groups,
    }
}

fn indices(group: &CopartitionGroup) -> (&[i16], &[i16]) {
    (&group.source_topics, &group.repartition_source_topics)
}

fn copartition_group(group: &[TopicRef], application_id: &str, sources: &[String], repartitions: &[TopicInfo]) -> CopartitionGroup {
    let mut indices = CopartitionGroup::default();
    for topic in group {
        let name = topic.resolve(application_id);
        let (found, list) = match topic {
            TopicRef::External(_) => (sources.iter().position(|source| **source == *name), &mut indices.source_topics),
            TopicRef::Repartition(_) => (repartitions.iter().position(|source| *source.name == *name), &mut indices.repartition_source_topics),
        };
        list.extend(found.and_then(|index| i16::try_from(index).ok()));
    }
    indices.source_topics.sort_unstable();
    indices.repartition_source_topics.sort_unstable();
    indices
}

fn topic_info(name: String, partitions: i32, config: BTreeMap<String, String>) -> TopicInfo {
    let topic_configs = config.into_iter().map(|(key, value)| KeyValue { key, value }).collect();
    TopicInfo { name, partitions, replication_factor: DEFAULT_REPLICATION, topic_configs }
}
