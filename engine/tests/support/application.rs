//! An application of several instances on a real broker, whose outputs show whether every record counted once.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use straum::Topology;
use straum::dsl::{Consumed, Grouped, Materialized, Produced, StreamsBuilder};
use straum::log::kafka::{KafkaLog, KafkaOptions};
use straum::log::{Consumer, HeaderView, Isolation, Log, LogErrorKind, OutputBatch, RecordBatch, StartOffset, TopicSpec};
use straum::runtime::{State, Streams, StreamsConfig, StreamsOptions};
use straum::serde::{I64, Utf8};
use straum::topology::TaskId;

use super::broker::Broker;
use super::reading::{at, consumer, producer};
use super::waiting::{state_of, wait_until};

pub const PARTITIONS: u32 = 4;
/// Two sub-topologies: one rekeys, one counts.
pub const TASKS: usize = 2 * PARTITIONS as usize;
pub const CUSTOMERS: usize = 7;

/// Where a closure waits while the gate is shut.
#[derive(Default)]
pub struct Gate {
    shut: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    pub fn set(&self, shut: bool) {
        *self.shut.lock().unwrap() = shut;
        self.opened.notify_all();
    }

    pub fn pass(&self) {
        let mut shut = self.shut.lock().unwrap();
        while *shut {
            shut = self.opened.wait(shut).unwrap();
        }
    }
}

/// An application that counts the records of each customer, with topics of its own.
pub struct Application {
    pub id: &'static str,
    options: KafkaOptions,
    /// The test's own way to the topics.
    pub log: Arc<KafkaLog>,
    sent: AtomicUsize,
}

impl Application {
    /// Without its input topic.
    pub fn without_input(broker: &Broker, id: &'static str) -> Self {
        let options = KafkaOptions::new(broker.bootstrap(), id);
        let application = Self { id, log: connect(&options), options, sent: AtomicUsize::new(0) };
        application.create_topic("out");
        application
    }

    pub fn new(broker: &Broker, id: &'static str) -> Self {
        let application = Self::without_input(broker, id);
        application.create_topic("in");
        application
    }

    /// Its instances reach the broker in another way than the test.
    #[must_use]
    pub fn reaching(mut self, change: impl FnOnce(KafkaOptions) -> KafkaOptions) -> Self {
        self.options = change(self.options);
        self
    }

    pub fn topic(&self, name: &str) -> String {
        format!("{}-{name}", self.id)
    }

    pub fn create_topic(&self, name: &str) {
        self.log.create_topic(&TopicSpec { name: self.topic(name), partitions: PARTITIONS, config: BTreeMap::new() }).unwrap();
    }

    /// Counts the records of each customer; every count goes out.
    pub fn topology(&self, gate: &Arc<Gate>) -> Topology {
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

    pub fn instance(&self, folder: &Path, gate: &Arc<Gate>, configure: impl FnOnce(&mut StreamsConfig)) -> Instance {
        self.instance_of(&self.topology(gate), folder, configure)
    }

    pub fn instance_of(&self, topology: &Topology, folder: &Path, configure: impl FnOnce(&mut StreamsConfig)) -> Instance {
        let mut config = StreamsConfig::new(self.id);
        config.state_dir = folder.to_owned();
        config.statestore_cache_max_bytes = 0;
        config.poll = Duration::from_millis(5);
        configure(&mut config);
        let states = Arc::new(Mutex::new(Vec::new()));
        let hears = Arc::clone(&states);
        let options = StreamsOptions::default().state_listener(move |new, _| hears.lock().unwrap().push(new));
        // A process has a connection of its own.
        let mut streams = Streams::new(topology, config, connect(&self.options), options);
        streams.start().unwrap();
        Instance { streams, states }
    }

    pub fn start(&self, folder: &Path) -> Instance {
        self.instance(folder, &Arc::default(), |_| {})
    }

    /// How many records have been sent, or are being sent.
    pub fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }

    /// Sends so many records to the partitions in turn.
    pub fn send(&self, count: usize) {
        let first = self.sent.fetch_add(count, Ordering::Relaxed);
        let mut producer = producer(&*self.log, None);
        let mut batch = OutputBatch::new();
        let topic = batch.topic(&self.topic("in").into());
        for number in first..first + count {
            let (key, customer) = (number.to_string(), format!("customer-{}", number % CUSTOMERS));
            batch.push(topic, number as u32 % PARTITIONS, 1_000, Some(key.as_bytes()), Some(customer.as_bytes()), HeaderView::new(&[]));
        }
        producer.send(&batch).unwrap();
        producer.flush().unwrap();
    }

    /// What has come out so far, and goes on coming out.
    pub fn counts(&self) -> Counts {
        let out = self.topic("out").into();
        let mut consumer = consumer(&*self.log, Isolation::ReadCommitted);
        consumer.assign(&(0..PARTITIONS).map(|partition| (at(&out, partition), StartOffset::Beginning)).collect::<Vec<_>>()).unwrap();
        Counts { consumer, by_customer: BTreeMap::new() }
    }

    /// Hangs the first's thread at the gate until another instance, in `folder`, has its tasks and does its work, and lets it come
    /// back. The other.
    pub fn outlives_a_thread_that_hangs(&self, hanging: &Instance, gate: &Gate, folder: &Path) -> Instance {
        wait_for_tasks("the first has all tasks", &[(hanging, TASKS)]);
        self.send(200);
        self.every_record_counts_once();
        gate.set(true);
        self.send(200);
        wait("it is named", || hanging.streams.troubles().iter().any(|trouble| trouble.contains("thread 1 ")));
        let other = self.start(folder);
        wait("the other has all tasks", || other.tasks().len() == TASKS);
        self.every_record_counts_once();
        gate.set(false);
        wait_for_tasks("they share the tasks", &[(hanging, TASKS / 2), (&other, TASKS / 2)]);
        self.send(200);
        self.every_record_counts_once();
        other
    }

    /// Waits until as many counts have come out as records went in, and holds that each customer's are 1, 2, 3, ….
    pub fn every_record_counts_once(&self) {
        let sent = self.sent();
        let mut counts = self.counts();
        wait("all counts", || counts.so_far() >= sent);
        for (customer, counts) in &counts.by_customer {
            let expected: Vec<i64> = (1..=counts.len() as i64).collect();
            assert_eq!(counts, &expected, "{customer}");
        }
        assert_eq!(counts.so_far(), sent);
    }
}

/// A reader of the counts of each customer, as far as they are committed.
pub struct Counts {
    consumer: Box<dyn Consumer>,
    by_customer: BTreeMap<String, Vec<i64>>,
}

impl Counts {
    /// How many there are. A broker that is away is waited for.
    pub fn so_far(&mut self) -> usize {
        let mut batches = Vec::new();
        match self.consumer.poll(Duration::from_millis(50), &mut batches) {
            Err(error) if error.kind() == LogErrorKind::Retriable => {}
            polled => polled.unwrap(),
        }
        for record in batches.iter().flat_map(RecordBatch::iter) {
            let count = i64::from_be_bytes(record.value.unwrap().try_into().unwrap());
            self.by_customer.entry(String::from_utf8(record.key.unwrap().to_vec()).unwrap()).or_default().push(count);
        }
        self.by_customer.values().map(Vec::len).sum()
    }
}

pub struct Instance {
    pub streams: Streams,
    pub states: Arc<Mutex<Vec<State>>>,
}

impl Instance {
    pub fn tasks(&self) -> Vec<TaskId> {
        self.streams.tasks().iter().map(|task| task.id).collect()
    }
}

fn connect(options: &KafkaOptions) -> Arc<KafkaLog> {
    Arc::new(KafkaLog::connect(options.clone()).unwrap())
}

pub fn wait(what: &str, holds: impl FnMut() -> bool) {
    wait_until(|| what.to_owned(), holds);
}

pub fn wait_for_tasks(what: &str, instances: &[(&Instance, usize)]) {
    let tasks = || instances.iter().map(|(instance, _)| instance.tasks().len()).collect::<Vec<_>>();
    let told = || format!("{what}: {:?} {}", tasks(), instances.iter().map(|(instance, _)| state_of(&instance.streams)).collect::<String>());
    wait_until(told, || {
        let running = instances.iter().all(|(instance, _)| instance.streams.state() == State::Running);
        running && instances.iter().zip(tasks()).all(|((_, expected), seen)| seen == *expected)
    });
}

/// All that an operator can read about what is wrong.
pub fn told(instance: &Instance) -> String {
    let streams = &instance.streams;
    let failing = streams.tasks().into_iter().filter_map(|task| task.failing);
    [streams.notices(), streams.troubles(), streams.errors(), failing.collect()].concat().join("; ")
}

/// Waits until an operator reads all of these words.
pub fn wait_until_told(instance: &Instance, words: &[&str]) {
    wait_until(|| format!("for {words:?}: {}", told(instance)), || words.iter().all(|word| told(instance).contains(word)));
}
