//! Reading assigned partitions.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::types::RDKafkaErrorCode as Code;

use crate::log::{Consumer, ConsumerOptions, Isolation, LogError, LogErrorKind, Offset, RecordBatch, StartOffset, TopicPartition};

use super::errors;
use super::native::{elements, CallError, Message, Reader, INVALID_OFFSET};
use super::options::KafkaOptions;
use super::settings;
use super::slots::{list, Slot, Slots};
use super::topics::Topics;

/// At most this many records a poll: enough that the cost of a call is spread thin, little enough that a thread looks up
/// between two.
const RECORDS_A_POLL: usize = 1024;

/// librdkafka's offset for "the oldest there is".
const BEGINNING: Offset = rdkafka::bindings::RD_KAFKA_OFFSET_BEGINNING as Offset;

/// A consumer of Kafka. It is a member of no group and commits nothing.
#[derive(Debug)]
pub(super) struct KafkaConsumer {
    reader: Reader,
    topics: Arc<Topics>,
    isolation: Isolation,
    request_timeout: Duration,
    slots: Slots,
    /// Failures to be told of, one a poll, after the records that came before them.
    failures: VecDeque<LogError>,
    headers: Vec<u8>,
}

impl KafkaConsumer {
    pub(super) fn new(options: &KafkaOptions, consumer: &ConsumerOptions, topics: Arc<Topics>) -> Result<Self, LogError> {
        let reader = Reader::new(&settings::of_consumer(options, consumer), RECORDS_A_POLL)
            .map_err(|reason| LogError::new(LogErrorKind::Invalid, format!("making the consumer {:?} failed: {reason}", consumer.client_id)))?;
        Ok(Self {
            reader,
            topics,
            isolation: consumer.isolation,
            request_timeout: options.request_timeout,
            slots: Slots::default(),
            failures: VecDeque::new(),
            headers: Vec::new(),
        })
    }

    /// The offset to give to librdkafka, and the position as far as it is known. The end is looked up now, so that what
    /// is written after this call is delivered.
    fn start(&self, partition: &TopicPartition, start: StartOffset) -> Result<(Offset, Option<Offset>), LogError> {
        match start {
            StartOffset::Beginning => Ok((BEGINNING, None)),
            StartOffset::At(offset) if offset < 0 => {
                Err(LogError::new(LogErrorKind::Invalid, "an offset is not negative").at(partition).at_offset(offset))
            }
            StartOffset::At(offset) => Ok((offset, Some(offset))),
            StartOffset::End => {
                let client = self.reader.client();
                let (_, end) = client
                    .query_watermarks(&partition.topic, partition.partition, self.request_timeout)
                    .map_err(|error| errors::of_call("asking for the end", error).at(partition))?;
                Ok((end, Some(end)))
            }
        }
    }

    fn remove(&self, slots: &[Slot]) -> Result<(), LogError> {
        if slots.is_empty() {
            return Ok(());
        }
        // librdkafka remembers that a partition was paused, even through an assignment.
        let paused = list(slots.iter().filter(|slot| slot.paused).map(|slot| (&slot.partition, None)))?;
        let removed = list(slots.iter().map(|slot| (&slot.partition, None)))?;
        self.reader.resume(&paused).map_err(|error| errors::of_call("resuming partitions", error))?;
        self.reader.unassign(&removed).map_err(|error| errors::of_call("taking partitions away", error))
    }

    fn set_paused(&mut self, partitions: &[TopicPartition], paused: bool) -> Result<(), LogError> {
        let mut changed = Vec::new();
        for partition in partitions {
            if let Some(slot) = self.slots.get_mut(partition)
                && slot.paused != paused
            {
                slot.paused = paused;
                changed.push(partition);
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        let changed = list(changed.into_iter().map(|partition| (partition, None)))?;
        let result = if paused { self.reader.pause(&changed) } else { self.reader.resume(&changed) };
        result.map_err(|error| errors::of_call(if paused { "pausing partitions" } else { "resuming partitions" }, error))
    }
}

impl Consumer for KafkaConsumer {
    fn assign(&mut self, partitions: &[(TopicPartition, StartOffset)]) -> Result<(), LogError> {
        let mut seen = BTreeSet::new();
        for (partition, _) in partitions {
            self.topics.require(partition)?;
            if !seen.insert(partition) {
                return Err(LogError::new(LogErrorKind::Invalid, "a partition is assigned twice").at(partition));
            }
        }
        let stays = |slot: &Slot, start: &StartOffset| !slot.failed && slot.position.is_some_and(|position| *start == StartOffset::At(position));
        let mut added = Vec::new();
        for (partition, start) in partitions {
            if !self.slots.get(partition).is_some_and(|slot| stays(slot, start)) {
                let (offset, position) = self.start(partition, *start)?;
                added.push((Slot::new(partition.clone(), position)?, offset));
            }
        }
        // Nothing has been changed so far, and nothing below fails for reasons of the cluster.
        let moved: BTreeSet<TopicPartition> = added.iter().map(|(slot, _)| slot.partition.clone()).collect();
        let (kept, removed): (Vec<Slot>, Vec<Slot>) = std::mem::take(&mut self.slots)
            .into_slots()
            .partition(|slot| seen.contains(&slot.partition) && !moved.contains(&slot.partition));
        self.failures.retain(|failure| failure.partition().is_none_or(|partition| kept.iter().any(|slot| slot.partition == *partition)));
        self.remove(&removed)?;
        if !added.is_empty() {
            let starts = list(added.iter().map(|(slot, offset)| (&slot.partition, Some(*offset))))?;
            self.reader.assign(&starts).map_err(|error| errors::of_call("assigning partitions", error))?;
        }
        self.slots = Slots::new(kept.into_iter().chain(added.into_iter().map(|(slot, _)| slot)).collect());
        Ok(())
    }

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.set_paused(partitions, true)
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.set_paused(partitions, false)
    }

    fn poll(&mut self, timeout: Duration, batches: &mut Vec<RecordBatch>) -> Result<(), LogError> {
        if let Some(failure) = self.failures.pop_front() {
            return Err(failure);
        }
        let before = batches.len();
        {
            let messages = self.reader.read(timeout);
            for message in messages.iter() {
                let slot = self.slots.find(&message);
                match (message.code(), slot) {
                    (Code::NoError, Some(slot)) => self.slots.expect(slot, &message),
                    (Code::NoError, None) => {}
                    (Code::PartitionEOF, Some(slot)) => self.slots.end(slot, message.offset()),
                    (Code::PartitionEOF, None) => {}
                    (code, slot) => self.failures.extend(failure(code, &message, slot.and_then(|slot| self.slots.slot(slot)))),
                }
            }
            for message in messages.iter().filter(|message| message.code() == Code::NoError) {
                if let Some(slot) = self.slots.find(&message) {
                    self.slots.push(slot, &message, &mut self.headers, batches);
                }
            }
        }
        let reader = &self.reader;
        self.slots.finish(|touched| positions(reader, touched), batches);
        if let Some((code, reason)) = self.reader.client().fatal_error() {
            return Err(errors::of_fatal(code, reason));
        }
        match self.failures.pop_front() {
            Some(failure) if batches.len() == before => Err(failure),
            Some(failure) => {
                self.failures.push_front(failure);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn position(&self, partition: &TopicPartition) -> Option<Offset> {
        self.slots.get(partition)?.position
    }

    fn end_offset(&self, partition: &TopicPartition) -> Option<Offset> {
        let slot = self.slots.get(partition)?;
        let high_watermark = || self.reader.client().cached_high_watermark(&slot.c_topic, partition.partition);
        match (self.isolation, slot.end_seen) {
            // The consumer stands where it last found an end: for committed reading that is the last stable offset. Short of
            // such an end the high watermark stands in for it, until the next answer of the broker, which comes within
            // `fetch.wait.max.ms`: too much lag for a moment, never too little.
            (Isolation::ReadCommitted, Some(end)) if slot.position.is_some_and(|position| position <= end) => Some(end),
            (_, end) => high_watermark().max(end),
        }
    }
}

fn positions(reader: &Reader, slots: &[&Slot]) -> Vec<Option<Offset>> {
    let Ok(wanted) = list(slots.iter().map(|slot| (&slot.partition, None))) else { return Vec::new() };
    reader.positions(&wanted);
    elements(&wanted).map(|element| (element.offset != INVALID_OFFSET && element.offset >= 0).then_some(element.offset)).collect()
}

/// The error of an event, if the caller needs to know. Trouble with connections is librdkafka's to mend and is logged.
fn failure(code: Code, message: &Message<'_>, slot: Option<&mut Slot>) -> Option<LogError> {
    let error = CallError { message: message.text(), ..CallError::of(code) };
    match (errors::kind(code), slot) {
        (LogErrorKind::Retriable, _) | (_, None) => {
            tracing::warn!(target: "straum::kafka", code = ?code, reason = error.message, "reading is disturbed");
            None
        }
        (kind, Some(slot)) => {
            slot.failed = kind == LogErrorKind::OffsetOutOfRange;
            let failure = errors::of_call("reading", error).at(&slot.partition);
            Some(match slot.position {
                Some(offset) => failure.at_offset(offset),
                None => failure,
            })
        }
    }
}
