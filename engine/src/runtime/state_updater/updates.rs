//! The work of a state updater, a step at a time: opens states, reads their changelogs, hands over what is complete.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use straum_state::{StoreSpec, TaskState};

use super::changelog::{Changelog, changelog_of};
use super::{ChangelogProgress, Order, POLL, Ready, Report, TaskRole, UpdaterEnvironment, publish, start_without_offset};
use crate::error::{Error, ErrorKind};
use crate::log::{CommittedOffset, Consumer, ConsumerOptions, Isolation, LogError, LogErrorKind, RecordBatch, StartOffset, TopicPartition};
use crate::runtime::internal_topics::TaskPlan;
use crate::runtime::{ProbePoint, SeededFault};
use crate::topology::{StoreEntry, Subtopology, TaskId};

/// How often, at the most, it is asked how far the group has processed what copies are made of.
const FOLLOW: Duration = Duration::from_millis(100);

/// A task whose state is brought up, or kept up.
struct Updating {
    role: TaskRole,
    plan: Arc<TaskPlan>,
    /// Its changelogs are read, or are at their ends.
    reading: bool,
    /// The group's offsets of an active task's partitions.
    committed: Vec<Option<CommittedOffset>>,
    state: Option<TaskState>,
    changelogs: Vec<Changelog>,
    /// When it is tried again to open it, which could not be done yet.
    retry_at: Option<Instant>,
}

pub(crate) struct Updates {
    environment: UpdaterEnvironment,
    tasks: BTreeMap<TaskId, Updating>,
    consumer: Option<Box<dyn Consumer>>,
    /// What the consumer reads.
    assigned: Vec<TopicPartition>,
    batches: Vec<RecordBatch>,
    /// When it was last asked what the group has processed.
    followed_at: Option<Instant>,
}

impl Updates {
    pub(super) fn new(environment: UpdaterEnvironment) -> Self {
        Self { environment, tasks: BTreeMap::new(), consumer: None, assigned: Vec::new(), batches: Vec::new(), followed_at: None }
    }

    pub(super) fn has_work(&self) -> bool {
        !self.tasks.is_empty()
    }

    pub(super) fn has_active(&self) -> bool {
        self.tasks.values().any(|task| task.role == TaskRole::Active)
    }

    pub(super) fn take(&mut self, order: Order, report: &mut dyn FnMut(Report)) {
        match order {
            Order::Add { task, role, plan } => {
                let known = self.tasks.remove(&task);
                let (state, changelogs) = known.map(|known| (known.state, known.changelogs)).unwrap_or_default();
                // A copy is at once what it was, while what is to become active has to hear where it ends.
                let reading = state.is_some() && role == TaskRole::Standby;
                self.tasks.insert(task, Updating { role, plan, reading, committed: Vec::new(), state, changelogs, retry_at: None });
            }
            Order::Remove(task) => {
                self.tasks.remove(&task);
                self.let_go(task);
                self.rest();
                report(Report::Removed(task));
            }
        }
        self.publish();
    }

    fn let_go(&self, task: TaskId) {
        if let Err(error) = self.environment.states.close(task) {
            tracing::warn!(%task, %error, "a state could not be flushed when it was closed; its changelog has what is missing");
        }
    }

    /// Lets go of every state it has.
    pub(super) fn close(mut self) {
        let tasks: Vec<TaskId> = std::mem::take(&mut self.tasks).into_keys().collect();
        tasks.into_iter().for_each(|task| self.let_go(task));
        self.publish();
    }

    /// One step: opens at most one task, so that those that are open are read on meanwhile, and waits at most so long for records.
    pub(super) fn step(&mut self, wait: Duration, report: &mut dyn FnMut(Report)) {
        let wait = if self.open_next(report) { Duration::ZERO } else { wait };
        self.hand_over(report);
        self.follow_group(report);
        self.publish();
        if let Err(error) = self.assign().and_then(|()| self.read(wait, report)) {
            self.reading_failed(error, report);
        }
        self.hand_over(report);
        self.rest();
        self.publish();
    }

    /// With nothing to do, nothing is fetched.
    fn rest(&mut self) {
        if self.tasks.is_empty() && !self.assigned.is_empty() {
            self.assigned.clear();
            if self.consumer.as_mut().is_some_and(|consumer| consumer.assign(&[]).is_err()) {
                self.consumer = None;
            }
        }
    }

    /// Opens the most urgent task that is not open: active ones first. False when there is none.
    fn open_next(&mut self, report: &mut dyn FnMut(Report)) -> bool {
        let now = Instant::now();
        let closed = self.tasks.iter().filter(|(_, task)| !task.reading && task.retry_at.is_none_or(|at| at <= now));
        let Some(id) = closed.min_by_key(|(id, task)| (task.role, **id)).map(|(id, _)| *id) else { return false };
        match self.open(id) {
            Ok(()) => {}
            Err(error) if error.log_kind() == Some(LogErrorKind::Retriable) => {
                tracing::debug!(task = %id, %error, "committed offsets are not stable yet");
                let at = now + self.environment.config.retry_backoff;
                if let Some(task) = self.tasks.get_mut(&id) {
                    task.retry_at = Some(at);
                }
            }
            Err(error) => self.fail(id, error, report),
        }
        true
    }

    fn open(&mut self, id: TaskId) -> Result<(), Error> {
        let environment = &self.environment;
        let stores = stores(environment, id)?;
        let Some(task) = self.tasks.get_mut(&id) else { return Ok(()) };
        let (application, partitions) = (&environment.config.application_id, task.plan.partitions(id));
        if task.role == TaskRole::Active || stores.iter().any(|store| store.source.is_some()) {
            task.committed = environment.log.committed(application, partitions)?;
        }
        let offsets = partitions.iter().zip(&task.committed);
        let offsets: BTreeMap<_, _> = offsets.filter_map(|(partition, committed)| Some((partition, committed.as_ref()?.offset))).collect();
        let committed = |partition: &TopicPartition| offsets.get(partition).copied();
        if let Some(state) = &task.state {
            tracing::info!(task = %id, "a standby task becomes active with the state it has");
            for changelog in &mut task.changelogs {
                let committed = committed(&changelog.partition);
                changelog.promote(&*environment.log, state, committed)?;
            }
        } else {
            let specs: Vec<StoreSpec> = stores.iter().map(|store| store.supplier.spec()).collect();
            let state = environment.states.open(id, &specs)?;
            let logged = stores.iter().filter_map(|store| Some((store, changelog_of(store, id, &task.plan, application)?)));
            let changelogs = logged.map(|(store, partition)| {
                let committed = committed(&partition);
                Changelog::open(environment, &state, store, partition, committed)
            });
            task.changelogs = changelogs.collect::<Result<_, _>>()?;
            task.state = Some(state);
        }
        task.reading = true;
        Ok(())
    }

    /// Hands over the active tasks whose states are complete.
    fn hand_over(&mut self, report: &mut dyn FnMut(Report)) {
        let complete = |task: &Updating| task.role == TaskRole::Active && task.reading && task.changelogs.iter().all(Changelog::is_complete);
        let complete: Vec<TaskId> = self.tasks.iter().filter(|(_, task)| complete(task)).map(|(id, _)| *id).collect();
        for id in complete {
            match self.starts(id) {
                Err(error) => self.fail(id, error, report),
                Ok(starts) => {
                    let Some(Updating { state: Some(state), committed, changelogs, .. }) = self.tasks.remove(&id) else { continue };
                    let restored = changelogs.into_iter().map(|changelog| changelog.restored).collect();
                    report(Report::Ready(Box::new(Ready { task: id, state, committed, starts, restored })));
                }
            }
        }
    }

    /// Where the task reads on.
    fn starts(&self, id: TaskId) -> Result<Vec<(TopicPartition, StartOffset)>, Error> {
        let Some(task) = self.tasks.get(&id) else { return Ok(Vec::new()) };
        let environment = &self.environment;
        let start = |(partition, committed): (&TopicPartition, &Option<CommittedOffset>)| {
            let start = match committed {
                Some(committed) => StartOffset::At(committed.offset),
                None => start_without_offset(&*environment.log, &environment.topology, &environment.config, &task.plan, partition)?,
            };
            Ok((partition.clone(), start))
        };
        task.plan.partitions(id).iter().zip(&task.committed).map(start).collect()
    }

    fn fail(&mut self, id: TaskId, error: Error, report: &mut dyn FnMut(Report)) {
        self.tasks.remove(&id);
        self.let_go(id);
        report(Report::Failed { task: id, error: error.in_task(id) });
    }

    /// Has the consumer read what is most urgent: the changelogs of active tasks, and those of standby tasks when there are none.
    fn assign(&mut self) -> Result<(), LogError> {
        let of_role = |role: TaskRole| {
            let tasks = self.tasks.values().filter(move |task| task.role == role && task.reading);
            tasks.flat_map(|task| &task.changelogs).filter(move |changelog| role == TaskRole::Standby || !changelog.is_complete())
        };
        let mut wanted: Vec<&Changelog> = of_role(TaskRole::Active).collect();
        if wanted.is_empty() {
            wanted = of_role(TaskRole::Standby).collect();
        }
        if wanted.iter().all(|changelog| changelog.is_read) && wanted.iter().map(|changelog| &changelog.partition).eq(&self.assigned) {
            return Ok(());
        }
        let starts: Vec<_> = wanted.iter().map(|changelog| (changelog.partition.clone(), changelog.start_offset())).collect();
        let consumer = match &mut self.consumer {
            Some(consumer) => consumer,
            None => {
                let options = ConsumerOptions { client_id: format!("{}-consumer", self.environment.name), isolation: isolation(&self.environment) };
                self.consumer.insert(self.environment.log.consumer(&options)?)
            }
        };
        consumer.assign(&starts)?;
        self.assigned = starts.into_iter().map(|(partition, _)| partition).collect();
        let mut paused = Vec::new();
        for changelog in self.tasks.values_mut().flat_map(|task| &mut task.changelogs) {
            changelog.is_read = self.assigned.contains(&changelog.partition);
            if let Some(source) = &mut changelog.source {
                source.forget();
                if std::mem::take(&mut source.is_paused) && changelog.is_read {
                    paused.push(changelog.partition.clone());
                }
            }
        }
        if paused.is_empty() { Ok(()) } else { consumer.resume(&paused) }
    }

    /// Has copies of tables that are read from their source topics follow what the group has processed.
    fn follow_group(&mut self, report: &mut dyn FnMut(Report)) {
        let now = Instant::now();
        if self.followed_at.is_some_and(|at| now - at < self.environment.config.commit_interval.max(FOLLOW)) || self.has_active() {
            return;
        }
        let copies = self.tasks.values().filter(|task| task.reading).flat_map(|task| &task.changelogs);
        let partitions: Vec<_> = copies.filter(|changelog| changelog.source.is_some()).map(|changelog| changelog.partition.clone()).collect();
        if partitions.is_empty() {
            return;
        }
        self.followed_at = Some(now);
        let committed = match self.environment.log.committed(&self.environment.config.application_id, &partitions) {
            Ok(committed) => committed,
            // The copies are no worse for it.
            Err(error) => return tracing::debug!(%error, "committed offsets are not known now"),
        };
        for committed in committed.into_iter().flatten() {
            let Some((id, _, state, changelog)) = changelog_at(&mut self.tasks, &committed.partition) else { continue };
            if let Err(error) = changelog.follow(committed.offset, state) {
                self.fail(id, error, report);
            }
        }
    }

    /// What lies beyond what is processed waits here, and nothing more is fetched meanwhile.
    fn back_pressure(&mut self) -> Result<(), LogError> {
        let Some(consumer) = &mut self.consumer else { return Ok(()) };
        let (mut pause, mut resume) = (Vec::new(), Vec::new());
        for changelog in self.tasks.values_mut().flat_map(|task| &mut task.changelogs).filter(|changelog| changelog.is_read) {
            let Some(source) = changelog.source.as_mut().filter(|source| source.holds() != source.is_paused) else { continue };
            source.is_paused = source.holds();
            let change = if source.is_paused { &mut pause } else { &mut resume };
            change.push(changelog.partition.clone());
        }
        if !pause.is_empty() {
            consumer.pause(&pause)?;
        }
        if resume.is_empty() { Ok(()) } else { consumer.resume(&resume) }
    }

    fn read(&mut self, wait: Duration, report: &mut dyn FnMut(Report)) -> Result<(), LogError> {
        let Some(consumer) = self.consumer.as_mut().filter(|_| !self.assigned.is_empty()) else {
            if !self.tasks.is_empty() && self.tasks.values().all(|task| task.reading || task.retry_at.is_some()) {
                std::thread::sleep(self.environment.config.retry_backoff.min(POLL));
            }
            return Ok(());
        };
        consumer.poll(wait, &mut self.batches)?;
        let mut failed = Vec::new();
        for batch in self.batches.drain(..) {
            let Some((id, role, state, changelog)) = changelog_at(&mut self.tasks, batch.partition()) else { continue };
            match changelog.apply(state, batch) {
                Ok(()) if role == TaskRole::Active => self.environment.probe.reached(ProbePoint::MidRestore),
                Ok(()) => {}
                Err(error) => failed.push((id, error)),
            }
        }
        for partition in &self.assigned {
            let Some((_, role, _, changelog)) = changelog_at(&mut self.tasks, partition) else { continue };
            if let Some(position) = consumer.position(partition) {
                changelog.reached(position);
            }
            let end = consumer.end_offset(partition).unwrap_or(changelog.restored.end);
            match self.environment.probe.fault() {
                _ if role == TaskRole::Standby && changelog.source.is_some() => {}
                _ if role == TaskRole::Standby => changelog.restored.end = end,
                Some(SeededFault::RestoreToLastStableOffset) => changelog.restored.end = end.min(changelog.restored.end),
                _ => {}
            }
        }
        failed.into_iter().for_each(|(id, error)| self.fail(id, error, report));
        self.back_pressure()
    }

    /// What concerns one changelog concerns its task alone.
    fn reading_failed(&mut self, error: LogError, report: &mut dyn FnMut(Report)) {
        if error.kind() == LogErrorKind::Retriable {
            tracing::debug!(%error, "changelogs could not be read and are tried again");
            std::thread::sleep(self.environment.config.retry_backoff.min(POLL));
            return;
        }
        let Some(partition) = error.partition().cloned() else {
            self.consumer = None;
            self.assigned.clear();
            let reading: Vec<TaskId> = self.tasks.iter().filter(|(_, task)| task.reading).map(|(id, _)| *id).collect();
            let text = error.to_string();
            reading.into_iter().for_each(|id| self.fail(id, Error::new(ErrorKind::Log, text.clone()), report));
            return;
        };
        let Some((id, _, state, changelog)) = changelog_at(&mut self.tasks, &partition) else { return };
        let outcome = match error.kind() {
            LogErrorKind::OffsetOutOfRange => changelog.start_over(&*self.environment.log, state),
            _ => Err(error.into()),
        };
        if let Err(error) = outcome {
            self.fail(id, error, report);
        }
    }

    fn publish(&self) {
        let progress = self.tasks.iter().flat_map(|(id, task)| {
            task.changelogs.iter().map(|changelog| ChangelogProgress {
                task: *id,
                role: task.role,
                store: Arc::clone(&changelog.restored.store),
                start: changelog.start,
                position: changelog.position,
                end: changelog.restored.end,
                bytes: changelog.restored.bytes,
            })
        });
        publish(&self.environment.progress, progress.collect());
    }
}

fn changelog_at<'t>(
    tasks: &'t mut BTreeMap<TaskId, Updating>,
    partition: &TopicPartition,
) -> Option<(TaskId, TaskRole, &'t TaskState, &'t mut Changelog)> {
    tasks.iter_mut().find_map(|(id, task)| {
        let Updating { role, state, changelogs, .. } = task;
        let changelog = changelogs.iter_mut().find(|changelog| changelog.partition == *partition)?;
        Some((*id, *role, state.as_ref()?, changelog))
    })
}

fn stores(environment: &UpdaterEnvironment, id: TaskId) -> Result<Vec<StoreEntry>, Error> {
    let graph = &environment.topology.graph;
    let stores = &subtopology(environment, id)?.stores;
    Ok(stores.iter().filter_map(|name| graph.stores.get(name)).cloned().collect())
}

fn subtopology(environment: &UpdaterEnvironment, id: TaskId) -> Result<&Subtopology, Error> {
    let subtopologies = environment.topology.subtopologies();
    subtopologies.iter().find(|subtopology| subtopology.id == id.subtopology).ok_or_else(|| {
        Error::new(ErrorKind::InvalidState, format!("no sub-topology {}, expected less than {}", id.subtopology, subtopologies.len())).in_task(id)
    })
}

/// Under exactly-once an aborted record must not reach the store.
fn isolation(environment: &UpdaterEnvironment) -> Isolation {
    if environment.config.is_exactly_once() { Isolation::ReadCommitted } else { Isolation::ReadUncommitted }
}
