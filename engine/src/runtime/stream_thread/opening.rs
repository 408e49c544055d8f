//! How a stream thread gets its tasks: it opens their state, brings it up to the changelogs, and reads on where the group
//! stands.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use straum_state::StoreSpec;

use super::commit::stands;
use super::{StreamThread, isolation};
use crate::error::{Error, ErrorKind};
use crate::log::{CommittedOffset, LogError, LogErrorKind, StartOffset, TopicPartition};
use crate::runtime::OffsetReset;
use crate::runtime::restore::Restore;
use crate::runtime::task::Task;
use crate::topology::{Subtopology, TaskId, changelog_topic};

impl StreamThread {
    /// Opens, restores and starts the assigned tasks that are not open, at the committed offsets. Tasks that failed in a
    /// commit wait for their next try; one whose state cannot be opened waits too, and harms no other.
    pub(super) fn open_tasks(&mut self) -> Result<(), Error> {
        let now = self.environment.clock.now();
        let mut assignment = self.positions();
        let closed = |id: &TaskId| !self.tasks.contains_key(id) && self.suspended.get(id).is_none_or(|failing| failing.may_run(now));
        let closed: Vec<TaskId> = self.assigned.iter().copied().filter(closed).collect();
        for id in closed {
            match self.open_task(id) {
                Ok((task, starts)) => {
                    self.starts.extend(starts.iter().cloned());
                    assignment.extend(starts);
                    self.tasks.insert(id, task);
                }
                // A state that cannot be opened, a processor that cannot begin.
                Err(error) if matches!(error.kind(), ErrorKind::State | ErrorKind::Processing) => {
                    self.suspended.entry(id).or_default().retry(error.in_task(id), &self.environment.config, now);
                }
                Err(error) if stands(error.log_kind()) => {
                    self.suspended.entry(id).or_default().pause(error.in_task(id));
                }
                Err(error) => return Err(error),
            }
        }
        self.consumer.assign(&assignment)?;
        self.paused.clear();
        Ok(())
    }

    /// The partitions that are read, each from where it stands.
    fn positions(&self) -> Vec<(TopicPartition, StartOffset)> {
        let started = |partition: &TopicPartition| self.starts.get(partition).copied().unwrap_or(StartOffset::Beginning);
        let position = |partition: &TopicPartition| self.consumer.position(partition).map_or_else(|| started(partition), StartOffset::At);
        self.tasks.values().flat_map(Task::partitions).map(|partition| (partition.clone(), position(partition))).collect()
    }

    fn open_task(&mut self, id: TaskId) -> Result<(Task, Vec<(TopicPartition, StartOffset)>), Error> {
        let subtopology = self.subtopology(id)?;
        let application = Arc::clone(&self.environment.config.application_id);
        let graph = &self.environment.topology.graph;
        let suppliers: Vec<_> =
            subtopology.stores.iter().filter_map(|name| graph.stores.get(name)).map(|entry| Arc::clone(&entry.supplier)).collect();
        let specs: Vec<StoreSpec> = suppliers.iter().map(|supplier| supplier.spec()).collect();
        let plan = Arc::clone(&self.plan);
        let partitions = plan.partitions(id);
        let committed = self.committed(partitions)?;
        let state = self.states.open(id, &specs)?;
        for supplier in suppliers.iter().filter(|supplier| supplier.changelog_config().is_some()) {
            let restore = Restore {
                log: &*self.log,
                client_id: &format!("{}-restore-consumer", self.name),
                state: &state,
                supplier: &**supplier,
                changelog: TopicPartition::new(changelog_topic(&application, supplier.name()), id.partition),
                isolation: isolation(&self.environment),
                now: self.environment.clock.now(),
                probe: &self.environment.probe,
            };
            let restored = restore.run(&mut |_| self.go_on())?;
            tracing::info!(task = %id, store = %restored.store, from = restored.from, end = restored.end, records = restored.records, "restored");
            self.restored.retain(|(task, before)| (*task, &before.store) != (id, &restored.store));
            self.restored.push((id, restored));
        }
        let mut starts = Vec::with_capacity(partitions.len());
        for (partition, offset) in partitions.iter().zip(&committed) {
            let start = match offset {
                Some(offset) => StartOffset::At(offset.offset),
                None => self.without_offset(partition)?,
            };
            starts.push((partition.clone(), start));
        }
        let made = catch_unwind(AssertUnwindSafe(|| Task::new(&self.environment, &subtopology, id, state, &committed, &starts)));
        let task = made.unwrap_or_else(|panic| Err(Error::panicked(&*panic)))?;
        Ok((task, starts))
    }

    /// In the middle of long work: the thread is alive, and goes on unless the application closes.
    fn go_on(&self) -> Result<(), Error> {
        self.membership.still_here();
        if self.environment.stop.load(Ordering::Acquire) {
            return Err(LogError::new(LogErrorKind::Retriable, "the application closes before its tasks are restored").into());
        }
        Ok(())
    }

    fn subtopology(&self, id: TaskId) -> Result<Subtopology, Error> {
        let subtopologies = self.environment.topology.subtopologies();
        subtopologies.iter().find(|subtopology| subtopology.id == id.subtopology).cloned().ok_or_else(|| {
            Error::new(ErrorKind::InvalidState, format!("no sub-topology {}, expected less than {}", id.subtopology, subtopologies.len())).in_task(id)
        })
    }

    fn committed(&self, partitions: &[TopicPartition]) -> Result<Vec<Option<CommittedOffset>>, Error> {
        loop {
            match self.log.committed(&self.environment.config.application_id, partitions) {
                Ok(offsets) => return Ok(offsets),
                Err(error) if error.kind() == LogErrorKind::Retriable => {
                    tracing::debug!(%error, "committed offsets are not stable yet");
                    self.go_on()?;
                    std::thread::sleep(self.environment.config.retry_backoff);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Where a partition is read from when the group has no offset for it, or one that is not there any more. What is in
    /// a repartition topic is always wanted.
    fn without_offset(&self, partition: &TopicPartition) -> Result<StartOffset, Error> {
        let of_source = self.environment.topology.graph.resets.get(&partition.topic).copied();
        match of_source.unwrap_or(self.environment.config.auto_offset_reset) {
            _ if self.plan.is_repartition(&partition.topic) => self.beginning(partition),
            OffsetReset::Earliest => self.beginning(partition),
            OffsetReset::Latest => Ok(StartOffset::End),
            OffsetReset::None => {
                let message = format!("no offset to read {partition} from and auto.offset.reset is none, expected the group to have committed one");
                Err(LogError::new(LogErrorKind::OffsetOutOfRange, message).at(partition).into())
            }
        }
    }

    /// By its number, so that there is an offset to commit before anything is read.
    fn beginning(&self, partition: &TopicPartition) -> Result<StartOffset, Error> {
        Ok(StartOffset::At(self.log.offsets(partition)?.0))
    }

    /// The offset a partition is to be read from has been deleted: retention was faster than the application.
    pub(super) fn reset(&mut self, partition: &TopicPartition, lost: Option<i64>) -> Result<(), Error> {
        let start = self.without_offset(partition)?;
        tracing::error!(%partition, lost, ?start, "the next record was deleted before it was read; reading on from where the reset says");
        let mut assignment = self.positions();
        for (assigned, position) in &mut assignment {
            if assigned == partition {
                *position = start;
            }
        }
        self.consumer.assign(&assignment)?;
        if !self.paused.is_empty() {
            self.consumer.pause(&self.paused)?;
        }
        Ok(())
    }
}
