//! How a stream thread follows its membership: tasks come and go, and everything is dropped when the membership is over.

use std::collections::BTreeSet;

use super::StreamThread;
use crate::error::{Error, ErrorKind};
use crate::group::member::ThreadMessage;
use crate::group::{GroupError, GroupErrorKind};
use crate::topology::TaskId;

impl StreamThread {
    /// Does what the membership asks for.
    pub(super) fn follow_membership(&mut self) -> Result<(), Error> {
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
        Ok(())
    }

    /// As [`StreamThread::follow_membership`], while nothing is processed.
    pub(crate) fn keep_membership(&mut self) -> Result<(), Error> {
        match self.follow_membership() {
            Err(error) if error.kind() == ErrorKind::Log => self.recover(error),
            outcome => outcome,
        }
    }

    /// Does what the last assignment says, unless it is done. One that fails half-way is tried again.
    fn take_over(&mut self) -> Result<(), Error> {
        let Some((number, tasks, ready)) = self.assignment.clone() else { return Ok(()) };
        self.assign(&tasks.active)?;
        self.membership.owns(number, tasks);
        self.ready = ready;
        self.assignment = None;
        Ok(())
    }

    /// Commits and closes the tasks that are not among `active`, and opens those that are new.
    fn assign(&mut self, active: &BTreeSet<TaskId>) -> Result<(), Error> {
        let revoked: Vec<TaskId> = self.assigned.iter().copied().filter(|id| !active.contains(id)).collect();
        self.assigned.retain(|id| active.contains(id));
        if revoked.iter().any(|id| self.tasks.contains_key(id)) {
            // What cannot be committed is rolled back, and whoever has the task next does it again.
            self.commit_or_recover()?;
        }
        for id in revoked {
            tracing::info!(thread = %self.name, task = %id, "task revoked");
            self.suspended.remove(&id);
            self.close_task(id)?;
        }
        if active.iter().any(|id| !self.assigned.contains(id)) {
            self.plan = self.membership.plan(&self.environment.topology, &self.environment.config, &*self.log)?;
        }
        self.assigned = active.iter().copied().collect();
        self.open_tasks()
    }

    fn close_task(&mut self, id: TaskId) -> Result<(), Error> {
        let Some(task) = self.tasks.remove(&id) else { return Ok(()) };
        let state = task.state().clone();
        drop(task);
        self.states.close(id, state)
    }

    /// Lets go of all tasks and their states, as they were last committed.
    pub(super) fn close_tasks(&mut self) -> Result<(), Error> {
        let open: Vec<TaskId> = self.tasks.keys().copied().collect();
        open.into_iter().try_for_each(|id| self.close_task(id))
    }

    /// Only who has dropped everything may join again: the broker would take what the old membership had begun for the new
    /// one's.
    fn confirm_fence(&mut self) -> Result<(), Error> {
        self.abandon()?;
        self.fenced = false;
        self.membership.aborted();
        Ok(())
    }

    /// Aborts, and drops every task without committing it.
    fn abandon(&mut self) -> Result<(), Error> {
        self.ready = false;
        self.assignment = None;
        self.assigned.clear();
        self.suspended.clear();
        self.environment.collector.output().clear();
        self.wrote = false;
        self.close_tasks()?;
        self.consumer.assign(&[])?;
        self.paused.clear();
        if self.transaction.take().is_some() && self.producer.abort().is_err() {
            self.renew()?;
        }
        Ok(())
    }
}

fn failed(error: GroupError) -> Error {
    let (kind, message) = match error.kind() {
        GroupErrorKind::Unsupported => (ErrorKind::Config, "the broker hands out no tasks; with a fixed assignment one process runs the application"),
        GroupErrorKind::Unauthorized => (ErrorKind::Config, "the application's group may not be joined"),
        _ => (ErrorKind::InvalidState, "the application's group refuses this instance"),
    };
    Error::new(kind, message).with_source(error)
}
