//! A group coordinator as KIP-1071 describes it: sticky targets, two-phase hand-over by process, epochs, sessions, and the
//! rules by which it takes or refuses a commit. One sub-topology, source topics that are always there.

use std::collections::{BTreeMap, BTreeSet};

use straum::group::wire::{HeartbeatRequest, HeartbeatResponse, TaskIds};
use straum::topology::TaskId;

pub(crate) const FENCED_MEMBER_EPOCH: i16 = 110;
pub(crate) const UNKNOWN_MEMBER_ID: i16 = 25;
const STALE_MEMBER_EPOCH: i16 = 113;

pub(crate) const SESSION: u64 = 6000;
const INTERVAL: i32 = 500;

type TaskSet = BTreeSet<TaskId>;

#[derive(Debug, Default)]
struct Enrolled {
    process: String,
    epoch: i32,
    previous_epoch: i32,
    /// What it may have, and the epoch at which it got it.
    assigned: BTreeMap<TaskId, i32>,
    /// What it must give up and has not yet.
    revoking: BTreeMap<TaskId, i32>,
    last_heard: u64,
}

#[derive(Debug)]
pub(crate) struct Broker {
    tasks: TaskSet,
    epoch: i32,
    target: BTreeMap<String, TaskSet>,
    members: BTreeMap<String, Enrolled>,
    /// What is processed of each task.
    pub(crate) committed: BTreeMap<TaskId, u64>,
    /// The first work that was committed twice.
    pub(crate) violation: Option<String>,
}

fn in_partitions(tasks: &TaskSet) -> Vec<TaskIds> {
    let partitions = tasks.iter().map(|task| i32::try_from(task.partition).unwrap()).collect();
    if tasks.is_empty() { Vec::new() } else { vec![TaskIds { subtopology_id: "0".to_owned(), partitions }] }
}

fn of_partitions(tasks: &[TaskIds]) -> TaskSet {
    tasks.iter().flat_map(|of| &of.partitions).map(|partition| TaskId { subtopology: 0, partition: u32::try_from(*partition).unwrap() }).collect()
}

fn refusal(error_code: i16) -> HeartbeatResponse {
    HeartbeatResponse { error_code, ..HeartbeatResponse::default() }
}

impl Broker {
    pub(crate) fn new(tasks: u32) -> Self {
        let tasks: TaskSet = (0..tasks).map(|partition| TaskId { subtopology: 0, partition }).collect();
        let committed = tasks.iter().map(|task| (*task, 0)).collect();
        Self { tasks, epoch: 1, target: BTreeMap::new(), members: BTreeMap::new(), committed, violation: None }
    }

    pub(crate) fn tasks(&self) -> &TaskSet {
        &self.tasks
    }

    /// A new coordinator gives everyone a new session.
    pub(crate) fn moved(&mut self, now: u64) {
        self.members.values_mut().for_each(|member| member.last_heard = now);
    }

    pub(crate) fn heartbeat(&mut self, request: &HeartbeatRequest, now: u64) -> HeartbeatResponse {
        self.expire(now);
        let id = &request.member_id;
        if request.member_epoch == -1 {
            if self.members.remove(id).is_none() {
                return refusal(UNKNOWN_MEMBER_ID);
            }
            self.bump();
            return HeartbeatResponse { member_id: id.clone(), member_epoch: -1, ..HeartbeatResponse::default() };
        }
        let owned = request.active_tasks.as_deref().map(of_partitions);
        let joins = request.member_epoch == 0;
        if joins {
            let process = request.process_id.clone().unwrap_or_default();
            let member = self.members.entry(id.clone()).or_default();
            let known = member.process == process;
            member.process = process;
            if !known {
                self.bump();
            }
        }
        let Some(member) = self.members.get_mut(id) else { return refusal(UNKNOWN_MEMBER_ID) };
        let contained = owned.as_ref().is_some_and(|owned| owned.iter().all(|task| member.assigned.contains_key(task)));
        let lost_response = request.member_epoch == member.previous_epoch && contained;
        if !joins && request.member_epoch != member.epoch && !lost_response {
            return refusal(FENCED_MEMBER_EPOCH);
        }
        member.last_heard = now;
        let before = member.assigned.clone();
        self.reconcile(id, owned.as_ref());
        let member = &self.members[id];
        // As Kafka 4.3 does: what a lost answer said is not said again.
        let differs = before.keys().ne(member.assigned.keys());
        let shown = (joins || differs).then(|| in_partitions(&member.assigned.keys().copied().collect()));
        let empty = shown.as_ref().map(|_| Vec::new());
        HeartbeatResponse {
            member_id: id.clone(),
            member_epoch: member.epoch,
            heartbeat_interval_ms: INTERVAL,
            status: Some(Vec::new()),
            active_tasks: shown,
            standby_tasks: empty.clone(),
            warmup_tasks: empty,
            ..HeartbeatResponse::default()
        }
    }

    /// A member's epoch and tasks.
    pub(crate) fn describe(&self, id: &str) -> Option<(i32, TaskSet)> {
        let member = self.members.get(id)?;
        Some((member.epoch, member.assigned.keys().copied().collect()))
    }

    fn expire(&mut self, now: u64) {
        let before = self.members.len();
        self.members.retain(|_, member| member.last_heard + SESSION > now);
        if self.members.len() < before {
            self.bump();
        }
    }

    /// A new group epoch, and the fewest moves to an even target.
    fn bump(&mut self) {
        self.epoch += 1;
        let mut target: BTreeMap<String, TaskSet> = self.members.keys().map(|id| (id.clone(), TaskSet::new())).collect();
        if target.is_empty() {
            self.target = target;
            return;
        }
        let most = self.tasks.len().div_ceil(target.len());
        let mut open = self.tasks.clone();
        for (id, tasks) in &mut target {
            let kept: Vec<TaskId> = self.target.get(id).into_iter().flatten().copied().filter(|task| open.contains(task)).take(most).collect();
            kept.iter().for_each(|task| _ = open.remove(task));
            tasks.extend(kept);
        }
        for task in open {
            let least = target.values_mut().min_by_key(|tasks| tasks.len()).unwrap();
            least.insert(task);
        }
        self.target = target;
    }

    fn reconcile(&mut self, id: &str, owned: Option<&TaskSet>) {
        let target = self.target.get(id).cloned().unwrap_or_default();
        let member = &self.members[id];
        // It waits until the client says that what it must give up is gone.
        if member.revoking.keys().any(|task| owned.is_none_or(|owned| owned.contains(task))) {
            return;
        }
        let revoked: BTreeMap<TaskId, i32> =
            member.assigned.iter().filter(|(task, _)| !target.contains(task)).map(|(task, epoch)| (*task, *epoch)).collect();
        let must_wait = revoked.keys().any(|task| owned.is_none_or(|owned| owned.contains(task)));
        let process = member.process.clone();
        let released = |task: &TaskId| {
            let holders = self.members.iter().filter(|(_, other)| other.assigned.contains_key(task) || other.revoking.contains_key(task));
            // Whoever is in the same process holds it too, unless it is this member.
            holders.map(|(holder, other)| (holder, &other.process)).all(|(holder, of)| holder == id && *of == process)
        };
        let gained: Vec<TaskId> = target.iter().filter(|task| !member.assigned.contains_key(task) && released(task)).copied().collect();
        let group_epoch = self.epoch;
        let member = self.members.get_mut(id).unwrap();
        member.assigned.retain(|task, _| target.contains(task));
        if must_wait {
            member.revoking = revoked;
            return;
        }
        member.revoking.clear();
        if member.epoch != group_epoch {
            member.previous_epoch = member.epoch;
            member.epoch = group_epoch;
        }
        member.assigned.extend(gained.into_iter().map(|task| (task, group_epoch)));
    }

    /// Whether a commit of this task in this member's name would be taken: the member's own epoch is not looked at further;
    /// an older one is taken for a task that the member has had since.
    pub(crate) fn would_take(&self, id: &str, epoch: i32, task: TaskId) -> Result<(), i16> {
        let member = self.members.get(id).ok_or(UNKNOWN_MEMBER_ID)?;
        let had_since = || member.assigned.get(&task).or(member.revoking.get(&task)).is_some_and(|since| epoch >= *since);
        if epoch == member.epoch || (epoch < member.epoch && had_since()) { Ok(()) } else { Err(STALE_MEMBER_EPOCH) }
    }

    /// A transaction's commit: all tasks or none. `work` has what was committed when each task was read, and what is now.
    pub(crate) fn commit(&mut self, id: &str, epoch: i32, work: &BTreeMap<TaskId, (u64, u64)>, now: u64) -> Result<(), i16> {
        self.expire(now);
        for task in work.keys() {
            self.would_take(id, epoch, *task)?;
        }
        for (task, (from, to)) in work {
            let committed = self.committed.get_mut(task).unwrap();
            if committed != from {
                self.violation
                    .get_or_insert_with(|| format!("{task} is processed twice: {id} at epoch {epoch} began at {from}, {committed} are committed"));
            }
            *committed = *to;
        }
        Ok(())
    }

    /// Every member is at the group's epoch with its whole target.
    pub(crate) fn is_stable(&self) -> bool {
        let settled = |(id, member): (&String, &Enrolled)| {
            member.epoch == self.epoch
                && member.revoking.is_empty()
                && self.target.get(id).is_some_and(|target| target.iter().eq(member.assigned.keys()))
        };
        self.members.iter().all(settled)
    }
}
