//! `Streams`: a running application. Kafka Streams: `KafkaStreams`.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use straum_state::{CacheSizing, MemoryBudget, RecordCache, StateOptions};

use crate::error::{Error, ErrorKind};
use crate::log::Log;
use crate::query::ReadOnlyStore;
use crate::runtime::collector::Collector;
use crate::runtime::global::{GlobalEnvironment, GlobalHome, GlobalUpdate, GlobalViews};
use crate::runtime::handlers::ExceptionHandlers;
use crate::runtime::membership::{self, Membership};
use crate::runtime::open_states::OpenStates;
use crate::runtime::state_directory::StateDirectory;
use crate::runtime::state_updater::{StateUpdater, UpdaterEnvironment};
use crate::runtime::stream_thread::{Clients, Round, StreamThread, thread_name};
use crate::runtime::task::TaskEnvironment;
use crate::runtime::{ChangelogProgress, Clock, Probe, Restored, StreamsConfig, SystemClock};
use crate::topology::{TaskId, Topology};

/// Where an application is in its life. Kafka Streams: `KafkaStreams.State`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Made, not started.
    Created,
    /// Opening and restoring its tasks.
    Rebalancing,
    /// Every thread processes, but those that have ended with an error.
    Running,
    /// Closing.
    PendingShutdown,
    /// Closed.
    NotRunning,
    /// Every thread has ended with an error: see [`Streams::errors`].
    Error,
}

/// Hears of every change of state: the new one, then the old.
pub type StateListener = Arc<dyn Fn(State, State) + Send + Sync>;

/// What one task of a running application does.
#[derive(Clone, Debug)]
pub struct TaskReport {
    /// The task.
    pub id: TaskId,
    /// Records processed since it was opened.
    pub processed: u64,
    /// Records its operators left out by rule.
    pub dropped: u64,
    /// Records that wait in its queues.
    pub buffered: usize,
    /// Bytes that wait in its queues.
    pub buffered_bytes: usize,
    /// The largest timestamp taken for processing, −1 before the first.
    pub stream_time: i64,
    /// Why it does not process, if it does not.
    pub failing: Option<String>,
}

/// Settings of an application before it starts.
pub struct StreamsOptions {
    handlers: ExceptionHandlers,
    clock: Arc<dyn Clock>,
    listener: Option<StateListener>,
    probe: Probe,
}

impl Default for StreamsOptions {
    fn default() -> Self {
        Self { handlers: ExceptionHandlers::default(), clock: Arc::new(SystemClock), listener: None, probe: Probe::default() }
    }
}

impl StreamsOptions {
    /// Replaces the exception handlers.
    #[must_use]
    pub fn handlers(mut self, handlers: ExceptionHandlers) -> Self {
        self.handlers = handlers;
        self
    }

    /// Tells the wall-clock time by another clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Lets a test look into the threads. Needs the feature `faults`.
    #[must_use]
    pub fn probe(mut self, probe: Probe) -> Self {
        self.probe = probe;
        self
    }

    /// Hears of every change of state. Kafka Streams: `setStateListener`.
    #[must_use]
    pub fn state_listener(mut self, listener: impl Fn(State, State) + Send + Sync + 'static) -> Self {
        self.listener = Some(Arc::new(listener));
        self
    }
}

/// What the threads tell the rest.
struct Shared {
    topology: Topology,
    config: Arc<StreamsConfig>,
    state: Mutex<State>,
    listener: Option<StateListener>,
    stop: Arc<AtomicBool>,
    /// Whether the threads leave the group when they stop.
    leave: AtomicBool,
    paused: AtomicBool,
    /// How often tasks that had failed were told to try again: each thread hears of each time.
    resumed: AtomicU64,
    threads: Mutex<BTreeMap<usize, ThreadReport>>,
    states: Mutex<Option<Arc<OpenStates>>>,
    /// By thread.
    changelogs: Mutex<Vec<Arc<Mutex<Vec<ChangelogProgress>>>>>,
    globals: Mutex<Arc<GlobalViews>>,
    /// By thread.
    restored: Mutex<BTreeMap<usize, Vec<(TaskId, Restored)>>>,
    errors: Mutex<Vec<String>>,
}

/// A round is long when it takes this part of `max.poll.interval.ms`, after which the thread's tasks go to others.
const LONG_ROUND: u32 = 10;

#[derive(Default)]
struct ThreadReport {
    running: bool,
    ended: bool,
    /// Nothing was polled or processed and nothing was committed in the last round.
    idle: bool,
    commits: u64,
    rounds: u64,
    /// When the last round ended; `None` before the first one.
    reported: Option<Instant>,
    trouble: Option<String>,
    notices: Vec<String>,
    tasks: Vec<TaskReport>,
}

impl ThreadReport {
    /// What a thread cannot say itself while it waits or works: that this takes long.
    fn silence(&self, index: usize, long: Duration) -> Option<String> {
        let silent = self.reported.filter(|_| !self.ended)?.elapsed();
        let (thread, seconds) = (index + 1, long.as_secs_f32());
        (silent > long).then(|| {
            format!("thread {thread} has been busy with one round for over {seconds} s: the log does not answer, or a processor does not return")
        })
    }
}

impl Shared {
    /// Goes over to a state, if it may be reached from the one there is: one that closes does not run again.
    fn set_state(&self, state: State) {
        let mut current = lock(&self.state);
        let before = *current;
        let reachable = match state {
            State::Running | State::Rebalancing | State::Error => !matches!(before, State::PendingShutdown | State::NotRunning | State::Error),
            State::Created | State::PendingShutdown | State::NotRunning => true,
        };
        if before == state || !reachable {
            return;
        }
        *current = state;
        drop(current);
        tracing::info!(from = ?before, to = ?state, "state changed");
        if let Some(listener) = &self.listener {
            listener(state, before);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An application: the threads that run a topology on a log. Kafka Streams: `KafkaStreams`.
///
/// Dropping it closes it.
pub struct Streams {
    shared: Arc<Shared>,
    log: Arc<dyn Log>,
    handlers: ExceptionHandlers,
    clock: Arc<dyn Clock>,
    budget: MemoryBudget,
    probe: Probe,
    threads: Vec<JoinHandle<()>>,
    /// The thread that deletes states ends when it is gone.
    cleaner: Option<mpsc::Sender<()>>,
}

impl Streams {
    /// An application that has not started.
    #[must_use]
    pub fn new(topology: &Topology, config: StreamsConfig, log: Arc<dyn Log>, options: StreamsOptions) -> Self {
        let budget = MemoryBudget::new(config.memory_max_bytes);
        let shared = Shared {
            topology: topology.clone(),
            config: Arc::new(config),
            state: Mutex::new(State::Created),
            listener: options.listener,
            stop: Arc::default(),
            leave: AtomicBool::new(false),
            paused: AtomicBool::new(false),
            resumed: AtomicU64::new(0),
            threads: Mutex::default(),
            states: Mutex::default(),
            changelogs: Mutex::default(),
            globals: Mutex::default(),
            restored: Mutex::default(),
            errors: Mutex::default(),
        };
        Self {
            shared: Arc::new(shared),
            log,
            handlers: options.handlers,
            clock: options.clock,
            budget,
            probe: options.probe,
            threads: Vec::new(),
            cleaner: None,
        }
    }

    /// Checks and makes the topics, fills the global stores, and starts the threads, which restore their tasks.
    ///
    /// # Errors
    /// [`ErrorKind::Topology`] for topics that are missing or do not fit; [`ErrorKind::Config`] when the topology was built for another
    /// `topology.optimization` than the settings have; [`ErrorKind::InvalidState`] when the state folder
    /// is another process's, or the application was started before.
    pub fn start(&mut self) -> Result<(), Error> {
        if self.shared.config.num_stream_threads == 0 {
            return Err(Error::new(ErrorKind::Config, "num.stream.threads is 0, expected at least 1"));
        }
        let (built, set) = (self.shared.topology.graph.optimization, self.shared.config.topology_optimization);
        if built != set {
            let (built, set) = (built.as_str(), set.as_str());
            let message = format!("topology.optimization is {set}, expected {built}, for which the topology was built: StreamsBuilder::build_for");
            return Err(Error::new(ErrorKind::Config, message));
        }
        if self.state() != State::Created {
            return Err(Error::new(ErrorKind::InvalidState, "the application was started before, expected to be started once"));
        }
        self.shared.set_state(State::Rebalancing);
        let result = self.start_threads();
        if result.is_err() {
            self.shared.set_state(State::Error);
        }
        result
    }

    fn start_threads(&mut self) -> Result<(), Error> {
        let config = Arc::clone(&self.shared.config);
        let directory = Arc::new(StateDirectory::open(&config.state_dir, &config.application_id)?);
        let memberships = membership::of_threads(&self.shared.topology, &config, &*self.log, &directory, &self.probe)?;
        let process_id = directory.process_id().to_string();
        let clock = Arc::clone(&self.clock);
        let state_options = StateOptions::new(self.budget.clone(), Arc::new(move || clock.now()));
        self.start_globals(&directory, &state_options)?;
        let states = Arc::new(OpenStates::new(directory, state_options));
        *lock(&self.shared.states) = Some(Arc::clone(&states));
        let count = memberships.len();
        for index in 0..count {
            lock(&self.shared.threads).insert(index, ThreadReport::default());
        }
        for (index, membership) in memberships.into_iter().enumerate() {
            let thread = ThreadStart {
                index,
                count,
                membership,
                shared: Arc::clone(&self.shared),
                log: Arc::clone(&self.log),
                handlers: self.handlers.clone(),
                clock: Arc::clone(&self.clock),
                budget: self.budget.clone(),
                probe: self.probe.clone(),
                process_id: process_id.clone(),
                states: Arc::clone(&states),
            };
            self.spawn(thread_name(&config.application_id, index), move || thread.run())?;
        }
        let (stop, stopped) = mpsc::channel();
        self.cleaner = Some(stop);
        self.spawn(format!("{}-CleanupThread", config.application_id), move || states.clean_until(&stopped, config.state_cleanup_delay))
    }

    fn spawn(&mut self, name: String, work: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        let thread = std::thread::Builder::new().name(name).spawn(work);
        self.threads.push(thread.map_err(|error| Error::new(ErrorKind::InvalidState, "cannot start a thread").with_source(error))?);
        Ok(())
    }

    /// Starts the thread of the global stores and waits until it has filled them.
    fn start_globals(&mut self, directory: &StateDirectory, state_options: &StateOptions) -> Result<(), Error> {
        let application = &self.shared.config.application_id;
        let environment = GlobalEnvironment {
            log: Arc::clone(&self.log),
            client_id: format!("{application}-global-consumer"),
            config: Arc::clone(&self.shared.config),
            clock: Arc::clone(&self.clock),
            budget: self.budget.clone(),
            handlers: self.handlers.clone(),
        };
        let (folder, options, shared) = (directory.global(), state_options.clone(), Arc::clone(&self.shared));
        let (filled, ready) = mpsc::sync_channel(1);
        self.spawn(format!("{}-GlobalStreamThread", self.shared.config.application_id), move || {
            let update = match GlobalUpdate::start(&shared.topology, &environment, GlobalHome::Folder(&folder, &options)) {
                Ok(Some(update)) => update,
                Ok(None) => return,
                Err(error) => return drop(filled.send(Err(error))),
            };
            if filled.send(Ok(update.views())).is_ok() {
                keep_up(update, &shared);
            }
        })?;
        // A thread without anything to fill ends at once.
        if let Ok(views) = ready.recv() {
            *lock(&self.shared.globals) = views?;
        }
        Ok(())
    }

    /// Where the application is in its life.
    #[must_use]
    pub fn state(&self) -> State {
        *lock(&self.shared.state)
    }

    /// Stops processing; state and assignment stay. Kafka Streams: `pause`.
    pub fn pause(&self) {
        self.shared.paused.store(true, Ordering::Release);
    }

    /// Processes again, tasks that had paused by failing too. Kafka Streams: `resume`.
    pub fn resume(&self) {
        self.shared.paused.store(false, Ordering::Release);
        self.shared.resumed.fetch_add(1, Ordering::AcqRel);
    }

    /// True while paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.shared.paused.load(Ordering::Acquire)
    }

    /// What each task does, by id.
    #[must_use]
    pub fn tasks(&self) -> Vec<TaskReport> {
        let mut tasks: Vec<TaskReport> = lock(&self.shared.threads).values().flat_map(|thread| thread.tasks.clone()).collect();
        tasks.sort_by_key(|task| task.id);
        tasks
    }

    /// True when every thread runs, has nothing buffered, and found nothing to do and nothing to commit in its last round.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let threads = lock(&self.shared.threads);
        !threads.is_empty() && threads.values().all(|thread| thread.running && thread.idle)
    }

    /// How many commits the threads have made.
    #[must_use]
    pub fn commits(&self) -> u64 {
        lock(&self.shared.threads).values().map(|thread| thread.commits).sum()
    }

    /// The names of the stream threads that run.
    #[must_use]
    pub fn thread_names(&self) -> Vec<String> {
        let application = &self.shared.config.application_id;
        let threads = lock(&self.shared.threads);
        threads.iter().filter(|(_, thread)| thread.running).map(|(index, _)| thread_name(application, *index)).collect()
    }

    /// How many rounds the threads have made: one a poll of the log.
    #[must_use]
    pub fn rounds(&self) -> u64 {
        lock(&self.shared.threads).values().map(|thread| thread.rounds).sum()
    }

    /// What was restored when a task was last opened.
    #[must_use]
    pub fn restored(&self) -> Vec<(TaskId, Restored)> {
        lock(&self.shared.restored).values().flatten().cloned().collect()
    }

    /// The changelogs that are being read, how far they are, and what for: states that tasks wait for, and copies that are kept
    /// up to date. Kafka Streams: `StateRestoreListener`, `StandbyUpdateListener`.
    #[must_use]
    pub fn changelogs(&self) -> Vec<ChangelogProgress> {
        let mut changelogs: Vec<ChangelogProgress> = lock(&self.shared.changelogs).iter().flat_map(|thread| lock(thread).clone()).collect();
        changelogs.sort_by(|left, right| (left.task, &left.store).cmp(&(right.task, &right.store)));
        changelogs
    }

    /// What keeps threads from committing: after each of these a thread rolled back and started again from what is
    /// committed, and no commit has followed. A full disk or a log that is away is here, by name, until it is mended. So is a
    /// thread that has been busy with one round for a tenth of `max.poll.interval.ms`: it waits for the log, or hangs.
    #[must_use]
    pub fn troubles(&self) -> Vec<String> {
        let long = self.shared.config.max_poll_interval / LONG_ROUND;
        let threads = lock(&self.shared.threads);
        threads.iter().filter_map(|(index, thread)| thread.silence(*index, long).or_else(|| thread.trouble.clone())).collect()
    }

    /// Why the group has no tasks for this process yet: source topics that are missing, topics that do not fit. Kafka: the
    /// `Status` of a streams group's heartbeat (KIP-1071).
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        let mut notices: Vec<String> = lock(&self.shared.threads).values().flat_map(|thread| thread.notices.clone()).collect();
        notices.sort();
        notices.dedup();
        notices
    }

    /// The errors that ended threads.
    #[must_use]
    pub fn errors(&self) -> Vec<String> {
        lock(&self.shared.errors).clone()
    }

    /// The memory of the process, by part.
    #[must_use]
    pub fn memory(&self) -> &MemoryBudget {
        &self.budget
    }

    /// A key-value store over all tasks of this process, or a global one.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidState`] while the application is not running, when there is no such store, or when it is of other
    /// types.
    pub fn store<K: 'static, V: Clone + 'static>(&self, name: &str) -> Result<ReadOnlyStore<K, V>, Error> {
        let state = self.state();
        if state != State::Running {
            return Err(Error::new(ErrorKind::InvalidState, format!("the application is {state:?}, expected Running")));
        }
        let states = lock(&self.shared.states).as_ref().map(|states| states.serving()).unwrap_or_default();
        let globals = Arc::clone(&lock(&self.shared.globals));
        ReadOnlyStore::open(&self.shared.topology, &self.shared.config.application_id, name, states.iter(), &globals)
    }

    /// Commits and stops all threads, and leaves the group: other instances have the tasks at once. For an instance that does
    /// not come back. Kafka Streams: `close(CloseOptions.groupMembershipOperation(LEAVE_GROUP))`.
    ///
    /// # Errors
    /// As [`Streams::close`].
    pub fn close_and_leave(&mut self) -> Result<(), Error> {
        self.shared.leave.store(true, Ordering::Release);
        self.close()
    }

    /// Commits and stops all threads. They stay in the group until its session time-out: an instance that is back by then has
    /// its tasks again, and nothing has moved. Kafka Streams: `close(CloseOptions.groupMembershipOperation(REMAIN_IN_GROUP))`.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidState`] when a thread had ended with an error, which it names.
    pub fn close(&mut self) -> Result<(), Error> {
        if matches!(self.state(), State::NotRunning | State::Created) {
            return Ok(());
        }
        self.shared.set_state(State::PendingShutdown);
        self.shared.stop.store(true, Ordering::Release);
        self.cleaner = None;
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                lock(&self.shared.errors).push("a thread panicked outside of any task".to_owned());
            }
        }
        // The last one lets go of the folder's lock.
        *lock(&self.shared.states) = None;
        *lock(&self.shared.globals) = Arc::default();
        self.shared.set_state(State::NotRunning);
        match self.errors().first() {
            Some(error) => Err(Error::new(ErrorKind::InvalidState, format!("a thread had ended: {error}"))),
            None => Ok(()),
        }
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            tracing::error!(%error, "closed with an error");
        }
    }
}

/// Updates the global stores until the application stops. What fails is tried again: the stores stay as they were.
fn keep_up(mut update: GlobalUpdate, shared: &Shared) {
    let mut failed = false;
    while !shared.stop.load(Ordering::Acquire) {
        let result = if failed { update.read_on() } else { Ok(()) };
        let result = result.and_then(|()| update.update(Duration::from_millis(100)));
        failed = result.is_err();
        if let Err(error) = result {
            tracing::error!(error = error.without_user_text(), "global stores are not up to date; trying again");
            std::thread::sleep(shared.config.retry_backoff_max);
        }
    }
}

/// What a stream thread is started with.
struct ThreadStart {
    index: usize,
    count: usize,
    membership: Membership,
    shared: Arc<Shared>,
    log: Arc<dyn Log>,
    handlers: ExceptionHandlers,
    clock: Arc<dyn Clock>,
    budget: MemoryBudget,
    probe: Probe,
    process_id: String,
    states: Arc<OpenStates>,
}

impl ThreadStart {
    fn run(self) {
        let shared = Arc::clone(&self.shared);
        let index = self.index;
        let outcome = catch_unwind(AssertUnwindSafe(|| self.drive())).unwrap_or_else(|panic| Err(Error::panicked(&*panic)));
        if let Err(error) = outcome {
            tracing::error!(kind = ?error.kind(), error = error.without_user_text(), "stream thread ended");
            lock(&shared.errors).push(error.to_string());
            let mut threads = lock(&shared.threads);
            let report = threads.entry(index).or_default();
            (report.running, report.ended) = (false, true);
            report.tasks.iter_mut().for_each(|task| task.failing = Some(error.to_string()));
            let all_ended = threads.values().all(|thread| thread.ended);
            drop(threads);
            if all_ended {
                shared.set_state(State::Error);
            }
        }
    }

    fn drive(self) -> Result<(), Error> {
        let config = Arc::clone(&self.shared.config);
        let environment = TaskEnvironment {
            topology: self.shared.topology.clone(),
            probe: self.probe.clone(),
            process_id: self.process_id,
            collector: Collector::new(Arc::clone(&self.log), config.max_request_size),
            record_cache: RecordCache::new((config.statestore_cache_max_bytes / self.count) as u64, CacheSizing::Estimated),
            config: Arc::clone(&config),
            handlers: self.handlers,
            clock: Arc::clone(&self.clock),
            budget: self.budget,
            globals: Arc::clone(&lock(&self.shared.globals)),
        };
        let progress = Arc::default();
        lock(&self.shared.changelogs).push(Arc::clone(&progress));
        let updater = StateUpdater::spawn(UpdaterEnvironment {
            name: format!("{}-StateUpdater-{}", config.application_id, self.index + 1),
            log: Arc::clone(&self.log),
            topology: self.shared.topology.clone(),
            config: Arc::clone(&config),
            clock: Arc::clone(&self.clock),
            probe: self.probe.clone(),
            states: Arc::<OpenStates>::clone(&self.states),
            progress,
        })?;
        let Some(clients) = self.shared.connect(self.index, &*self.log, &environment) else { return Ok(()) };
        let mut thread = StreamThread::new(self.index, self.log, clients, environment, self.states, self.membership, updater)?;
        self.shared.report(self.index, &thread, false);
        let mut resumed = self.shared.resumed.load(Ordering::Acquire);
        while !self.shared.stop.load(Ordering::Acquire) {
            let before = std::mem::replace(&mut resumed, self.shared.resumed.load(Ordering::Acquire));
            if before != resumed {
                thread.resume_tasks();
            }
            let paused = self.shared.paused.load(Ordering::Acquire);
            let outcome = if paused { thread.rest_once() } else { thread.run_once(config.poll) };
            let round = match outcome {
                Ok(round) => round,
                // The log may come back, and what is committed is safe meanwhile.
                Err(error) if error.kind() == ErrorKind::Log => {
                    tracing::warn!(%error, "the log failed and is tried again");
                    Round::default()
                }
                Err(error) => return Err(error),
            };
            if thread.has_failed() {
                std::thread::sleep(thread.backoff());
            } else if paused {
                std::thread::sleep(config.poll.max(Duration::from_millis(1)));
            }
            let idle = round.polled == 0 && round.processed == 0 && !round.committed && !thread.has_uncommitted() && !thread.is_restoring();
            self.shared.report(self.index, &thread, idle);
        }
        thread.close(self.shared.leave.load(Ordering::Acquire))
    }
}

impl Shared {
    /// A thread's ways to the log, however long that takes: it may be away, or refuse until a right is granted. `None` once the
    /// application closes.
    fn connect(&self, index: usize, log: &dyn Log, environment: &TaskEnvironment) -> Option<Clients> {
        let config = &self.config;
        let mut backoff = config.retry_backoff;
        while !self.stop.load(Ordering::Acquire) {
            match Clients::connect(index, log, environment) {
                Ok(clients) => return Some(clients),
                Err(error) => {
                    tracing::warn!(thread = index + 1, %error, "the log cannot be reached and is tried again");
                    lock(&self.threads).entry(index).or_default().trouble = Some(error.to_string());
                }
            }
            std::thread::sleep(backoff);
            backoff = backoff.saturating_mul(2).min(config.retry_backoff_max.max(config.retry_backoff));
        }
        None
    }

    fn report(&self, index: usize, thread: &StreamThread, idle: bool) {
        let tasks = thread.report();
        let mut threads = lock(&self.threads);
        let report = threads.entry(index).or_default();
        let trouble = thread.trouble().map(str::to_owned);
        let notices = thread.notices().collect();
        let running = thread.is_ready();
        let (commits, rounds, reported) = (thread.commits(), report.rounds + 1, Some(Instant::now()));
        *report = ThreadReport { running, ended: false, idle, commits, rounds, reported, trouble, notices, tasks };
        let all = threads.values().all(|thread| thread.running || thread.ended);
        drop(threads);
        *lock(&self.restored).entry(index).or_default() = thread.restored().to_vec();
        let state = *lock(&self.state);
        match state {
            State::Rebalancing if all => self.set_state(State::Running),
            State::Running if !all => self.set_state(State::Rebalancing),
            _ => {}
        }
    }
}
