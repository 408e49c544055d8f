//! The topology a group is told: the same bytes every time, and those of Kafka Streams where both declare the same.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use straum::Topology;
use straum::dsl::{Consumed, Grouped, Joined, Materialized, Produced, Repartitioned, StreamsBuilder};
use straum::group::heartbeat_topology;
use straum::group::wire::{HeartbeatRequest, HeartbeatTopology, Wire, Writer};
use straum::runtime::{StreamsConfig, TopologyOptimization};
use straum::serde::{I64, Utf8};

/// That of the JVM session, but for its window store.
fn of_the_jvm_session() -> Topology {
    let builder = StreamsBuilder::new();
    let input = builder.stream("jvm-in", Consumed::with(Utf8, Utf8));
    let counts = input.clone().group_by("by-value", |_, value| value.clone(), Grouped::with(Utf8, Utf8)).count(Materialized::named("counts"));
    counts.to_stream().to("jvm-out", Produced::with(Utf8, I64));
    let table = builder.table("jvm-table", Consumed::with(Utf8, Utf8), Materialized::named("the-table"));
    input.join(table, |left: String, right: String| left + &right, Joined::named("joined")).to("jvm-joined", Produced::with(Utf8, Utf8));
    builder.build().unwrap()
}

fn bytes(topology: &HeartbeatTopology) -> Vec<u8> {
    let mut writer = Writer::new();
    topology.write(&mut writer, 0);
    writer.into_bytes()
}

#[test]
fn it_is_what_a_jvm_application_sends() {
    let session = include_str!("fixtures/kip1071/kip1071-jvm-session.txt");
    let join = session.lines().find_map(|line| line.strip_prefix("> v0 ")).unwrap();
    let join: HeartbeatRequest = serde_json::from_str(join).unwrap();
    let mut expected = join.topology.unwrap();
    expected.subtopologies[0].state_changelog_topics.retain(|topic| topic.name != "jvm-app-1-windowed-changelog");
    // The JVM's order of the indices is that of a hash set, which no other client can know.
    expected.subtopologies[0].copartition_groups[0].source_topics.sort_unstable();
    assert_eq!(heartbeat_topology(&of_the_jvm_session(), "jvm-app-1"), expected);
}

#[test]
fn a_source_topic_that_is_a_changelog_is_a_source_topic_alone() {
    let told = |config: &StreamsConfig| {
        let builder = StreamsBuilder::new();
        let _ = builder.table("in", Consumed::with(Utf8, Utf8), Materialized::named("rows"));
        let mut told = heartbeat_topology(&builder.build_for(config).unwrap(), "app");
        let subtopology = told.subtopologies.remove(0);
        (subtopology.source_topics, subtopology.state_changelog_topics.into_iter().map(|topic| topic.name).collect::<Vec<_>>())
    };
    let source = vec!["in".to_owned()];
    assert_eq!(told(&StreamsConfig::new("app")), (source.clone(), vec!["app-rows-changelog".to_owned()]));
    let reusing = StreamsConfig { topology_optimization: TopologyOptimization::ReuseSourceTopics, ..StreamsConfig::new("app") };
    assert_eq!(told(&reusing), (source, Vec::new()));
}

#[test]
fn a_topology_built_twice_is_the_same_bytes() {
    let [first, second] = [of_the_jvm_session(), of_the_jvm_session()].map(|topology| bytes(&heartbeat_topology(&topology, "app")));
    assert_eq!(first, second);
    assert_ne!(first, bytes(&heartbeat_topology(&of_the_jvm_session(), "other")), "internal topics carry the application id");
}

#[test]
fn a_fixed_number_of_partitions_is_told_and_ids_are_sorted_as_text() {
    let builder = StreamsBuilder::new();
    for number in 0..6 {
        let stream = builder.stream(format!("in-{number}"), Consumed::with(Utf8, Utf8));
        let stream = stream.repartition(format!("re-{number}"), Repartitioned::with(Utf8, Utf8).with_number_of_partitions(7));
        stream.to("out", Produced::with(Utf8, Utf8));
    }
    let topology = heartbeat_topology(&builder.build().unwrap(), "app");
    let ids: Vec<_> = topology.subtopologies.iter().map(|subtopology| subtopology.subtopology_id.as_str()).collect();
    assert_eq!(ids, ["0", "1", "10", "11", "2", "3", "4", "5", "6", "7", "8", "9"]);
    let repartitions = topology.subtopologies.iter().flat_map(|subtopology| &subtopology.repartition_source_topics);
    let repartitions: Vec<_> = repartitions.map(|topic| (topic.name.as_str(), topic.partitions, topic.replication_factor)).collect();
    assert_eq!(repartitions.len(), 6);
    assert!(repartitions.contains(&("app-re-3-repartition", 7, -1)), "{repartitions:?}");
}
