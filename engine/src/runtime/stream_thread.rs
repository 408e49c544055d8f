//! A stream thread: one consumer, one producer, the tasks it was given, and the loop that drives them.
//!
//! It is stepped, not started: [`StreamThread::run_once`] does one round and returns. A real thread calls it in a loop, the
//! test driver calls it until nothing is left to do. Nothing here waits for anything but the log.

mod assignment;
mod commit;
mod opening;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use straum_state::{Charge, MemoryPart};

use crate::error::Error;
use crate::group::member::AssignmentNumber;
use crate::group::{Notice, Tasks};
use crate::log::{
    Consumer, ConsumerOptions, Isolation, Log, LogError, LogErrorKind, Producer, ProducerOptions, RecordBatch, StartOffset, TopicPartition,
};
use crate::processor::PunctuationType;
use crate::runtime::collector::Collector;
use crate::runtime::failing::{Failing, Status};
use crate::runtime::idle::Lags;
use crate::runtime::internal_topics::TaskPlan;
use crate::runtime::membership::Membership;
use crate::runtime::state_updater::{Restored, StateUpdater, TaskRole, TaskStates};
use crate::runtime::task::{Processed, Task, TaskEnvironment};
use crate::runtime::{ProbePoint, TaskReport};
use crate::topology::TaskId;

/// How many records a task processes before the thread looks at the log again.
const RECORDS_A_ROUND: usize = 1000;

/// Output is handed to the producer when it exceeds this many bytes.
const OUTPUT_BYTES: usize = 256 * 1024;

/// The uncommitted state of all threads may grow to this share of the memory budget before they commit early.
const DIRTY_SHARE: u64 = 8;

/// How often, in records, the size of the uncommitted state is looked at.
const RECORDS_A_LOOK: usize = 64;

/// How long a thread waits for records while states of its tasks are being brought up.
const WAIT_WHILE_RESTORING: Duration = Duration::from_millis(2);

pub(crate) struct StreamThread {
    name: Arc<str>,
    index: usize,
    log: Arc<dyn Log>,
    environment: Rc<TaskEnvironment>,
    states: Arc<dyn TaskStates>,
    membership: Membership,
    /// The membership is over, and what it had begun is not dropped yet.
    fenced: bool,
    /// What the group wants of this thread and is not done yet.
    assignment: Option<(AssignmentNumber, Tasks, bool)>,
    /// The group has said which tasks there are for this thread.
    ready: bool,
    /// The tasks of the last assignment have begun.
    begun: bool,
    /// Why the group waits.
    notices: Vec<Notice>,
    plan: Arc<TaskPlan>,
    consumer: Box<dyn Consumer>,
    producer: Box<dyn Producer>,
    assigned: Vec<TaskId>,
    /// Those of whose states it keeps copies.
    standby: BTreeSet<TaskId>,
    tasks: BTreeMap<TaskId, Task>,
    updater: StateUpdater,
    /// What the updater has, and for what.
    updating: BTreeMap<TaskId, TaskRole>,
    /// What the updater is to let go of, and has not yet.
    leaving: BTreeSet<TaskId>,
    /// Tasks that failed in a commit or could not be opened: they are not open, and may retry.
    suspended: BTreeMap<TaskId, Failing>,
    transaction: Option<i64>,
    wrote: bool,
    last_commit: i64,
    last_purge: i64,
    paused: Vec<TopicPartition>,
    /// Where the open tasks began to read, for as long as the consumer does not know where it stands.
    starts: HashMap<TopicPartition, StartOffset>,
    /// The last round processed something: there may be more, and the log is not waited for.
    progressed: bool,
    batches: Vec<RecordBatch>,
    /// What waits in the tasks' queues, charged to the process' budget.
    queues: Charge,
    /// Records processed since the size of the uncommitted state was looked at.
    unlooked: usize,
    restored: Vec<(TaskId, Restored)>,
    commits: u64,
    /// The producer or the tasks have to be made anew before anything else.
    broken: bool,
    /// Recoveries since the last commit.
    failures: u32,
    /// What the last of them were for.
    trouble: Option<String>,
    recoveries: u64,
}

/// What one round did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Round {
    /// Records taken from the log.
    pub(crate) polled: usize,
    /// Records processed.
    pub(crate) processed: usize,
    /// A transaction or an offset commit was made.
    pub(crate) committed: bool,
}

struct ConsumerLags<'a>(&'a dyn Consumer);

impl Lags for ConsumerLags<'_> {
    fn lag(&self, partition: &TopicPartition) -> Option<i64> {
        Some(self.0.end_offset(partition)? - self.0.position(partition)?)
    }
}

/// A stream thread's own ways to the log.
pub(crate) struct Clients {
    consumer: Box<dyn Consumer>,
    producer: Box<dyn Producer>,
}

impl Clients {
    /// Fences an earlier incarnation of the thread.
    pub(crate) fn connect(index: usize, log: &dyn Log, environment: &TaskEnvironment) -> Result<Self, Error> {
        let name = thread_name(&environment.config.application_id, index);
        Ok(Self { producer: make_producer(log, environment, index, &name)?, consumer: make_consumer(log, environment, &name)? })
    }
}

pub(crate) fn thread_name(application: &str, index: usize) -> String {
    format!("{application}-StreamThread-{}", index + 1)
}

impl StreamThread {
    /// Takes up the tasks, if they are known.
    pub(crate) fn new(
        index: usize,
        log: Arc<dyn Log>,
        clients: Clients,
        environment: TaskEnvironment,
        states: Arc<dyn TaskStates>,
        membership: Membership,
        updater: StateUpdater,
    ) -> Result<Self, Error> {
        let name: Arc<str> = thread_name(&environment.config.application_id, index).into();
        let Clients { consumer, producer } = clients;
        let last_commit = environment.clock.now();
        let queues = environment.budget.charge(MemoryPart::Queues);
        let mut thread = Self {
            name,
            index,
            log,
            environment: Rc::new(environment),
            states,
            membership,
            fenced: false,
            assignment: None,
            ready: false,
            begun: true,
            notices: Vec::new(),
            plan: Arc::default(),
            consumer,
            producer,
            assigned: Vec::new(),
            standby: BTreeSet::new(),
            tasks: BTreeMap::new(),
            updater,
            updating: BTreeMap::new(),
            leaving: BTreeSet::new(),
            suspended: BTreeMap::new(),
            transaction: None,
            wrote: false,
            last_commit,
            last_purge: last_commit,
            paused: Vec::new(),
            starts: HashMap::new(),
            progressed: false,
            batches: Vec::new(),
            queues,
            unlooked: 0,
            restored: Vec::new(),
            commits: 0,
            broken: false,
            failures: 0,
            trouble: None,
            recoveries: 0,
        };
        thread.follow_membership()?;
        Ok(thread)
    }

    /// One round: poll, process, punctuate, commit if it is time. Waits at most `wait` when there is nothing to do.
    pub(crate) fn run_once(&mut self, wait: Duration) -> Result<Round, Error> {
        let result = self.round(wait);
        self.recovered(result)
    }

    /// One round of a paused application. What is begun must not stay open: the log would end it, and readers of what is committed
    /// wait for it. Its place in the group stays.
    pub(crate) fn rest_once(&mut self) -> Result<Round, Error> {
        let rest = if self.has_uncommitted() { self.commit().map(drop) } else { Ok(()) };
        let result = rest.and_then(|()| self.follow_membership()).map(|()| Round::default());
        self.recovered(result)
    }

    /// A round that failed has done nothing, and the next one starts from what is committed.
    fn recovered(&mut self, result: Result<Round, Error>) -> Result<Round, Error> {
        match result {
            Err(error) if !error.is_final() => self.recover(error).map(|()| Round::default()),
            result => result,
        }
    }

    fn round(&mut self, wait: Duration) -> Result<Round, Error> {
        let mut round = Round::default();
        let now = self.environment.clock.now();
        if self.broken {
            self.renew()?;
            self.read(&[])?;
            self.broken = false;
        }
        self.follow_membership()?;
        // When memory is short, what waits in the queues goes first.
        if !(self.progressed && self.environment.budget.is_over()) {
            let wait = if self.progressed { Duration::ZERO } else { wait.min(self.until_commit(now)).min(self.until_restored()) };
            round.polled = self.poll(wait)?;
        }
        self.queues.set(self.tasks.values().map(|task| task.buffered_bytes() as u64).sum());
        for index in 0..self.assigned.len() {
            if let Some(id) = self.assigned.get(index).copied() {
                round.processed += self.process(id)?;
            }
        }
        self.progressed = round.processed > 0;
        self.punctuate_wall_clock()?;
        if self.must_commit() {
            round.committed = self.commit()?;
            self.environment.budget.flush_scheduler().sweep(now)?;
            self.environment.probe.reached_when(ProbePoint::MidFlush, || self.tasks.values().any(|task| task.state().is_flushing()));
        }
        Ok(round)
    }

    fn poll(&mut self, wait: Duration) -> Result<usize, Error> {
        let mut batches = std::mem::take(&mut self.batches);
        match self.consumer.poll(wait, &mut batches) {
            Ok(()) => {}
            Err(error) if error.kind() == LogErrorKind::Retriable => tracing::debug!(%error, "poll failed and is tried again"),
            Err(error) => self.poll_failed(error)?,
        }
        let mut polled = 0;
        for batch in batches.drain(..) {
            polled += batch.len();
            let task = self.tasks.values_mut().find(|task| task.partitions().contains(batch.partition()));
            if let Some(task) = task {
                task.offer(batch);
            }
        }
        self.batches = batches;
        self.back_pressure()?;
        Ok(polled)
    }

    /// What concerns one partition concerns its task alone.
    fn poll_failed(&mut self, error: LogError) -> Result<(), Error> {
        let Some(partition) = error.partition().cloned() else { return Err(error.into()) };
        let task = self.tasks.values().find(|task| task.partitions().contains(&partition)).map(|task| task.id);
        let result = match error.kind() {
            LogErrorKind::OffsetOutOfRange => self.reset(&partition, error.offset()),
            _ => Err(error.into()),
        };
        result.map_err(|error| task.into_iter().fold(error, Error::in_task))
    }

    /// Pauses partitions with more buffered than allowed, and resumes them once they are at it again.
    fn back_pressure(&mut self) -> Result<(), Error> {
        let limit = self.environment.config.buffered_records_per_partition;
        let mut pause = Vec::new();
        let mut resume = Vec::new();
        for (partition, waiting) in self.tasks.values().flat_map(Task::buffered) {
            let paused = self.paused.contains(partition);
            if waiting > limit && !paused {
                pause.push(partition.clone());
            } else if waiting <= limit && paused {
                resume.push(partition.clone());
            }
        }
        if !pause.is_empty() {
            self.consumer.pause(&pause)?;
            self.paused.extend(pause);
        }
        if !resume.is_empty() {
            self.consumer.resume(&resume)?;
            self.paused.retain(|partition| !resume.contains(partition));
        }
        Ok(())
    }

    fn process(&mut self, id: TaskId) -> Result<usize, Error> {
        let mut processed = 0;
        while processed < RECORDS_A_ROUND {
            let now = self.environment.clock.now();
            let Some(task) = self.tasks.get_mut(&id) else { break };
            let done = task.process_next(&ConsumerLags(&*self.consumer), now)?;
            if done == Processed::Nothing {
                break;
            }
            processed += 1;
            let stream_time = task.stream_time();
            task.punctuate(PunctuationType::StreamTime, stream_time, now)?;
            let requested = task.take_commit_request();
            self.unlooked += 1;
            let full = self.unlooked >= RECORDS_A_LOOK && self.is_full();
            self.send_if_full()?;
            if requested || full || self.transaction_is_old(now) {
                self.commit()?;
            }
        }
        self.send()?;
        Ok(processed)
    }

    fn punctuate_wall_clock(&mut self) -> Result<(), Error> {
        let now = self.environment.clock.now();
        for task in self.tasks.values_mut() {
            task.punctuate(PunctuationType::WallClockTime, now, now)?;
        }
        self.send()?;
        Ok(())
    }

    /// True when this thread's share of the memory for uncommitted state is used up.
    fn is_full(&mut self) -> bool {
        self.unlooked = 0;
        let share = self.environment.budget.limit() / DIRTY_SHARE / self.environment.config.num_stream_threads.max(1) as u64;
        self.tasks.values().map(Task::dirty_bytes).sum::<u64>() > share
    }

    /// How long it is until what is uncommitted has to be committed.
    fn until_commit(&self, now: i64) -> Duration {
        if self.transaction.is_none() && !self.wrote {
            return Duration::MAX;
        }
        let since = Duration::from_millis(u64::try_from(now - self.last_commit).unwrap_or(0));
        self.environment.config.commit_interval.saturating_sub(since)
    }

    /// What the updater has done is taken up soon.
    fn until_restored(&self) -> Duration {
        if self.is_restoring() || !self.leaving.is_empty() { WAIT_WHILE_RESTORING } else { Duration::MAX }
    }

    /// Tasks are to process whose states are not complete yet.
    pub(crate) fn is_restoring(&self) -> bool {
        self.updating.values().any(|role| *role == TaskRole::Active)
    }

    /// A transaction must end in good time before the log would end it.
    fn transaction_is_old(&self, now: i64) -> bool {
        let limit = i64::try_from(self.environment.config.transaction_timeout.as_millis()).unwrap_or(i64::MAX) / 2;
        self.transaction.is_some_and(|since| now - since > limit || now < since)
    }

    fn must_commit(&self) -> bool {
        let interval = i64::try_from(self.environment.config.commit_interval.as_millis()).unwrap_or(i64::MAX);
        let now = self.environment.clock.now();
        // A clock that was set back would have it wait for as long as it was set.
        now - self.last_commit >= interval
            || now < self.last_commit
            || self.transaction_is_old(now)
            || self.tasks.values().any(Task::take_commit_request)
    }

    pub(crate) const fn recoveries(&self) -> u64 {
        self.recoveries
    }

    /// True after a failure that no commit has followed.
    pub(crate) const fn has_failed(&self) -> bool {
        self.failures > 0
    }

    /// Why it started again from what is committed, until a commit follows.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// How long to wait before the next round, after failures in a row.
    pub(crate) fn backoff(&self) -> Duration {
        let config = &self.environment.config;
        match self.failures {
            0 => Duration::ZERO,
            failures => config.retry_backoff.saturating_mul(1 << (failures - 1).min(10)).min(config.retry_backoff_max.max(config.retry_backoff)),
        }
    }

    /// Commits and closes; with `leave` the group gives the tasks to others at once.
    pub(crate) fn close(mut self, leave: bool) -> Result<(), Error> {
        self.commit()?;
        self.close_tasks()?;
        self.membership.close(leave);
        Ok(())
    }

    /// True once the group has said which tasks this thread has, and they have begun or failed.
    pub(crate) const fn is_ready(&self) -> bool {
        self.ready && self.begun
    }

    /// Why the group waits, in words for an operator.
    pub(crate) fn notices(&self) -> impl Iterator<Item = String> {
        self.notices.iter().map(ToString::to_string)
    }

    /// The tasks this thread has, open or not.
    pub(crate) fn assigned(&self) -> &[TaskId] {
        &self.assigned
    }

    pub(crate) fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values()
    }

    pub(crate) fn task_mut(&mut self, id: TaskId) -> Option<&mut Task> {
        self.tasks.get_mut(&id)
    }

    pub(crate) fn collector(&self) -> &Collector {
        &self.environment.collector
    }

    /// Lets tasks that paused try again.
    pub(crate) fn resume_tasks(&mut self) {
        for task in self.tasks.values_mut() {
            task.resume();
        }
        for failing in self.suspended.values_mut() {
            failing.resume();
        }
    }

    /// What was restored since the thread was made.
    pub(crate) fn restored(&self) -> &[(TaskId, Restored)] {
        &self.restored
    }

    /// True when a commit would do something.
    pub(crate) fn has_uncommitted(&self) -> bool {
        self.wrote || self.transaction.is_some() || self.tasks.values().any(|task| task.is_dirty() || !task.offsets(false).is_empty())
    }

    /// What each task does.
    pub(crate) fn report(&self) -> Vec<TaskReport> {
        let open = self.tasks.values().map(|task| TaskReport {
            id: task.id,
            processed: task.processed(),
            dropped: task.dropped(),
            buffered: task.buffered().map(|(_, waiting)| waiting).sum(),
            buffered_bytes: task.buffered_bytes(),
            stream_time: task.stream_time(),
            failing: None,
        });
        let mut reports: Vec<TaskReport> = open.collect();
        for (id, error) in self.failing() {
            match reports.iter_mut().find(|report| report.id == id) {
                Some(report) => report.failing = Some(error.to_string()),
                None => reports.push(TaskReport {
                    id,
                    processed: 0,
                    dropped: 0,
                    buffered: 0,
                    buffered_bytes: 0,
                    stream_time: -1,
                    failing: Some(error.to_string()),
                }),
            }
        }
        reports
    }

    pub(crate) fn commits(&self) -> u64 {
        self.commits
    }

    /// The tasks that do not process, and why.
    pub(crate) fn failing(&self) -> impl Iterator<Item = (TaskId, &Error)> {
        let open = self.tasks.values().map(|task| (task.id, task.status()));
        let suspended = self.suspended.iter().filter(|(id, _)| !self.tasks.contains_key(id)).map(|(id, failing)| (*id, failing.status()));
        open.chain(suspended).filter_map(|(id, status)| match status {
            Status::Running => None,
            Status::Retrying { error, .. } | Status::Paused { error } => Some((id, error)),
        })
    }
}

fn make_consumer(log: &dyn Log, environment: &TaskEnvironment, name: &str) -> Result<Box<dyn Consumer>, Error> {
    Ok(log.consumer(&ConsumerOptions { client_id: format!("{name}-consumer"), isolation: isolation(environment) })?)
}

fn make_producer(log: &dyn Log, environment: &TaskEnvironment, index: usize, name: &str) -> Result<Box<dyn Producer>, Error> {
    let config = &environment.config;
    let transactional_id = config.is_exactly_once().then(|| format!("{}-{}-{}", config.application_id, environment.process_id, index + 1));
    let options = ProducerOptions { client_id: format!("{name}-producer"), transactional_id, transaction_timeout: config.transaction_timeout };
    Ok(log.producer(&options)?)
}

fn isolation(environment: &TaskEnvironment) -> Isolation {
    if environment.config.is_exactly_once() { Isolation::ReadCommitted } else { Isolation::ReadUncommitted }
}
