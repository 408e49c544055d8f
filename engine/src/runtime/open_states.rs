//! The states of the tasks of this process, in its folder: which are open, which answer queries, and which have been left by
//! their tasks and are deleted after a delay.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use straum_state::{StateOptions, StoreSpec, TaskState};

use crate::error::Error;
use crate::runtime::state_directory::StateDirectory;
use crate::runtime::state_updater::TaskStates;
use crate::topology::TaskId;

/// How often it is looked for states that nobody uses, at the most and at the least.
const LOOKS: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(60));

pub(crate) struct OpenStates {
    directory: Arc<StateDirectory>,
    options: StateOptions,
    open: Mutex<BTreeMap<TaskId, OpenState>>,
    /// Since when those on disk that are not open have not been.
    left: Mutex<BTreeMap<TaskId, Instant>>,
    /// Many may open states at a time, while none is deleted.
    opening: RwLock<()>,
}

struct OpenState {
    state: TaskState,
    serves: bool,
}

impl OpenStates {
    pub(crate) fn new(directory: Arc<StateDirectory>, options: StateOptions) -> Self {
        Self { directory, options, open: Mutex::default(), left: Mutex::default(), opening: RwLock::default() }
    }

    /// The states that answer queries: not those that are copies, or incomplete.
    pub(crate) fn serving(&self) -> Vec<TaskState> {
        lock(&self.open).values().filter(|open| open.serves).map(|open| open.state.clone()).collect()
    }

    /// Deletes what was left longer ago than `delay`, over and over until the sender of `stop` is gone. A task that comes back
    /// before finds its state. Kafka Streams: `StateDirectory.cleanRemovedTasks`.
    pub(crate) fn clean_until(&self, stop: &Receiver<()>, delay: Duration) {
        while stop.recv_timeout(delay.clamp(LOOKS.0, LOOKS.1)) == Err(RecvTimeoutError::Timeout) {
            if let Err(error) = self.clean(delay) {
                tracing::warn!(%error, "states that are not used any more could not be deleted; it is tried again");
            }
        }
    }

    fn clean(&self, delay: Duration) -> Result<(), Error> {
        // Whoever opens a state meanwhile would have its files deleted.
        let _alone = self.opening.write().unwrap_or_else(PoisonError::into_inner);
        let on_disk: BTreeSet<TaskId> = self.directory.tasks()?.into_iter().collect();
        let mut left = lock(&self.left);
        left.retain(|task, _| on_disk.contains(task));
        for task in on_disk {
            if lock(&self.open).contains_key(&task) || left.entry(task).or_insert_with(Instant::now).elapsed() < delay {
                continue;
            }
            TaskState::destroy(&self.directory.task(task))?;
            self.directory.remove(task)?;
            left.remove(&task);
            tracing::info!(%task, "deleted the state of a task that is not here any more");
        }
        Ok(())
    }
}

impl TaskStates for OpenStates {
    fn open(&self, task: TaskId, specs: &[StoreSpec]) -> Result<TaskState, Error> {
        // A thread that starts again from what is committed finds the state open: it is the same one.
        if let Some(open) = lock(&self.open).get(&task) {
            return Ok(open.state.clone());
        }
        let _opening = self.opening.read().unwrap_or_else(PoisonError::into_inner);
        let state = TaskState::open(&self.directory.task(task), specs, &self.options)?;
        lock(&self.open).insert(task, OpenState { state: state.clone(), serves: false });
        lock(&self.left).remove(&task);
        Ok(state)
    }

    fn serve(&self, task: TaskId) {
        if let Some(open) = lock(&self.open).get_mut(&task) {
            open.serves = true;
        }
    }

    fn close(&self, task: TaskId) -> Result<(), Error> {
        let open = lock(&self.open).remove(&task);
        lock(&self.left).insert(task, Instant::now());
        Ok(open.map_or(Ok(()), |open| open.state.close())?)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
