//! Global stores: a whole topic in every process, filled before anything runs and kept up afterwards.
//!
//! A global store has no changelog: its topic is one. It belongs to no task, and what it holds is always committed.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use straum_state::{MemoryBudget, StateOptions, StoreSpec, TaskState};

use crate::error::Error;
use crate::log::{Consumer, ConsumerOptions, Isolation, Log, LogError, LogErrorKind, RecordBatch, StartOffset, TopicPartition};
use crate::processor::global::{GlobalContext, GlobalUpdater};
use crate::processor::task_context::TaskContext;
use crate::runtime::collector::Collector;
use crate::runtime::{Clock, ExceptionHandlers, StreamsConfig};
use crate::topology::{GlobalStore, TaskId, Topology};

/// The views of all global stores by name.
pub(crate) type GlobalViews = BTreeMap<Arc<str>, Arc<dyn Any + Send + Sync>>;

/// Fills the global stores. Owned by one thread.
pub(crate) struct GlobalUpdate {
    partitions: Vec<GlobalPartition>,
    updaters: Vec<Box<dyn GlobalUpdater>>,
    state: TaskState,
    consumer: Box<dyn Consumer>,
    batches: Vec<RecordBatch>,
    views: Arc<GlobalViews>,
}

/// One partition of a global topic.
struct GlobalPartition {
    partition: TopicPartition,
    /// Whose records it holds: an index into the updaters.
    updater: usize,
    /// The name of the store of rows.
    store: Arc<str>,
    /// The name of the store that keeps the partition's offset: one each, for a state has one offset a store.
    offsets: Arc<str>,
}

/// Where global stores are kept: a folder, or memory.
pub(crate) enum GlobalHome<'a> {
    Folder(&'a Path, &'a StateOptions),
    State(TaskState),
}

/// What the global stores share with the application.
pub(crate) struct GlobalEnvironment {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) client_id: String,
    pub(crate) config: Arc<StreamsConfig>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) budget: MemoryBudget,
    pub(crate) handlers: ExceptionHandlers,
}

/// The stores to open: one for the rows of each global store, and one for the offset of each of its partitions, which is
/// as lasting as the rows.
pub(crate) fn specs(topology: &Topology, log: &dyn Log) -> Result<Vec<StoreSpec>, Error> {
    let mut specs = Vec::new();
    for global in &topology.graph.globals {
        let rows = global.supplier.spec();
        for partition in 0..partitions_of(global, log)? {
            let name = offset_store(global, partition);
            specs.push(if rows.is_persistent() { StoreSpec::persistent(name) } else { StoreSpec::in_memory(name) });
        }
        specs.push(rows);
    }
    Ok(specs)
}

fn partitions_of(global: &GlobalStore, log: &dyn Log) -> Result<u32, Error> {
    log.partitions(&global.topic)?.ok_or_else(|| {
        let message = format!("topic {} of a global store does not exist, expected it to be created before the application starts", global.topic);
        Error::topology(message).in_store(Arc::clone(global.supplier.name()))
    })
}

fn offset_store(global: &GlobalStore, partition: u32) -> Arc<str> {
    format!("{}-offset-{partition}", global.supplier.name()).into()
}

impl GlobalUpdate {
    /// Opens the stores and reads their topics to the end. `None` when the topology has no global store.
    pub(crate) fn start(topology: &Topology, environment: &GlobalEnvironment, home: GlobalHome<'_>) -> Result<Option<Self>, Error> {
        if topology.graph.globals.is_empty() {
            return Ok(None);
        }
        let log = &*environment.log;
        let state = match home {
            GlobalHome::Folder(folder, options) => TaskState::open(folder, &specs(topology, log)?, options)?,
            GlobalHome::State(state) => state,
        };
        let mut partitions = Vec::new();
        let mut updaters = Vec::new();
        let mut views = GlobalViews::new();
        for global in &topology.graph.globals {
            let store = global.supplier.name();
            views.insert(Arc::clone(store), global.updater.view(state.column(store)?));
            let numbers = 0..partitions_of(global, log)?;
            let of_topic: Vec<TopicPartition> = numbers.map(|number| TopicPartition::new(Arc::clone(&global.topic), number)).collect();
            partitions.extend(of_topic.iter().map(|partition| GlobalPartition {
                partition: partition.clone(),
                updater: updaters.len(),
                store: Arc::clone(store),
                offsets: offset_store(global, partition.partition),
            }));
            let task = TaskId { subtopology: global.number, partition: 0 };
            let collector = Collector::new(Arc::clone(&environment.log), environment.config.max_request_size);
            let task = Rc::new(TaskContext::new(task, &environment.config, &environment.clock, &collector, of_topic));
            let context =
                GlobalContext { state: &state, supplier: &*global.supplier, budget: &environment.budget, handlers: &environment.handlers, task };
            updaters.push(global.updater.start(&context)?);
        }
        let consumer = log.consumer(&ConsumerOptions { client_id: environment.client_id.clone(), isolation: Isolation::ReadCommitted })?;
        let mut update = Self { partitions, updaters, state, consumer, batches: Vec::new(), views: Arc::new(views) };
        update.read_on()?;
        update.catch_up(log)?;
        Ok(Some(update))
    }

    pub(crate) fn views(&self) -> Arc<GlobalViews> {
        Arc::clone(&self.views)
    }

    /// Reads on from what the stores hold: at the start, and after an error.
    pub(crate) fn read_on(&mut self) -> Result<(), Error> {
        self.batches.clear();
        let start = |global: &GlobalPartition| self.state.offset(&global.offsets).map_or(StartOffset::Beginning, StartOffset::At);
        let assignment: Vec<_> = self.partitions.iter().map(|global| (global.partition.clone(), start(global))).collect();
        Ok(self.consumer.assign(&assignment)?)
    }

    /// Reads until the position has passed what is in the topics now.
    pub(crate) fn catch_up(&mut self, log: &dyn Log) -> Result<(), Error> {
        // What the consumer knows of the ends is as old as its last poll.
        self.update(Duration::ZERO)?;
        for index in 0..self.partitions.len() {
            let Some(partition) = self.partitions.get(index).map(|global| global.partition.clone()) else { continue };
            let (_, high_watermark) = log.offsets(&partition)?;
            loop {
                let end = self.consumer.end_offset(&partition).map_or(high_watermark, |end| end.min(high_watermark));
                if self.consumer.position(&partition).is_some_and(|position| position >= end) {
                    break;
                }
                self.update(Duration::from_millis(100))?;
            }
        }
        Ok(())
    }

    /// Applies what has come, waiting at most `wait`.
    ///
    /// # Errors
    /// The log's or the state's: what was polled is to be read again, from [`GlobalUpdate::read_on`]. That of a record which
    /// the handlers do not leave out: the store stands at it, and it is what is read next.
    pub(crate) fn update(&mut self, wait: Duration) -> Result<usize, Error> {
        match self.consumer.poll(wait, &mut self.batches) {
            Ok(()) => {}
            Err(error) if error.kind() == LogErrorKind::Retriable => return Ok(0),
            Err(error) if error.kind() == LogErrorKind::OffsetOutOfRange => return self.rebuild(error).map(|()| 0),
            Err(error) => return Err(error.into()),
        }
        let mut applied = 0;
        for batch in std::mem::take(&mut self.batches) {
            let Some(global) = self.partitions.iter().find(|global| &global.partition == batch.partition()) else { continue };
            let Some(updater) = self.updaters.get_mut(global.updater) else { continue };
            applied += batch.len();
            if let Err(error) = updater.apply(&batch, &global.offsets) {
                self.read_on()?;
                return Err(error);
            }
        }
        Ok(applied)
    }

    /// What follows the rows is gone from the topic: the store begins again from what there is.
    fn rebuild(&mut self, error: LogError) -> Result<(), Error> {
        let lost = self.partitions.iter().find(|global| Some(&global.partition) == error.partition());
        let Some(updater) = lost.map(|global| global.updater) else { return Err(error.into()) };
        tracing::warn!(%error, "a global store does not fit its topic and is rebuilt");
        for global in self.partitions.iter().filter(|global| global.updater == updater) {
            self.state.wipe(&global.store)?;
            self.state.wipe(&global.offsets)?;
        }
        self.read_on()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::dsl::{Consumed, Materialized, StreamsBuilder};
    use crate::error::ErrorKind;
    use crate::log::embedded::{EmbeddedLog, EmbeddedOptions};
    use crate::serde::{I64, Utf8};

    /// Where a group makes the topics nobody has looked at the sources before.
    #[test]
    fn a_topic_that_is_missing_is_named() {
        let builder = StreamsBuilder::new();
        drop(builder.global_table("given", Consumed::with(Utf8, I64), Materialized::named("rules")));
        builder.stream("asked", Consumed::with(Utf8, I64)).foreach(|_, _| {});
        let log = EmbeddedLog::in_memory(EmbeddedOptions::new()).unwrap();
        let error = specs(&builder.build().unwrap(), &log).err().unwrap();
        let expected = "topic given of a global store does not exist, expected it to be created before the application starts in store rules";
        assert_eq!((error.kind(), &*error.to_string()), (ErrorKind::Topology, expected));
    }
}
