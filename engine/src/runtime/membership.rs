//! Which tasks a stream thread has, and in whose name it commits: a group's broker says so, or nobody does and the process
//! has them all.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::group::member::{AssignmentNumber, Membership as Epoch, ThreadMessage};
use crate::group::{MemberHandle, Tasks};
use crate::log::{GroupMembership, Log};
use crate::runtime::internal_topics::TaskPlan;
use crate::runtime::{StreamsConfig, internal_topics};
use crate::topology::{TaskId, Topology};

/// How long a thread that closes waits for its member's last heartbeat. It is not repeated: who is not heard falls out of the
/// group by the session time-out.
const GOODBYE: Duration = Duration::from_secs(5);

/// A stream thread's place among those that run the application.
pub(crate) enum Membership {
    /// One process runs the application, and its threads share the tasks out.
    Fixed {
        group: Arc<str>,
        plan: Arc<TaskPlan>,
        /// Until they are taken.
        tasks: Option<BTreeSet<TaskId>>,
    },
    /// One member of a group.
    Member { group: Arc<str>, handle: MemberHandle },
}

impl Membership {
    /// The share of the plan that one of so many threads has, for good.
    pub(crate) fn fixed(group: &Arc<str>, plan: &Arc<TaskPlan>, thread: usize, threads: usize) -> Self {
        let tasks = plan.of_thread(thread, threads).into_iter().collect();
        Self::Fixed { group: Arc::clone(group), plan: Arc::clone(plan), tasks: Some(tasks) }
    }

    /// The tasks there are. A group's may have changed since it was last asked, and its topics are there by the time that it hands
    /// out tasks, whoever has made them.
    pub(crate) fn plan(&self, topology: &Topology, config: &StreamsConfig, log: &dyn Log) -> Result<Arc<TaskPlan>, Error> {
        match self {
            Self::Fixed { plan, .. } => Ok(Arc::clone(plan)),
            Self::Member { .. } => internal_topics::prepare(topology, config, log).map(Arc::new).map_err(|error| match error.kind() {
                // They did when the group looked, which it does again.
                ErrorKind::Topology => Error::new(ErrorKind::Log, "the topics no longer fit what the group has handed out").with_source(error),
                _ => error,
            }),
        }
    }

    /// What has changed, one at a time.
    pub(crate) fn poll(&mut self) -> Option<ThreadMessage> {
        match self {
            Self::Fixed { tasks, .. } => tasks.take().map(|active| ThreadMessage::Assigned {
                assignment: AssignmentNumber::default(),
                membership: Epoch { number: 1, epoch: 0 },
                tasks: Tasks { active, ..Tasks::default() },
                ready: true,
            }),
            Self::Member { handle, .. } => handle.poll(),
        }
    }

    /// What an assignment no longer has is committed and closed.
    pub(crate) fn owns(&self, assignment: AssignmentNumber, tasks: Tasks) {
        if let Self::Member { handle, .. } = self {
            handle.owns(assignment, tasks);
        }
    }

    /// The transaction of a membership that is over is aborted, and every task dropped.
    pub(crate) fn aborted(&self) {
        if let Self::Member { handle, .. } = self {
            handle.aborted();
        }
    }

    /// In whose name a commit is made now; `None` while out of the group, when nothing may be committed.
    pub(crate) fn identity(&self) -> Option<GroupMembership> {
        match self {
            Self::Fixed { group, .. } => Some(GroupMembership { group: group.to_string(), member: None }),
            Self::Member { group, handle } => {
                let epoch = handle.membership()?.epoch;
                Some(GroupMembership { group: group.to_string(), member: Some((handle.member_id().to_owned(), epoch)) })
            }
        }
    }

    /// The thread ends; with `leave` its tasks go to others at once.
    pub(crate) fn close(&self, leave: bool) {
        if let Self::Member { handle, .. } = self {
            handle.close(leave);
            while leave && !matches!(handle.poll_for(GOODBYE), None | Some(ThreadMessage::Left | ThreadMessage::Failed(_))) {}
        }
    }
}
