//! The life of an application: its states in order, pausing and resuming, and state that has become too old.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod waiting;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use straum::dsl::{Consumed, Grouped, Materialized, Produced, StreamsBuilder};
use straum::log::embedded::{EmbeddedLog, EmbeddedOptions};
use straum::log::{HeaderView, Log, OutputBatch, ProducerOptions, TopicPartition, TopicSpec};
use straum::processor::{Processor, ProcessorContext, Punctuation, PunctuationType, Record};
use straum::runtime::{Decision, ExceptionHandlers, OffsetReset, ProcessingGuarantee, State, Streams, StreamsConfig, StreamsOptions};
use straum::serde::{I64, Utf8};
use straum::testing::TopologyTestDriver;
use straum::{BoxError, Topology};
use waiting::wait;

fn counting() -> Topology {
    let builder = StreamsBuilder::new();
    builder
        .stream("in", Consumed::with(Utf8, I64))
        .group_by_key("by-key", Grouped::with(Utf8, I64))
        .count(Materialized::named("counts"))
        .to_stream()
        .to("out", Produced::with(Utf8, I64));
    builder.build().unwrap()
}

fn send(log: &EmbeddedLog, records: usize) {
    write(log, "in", b"a", records);
}

fn write(log: &EmbeddedLog, topic: &str, key: &[u8], records: usize) {
    let options = ProducerOptions { client_id: "test".to_owned(), transactional_id: None, transaction_timeout: Duration::from_secs(10) };
    let mut producer = log.producer(&options).unwrap();
    let mut batch = OutputBatch::new();
    let topic = batch.topic(&topic.into());
    (0..records).for_each(|_| batch.push(topic, 0, 0, Some(key), Some(&1_i64.to_be_bytes()), HeaderView::new(&[])));
    producer.send(&batch).unwrap();
    producer.flush().unwrap();
}

fn processed(streams: &Streams) -> u64 {
    streams.tasks().iter().map(|task| task.processed).sum()
}

#[test]
fn states_are_heard_in_order_and_a_paused_application_processes_nothing_and_leaves_nothing_open() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(EmbeddedLog::in_memory(EmbeddedOptions::new()).unwrap());
    for name in ["in", "out"] {
        log.create_topic(&TopicSpec { name: name.to_owned(), partitions: 1, config: BTreeMap::new() }).unwrap();
    }
    let mut config = StreamsConfig::new("app");
    config.state_dir = folder.path().to_owned();
    config.poll = Duration::from_millis(1);
    // Only pausing commits.
    config.commit_interval = Duration::from_secs(3600);
    config.transaction_timeout = Duration::from_secs(3600);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&heard);
    let options = StreamsOptions::default().state_listener(move |new, old| hears.lock().unwrap().push((old, new)));
    let mut streams = Streams::new(&counting(), config, Arc::<EmbeddedLog>::clone(&log), options);
    assert_eq!(streams.state(), State::Created);
    streams.start().unwrap();
    send(&log, 3);
    wait(&streams, |streams| processed(streams) == 3);
    let input = TopicPartition::new("in", 0);
    let committed = || log.committed("app", std::slice::from_ref(&input)).unwrap()[0].as_ref().map(|committed| committed.offset);
    assert_eq!(committed(), None, "nothing is committed before the pause");
    streams.pause();
    assert!(streams.is_paused());
    wait(&streams, |_| committed() == Some(3));
    send(&log, 2);
    let rounds = streams.rounds();
    wait(&streams, |streams| streams.rounds() > rounds + 5);
    assert_eq!(processed(&streams), 3);
    streams.resume();
    wait(&streams, |streams| processed(streams) == 5);
    streams.close().unwrap();
    let expected = [
        (State::Created, State::Rebalancing),
        (State::Rebalancing, State::Running),
        (State::Running, State::PendingShutdown),
        (State::PendingShutdown, State::NotRunning),
    ];
    assert_eq!(*heard.lock().unwrap(), expected);
}

#[test]
fn state_older_than_half_the_life_of_a_tombstone_is_rebuilt_if_it_has_missed_anything() {
    const HOUR: Duration = Duration::from_secs(3600);
    // Away for so long, and whether something was written meanwhile.
    for (away, missed, kept) in [(11 * HOUR, true, true), (13 * HOUR, true, false), (13 * HOUR, false, true)] {
        let folder = tempfile::tempdir().unwrap();
        let mut driver = TopologyTestDriver::builder(&counting()).state_folder(folder.path()).now(1_700_000_000_000).start().unwrap();
        let input = driver.input("in", Utf8, I64);
        input.pipe_values(&mut driver, [("a", 1)]).unwrap();
        driver.commit().unwrap();
        let changelog = TopicPartition::new("test-counts-changelog", 0);
        if missed {
            driver.write(&changelog.topic, Some(0), Some(b"b"), Some(&7_i64.to_be_bytes()), 0, &straum::processor::Headers::new()).unwrap();
        }
        driver.crash_for(away).unwrap();
        let restored = driver.restored().map(|(_, restored)| restored.from.is_some()).next();
        assert_eq!(restored, Some(kept), "{away:?} {missed}");
        let store = driver.store::<String, i64>("counts").unwrap();
        assert_eq!((store.get(&"a".to_owned()).unwrap(), store.get(&"b".to_owned()).unwrap()), (Some(1), missed.then_some(7)));
    }
}

struct Tick;

impl Processor<String, i64, String, i64> for Tick {
    fn init(&mut self, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
        context.schedule(Duration::from_secs(1), PunctuationType::WallClockTime);
        Ok(())
    }

    fn process(&mut self, _: Record<String, i64>, _: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
        Ok(())
    }

    fn punctuate(&mut self, now: i64, _: Punctuation, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
        Ok(context.forward(Record::new("tick".to_owned(), now, now))?)
    }
}

/// Fails until it is to bear it.
struct Shy(Arc<AtomicBool>);

impl Processor<String, i64, String, i64> for Shy {
    fn process(&mut self, _: Record<String, i64>, _: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
        if self.0.load(Ordering::SeqCst) { Ok(()) } else { Err("not yet".into()) }
    }
}

#[test]
fn tasks_that_failed_go_on_when_the_application_is_resumed_on_whichever_thread_they_are() {
    let (folder, log) = (tempfile::tempdir().unwrap(), Arc::new(EmbeddedLog::in_memory(EmbeddedOptions::new()).unwrap()));
    for (name, partitions) in [("in", 1), ("other", 1)] {
        log.create_topic(&TopicSpec { name: name.to_owned(), partitions, config: BTreeMap::new() }).unwrap();
        write(&log, name, b"a", 1);
    }
    let bears = Arc::new(AtomicBool::new(false));
    let builder = StreamsBuilder::new();
    for name in ["in", "other"] {
        let bears = Arc::clone(&bears);
        let _ = builder.stream(name, Consumed::with(Utf8, I64)).process::<String, i64, _>(name, move || Shy(Arc::clone(&bears)), &[]);
    }
    let mut config = StreamsConfig::new("app");
    config.state_dir = folder.path().to_owned();
    config.poll = Duration::from_millis(1);
    config.num_stream_threads = 2;
    let handlers = ExceptionHandlers { processing: Arc::new(|_| Decision::Fail), ..Default::default() };
    let options = StreamsOptions::default().handlers(handlers);
    let mut streams = Streams::new(&builder.build().unwrap(), config, Arc::<EmbeddedLog>::clone(&log), options);
    streams.start().unwrap();
    wait(&streams, |streams| streams.tasks().iter().filter(|task| task.failing.is_some()).count() == 2);
    bears.store(true, Ordering::SeqCst);
    streams.resume();
    wait(&streams, |streams| streams.tasks().iter().all(|task| task.failing.is_none() && task.processed == 1));
    streams.close().unwrap();
}

#[test]
fn a_thread_that_hangs_is_named_while_the_others_go_on() {
    let (folder, log) = (tempfile::tempdir().unwrap(), Arc::new(EmbeddedLog::in_memory(EmbeddedOptions::new()).unwrap()));
    let gate = Arc::new(Mutex::new(()));
    let builder = StreamsBuilder::new();
    for (name, waits) in [("first", true), ("second", false)] {
        log.create_topic(&TopicSpec { name: name.to_owned(), partitions: 1, config: BTreeMap::new() }).unwrap();
        let gate = Arc::clone(&gate);
        builder.stream(name, Consumed::with(Utf8, I64)).foreach(move |_, _| drop(waits.then(|| gate.lock())));
    }
    let mut config = StreamsConfig::new("app");
    config.state_dir = folder.path().to_owned();
    config.poll = Duration::from_millis(1);
    config.num_stream_threads = 2;
    config.max_poll_interval = Duration::from_secs(5);
    let mut streams = Streams::new(&builder.build().unwrap(), config, Arc::<EmbeddedLog>::clone(&log), StreamsOptions::default());
    streams.start().unwrap();
    wait(&streams, |streams| streams.state() == State::Running);
    let shut = gate.lock().unwrap();
    write(&log, "first", b"a", 1);
    wait(&streams, |streams| !streams.troubles().is_empty());
    let troubles = streams.troubles();
    assert!(
        matches!(&*troubles, [trouble] if trouble.contains("thread 1 has been busy") || trouble.contains("thread 2 has been busy")),
        "{troubles:?}"
    );
    write(&log, "second", b"a", 3);
    wait(&streams, |streams| processed(streams) == 3);
    drop(shut);
    wait(&streams, |streams| processed(streams) == 4 && streams.troubles().is_empty());
    streams.close().unwrap();
}

/// A group refuses the offsets of a task that is another's by now; it is never asked about a transaction that has none.
#[test]
fn what_a_task_writes_before_it_has_read_anything_is_committed_with_offsets() {
    let builder = StreamsBuilder::new();
    builder.stream("in", Consumed::with(Utf8, I64)).process("tick", || Tick, &[]).to("out", Produced::with(Utf8, I64));
    let topology = builder.build().unwrap();
    for reset in [OffsetReset::Earliest, OffsetReset::Latest] {
        let mut driver =
            TopologyTestDriver::builder(&topology).partitions(2).configure(move |config| config.auto_offset_reset = reset).start().unwrap();
        driver.advance_wall_clock(Duration::from_secs(1)).unwrap();
        driver.commit().unwrap();
        assert_eq!(driver.output("out", Utf8, I64).committed().read_pairs(&driver).unwrap().len(), 2);
        let input = [0, 1].map(|partition| TopicPartition::new("in", partition));
        let committed: Vec<_> =
            driver.log().committed("test", &input).unwrap().into_iter().map(|offset| offset.map(|committed| committed.offset)).collect();
        assert_eq!(committed, [Some(0), Some(0)], "{reset:?}");
    }
}

/// Offsets alone could not tell: the new changelog holds more than the old one did.
#[test]
fn state_made_from_a_changelog_that_is_made_anew_is_rebuilt() {
    let folder = tempfile::tempdir().unwrap();
    for (life, restored, counts) in [(1, None, [Some(3), None]), (2, None, [None, Some(1)])] {
        let log = Arc::new(EmbeddedLog::in_memory(EmbeddedOptions::new()).unwrap());
        for name in ["in", "out", "app-counts-changelog"] {
            log.create_topic(&TopicSpec { name: name.to_owned(), partitions: 1, config: BTreeMap::new() }).unwrap();
        }
        match life {
            1 => send(&log, 3),
            _ => write(&log, "app-counts-changelog", b"b", 100),
        }
        let mut config = StreamsConfig::new("app");
        config.state_dir = folder.path().to_owned();
        config.poll = Duration::from_millis(1);
        let mut streams = Streams::new(&counting(), config, Arc::<EmbeddedLog>::clone(&log), StreamsOptions::default());
        streams.start().unwrap();
        wait(&streams, |streams| streams.state() == State::Running && (life == 2 || streams.commits() > 0));
        let from: Vec<_> = streams.restored().iter().map(|(_, restored)| restored.from).collect();
        assert_eq!(from, [restored], "life {life}");
        let store = streams.store::<String, i64>("counts").unwrap();
        assert_eq!(["a", "b"].map(|key| store.get(&key.to_owned()).unwrap()), counts, "life {life}");
        drop(store);
        streams.close().unwrap();
    }
}

/// Has a store and asks to be called by the clock.
struct Ticking;

impl Processor<String, Option<i64>, String, i64> for Ticking {
    fn init(&mut self, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
        context.schedule(Duration::from_secs(1), PunctuationType::WallClockTime);
        Ok(())
    }

    fn process(&mut self, _: Record<String, Option<i64>>, _: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
        Ok(())
    }
}

#[test]
fn a_closed_application_can_be_opened_again_in_the_same_process_whatever_its_processors_have_scheduled() {
    let (folder, log) = (tempfile::tempdir().unwrap(), Arc::new(EmbeddedLog::in_memory(EmbeddedOptions::new()).unwrap()));
    for name in ["in", "rules"] {
        log.create_topic(&TopicSpec { name: name.to_owned(), partitions: 1, config: BTreeMap::new() }).unwrap();
    }
    let builder = StreamsBuilder::new();
    builder.global_table("rules", Consumed::with(Utf8, I64), Materialized::<i64>::named("rules"));
    let table = builder.table("in", Consumed::with(Utf8, I64), Materialized::named("rows"));
    drop(table.to_stream().process("ticking", || Ticking, &["rows"]));
    let topology = builder.build().unwrap();
    for _ in 0..3 {
        let mut config = StreamsConfig::new("again");
        config.state_dir = folder.path().to_owned();
        let mut streams = Streams::new(&topology, config, Arc::<EmbeddedLog>::clone(&log) as Arc<dyn Log>, StreamsOptions::default());
        streams.start().unwrap();
        wait(&streams, |streams| streams.state() == State::Running && streams.tasks().iter().all(|task| task.failing.is_none()));
        streams.close().unwrap();
    }
}

const HOUR: i64 = 3_600_000;

/// As a machine whose clock is corrected: what is due goes on from the new time, and does not wait for the old one.
#[test]
fn a_clock_that_is_set_back_silences_neither_punctuations_nor_commits() {
    let builder = StreamsBuilder::new();
    builder.stream("in", Consumed::with(Utf8, I64)).process("tick", || Tick, &[]).to("out", Produced::with(Utf8, I64));
    let topology = builder.build().unwrap();
    for guarantee in [ProcessingGuarantee::ExactlyOnce, ProcessingGuarantee::AtLeastOnce] {
        let set = move |config: &mut StreamsConfig| (config.processing_guarantee, config.commit_interval) = (guarantee, Duration::from_secs(30));
        let mut driver = TopologyTestDriver::builder(&topology).configure(set).now(2 * HOUR).start().unwrap();
        let mut ticks = driver.output("out", Utf8, I64);
        let input = TopicPartition::new("in", 0);
        // The clock before which a record is read, the tick then, and the offset that is committed then.
        for (now, tick, committed) in [
            (2 * HOUR + 1_000, Some(2 * HOUR + 1_000), None),
            (HOUR, None, Some(2)),
            (HOUR + 999, None, Some(2)),
            (HOUR + 1_000, Some(HOUR + 1_000), Some(2)),
            (HOUR + 30_000, Some(HOUR + 30_000), Some(5)),
            (HOUR + 29_500, None, Some(6)),
            (HOUR + 30_500, Some(HOUR + 30_500), Some(6)),
            (HOUR + 59_500, Some(HOUR + 59_500), Some(8)),
        ] {
            driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1)]).unwrap();
            driver.set_wall_clock(now).unwrap();
            let told: Vec<i64> = ticks.read_pairs(&driver).unwrap().into_iter().map(|(_, now)| now).collect();
            assert_eq!(told, tick.into_iter().collect::<Vec<_>>(), "{guarantee:?} at {now}");
            let offset = driver.log().committed("test", std::slice::from_ref(&input)).unwrap()[0].as_ref().map(|committed| committed.offset);
            assert_eq!(offset, committed, "{guarantee:?} at {now}");
        }
    }
}

#[test]
fn a_clock_that_is_set_back_keeps_no_task_from_its_next_try() {
    let bears = Arc::new(AtomicBool::new(false));
    let (builder, of_task) = (StreamsBuilder::new(), Arc::clone(&bears));
    drop(builder.stream("in", Consumed::with(Utf8, I64)).process::<String, i64, _>("shy", move || Shy(Arc::clone(&of_task)), &[]));
    let handlers = ExceptionHandlers { processing: Arc::new(|_| Decision::Retry), ..Default::default() };
    let mut driver = TopologyTestDriver::builder(&builder.build().unwrap()).handlers(handlers).now(HOUR).start().unwrap();
    driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1)]).unwrap();
    bears.store(true, Ordering::SeqCst);
    driver.run().unwrap();
    assert_eq!(driver.failing().count(), 1, "it waits");
    driver.set_wall_clock(0).unwrap();
    assert_eq!(driver.failing().count(), 0);
}

#[test]
fn a_clock_that_is_set_back_begins_the_wait_for_an_empty_partition_anew() {
    let builder = StreamsBuilder::new();
    builder.stream_topics(["full", "empty"], Consumed::with(Utf8, I64)).to("out", Produced::with(Utf8, I64));
    let idle = |config: &mut StreamsConfig| config.max_task_idle = Some(Duration::from_secs(10));
    let mut driver = TopologyTestDriver::builder(&builder.build().unwrap()).configure(idle).now(HOUR).start().unwrap();
    driver.input("full", Utf8, I64).pipe_values(&mut driver, [("a", 1)]).unwrap();
    for (now, through) in [(0, 0), (9_999, 0), (10_000, 1)] {
        driver.set_wall_clock(now).unwrap();
        assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver).unwrap().len(), through, "at {now}");
    }
}
