//! How a stream thread commits, and starts again from what is committed when something failed.

use std::rc::Rc;

use super::{OUTPUT_BYTES, StreamThread, make_producer};
use crate::error::{Error, ErrorKind};
use crate::log::{CommittedOffset, GroupMembership, LogError, LogErrorKind, Offset, TopicPartition};
use crate::runtime::handlers::{Decision, Failure};
use crate::runtime::task::Task;
use crate::runtime::{ProbePoint, SeededFault};
use crate::topology::TaskId;

impl StreamThread {
    fn begin(&mut self) -> Result<(), Error> {
        if self.environment.config.is_exactly_once() && self.transaction.is_none() {
            self.producer.begin()?;
            self.transaction = Some(self.environment.clock.now());
        }
        Ok(())
    }

    /// Hands the output over when it is much.
    pub(super) fn send_if_full(&mut self) -> Result<(), Error> {
        if self.environment.collector.output().bytes() > OUTPUT_BYTES { self.send() } else { Ok(()) }
    }

    /// Hands the collected output, if any, to the producer.
    pub(super) fn send(&mut self) -> Result<(), Error> {
        let environment = Rc::clone(&self.environment);
        if environment.collector.output().is_empty() {
            return Ok(());
        }
        self.begin()?;
        let mut output = environment.collector.output();
        self.producer.send(&output)?;
        output.clear();
        self.wrote = true;
        Ok(())
    }

    /// Commits everything done so far: outputs, changelogs, offsets, and then the stores. False when there was nothing.
    pub(crate) fn commit(&mut self) -> Result<bool, Error> {
        self.last_commit = self.environment.clock.now();
        for task in self.tasks.values_mut() {
            task.flush_caches()?;
        }
        let mut dirty = false;
        let tasks: Vec<TaskId> = self.tasks.keys().copied().collect();
        for id in tasks {
            let Some(task) = self.tasks.get_mut(&id) else { continue };
            dirty |= task.prepare()?;
            self.send_if_full()?;
        }
        self.send()?;
        let wrote = self.wrote || dirty;
        let offsets: Vec<CommittedOffset> = self.tasks.values().flat_map(|task| task.offsets(wrote)).collect();
        if offsets.is_empty() && !wrote {
            self.producer.serve();
            return Ok(false);
        }
        let Some(membership) = self.membership.identity() else {
            return Err(LogError::new(LogErrorKind::Abortable, "the thread is out of the group, expected to be a member to commit").into());
        };
        let probe = self.environment.probe.clone();
        if self.environment.config.is_exactly_once() {
            self.begin()?;
            probe.reached(ProbePoint::BeforeOffsets);
            match probe.fault() {
                Some(SeededFault::CommitWithoutOffsets) => {}
                Some(SeededFault::UnfencedOffsets) => self.producer.send_offsets(&GroupMembership { member: None, ..membership }, &offsets)?,
                _ => self.producer.send_offsets(&membership, &offsets)?,
            }
            if probe.fault() == Some(SeededFault::ApplyBeforeCommit) {
                // A flush may come at any time; a mistake that only shows after one would be hard to see.
                self.producer.flush()?;
                self.apply(&offsets)?;
                self.tasks.values().try_for_each(|task| task.state().flush())?;
            }
            probe.reached(ProbePoint::BeforeCommit);
            self.producer.commit()?;
            self.transaction = None;
            probe.reached(ProbePoint::BetweenCommitAndApply);
            if probe.fault() != Some(SeededFault::ApplyBeforeCommit) {
                self.apply(&offsets)?;
            }
        } else {
            self.producer.flush()?;
            self.apply(&offsets)?;
            probe.reached(ProbePoint::BeforeOffsets);
            self.log.commit_offsets(&membership, &offsets)?;
        }
        probe.reached(ProbePoint::Applied);
        // The interval is that between commits: one that takes long must not leave less time for the work.
        self.last_commit = self.environment.clock.now();
        self.wrote = false;
        self.suspended.retain(|id, _| !self.tasks.contains_key(id));
        self.failures = 0;
        self.trouble = None;
        self.commits += 1;
        self.purge();
        Ok(true)
    }

    /// Deletes what is processed of the repartition topics, which nobody else reads. What fails is done the next time.
    fn purge(&mut self) {
        let interval = i64::try_from(self.environment.config.repartition_purge_interval.as_millis()).unwrap_or(i64::MAX);
        if self.last_commit - self.last_purge < interval {
            return;
        }
        self.last_purge = self.last_commit;
        let repartition = |partition: &TopicPartition| self.plan.is_repartition(&partition.topic);
        let committed = self.tasks.values().flat_map(Task::committed_offsets);
        let before: Vec<(TopicPartition, Offset)> =
            committed.filter(|(partition, _)| repartition(partition)).map(|(partition, offset)| (partition.clone(), offset)).collect();
        if before.is_empty() {
            return;
        }
        if let Err(error) = self.log.delete_records(&before) {
            tracing::warn!(%error, "repartition topics are not purged");
        }
    }

    fn apply(&mut self, offsets: &[CommittedOffset]) -> Result<(), Error> {
        for task in self.tasks.values_mut() {
            task.committed(&*self.producer, offsets)?;
        }
        Ok(())
    }

    /// A new producer of the same transactional id: what the old one had begun is aborted.
    pub(super) fn renew(&mut self) -> Result<(), Error> {
        self.producer = make_producer(&*self.log, &self.environment, self.index, &self.name)?;
        Ok(())
    }

    /// Commits; what fails is rolled back and processed again.
    pub(crate) fn commit_or_recover(&mut self) -> Result<bool, Error> {
        match self.commit() {
            Ok(committed) => Ok(committed),
            Err(error) => self.recover(error).map(|()| false),
        }
    }

    /// Ends what was begun and starts again from what is committed.
    pub(super) fn recover(&mut self, error: Error) -> Result<(), Error> {
        tracing::warn!(thread = %self.name, kind = ?error.kind(), log = ?error.log_kind(), error = error.without_user_text(), "starting again from what is committed");
        self.environment.collector.output().clear();
        self.tasks.clear();
        let open = self.transaction.take().is_some();
        self.failures += 1;
        self.trouble = Some(error.to_string());
        self.recoveries += 1;
        self.broken = true;
        let (kind, task, log_kind) = (error.kind(), error.task(), error.log_kind());
        if let Some(task) = task
            && (matches!(kind, ErrorKind::Processing | ErrorKind::Production | ErrorKind::State) || stands(log_kind))
        {
            let retry = self.environment.handlers.decide(&Failure { error: &error, partition: None, record: None }) == Decision::Retry;
            let failing = self.suspended.entry(task).or_default();
            if retry && !stands(log_kind) {
                failing.retry(error, &self.environment.config, self.environment.clock.now());
            } else {
                failing.pause(error);
            }
        }
        self.wrote = false;
        match log_kind {
            Some(LogErrorKind::Fatal | LogErrorKind::Fenced | LogErrorKind::Io) => self.renew()?,
            _ if open && self.producer.abort().is_err() => self.renew()?,
            _ => {}
        }
        self.read(&[])?;
        self.broken = false;
        Ok(())
    }
}

/// A partition that cannot be read on: to read it again gives the same.
pub(super) fn stands(kind: Option<LogErrorKind>) -> bool {
    matches!(kind, Some(LogErrorKind::OffsetOutOfRange | LogErrorKind::Corrupt))
}
