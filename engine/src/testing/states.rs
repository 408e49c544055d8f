//! The states of a driver's tasks: what a disk is to an application.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use straum_state::{MemoryBudget, StateOptions, StoreSpec, TaskState, WallClock};

use crate::error::Error;
use crate::runtime::state_updater::TaskStates;
use crate::runtime::{Clock, ManualClock};
use crate::topology::TaskId;

/// States in memory by task, which outlive a crash.
type KeptStates = Arc<Mutex<HashMap<Option<TaskId>, TaskState>>>;

/// The states of the driver's tasks: what a disk is to an application.
#[derive(Clone)]
pub(super) struct States {
    folder: Option<PathBuf>,
    kept: KeptStates,
}

impl States {
    /// On RocksDB in this folder, or in memory.
    pub(super) fn in_folder(folder: Option<PathBuf>) -> Self {
        Self { folder, kept: Arc::default() }
    }

    /// The state of a task, or with `None` that of the global stores.
    pub(super) fn open(
        &self,
        task: Option<TaskId>,
        specs: &[StoreSpec],
        clock: &Arc<ManualClock>,
        budget: &MemoryBudget,
    ) -> Result<TaskState, Error> {
        let of_state = Arc::clone(clock);
        let wall_clock: WallClock = Arc::new(move || of_state.now());
        if let Some(folder) = &self.folder {
            let name = task.map_or_else(|| "global".to_owned(), |task| task.to_string());
            return Ok(TaskState::open(&folder.join(name), specs, &StateOptions::new(budget.clone(), wall_clock))?);
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(kept.entry(task).or_insert_with(|| TaskState::in_memory(specs, wall_clock)).clone())
    }
}

/// The states as the driver's threads see them.
pub(super) struct DriverStates {
    pub(super) states: States,
    pub(super) clock: Arc<ManualClock>,
    pub(super) budget: MemoryBudget,
}

impl TaskStates for DriverStates {
    fn open(&self, task: TaskId, specs: &[StoreSpec]) -> Result<TaskState, Error> {
        self.states.open(Some(task), specs, &self.clock, &self.budget)
    }

    fn serve(&self, _: TaskId) {}

    fn close(&self, _: TaskId) -> Result<(), Error> {
        // What is in memory is kept for whoever opens it next; a folder is free once nobody uses it.
        Ok(())
    }
}
