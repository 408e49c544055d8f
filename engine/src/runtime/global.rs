//! Global stores: a whole topic in every process, filled before anything runs and kept up afterwards.
//!
//! A global store has no changelog: its topic is one. It belongs to no task, and what it holds is always committed.

use std::any::Any;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use straum_state::{ChangelogRecord, StateOptions, StoreSpec, TaskState};

use crate::error::Error;
use crate::log::{Consumer, ConsumerOptions, Isolation, Log, LogErrorKind, RecordBatch, StartOffset, TopicPartition};
use crate::topology::{GlobalStore, Topology};

/// The views of all global stores by name.
pub(crate) type GlobalViews = BTreeMap<Arc<str>, Arc<dyn Any + Send + Sync>>;

/// Fills the global stores. Owned by one thread.
pub(crate) struct GlobalUpdater {
    partitions: Vec<GlobalPartition>,
    consumer: Box<dyn Consumer>,
    batches: Vec<RecordBatch>,
    views: Arc<GlobalViews>,
}

/// One partition of a global topic, with a state of its own: its offset is its store's.
struct GlobalPartition {
    partition: TopicPartition,
    store: GlobalStore,
    state: TaskState,
    /// The store's name in the state: one column a partition, so that each has its own offset.
    offsets: Arc<str>,
}

/// Where global stores are kept: a folder, or memory.
pub(crate) enum GlobalHome<'a> {
    Folder(&'a Path, &'a StateOptions),
    State(TaskState),
}

/// The stores to open: one for the rows of each global store, and one for the offset of each of its partitions.
pub(crate) fn specs(topology: &Topology, log: &dyn Log) -> Result<Vec<StoreSpec>, Error> {
    let mut specs = Vec::new();
    for global in &topology.graph.globals {
        specs.push(global.supplier.spec());
        for partition in 0..log.partitions(&global.topic)?.unwrap_or(0) {
            specs.push(StoreSpec::persistent(offset_store(global, partition)));
        }
    }
    Ok(specs)
}

fn offset_store(global: &GlobalStore, partition: u32) -> Arc<str> {
    format!("{}-offset-{partition}", global.supplier.name()).into()
}

impl GlobalUpdater {
    /// Opens the stores and reads their topics to the end. `None` when the topology has no global store.
    pub(crate) fn start(topology: &Topology, log: &dyn Log, client_id: &str, home: GlobalHome<'_>) -> Result<Option<Self>, Error> {
        if topology.graph.globals.is_empty() {
            return Ok(None);
        }
        let state = match home {
            GlobalHome::Folder(folder, options) => TaskState::open(folder, &specs(topology, log)?, options)?,
            GlobalHome::State(state) => state,
        };
        let mut partitions = Vec::new();
        let mut views = GlobalViews::new();
        let mut assignment = Vec::new();
        for global in &topology.graph.globals {
            views.insert(Arc::clone(global.supplier.name()), global.updater.view(state.column(global.supplier.name())?));
            for number in 0..log.partitions(&global.topic)?.unwrap_or(0) {
                let partition = TopicPartition::new(Arc::clone(&global.topic), number);
                let offsets = offset_store(global, number);
                let start = state.offset(&offsets).map_or(StartOffset::Beginning, StartOffset::At);
                assignment.push((partition.clone(), start));
                partitions.push(GlobalPartition { partition, store: global.clone(), state: state.clone(), offsets });
            }
        }
        let mut consumer = log.consumer(&ConsumerOptions { client_id: client_id.to_owned(), isolation: Isolation::ReadCommitted })?;
        consumer.assign(&assignment)?;
        let mut updater = Self { partitions, consumer, batches: Vec::new(), views: Arc::new(views) };
        updater.catch_up(log)?;
        Ok(Some(updater))
    }

    pub(crate) fn views(&self) -> Arc<GlobalViews> {
        Arc::clone(&self.views)
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
    pub(crate) fn update(&mut self, wait: Duration) -> Result<usize, Error> {
        match self.consumer.poll(wait, &mut self.batches) {
            Ok(()) => {}
            Err(error) if error.kind() == LogErrorKind::Retriable => return Ok(0),
            Err(error) => return Err(error.into()),
        }
        let mut applied = 0;
        for batch in self.batches.drain(..) {
            let Some(global) = self.partitions.iter().find(|global| &global.partition == batch.partition()) else { continue };
            applied += batch.len();
            global.apply(&batch)?;
        }
        Ok(applied)
    }
}

impl GlobalPartition {
    fn apply(&self, batch: &RecordBatch) -> Result<(), Error> {
        let topic = &self.partition.topic;
        let mut records = batch.iter().filter_map(|record| {
            let key = record.key?;
            if let Err(error) = self.store.updater.check(topic, &record) {
                tracing::warn!(partition = %self.partition, offset = record.offset, kind = ?error.kind(), "record of a global table left out");
                return None;
            }
            Some(ChangelogRecord { key, value: record.value, timestamp: record.timestamp })
        });
        let restorer = self.store.supplier.restorer();
        // Rows first: should the process end between the two, the batch is read and applied again.
        self.state.restore(self.store.supplier.name(), &*restorer, &mut records, batch.next_offset())?;
        self.state.restore(&self.offsets, &*restorer, &mut std::iter::empty(), batch.next_offset())?;
        Ok(())
    }
}
