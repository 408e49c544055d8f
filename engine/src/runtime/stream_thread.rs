//! A stream thread: one consumer, one producer, the tasks it was given, and the loop that drives them.
//!
//! It is stepped, not started: [`StreamThread::run_once`] does one round and returns. A real thread calls it in a loop, the
//! test driver calls it until nothing is left to do. Nothing here waits for a restore or for anything but the log.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use straum_state::{Charge, MemoryPart, StoreSpec, TaskState};

use crate::error::{Error, ErrorKind};
use crate::log::{
    CommittedOffset, Consumer, ConsumerOptions, GroupMembership, Isolation, Log, LogErrorKind, Producer, ProducerOptions, RecordBatch, StartOffset,
    TopicPartition,
};
use crate::processor::PunctuationType;
use crate::runtime::collector::Collector;
use crate::runtime::failing::{Failing, Status};
use crate::runtime::idle::Lags;
use crate::runtime::restore::{Restore, Restored};
use crate::runtime::{ProbePoint, SeededFault, TaskReport};
use crate::runtime::task::{Processed, Task, TaskEnvironment};
use crate::topology::{Subtopology, TaskId, changelog_topic};

/// Opens the state of a task; the same task finds the same state again.
pub(crate) type StateOpener = Arc<dyn Fn(TaskId, &[StoreSpec]) -> Result<TaskState, Error> + Send + Sync>;

/// How many records a task processes before the thread looks at the log again.
const RECORDS_A_ROUND: usize = 1000;

/// Output is handed to the producer when it exceeds this many bytes.
const OUTPUT_BYTES: usize = 256 * 1024;

/// A task's uncommitted state may grow to this share of the memory budget before it forces an early commit.
const DIRTY_SHARE: u64 = 8;

/// How often, in records, the size of the uncommitted state is looked at.
const RECORDS_A_LOOK: usize = 64;

pub(crate) struct StreamThread {
    name: Arc<str>,
    index: usize,
    log: Arc<dyn Log>,
    environment: Rc<TaskEnvironment>,
    open_state: StateOpener,
    membership: GroupMembership,
    consumer: Box<dyn Consumer>,
    producer: Box<dyn Producer>,
    assigned: Vec<TaskId>,
    tasks: BTreeMap<TaskId, Task>,
    /// Tasks that failed in a commit: they are not open, and may retry.
    suspended: BTreeMap<TaskId, Failing>,
    transaction: Option<i64>,
    wrote: bool,
    last_commit: i64,
    paused: Vec<TopicPartition>,
    batches: Vec<RecordBatch>,
    /// What waits in the tasks' queues, charged to the process' budget.
    queues: Charge,
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

impl StreamThread {
    /// Fences an earlier incarnation, then makes and restores the tasks.
    pub(crate) fn new(
        index: usize,
        log: Arc<dyn Log>,
        environment: TaskEnvironment,
        open_state: StateOpener,
        assigned: Vec<TaskId>,
    ) -> Result<Self, Error> {
        let config = &environment.config;
        let name: Arc<str> = format!("{}-StreamThread-{}", config.application_id, index + 1).into();
        let membership = GroupMembership { group: config.application_id.to_string(), member: None };
        let producer = make_producer(&*log, &environment, index, &name)?;
        let consumer = make_consumer(&*log, &environment, &name)?;
        let last_commit = environment.clock.now();
        let queues = environment.budget.charge(MemoryPart::Queues);
        let mut thread = Self {
            name,
            index,
            log,
            environment: Rc::new(environment),
            open_state,
            membership,
            consumer,
            producer,
            assigned,
            tasks: BTreeMap::new(),
            suspended: BTreeMap::new(),
            transaction: None,
            wrote: false,
            last_commit,
            paused: Vec::new(),
            batches: Vec::new(),
            queues,
            restored: Vec::new(),
            commits: 0,
            broken: false,
            failures: 0,
            trouble: None,
            recoveries: 0,
        };
        thread.open_tasks()?;
        Ok(thread)
    }

    fn subtopology(&self, id: TaskId) -> Result<Subtopology, Error> {
        let subtopologies = self.environment.topology.subtopologies();
        subtopologies.iter().find(|subtopology| subtopology.id == id.subtopology).cloned().ok_or_else(|| {
            Error::new(ErrorKind::InvalidState, format!("no sub-topology {}, expected less than {}", id.subtopology, subtopologies.len())).in_task(id)
        })
    }

    /// Opens, restores and starts the assigned tasks that are not open, at the committed offsets. Tasks that failed in a
    /// commit wait for their next try.
    fn open_tasks(&mut self) -> Result<(), Error> {
        let config = Arc::clone(&self.environment.config);
        let now = self.environment.clock.now();
        let mut assignment = Vec::new();
        for partition in self.tasks.values().flat_map(|task| task.partitions()) {
            let position = self.consumer.position(partition);
            assignment.push((partition.clone(), position.map_or(StartOffset::Beginning, StartOffset::At)));
        }
        let closed = |id: &TaskId| !self.tasks.contains_key(id) && self.suspended.get(id).is_none_or(|failing| failing.may_run(now));
        let closed: Vec<TaskId> = self.assigned.iter().copied().filter(closed).collect();
        for id in closed {
            let subtopology = self.subtopology(id)?;
            let graph = &self.environment.topology.graph;
            let suppliers: Vec<_> = subtopology.stores.iter().filter_map(|name| graph.stores.get(name)).map(|entry| Arc::clone(&entry.supplier)).collect();
            let specs: Vec<StoreSpec> = suppliers.iter().map(|supplier| supplier.spec()).collect();
            let partitions: Vec<TopicPartition> =
                subtopology.sources.iter().map(|topic| TopicPartition::new(topic.resolve(&config.application_id), id.partition)).collect();
            let committed = self.committed(&partitions)?;
            let state = (self.open_state)(id, &specs)?;
            for supplier in suppliers.iter().filter(|supplier| supplier.changelog_config().is_some()) {
                let restore = Restore {
                    log: &*self.log,
                    client_id: &format!("{}-restore-consumer", self.name),
                    state: &state,
                    supplier: &**supplier,
                    changelog: TopicPartition::new(changelog_topic(&config.application_id, supplier.name()), id.partition),
                    isolation: isolation(&self.environment),
                    probe: &self.environment.probe,
                };
                let restored = restore.run(&mut |_| {})?;
                tracing::info!(task = %id, store = %restored.store, from = restored.from, end = restored.end, records = restored.records, "restored");
                self.restored.push((id, restored));
            }
            for (partition, offset) in partitions.iter().zip(&committed) {
                let start = offset.as_ref().map_or(StartOffset::Beginning, |offset| StartOffset::At(offset.offset));
                assignment.push((partition.clone(), start));
            }
            self.tasks.insert(id, Task::new(&self.environment, &subtopology, id, state, &committed)?);
        }
        self.consumer.assign(&assignment)?;
        self.paused.clear();
        Ok(())
    }

    fn committed(&self, partitions: &[TopicPartition]) -> Result<Vec<Option<CommittedOffset>>, Error> {
        loop {
            match self.log.committed(&self.membership.group, partitions) {
                Ok(offsets) => return Ok(offsets),
                Err(error) if error.kind() == LogErrorKind::Retriable => tracing::debug!(%error, "committed offsets are not stable yet"),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// One round: poll, process, punctuate, commit if it is time. Waits at most `wait` when there is nothing to do.
    pub(crate) fn run_once(&mut self, wait: Duration) -> Result<Round, Error> {
        let result = self.round(wait);
        match result {
            Ok(round) => Ok(round),
            Err(error) => self.recover(error).map(|()| Round::default()),
        }
    }

    fn round(&mut self, wait: Duration) -> Result<Round, Error> {
        let mut round = Round::default();
        let now = self.environment.clock.now();
        if self.broken {
            self.renew()?;
            self.open_tasks()?;
            self.broken = false;
        }
        if self.suspended.iter().any(|(id, failing)| !self.tasks.contains_key(id) && failing.may_run(now)) {
            self.open_tasks()?;
        }
        let busy = self.tasks.values().any(|task| task.buffered().any(|(_, waiting)| waiting > 0));
        round.polled = self.poll(if busy { Duration::ZERO } else { wait })?;
        self.queues.set(self.tasks.values().map(|task| task.buffered_bytes() as u64).sum());
        for id in self.assigned.clone() {
            round.processed += self.process(id)?;
        }
        self.punctuate_wall_clock()?;
        if self.must_commit() {
            round.committed = self.commit()?;
            self.environment.budget.flush_scheduler().sweep(now)?;
        }
        Ok(round)
    }

    fn poll(&mut self, wait: Duration) -> Result<usize, Error> {
        let mut batches = std::mem::take(&mut self.batches);
        match self.consumer.poll(wait, &mut batches) {
            Ok(()) => {}
            Err(error) if error.kind() == LogErrorKind::Retriable => tracing::debug!(%error, "poll failed and is tried again"),
            Err(error) => return Err(error.into()),
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
        let dirty_limit = self.environment.budget.limit() / DIRTY_SHARE;
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
            let full = processed.is_multiple_of(RECORDS_A_LOOK) && task.dirty_bytes() > dirty_limit;
            if self.environment.collector.output().bytes() > OUTPUT_BYTES {
                self.send()?;
            }
            if requested || full || self.transaction_is_old(now) {
                self.commit()?;
            }
        }
        if !self.environment.collector.output().is_empty() {
            self.send()?;
        }
        Ok(processed)
    }

    fn punctuate_wall_clock(&mut self) -> Result<(), Error> {
        let now = self.environment.clock.now();
        for task in self.tasks.values_mut() {
            task.punctuate(PunctuationType::WallClockTime, now, now)?;
        }
        if !self.environment.collector.output().is_empty() {
            self.send()?;
        }
        Ok(())
    }

    /// A transaction must end in good time before the log would end it.
    fn transaction_is_old(&self, now: i64) -> bool {
        let limit = i64::try_from(self.environment.config.transaction_timeout.as_millis()).unwrap_or(i64::MAX) / 2;
        self.transaction.is_some_and(|since| now - since > limit)
    }

    fn must_commit(&self) -> bool {
        let interval = i64::try_from(self.environment.config.commit_interval.as_millis()).unwrap_or(i64::MAX);
        let now = self.environment.clock.now();
        now - self.last_commit >= interval || self.transaction_is_old(now) || self.tasks.values().any(Task::take_commit_request)
    }

    fn begin(&mut self) -> Result<(), Error> {
        if self.environment.config.is_exactly_once() && self.transaction.is_none() {
            self.producer.begin()?;
            self.transaction = Some(self.environment.clock.now());
        }
        Ok(())
    }

    /// Hands the collected output to the producer.
    fn send(&mut self) -> Result<(), Error> {
        self.begin()?;
        let environment = Rc::clone(&self.environment);
        let mut output = environment.collector.output();
        self.producer.send(&output)?;
        output.clear();
        self.wrote = true;
        Ok(())
    }

    /// Commits everything done so far: outputs, changelogs, offsets, and then the stores. False when there was nothing.
    pub(crate) fn commit(&mut self) -> Result<bool, Error> {
        self.last_commit = self.environment.clock.now();
        for task in self.tasks.values_mut() {
            task.flush_caches()?;
        }
        let dirty = self.tasks.values().any(Task::is_dirty);
        for task in self.tasks.values_mut() {
            task.prepare()?;
        }
        if !self.environment.collector.output().is_empty() {
            self.send()?;
        }
        let wrote = self.wrote || dirty;
        let offsets: Vec<CommittedOffset> = self.tasks.values().flat_map(|task| task.offsets(wrote)).collect();
        if offsets.is_empty() && !wrote {
            return Ok(false);
        }
        let probe = self.environment.probe.clone();
        if self.environment.config.is_exactly_once() {
            self.begin()?;
            if probe.fault() != Some(SeededFault::CommitWithoutOffsets) {
                self.producer.send_offsets(&self.membership, &offsets)?;
            }
            if probe.fault() == Some(SeededFault::ApplyBeforeCommit) {
                // A flush may come at any time; a mistake that only shows after one would be hard to see.
                self.producer.flush()?;
                self.apply(&offsets)?;
                self.tasks.values().try_for_each(|task| task.state().flush())?;
            }
            probe.reached(ProbePoint::BeforeCommit);
            self.producer.commit()?;
            self.transaction = None;
            probe.reached(ProbePoint::BetweenCommitAndApply);
            if probe.fault() != Some(SeededFault::ApplyBeforeCommit) {
                self.apply(&offsets)?;
            }
        } else {
            self.producer.flush()?;
            self.apply(&offsets)?;
            self.log.commit_offsets(&self.membership, &offsets)?;
        }
        self.wrote = false;
        self.suspended.retain(|id, _| !self.tasks.contains_key(id));
        self.failures = 0;
        self.trouble = None;
        self.commits += 1;
        Ok(true)
    }

    fn apply(&mut self, offsets: &[CommittedOffset]) -> Result<(), Error> {
        for task in self.tasks.values_mut() {
            task.committed(&*self.producer, offsets)?;
        }
        Ok(())
    }

    /// Ends what was begun and starts again from what is committed.
    fn recover(&mut self, error: Error) -> Result<(), Error> {
        tracing::warn!(thread = %self.name, kind = ?error.kind(), log = ?error.log_kind(), %error, "starting again from what is committed");
        self.environment.collector.output().clear();
        self.tasks.clear();
        let open = self.transaction.take().is_some();
        self.failures += 1;
        self.trouble = Some(error.to_string());
        self.recoveries += 1;
        self.broken = true;
        let (kind, task, log_kind) = (error.kind(), error.task(), error.log_kind());
        if log_kind == Some(LogErrorKind::Corrupt) {
            // Reading it again gives the same.
            return Err(error);
        }
        if let Some(task) = task
            && matches!(kind, ErrorKind::Processing | ErrorKind::Production | ErrorKind::State)
        {
            let failing = self.suspended.entry(task).or_default();
            match kind {
                ErrorKind::State => failing.retry(error, &self.environment.config, self.environment.clock.now()),
                _ => failing.pause(error),
            }
        }
        self.wrote = false;
        match log_kind {
            Some(LogErrorKind::Fatal | LogErrorKind::Fenced | LogErrorKind::Io) => self.renew()?,
            _ if open => {
                if self.producer.abort().is_err() {
                    self.renew()?;
                }
            }
            _ => {}
        }
        self.open_tasks()?;
        self.broken = false;
        Ok(())
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
            failures => config.retry_backoff.saturating_mul(1 << failures.min(10)).min(config.retry_backoff_max.max(config.retry_backoff)),
        }
    }

    /// A new producer of the same transactional id: what the old one had begun is aborted.
    fn renew(&mut self) -> Result<(), Error> {
        self.producer = make_producer(&*self.log, &self.environment, self.index, &self.name)?;
        Ok(())
    }

    /// Commits and closes.
    pub(crate) fn close(mut self) -> Result<(), Error> {
        self.commit()?;
        for (_, task) in std::mem::take(&mut self.tasks) {
            let state = task.state().clone();
            drop(task);
            state.close()?;
        }
        Ok(())
    }

    pub(crate) fn tasks(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values()
    }

    /// Commits; what fails is rolled back and processed again.
    pub(crate) fn commit_or_recover(&mut self) -> Result<bool, Error> {
        match self.commit() {
            Ok(committed) => Ok(committed),
            Err(error) => self.recover(error).map(|()| false),
        }
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

fn isolation(environment: &TaskEnvironment) -> Isolation {
    if environment.config.is_exactly_once() { Isolation::ReadCommitted } else { Isolation::ReadUncommitted }
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
