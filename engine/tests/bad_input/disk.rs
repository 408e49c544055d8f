//! Disks that fail under a running application: a corrupt segment, a full disk, a folder that another has.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use straum::ErrorKind;
use straum::dsl::{Consumed, Grouped, Materialized, Produced, StreamsBuilder};
use straum::log::embedded::fault::FaultyStorage;
use straum::log::embedded::{EmbeddedLog, EmbeddedOptions};
use straum::log::{
    ConsumerOptions, HeaderView, Isolation, Log, LogErrorKind, OutputBatch, ProducerOptions, RecordBatch, StartOffset, TopicPartition, TopicSpec,
};
use straum::runtime::{State, Streams, StreamsConfig, StreamsOptions};
use straum::serde::{I64, Utf8};

use crate::waiting::wait;

/// Records that are sent at a time, a third to each key.
const RECORDS: i64 = 30;

/// What outlives an application: its disk, and its state in another folder.
struct Machine {
    disk: FaultyStorage,
    state: tempfile::TempDir,
}

impl Machine {
    fn new() -> Self {
        Self { disk: FaultyStorage::new(1), state: tempfile::tempdir().unwrap() }
    }

    fn log(&self) -> Arc<EmbeddedLog> {
        let log = EmbeddedLog::with_storage(Arc::new(self.disk.clone()), EmbeddedOptions::new()).unwrap();
        make_topics(&log);
        Arc::new(log)
    }

    fn run(&self, log: &Arc<EmbeddedLog>) -> Streams {
        let mut streams = application(log, self.state.path());
        streams.start().unwrap();
        streams
    }

    /// Leaves space for the next input, sends it, and waits until there is none for what is to be committed.
    fn fill_up(&self, log: &EmbeddedLog, streams: &Streams) {
        let empty = self.disk.used();
        send(log);
        counted(streams, log, RECORDS);
        let (_, input) = self.segment();
        send(log);
        counted(streams, log, 2 * RECORDS);
        let size = self.segment().1 - input;
        assert!(self.disk.used() > empty + 2 * size as u64);
        self.disk.set_capacity(Some(self.disk.used() + size as u64));
        send(log);
        wait(streams, |streams| !streams.troubles().is_empty());
    }

    /// The one segment of `in`, and its length.
    fn segment(&self) -> (String, usize) {
        let path = self.disk.paths().into_iter().find(|path| path.starts_with("topics/in/0/") && path.ends_with(".segment")).unwrap();
        let length = straum::log::embedded::storage::Storage::open(&self.disk, &path).unwrap().length().unwrap();
        (path, usize::try_from(length).unwrap())
    }
}

fn make_topics(log: &EmbeddedLog) {
    for name in ["in", "out"] {
        log.create_topic(&TopicSpec { name: name.to_owned(), partitions: 1, config: BTreeMap::new() }).unwrap();
    }
}

fn application(log: &Arc<EmbeddedLog>, state: &std::path::Path) -> Streams {
    let builder = StreamsBuilder::new();
    builder
        .stream("in", Consumed::with(Utf8, I64))
        .group_by_key("by-key", Grouped::with(Utf8, I64))
        .count(Materialized::named("counts"))
        .to_stream()
        .to("out", Produced::with(Utf8, I64));
    let mut config = StreamsConfig::new("app");
    config.state_dir = state.to_owned();
    config.statestore_cache_max_bytes = 0;
    config.commit_interval = Duration::from_millis(1);
    config.poll = Duration::from_millis(1);
    config.retry_backoff = Duration::from_millis(1);
    config.retry_backoff_max = Duration::from_millis(10);
    Streams::new(&builder.build().unwrap(), config, Arc::<EmbeddedLog>::clone(log), StreamsOptions::default())
}

fn send(log: &EmbeddedLog) {
    let options = ProducerOptions { client_id: "test".to_owned(), transactional_id: None, transaction_timeout: Duration::from_secs(10) };
    let mut producer = log.producer(&options).unwrap();
    let mut batch = OutputBatch::new();
    let topic = batch.topic(&"in".into());
    for index in 0..RECORDS {
        batch.push(topic, 0, 0, Some(&[b"abc"[usize::try_from(index % 3).unwrap()]]), Some(&index.to_be_bytes()), HeaderView::new(&[]));
    }
    producer.send(&batch).unwrap();
    producer.flush().unwrap();
}

/// Waits until `sent` records are counted, and checks that each was counted once: rows, and every committed output in order.
fn counted(streams: &Streams, log: &EmbeddedLog, sent: i64) {
    let rows = || streams.store::<String, i64>("counts").and_then(|store| store.all()).unwrap_or_default();
    wait(streams, |streams| streams.is_idle() && rows().iter().map(|(_, count, _)| count).sum::<i64>() >= sent);
    let each = sent / 3;
    let mut counted: Vec<_> = rows().into_iter().map(|(key, count, _)| (key, count)).collect();
    counted.sort();
    assert_eq!(counted, ["a", "b", "c"].map(|key| (key.to_owned(), each)));
    let options = ConsumerOptions { client_id: "test".to_owned(), isolation: Isolation::ReadCommitted };
    let mut consumer = log.consumer(&options).unwrap();
    consumer.assign(&[(TopicPartition::new("out", 0), StartOffset::Beginning)]).unwrap();
    let mut outputs: BTreeMap<Vec<u8>, Vec<i64>> = BTreeMap::new();
    loop {
        let mut batches = Vec::new();
        consumer.poll(Duration::ZERO, &mut batches).unwrap();
        if batches.is_empty() {
            break;
        }
        for record in batches.iter().flat_map(RecordBatch::iter) {
            outputs.entry(record.key.unwrap().to_vec()).or_default().push(i64::from_be_bytes(record.value.unwrap().try_into().unwrap()));
        }
    }
    let expected: Vec<i64> = (1..=each).collect();
    assert_eq!(outputs.into_values().collect::<Vec<_>>(), [expected.clone(), expected.clone(), expected], "each count once, in order");
}

#[test]
fn a_full_disk_is_told_and_when_there_is_space_the_application_goes_on() {
    let machine = Machine::new();
    let log = machine.log();
    let streams = machine.run(&log);
    machine.fill_up(&log, &streams);
    let trouble = streams.troubles().remove(0);
    assert!(trouble.contains("the log failed: cannot") && trouble.contains("no storage space"), "{trouble}");
    assert_eq!(streams.state(), State::Running, "it waits for space");
    assert_eq!(streams.store::<String, i64>("counts").unwrap().get(&"a".to_owned()).unwrap(), Some(2 * RECORDS / 3), "what is committed is served");
    machine.disk.set_capacity(None);
    counted(&streams, &log, 3 * RECORDS);
    assert!(streams.troubles().is_empty(), "{:?}", streams.troubles());
}

#[test]
fn an_application_that_is_paused_outlives_a_full_disk() {
    let machine = Machine::new();
    let log = machine.log();
    let streams = machine.run(&log);
    machine.fill_up(&log, &streams);
    // At one of these times there is something to commit, and no space for it.
    for _ in 0..50 {
        let rounds = streams.rounds();
        streams.pause();
        wait(&streams, |streams| streams.rounds() > rounds + 2);
        streams.resume();
        wait(&streams, |streams| streams.rounds() > rounds + 4);
    }
    assert_eq!((streams.state(), streams.errors()), (State::Running, Vec::new()));
    machine.disk.set_capacity(None);
    counted(&streams, &log, 3 * RECORDS);
}

#[test]
fn a_disk_that_is_full_at_the_start_is_told() {
    let machine = Machine::new();
    let log = machine.log();
    send(&log);
    machine.disk.set_capacity(Some(machine.disk.used()));
    let error = application(&log, machine.state.path()).start().unwrap_err();
    assert_eq!((error.kind(), error.log_kind()), (ErrorKind::Log, Some(LogErrorKind::DiskFull)), "{error}");
    assert!(error.to_string().contains("no storage space"), "{error}");
    machine.disk.set_capacity(None);
    counted(&machine.run(&log), &log, RECORDS);
}

#[test]
fn a_segment_that_is_corrupt_under_a_running_application_stops_its_task_alone_and_is_named() {
    let machine = Machine::new();
    let log = machine.log();
    let mut streams = machine.run(&log);
    send(&log);
    counted(&streams, &log, RECORDS);
    streams.close().unwrap();
    let before = machine.segment().1;
    send(&log);
    let (path, _) = machine.segment();
    assert!(machine.disk.flip_bit(&path, before + 100));
    let mut streams = machine.run(&log);
    wait(&streams, |streams| streams.tasks().iter().any(|task| task.failing.is_some()));
    let error = streams.tasks().into_iter().find_map(|task| task.failing).unwrap();
    assert!(error.contains(&format!("{path} is corrupt at byte ")) && error.contains("checksum does not match (in-0)"), "{error}");
    assert_eq!((streams.state(), streams.errors().len()), (State::Running, 0), "its thread goes on with its other tasks");
    // The folder is restored from elsewhere.
    assert!(machine.disk.flip_bit(&path, before + 100));
    streams.resume();
    counted(&streams, &log, 2 * RECORDS);
    streams.close().unwrap();
}

#[test]
fn a_segment_that_is_corrupt_is_named_when_the_log_is_opened() {
    let machine = Machine::new();
    let log = machine.log();
    let mut streams = machine.run(&log);
    send(&log);
    counted(&streams, &log, RECORDS);
    streams.close().unwrap();
    drop((streams, log));
    let (path, length) = machine.segment();
    assert!(machine.disk.flip_bit(&path, length / 2));
    let error = EmbeddedLog::with_storage(Arc::new(machine.disk.clone()), EmbeddedOptions::new()).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Corrupt);
    assert!(error.to_string().contains(&format!("{path} is corrupt at byte ")), "{error}");
    assert!(machine.disk.flip_bit(&path, length / 2));
    let log = machine.log();
    send(&log);
    counted(&machine.run(&log), &log, 2 * RECORDS);
}

#[test]
fn a_folder_that_another_process_has_is_refused_and_its_owner_goes_on() {
    let (folder, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = Arc::new(EmbeddedLog::open(folder.path(), EmbeddedOptions::new()).unwrap());
    make_topics(&log);
    let mut streams = application(&log, state.path());
    streams.start().unwrap();
    send(&log);
    counted(&streams, &log, RECORDS);

    let error = EmbeddedLog::open(folder.path(), EmbeddedOptions::new()).unwrap_err();
    assert_eq!(error.kind(), LogErrorKind::Locked);
    let text = error.to_string();
    let folder_name = folder.path().display().to_string();
    assert!(text.contains(&folder_name) && text.contains(&format!("held by process {} since 20", std::process::id())), "{text}");

    let error = application(&log, state.path()).start().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidState);
    let text = error.to_string();
    let state_name = state.path().join("app").display().to_string();
    assert!(text.contains(&state_name) && text.contains(&format!("in use by process {}", std::process::id())), "{text}");

    send(&log);
    counted(&streams, &log, 2 * RECORDS);
    streams.close().unwrap();
    drop((streams, log));
    let log = Arc::new(EmbeddedLog::open(folder.path(), EmbeddedOptions::new()).unwrap());
    let mut streams = application(&log, state.path());
    streams.start().unwrap();
    send(&log);
    counted(&streams, &log, 3 * RECORDS);
}
