//! What people ask of a log: which topics, how many records, which offsets, the last records.

use std::collections::BTreeMap;

use super::core::{Core, Topic};
use super::fetch::Bounds;
use super::partition::Partition;
use crate::log::{Isolation, LogError, Offset, RecordBatch};

/// A topic, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicDescription {
    /// Its name.
    pub name: String,
    /// The settings it was made with.
    pub config: BTreeMap<String, String>,
    /// Its partitions, in order.
    pub partitions: Vec<PartitionDescription>,
}

/// A partition, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionDescription {
    /// Its number.
    pub partition: u32,
    /// The oldest offset still there.
    pub start: Offset,
    /// The end of what is decided.
    pub last_stable: Offset,
    /// The end of everything.
    pub high_watermark: Offset,
    /// Records that a committed reader sees. Offsets have gaps, so this is not the difference of the others.
    pub records: u64,
    /// The bytes of its files.
    pub bytes: u64,
    /// How many files.
    pub segments: usize,
}

const ALL: Bounds = Bounds { bytes: 1 << 20, records: usize::MAX };

impl Core {
    /// All topics by name. Reads every record to count it.
    pub(super) fn describe(&self) -> Result<Vec<TopicDescription>, LogError> {
        let mut topics: Vec<_> = self.topics.read().in_order.clone();
        topics.sort_by(|left, right| left.name.cmp(&right.name));
        let whole = |topic: &Topic| {
            let partitions: Result<Vec<PartitionDescription>, LogError> =
                topic.partitions.iter().map(|partition| self.describe_partition(partition)).collect();
            Ok(TopicDescription { name: topic.name.to_string(), config: topic.config.clone(), partitions: partitions? })
        };
        topics.iter().map(|topic| whole(topic)).collect()
    }

    fn describe_partition(&self, partition: &Partition) -> Result<PartitionDescription, LogError> {
        let state = partition.lock();
        let (start, last_stable, high_watermark) = (state.start, state.last_stable(), state.end);
        let (bytes, segments) = (state.segments.iter().map(|segment| segment.size).sum(), state.segments.len());
        drop(state);
        let mut records = 0;
        self.read(partition, start, &mut |batch| records += batch.len() as u64)?;
        Ok(PartitionDescription { partition: partition.id.1, start, last_stable, high_watermark, records, bytes, segments })
    }

    /// The last `count` records that a committed reader sees, oldest first, in batches.
    pub(super) fn tail(&self, partition: &Partition, count: usize) -> Result<Vec<RecordBatch>, LogError> {
        let (start, end) = {
            let state = partition.lock();
            (state.start, state.last_stable())
        };
        let mut back = i64::try_from(count).unwrap_or(i64::MAX);
        loop {
            let from = end.saturating_sub(back).max(start);
            let mut batches = Vec::new();
            self.read(partition, from, &mut |batch| batches.push(batch))?;
            let found: usize = batches.iter().map(RecordBatch::len).sum();
            if found < count && from > start {
                back = back.saturating_mul(2);
                continue;
            }
            return Ok(last(batches, found.saturating_sub(count)));
        }
    }

    fn read(&self, partition: &Partition, from: Offset, take: &mut dyn FnMut(RecordBatch)) -> Result<(), LogError> {
        let mut position = from;
        while let Some(batch) = partition.fetch(self, position, Isolation::ReadCommitted, ALL)?.batch {
            position = batch.next_offset();
            take(batch);
        }
        Ok(())
    }
}

/// The batches without the first `skip` records.
fn last(batches: Vec<RecordBatch>, mut skip: usize) -> Vec<RecordBatch> {
    let mut kept = Vec::new();
    for batch in batches {
        let passed = skip.min(batch.len());
        skip -= passed;
        if passed == batch.len() {
            continue;
        }
        if passed == 0 {
            kept.push(batch);
            continue;
        }
        let mut builder = crate::log::RecordBatchBuilder::new(batch.partition().clone());
        for record in batch.iter().skip(passed) {
            builder.push(record.offset, record.timestamp, record.key, record.value, record.headers.encoded());
        }
        kept.push(builder.build(batch.next_offset()));
    }
    kept
}
