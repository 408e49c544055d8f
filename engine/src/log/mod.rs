//! The log a topology runs on: the boundary, and its two implementations.
//!
//! The contract is Kafka's, not the easy case: offsets have gaps (transaction markers, compaction), the end of a
//! partition may be unknown, acknowledgements are asynchronous, a transaction can be aborted or its producer fenced, and
//! records are read in batches that own their bytes. Nothing here allocates or dispatches per record.

mod batch;
pub mod embedded;
mod error;
mod group_protocol;
pub mod kafka;
pub mod partitioner;

pub use batch::{HeaderView, LogRecord, OutputBatch, OutputMark, OutputRecord, RecordBatch, RecordBatchBuilder, encode_header};
pub use error::{LogError, LogErrorKind};
pub use group_protocol::GroupProtocol;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use crate::group::MemberHandle;
use crate::group::member::MemberSettings;

/// A position in a partition. The next record may lie beyond `offset + 1`: markers and compaction leave gaps.
pub type Offset = i64;

/// One partition of one topic.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number, from 0.
    pub partition: u32,
}

impl TopicPartition {
    /// Partition `partition` of `topic`.
    #[must_use]
    pub fn new(topic: impl Into<Arc<str>>, partition: u32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.topic, self.partition)
    }
}

impl fmt::Debug for TopicPartition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// What a consumer may see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolation {
    /// Everything up to the high watermark, aborted records too.
    ReadUncommitted,
    /// Committed records up to the last stable offset.
    ReadCommitted,
}

/// Where a consumer starts in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartOffset {
    /// The oldest record still there.
    Beginning,
    /// The end at the time of the assignment.
    End,
    /// This offset. Outside what the partition holds: [`LogErrorKind::OffsetOutOfRange`] from [`Consumer::poll`].
    At(Offset),
}

/// A topic to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicSpec {
    /// The topic's name.
    pub name: String,
    /// How many partitions, at least 1.
    pub partitions: u32,
    /// Topic settings by Kafka's names (`cleanup.policy`, `retention.ms`, …).
    pub config: BTreeMap<String, String>,
}

/// An offset committed for a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The partition.
    pub partition: TopicPartition,
    /// The next record to be processed.
    pub offset: Offset,
    /// The metadata string of the commit, empty when there is none. Kafka Streams keeps its partition time here.
    pub metadata: String,
}

/// In whose name offsets are committed. A membership is fenced by its epoch; a group without members has none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMembership {
    /// The group, which is the application id.
    pub group: String,
    /// The member and its epoch, in a classic group its generation; `None` where the assignment is fixed and no coordinator hands out epochs.
    pub member: Option<(String, i32)>,
}

/// The settings of a consumer.
#[derive(Clone, Debug)]
pub struct ConsumerOptions {
    /// The name it shows to the broker.
    pub client_id: String,
    /// What it may see.
    pub isolation: Isolation,
}

/// The settings of a producer.
#[derive(Clone, Debug)]
pub struct ProducerOptions {
    /// The name it shows to the broker.
    pub client_id: String,
    /// With an id the producer is transactional, and making it fences every earlier producer of the id: its open
    /// transaction is aborted before the call returns.
    pub transactional_id: Option<String>,
    /// A transaction open for longer is aborted by the log.
    pub transaction_timeout: Duration,
}

/// A log: topics, and the ways to read and write them. Shared by all threads of a process.
pub trait Log: Send + Sync {
    /// The number of partitions, or `None` when there is no such topic.
    ///
    /// # Errors
    /// When the log cannot be reached.
    fn partitions(&self, topic: &str) -> Result<Option<u32>, LogError>;

    /// What tells a topic from a later one of the same name, or `None` when there is no such topic or the log has no ids
    /// (Kafka before 2.8).
    ///
    /// # Errors
    /// When the log cannot be reached.
    fn topic_id(&self, topic: &str) -> Result<Option<Uuid>, LogError>;

    /// The names of all topics, sorted.
    ///
    /// # Errors
    /// When the log cannot be reached.
    fn topics(&self) -> Result<Vec<String>, LogError>;

    /// Makes a topic. A topic that exists with the same number of partitions is left as it is.
    ///
    /// # Errors
    /// [`LogErrorKind::Invalid`] when it exists with another number of partitions or a setting is not understood.
    fn create_topic(&self, topic: &TopicSpec) -> Result<(), LogError>;

    /// Who hands out an application's tasks on this log.
    fn group_protocol(&self) -> GroupProtocol;

    /// Takes a stream thread into the application's group, which hands out the tasks.
    ///
    /// # Errors
    /// [`LogErrorKind::Invalid`] where no group does ([`GroupProtocol::Fixed`]), and when the settings do not say how to reach it.
    fn join(&self, member: MemberSettings) -> Result<MemberHandle, LogError>;

    /// A consumer with nothing assigned.
    ///
    /// # Errors
    /// When the log cannot be reached or refuses.
    fn consumer(&self, options: &ConsumerOptions) -> Result<Box<dyn Consumer>, LogError>;

    /// A producer, ready to send: a transactional one has fenced its predecessors.
    ///
    /// # Errors
    /// When the log cannot be reached or refuses.
    fn producer(&self, options: &ProducerOptions) -> Result<Box<dyn Producer>, LogError>;

    /// The committed offsets of a group, `None` for a partition without one. Waits until no transaction that would
    /// change them is pending (Kafka: require-stable).
    ///
    /// # Errors
    /// [`LogErrorKind::Retriable`] when a pending transaction has not ended in time.
    fn committed(&self, group: &str, partitions: &[TopicPartition]) -> Result<Vec<Option<CommittedOffset>>, LogError>;

    /// Commits offsets outside a transaction (at-least-once).
    ///
    /// # Errors
    /// [`LogErrorKind::Fenced`] when the membership is no longer the group's.
    fn commit_offsets(&self, membership: &GroupMembership, offsets: &[CommittedOffset]) -> Result<(), LogError>;

    /// The oldest offset still there, and the high watermark: the end of all that is written, open transactions
    /// included.
    ///
    /// # Errors
    /// [`LogErrorKind::UnknownTopic`], or the log cannot be reached.
    fn offsets(&self, partition: &TopicPartition) -> Result<(Offset, Offset), LogError>;

    /// Deletes all records before the given offsets.
    ///
    /// # Errors
    /// When the log cannot be reached or refuses.
    fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> Result<(), LogError>;
}

/// Reads assigned partitions. Owned by one thread.
pub trait Consumer: Send {
    /// Replaces the assignment. A partition that stays with [`StartOffset::At`] its own position loses nothing, and one that stays
    /// is paused as it was.
    ///
    /// # Errors
    /// [`LogErrorKind::UnknownTopic`] names the first partition that does not exist.
    fn assign(&mut self, partitions: &[(TopicPartition, StartOffset)]) -> Result<(), LogError>;

    /// Stops delivering these partitions until [`Consumer::resume`]. Unassigned ones are ignored.
    ///
    /// # Errors
    /// When the log refuses.
    fn pause(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError>;

    /// Delivers these partitions again.
    ///
    /// # Errors
    /// When the log refuses.
    fn resume(&mut self, partitions: &[TopicPartition]) -> Result<(), LogError>;

    /// Waits at most `timeout` for records and appends the batches that are there, at least one a partition in turn.
    ///
    /// # Errors
    /// [`LogErrorKind::OffsetOutOfRange`] names the partition; the others go on at the next call.
    fn poll(&mut self, timeout: Duration, batches: &mut Vec<RecordBatch>) -> Result<(), LogError>;

    /// The next offset this consumer will read; it passes over markers and aborted records even when nothing is
    /// delivered. `None` for an unassigned partition, or while it is not known yet.
    fn position(&self, partition: &TopicPartition) -> Option<Offset>;

    /// The end this consumer can reach, as last heard (high watermark, or last stable offset when it reads committed).
    /// `None` while unknown: then the lag is unknown too, and must not be taken for 0.
    fn end_offset(&self, partition: &TopicPartition) -> Option<Offset>;
}

/// Writes records, in a transaction when it has a transactional id. Owned by one thread.
pub trait Producer: Send {
    /// Begins a transaction.
    ///
    /// # Errors
    /// [`LogErrorKind::Fenced`] or [`LogErrorKind::Fatal`]: drop the producer.
    fn begin(&mut self) -> Result<(), LogError>;

    /// Takes all records of the batch over, waiting while the local queue is full. The batch may be cleared and reused
    /// at once. Acknowledgement comes later.
    ///
    /// # Errors
    /// [`LogErrorKind::RecordTooLarge`] or [`LogErrorKind::UnknownTopic`], with [`LogError::record`] the index in the
    /// batch: the records before it are taken, it and those after it are not.
    fn send(&mut self, batch: &OutputBatch) -> Result<(), LogError>;

    /// Waits until everything sent is acknowledged.
    ///
    /// # Errors
    /// The first delivery that failed.
    fn flush(&mut self) -> Result<(), LogError>;

    /// Lets the producer do what it does by itself, such as to report on itself. For times when nothing is written: the other calls
    /// do it too.
    fn serve(&mut self) {}

    /// The highest offset acknowledged in a partition by this producer, if any.
    fn acknowledged(&self, partition: &TopicPartition) -> Option<Offset>;

    /// Adds offsets to the open transaction. A transaction without offsets is not fenced by the group: see
    /// [`GroupMembership`].
    ///
    /// # Errors
    /// [`LogErrorKind::Abortable`] for a stale epoch; [`LogErrorKind::Fenced`], [`LogErrorKind::Fatal`] end the producer.
    fn send_offsets(&mut self, membership: &GroupMembership, offsets: &[CommittedOffset]) -> Result<(), LogError>;

    /// Flushes, then commits records and offsets of the transaction, all or nothing. An outcome that is not known
    /// (a time-out) is asked for again inside the call, never taken for an abort.
    ///
    /// # Errors
    /// [`LogErrorKind::Abortable`]: call [`Producer::abort`]. [`LogErrorKind::Fenced`], [`LogErrorKind::Fatal`]: drop the
    /// producer.
    fn commit(&mut self) -> Result<(), LogError>;

    /// Aborts the open transaction: none of its records or offsets is ever seen by a committed reader.
    ///
    /// # Errors
    /// [`LogErrorKind::Fenced`], [`LogErrorKind::Fatal`]: drop the producer.
    fn abort(&mut self) -> Result<(), LogError>;
}
