//! Consumers: positions, and waiting without spinning.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::core::Core;
use super::fetch::Bounds;
use super::partition::Partition;
use crate::log::{Consumer, ConsumerOptions, Isolation, LogError, LogErrorKind, Offset, RecordBatch, StartOffset, TopicPartition};

/// A consumer of the embedded log.
pub(super) struct EmbeddedConsumer {
    core: Arc<Core>,
    isolation: Isolation,
    assigned: Vec<Assigned>,
    /// Whose turn is first at the next poll.
    turn: usize,
}

struct Assigned {
    partition: Arc<Partition>,
    position: Offset,
    end: Option<Offset>,
    paused: bool,
    /// Out of range, and reported: silent until it is assigned again.
    lost: bool,
}

impl EmbeddedConsumer {
    pub(super) fn new(core: &Arc<Core>, options: &ConsumerOptions) -> Self {
        Self { core: Arc::clone(core), isolation: options.isolation, assigned: Vec::new(), turn: 0 }
    }

    /// One round over all partitions.
    fn round(&mut self, batches: &mut Vec<RecordBatch>) -> Result<(), LogError> {
        let count = self.assigned.len();
        let before = batches.len();
        let bounds = Bounds { bytes: self.core.options.fetch_bytes, records: self.core.options.fetch_records };
        let first = self.turn;
        for index in (0..count).map(|step| (first + step) % count) {
            let Some(assigned) = self.assigned.get_mut(index).filter(|assigned| !assigned.paused && !assigned.lost) else { continue };
            match assigned.partition.fetch(&self.core, assigned.position, self.isolation, bounds) {
                Ok(fetched) => {
                    assigned.end = Some(fetched.limit);
                    if let Some(batch) = fetched.batch {
                        assigned.position = batch.next_offset();
                        batches.push(batch);
                    }
                }
                // What is delivered already must not be lost to the error: it comes first in the next call.
                Err(_) if batches.len() > before => {
                    self.turn = index;
                    return Ok(());
                }
                Err(error) => {
                    assigned.lost = error.kind() == LogErrorKind::OffsetOutOfRange;
                    self.turn = index + 1;
                    return Err(error);
                }
            }
        }
        self.turn = if count == 0 { 0 } else { (first + 1) % count };
        Ok(())
    }

    /// When to look again although nothing has been signalled: a transaction may time out.
    fn wake(&self, until: Instant) -> Instant {
        let wait = u64::try_from(self.core.deadline().saturating_sub(self.core.now())).unwrap_or(0).max(1);
        Instant::now().checked_add(Duration::from_millis(wait)).map_or(until, |deadline| deadline.min(until))
    }

    fn find(&self, partition: &TopicPartition) -> Option<&Assigned> {
        self.assigned.iter().find(|assigned| assigned.partition.name == *partition)
    }

    fn set_paused(&mut self, partitions: &[TopicPartition], paused: bool) {
        for assigned in &mut self.assigned {
            if partitions.contains(&assigned.partition.name) {
                assigned.paused = paused;
            }
        }
    }
}

impl Consumer for EmbeddedConsumer {
    fn assign(&mut self, partitions: &[(TopicPartition, StartOffset)]) -> Result<(), LogError> {
        let mut assigned = Vec::with_capacity(partitions.len());
        for (name, start) in partitions {
            let partition = self.core.partition(name)?;
            let position = match start {
                StartOffset::Beginning => partition.lock().start,
                StartOffset::End => partition.lock().limit(self.isolation),
                StartOffset::At(offset) => *offset,
            };
            let paused = self.find(name).is_some_and(|before| before.paused);
            assigned.push(Assigned { partition, position, end: None, paused, lost: false });
        }
        self.assigned = assigned;
        self.turn = 0;
        Ok(())
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.set_paused(partitions, true);
        Ok(())
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.set_paused(partitions, false);
        Ok(())
    }

    fn poll(&mut self, timeout: Duration, batches: &mut Vec<RecordBatch>) -> Result<(), LogError> {
        let before = batches.len();
        let mut until = None;
        loop {
            let seen = self.core.signal.now();
            self.core.expire();
            self.round(batches)?;
            if batches.len() > before || timeout.is_zero() {
                return Ok(());
            }
            let now = Instant::now();
            let until = *until.get_or_insert_with(|| now.checked_add(timeout).unwrap_or_else(|| now + Duration::from_secs(86_400)));
            if now >= until {
                return Ok(());
            }
            self.core.signal.wait(seen, self.wake(until));
        }
    }

    fn position(&self, partition: &TopicPartition) -> Option<Offset> {
        self.find(partition).map(|assigned| assigned.position)
    }

    fn end_offset(&self, partition: &TopicPartition) -> Option<Offset> {
        self.find(partition).and_then(|assigned| assigned.end)
    }
}
