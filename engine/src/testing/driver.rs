//! `TopologyTestDriver`: the production stream thread over an embedded log in memory, stepped until nothing is left to do.
//!
//! There is no second runtime: queues, tasks, overlay, commit and restore are those of a real application. Only the thread's
//! loop and the clock are the test's.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use straum_state::{CacheSizing, MemoryBudget, RecordCache, Serde};

use crate::error::{Error, ErrorKind};
use crate::log::Log;
use crate::log::embedded::EmbeddedLog;
use crate::query::ReadOnlyStore;
use crate::runtime::collector::{Collector, Crash};
use crate::runtime::global::{GlobalEnvironment, GlobalHome, GlobalUpdate};
use crate::runtime::membership::Membership;
use crate::runtime::state_updater::{StateUpdater, TaskStates, UpdaterEnvironment};
use crate::runtime::stream_thread::{Clients, StreamThread};
use crate::runtime::task::{Task, TaskEnvironment};
use crate::runtime::{Clock, ExceptionHandlers, ManualClock, Probe, Restored, StreamsConfig, internal_topics};
use crate::testing::states::{DriverStates, States};
use crate::testing::{DriverBuilder, TestInput, TestOutput, TestStore};
use crate::topology::{TaskId, Topology};

/// Runs a topology in the test's own thread, without a broker. Kafka Streams: `TopologyTestDriver`.
///
/// Beyond it: several partitions and threads, an explicit [`TopologyTestDriver::commit`], and
/// [`TopologyTestDriver::crash`], after which everything uncommitted is gone and the topology starts from its changelogs.
/// Outputs can be read as soon as they are written, before the commit.
///
/// ```
/// use straum::dsl::{Consumed, Grouped, Materialized, Produced, StreamsBuilder};
/// use straum::serde::{I64, Utf8};
/// use straum::testing::TopologyTestDriver;
///
/// let builder = StreamsBuilder::new();
/// builder
///     .stream("words", Consumed::with(Utf8, I64))
///     .group_by_key("by-word", Grouped::with(Utf8, I64))
///     .count(Materialized::named("counts"))
///     .to_stream()
///     .to("out", Produced::with(Utf8, I64));
/// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
/// let words = driver.input("words", Utf8, I64);
/// words.pipe_values(&mut driver, [("a", 1), ("a", 1)])?;
/// driver.commit()?;
/// words.pipe_values(&mut driver, [("a", 1)])?;
/// driver.crash()?;
/// assert_eq!(driver.store::<String, i64>("counts")?.get(&"a".to_owned())?, Some(3));
/// # Ok::<(), straum::Error>(())
/// ```
pub struct TopologyTestDriver {
    topology: Topology,
    config: Arc<StreamsConfig>,
    handlers: ExceptionHandlers,
    clock: Arc<ManualClock>,
    log: Arc<EmbeddedLog>,
    states: States,
    thread_count: usize,
    threads: Vec<StreamThread>,
    globals: Option<GlobalUpdate>,
    fuse: Option<u32>,
}

impl TopologyTestDriver {
    /// A driver with one partition a topic, caching off, state in memory.
    ///
    /// # Errors
    /// As an application's start.
    pub fn new(topology: &Topology) -> Result<Self, Error> {
        Self::builder(topology).start()
    }

    /// A driver with other settings.
    #[must_use]
    pub fn builder(topology: &Topology) -> DriverBuilder {
        let mut config = StreamsConfig::new("test");
        config.statestore_cache_max_bytes = 0;
        config.commit_interval = Duration::MAX;
        config.transaction_timeout = Duration::MAX;
        DriverBuilder::new(topology, config)
    }

    /// A driver over a log that has the topics.
    pub(super) fn on(
        topology: Topology,
        config: StreamsConfig,
        handlers: ExceptionHandlers,
        clock: Arc<ManualClock>,
        log: Arc<EmbeddedLog>,
        states: States,
        thread_count: usize,
    ) -> Result<Self, Error> {
        let config = Arc::new(config);
        let mut driver = Self { topology, config, handlers, clock, log, states, thread_count, threads: Vec::new(), globals: None, fuse: None };
        driver.restart()?;
        Ok(driver)
    }

    fn restart(&mut self) -> Result<(), Error> {
        let plan = Arc::new(internal_topics::prepare(&self.topology, &self.config, &*self.log)?);
        let budget = MemoryBudget::new(self.config.memory_max_bytes);
        let specs = crate::runtime::global::specs(&self.topology, &*self.log)?;
        let home = GlobalHome::State(self.states.open(None, &specs, &self.clock, &budget)?);
        let environment = GlobalEnvironment {
            log: Arc::<EmbeddedLog>::clone(&self.log),
            client_id: "test-global-consumer".to_owned(),
            config: Arc::clone(&self.config),
            clock: Arc::<ManualClock>::clone(&self.clock),
            budget: budget.clone(),
            handlers: self.handlers.clone(),
        };
        self.globals = GlobalUpdate::start(&self.topology, &environment, home)?;
        let views = self.globals.as_ref().map(GlobalUpdate::views).unwrap_or_default();
        for index in 0..self.thread_count {
            let log: Arc<dyn Log> = Arc::<EmbeddedLog>::clone(&self.log);
            let environment = TaskEnvironment {
                probe: Probe::default(),
                process_id: "driver".to_owned(),
                topology: self.topology.clone(),
                config: Arc::clone(&self.config),
                handlers: self.handlers.clone(),
                clock: Arc::<ManualClock>::clone(&self.clock),
                collector: Collector::new(Arc::clone(&log), self.config.max_request_size),
                record_cache: RecordCache::new((self.config.statestore_cache_max_bytes / self.thread_count) as u64, CacheSizing::Exact),
                budget: budget.clone(),
                globals: Arc::clone(&views),
            };
            let membership = Membership::fixed(&self.config.application_id, &plan, index, self.thread_count);
            let states: Arc<dyn TaskStates> =
                Arc::new(DriverStates { states: self.states.clone(), clock: Arc::clone(&self.clock), budget: budget.clone() });
            let updater = StateUpdater::inline(UpdaterEnvironment {
                name: format!("test-StateUpdater-{}", index + 1),
                log: Arc::clone(&log),
                topology: self.topology.clone(),
                config: Arc::clone(&self.config),
                clock: Arc::<ManualClock>::clone(&self.clock),
                probe: Probe::default(),
                states: Arc::clone(&states),
                progress: Arc::default(),
            });
            let clients = Clients::connect(index, &*log, &environment)?;
            self.threads.push(StreamThread::new(index, log, clients, environment, states, membership, updater)?);
        }
        Ok(())
    }

    /// The topic `name`, to write to.
    pub fn input<K: 'static, V: 'static>(&self, name: &str, key_serde: impl Serde<Data = K>, value_serde: impl Serde<Data = V>) -> TestInput<K, V> {
        TestInput::new(name, key_serde, value_serde)
    }

    /// The topic `name`, to read from its beginning; uncommitted records are read too.
    pub fn output<K: 'static, V: 'static>(&self, name: &str, key_serde: impl Serde<Data = K>, value_serde: impl Serde<Data = V>) -> TestOutput<K, V> {
        TestOutput::new(name, key_serde, value_serde)
    }

    /// Processes until nothing is left to do. Every input and every change of the clock does so by itself.
    ///
    /// # Errors
    /// The log's or a store's. A record that fails is the handlers' affair: see [`TopologyTestDriver::failing`].
    pub fn run(&mut self) -> Result<(), Error> {
        self.survive(Self::run_threads)
    }

    fn run_threads(&mut self) -> Result<(), Error> {
        if let Some(globals) = &mut self.globals {
            globals.catch_up(&*self.log)?;
        }
        let mut idle = 0;
        while idle < 2 {
            let mut busy = false;
            for thread in &mut self.threads {
                let round = thread.run_once(Duration::ZERO)?;
                busy |= round.polled > 0 || round.processed > 0;
            }
            idle = if busy { 0 } else { idle + 1 };
        }
        Ok(())
    }

    /// Commits: caches are forwarded, outputs, changelogs and offsets commit together, the stores follow.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// # let grouped = builder.stream("in", Consumed::with(Utf8, I64)).group_by_key("by-key", Grouped::with(Utf8, I64));
    /// # grouped.count(Materialized::named("counts")).to_stream().to("out", Produced::with(Utf8, I64));
    /// # let topology = builder.build()?;
    /// // The topology counts the records of each key of "in" in the store "counts", and writes the counts to "out".
    /// let mut driver = TopologyTestDriver::new(&topology)?;
    /// let mut committed = driver.output("out", Utf8, I64).committed();
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 5)])?;
    /// assert_eq!(committed.read_pairs(&driver)?, []);
    /// driver.commit()?;
    /// assert_eq!(committed.read_pairs(&driver)?, [("a".into(), 1)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    ///
    /// # Errors
    /// The log's or a store's.
    pub fn commit(&mut self) -> Result<(), Error> {
        self.survive(|driver| {
            for thread in &mut driver.threads {
                thread.commit_or_recover()?;
            }
            // What a repartition topic carries becomes visible now.
            driver.run_threads()
        })
    }

    /// Commits until nothing more comes through repartition topics.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// let numbers = builder.stream("in", Consumed::with(Utf8, I64));
    /// let once = numbers.repartition("once", Repartitioned::with(Utf8, I64));
    /// once.repartition("twice", Repartitioned::with(Utf8, I64)).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// let mut committed = driver.output("out", Utf8, I64).committed();
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 1)])?;
    /// driver.commit()?;
    /// assert_eq!(committed.read_pairs(&driver)?, [], "it has reached the first topic only");
    /// driver.settle()?;
    /// assert_eq!(committed.read_pairs(&driver)?, [("a".into(), 1)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`TopologyTestDriver::commit`].
    pub fn settle(&mut self) -> Result<(), Error> {
        while self.threads.iter().any(StreamThread::has_uncommitted) {
            self.commit()?;
        }
        Ok(())
    }

    /// As kill -9 and a restart: everything uncommitted is gone, the state is brought up from the changelogs, and the input
    /// after the committed offsets is processed again.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// # let grouped = builder.stream("in", Consumed::with(Utf8, I64)).group_by_key("by-key", Grouped::with(Utf8, I64));
    /// # grouped.count(Materialized::named("counts")).to_stream().to("out", Produced::with(Utf8, I64));
    /// # let topology = builder.build()?;
    /// // The topology counts the records of each key of "in" in the store "counts", and writes the counts to "out".
    /// let mut driver = TopologyTestDriver::new(&topology)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 5)])?;
    /// driver.commit()?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 5)])?;
    /// driver.crash()?;
    /// // The second record was processed again, upon the state of the first.
    /// assert_eq!(driver.store::<String, i64>("counts")?.get(&"a".to_owned())?, Some(2));
    /// let committed = driver.output("out", Utf8, I64).committed().read_pairs(&driver)?;
    /// assert_eq!(committed, [("a".into(), 1), ("a".into(), 2)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    ///
    /// # Errors
    /// As an application's start.
    pub fn crash(&mut self) -> Result<(), Error> {
        self.crash_for(Duration::ZERO)
    }

    /// As [`TopologyTestDriver::crash`], but back only when this time has passed on the wall clock: what became due meanwhile
    /// is met at the start.
    ///
    /// # Errors
    /// As an application's start.
    pub fn crash_for(&mut self, time: Duration) -> Result<(), Error> {
        self.threads.clear();
        self.globals = None;
        self.clock.advance(i64::try_from(time.as_millis()).unwrap_or(i64::MAX));
        self.restart()?;
        self.run()
    }

    /// As [`TopologyTestDriver::crash`], starting again with another topology: a new version of the application.
    ///
    /// # Errors
    /// As an application's start.
    pub fn crash_into(&mut self, topology: &Topology) -> Result<(), Error> {
        self.topology = topology.clone();
        self.crash()
    }

    /// Arms a crash inside a record: at its `outputs`-th write to a topic from now (0: the next), everything in memory is
    /// gone and the driver restarts by itself. It has happened once [`TopologyTestDriver::is_armed`] is false.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// # let grouped = builder.stream("in", Consumed::with(Utf8, I64)).group_by_key("by-key", Grouped::with(Utf8, I64));
    /// # grouped.count(Materialized::named("counts")).to_stream().to("out", Produced::with(Utf8, I64));
    /// # let topology = builder.build()?;
    /// // The topology counts the records of each key of "in" in the store "counts", and writes the counts to "out".
    /// let mut driver = TopologyTestDriver::new(&topology)?;
    /// driver.crash_at_output(1);
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 5), ("a", 6), ("a", 7)])?;
    /// assert!(!driver.is_armed(), "it crashed inside a record");
    /// driver.settle()?;
    /// let committed = driver.output("out", Utf8, I64).committed().read_pairs(&driver)?;
    /// assert_eq!(committed, [("a".into(), 1), ("a".into(), 2), ("a".into(), 3)], "each once");
    /// # Ok::<(), straum::Error>(())
    /// ```
    pub fn crash_at_output(&mut self, outputs: u32) {
        self.fuse = Some(outputs);
        for thread in &self.threads {
            thread.collector().arm(outputs);
        }
    }

    /// Runs `work` with the crash that may be armed: when it happens the driver starts again instead.
    fn survive(&mut self, work: impl FnOnce(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        if self.fuse.is_none() {
            return work(self);
        }
        match catch_unwind(AssertUnwindSafe(|| work(self))) {
            Ok(result) => result,
            Err(panic) if panic.is::<Crash>() => {
                self.fuse = None;
                self.crash()
            }
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// True while a crash armed by [`TopologyTestDriver::crash_at_output`] has not happened.
    #[must_use]
    pub const fn is_armed(&self) -> bool {
        self.fuse.is_some()
    }

    /// Moves the wall clock and runs what is due.
    ///
    /// Kafka Streams: `TopologyTestDriver.advanceWallClockTime`.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use straum::{BoxError, dsl::*, processor::*, serde::*, testing::*};
    /// struct Tick;
    /// impl Processor<String, i64, String, i64> for Tick {
    ///     fn init(&mut self, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
    ///         context.schedule(Duration::from_secs(1), PunctuationType::WallClockTime);
    ///         Ok(())
    ///     }
    ///     fn process(&mut self, _: Record<String, i64>, _: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> { Ok(()) }
    ///     fn punctuate(&mut self, now: i64, _: Punctuation, context: &ProcessorContext<'_, String, i64>) -> Result<(), BoxError> {
    ///         Ok(context.forward(Record::new("tick".to_owned(), now, now))?)
    ///     }
    /// }
    /// # let builder = StreamsBuilder::new();
    /// builder.stream("in", Consumed::with(Utf8, I64)).process("tick", || Tick, &[]).to("out", Produced::with(Utf8, I64));
    /// let mut driver = TopologyTestDriver::new(&builder.build()?)?;
    /// driver.advance_wall_clock(Duration::from_millis(1_500))?;
    /// driver.advance_wall_clock(Duration::from_millis(500))?;
    /// assert_eq!(driver.output("out", Utf8, I64).read_pairs(&driver)?, [("tick".into(), 1_500), ("tick".into(), 2_000)]);
    /// # Ok::<(), straum::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`TopologyTestDriver::run`].
    pub fn advance_wall_clock(&mut self, by: Duration) -> Result<(), Error> {
        self.clock.advance(i64::try_from(by.as_millis()).unwrap_or(i64::MAX));
        self.run()
    }

    /// Sets the wall clock to `now`, in milliseconds since the epoch, and runs what is due. Unlike
    /// [`TopologyTestDriver::advance_wall_clock`] it can go back, as the clock of a machine that is corrected.
    ///
    /// # Errors
    /// As [`TopologyTestDriver::run`].
    pub fn set_wall_clock(&mut self, now: i64) -> Result<(), Error> {
        self.clock.set(now);
        self.run()
    }

    /// The wall clock, in milliseconds since the epoch.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.clock.now()
    }

    /// The log the topology runs on.
    #[must_use]
    pub fn log(&self) -> &EmbeddedLog {
        &self.log
    }

    /// Commits, and returns a key-value store over all its tasks, or a global one. To write: [`TopologyTestDriver::key_value_store`].
    ///
    /// Kafka Streams: `TopologyTestDriver.getKeyValueStore`.
    ///
    /// ```
    /// # use straum::{dsl::*, serde::*, testing::*};
    /// # let builder = StreamsBuilder::new();
    /// # let grouped = builder.stream("in", Consumed::with(Utf8, I64)).group_by_key("by-key", Grouped::with(Utf8, I64));
    /// # grouped.count(Materialized::named("counts")).to_stream().to("out", Produced::with(Utf8, I64));
    /// # let topology = builder.build()?;
    /// // The topology counts the records of each key of "in" in the store "counts", and writes the counts to "out".
    /// let mut driver = TopologyTestDriver::new(&topology)?;
    /// driver.input("in", Utf8, I64).pipe_values(&mut driver, [("a", 5)])?;
    /// let counts = driver.store::<String, i64>("counts")?;
    /// assert_eq!(counts.get(&"a".to_owned())?, Some(1));
    /// assert_eq!(counts.all()?, [("a".into(), 1, 0)], "key, value, timestamp");
    /// let mistake = driver.store::<String, String>("counts").err().expect("its values are numbers");
    /// assert_eq!(mistake.kind(), straum::ErrorKind::InvalidState);
    /// # Ok::<(), straum::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::InvalidState`](crate::ErrorKind::InvalidState) when there is no such store, or it is of other types.
    pub fn store<K: 'static, V: Clone + 'static>(&mut self, name: &str) -> Result<ReadOnlyStore<K, V>, Error> {
        self.commit()?;
        self.query(name)
    }

    /// As [`TopologyTestDriver::store`], without committing first.
    ///
    /// # Errors
    /// As [`TopologyTestDriver::store`].
    pub fn query<K: 'static, V: Clone + 'static>(&self, name: &str) -> Result<ReadOnlyStore<K, V>, Error> {
        let states = self.threads.iter().flat_map(StreamThread::tasks).map(Task::state);
        let globals = self.globals.as_ref().map(GlobalUpdate::views).unwrap_or_default();
        ReadOnlyStore::open(&self.topology, &self.config.application_id, name, states, &globals)
    }

    /// A key-value store of a task, to read and to write: what a test starts from, what it takes away.
    ///
    /// Kafka Streams: `TopologyTestDriver.getKeyValueStore`. See [`TestStore`].
    ///
    /// # Errors
    /// As [`TopologyTestDriver::store`]; also for a global store, which only its topic fills.
    pub fn key_value_store<K: 'static, V: Clone + 'static>(&self, name: &str) -> Result<TestStore<K, V>, Error> {
        self.query::<K, V>(name)?;
        if self.globals.as_ref().is_some_and(|globals| globals.views().contains_key(name)) {
            let message = "a global store cannot be written, expected a store of a task; its rows come from its topic";
            return Err(Error::new(ErrorKind::InvalidState, message).in_store(name));
        }
        Ok(TestStore::new(name))
    }

    /// The task of this partition that has the store; without a partition the only one that has it.
    pub(super) fn task_with(&mut self, store: &Arc<str>, partition: Option<u32>) -> Result<&mut Task, Error> {
        let invalid = |message: String| Error::new(ErrorKind::InvalidState, message).in_store(Arc::clone(store));
        let holder = self.topology.subtopologies().iter().find(|subtopology| subtopology.stores.contains(store)).map(|holder| holder.id);
        let assigned = self.threads.iter().flat_map(StreamThread::assigned).filter(|task| Some(task.subtopology) == holder);
        let mut tasks: Vec<TaskId> = assigned.copied().collect();
        tasks.sort_unstable();
        let mut wanted = tasks.iter().filter(|task| partition.is_none_or(|partition| task.partition == partition));
        let (Some(chosen), None) = (wanted.next().copied(), wanted.next()) else {
            let partitions: Vec<u32> = tasks.iter().map(|task| task.partition).collect();
            let asked = partition.map_or_else(|| "no partition is chosen".to_owned(), |partition| format!("no task of partition {partition} has it"));
            return Err(invalid(format!("{asked}, expected TestStore::in_partition with one of {partitions:?}")));
        };
        let open = self.threads.iter_mut().find_map(|thread| thread.task_mut(chosen));
        open.ok_or_else(|| invalid(format!("task {chosen} is not open, expected its failure to be over: see TopologyTestDriver::failing")))
    }

    /// The tasks that retry or have paused, and why.
    pub fn failing(&self) -> impl Iterator<Item = (TaskId, &Error)> {
        self.threads.iter().flat_map(StreamThread::failing)
    }

    /// Lets paused tasks try again.
    ///
    /// # Errors
    /// As [`TopologyTestDriver::run`].
    pub fn resume(&mut self) -> Result<(), Error> {
        for thread in &mut self.threads {
            thread.resume_tasks();
        }
        self.run()
    }

    /// How often the threads have rolled back and started again since the last start.
    #[must_use]
    pub fn recoveries(&self) -> u64 {
        self.threads.iter().map(StreamThread::recoveries).sum()
    }

    /// How many records operators have left out by rule, since the last start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.threads.iter().flat_map(StreamThread::tasks).map(Task::dropped).sum()
    }

    /// What was restored at the last start.
    pub fn restored(&self) -> impl Iterator<Item = &(TaskId, Restored)> {
        self.threads.iter().flat_map(StreamThread::restored)
    }
}
