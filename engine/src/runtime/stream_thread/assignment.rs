//! How a stream thread follows its membership: tasks come and go, and everything is dropped when the membership is over.

use std::collections::BTreeSet;

use super::StreamThread;
use crate::error::{Error, ErrorKind};
use crate::group::member::ThreadMessage;
use crate::group::{GroupError, GroupErrorKind};
use crate::topology::TaskId;

impl StreamThread {
    /// Does what the membership asks for, and takes up what the updater has done.
    pub(super) fn follow_membership(&mut self) -> Result<(), Error> {
        self.follow_updater()?;
        if self.fenced {
            self.confirm_fence()?;
        }
        self.take_over()?;
        while let Some(message) = self.membership.poll() {
            match message {
                ThreadMessage::Assigned { assignment, tasks, ready, .. } => {
                    self.assignment = Some((assignment, tasks, ready));
                    self.take_over()?;
                }
                ThreadMessage::Fenced => {
                    self.fenced = true;
                    self.confirm_fence()?;
                }
                ThreadMessage::Status(notices) => self.notices = notices,
                ThreadMessage::Failed(error) => {
                    self.abandon()?;
                    return Err(failed(error));
                }
                ThreadMessage::Epoch(_) | ThreadMessage::Endpoints(_) | ThreadMessage::Left => {}
            }
        }
        self.open_tasks();
        self.follow_updater()
    }

    /// As [`StreamThread::follow_membership`], while nothing is processed.
    /// Does what the last assignment says, unless it is done. One that fails half-way is tried again.
    fn take_over(&mut self) -> Result<(), Error> {
        let Some((number, tasks, ready)) = self.assignment.clone() else { return Ok(()) };
        let standby: BTreeSet<TaskId> = tasks.standby.union(&tasks.warmup).copied().collect();
        self.revoke(&tasks.active, &standby)?;
        if !self.leaving.is_empty() {
            return Ok(());
        }
        let has = |id: &TaskId| self.assigned.contains(id) || self.standby.contains(id);
        if !tasks.active.iter().chain(&standby).all(has) {
            self.plan = self.membership.plan(&self.environment.topology, &self.environment.config, &*self.log)?;
        }
        self.begun &= tasks.active.iter().all(|id| self.assigned.contains(id));
        self.assigned = tasks.active.iter().copied().collect();
        self.standby = standby;
        self.membership.owns(number, tasks);
        self.ready = ready;
        self.assignment = None;
        Ok(())
    }

    /// Commits and closes the tasks that are not `active` any more, and lets go of the states that are kept for nothing.
    fn revoke(&mut self, active: &BTreeSet<TaskId>, standby: &BTreeSet<TaskId>) -> Result<(), Error> {
        let revoked: Vec<TaskId> = self.assigned.iter().copied().filter(|id| !active.contains(id)).collect();
        self.assigned.retain(|id| active.contains(id));
        self.standby.retain(|id| standby.contains(id) || active.contains(id));
        if revoked.iter().any(|id| self.tasks.contains_key(id)) {
            // What cannot be committed is rolled back, and whoever has the task next does it again.
            self.commit_or_recover()?;
        }
        for id in &revoked {
            tracing::info!(thread = %self.name, task = %id, "task revoked");
            self.suspended.remove(id);
            self.tasks.remove(id);
            if !self.updating.contains_key(id) {
                self.states.close(*id)?;
            }
        }
        if !revoked.is_empty() {
            self.read(&self.positions())?;
        }
        let unwanted: Vec<TaskId> = self.updating.keys().copied().filter(|id| !active.contains(id) && !standby.contains(id)).collect();
        self.remove_from_updater(unwanted);
        Ok(())
    }

    fn remove_from_updater(&mut self, tasks: impl IntoIterator<Item = TaskId>) {
        for id in tasks {
            self.updating.remove(&id);
            self.leaving.insert(id);
            self.updater.remove(id);
        }
    }

    /// Lets go of all tasks and their states, as they were last committed.
    pub(super) fn close_tasks(&mut self) -> Result<(), Error> {
        let updating: Vec<TaskId> = self.updating.keys().copied().collect();
        self.remove_from_updater(updating);
        let open: Vec<TaskId> = std::mem::take(&mut self.tasks).into_keys().collect();
        open.into_iter().try_for_each(|id| self.states.close(id))
    }

    /// Only who has dropped everything may join again: the broker would take what the old membership had begun for the new
    /// one's. It may be asked for again.
    fn confirm_fence(&mut self) -> Result<(), Error> {
        self.abandon()?;
        if !self.leaving.is_empty() {
            return Ok(());
        }
        self.fenced = false;
        self.membership.aborted();
        Ok(())
    }

    /// Aborts, and drops every task without committing it.
    fn abandon(&mut self) -> Result<(), Error> {
        self.ready = false;
        self.assignment = None;
        let assigned = std::mem::take(&mut self.assigned);
        self.standby.clear();
        self.suspended.clear();
        self.environment.collector.output().clear();
        self.wrote = false;
        self.close_tasks()?;
        // A task that a recovery has dropped is not among those, and its state is open: queries would show it although
        // another instance has the task.
        assigned.into_iter().filter(|id| !self.leaving.contains(id)).try_for_each(|id| self.states.close(id))?;
        self.read(&[])?;
        if self.transaction.take().is_some() && self.producer.abort().is_err() {
            self.renew()?;
        }
        Ok(())
    }
}

fn failed(error: GroupError) -> Error {
    let (kind, message) = match error.kind() {
        GroupErrorKind::Unsupported => {
            (ErrorKind::Config, "the broker hands out no tasks; with group.protocol=classic instances share them on any broker")
        }
        GroupErrorKind::Unauthorized => (ErrorKind::Config, "the application's group may not be joined"),
        _ => (ErrorKind::InvalidState, "the application's group refuses this instance"),
    };
    Error::new(kind, message).with_source(error)
}
