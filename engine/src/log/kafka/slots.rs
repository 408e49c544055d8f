//! Where each assigned partition stands.

use std::ffi::CString;

use hashbrown::HashMap;
use rdkafka::TopicPartitionList;

use crate::log::{LogError, LogErrorKind, Offset, RecordBatch, RecordBatchBuilder, TopicPartition};

use super::native::Message;

/// A batch is handed over before its offsets could outgrow 32 bits.
const LARGEST_BATCH: usize = 1 << 28;

/// An assigned partition.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) partition: TopicPartition,
    pub(super) c_topic: CString,
    /// The next offset, once known.
    pub(super) position: Option<Offset>,
    /// Where the consumer last found nothing more that it may see.
    pub(super) end_seen: Option<Offset>,
    pub(super) paused: bool,
    /// Reading it failed; it delivers nothing until it is assigned again.
    pub(super) failed: bool,
    /// Where reading it failed in the assignment before this one: librdkafka may tell of that once more.
    pub(super) failed_before: Option<Offset>,
    building: Building,
}

/// What this read has for one partition.
#[derive(Debug, Default)]
struct Building {
    records: usize,
    bytes: usize,
    batch: Option<RecordBatchBuilder>,
    touched: bool,
}

impl Slot {
    pub(super) fn new(partition: TopicPartition, position: Option<Offset>) -> Result<Self, LogError> {
        let c_topic = CString::new(&*partition.topic)
            .map_err(|_| LogError::new(LogErrorKind::UnknownTopic, "a topic's name holds no zero byte").at(&partition))?;
        let building = Building::default();
        Ok(Self { partition, c_topic, position, end_seen: None, paused: false, failed: false, failed_before: None, building })
    }

    /// Takes over what librdkafka says of the position, which passes over markers that were not delivered. Its batch call
    /// counts the event of an end like a record: one past an end that was seen it may be wrong, and the next end tells.
    fn passed(&mut self, position: Offset) {
        if !self.failed && self.end_seen.is_none_or(|end| position != end + 1) {
            self.advance(position);
        }
    }

    fn advance(&mut self, position: Offset) {
        self.position = Some(self.position.map_or(position, |known| known.max(position)));
    }

    /// Counts a record of this read, to know the batch's size before it is built.
    fn expect(&mut self, message: &Message<'_>) {
        self.building.records += 1;
        self.building.bytes += message.key().map_or(0, <[u8]>::len) + message.value().map_or(0, <[u8]>::len);
    }

    fn push(&mut self, message: &Message<'_>, headers: &mut Vec<u8>, batches: &mut Vec<RecordBatch>) {
        headers.clear();
        message.headers(headers);
        let batch = self.building.batch.get_or_insert_with(|| {
            let (records, bytes) = (self.building.records, self.building.bytes);
            RecordBatchBuilder::with_capacity(self.partition.clone(), records, bytes)
        });
        batch.push(message.offset(), message.timestamp(), message.key(), message.value(), headers);
        let full = batch.bytes() > LARGEST_BATCH;
        self.advance(message.offset() + 1);
        if full {
            self.finish(batches);
        }
    }

    fn finish(&mut self, batches: &mut Vec<RecordBatch>) {
        if let Some((batch, position)) = self.building.batch.take().zip(self.position) {
            batches.push(batch.build(position));
        }
        self.building = Building::default();
    }
}

/// All assigned partitions, found by name for callers and by librdkafka's topic number for messages.
#[derive(Debug, Default)]
pub(super) struct Slots {
    slots: Vec<Slot>,
    by_name: HashMap<TopicPartition, usize>,
    by_number: HashMap<(usize, i32), usize>,
    latest: Option<(usize, i32, usize)>,
    touched: Vec<usize>,
}

impl Slots {
    pub(super) fn new(slots: Vec<Slot>) -> Self {
        let by_name = slots.iter().enumerate().map(|(index, slot)| (slot.partition.clone(), index)).collect();
        Self { slots, by_name, ..Self::default() }
    }

    pub(super) fn get(&self, partition: &TopicPartition) -> Option<&Slot> {
        self.by_name.get(partition).and_then(|index| self.slots.get(*index))
    }

    pub(super) fn get_mut(&mut self, partition: &TopicPartition) -> Option<&mut Slot> {
        self.by_name.get(partition).and_then(|index| self.slots.get_mut(*index))
    }

    pub(super) fn into_slots(self) -> impl Iterator<Item = Slot> {
        self.slots.into_iter()
    }

    /// The slot of a message. The number of its topic is looked up by name once an assignment.
    pub(super) fn find(&mut self, message: &Message<'_>) -> Option<usize> {
        let (topic, partition) = (message.topic_number(), message.partition());
        if let Some((latest_topic, latest_partition, index)) = self.latest
            && latest_topic == topic
            && latest_partition == partition
        {
            return Some(index);
        }
        let index = match self.by_number.get(&(topic, partition)) {
            Some(index) => *index,
            None => {
                let name = TopicPartition::new(message.topic(), u32::try_from(partition).ok()?);
                let index = *self.by_name.get(&name)?;
                self.by_number.insert((topic, partition), index);
                index
            }
        };
        self.latest = Some((topic, partition, index));
        Some(index)
    }

    pub(super) fn slot(&mut self, index: usize) -> Option<&mut Slot> {
        self.slots.get_mut(index)
    }

    /// First pass over a read: how much there is for each partition.
    pub(super) fn expect(&mut self, index: usize, message: &Message<'_>) {
        self.touch(index);
        if let Some(slot) = self.slots.get_mut(index) {
            slot.expect(message);
        }
    }

    /// Second pass: copies the record into its partition's batch.
    pub(super) fn push(&mut self, index: usize, message: &Message<'_>, headers: &mut Vec<u8>, batches: &mut Vec<RecordBatch>) {
        if let Some(slot) = self.slots.get_mut(index) {
            slot.push(message, headers, batches);
        }
    }

    /// The partition has nothing more up to `offset`, for now.
    pub(super) fn end(&mut self, index: usize, offset: Offset) {
        self.touch(index);
        if let Some(slot) = self.slots.get_mut(index) {
            slot.end_seen = Some(offset);
        }
    }

    fn touch(&mut self, index: usize) {
        if let Some(slot) = self.slots.get_mut(index)
            && !slot.building.touched
        {
            slot.building.touched = true;
            self.touched.push(index);
        }
    }

    /// Ends a read: moves positions to the ends seen and to what `positions` says, past markers, and hands over the
    /// batches in the order in which their first records came. A read that touched no partition looks at all of them.
    pub(super) fn finish(&mut self, positions: impl FnOnce(&[&Slot]) -> Vec<Option<Offset>>, batches: &mut Vec<RecordBatch>) {
        if self.touched.is_empty() {
            self.touched.extend(0..self.slots.len());
        }
        let touched = std::mem::take(&mut self.touched);
        let found = positions(&touched.iter().filter_map(|index| self.slots.get(*index)).collect::<Vec<_>>());
        for (index, position) in touched.iter().zip(found) {
            let Some(slot) = self.slots.get_mut(*index) else { continue };
            let before = slot.position;
            if let Some(end) = slot.end_seen {
                slot.advance(end);
            }
            if let Some(position) = position {
                slot.passed(position);
            }
            if slot.building.batch.is_none()
                && let (Some(before), Some(now)) = (before, slot.position)
                && now > before
            {
                // Nothing to deliver, but the position has moved.
                slot.building.batch = Some(RecordBatchBuilder::new(slot.partition.clone()));
            }
            slot.finish(batches);
        }
        self.touched = touched;
        self.touched.clear();
    }
}

/// The partitions as librdkafka's list, each at an offset or without.
pub(super) fn list<'a>(partitions: impl Iterator<Item = (&'a TopicPartition, Option<Offset>)>) -> Result<TopicPartitionList, LogError> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in partitions {
        if partition.topic.contains('\0') {
            return Err(LogError::new(LogErrorKind::UnknownTopic, "a topic's name holds no zero byte").at(partition));
        }
        let number =
            i32::try_from(partition.partition).map_err(|_| LogError::new(LogErrorKind::UnknownTopic, "there is no such partition").at(partition))?;
        let mut entry = list.add_partition(&partition.topic, number);
        if let Some(offset) = offset {
            entry
                .set_offset(rdkafka::Offset::from_raw(offset))
                .map_err(|error| LogError::new(LogErrorKind::Invalid, "not an offset").at(partition).at_offset(offset).with_source(error))?;
        }
    }
    Ok(list)
}
