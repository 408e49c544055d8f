//! Which tasks a stream thread has, and in whose name it commits: a group says so, or nobody does and the process
//! has them all.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::error::{Error, ErrorKind};
use crate::group::member::{AssignmentNumber, MemberSettings, Membership as Epoch, ThreadMessage};
use crate::group::{LeadTopics, MemberHandle, Tasks, heartbeat_topology};
use crate::log::{GroupMembership, GroupProtocol, Log};
use crate::runtime::internal_topics::TaskPlan;
use crate::runtime::state_directory::StateDirectory;
use crate::runtime::{Probe, StreamsConfig, internal_topics};
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
    Member {
        group: Arc<str>,
        handle: MemberHandle,
        /// Of a classic group, whose members must agree on them.
        lead_topics: Option<LeadTopics>,
    },
}

/// The places of an application's threads: members of a group where the log has groups, else the tasks shared out among them. A
/// streams group makes the topics itself.
pub(crate) fn of_threads(
    topology: &Topology,
    config: &StreamsConfig,
    log: &dyn Log,
    directory: &StateDirectory,
    #[cfg_attr(not(feature = "faults"), expect(unused_variables, reason = "a probe does nothing then"))] probe: &Probe,
) -> Result<Vec<Membership>, Error> {
    let application = &config.application_id;
    let plan = || internal_topics::prepare(topology, config, log).map(Arc::new);
    let lead_topics = match log.group_protocol() {
        GroupProtocol::Streams => None,
        GroupProtocol::Classic => {
            tracing::warn!("group.protocol=classic: no standby tasks, tasks move freely at a restart, and every rebalance pauses all of them");
            Some(plan()?.lead_topics())
        }
        GroupProtocol::Fixed => {
            let plan = plan()?;
            let count = plan.threads(config.num_stream_threads);
            return Ok((0..count).map(|index| Membership::fixed(application, &plan, index, count)).collect());
        }
    };
    let mut members = Vec::new();
    for thread in 0..config.num_stream_threads {
        let (process_id, member_id) = (directory.process_id().to_string(), directory.member_id(thread)?.to_string());
        let mut settings = MemberSettings::new(&**application, process_id, member_id, heartbeat_topology(topology, application));
        settings.max_poll_interval = config.max_poll_interval;
        settings.retry_backoff = config.retry_backoff;
        settings.retry_backoff_max = config.retry_backoff_max;
        settings.lead_topics = lead_topics.clone().unwrap_or_default();
        #[cfg(feature = "faults")]
        {
            settings.rejoin_before_abort = probe.fault() == Some(crate::runtime::SeededFault::RejoinBeforeAbort);
        }
        let handle = log.join(settings)?;
        members.push(Membership::Member { group: Arc::clone(application), handle, lead_topics: lead_topics.clone() });
    }
    Ok(members)
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
            Self::Member { lead_topics, .. } => {
                let plan = internal_topics::prepare(topology, config, log).map_err(|error| match error.kind() {
                    // They did when the group looked, which it does again.
                    ErrorKind::Topology => Error::new(ErrorKind::Log, "the topics no longer fit what the group has handed out").with_source(error),
                    _ => error,
                })?;
                match lead_topics {
                    // A task would be another's too, who goes by another topic.
                    Some(joined_for) if *joined_for != plan.lead_topics() => Err(Error::topology(
                        "a source topic has more partitions than those that the group goes by, expected none to grow: start every instance again",
                    )),
                    _ => Ok(Arc::new(plan)),
                }
            }
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
            Self::Member { group, handle, .. } => {
                let epoch = handle.membership()?.epoch;
                Some(GroupMembership { group: group.to_string(), member: Some((handle.member_id().to_string(), epoch)) })
            }
        }
    }

    /// The thread ends; with `leave` its tasks go to others at once. A classic group keeps no place for who comes back.
    pub(crate) fn close(&self, leave: bool) {
        if let Self::Member { handle, lead_topics, .. } = self {
            let leave = leave || lead_topics.is_some();
            handle.close(leave);
            while leave && !matches!(handle.poll_for(GOODBYE), None | Some(ThreadMessage::Left | ThreadMessage::Failed(_))) {}
        }
    }
}
