//! Reading assigned partitions.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rdkafka::types::RDKafkaErrorCode as Code;

use crate::log::{Consumer, ConsumerOptions, Isolation, LogError, LogErrorKind, Offset, RecordBatch, StartOffset, TopicPartition};

use super::errors;
use super::native::{CallError, INVALID_OFFSET, Message, Reader, elements};
use super::options::KafkaOptions;
use super::settings;
use super::slots::{Slot, Slots, list};
use super::statistics::Latest;
use super::topics::Topics;

/// At most this many records a poll: enough that the cost of a call is spread thin, little enough that a thread looks up
/// between two.
const RECORDS_A_POLL: usize = 1024;

/// A consumer of Kafka. It is a member of no group and commits nothing.
#[derive(Debug)]
pub(super) struct KafkaConsumer {
    reader: Reader,
    topics: Arc<Topics>,
    isolation: Isolation,
    slots: Slots,
    /// Failures to be told of, one a poll, after the records that came before them.
    failures: VecDeque<LogError>,
    headers: Vec<u8>,
}

impl KafkaConsumer {
    pub(super) fn new(options: &KafkaOptions, consumer: &ConsumerOptions, topics: Arc<Topics>, statistics: Arc<Latest>) -> Result<Self, LogError> {
        let reader = Reader::new(&settings::of_consumer(options, consumer), RECORDS_A_POLL, statistics)
            .map_err(|reason| LogError::new(LogErrorKind::Invalid, format!("making the consumer {:?} failed: {reason}", consumer.client_id)))?;
        Ok(Self { reader, topics, isolation: consumer.isolation, slots: Slots::default(), failures: VecDeque::new(), headers: Vec::new() })
    }

    /// Where to start. Beginning and end are looked up now: what is written after this call is delivered, the position is
    /// known at once, and librdkafka's own look-up comes with half a second's delay.
    fn start(&self, partition: &TopicPartition, start: StartOffset) -> Result<Offset, LogError> {
        let ask = || self.topics.offsets_seen_by(self.reader.client(), partition);
        match start {
            StartOffset::At(offset) if offset < 0 => {
                Err(LogError::new(LogErrorKind::Invalid, "an offset is not negative").at(partition).at_offset(offset))
            }
            StartOffset::At(offset) => Ok(offset),
            StartOffset::Beginning => ask().map(|(oldest, _)| oldest),
            StartOffset::End => ask().map(|(_, end)| end),
        }
    }

    /// Starts fetching partitions at their positions.
    fn fetch<'a>(&self, slots: impl Iterator<Item = &'a Slot>) -> Result<(), LogError> {
        let starts = list(slots.map(|slot| (&slot.partition, slot.position)))?;
        if starts.count() == 0 {
            return Ok(());
        }
        self.reader.assign(&starts).map_err(|error| errors::of_call("assigning partitions", error))
    }

    /// Stops fetching partitions, and drops what was fetched of them.
    fn stop<'a>(&self, slots: impl Iterator<Item = &'a Slot>) -> Result<(), LogError> {
        let stopped = list(slots.map(|slot| (&slot.partition, None)))?;
        if stopped.count() == 0 {
            return Ok(());
        }
        self.reader.unassign(&stopped).map_err(|error| errors::of_call("taking partitions away", error))
    }

    /// The assigned ones of `partitions` that are not yet as wanted.
    fn to_change(&self, partitions: &[TopicPartition], paused: bool) -> Vec<&Slot> {
        partitions.iter().filter_map(|partition| self.slots.get(partition)).filter(|slot| slot.paused != paused).collect()
    }

    fn mark(&mut self, partitions: &[TopicPartition], paused: bool) {
        for partition in partitions {
            if let Some(slot) = self.slots.get_mut(partition) {
                slot.paused = paused;
            }
        }
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
            let before = self.slots.get(partition);
            if !before.is_some_and(|slot| stays(slot, start)) {
                let mut slot = Slot::new(partition.clone(), Some(self.start(partition, *start)?))?;
                slot.paused = before.is_some_and(|earlier| earlier.paused);
                slot.failed_before = before.filter(|earlier| earlier.failed).and_then(|earlier| earlier.position);
                added.push(slot);
            }
        }
        // Nothing has been changed so far, and nothing below fails for reasons of the cluster.
        let moved: BTreeSet<&TopicPartition> = added.iter().map(|slot| &slot.partition).collect();
        let (kept, removed): (Vec<Slot>, Vec<Slot>) =
            std::mem::take(&mut self.slots).into_slots().partition(|slot| seen.contains(&slot.partition) && !moved.contains(&slot.partition));
        self.failures.retain(|failure| failure.partition().is_none_or(|partition| kept.iter().any(|slot| slot.partition == *partition)));
        self.stop(removed.iter().filter(|slot| !slot.paused))?;
        self.fetch(added.iter().filter(|slot| !slot.paused))?;
        self.slots = Slots::new(kept.into_iter().chain(added).collect());
        Ok(())
    }

    // librdkafka's own pause goes on where it believes the reader to stand, which its batch call miscounts at the end of a
    // partition. Taking the partition away and giving it back at our own position does the same, and is right.

    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.stop(self.to_change(partitions, true).into_iter())?;
        self.mark(partitions, true);
        Ok(())
    }

    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError> {
        self.fetch(self.to_change(partitions, false).into_iter())?;
        self.mark(partitions, false);
        Ok(())
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
        // Told already.
        (LogErrorKind::OffsetOutOfRange, Some(slot)) if slot.failed || slot.failed_before.is_some_and(|offset| offset == message.offset()) => None,
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
