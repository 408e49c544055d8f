//! Writing, in transactions or without.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::types::RDKafkaErrorCode as Code;

use crate::log::{
    CommittedOffset, GroupMembership, LogError, LogErrorKind, Offset, OutputBatch, OutputRecord, Producer, ProducerOptions, TopicPartition,
};

use super::errors;
use super::native::{CallError, GroupMetadata, Headers, Sender, TopicHandle};
use super::offsets;
use super::options::KafkaOptions;
use super::settings;
use super::statistics::Latest;
use super::topics::Topics;

/// How long one call into librdkafka may take before this thread looks at the clock and the fatal flag again.
const SLICE: Duration = Duration::from_millis(500);

/// How long to wait for reports while the queue is full.
const BACK_PRESSURE: Duration = Duration::from_millis(10);

/// A producer of Kafka: idempotent, and transactional with a transactional id.
#[derive(Debug)]
pub(super) struct KafkaProducer {
    sender: Sender,
    topics: Arc<Topics>,
    known: Vec<KnownTopic>,
    /// The topics of the batch in hand, by its numbers; kept for its memory.
    resolved: Vec<Option<usize>>,
    transaction: Transaction,
    delivery_timeout: Duration,
    outcome_timeout: Duration,
}

#[derive(Debug)]
struct KnownTopic {
    name: Arc<str>,
    partitions: u32,
    handle: TopicHandle,
}

/// Where a producer stands between its calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transaction {
    /// The producer has no transactional id.
    Never,
    Closed,
    Open,
}

impl KafkaProducer {
    /// A producer, ready to send: with a transactional id it has fenced its predecessors.
    pub(super) fn new(options: &KafkaOptions, producer: &ProducerOptions, topics: Arc<Topics>, statistics: Arc<Latest>) -> Result<Self, LogError> {
        let sender = Sender::new(&settings::of_producer(options, producer), statistics)
            .map_err(|reason| LogError::new(LogErrorKind::Invalid, format!("making the producer {:?} failed: {reason}", producer.client_id)))?;
        let transactional = producer.transactional_id.is_some();
        let mut made = Self {
            sender,
            topics,
            known: Vec::new(),
            resolved: Vec::new(),
            transaction: if transactional { Transaction::Closed } else { Transaction::Never },
            delivery_timeout: settings::message_timeout(producer.transaction_timeout),
            outcome_timeout: options.outcome_timeout,
        };
        if transactional {
            made.repeat("fencing earlier producers", options.request_timeout, |sender, slice| {
                let outcome = sender.init_transactions(slice);
                sender.poll(Duration::ZERO);
                outcome.map_err(|error| sender.refusal().unwrap_or(error))
            })?;
        }
        Ok(made)
    }

    /// A producer that librdkafka has given up must not be called again: some calls would never return.
    fn check(&self) -> Result<(), LogError> {
        self.sender.client().fatal_error().map_or(Ok(()), |(code, reason)| Err(errors::of_fatal(code, reason)))
    }

    /// Makes a call until it gives an answer. A time-out is no answer, so the same call is made again.
    fn repeat(
        &mut self,
        doing: &str,
        patience: Duration,
        mut call: impl FnMut(&mut Sender, Duration) -> Result<(), CallError>,
    ) -> Result<(), LogError> {
        let deadline = Instant::now() + patience;
        loop {
            self.check()?;
            match call(&mut self.sender, SLICE) {
                Ok(()) => return Ok(()),
                Err(error) if error.retriable && !error.fatal && !error.must_abort && Instant::now() < deadline => self.sender.poll(Duration::ZERO),
                Err(error) => return Err(errors::of_transaction(doing, error)),
            }
        }
    }

    /// Waits until nothing is in flight. In librdkafka's own commit the same wait comes in steps of 100 ms.
    fn drain(&mut self) -> Result<(), LogError> {
        // Every record is delivered or fails within its own time-out; the rest is for the last reports.
        let deadline = Instant::now() + self.delivery_timeout + self.outcome_timeout;
        while !self.sender.flush(SLICE) {
            self.check()?;
            if Instant::now() >= deadline {
                return Err(LogError::new(LogErrorKind::Fatal, "records are neither acknowledged nor failed in time"));
            }
        }
        self.delivered()
    }

    /// Lets records reach their partitions although they are to be aborted. An abort that overtakes the registration of the
    /// transaction's first partition, which the coordinator puts off while the markers of the transaction before are
    /// written, is answered with `INVALID_TXN_STATE`, and the producer is lost.
    fn deliver_before_abort(&mut self) -> Result<(), LogError> {
        let deadline = Instant::now() + self.delivery_timeout;
        while Instant::now() < deadline && self.delivered().is_ok() && !self.sender.flush(SLICE) {
            self.check()?;
        }
        Ok(())
    }

    /// The first delivery that failed, as an error.
    fn delivered(&self) -> Result<(), LogError> {
        self.sender.deliveries(|deliveries| {
            let Some(failure) = deliveries.failure() else { return Ok(()) };
            let kind = match errors::kind(failure.code) {
                // These the caller must know of, or it would repeat the same for ever.
                kind @ (LogErrorKind::RecordTooLarge | LogErrorKind::UnknownTopic | LogErrorKind::Unauthorized | LogErrorKind::Invalid) => kind,
                kind @ (LogErrorKind::Fenced | LogErrorKind::Fatal) if self.transaction != Transaction::Never => kind,
                _ => LogErrorKind::Abortable,
            };
            let error = LogError::new(kind, format!("a record was not written{}", errors::remedy(failure.code))).with_source(failure.code);
            Err(match deliveries.place(failure) {
                Some(partition) => error.at(&partition),
                None => error,
            })
        })
    }

    /// Whether a record may be sent now.
    fn ready(&self) -> Result<(), LogError> {
        self.check()?;
        match self.transaction {
            Transaction::Closed => Err(LogError::new(LogErrorKind::Invalid, "no transaction is open: begin one before sending")),
            Transaction::Open | Transaction::Never => Ok(()),
        }
    }

    fn in_transaction(&self) -> Result<(), LogError> {
        self.check()?;
        match self.transaction {
            Transaction::Open => Ok(()),
            Transaction::Closed => Err(LogError::new(LogErrorKind::Invalid, "no transaction is open: begin one first")),
            Transaction::Never => Err(LogError::new(LogErrorKind::Invalid, "a producer without transactional id has no transactions")),
        }
    }

    /// The topic of a record as this producer knows it. Looked up once a batch, asked for once.
    fn topic(&mut self, batch: &OutputBatch, record: &OutputRecord<'_>) -> Result<TopicHandle, LogError> {
        let number = record.topic as usize;
        if let Some(known) = self.resolved.get(number).copied().flatten().and_then(|index| self.known.get(index))
            && record.partition < known.partitions
        {
            return Ok(known.handle);
        }
        let Some(name) = batch.topics().get(number) else {
            return Err(LogError::new(LogErrorKind::Invalid, format!("the batch has no topic number {number}")));
        };
        let index = self.known.iter().position(|known| Arc::ptr_eq(&known.name, name) || known.name == *name);
        let index = match index.filter(|index| self.known.get(*index).is_some_and(|known| record.partition < known.partitions)) {
            Some(index) => index,
            None => self.learn(name, record.partition, index)?,
        };
        if let Some(resolved) = self.resolved.get_mut(number) {
            *resolved = Some(index);
        }
        self.known.get(index).map(|known| known.handle).ok_or_else(|| LogError::new(LogErrorKind::UnknownTopic, "there is no such topic"))
    }

    /// Asks the cluster about a topic that is new here, or that may have got more partitions.
    fn learn(&mut self, name: &Arc<str>, partition: u32, index: Option<usize>) -> Result<usize, LogError> {
        let partitions = self.topics.require(&TopicPartition { topic: Arc::clone(name), partition })?;
        if let Some((index, known)) = index.and_then(|index| self.known.get_mut(index).map(|known| (index, known))) {
            known.partitions = partitions;
            return Ok(index);
        }
        let handle = self.sender.topic(name, partitions).map_err(|error| errors::of_call(&format!("opening topic {name:?}"), error))?;
        self.known.push(KnownTopic { name: Arc::clone(name), partitions, handle });
        Ok(self.known.len() - 1)
    }

    fn send_record(&mut self, batch: &OutputBatch, record: &OutputRecord<'_>) -> Result<(), LogError> {
        if record.timestamp < 0 {
            return Err(LogError::new(LogErrorKind::Invalid, format!("a timestamp is not negative, this one is {}", record.timestamp)));
        }
        let handle = self.topic(batch, record)?;
        let mut headers = Headers::copy(record.headers);
        // librdkafka takes 0 for "now".
        let timestamp = record.timestamp.max(1);
        loop {
            let result = self.sender.send(handle, record.partition.cast_signed(), timestamp, record.key, record.value, &mut headers);
            match result {
                Ok(()) => return Ok(()),
                Err(Code::QueueFull) => {
                    self.sender.poll(BACK_PRESSURE);
                    self.check()?;
                }
                Err(code) => return Err(self.refusal(code)),
            }
        }
    }

    /// Why a record was not taken.
    fn refusal(&self, code: Code) -> LogError {
        if let Err(error) = self.check() {
            return error;
        }
        let kind = match errors::kind(code) {
            // The transaction has failed meanwhile: librdkafka takes no more records for it.
            LogErrorKind::Invalid if code == Code::State => LogErrorKind::Abortable,
            kind => kind,
        };
        match self.delivered() {
            Err(failure) if kind == LogErrorKind::Abortable => failure,
            _ => LogError::new(kind, "the record was not taken").with_source(code),
        }
    }
}

impl Producer for KafkaProducer {
    fn begin(&mut self) -> Result<(), LogError> {
        self.check()?;
        match self.transaction {
            Transaction::Closed => {}
            Transaction::Open => return Err(LogError::new(LogErrorKind::Invalid, "a transaction is open: commit or abort it first")),
            Transaction::Never => return self.in_transaction(),
        }
        self.sender.begin_transaction().map_err(|error| errors::of_transaction("beginning a transaction", error))?;
        self.sender.deliveries(super::deliveries::Deliveries::forget_failure);
        self.transaction = Transaction::Open;
        Ok(())
    }

    fn send(&mut self, batch: &OutputBatch) -> Result<(), LogError> {
        self.ready()?;
        self.sender.poll(Duration::ZERO);
        self.resolved.clear();
        self.resolved.resize(batch.topics().len(), None);
        for (index, record) in batch.iter().enumerate() {
            self.send_record(batch, &record).map_err(|error| {
                let partition =
                    batch.topics().get(record.topic as usize).map(|topic| TopicPartition { topic: Arc::clone(topic), partition: record.partition });
                match partition {
                    Some(partition) => error.at(&partition).of_record(index),
                    None => error.of_record(index),
                }
            })?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), LogError> {
        self.check()?;
        let result = self.drain();
        if self.transaction == Transaction::Never {
            // Told once: the next flush is about what is sent from here on.
            self.sender.deliveries(super::deliveries::Deliveries::forget_failure);
        }
        result
    }

    fn serve(&mut self) {
        self.sender.poll(Duration::ZERO);
    }

    fn acknowledged(&self, partition: &TopicPartition) -> Option<Offset> {
        self.sender.deliveries(|deliveries| deliveries.acknowledged(partition))
    }

    fn send_offsets(&mut self, membership: &GroupMembership, offsets: &[CommittedOffset]) -> Result<(), LogError> {
        self.in_transaction()?;
        let group = match &membership.member {
            Some((member, epoch)) => GroupMetadata::of_member(&membership.group, member, *epoch),
            None => GroupMetadata::without_fencing(&membership.group),
        };
        let group = group.map_err(|error| errors::of_call("naming the group", error))?;
        let offsets = offsets::list_of(offsets)?;
        let patience = self.outcome_timeout;
        self.repeat("sending offsets to the transaction", patience, |sender, slice| sender.send_offsets(&offsets, &group, slice))
            .map_err(give_up(LogErrorKind::Abortable))
    }

    fn commit(&mut self) -> Result<(), LogError> {
        self.in_transaction()?;
        self.drain()?;
        let patience = self.outcome_timeout;
        // A producer that does not learn the outcome is dropped; the next of its id learns it by waiting for it.
        self.repeat("committing the transaction", patience, Sender::commit_transaction).map_err(give_up(LogErrorKind::Fatal))?;
        self.transaction = Transaction::Closed;
        Ok(())
    }

    fn abort(&mut self) -> Result<(), LogError> {
        self.check()?;
        if self.transaction == Transaction::Closed {
            return Ok(());
        }
        self.in_transaction()?;
        self.deliver_before_abort()?;
        // librdkafka drops what is still queued (a purge of our own would leave gaps in the sequence numbers) and waits for
        // what is on its way, whose reports it serves itself.
        let patience = self.outcome_timeout + self.delivery_timeout;
        self.repeat("aborting the transaction", patience, Sender::abort_transaction).map_err(give_up(LogErrorKind::Fatal))?;
        let unknown = self.sender.deliveries(|deliveries| deliveries.has_dropped() || deliveries.failure().is_some());
        self.sender.deliveries(super::deliveries::Deliveries::forget_failure);
        self.transaction = Transaction::Closed;
        if unknown {
            // librdkafka gives the sequence numbers of what it drops to what comes next. The broker may have a dropped record
            // whose acknowledgement was lost with its connection: it would take the next one for the same, and acknowledge it
            // without writing it. A new producer counts from the beginning.
            return Err(LogError::new(
                LogErrorKind::Fatal,
                "the transaction is aborted, and what became of its records is not known: make a new producer",
            ));
        }
        Ok(())
    }
}

/// Patience is over: what was retriable until now is `kind`.
fn give_up(kind: LogErrorKind) -> impl FnOnce(LogError) -> LogError {
    move |error| match error.kind() {
        LogErrorKind::Retriable => LogError::new(kind, "no answer in time").with_source(error),
        _ => error,
    }
}
