//! Tables whose source topic is their changelog: what a restore brings back is what was processed, no more and no less.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod waiting;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use straum::dsl::{Consumed, Grouped, KTable, Materialized, Produced, StreamsBuilder};
use straum::log::embedded::{EmbeddedLog, EmbeddedOptions};
use straum::log::{CommittedOffset, GroupMembership, HeaderView, Log, Offset, OutputBatch, ProducerOptions, TopicPartition, TopicSpec};
use straum::processor::{FixedKeyProcessor, FixedKeyProcessorContext, Headers, StoreHandle};
use straum::runtime::{ProcessingGuarantee, Restored, State, Streams, StreamsConfig, StreamsOptions, TopologyOptimization};
use straum::serde::avro::{SchemaRegistryError, SchemaRegistryErrorKind};
use straum::serde::{I64, Json, Serde, SerdeContext, SerdeError, SerdeExt, Serialized, Utf8};
use straum::testing::TopologyTestDriver;
use straum::{BoxError, Topology};
use waiting::wait;

const ROWS: &str = "rows";

/// Key, value, timestamp.
type Row = (String, i64, i64);

fn row(key: &str, value: i64, timestamp: i64) -> Row {
    (key.to_owned(), value, timestamp)
}

fn reusing() -> StreamsConfig {
    StreamsConfig { topology_optimization: TopologyOptimization::ReuseSourceTopics, ..StreamsConfig::new("app") }
}

/// A table, and below it, behind a repartition topic, the sum of its rows: it is wrong by what counts twice or not at all.
fn summing(config: &StreamsConfig) -> Topology {
    let builder = StreamsBuilder::new();
    sum(builder.table("in", Consumed::with(Utf8, I64), Materialized::named(ROWS)));
    builder.build_for(config).unwrap()
}

fn sum(table: KTable<String, i64>) {
    let grouped = table.group_by("by-all", |_, value| ("all".to_owned(), *value), Grouped::with(Utf8, I64));
    grouped
        .reduce(|sum, value| sum + value, |sum, value| sum - value, Materialized::named("sum"))
        .to_stream()
        .to("sums", Produced::with(Utf8, I64.nullable()));
}

/// A log, and the folder of an application that comes and goes.
struct Home {
    log: Arc<EmbeddedLog>,
    folder: tempfile::TempDir,
    config: StreamsConfig,
}

impl Home {
    fn new() -> Self {
        let log = Arc::new(EmbeddedLog::in_memory(EmbeddedOptions::new()).unwrap());
        for name in ["in", "sums", "out"] {
            log.create_topic(&TopicSpec { name: name.to_owned(), partitions: 1, config: BTreeMap::new() }).unwrap();
        }
        let folder = tempfile::tempdir().unwrap();
        let mut config = reusing();
        config.state_dir = folder.path().to_owned();
        config.poll = Duration::from_millis(1);
        config.retry_backoff = Duration::from_millis(1);
        Self { log, folder, config }
    }

    /// Without a cache a record is through, or fails, at once.
    fn without_cache(mut self) -> Self {
        self.config.statestore_cache_max_bytes = 0;
        self
    }

    fn start(&self, topology: &Topology, paused: bool) -> Streams {
        let log = Arc::<EmbeddedLog>::clone(&self.log);
        let mut streams = Streams::new(topology, self.config.clone(), log, StreamsOptions::default());
        if paused {
            streams.pause();
        }
        streams.start().unwrap();
        streams
    }

    fn write(&self, records: &[(Option<&[u8]>, Option<&[u8]>, i64)]) {
        let options = ProducerOptions { client_id: "test".to_owned(), transactional_id: None, transaction_timeout: Duration::from_secs(10) };
        let mut producer = self.log.producer(&options).unwrap();
        let mut batch = OutputBatch::new();
        let topic = batch.topic(&"in".into());
        records.iter().for_each(|(key, value, timestamp)| batch.push(topic, 0, *timestamp, *key, *value, HeaderView::new(&[])));
        producer.send(&batch).unwrap();
        producer.flush().unwrap();
    }

    fn numbers(&self, records: &[(&str, Option<i64>, i64)]) {
        let bytes: Vec<_> = records.iter().map(|(key, value, at)| (key.as_bytes(), value.map(i64::to_be_bytes), *at)).collect();
        self.write(&bytes.iter().map(|(key, value, at)| (Some(*key), value.as_ref().map(<[u8; 8]>::as_slice), *at)).collect::<Vec<_>>());
    }

    fn committed(&self) -> Option<Offset> {
        let input = TopicPartition::new("in", 0);
        self.log.committed("app", &[input]).unwrap()[0].as_ref().map(|committed| committed.offset)
    }

    /// Runs until everything is processed, and closes. The table's rows.
    fn run(&self, topology: &Topology) -> Vec<Row> {
        let mut streams = self.start(topology, false);
        let rows = self.settled(&streams);
        streams.close().unwrap();
        rows
    }

    fn settled(&self, streams: &Streams) -> Vec<Row> {
        let end = self.log.offsets(&TopicPartition::new("in", 0)).unwrap().1;
        wait(streams, |streams| self.committed() == Some(end) && streams.is_idle() && streams.state() == State::Running);
        rows(streams)
    }

    /// The state folder, as if the disk were another.
    fn lose_state(&self) {
        std::fs::remove_dir_all(self.folder.path().join("app")).unwrap();
    }
}

fn rows(streams: &Streams) -> Vec<Row> {
    streams.store::<String, i64>(ROWS).unwrap().all().unwrap()
}

fn sum_of(streams: &Streams) -> Option<i64> {
    streams.store::<String, i64>("sum").unwrap().get(&"all".to_owned()).unwrap()
}

fn restored(streams: &Streams) -> Restored {
    streams.restored().into_iter().map(|(_, restored)| restored).find(|restored| &*restored.store == ROWS).unwrap()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_table_whose_state_is_lost_is_restored_from_its_topic_up_to_what_was_processed() {
    let home = Home::new();
    let topology = summing(&home.config);
    home.numbers(&[("a", Some(1), 10), ("b", Some(2), 20), ("a", Some(3), 30), ("c", Some(4), 40), ("b", None, 50)]);
    assert_eq!(home.run(&topology), [row("a", 3, 30), row("c", 4, 40)]);
    home.lose_state();
    home.numbers(&[("a", Some(10), 60), ("d", Some(100), 70), ("c", None, 80)]);

    let mut streams = home.start(&topology, true);
    wait(&streams, |streams| streams.state() == State::Running);
    assert_eq!(rows(&streams), [row("a", 3, 30), row("c", 4, 40)], "what is not processed is not there yet");
    let restored = restored(&streams);
    assert_eq!((restored.from, restored.end, restored.records), (None, 5, 5));
    assert_eq!(sum_of(&streams), Some(7));
    streams.resume();
    assert_eq!(home.settled(&streams), [row("a", 10, 60), row("d", 100, 70)]);
    assert_eq!(sum_of(&streams), Some(110), "each row counts once");
    streams.close().unwrap();
    let topics = home.log.topics().unwrap();
    assert!(topics.contains(&"app-sum-changelog".to_owned()) && !topics.iter().any(|topic| topic.contains(ROWS)), "{topics:?}");
}

#[test]
fn a_state_that_is_behind_the_group_reads_only_what_it_lacks() {
    let home = Home::new();
    let topology = summing(&home.config);
    home.numbers(&[("a", Some(1), 10), ("b", Some(2), 20)]);
    home.run(&topology);
    // As if it had ended between the commit and the write to the disk.
    let before = tempfile::tempdir().unwrap();
    copy(&home.folder.path().join("app").join("0_0"), &before.path().join("0_0"));
    home.numbers(&[("a", None, 30), ("c", Some(3), 40)]);
    home.run(&topology);
    std::fs::remove_dir_all(home.folder.path().join("app").join("0_0")).unwrap();
    copy(&before.path().join("0_0"), &home.folder.path().join("app").join("0_0"));

    let mut streams = home.start(&topology, false);
    wait(&streams, |streams| streams.state() == State::Running);
    let restored = restored(&streams);
    assert_eq!((restored.from, restored.end, restored.records), (Some(2), 4, 2));
    assert_eq!(rows(&streams), [row("b", 2, 20), row("c", 3, 40)]);
    streams.close().unwrap();
}

#[test]
fn a_state_that_is_ahead_of_a_group_that_was_set_back_is_rebuilt_exactly_once_and_kept_at_least_once() {
    for (guarantee, expected) in
        [(ProcessingGuarantee::ExactlyOnce, vec![row("a", 1, 10)]), (ProcessingGuarantee::AtLeastOnce, vec![row("a", 3, 30), row("b", 2, 20)])]
    {
        let mut home = Home::new();
        home.config.processing_guarantee = guarantee;
        let topology = summing(&home.config);
        home.numbers(&[("a", Some(1), 10), ("b", Some(2), 20), ("a", Some(3), 30)]);
        home.run(&topology);
        let back = CommittedOffset { partition: TopicPartition::new("in", 0), offset: 1, metadata: String::new() };
        home.log.commit_offsets(&GroupMembership { group: "app".to_owned(), member: None }, &[back]).unwrap();
        let mut streams = home.start(&topology, true);
        wait(&streams, |streams| streams.state() == State::Running);
        assert_eq!(rows(&streams), expected, "{guarantee:?}");
        streams.resume();
        assert_eq!(home.settled(&streams), [row("a", 3, 30), row("b", 2, 20)], "{guarantee:?}");
        streams.close().unwrap();
    }
}

#[test]
fn whatever_crashes_each_row_counts_once() {
    for kept in [false, true] {
        let mut outputs = 0;
        loop {
            let folder = tempfile::tempdir().unwrap();
            let mut driver = TopologyTestDriver::builder(&summing(&reusing()));
            if kept {
                driver = driver.state_folder(folder.path());
            }
            let mut driver = driver.start().unwrap();
            let input = driver.input("in", Utf8, I64.nullable());
            input.pipe_values(&mut driver, [("a", Some(1_i64)), ("b", Some(2))]).unwrap();
            driver.commit().unwrap();
            driver.crash_at_output(outputs);
            input.pipe_values(&mut driver, [("a", Some(10_i64)), ("b", None), ("c", Some(100))]).unwrap();
            driver.settle().unwrap();
            let armed = driver.is_armed();
            driver.crash().unwrap();
            driver.settle().unwrap();
            assert_eq!(driver.store::<String, i64>("sum").unwrap().get(&"all".to_owned()).unwrap(), Some(110), "output {outputs}");
            let rows = driver.store::<String, i64>(ROWS).unwrap().all().unwrap();
            assert_eq!(rows.into_iter().map(|(key, value, _)| (key, value)).collect::<Vec<_>>(), [("a".to_owned(), 10), ("c".to_owned(), 100)]);
            let topics = driver.log().topics().unwrap();
            assert!(!topics.contains(&"test-rows-changelog".to_owned()), "{topics:?}");
            if armed {
                break;
            }
            outputs += 1;
        }
        assert!(outputs > 5, "{outputs}");
    }
}

#[test]
fn a_record_that_was_left_out_is_left_out_of_the_restore_and_one_that_failed_below_is_in_both() {
    let home = Home::new().without_cache();
    let builder = StreamsBuilder::new();
    let table = builder.table("in", Consumed::with(Utf8, I64), Materialized::named(ROWS));
    let checked = |value: &Option<i64>| if *value == Some(-1) { Err::<i64, BoxError>("refused".into()) } else { Ok(value.unwrap_or(0)) };
    table.to_stream().try_map_values(move |value| checked(&value)).to("out", Produced::with(Utf8, I64));
    let topology = builder.build_for(&home.config).unwrap();
    let number = |number: i64| number.to_be_bytes();
    home.write(&[
        (Some(b"a"), Some(&number(1)), 10),
        (Some(b"a"), Some(b"no number"), 20),
        (Some(b"\xff"), Some(&number(2)), 30),
        (None, Some(&number(3)), 40),
        (Some(b"b"), Some(&number(-1)), 50),
        (Some(b"c"), Some(&number(4)), 60),
        (Some(b"c"), None, 70),
    ]);
    let processed = home.run(&topology);
    assert_eq!(processed, [row("a", 1, 10), row("b", -1, 50)]);
    home.lose_state();
    assert_eq!(home.run(&topology), processed);
}

#[test]
fn keys_values_and_times_are_the_stores_and_not_the_topics() {
    let home = Home::new();
    let builder = StreamsBuilder::new();
    // Times ten; one has no time.
    let consumed =
        Consumed::with(Json::<String>::new(), I64).with_timestamp_extractor(|record, _| if *record.value == 99 { -1 } else { record.value * 10 });
    sum(builder.table("in", consumed, Materialized::with(ROWS, Json::<i64>::new())));
    let topology = builder.build_for(&home.config).unwrap();
    let number = |number: i64| number.to_be_bytes();
    home.write(&[
        (Some(br#" "a""#), Some(&number(1)), 1),
        (Some(br#""b""#), Some(&number(2)), 2),
        (Some(br#""c" "#), Some(&number(3)), 3),
        (Some(br#""b""#), Some(&number(99)), 4),
        (Some(br#""c""#), None, 5),
    ]);
    let processed = home.run(&topology);
    assert_eq!(processed, [row("a", 1, 10), row("b", 2, 20)]);
    home.lose_state();
    let mut streams = home.start(&topology, false);
    assert_eq!(home.settled(&streams), processed);
    home.write(&[(Some(br#""a""#), None, 6)]);
    assert_eq!(home.settled(&streams), [row("b", 2, 20)], "it is found by its key");
    assert_eq!(sum_of(&streams), Some(2));
    streams.close().unwrap();
}

/// Numbers of a registry that may be away.
struct Registered(Arc<AtomicBool>);

impl Serde for Registered {
    type Data = i64;

    fn serialize(&self, data: &i64, context: SerdeContext<'_>, out: &mut Vec<u8>) -> Result<Serialized, SerdeError> {
        I64.serialize(data, context, out)
    }

    fn deserialize(&self, bytes: Option<&[u8]>, context: SerdeContext<'_>) -> Result<i64, SerdeError> {
        if self.0.load(Ordering::SeqCst) {
            let away = SchemaRegistryError::new(SchemaRegistryErrorKind::Unavailable, "GET /", "no answer");
            return Err(SerdeError::new("a schema", "none").with_source(away));
        }
        assert_eq!(context.topic(), "in", "the store has the topic's bytes");
        I64.deserialize(bytes, context)
    }
}

#[test]
fn a_schema_registry_that_does_not_answer_costs_no_row() {
    let home = Home::new();
    let away = Arc::new(AtomicBool::new(false));
    let builder = StreamsBuilder::new();
    sum(builder.table("in", Consumed::with(Utf8, Registered(Arc::clone(&away))), Materialized::named(ROWS)));
    let topology = builder.build_for(&home.config).unwrap();
    home.numbers(&[("a", Some(1), 10), ("b", Some(2), 20)]);
    let processed = home.run(&topology);
    home.lose_state();
    away.store(true, Ordering::SeqCst);
    let mut streams = home.start(&topology, false);
    wait(&streams, |streams| streams.tasks().iter().any(|task| task.failing.as_ref().is_some_and(|error| error.contains("schema registry"))));
    away.store(false, Ordering::SeqCst);
    assert_eq!(home.settled(&streams), processed);
    streams.close().unwrap();
}

#[test]
fn a_changelog_that_is_another_topic_than_before_makes_the_state_anew() {
    let with = |optimization| summing(&StreamsConfig { topology_optimization: optimization, ..StreamsConfig::new("app") });
    let [own, reused] = [with(TopologyOptimization::None), with(TopologyOptimization::ReuseSourceTopics)];
    assert_eq!(own.describe(), reused.describe());
    let mut driver = TopologyTestDriver::new(&own).unwrap();
    let input = driver.input("in", Utf8, I64);
    input.pipe_values(&mut driver, [("a", 1), ("a", 2), ("b", 3)]).unwrap();
    driver.settle().unwrap();
    // What is in the changelog and was never in the topic.
    driver.write(&"test-rows-changelog".into(), Some(0), Some(b"x"), Some(&7_i64.to_be_bytes()), 0, &Headers::new()).unwrap();
    for (topology, expected) in [(&reused, vec![row("a", 2, 0), row("b", 3, 0)]), (&own, vec![row("a", 2, 0), row("b", 3, 0), row("x", 7, 0)])] {
        driver.crash_into(topology).unwrap();
        let from: Vec<_> = driver.restored().filter(|(_, restored)| &*restored.store == ROWS).map(|(_, restored)| restored.from).collect();
        assert_eq!(from, [None]);
        assert_eq!(driver.query::<String, i64>(ROWS).unwrap().all().unwrap(), expected);
    }
}

/// Writes what is not in the topic.
struct Meddler(StoreHandle<String, i64>);

impl FixedKeyProcessor<String, Option<i64>, i64> for Meddler {
    fn process(&mut self, key: &String, value: Option<i64>, context: &FixedKeyProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
        let rows = context.store(&self.0)?;
        assert_eq!((rows.get(key)?, rows.all()?.count()), (value, 1));
        rows.put(key, 0)?;
        Ok(context.forward_value(0)?)
    }
}

#[test]
fn only_the_table_writes_a_store_that_its_topic_restores() {
    for (config, letters) in [(StreamsConfig::new("app"), 0), (reusing(), 1)] {
        let builder = StreamsBuilder::new();
        let table = builder.table("in", Consumed::with(Utf8, I64), Materialized::named(ROWS));
        table.to_stream().process_values("meddler", || Meddler(StoreHandle::new(ROWS)), &[ROWS]).to("out", Produced::with(Utf8, I64));
        let mut driver = TopologyTestDriver::new(&builder.build_for(&config).unwrap()).unwrap();
        driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1)]).unwrap();
        assert_eq!(driver.output("test-dead-letter-queue", Utf8, I64).read_pairs(&driver).unwrap().len(), letters);
        assert_eq!(driver.store::<String, i64>(ROWS).unwrap().get(&"a".to_owned()).unwrap(), Some(letters as i64));
    }
}
