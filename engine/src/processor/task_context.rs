//! What the nodes of one task share while a record passes: its source, the times, the output, the requests.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use straum_state::Savepoint;

use crate::log::{Offset, TopicPartition};
use crate::processor::punctuation::Punctuations;
use crate::runtime::collector::Collector;
use crate::runtime::{Clock, StreamsConfig};
use crate::topology::{TaskId, TopicRef};

/// Where the record in progress comes from. Kafka Streams: `RecordMetadata`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordMetadata {
    /// The topic and partition it was read from.
    pub partition: TopicPartition,
    /// Its offset there.
    pub offset: Offset,
}

/// The source of the record in progress: an index into the task's partitions and an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordSource {
    pub(crate) partition: usize,
    pub(crate) offset: Offset,
}

pub(crate) struct TaskContext {
    pub(crate) task: TaskId,
    pub(crate) application: Arc<str>,
    pub(crate) savepoint: Savepoint,
    pub(crate) collector: Rc<Collector>,
    /// Tables hold updates back until the commit or an eviction.
    pub(crate) caching: bool,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) partitions: Vec<TopicPartition>,
    /// The source of the record in progress; `None` in a punctuation.
    pub(crate) source: Cell<Option<RecordSource>>,
    /// The timestamp of the record in progress, or of the punctuation.
    pub(crate) timestamp: Cell<i64>,
    /// The largest timestamp taken for processing; −1 before the first.
    pub(crate) stream_time: Cell<i64>,
    pub(crate) commit_requested: Cell<bool>,
    /// The record in progress is left out: only what a source topic would restore of it is stored.
    pub(crate) rows_only: Cell<bool>,
    /// Records an operator left out by rule (a null key before an aggregation, …).
    pub(crate) dropped: Cell<u64>,
    pub(crate) punctuations: RefCell<Punctuations>,
}

impl TaskContext {
    pub(crate) fn new(
        task: TaskId,
        config: &StreamsConfig,
        clock: &Arc<dyn Clock>,
        collector: &Rc<Collector>,
        partitions: Vec<TopicPartition>,
    ) -> Self {
        Self {
            task,
            application: Arc::clone(&config.application_id),
            savepoint: Savepoint::new(),
            collector: Rc::clone(collector),
            caching: config.statestore_cache_max_bytes > 0,
            clock: Arc::clone(clock),
            partitions,
            source: Cell::default(),
            timestamp: Cell::default(),
            stream_time: Cell::new(-1),
            commit_requested: Cell::default(),
            rows_only: Cell::default(),
            dropped: Cell::default(),
            punctuations: RefCell::default(),
        }
    }

    pub(crate) fn drop_record(&self) {
        self.dropped.set(self.dropped.get() + 1);
    }

    pub(crate) fn metadata(&self) -> Option<RecordMetadata> {
        let source = self.source.get()?;
        let partition = self.partitions.get(source.partition)?.clone();
        Some(RecordMetadata { partition, offset: source.offset })
    }

    /// Runs `work` with another timestamp in force, as a node does for the record it handles.
    pub(crate) fn at<T>(&self, timestamp: i64, work: impl FnOnce() -> T) -> T {
        let before = self.timestamp.replace(timestamp);
        let result = work();
        self.timestamp.set(before);
        result
    }

    /// The length of the current source topic's name, by which a cached entry is weighed.
    pub(crate) fn source_topic_bytes(&self) -> usize {
        self.source.get().and_then(|source| self.partitions.get(source.partition)).map_or(0, |partition| partition.topic.len())
    }

    pub(crate) fn topic_name(&self, topic: &TopicRef) -> Arc<str> {
        topic.resolve(&self.application)
    }
}
