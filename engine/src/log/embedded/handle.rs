//! The handle: opens a log, and is the [`Log`] that the engine sees.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use uuid::Uuid;

use crate::group::MemberHandle;
use crate::group::member::MemberSettings;

use super::commit::Decision;
use super::config::check_topic_name;
use super::consumer::EmbeddedConsumer;
use super::core::{Core, unknown};
use super::describe::TopicDescription;
use super::entry::Entry;
use super::failure::failed;
use super::journal::Journal;
use super::lock::FolderLock;
use super::options::{EmbeddedOptions, SyncPolicy, Unsynced};
use super::partition::Partition;
use super::producer::EmbeddedProducer;
use super::storage::{DiskStorage, HeldStorage, MemoryStorage, Storage};
use crate::log::{
    CommittedOffset, Consumer, ConsumerOptions, GroupMembership, GroupProtocol, Log, LogError, LogErrorKind, Offset, Producer, ProducerOptions,
    RecordBatch, TopicPartition, TopicSpec,
};

/// A log inside this process. Cloning shares it; it is closed with the last handle, consumer and producer.
#[derive(Clone)]
pub struct EmbeddedLog {
    core: Arc<Core>,
}

impl EmbeddedLog {
    /// Opens the log in a folder, which is made when it is missing, and recovers what a crash left.
    ///
    /// # Errors
    /// [`LogErrorKind::Locked`] names the process that has the folder; [`LogErrorKind::Corrupt`] the file and position;
    /// [`LogErrorKind::DiskFull`] or [`LogErrorKind::Io`] when the disk fails.
    pub fn open(folder: impl AsRef<Path>, options: EmbeddedOptions) -> Result<Self, LogError> {
        let folder = folder.as_ref();
        let disk = DiskStorage::new(folder).map_err(|error| failed("make", &folder.display().to_string(), error))?;
        let lock = FolderLock::take(folder, (options.clock)())?;
        let storage: Arc<dyn Storage> = match options.unsynced {
            Unsynced::WrittenThrough => Arc::new(disk),
            Unsynced::HeldInMemory => Arc::new(HeldStorage::new(Arc::new(disk))),
        };
        Self::start(storage, options, Some(lock))
    }

    /// A log in memory, gone with its last handle. What a client left behind stays: dropping a producer in a transaction
    /// and making a new one of the same id is a crash of the client.
    ///
    /// # Errors
    /// None that a working memory gives; the settings are checked when topics are made.
    pub fn in_memory(options: EmbeddedOptions) -> Result<Self, LogError> {
        Self::start(Arc::new(MemoryStorage::new()), options.sync(SyncPolicy::Never), None)
    }

    /// Opens the log in any storage. Nothing keeps two logs from the same storage but the caller.
    ///
    /// # Errors
    /// As [`EmbeddedLog::open`], but for the lock.
    pub fn with_storage(storage: Arc<dyn Storage>, options: EmbeddedOptions) -> Result<Self, LogError> {
        Self::start(storage, options, None)
    }

    fn start(storage: Arc<dyn Storage>, options: EmbeddedOptions, lock: Option<FolderLock>) -> Result<Self, LogError> {
        let (journal, entries) = match Journal::open(storage.as_ref())? {
            Some(found) => found,
            None => {
                let entries = vec![Entry::NextTransaction { number: 1 }];
                (Journal::replace(storage.as_ref(), None, &entries, options.sync == SyncPolicy::AtCommit)?, entries)
            }
        };
        let core = Core::new(storage, options, journal, lock);
        core.recover(entries)?;
        Ok(Self { core: Arc::new(core) })
    }

    /// All topics with their settings, offsets, records and bytes, by name. Reads every record to count it.
    ///
    /// # Errors
    /// [`LogErrorKind::Corrupt`], or the disk failed.
    pub fn describe(&self) -> Result<Vec<TopicDescription>, LogError> {
        self.core.describe()
    }

    /// The committed offsets of all groups, by name and partition.
    #[must_use]
    pub fn groups(&self) -> BTreeMap<String, Vec<CommittedOffset>> {
        self.core.groups.all()
    }

    /// The last `count` records of a partition that a committed reader sees, oldest first, in batches.
    ///
    /// # Errors
    /// [`LogErrorKind::UnknownTopic`], [`LogErrorKind::Corrupt`], or the disk failed.
    pub fn tail(&self, partition: &TopicPartition, count: usize) -> Result<Vec<RecordBatch>, LogError> {
        let partition = self.core.partition(partition)?;
        self.core.tail(&partition, count)
    }

    /// The end of what is decided in a partition: that of the first open transaction, or the high watermark.
    ///
    /// # Errors
    /// [`LogErrorKind::UnknownTopic`].
    pub fn last_stable_offset(&self, partition: &TopicPartition) -> Result<Offset, LogError> {
        Ok(self.core.partition(partition)?.lock().last_stable())
    }

    /// Runs retention and compaction now, in this thread. The segment that is written to is not compacted.
    ///
    /// # Errors
    /// The first that a partition gave; the others were tried too.
    pub fn clean(&self) -> Result<(), LogError> {
        self.core.clean()
    }

    /// With [`Acknowledgement::Late`](super::Acknowledgement::Late): puts at most `limit` batches that wait in producers
    /// into the log and acknowledges them. Gives how many.
    ///
    /// # Errors
    /// What kept a batch out of the log; it still waits.
    pub fn deliver(&self, limit: usize) -> Result<usize, LogError> {
        self.core.deliver(limit)
    }

    /// With [`Acknowledgement::Late`](super::Acknowledgement::Late): the next batch to be delivered fails with `kind` and
    /// is lost, as one does whose delivery timed out. Its producer hears of it at `flush` or `commit`.
    pub fn fail_delivery(&self, kind: LogErrorKind) {
        self.core.fail_delivery(kind);
    }

    /// Aborts the transactions that are open for longer than their time-out by the clock of the options. Consumers and
    /// producers do it too whenever they are called.
    pub fn expire_transactions(&self) {
        self.core.expire();
    }

    /// Fences the members of a group whose epoch is lower, as a coordinator does when it hands out a new one.
    ///
    /// # Errors
    /// [`LogErrorKind::Fenced`] when a higher epoch was seen.
    pub fn raise_group_epoch(&self, group: &str, epoch: i32) -> Result<(), LogError> {
        let membership = GroupMembership { group: group.to_owned(), member: Some((String::new(), epoch)) };
        self.core.groups.admit(&membership, LogErrorKind::Fenced)
    }
}

impl Log for EmbeddedLog {
    fn partitions(&self, topic: &str) -> Result<Option<u32>, LogError> {
        let count = self.core.topic(topic).map(|topic| topic.partitions.len());
        Ok(count.map(|count| u32::try_from(count).unwrap_or(u32::MAX)))
    }

    fn topics(&self) -> Result<Vec<String>, LogError> {
        let mut names: Vec<String> = self.core.topics.read().in_order.iter().map(|topic| topic.name.to_string()).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn topic_id(&self, topic: &str) -> Result<Option<Uuid>, LogError> {
        Ok(self.core.topic(topic).map(|topic| topic.id))
    }

    fn create_topic(&self, topic: &TopicSpec) -> Result<(), LogError> {
        check_topic_name(&topic.name)?;
        let _creating = self.core.creating.lock();
        let number = {
            let topics = self.core.topics.read();
            if let Some(known) = topics.by_name.get(topic.name.as_str()) {
                return same_partitions(topic, known.partitions.len());
            }
            u32::try_from(topics.in_order.len()).unwrap_or(u32::MAX)
        };
        if topic.partitions == 0 {
            return Err(LogError::new(LogErrorKind::Invalid, format!("topic {} with 0 partitions, expected at least 1", topic.name)));
        }
        let made = self.core.new_topic(number, Uuid::new_v4(), &Arc::from(topic.name.as_str()), topic.partitions, &topic.config)?;
        self.core.decide(Decision::Topic(made))
    }

    fn group_protocol(&self) -> GroupProtocol {
        GroupProtocol::Fixed
    }

    fn join(&self, _: MemberSettings) -> Result<MemberHandle, LogError> {
        Err(LogError::new(LogErrorKind::Invalid, "the embedded log has no groups: one process runs the application"))
    }

    fn consumer(&self, options: &ConsumerOptions) -> Result<Box<dyn Consumer>, LogError> {
        Ok(Box::new(EmbeddedConsumer::new(&self.core, options)))
    }

    fn producer(&self, options: &ProducerOptions) -> Result<Box<dyn Producer>, LogError> {
        Ok(Box::new(EmbeddedProducer::new(&self.core, options)?))
    }

    fn committed(&self, group: &str, partitions: &[TopicPartition]) -> Result<Vec<Option<CommittedOffset>>, LogError> {
        self.core.expire();
        self.core.groups.committed(group, partitions, Instant::now() + self.core.options.stable_wait)
    }

    fn commit_offsets(&self, membership: &GroupMembership, offsets: &[CommittedOffset]) -> Result<(), LogError> {
        let offsets = self.core.group_offsets(membership, offsets)?;
        self.core.groups.admit(membership, LogErrorKind::Fenced)?;
        self.core.decide(Decision::Offsets(offsets))
    }

    fn offsets(&self, partition: &TopicPartition) -> Result<(Offset, Offset), LogError> {
        self.core.expire();
        let partition = self.core.partition(partition)?;
        let state = partition.lock();
        Ok((state.start, state.end))
    }

    fn delete_records(&self, before: &[(TopicPartition, Offset)]) -> Result<(), LogError> {
        let mut starts = Vec::new();
        for (name, offset) in before {
            let partition = self.core.topic(&name.topic).and_then(|topic| topic.partitions.get(name.partition as usize).cloned());
            let partition = partition.ok_or_else(|| unknown(name))?;
            starts.extend(start_of(partition, name, *offset)?);
        }
        if starts.is_empty() {
            return Ok(());
        }
        let partitions: Vec<Arc<Partition>> = starts.iter().map(|(partition, _)| Arc::clone(partition)).collect();
        self.core.decide(Decision::Start(starts))?;
        partitions.iter().try_for_each(|partition| self.core.drop_deleted(partition))
    }
}

/// The new start of a partition, if it moves.
fn start_of(partition: Arc<Partition>, name: &TopicPartition, offset: Offset) -> Result<Option<(Arc<Partition>, Offset)>, LogError> {
    let state = partition.lock();
    let (start, end) = (state.start, state.end);
    drop(state);
    if offset > end {
        let message = format!("cannot delete records before offset {offset}, the end is {end}");
        return Err(LogError::new(LogErrorKind::OffsetOutOfRange, message).at(name).at_offset(offset));
    }
    Ok((offset > start).then_some((partition, offset)))
}

fn same_partitions(topic: &TopicSpec, known: usize) -> Result<(), LogError> {
    if topic.partitions as usize == known {
        return Ok(());
    }
    let message = format!("topic {} has {known} partitions, expected {}", topic.name, topic.partitions);
    Err(LogError::new(LogErrorKind::Invalid, message))
}

impl fmt::Debug for EmbeddedLog {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("EmbeddedLog").field("options", &self.core.options).finish_non_exhaustive()
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        if self.syncs()
            && self.check().is_ok()
            && let Err(error) = self.settle_synced()
        {
            tracing::warn!(%error, "the log is closed without a last sync");
        }
    }
}
