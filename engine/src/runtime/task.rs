//! A task: one sub-topology on one partition, with its queues and stores. Owned and driven by one stream thread.
//!
//! A record's effects are all or nothing: its outputs and store writes stand only once it has passed the whole
//! sub-topology. If a step fails or panics they are dropped together, and the handlers decide what becomes of the record.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use straum_state::{BuiltStore, CommitBatch, RecordCache, StateError, StateStore, StoreContext, TaskState};

use crate::error::{Error, ErrorKind};
use crate::log::{CommittedOffset, HeaderView, Offset, Producer, RecordBatch, StartOffset, TopicPartition};
use crate::processor::Punctuation;
use crate::processor::cache::FlushCache;
use crate::processor::source::{Head, PartitionQueue};
use crate::processor::store::{ConnectedStores, KeyValue};
use crate::processor::task_context::TaskContext;
use crate::processor::{PunctuationType, panicking};
use crate::runtime::collector::{Collector, Crash, Target};
use crate::runtime::failing::{Failing, Status};
use crate::runtime::handlers::{Decision, ExceptionHandlers, Failure};
use crate::runtime::idle::{Idle, Lags};
use crate::runtime::{Clock, Probe, ProbePoint, StreamsConfig, dead_letters, offset_metadata};
use crate::topology::{Subtopology, TaskId, Topology, topic_of_store};

/// What every task of a thread is made with.
pub(crate) struct TaskEnvironment {
    pub(crate) probe: Probe,
    /// Stable over restarts: it names the transactional ids.
    pub(crate) process_id: String,
    pub(crate) topology: Topology,
    pub(crate) config: Arc<StreamsConfig>,
    pub(crate) handlers: ExceptionHandlers,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) collector: Rc<Collector>,
    pub(crate) record_cache: RecordCache,
    pub(crate) budget: straum_state::MemoryBudget,
    pub(crate) globals: Arc<BTreeMap<Arc<str>, Arc<dyn Any + Send + Sync>>>,
}

/// A store of the task and where its changelog is.
struct TaskStore {
    name: Arc<str>,
    store: Rc<RefCell<dyn StateStore>>,
    /// The same, of the store's own type.
    typed: Rc<dyn Any>,
    changelog: StoreChangelog,
}

enum StoreChangelog {
    /// It is not logged.
    None,
    /// A partition of its own, which its changes are written to.
    Own(TopicPartition, Target),
    /// The partition of this index, which its table is read from: nothing is written, and what is committed of the partition is in
    /// the store.
    Source(usize),
}

/// What [`Task::process_next`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Processed {
    /// A record is through, or was left behind.
    Record,
    /// Nothing can be done now.
    Nothing,
}

pub(crate) struct Task {
    pub(crate) id: TaskId,
    environment: Rc<TaskEnvironment>,
    context: Rc<TaskContext>,
    queues: Vec<Box<dyn PartitionQueue>>,
    stores: Vec<TaskStore>,
    caches: Vec<Rc<dyn FlushCache>>,
    state: TaskState,
    idle: Idle,
    failing: Failing,
    /// What the group has: an offset that has not moved is not committed again.
    committed: Vec<Option<Offset>>,
    /// Where it began to read, as far as that is known. What a task writes before it has read anything is committed with
    /// these: a transaction without offsets is fenced by nobody.
    began: Vec<Option<Offset>>,
    prepared: Option<CommitBatch>,
    /// One that failed and is due again.
    punctuation_retried: Option<Punctuation>,
    processed: u64,
}

impl Task {
    /// Makes the task over a state that is restored. `committed` are the group's offsets of its partitions, `starts` where they
    /// will be read from.
    pub(crate) fn new(
        environment: &Rc<TaskEnvironment>,
        subtopology: &Subtopology,
        id: TaskId,
        state: TaskState,
        committed: &[Option<CommittedOffset>],
        starts: &[(TopicPartition, StartOffset)],
    ) -> Result<Self, Error> {
        let config = &environment.config;
        let partitions: Vec<TopicPartition> = starts.iter().map(|(partition, _)| partition.clone()).collect();
        let context = Rc::new(TaskContext::new(id, config, &environment.clock, &environment.collector, partitions.clone()));
        let mut stores = Vec::new();
        let mut built: BTreeMap<Arc<str>, BuiltStore> = BTreeMap::new();
        for name in &subtopology.stores {
            let Some(entry) = environment.topology.graph.stores.get(name) else { continue };
            let topic = topic_of_store(&environment.topology, &config.application_id, name);
            let store_context = StoreContext {
                changelog_topic: Arc::clone(&topic),
                savepoint: context.savepoint.clone(),
                budget: environment.budget.clone(),
                record_cache: environment.record_cache.clone(),
            };
            let instance = entry.supplier.build(state.column(name)?, store_context)?;
            let changelog = if entry.source.is_some() {
                // A task may have no partition of a topic that has fewer than others.
                let source = partitions.iter().position(|partition| partition.topic == topic);
                source.map_or(StoreChangelog::None, StoreChangelog::Source)
            } else if entry.supplier.changelog_config().is_some() {
                StoreChangelog::Own(TopicPartition::new(Arc::clone(&topic), id.partition), environment.collector.target(&topic)?)
            } else {
                StoreChangelog::None
            };
            stores.push(TaskStore { name: Arc::clone(name), store: Rc::clone(&instance.store), typed: Rc::clone(&instance.typed), changelog });
            built.insert(Arc::clone(name), instance);
        }
        let graph = environment.topology.instantiate(subtopology, &context, &built, &environment.globals)?;
        let mut queues = Vec::new();
        for (index, partition) in partitions.iter().enumerate() {
            let source = graph.sources.iter().find(|(topic, _)| topic.resolve(&config.application_id) == partition.topic);
            let (_, source) = source.ok_or_else(|| Error::topology(format!("no source reads {partition}")).in_task(id))?;
            let mut queue = Rc::clone(source).queue(index, partition.clone());
            let time = committed.get(index).and_then(Option::as_ref).and_then(|committed| offset_metadata::decode(&committed.metadata));
            queue.set_partition_time(time.unwrap_or(-1));
            queues.push(queue);
        }
        let stream_time = queues.iter().map(|queue| queue.partition_time()).max().unwrap_or(-1);
        context.stream_time.set(stream_time);
        let committed = (0..queues.len()).map(|index| committed.get(index).and_then(Option::as_ref).map(|committed| committed.offset)).collect();
        Ok(Self {
            id,
            environment: Rc::clone(environment),
            idle: Idle::new(queues.len()),
            context,
            queues,
            stores,
            caches: graph.caches,
            state,
            failing: Failing::default(),
            committed,
            began: starts.iter().map(|(_, start)| if let StartOffset::At(offset) = start { Some(*offset) } else { None }).collect(),
            prepared: None,
            punctuation_retried: None,
            processed: 0,
        })
    }

    pub(crate) fn partitions(&self) -> &[TopicPartition] {
        &self.context.partitions
    }

    pub(crate) fn state(&self) -> &TaskState {
        &self.state
    }

    pub(crate) fn status(&self) -> &Status {
        self.failing.status()
    }

    /// A task that failed for good stays where it is until it is resumed.
    pub(crate) fn resume(&mut self) {
        self.failing.resume();
    }

    pub(crate) fn processed(&self) -> u64 {
        self.processed
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.context.dropped.get()
    }

    pub(crate) fn stream_time(&self) -> i64 {
        self.context.stream_time.get()
    }

    /// Adds records to the queue of their partition.
    pub(crate) fn offer(&mut self, batch: RecordBatch) {
        if let Some(queue) = self.queues.iter_mut().find(|queue| queue.partition() == batch.partition()) {
            queue.offer(batch);
        }
    }

    /// How many records wait in each partition.
    pub(crate) fn buffered(&self) -> impl Iterator<Item = (&TopicPartition, usize)> {
        self.queues.iter().map(|queue| (queue.partition(), queue.buffered()))
    }

    pub(crate) fn buffered_bytes(&self) -> usize {
        self.queues.iter().map(|queue| queue.buffered_bytes()).sum()
    }

    /// Processes the record with the smallest timestamp among the heads, if the task need not wait for another partition.
    pub(crate) fn process_next(&mut self, lags: &dyn Lags, now: i64) -> Result<Processed, Error> {
        if !self.failing.may_run(now) {
            return Ok(Processed::Nothing);
        }
        let mut next: Option<(usize, i64)> = None;
        let mut empty = false;
        for index in 0..self.queues.len() {
            let Some(queue) = self.queues.get_mut(index) else { continue };
            let head = catch_unwind(AssertUnwindSafe(|| queue.head())).unwrap_or_else(|panic| Err(unreadable(&*panic).in_node(queue.node())));
            match head {
                Ok(Head::Ready(timestamp)) => {
                    self.idle.filled(index);
                    if next.is_none_or(|(_, smallest)| timestamp < smallest) {
                        next = Some((index, timestamp));
                    }
                }
                Ok(Head::Empty) => empty = true,
                Err(error) => return self.record_failed(index, error, now),
            }
        }
        let Some((index, _)) = next else { return Ok(Processed::Nothing) };
        if empty && !self.idle.may_go_on(&self.queues, lags, self.environment.config.max_task_idle, now) {
            return Ok(Processed::Nothing);
        }
        let outcome = self.guarded(|task| match task.queues.get_mut(index) {
            Some(queue) => queue.process(),
            None => Ok(()),
        });
        match outcome {
            Ok(()) => {
                self.environment.probe.reached(ProbePoint::MidRecord);
                if let Some(queue) = self.queues.get_mut(index) {
                    queue.accept();
                }
                self.processed += 1;
                self.failing.succeeded();
                Ok(Processed::Record)
            }
            Err(error) => self.record_failed(index, error, now),
        }
    }

    /// Runs one step so that it leaves nothing behind if it fails or panics.
    fn guarded<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        self.context.savepoint.advance();
        let mark = self.context.collector.mark();
        let result = match catch_unwind(AssertUnwindSafe(|| step(self))) {
            Ok(result) => result,
            Err(panic) => {
                let node = panicking::take();
                if panic.is::<Crash>() {
                    std::panic::resume_unwind(panic);
                }
                let error = Error::panicked(&*panic);
                Err(match node {
                    Some(node) => error.in_node(&node),
                    None => error,
                })
            }
        };
        if result.is_err() {
            self.context.collector.truncate(mark);
            for entry in &self.stores {
                entry.store.borrow_mut().revert();
            }
        }
        // What follows outside any step is not a part of this one.
        self.context.savepoint.advance();
        result.map_err(|error| error.in_task(self.id))
    }

    /// One step upon a key-value store without a record, at timestamp 0, for the test driver. What it writes is a part of the
    /// open transaction, as what a processor writes.
    pub(crate) fn with_store<K: 'static, V: Clone + 'static, T>(
        &mut self,
        name: &Arc<str>,
        step: impl FnOnce(&KeyValue<K, V>) -> Result<T, StateError>,
    ) -> Result<T, Error> {
        let stores = self.stores.iter().map(|entry| (Arc::clone(&entry.name), Rc::clone(&entry.typed))).collect();
        let of_sources = self.stores.iter().filter(|entry| matches!(entry.changelog, StoreChangelog::Source(_))).map(|entry| Arc::clone(&entry.name));
        let of_sources = of_sources.collect();
        let store = ConnectedStores { task: Rc::clone(&self.context), stores, globals: BTreeMap::new(), of_sources }.key_value(name)?;
        self.context.source.set(None);
        self.guarded(|task| Ok(task.context.at(0, || step(&store))?))
    }

    fn record_failed(&mut self, index: usize, error: Error, now: i64) -> Result<Processed, Error> {
        let Some(queue) = self.queues.get(index) else { return Err(error) };
        let record = queue.raw();
        let error = match &record {
            Some(record) => error.at(queue.partition(), record.offset),
            None => error,
        };
        let failure = Failure { error: &error, partition: Some(queue.partition()), record };
        match self.environment.handlers.decide(&failure) {
            Decision::Continue => {
                let mark = self.context.collector.mark();
                if let Err(error) = self.dead_letter(&failure) {
                    // Nothing may be lost: without a place for the record the task stays at it.
                    self.failing.retry(error.in_task(self.id), &self.environment.config, now);
                    return Ok(Processed::Nothing);
                }
                if let Err(error) = self.keep_row(index) {
                    self.context.collector.truncate(mark);
                    self.failing.retry(error, &self.environment.config, now);
                    return Ok(Processed::Nothing);
                }
                self.failing.succeeded();
                if let Some(queue) = self.queues.get_mut(index) {
                    queue.accept();
                }
                Ok(Processed::Record)
            }
            Decision::Retry => {
                self.failing.retry(error, &self.environment.config, now);
                Ok(Processed::Nothing)
            }
            Decision::Fail => {
                self.failing.pause(error);
                Ok(Processed::Nothing)
            }
        }
    }

    /// Stores the row of a record that is left out, where a restore from the source topic would bring it in.
    fn keep_row(&mut self, index: usize) -> Result<(), Error> {
        if !self.stores.iter().any(|entry| matches!(entry.changelog, StoreChangelog::Source(source) if source == index)) {
            return Ok(());
        }
        // One that cannot be read has no row, whoever reads it.
        let head = self.queues.get_mut(index).map(|queue| catch_unwind(AssertUnwindSafe(|| queue.head())));
        if !matches!(head, Some(Ok(Ok(Head::Ready(_))))) {
            return Ok(());
        }
        self.context.rows_only.set(true);
        let kept = self.guarded(|task| task.queues.get_mut(index).map_or(Ok(()), |queue| queue.process()));
        self.context.rows_only.set(false);
        kept
    }

    fn dead_letter(&self, failure: &Failure<'_>) -> Result<(), Error> {
        let partition = failure.partition.map(ToString::to_string).unwrap_or_default();
        tracing::warn!(task = %self.id, partition, offset = failure.error.offset(), kind = ?failure.error.kind(), "record sent to the dead-letter topic");
        let Some(topic) = &self.environment.config.dead_letter_topic else { return Ok(()) };
        dead_letters::write(&self.context.collector, topic, failure).map_err(|error| error.in_task(self.id))
    }

    /// Runs the punctuations of one kind that are due. `now` is the stream time or the wall clock.
    pub(crate) fn punctuate(&mut self, kind: PunctuationType, now: i64, wall_clock: i64) -> Result<bool, Error> {
        let mut any = false;
        if now < 0 && kind == PunctuationType::StreamTime || !self.failing.may_run(wall_clock) {
            return Ok(false);
        }
        loop {
            let due = self.context.punctuations.borrow_mut().take_due(kind, now);
            let Some(due) = due else { return Ok(any) };
            any = true;
            self.context.source.set(None);
            let Err(error) = self.guarded(|_| due.node.punctuate(due.timestamp, due.punctuation)) else {
                if self.punctuation_retried.take_if(|retried| *retried == due.punctuation).is_some() {
                    self.failing.succeeded();
                }
                continue;
            };
            let failure = Failure { error: &error, partition: None, record: None };
            let decision = self.environment.handlers.decide(&failure);
            if decision == Decision::Continue {
                self.dead_letter(&failure)?;
                continue;
            }
            self.context.punctuations.borrow_mut().put_back(&due);
            self.punctuation_retried = Some(due.punctuation);
            if decision == Decision::Retry {
                self.failing.retry(error, &self.environment.config, wall_clock);
            } else {
                self.failing.pause(error);
            }
            return Ok(any);
        }
    }

    /// Forwards what the caches hold. Each update is a step of its own, and a handler decides about one that fails.
    ///
    /// # Errors
    /// Of an update that must not be left out: nothing of the task can be committed.
    pub(crate) fn flush_caches(&mut self) -> Result<(), Error> {
        for index in 0..self.caches.len() {
            let Some(cache) = self.caches.get(index).map(Rc::clone) else { continue };
            let mut more = true;
            while more {
                let result = self.guarded(|_| {
                    more = cache.flush_next()?;
                    Ok(())
                });
                let Err(error) = result else { continue };
                let failure = Failure { error: &error, partition: None, record: None };
                if self.environment.handlers.decide(&failure) != Decision::Continue {
                    return Err(error);
                }
                self.dead_letter(&failure)?;
                self.guarded(|_| cache.leave_out_next())?;
            }
        }
        Ok(())
    }

    /// Serialises what the stores hold uncommitted: changelog records into the output, rows into a batch for later. False
    /// when there was nothing.
    pub(crate) fn prepare(&mut self) -> Result<bool, Error> {
        if !self.is_dirty() {
            return Ok(false);
        }
        // Values are serialised here: what a serde does wrong stops this task alone.
        let prepared = catch_unwind(AssertUnwindSafe(|| self.prepare_stores()));
        let prepared = prepared.unwrap_or_else(|panic| Err(Error::panicked(&*panic)));
        self.prepared = Some(prepared.map_err(|error| error.in_task(self.id))?);
        Ok(true)
    }

    fn prepare_stores(&self) -> Result<CommitBatch, Error> {
        let mut batch = self.state.batch();
        for entry in &self.stores {
            let mut output = self.context.collector.output();
            let changelog = match &entry.changelog {
                StoreChangelog::Own(partition, target) => Some((partition, target)),
                StoreChangelog::None | StoreChangelog::Source(_) => None,
            };
            let mut too_large = None;
            let prepared = entry.store.borrow_mut().prepare(&mut batch, &mut |record| {
                if let Some((partition, target)) = changelog {
                    let before = output.bytes();
                    output.push(target.topic, partition.partition, record.timestamp, Some(record.key), record.value, HeaderView::new(&[]));
                    too_large = too_large.take().or(self.context.collector.check_size(output.bytes() - before, &partition.topic).err());
                }
                Ok(())
            });
            let prepared = prepared.map_err(Error::from).and(too_large.map_or(Ok(()), Err));
            prepared.map_err(|error| error.in_store(Arc::clone(&entry.name)))?;
            self.environment.probe.reached(ProbePoint::MidChangelog);
        }
        Ok(batch)
    }

    /// The offsets to commit: those that moved, or all of them when the task has written and none moved.
    pub(crate) fn offsets(&self, wrote: bool) -> Vec<CommittedOffset> {
        let offset = |index: usize, moved_only: bool| {
            let queue = self.queues.get(index)?;
            let stood = self.committed.get(index).copied().flatten().or(self.began.get(index).copied().flatten());
            let next = queue.next_offset().or(stood)?;
            if moved_only && Some(next) == stood {
                return None;
            }
            let metadata = offset_metadata::encode(queue.partition_time());
            Some(CommittedOffset { partition: queue.partition().clone(), offset: next, metadata })
        };
        let moved: Vec<_> = (0..self.queues.len()).filter_map(|index| offset(index, true)).collect();
        if moved.is_empty() && wrote { (0..self.queues.len()).filter_map(|index| offset(index, false)).collect() } else { moved }
    }

    /// The offsets the group has.
    pub(crate) fn committed_offsets(&self) -> impl Iterator<Item = (&TopicPartition, Offset)> {
        self.partitions().iter().zip(&self.committed).filter_map(|(partition, offset)| Some((partition, (*offset)?)))
    }

    /// True when a commit would write something of this task.
    pub(crate) fn is_dirty(&self) -> bool {
        self.stores.iter().any(|entry| entry.store.borrow().dirty_bytes() > 0)
    }

    pub(crate) fn dirty_bytes(&self) -> u64 {
        self.stores.iter().map(|entry| entry.store.borrow().dirty_bytes()).sum()
    }

    /// True once after a processor asked for a commit.
    pub(crate) fn take_commit_request(&self) -> bool {
        self.context.commit_requested.take()
    }

    /// The transaction has committed: the prepared rows go to the state in one write, with the changelogs' offsets.
    pub(crate) fn committed(&mut self, producer: &dyn Producer, offsets: &[CommittedOffset]) -> Result<(), Error> {
        if let Some(mut batch) = self.prepared.take() {
            for entry in &self.stores {
                let next = match &entry.changelog {
                    StoreChangelog::None => None,
                    StoreChangelog::Own(partition, _) => producer.acknowledged(partition).map(|acknowledged| acknowledged + 1),
                    StoreChangelog::Source(index) => {
                        let partition = self.context.partitions.get(*index);
                        offsets.iter().find(|committed| Some(&committed.partition) == partition).map(|committed| committed.offset)
                    }
                };
                if let Some(next) = next {
                    batch.set_offset(&entry.name, next)?;
                }
            }
            self.state.apply(batch).map_err(|error| Error::from(error).in_task(self.id))?;
        }
        for entry in &self.stores {
            entry.store.borrow_mut().committed();
        }
        for (index, queue) in self.queues.iter().enumerate() {
            if let (Some(slot), Some(committed)) =
                (self.committed.get_mut(index), offsets.iter().find(|committed| &committed.partition == queue.partition()))
            {
                *slot = Some(committed.offset);
            }
        }
        Ok(())
    }
}

/// A serde or a timestamp extractor panicked.
fn unreadable(panic: &(dyn Any + Send)) -> Error {
    Error::new(ErrorKind::Deserialization, "cannot read the record").with_source(Error::panicked(panic))
}
