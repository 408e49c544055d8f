//! Brings the states of tasks up to their changelogs, away from the stream thread: of active tasks until they can process,
//! of standby tasks for as long as they are assigned. Kafka Streams: `StateUpdater`.
//!
//! Each stream thread has one, with a consumer of its own that reads the changelogs of all its tasks at once. It runs on its
//! own thread, so that tasks that are ready never wait for those that are not; a test driver steps it in the test's.

mod changelog;
mod source;
#[cfg(test)]
mod tests;
mod updates;

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use straum_state::{StoreSpec, TaskState};

pub use changelog::Restored;
use updates::Updates;

use crate::error::{Error, ErrorKind};
use crate::log::{CommittedOffset, Log, LogError, LogErrorKind, Offset, StartOffset, TopicPartition};
use crate::runtime::internal_topics::TaskPlan;
use crate::runtime::{Clock, OffsetReset, Probe, StreamsConfig};
use crate::topology::{TaskId, Topology};

/// How long it waits for records before it looks for orders.
const POLL: Duration = Duration::from_millis(50);

/// Where the states of tasks are.
pub(crate) trait TaskStates: Send + Sync {
    /// The state of a task; while it is open, the same one again.
    fn open(&self, task: TaskId, specs: &[StoreSpec]) -> Result<TaskState, Error>;

    /// The state is complete, and answers queries until it is closed.
    fn serve(&self, task: TaskId);

    /// Lets go of a task's state: another thread or process may have it now. Nobody uses it any more.
    fn close(&self, task: TaskId) -> Result<(), Error>;
}

/// What a task's state is kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TaskRole {
    /// The task processes, once its state is complete.
    Active,
    /// The state is a copy, kept up to date for when the task has to move. Kafka Streams: a standby task.
    Standby,
}

/// How far the state of a store is behind its changelog, where that is being read. Kafka Streams: what a
/// `StateRestoreListener` and a `StandbyUpdateListener` hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangelogProgress {
    /// The task.
    pub task: TaskId,
    /// What for.
    pub role: TaskRole,
    /// The store.
    pub store: Arc<str>,
    /// The offset where the reading began.
    pub start: Offset,
    /// The next offset to be read.
    pub position: Offset,
    /// An active task's: where the reading ends. A standby's: the changelog's end as last heard, which moves. Of a source topic that is
    /// a table's changelog it is the offset that the group has committed.
    pub end: Offset,
    /// Bytes of keys and values read.
    pub bytes: u64,
}

/// What an updater works with.
pub(crate) struct UpdaterEnvironment {
    pub(crate) name: String,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) topology: Topology,
    pub(crate) config: Arc<StreamsConfig>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) probe: Probe,
    pub(crate) states: Arc<dyn TaskStates>,
    pub(crate) progress: Arc<Mutex<Vec<ChangelogProgress>>>,
}

enum Order {
    /// A task that has it in the other role changes over, with what it has.
    Add {
        task: TaskId,
        role: TaskRole,
        plan: Arc<TaskPlan>,
    },
    Remove(TaskId),
}

/// What an updater has to say of a task, which it then no longer has.
pub(crate) enum Report {
    /// An active task can process.
    Ready(Box<Ready>),
    /// It cannot be brought up.
    Failed { task: TaskId, error: Error },
    /// It is closed, as was ordered.
    Removed(TaskId),
}

/// An active task's state, and where the task reads on.
pub(crate) struct Ready {
    pub(crate) task: TaskId,
    pub(crate) state: TaskState,
    pub(crate) committed: Vec<Option<CommittedOffset>>,
    pub(crate) starts: Vec<(TopicPartition, StartOffset)>,
    pub(crate) restored: Vec<Restored>,
}

/// A stream thread's updater.
pub(crate) struct StateUpdater(Mode);

enum Mode {
    /// Stepped by whoever asks it for reports.
    Inline { updates: Box<Updates>, reports: VecDeque<Report> },
    /// On a thread of its own, which ends when no more orders can come.
    Thread { orders: Option<Sender<Order>>, reports: Receiver<Report>, thread: Option<JoinHandle<()>> },
}

impl StateUpdater {
    pub(crate) fn inline(environment: UpdaterEnvironment) -> Self {
        Self(Mode::Inline { updates: Box::new(Updates::new(environment)), reports: VecDeque::new() })
    }

    pub(crate) fn spawn(environment: UpdaterEnvironment) -> Result<Self, Error> {
        let (orders, taken) = mpsc::channel();
        let (sent, reports) = mpsc::channel();
        let thread = std::thread::Builder::new().name(environment.name.clone());
        let thread = thread.spawn(move || run(Updates::new(environment), &taken, &sent));
        let thread = thread.map_err(|error| Error::new(ErrorKind::InvalidState, "cannot start a thread").with_source(error))?;
        Ok(Self(Mode::Thread { orders: Some(orders), reports, thread: Some(thread) }))
    }

    pub(crate) fn add(&mut self, task: TaskId, role: TaskRole, plan: Arc<TaskPlan>) {
        self.order(Order::Add { task, role, plan });
    }

    /// [`Report::Removed`] says when it is done; nothing is said of the task afterwards.
    pub(crate) fn remove(&mut self, task: TaskId) {
        self.order(Order::Remove(task));
    }

    fn order(&mut self, order: Order) {
        match &mut self.0 {
            Mode::Inline { updates, reports } => updates.take(order, &mut |report| reports.push_back(report)),
            // One that has ended has no reports either, and that is found there.
            Mode::Thread { orders, .. } => _ = orders.as_ref().map(|orders| orders.send(order)),
        }
    }

    /// The next report, if there is one.
    ///
    /// # Errors
    /// When the updater has ended, which it does not by itself.
    pub(crate) fn poll(&mut self) -> Result<Option<Report>, Error> {
        match &mut self.0 {
            Mode::Inline { updates, reports } => {
                while updates.has_active() {
                    updates.step(Duration::ZERO, &mut |report| reports.push_back(report));
                }
                Ok(reports.pop_front())
            }
            Mode::Thread { reports, .. } => match reports.try_recv() {
                Ok(report) => Ok(Some(report)),
                Err(TryRecvError::Empty) => Ok(None),
                Err(TryRecvError::Disconnected) => {
                    Err(Error::new(ErrorKind::InvalidState, "the thread that restores states has ended, expected it to run"))
                }
            },
        }
    }
}

impl Drop for StateUpdater {
    fn drop(&mut self) {
        if let Mode::Thread { orders, thread, .. } = &mut self.0 {
            *orders = None;
            if thread.take().is_some_and(|thread| thread.join().is_err()) {
                tracing::error!("the thread that restores states panicked");
            }
        }
    }
}

/// Until no more orders can come; then it lets go of every state it has.
fn run(mut updates: Updates, orders: &Receiver<Order>, reports: &Sender<Report>) {
    // Nobody waits for the reports of an updater whose stream thread has gone.
    let mut report = |report| _ = reports.send(report);
    loop {
        loop {
            let order = match updates.has_work() {
                true => orders.try_recv(),
                false => orders.recv_timeout(Duration::MAX).map_err(|error| match error {
                    RecvTimeoutError::Timeout => TryRecvError::Empty,
                    RecvTimeoutError::Disconnected => TryRecvError::Disconnected,
                }),
            };
            match order {
                Ok(order) => updates.take(order, &mut report),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return updates.close(),
            }
        }
        updates.step(POLL, &mut report);
    }
}

/// Where a partition is read from when the group has no offset for it, or one that is not there any more. What is in a
/// repartition topic is always wanted.
pub(crate) fn start_without_offset(
    log: &dyn Log,
    topology: &Topology,
    config: &StreamsConfig,
    plan: &TaskPlan,
    partition: &TopicPartition,
) -> Result<StartOffset, Error> {
    // By their numbers, so that there is an offset to commit before anything is read.
    let of_source = topology.graph.resets.get(&partition.topic).copied();
    match of_source.unwrap_or(config.auto_offset_reset) {
        OffsetReset::Latest if !plan.is_repartition(&partition.topic) => Ok(StartOffset::At(log.offsets(partition)?.1)),
        OffsetReset::None if !plan.is_repartition(&partition.topic) => {
            let message = format!("no offset to read {partition} from and auto.offset.reset is none, expected the group to have committed one");
            Err(LogError::new(LogErrorKind::OffsetOutOfRange, message).at(partition).into())
        }
        _ => Ok(StartOffset::At(log.offsets(partition)?.0)),
    }
}

fn publish(progress: &Mutex<Vec<ChangelogProgress>>, now: Vec<ChangelogProgress>) {
    *progress.lock().unwrap_or_else(PoisonError::into_inner) = now;
}
