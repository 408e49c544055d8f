//! How a stream thread gets its tasks: the updater opens their states and brings them up to the changelogs, and the thread
//! reads on where the group stands.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::StreamThread;
use super::commit::stands;
use crate::error::{Error, ErrorKind};
use crate::log::{StartOffset, TopicPartition};
use crate::runtime::state_updater::{Ready, Report, Restored, TaskRole, start_without_offset};
use crate::runtime::task::Task;
use crate::topology::{Subtopology, TaskId};

impl StreamThread {
    /// Gives the updater the assigned tasks that are not open. Those that failed wait for their next try.
    pub(super) fn open_tasks(&mut self) {
        // Out of the group they are no longer this thread's; the membership will say so.
        if self.fenced || self.assignment.is_some() || self.membership.identity().is_none() {
            return;
        }
        let now = self.environment.clock.now();
        let active = self.assigned.iter().map(|id| (*id, TaskRole::Active));
        let standby = self.standby.iter().filter(|id| !self.assigned.contains(id)).map(|id| (*id, TaskRole::Standby));
        let closed = active.chain(standby).filter(|(id, role)| {
            let due = self.suspended.get(id).is_none_or(|failing| failing.may_run(now));
            due && !self.tasks.contains_key(id) && self.updating.get(id) != Some(role) && !self.leaving.contains(id)
        });
        for (id, role) in closed.collect::<Vec<_>>() {
            self.updating.insert(id, role);
            self.updater.add(id, role, self.plan.clone());
        }
    }

    /// Starts the tasks whose states are complete, at the committed offsets. One that cannot be brought up waits, and harms no
    /// other.
    pub(super) fn follow_updater(&mut self) -> Result<(), Error> {
        let mut complete = Vec::new();
        while let Some(report) = self.updater.poll()? {
            match report {
                Report::Removed(id) => _ = self.leaving.remove(&id),
                // By now it is to go, or wanted as a copy only: the updater has that order.
                Report::Ready(ready) if self.updating.get(&ready.task) != Some(&TaskRole::Active) => {}
                Report::Failed { task, .. } if self.leaving.contains(&task) => {}
                Report::Ready(ready) => {
                    self.updating.remove(&ready.task);
                    self.note_restored(ready.task, &ready.restored);
                    complete.push(*ready);
                }
                Report::Failed { task, error } => {
                    self.updating.remove(&task);
                    self.suspend(task, error)?;
                }
            }
        }
        if !complete.is_empty() {
            let mut assignment = self.positions();
            for ready in complete {
                let (id, starts) = (ready.task, ready.starts.clone());
                match self.start(ready) {
                    Ok(task) => {
                        self.starts.extend(starts.iter().cloned());
                        assignment.extend(starts);
                        self.states.serve(id);
                        self.tasks.insert(id, task);
                    }
                    Err(error) => self.suspend(id, error.in_task(id))?,
                }
            }
            self.read(&assignment)?;
        }
        let stands = |id| self.suspended.get(id).is_some_and(|failing| !failing.waits_for_the_log());
        self.begun |= self.assigned.iter().all(|id| self.tasks.contains_key(id) || stands(id));
        Ok(())
    }

    fn note_restored(&mut self, id: TaskId, stores: &[Restored]) {
        self.restored.retain(|(task, before)| *task != id || stores.iter().all(|restored| restored.store != before.store));
        for restored in stores {
            let Restored { store, from, end, records, bytes } = restored;
            tracing::info!(task = %id, %store, from, end, records, bytes, "restored");
            self.restored.push((id, restored.clone()));
        }
    }

    /// A state that cannot be opened or restored, a processor that cannot begin.
    fn suspend(&mut self, id: TaskId, error: Error) -> Result<(), Error> {
        if error.is_final() {
            return Err(error);
        }
        let failing = self.suspended.entry(id).or_default();
        let (config, now) = (&self.environment.config, self.environment.clock.now());
        match error.kind() {
            _ if stands(error.log_kind()) => failing.pause(error),
            // It comes back, sooner or later.
            ErrorKind::Log => failing.wait(error, config, now),
            _ => failing.retry(error, config, now),
        }
        Ok(())
    }

    fn start(&self, ready: Ready) -> Result<Task, Error> {
        let id = ready.task;
        let subtopology = self.subtopology(id)?;
        let made = catch_unwind(AssertUnwindSafe(|| Task::new(&self.environment, subtopology, id, ready.state, &ready.committed, &ready.starts)));
        made.unwrap_or_else(|panic| Err(Error::panicked(&*panic)))
    }

    /// The partitions that are read, each from where it stands.
    pub(super) fn positions(&self) -> Vec<(TopicPartition, StartOffset)> {
        let started = |partition: &TopicPartition| self.starts.get(partition).copied().unwrap_or(StartOffset::Beginning);
        let position = |partition: &TopicPartition| self.consumer.position(partition).map_or_else(|| started(partition), StartOffset::At);
        self.tasks.values().flat_map(Task::partitions).map(|partition| (partition.clone(), position(partition))).collect()
    }

    fn subtopology(&self, id: TaskId) -> Result<&Subtopology, Error> {
        let subtopologies = self.environment.topology.subtopologies();
        subtopologies.iter().find(|subtopology| subtopology.id == id.subtopology).ok_or_else(|| {
            Error::new(ErrorKind::InvalidState, format!("no sub-topology {}, expected less than {}", id.subtopology, subtopologies.len())).in_task(id)
        })
    }

    /// The offset a partition is to be read from has been deleted: retention was faster than the application.
    pub(super) fn reset(&mut self, partition: &TopicPartition, lost: Option<i64>) -> Result<(), Error> {
        let start = start_without_offset(&*self.log, &self.environment.topology, &self.environment.config, &self.plan, partition)?;
        tracing::error!(%partition, lost, ?start, "the next record was deleted before it was read; reading on from where the reset says");
        let mut assignment = self.positions();
        for (assigned, position) in &mut assignment {
            if assigned == partition {
                *position = start;
            }
        }
        self.read(&assignment)
    }

    /// Reads these partitions and no others. Those of which enough is buffered go on waiting.
    pub(super) fn read(&mut self, assignment: &[(TopicPartition, StartOffset)]) -> Result<(), Error> {
        self.consumer.assign(assignment)?;
        self.paused.retain(|paused| assignment.iter().any(|(partition, _)| partition == paused));
        Ok(())
    }
}
