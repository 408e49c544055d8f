//! Applications of several instances on a real broker: tasks move between them, and every record counts once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Condvar, LazyLock, Mutex};
use std::time::{Duration, Instant};

use straum::Topology;
use straum::dsl::{Consumed, Grouped, Materialized, Produced, StreamsBuilder};
use straum::log::kafka::{GroupProtocol, KafkaLog, KafkaOptions};
use straum::log::{HeaderView, Isolation, Log, OutputBatch, StartOffset, TopicSpec};
use straum::runtime::{ProcessingGuarantee, State, Streams, StreamsConfig, StreamsOptions, TaskRole};
use straum::serde::{I64, Utf8};
use straum::topology::TaskId;
use support::broker::Broker;
use support::reading::{PATIENCE, at, consumer, producer};

const PARTITIONS: u32 = 4;
/// Two sub-topologies: one rekeys, one counts.
const TASKS: usize = 2 * PARTITIONS as usize;
const CUSTOMERS: usize = 7;

static BROKER: LazyLock<Broker> = LazyLock::new(|| Broker::start("streams"));

/// Where a closure waits while the gate is shut.
#[derive(Default)]
struct Gate {
    shut: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn set(&self, shut: bool) {
        *self.shut.lock().unwrap() = shut;
        self.opened.notify_all();
    }

    fn pass(&self) {
        let mut shut = self.shut.lock().unwrap();
        while *shut {
            shut = self.opened.wait(shut).unwrap();
        }
    }
}

/// An application with topics of its own.
struct Application {
    id: &'static str,
    log: Arc<KafkaLog>,
    sent: Mutex<usize>,
}

impl Application {
    fn new(id: &'static str) -> Self {
        let application = Self { id, log: connect(id), sent: Mutex::new(0) };
        application.create_topic("out");
        application
    }

    fn with_input(id: &'static str) -> Self {
        let application = Self::new(id);
        application.create_topic("in");
        application
    }

    fn topic(&self, name: &str) -> String {
        format!("{}-{name}", self.id)
    }

    fn create_topic(&self, name: &str) {
        self.log.create_topic(&TopicSpec { name: self.topic(name), partitions: PARTITIONS, config: BTreeMap::new() }).unwrap();
    }

    /// Counts the records of each customer; every count goes out.
    fn topology(&self, gate: &Arc<Gate>) -> Topology {
        let builder = StreamsBuilder::new();
        let gate = Arc::clone(gate);
        builder
            .stream(self.topic("in"), Consumed::with(Utf8, Utf8))
            .peek(move |_, _| gate.pass())
            .group_by("by-customer", |_, customer: &String| customer.clone(), Grouped::with(Utf8, Utf8))
            .count(Materialized::named("counts"))
            .to_stream()
            .to(self.topic("out"), Produced::with(Utf8, I64));
        builder.build().unwrap()
    }

    fn instance(&self, folder: &Path, gate: &Arc<Gate>, configure: impl FnOnce(&mut StreamsConfig)) -> Instance {
        let mut config = StreamsConfig::new(self.id);
        config.state_dir = folder.to_owned();
        config.statestore_cache_max_bytes = 0;
        config.poll = Duration::from_millis(5);
        configure(&mut config);
        let states = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&states);
        let options = StreamsOptions::default().state_listener(move |new, _| hears.lock().unwrap().push(new));
        // A process has a connection of its own.
        let mut streams = Streams::new(&self.topology(gate), config, connect(self.id), options);
        streams.start().unwrap();
        Instance { streams, states }
    }

    fn start(&self, folder: &Path) -> Instance {
        self.instance(folder, &Arc::default(), |_| {})
    }

    /// Sends so many records to the partitions in turn.
    fn send(&self, count: usize) {
        let mut sent = self.sent.lock().unwrap();
        let mut producer = producer(&*self.log, None);
        let mut batch = OutputBatch::new();
        let topic = batch.topic(&self.topic("in").into());
        for number in *sent..*sent + count {
            let (key, customer) = (number.to_string(), format!("customer-{}", number % CUSTOMERS));
            batch.push(topic, number as u32 % PARTITIONS, 1_000, Some(key.as_bytes()), Some(customer.as_bytes()), HeaderView::new(&[]));
        }
        producer.send(&batch).unwrap();
        producer.flush().unwrap();
        *sent += count;
    }

    /// Waits until as many counts have come out as records went in, and holds that each customer's are 1, 2, 3, ….
    fn every_record_counts_once(&self) {
        let sent = *self.sent.lock().unwrap();
        let out = self.topic("out").into();
        let mut consumer = consumer(&*self.log, Isolation::ReadCommitted);
        consumer.assign(&(0..PARTITIONS).map(|partition| (at(&out, partition), StartOffset::Beginning)).collect::<Vec<_>>()).unwrap();
        let mut counts: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        let mut batches = Vec::new();
        wait("all counts", || {
            consumer.poll(Duration::from_millis(50), &mut batches).unwrap();
            for batch in batches.drain(..) {
                for record in batch.iter() {
                    let count = i64::from_be_bytes(record.value.unwrap().try_into().unwrap());
                    counts.entry(String::from_utf8(record.key.unwrap().to_vec()).unwrap()).or_default().push(count);
                }
            }
            counts.values().map(Vec::len).sum::<usize>() >= sent
        });
        for (customer, counts) in &counts {
            let expected: Vec<i64> = (1..=counts.len() as i64).collect();
            assert_eq!(counts, &expected, "{customer}");
        }
        assert_eq!(counts.values().map(Vec::len).sum::<usize>(), sent);
    }
}

/// Counts and their outputs on a log, in one process.
fn run_alone(log: Arc<KafkaLog>, folder: &Path) -> Streams {
    let builder = StreamsBuilder::new();
    let input = builder.stream("alone-in", Consumed::with(Utf8, Utf8));
    input
        .group_by_key("by-key", Grouped::with(Utf8, Utf8))
        .count(Materialized::named("counts"))
        .to_stream()
        .to("alone-out", Produced::with(Utf8, I64));
    let mut config = StreamsConfig::new("alone");
    config.state_dir = folder.to_owned();
    let mut streams = Streams::new(&builder.build().unwrap(), config, log, StreamsOptions::default());
    streams.start().unwrap();
    streams
}

struct Instance {
    streams: Streams,
    states: Arc<Mutex<Vec<State>>>,
}

impl Instance {
    fn tasks(&self) -> Vec<TaskId> {
        self.streams.tasks().iter().map(|task| task.id).collect()
    }
}

fn connect(application: &str) -> Arc<KafkaLog> {
    Arc::new(KafkaLog::connect(KafkaOptions::new(BROKER.bootstrap(), application)).unwrap())
}

fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::yield_now();
    }
}

fn wait_for_tasks(what: &str, instances: &[(&Instance, usize)]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen: Vec<usize> = instances.iter().map(|(instance, _)| instance.tasks().len()).collect();
        let running = instances.iter().all(|(instance, _)| instance.streams.state() == State::Running);
        if running && instances.iter().zip(&seen).all(|((_, expected), seen)| seen == expected) {
            return;
        }
        let troubles: Vec<_> = instances
            .iter()
            .map(|(instance, _)| (instance.streams.state(), instance.streams.notices(), instance.streams.troubles(), instance.streams.errors()))
            .collect();
        assert!(Instant::now() < deadline, "waited in vain until {what}: {seen:?} {troubles:?}");
        std::thread::yield_now();
    }
}

#[test]
fn tasks_move_between_instances_and_every_record_counts_once() {
    let application = Application::with_input("moving");
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut first = application.start(folders[0].path());
    wait_for_tasks("the first has all tasks", &[(&first, TASKS)]);
    application.send(500);
    let second = application.start(folders[1].path());
    application.send(500);
    wait_for_tasks("they share the tasks", &[(&first, TASKS / 2), (&second, TASKS / 2)]);
    let mut all = first.tasks();
    all.extend(second.tasks());
    all.sort();
    all.dedup();
    assert_eq!(all.len(), TASKS, "nobody has another's");
    application.send(500);
    let shown = BROKER.tool(
        "org.apache.kafka.tools.streams.StreamsGroupCommand",
        &["--bootstrap-server", "{bootstrap}", "--describe", "--members", "--group", "moving"],
    );
    assert_eq!(shown.lines().filter(|line| line.starts_with("moving")).count(), 2, "{shown}");
    first.streams.close_and_leave().unwrap();
    application.send(500);
    wait_for_tasks("the second has all tasks", &[(&second, TASKS)]);
    application.every_record_counts_once();
    assert!(
        second.streams.restored().iter().any(|(_, restored)| restored.from.is_none() && restored.records > 0),
        "what moved was read from its changelog"
    );
}

#[test]
fn an_instance_that_is_back_has_its_tasks_again_and_nothing_moves() {
    let application = Application::with_input("back");
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut first = application.start(folders[0].path());
    let second = application.start(folders[1].path());
    wait_for_tasks("they share the tasks", &[(&first, TASKS / 2), (&second, TASKS / 2)]);
    application.send(500);
    application.every_record_counts_once();
    let (tasks, others) = (first.tasks(), second.tasks());
    second.states.lock().unwrap().clear();
    first.streams.close().unwrap();
    application.send(100);
    let again = application.start(folders[0].path());
    wait_for_tasks("it is back", &[(&again, TASKS / 2)]);
    assert_eq!((again.tasks(), second.tasks()), (tasks, others));
    assert_eq!(*second.states.lock().unwrap(), [], "the other has noticed nothing");
    application.every_record_counts_once();
    let from_the_beginning = again.streams.restored().into_iter().filter(|(_, restored)| restored.from.is_none() && restored.records > 0).count();
    assert_eq!(from_the_beginning, 0, "its state is still there");
}

/// How many tasks an instance keeps copies for that have everything there is.
fn copies(instance: &Instance) -> usize {
    let changelogs = instance.streams.changelogs();
    changelogs.iter().filter(|changelog| changelog.role == TaskRole::Standby && changelog.position >= changelog.end).count()
}

fn rows(instance: &Instance) -> usize {
    instance.streams.store::<String, i64>("counts").map_or(0, |store| store.all().unwrap().len())
}

#[test]
fn a_standby_task_becomes_active_with_the_copy_it_has() {
    let application = Application::with_input("standby");
    BROKER.tool(
        "kafka.admin.ConfigCommand",
        &[
            "--bootstrap-server",
            "{bootstrap}",
            "--alter",
            "--entity-type",
            "groups",
            "--entity-name",
            "standby",
            "--add-config",
            "streams.num.standby.replicas=1",
        ],
    );
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut first = application.start(folders[0].path());
    let second = application.start(folders[1].path());
    wait_for_tasks("they share the tasks", &[(&first, TASKS / 2), (&second, TASKS / 2)]);
    application.send(500);
    application.every_record_counts_once();
    wait("each state has a copy", || copies(&first) + copies(&second) == PARTITIONS as usize);
    wait("the copies answer no queries", || rows(&first) + rows(&second) == CUSTOMERS);
    let copied: Vec<TaskId> = second.streams.changelogs().iter().map(|changelog| changelog.task).collect();
    assert!(!copied.is_empty());
    first.streams.close_and_leave().unwrap();
    wait_for_tasks("the second has all tasks", &[(&second, TASKS)]);
    let promoted: Vec<_> = second.streams.restored().into_iter().filter(|(task, _)| copied.contains(task)).collect();
    assert_eq!(promoted.len(), copied.len());
    for (task, restored) in &promoted {
        // A partition that no customer falls into has nothing to copy.
        assert!((restored.from.is_some() || restored.end == 0) && restored.bytes == 0, "{task} had everything: {restored:?}");
    }
    assert!(promoted.iter().any(|(_, restored)| restored.from.is_some()), "{promoted:?}");
    assert_eq!(rows(&second), CUSTOMERS);
    application.send(200);
    application.every_record_counts_once();
}

#[test]
fn state_of_tasks_that_have_moved_away_is_deleted_after_a_delay() {
    let application = Application::with_input("cleaned");
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let cleaned = |config: &mut StreamsConfig| config.state_cleanup_delay = Duration::from_millis(100);
    let first = application.instance(folders[0].path(), &Arc::default(), cleaned);
    wait_for_tasks("the first has all tasks", &[(&first, TASKS)]);
    let on_disk = || {
        let entries = std::fs::read_dir(folders[0].path().join(application.id)).unwrap();
        let mut tasks: Vec<TaskId> = entries.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok()).collect();
        tasks.sort();
        tasks
    };
    assert_eq!(on_disk(), first.tasks());
    let second = application.start(folders[1].path());
    wait_for_tasks("they share the tasks", &[(&first, TASKS / 2), (&second, TASKS / 2)]);
    wait("what has moved is deleted", || on_disk() == first.tasks());
}

#[test]
fn a_thread_that_hangs_loses_its_tasks_until_it_is_back_and_what_it_had_begun_counts_for_nothing() {
    let application = Application::with_input("hanging");
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let gate = Arc::new(Gate::default());
    let hanging = application.instance(folders[0].path(), &gate, |config| {
        let settings = [("application.id", "hanging"), ("max.poll.interval.ms", "2000")];
        config.max_poll_interval = StreamsConfig::from_settings(settings).unwrap().max_poll_interval;
    });
    wait_for_tasks("the first has all tasks", &[(&hanging, TASKS)]);
    application.send(200);
    application.every_record_counts_once();
    gate.set(true);
    application.send(200);
    let other = application.start(folders[1].path());
    wait("the other has all tasks", || other.tasks().len() == TASKS);
    application.every_record_counts_once();
    gate.set(false);
    wait_for_tasks("they share the tasks", &[(&hanging, TASKS / 2), (&other, TASKS / 2)]);
    application.send(200);
    application.every_record_counts_once();
}

#[test]
fn an_application_that_is_paused_keeps_its_place_in_the_group() {
    let application = Application::with_input("paused");
    let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let first = application.instance(folders[0].path(), &Arc::default(), |config| config.max_poll_interval = Duration::from_secs(1));
    wait_for_tasks("the first has all tasks", &[(&first, TASKS)]);
    first.streams.pause();
    application.send(100);
    let rounds = first.streams.rounds();
    let since = Instant::now();
    // Longer than a thread may be silent.
    wait("it has been paused for a while", || since.elapsed() > Duration::from_secs(2) && first.streams.rounds() > rounds + 10);
    assert_eq!((first.tasks().len(), first.streams.state()), (TASKS, State::Running));
    // It lets go of what the group gives to another, paused as it is.
    let second = application.start(folders[1].path());
    wait_for_tasks("they share the tasks", &[(&first, TASKS / 2), (&second, TASKS / 2)]);
    first.streams.resume();
    application.every_record_counts_once();
}

#[test]
fn a_source_topic_that_is_missing_is_named_and_waited_for() {
    let application = Application::new("waiting");
    let folder = tempfile::tempdir().unwrap();
    let instance = application.start(folder.path());
    wait("the topic is named", || instance.streams.notices().iter().any(|notice| notice.contains("waiting-in")));
    assert_eq!((instance.streams.state(), instance.tasks()), (State::Rebalancing, Vec::new()));
    application.create_topic("in");
    application.send(50);
    wait_for_tasks("it has all tasks", &[(&instance, TASKS)]);
    application.every_record_counts_once();
    assert_eq!(instance.streams.notices(), [""; 0]);
}

#[test]
fn a_broker_without_streams_groups_is_named_and_one_process_runs_on_it() {
    let broker = Broker::start_with("no-streams", &["group.coordinator.rebalance.protocols=classic,consumer"]);
    let options = || KafkaOptions::new(broker.bootstrap(), "alone");
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(KafkaLog::connect(options()).unwrap());
    for name in ["alone-in", "alone-out"] {
        log.create_topic(&TopicSpec { name: name.to_owned(), partitions: 1, config: BTreeMap::new() }).unwrap();
    }
    let mut refused = run_alone(Arc::clone(&log), folder.path());
    wait("the application has ended", || refused.state() == State::Error);
    let errors = refused.errors().join("; ");
    assert!(errors.contains("fixed assignment") && errors.contains("group.coordinator.rebalance.protocols"), "{errors}");
    assert!(refused.close().is_err());

    let fixed = Arc::new(KafkaLog::connect(options().group_protocol(GroupProtocol::Fixed)).unwrap());
    let alone = run_alone(fixed, folder.path());
    let mut batch = OutputBatch::new();
    let topic = batch.topic(&"alone-in".into());
    batch.push(topic, 0, 1_000, Some(b"a"), Some(b"x"), HeaderView::new(&[]));
    let mut producer = producer(&*log, None);
    producer.send(&batch).unwrap();
    producer.flush().unwrap();
    wait("it has counted", || alone.store::<String, i64>("counts").is_ok_and(|counts| counts.get(&"a".to_owned()).unwrap() == Some(1)));
}

#[test]
fn offsets_outside_transactions_are_committed_in_the_members_name() {
    let application = Application::with_input("at-least-once");
    let folder = tempfile::tempdir().unwrap();
    let configure = |config: &mut StreamsConfig| {
        config.processing_guarantee = ProcessingGuarantee::AtLeastOnce;
        config.commit_interval = Duration::from_millis(50);
    };
    let mut first = application.instance(folder.path(), &Arc::default(), configure);
    application.send(300);
    application.every_record_counts_once();
    first.streams.close().unwrap();
    // Nothing is lost, and since nobody was killed nothing comes twice.
    let input: Vec<_> = (0..PARTITIONS).map(|partition| at(&application.topic("in").into(), partition)).collect();
    let committed = application.log.committed(application.id, &input).unwrap();
    assert_eq!(committed.into_iter().map(|offset| offset.unwrap().offset).sum::<i64>(), 300);
    let _again = application.instance(folder.path(), &Arc::default(), configure);
    application.send(100);
    application.every_record_counts_once();
}
