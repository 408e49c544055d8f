//! Producers: batches are encoded into frames, one run a partition, and appended under one lock a partition.
//!
//! With [`Acknowledgement::Late`] the encoded runs wait in the producer, as they would in a client's queue, until `flush`,
//! `commit` or [`EmbeddedLog::deliver`](super::EmbeddedLog::deliver).

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::core::{Core, Topic, unknown};
use super::frame::{FrameWriter, RECORD_HEADER};
use super::groups::GroupOffset;
use super::options::Acknowledgement;
use super::partition::{Partition, State};
use super::transactions::{Slot, SlotState};
use crate::log::{
    CommittedOffset, GroupMembership, LogError, LogErrorKind, LogRecord, Offset, OutputBatch, OutputRecord, Producer, ProducerOptions, TopicPartition,
};

/// The producers with late acknowledgement, and the faults that wait for them.
#[derive(Default)]
pub(super) struct Deliveries {
    queues: Mutex<Vec<Weak<Queue>>>,
    faults: Mutex<VecDeque<LogErrorKind>>,
}

/// Frames for one partition.
struct Portion {
    partition: Arc<Partition>,
    frames: FrameWriter,
}

/// What was sent and is not in the log, and what came of the rest.
struct Queue {
    slot: Option<(Arc<Slot>, u64)>,
    timeout_ms: i64,
    state: Mutex<QueueState>,
}

#[derive(Default)]
struct QueueState {
    waiting: VecDeque<Vec<Portion>>,
    acknowledged: HashMap<TopicPartition, Offset>,
    failure: Option<LogError>,
    /// A delivery failed: the transaction can only be aborted.
    broken: bool,
}

/// A producer of the embedded log.
pub(super) struct EmbeddedProducer {
    core: Arc<Core>,
    queue: Arc<Queue>,
    begun: bool,
    encoder: Encoder,
}

impl EmbeddedProducer {
    pub(super) fn new(core: &Arc<Core>, options: &ProducerOptions) -> Result<Self, LogError> {
        core.check()?;
        let slot = options.transactional_id.as_deref().map(|id| core.take_over(id)).transpose()?;
        let timeout_ms = i64::try_from(options.transaction_timeout.as_millis()).unwrap_or(i64::MAX);
        let queue = Arc::new(Queue { slot, timeout_ms, state: Mutex::default() });
        if core.options.acknowledgement == Acknowledgement::Late {
            let mut queues = core.deliveries.queues.lock();
            queues.retain(|known| known.strong_count() > 0);
            queues.push(Arc::downgrade(&queue));
        }
        Ok(Self { core: Arc::clone(core), queue, begun: false, encoder: Encoder::default() })
    }

    fn slot(&self) -> Result<(&Slot, u64), LogError> {
        let (slot, epoch) = self.queue.slot.as_ref().ok_or_else(|| invalid("the producer has no transactional id"))?;
        Ok((slot, *epoch))
    }

    fn in_transaction(&self) -> Result<(&Slot, u64), LogError> {
        let slot = self.slot()?;
        if !self.begun {
            return Err(invalid("no transaction has begun"));
        }
        Ok(slot)
    }
}

impl Producer for EmbeddedProducer {
    fn begin(&mut self) -> Result<(), LogError> {
        let (slot, epoch) = self.slot()?;
        if self.begun {
            return Err(invalid("a transaction has begun already"));
        }
        drop(slot.enter(&self.core, epoch)?);
        self.begun = true;
        Ok(())
    }

    fn send(&mut self, batch: &OutputBatch) -> Result<(), LogError> {
        if self.queue.slot.is_some() {
            self.in_transaction()?;
        }
        let refused = self.encoder.encode(&self.core, batch);
        let portions = &mut self.encoder.portions;
        match self.core.options.acknowledgement {
            Acknowledgement::Immediate => self.queue.deliver(&self.core, portions)?,
            Acknowledgement::Late => {
                if let Some((slot, epoch)) = &self.queue.slot {
                    drop(slot.enter(&self.core, *epoch)?);
                }
                self.queue.state.lock().waiting.push_back(mem::take(portions));
                self.encoder.forget();
            }
        }
        refused.map_or(Ok(()), Err)
    }

    fn flush(&mut self) -> Result<(), LogError> {
        self.queue.deliver_waiting(&self.core, usize::MAX)?;
        if let Some(failure) = self.queue.state.lock().failure.take() {
            return Err(failure);
        }
        match self.queue.slot {
            // The commit makes it durable.
            Some(_) => Ok(()),
            None => {
                self.core.check()?;
                self.core.sync_partitions()
            }
        }
    }

    fn acknowledged(&self, partition: &TopicPartition) -> Option<Offset> {
        self.queue.state.lock().acknowledged.get(partition).copied()
    }

    fn send_offsets(&mut self, membership: &GroupMembership, offsets: &[CommittedOffset]) -> Result<(), LogError> {
        let (slot, epoch) = self.in_transaction()?;
        let mut state = slot.enter(&self.core, epoch)?;
        self.core.check()?;
        let offsets = self.core.group_offsets(membership, offsets)?;
        self.core.groups.admit(membership, LogErrorKind::Abortable)?;
        state.open(&self.core, self.queue.timeout_ms).add_offsets(&self.core, offsets);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), LogError> {
        self.in_transaction()?;
        let flushed = self.queue.deliver_waiting(&self.core, usize::MAX);
        let (slot, epoch) = self.slot()?;
        let mut state = slot.enter(&self.core, epoch)?;
        flushed?;
        {
            let mut queue = self.queue.state.lock();
            if queue.broken {
                let error = LogError::new(LogErrorKind::Abortable, "a record of the transaction was not delivered");
                return Err(match queue.failure.take() {
                    Some(failure) => error.with_source(failure),
                    None => error,
                });
            }
        }
        state.commit(&self.core)?;
        drop(state);
        self.begun = false;
        Ok(())
    }

    fn abort(&mut self) -> Result<(), LogError> {
        let (slot, epoch) = self.in_transaction()?;
        let mut state = slot.enter(&self.core, epoch)?;
        self.core.check()?;
        {
            let mut queue = self.queue.state.lock();
            queue.waiting.clear();
            queue.failure = None;
            queue.broken = false;
        }
        state.abort(&self.core);
        drop(state);
        self.begun = false;
        Ok(())
    }
}

impl Queue {
    /// Appends portions: all of them, or none.
    fn deliver(&self, core: &Core, portions: &mut [Portion]) -> Result<(), LogError> {
        let mut slot = match &self.slot {
            Some((slot, epoch)) => Some(slot.enter(core, *epoch)?),
            None => None,
        };
        if portions.is_empty() {
            return Ok(());
        }
        self.append(core, slot.as_deref_mut(), portions)
    }

    fn append(&self, core: &Core, slot: Option<&mut SlotState>, portions: &mut [Portion]) -> Result<(), LogError> {
        let transaction = match slot {
            Some(slot) => {
                let open = slot.open(core, self.timeout_ms);
                // Before the records: a partition that is told of a transaction without records ignores its end.
                portions.iter().for_each(|portion| open.touch(&portion.partition));
                open.transaction
            }
            None => 0,
        };
        let mut queue = self.state.lock();
        core.append(portions, transaction, &mut queue.acknowledged)
    }

    /// Delivers at most `limit` batches that wait. Gives how many.
    fn deliver_waiting(&self, core: &Core, limit: usize) -> Result<usize, LogError> {
        for delivered in 0..limit {
            // The slot is locked before the queue, here as everywhere.
            let mut slot = match &self.slot {
                Some((slot, epoch)) => Some(slot.enter(core, *epoch)?),
                None => None,
            };
            let Some(mut portions) = self.state.lock().waiting.pop_front() else { return Ok(delivered) };
            if let Some(kind) = core.deliveries.faults.lock().pop_front() {
                let mut queue = self.state.lock();
                queue.broken = self.slot.is_some();
                queue.failure.get_or_insert_with(|| LogError::new(kind, "a delivery failed"));
                continue;
            }
            if let Err(error) = self.append(core, slot.as_deref_mut(), &mut portions) {
                self.state.lock().waiting.push_front(portions);
                return Err(error);
            }
        }
        Ok(limit)
    }
}

impl Core {
    /// Appends frames to their partitions, all or none. Portions are in the order of partitions.
    fn append(&self, portions: &mut [Portion], transaction: u64, acknowledged: &mut HashMap<TopicPartition, Offset>) -> Result<(), LogError> {
        let partitions: Vec<Arc<Partition>> = portions.iter().map(|portion| Arc::clone(&portion.partition)).collect();
        let mut states: Vec<_> = partitions.iter().map(|partition| partition.lock()).collect();
        let mut rolled = Vec::new();
        for (staged, portion) in portions.iter_mut().enumerate() {
            let Some(state) = states.get_mut(staged) else { break };
            match state.stage(self, &portion.partition, &mut portion.frames.buffer, transaction) {
                Ok(true) => rolled.push(Arc::clone(&portion.partition)),
                Ok(false) => {}
                Err(error) => {
                    states.iter_mut().take(staged).for_each(|before| before.undo(self));
                    return Err(error);
                }
            }
        }
        for (portion, state) in portions.iter().zip(&mut states) {
            let state: &mut State = state;
            state.publish(&portion.frames.buffer);
            self.mark_dirty(&portion.partition, state);
            match acknowledged.get_mut(&portion.partition.name) {
                Some(offset) => *offset = state.end - 1,
                None => {
                    acknowledged.insert(portion.partition.name.clone(), state.end - 1);
                }
            }
        }
        drop(states);
        self.signal.raise();
        if self.options.clean_at_roll {
            for partition in rolled {
                if let Err(error) = self.clean_partition(&partition, false) {
                    tracing::warn!(partition = %partition.name, %error, "cleaning failed; it is tried again at the next roll");
                }
            }
        }
        Ok(())
    }

    /// Checks that the partitions of offsets exist.
    pub(super) fn group_offsets(&self, membership: &GroupMembership, offsets: &[CommittedOffset]) -> Result<Vec<GroupOffset>, LogError> {
        let group: Arc<str> = Arc::from(membership.group.as_str());
        let resolve = |offset: &CommittedOffset| {
            let id = self.partition(&offset.partition)?.id;
            Ok(GroupOffset {
                group: Arc::clone(&group),
                id,
                partition: offset.partition.clone(),
                offset: offset.offset,
                metadata: offset.metadata.clone(),
            })
        };
        offsets.iter().map(resolve).collect()
    }

    /// Delivers at most `limit` waiting batches, producer by producer. Gives how many.
    pub(super) fn deliver(&self, limit: usize) -> Result<usize, LogError> {
        let queues: Vec<Arc<Queue>> = self.deliveries.queues.lock().iter().filter_map(Weak::upgrade).collect();
        let mut delivered = 0;
        for queue in queues {
            delivered += queue.deliver_waiting(self, limit - delivered)?;
        }
        Ok(delivered)
    }

    /// Lets the next waiting batch fail with `kind` when it is delivered.
    pub(super) fn fail_delivery(&self, kind: LogErrorKind) {
        self.deliveries.faults.lock().push_back(kind);
    }
}

fn invalid(message: &str) -> LogError {
    LogError::new(LogErrorKind::Invalid, message)
}

/// Sorts a batch's records into frames, a portion for each partition. Its memory is used again.
#[derive(Default)]
struct Encoder {
    portions: Vec<Portion>,
    spare: Vec<FrameWriter>,
    topics: HashMap<Arc<str>, Arc<Topic>>,
    /// For each topic of the batch: the topic, and for each partition its place in `portions` plus one.
    places: Vec<(Option<Arc<Topic>>, Vec<u32>)>,
}

impl Encoder {
    /// Encodes the records before the first that is refused.
    fn encode(&mut self, core: &Core, batch: &OutputBatch) -> Option<LogError> {
        self.start(core, batch.topics());
        let mut refused = None;
        for (index, record) in batch.iter().enumerate() {
            if let Err(error) = self.add(batch, &record) {
                refused = Some(error.of_record(index));
                break;
            }
        }
        self.portions.iter_mut().for_each(|portion| portion.frames.close());
        self.portions.sort_unstable_by_key(|portion| portion.partition.id);
        refused
    }

    fn start(&mut self, core: &Core, topics: &[Arc<str>]) {
        for mut portion in self.portions.drain(..) {
            portion.frames.clear();
            self.spare.push(portion.frames);
        }
        self.places.clear();
        for name in topics {
            if !self.topics.contains_key(name)
                && let Some(topic) = core.topic(name)
            {
                self.topics.insert(Arc::clone(name), topic);
            }
            let topic = self.topics.get(name).cloned();
            let places = vec![0; topic.as_ref().map_or(0, |topic| topic.partitions.len())];
            self.places.push((topic, places));
        }
    }

    fn add(&mut self, batch: &OutputBatch, record: &OutputRecord<'_>) -> Result<(), LogError> {
        let found = self.places.get_mut(record.topic as usize);
        let place = found.and_then(|(topic, places)| {
            let topic = topic.as_ref()?;
            Some((topic.partitions.get(record.partition as usize)?, places.get_mut(record.partition as usize)?))
        });
        let Some((partition, place)) = place else {
            let name = batch.topics().get(record.topic as usize).cloned().unwrap_or_default();
            return Err(unknown(&TopicPartition::new(name, record.partition)));
        };
        check_record(partition, record)?;
        if *place == 0 {
            let frames = self.spare.pop().unwrap_or_default();
            self.portions.push(Portion { partition: Arc::clone(partition), frames });
            *place = u32::try_from(self.portions.len()).unwrap_or(u32::MAX);
        }
        if let Some(portion) = self.portions.get_mut(*place as usize - 1) {
            portion.frames.push(
                0,
                &LogRecord { offset: 0, timestamp: record.timestamp, key: record.key, value: record.value, headers: record.headers },
                None,
            );
        }
        Ok(())
    }

    /// The portions were given away.
    fn forget(&mut self) {
        self.portions.clear();
    }
}

fn check_record(partition: &Partition, record: &OutputRecord<'_>) -> Result<(), LogError> {
    if record.timestamp < 0 {
        let message = format!("a timestamp is not negative, this one is {}", record.timestamp);
        return Err(LogError::new(LogErrorKind::Invalid, message).at(&partition.name));
    }
    let length = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
    let bytes = RECORD_HEADER + length(record.key) + length(record.value) + record.headers.encoded().len();
    if bytes > partition.config.max_message_bytes {
        let message = format!("record of {bytes} bytes, max.message.bytes is {}", partition.config.max_message_bytes);
        return Err(LogError::new(LogErrorKind::RecordTooLarge, message).at(&partition.name));
    }
    if partition.config.compact && record.key.is_none() {
        return Err(LogError::new(LogErrorKind::Invalid, "record without a key for a compacted topic").at(&partition.name));
    }
    Ok(())
}
