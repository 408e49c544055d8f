//! A source of several topics, and a source's own offset reset.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use straum::dsl::{Consumed, Joined, Materialized, Produced, StreamsBuilder};
use straum::log::embedded::{EmbeddedLog, EmbeddedOptions};
use straum::log::{HeaderView, Log, OutputBatch, ProducerOptions, TopicSpec};
use straum::runtime::{OffsetReset, State, Streams, StreamsConfig, StreamsOptions};
use straum::serde::{I64, Utf8};
use straum::testing::{TestRecord, TopologyTestDriver};
use waiting::wait;

/// As Kafka Streams prints it: the topics of a source in the order of a Java hash set.
#[test]
fn topics_are_described_as_kafka_streams_does() {
    let builder = StreamsBuilder::new();
    builder.stream_topics(["b", "a"], Consumed::with(Utf8, I64)).to("out", Produced::with(Utf8, I64));
    builder.stream_topics(["shops", "web", "shops"], Consumed::with(Utf8, I64)).to("other", Produced::with(Utf8, I64));
    let expected = "Topologies:\n   Sub-topology: 0\n    Source: KSTREAM-SOURCE-0000000000 (topics: [a, b])\n      --> KSTREAM-SINK-0000000001\n    \
        Sink: KSTREAM-SINK-0000000001 (topic: out)\n      <-- KSTREAM-SOURCE-0000000000\n\n  Sub-topology: 1\n    \
        Source: KSTREAM-SOURCE-0000000002 (topics: [web, shops])\n      --> KSTREAM-SINK-0000000003\n    \
        Sink: KSTREAM-SINK-0000000003 (topic: other)\n      <-- KSTREAM-SOURCE-0000000002\n\n";
    assert_eq!(builder.build().unwrap().describe(), expected);
}

#[test]
fn a_task_has_the_same_partition_of_every_topic_and_takes_the_oldest_record() {
    let builder = StreamsBuilder::new();
    builder.stream_topics(["a", "b"], Consumed::with(Utf8, I64)).to("out", Produced::with(Utf8, I64));
    let mut driver = TopologyTestDriver::builder(&builder.build().unwrap()).partitions(2).start().unwrap();
    let mut expected = Vec::new();
    for (time, topic, key) in [(3, "a", "k"), (1, "b", "k"), (2, "a", "l"), (4, "b", "m")] {
        driver.input(topic, Utf8, I64).pipe(&mut driver, &TestRecord::new(key.to_owned(), time, time)).unwrap();
        expected.push((key.to_owned(), time));
    }
    let mut found = driver.output("out", Utf8, I64).read_pairs(&driver).unwrap();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn every_topic_of_a_joined_source_needs_as_many_partitions() {
    let builder = StreamsBuilder::new();
    let table = builder.table("table", Consumed::with(Utf8, I64), Materialized::named("rows"));
    let both = builder.stream_topics(["a", "b"], Consumed::with(Utf8, I64));
    both.join(table, |left, right| left + right, Joined::named("sum")).to("out", Produced::with(Utf8, I64));
    let topology = builder.build().unwrap();
    for (partitions, fits) in [(2, true), (3, false)] {
        let log = log(&[("table", 2), ("a", 2), ("b", partitions), ("out", 1)]);
        let folder = tempfile::tempdir().unwrap();
        let mut streams = Streams::new(&topology, config(folder.path()), log, StreamsOptions::default());
        assert_eq!(streams.start().is_ok(), fits, "b has {partitions}");
        streams.close().unwrap();
    }
}

#[test]
fn mistakes_are_named() {
    let none = StreamsBuilder::new();
    none.stream_topics(Vec::<&str>::new(), Consumed::with(Utf8, I64)).to("out", Produced::with(Utf8, I64));
    let twice = StreamsBuilder::new();
    let other = twice.stream("b", Consumed::with(Utf8, I64));
    twice.stream_topics(["a", "b"], Consumed::with(Utf8, I64)).merge(other).to("out", Produced::with(Utf8, I64));
    for (builder, expected) in [(none, "reads no topic"), (twice, "topic b is read by two sources")] {
        let mistake = builder.build().unwrap_err().to_string();
        assert!(mistake.contains(expected), "{mistake}");
    }
}

fn log(topics: &[(&str, u32)]) -> Arc<EmbeddedLog> {
    let log = EmbeddedLog::in_memory(EmbeddedOptions::new()).unwrap();
    for (name, partitions) in topics {
        log.create_topic(&TopicSpec { name: (*name).to_owned(), partitions: *partitions, config: BTreeMap::new() }).unwrap();
    }
    Arc::new(log)
}

fn config(folder: &std::path::Path) -> StreamsConfig {
    let mut config = StreamsConfig::new("app");
    config.state_dir = folder.to_owned();
    config.poll = Duration::from_millis(1);
    config
}

fn write(log: &EmbeddedLog, records: &[(&str, i64)]) {
    let options = ProducerOptions { client_id: "test".to_owned(), transactional_id: None, transaction_timeout: Duration::from_secs(10) };
    let mut producer = log.producer(&options).unwrap();
    let mut batch = OutputBatch::new();
    for (topic, value) in records {
        let topic = batch.topic(&(*topic).into());
        batch.push(topic, 0, 0, Some(b"k"), Some(&value.to_be_bytes()), HeaderView::new(&[]));
    }
    producer.send(&batch).unwrap();
    producer.flush().unwrap();
}

/// What a topic held before the first start is read or not, as its source says; after that the group knows where it stands.
#[test]
fn a_source_has_an_offset_reset_of_its_own() {
    let builder = StreamsBuilder::new();
    let consumed = || Consumed::with(Utf8, I64);
    let copied = |topics: &[&str], consumed: Consumed<String, i64>| {
        builder.stream_topics(topics.iter().copied(), consumed).to(format!("{}-out", topics.join("-")), Produced::with(Utf8, I64));
    };
    copied(&["a", "b"], consumed().with_offset_reset(OffsetReset::Latest));
    copied(&["c"], consumed().with_offset_reset(OffsetReset::Earliest));
    copied(&["d"], consumed());
    let topology = builder.build().unwrap();
    let records = [("a", 1), ("b", 1), ("c", 1), ("d", 1)];
    let processed = |streams: &Streams| streams.tasks().iter().map(|task| task.processed).sum::<u64>();
    // Of the four records that are there before the first start.
    for (otherwise, wanted) in [(OffsetReset::Earliest, 2), (OffsetReset::Latest, 1)] {
        let log = log(&[("a", 1), ("b", 1), ("c", 1), ("d", 1), ("a-b-out", 1), ("c-out", 1), ("d-out", 1)]);
        let folder = tempfile::tempdir().unwrap();
        let start = || {
            let mut config = config(folder.path());
            config.auto_offset_reset = otherwise;
            let mut streams = Streams::new(&topology, config, Arc::<EmbeddedLog>::clone(&log), StreamsOptions::default());
            streams.start().unwrap();
            wait(&streams, |streams| streams.state() == State::Running && streams.is_idle());
            streams
        };
        write(&log, &records);
        let mut first = start();
        assert_eq!(processed(&first), wanted, "{otherwise:?}");
        write(&log, &records);
        wait(&first, |streams| processed(streams) == wanted + 4);
        first.close().unwrap();
        write(&log, &records);
        let mut second = start();
        assert_eq!(processed(&second), 4, "{otherwise:?}: the group knows where it stood");
        second.close().unwrap();
    }
}
