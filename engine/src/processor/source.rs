//! The physical source node, and the queue of one of its partitions.
//!
//! A record is deserialised, and its timestamp extracted, when it becomes the head of its queue: a bad record deeper
//! down stops nothing yet. Its bytes stay until it is accepted, so that it can be tried again or written to the
//! dead-letter topic as it came.

use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;

use crate::error::Error;
use crate::log::{LogRecord, Offset, RecordBatch, TopicPartition};
use crate::processor::Record;
use crate::processor::edge::Downstream;
use crate::processor::record_reader::RecordReader;
use crate::processor::task_context::{RecordSource, TaskContext};

/// Tells a record's time. Given the record with the log's timestamp, and the largest time seen in its partition (−1 at
/// first); a negative result leaves the record out. Kafka Streams: `TimestampExtractor`.
pub type TimestampExtractor<K, V> = Arc<dyn Fn(Record<&K, &V>, i64) -> i64 + Send + Sync>;

/// A source of a task.
pub(crate) trait SourceNode {
    /// The queue of one partition, `index` being its place among the task's partitions.
    fn queue(self: Rc<Self>, index: usize, partition: TopicPartition) -> Box<dyn PartitionQueue>;
}

/// What became of [`PartitionQueue::head`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// A record of this timestamp is ready.
    Ready(i64),
    /// Nothing is buffered.
    Empty,
}

/// The records of one partition that wait for their turn.
pub(crate) trait PartitionQueue {
    fn partition(&self) -> &TopicPartition;
    /// The name of the source node.
    fn node(&self) -> &Arc<str>;
    fn offer(&mut self, batch: RecordBatch);
    /// How many records wait, the head included.
    fn buffered(&self) -> usize;
    fn buffered_bytes(&self) -> usize;
    /// Makes the next record the head. An error is the record's, which [`PartitionQueue::raw`] shows.
    fn head(&mut self) -> Result<Head, Error>;
    /// Sends the head through the topology. Afterwards it is [accepted](PartitionQueue::accept) or, by another `head`, tried again.
    fn process(&mut self) -> Result<(), Error>;
    /// Leaves the record behind.
    fn accept(&mut self);
    /// The record as it came.
    fn raw(&self) -> Option<LogRecord<'_>>;
    /// The next record to be processed: what is committed.
    fn next_offset(&self) -> Option<Offset>;
    /// The largest timestamp taken for processing, −1 before the first.
    fn partition_time(&self) -> i64;
    fn set_partition_time(&mut self, time: i64);
}

pub(crate) struct Source<K, V> {
    pub(crate) reader: RecordReader<K, V>,
    pub(crate) downstream: Downstream<K, V>,
    pub(crate) task: Rc<TaskContext>,
}

impl<K: 'static, V: 'static> SourceNode for Source<K, V> {
    fn queue(self: Rc<Self>, index: usize, partition: TopicPartition) -> Box<dyn PartitionQueue> {
        Box::new(TypedQueue {
            source: self,
            index,
            partition,
            batches: VecDeque::new(),
            cursor: 0,
            buffered: 0,
            position: None,
            head: None,
            partition_time: -1,
        })
    }
}

struct TypedQueue<K, V> {
    source: Rc<Source<K, V>>,
    index: usize,
    partition: TopicPartition,
    batches: VecDeque<RecordBatch>,
    /// The head's index in the first batch.
    cursor: usize,
    buffered: usize,
    /// The position after the last batch offered.
    position: Option<Offset>,
    head: Option<Record<K, V>>,
    partition_time: i64,
}

impl<K: 'static, V: 'static> PartitionQueue for TypedQueue<K, V> {
    fn partition(&self) -> &TopicPartition {
        &self.partition
    }

    fn node(&self) -> &Arc<str> {
        &self.source.reader.name
    }

    fn offer(&mut self, batch: RecordBatch) {
        self.position = Some(batch.next_offset());
        if !batch.is_empty() {
            self.buffered += batch.len();
            self.batches.push_back(batch);
        }
    }

    fn buffered(&self) -> usize {
        self.buffered
    }

    fn buffered_bytes(&self) -> usize {
        self.batches.iter().map(RecordBatch::bytes).sum()
    }

    fn head(&mut self) -> Result<Head, Error> {
        loop {
            if let Some(head) = &self.head {
                return Ok(Head::Ready(head.timestamp));
            }
            let Some(batch) = self.batches.front() else { return Ok(Head::Empty) };
            let Some(record) = self.source.reader.record(batch, self.cursor, self.partition_time)? else { return Ok(Head::Empty) };
            if record.timestamp < 0 {
                self.source.task.drop_record();
                self.accept();
                continue;
            }
            self.head = Some(record);
        }
    }

    fn process(&mut self) -> Result<(), Error> {
        let Some(record) = self.head.take() else { return Ok(()) };
        let offset = self.raw().map_or(-1, |raw| raw.offset);
        let task = &self.source.task;
        task.source.set(Some(RecordSource { partition: self.index, offset }));
        task.timestamp.set(record.timestamp);
        self.partition_time = self.partition_time.max(record.timestamp);
        task.stream_time.set(task.stream_time.get().max(record.timestamp));
        self.source.downstream.forward(record)
    }

    fn accept(&mut self) {
        self.head = None;
        let Some(batch) = self.batches.front() else { return };
        self.cursor += 1;
        self.buffered = self.buffered.saturating_sub(1);
        if self.cursor >= batch.len() {
            self.batches.pop_front();
            self.cursor = 0;
        }
    }

    fn raw(&self) -> Option<LogRecord<'_>> {
        self.batches.front()?.get(self.cursor)
    }

    fn next_offset(&self) -> Option<Offset> {
        self.raw().map(|raw| raw.offset).or(self.position)
    }

    fn partition_time(&self) -> i64 {
        self.partition_time
    }

    fn set_partition_time(&mut self, time: i64) {
        self.partition_time = time;
    }
}
