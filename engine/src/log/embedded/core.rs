//! What all handles, consumers and producers of one log share, and the order in which things become durable.
//!
//! A commit makes durable, in this order: everything written to any partition before, then its statement in the journal.
//! So nothing that a commit may depend on can be lost when the commit is not, whatever its producer had read. Markers
//! and offsets become visible only after that.
//!
//! Locks are taken in this order: a transactional id, the journal, the sync, partitions by number, then the leaves
//! (groups, the list of dirty partitions, the signal).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::mem;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::{Mutex, RwLock};
use uuid::Uuid;

use super::commit::Committer;
use super::entry::{Entry, PartitionId};
use super::failure::failed;
use super::groups::Groups;
use super::journal::Journal;
use super::lock::FolderLock;
use super::options::{EmbeddedOptions, SyncPolicy};
use super::partition::{Partition, State};
use super::producer::Deliveries;
use super::signal::Signal;
use super::storage::{Storage, StorageFile};
use super::transactions::Slots;
use crate::log::{LogError, LogErrorKind, Offset, TopicPartition};

/// A topic and its partitions.
pub(super) struct Topic {
    pub(super) name: Arc<str>,
    pub(super) id: Uuid,
    pub(super) config: BTreeMap<String, String>,
    pub(super) partitions: Vec<Arc<Partition>>,
}

/// All topics, by name and in the order they were made.
#[derive(Default)]
pub(super) struct Topics {
    pub(super) by_name: HashMap<Arc<str>, Arc<Topic>>,
    pub(super) in_order: Vec<Arc<Topic>>,
}

impl Topics {
    pub(super) fn add(&mut self, topic: Arc<Topic>) {
        self.by_name.insert(Arc::clone(&topic.name), Arc::clone(&topic));
        self.in_order.push(topic);
    }

    pub(super) fn at(&self, (topic, partition): PartitionId) -> Option<&Arc<Partition>> {
        self.in_order.get(topic as usize)?.partitions.get(partition as usize)
    }
}

/// How far the files that are written to are durable.
#[derive(Default)]
pub(super) struct Synced {
    pub(super) positions: HashMap<PartitionId, (Offset, u64)>,
    /// Those that the journal does not tell yet.
    pub(super) untold: BTreeSet<PartitionId>,
}

/// What all handles share.
pub(super) struct Core {
    storage: Arc<dyn Storage>,
    pub(super) options: EmbeddedOptions,
    pub(super) topics: RwLock<Topics>,
    /// Held while a topic is made.
    pub(super) creating: Mutex<()>,
    pub(super) journal: Mutex<Journal>,
    pub(super) committer: Committer,
    pub(super) groups: Groups,
    pub(super) slots: Slots,
    pub(super) deliveries: Deliveries,
    pub(super) signal: Signal,
    pub(super) next_transaction: AtomicU64,
    /// When the first open transaction times out.
    pub(super) earliest_deadline: AtomicI64,
    pub(super) synced: Mutex<Synced>,
    dirty: Mutex<Vec<PartitionId>>,
    poison: OnceLock<String>,
    /// The folder is let go last.
    pub(super) _lock: Option<FolderLock>,
}

impl Core {
    pub(super) fn new(storage: Arc<dyn Storage>, options: EmbeddedOptions, journal: Journal, lock: Option<FolderLock>) -> Self {
        Self {
            storage,
            options,
            topics: RwLock::default(),
            creating: Mutex::default(),
            journal: Mutex::new(journal),
            committer: Committer::default(),
            groups: Groups::default(),
            slots: Slots::default(),
            deliveries: Deliveries::default(),
            signal: Signal::default(),
            next_transaction: AtomicU64::new(1),
            earliest_deadline: AtomicI64::new(i64::MAX),
            synced: Mutex::default(),
            dirty: Mutex::default(),
            poison: OnceLock::new(),
            _lock: lock,
        }
    }

    pub(super) fn storage(&self) -> &dyn Storage {
        self.storage.as_ref()
    }

    pub(super) fn now(&self) -> i64 {
        (self.options.clock)()
    }

    pub(super) fn syncs(&self) -> bool {
        self.options.sync == SyncPolicy::AtCommit
    }

    /// Nothing more may be written: it is not known what is on disk. Opening the log again finds out.
    pub(super) fn poison(&self, why: &str) {
        tracing::error!(why, "the log takes no more writes until it is opened again");
        // The first reason is the one that matters.
        let _ = self.poison.set(why.to_owned());
    }

    /// An error once the log is poisoned.
    pub(super) fn check(&self) -> Result<(), LogError> {
        match self.poison.get() {
            Some(why) => Err(LogError::new(LogErrorKind::Fatal, format!("the log has to be opened again: {why}"))),
            None => Ok(()),
        }
    }

    pub(super) fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.topics.read().by_name.get(name).cloned()
    }

    pub(super) fn partition(&self, name: &TopicPartition) -> Result<Arc<Partition>, LogError> {
        let topic = self.topic(&name.topic);
        let found = topic.and_then(|topic| topic.partitions.get(name.partition as usize).cloned());
        found.ok_or_else(|| unknown(name))
    }

    pub(super) fn partitions(&self) -> Vec<Arc<Partition>> {
        self.topics.read().in_order.iter().flat_map(|topic| topic.partitions.iter().cloned()).collect()
    }

    /// A topic without records, not yet among the topics.
    pub(super) fn new_topic(
        &self,
        number: u32,
        id: Uuid,
        name: &Arc<str>,
        partitions: u32,
        config: &BTreeMap<String, String>,
    ) -> Result<Arc<Topic>, LogError> {
        let parsed = Arc::new(super::config::TopicConfig::parse(&self.options.topic_defaults, config)?);
        let make = |partition| {
            let place = TopicPartition::new(Arc::clone(name), partition);
            Arc::new(Partition::new((number, partition), place, Arc::clone(&parsed), State::default()))
        };
        Ok(Arc::new(Topic { name: Arc::clone(name), id, config: config.clone(), partitions: (0..partitions).map(make).collect() }))
    }

    /// Notes that a partition has bytes to be synced.
    pub(super) fn mark_dirty(&self, partition: &Partition, state: &mut State) {
        if self.syncs() && !state.dirty {
            state.dirty = true;
            self.dirty.lock().push(partition.id);
        }
    }

    /// Makes everything that is written so far durable. Two at a time would each see the other's work as done; so one
    /// waits for the other.
    pub(super) fn sync_partitions(&self) -> Result<(), LogError> {
        let mut synced = self.synced.lock();
        let dirty = mem::take(&mut *self.dirty.lock());
        let (mut written, mut files) = (Vec::with_capacity(dirty.len()), Vec::with_capacity(dirty.len()));
        for id in dirty {
            let Some(partition) = self.topics.read().at(id).cloned() else { continue };
            let mut state = partition.lock();
            state.dirty = false;
            let Some(active) = state.segments.last() else { continue };
            files.push(Arc::clone(&active.file));
            let (path, end) = (active.path.clone(), (active.base, active.size));
            drop(state);
            written.push((partition, path, end));
        }
        let mut outcome = Ok(());
        for ((partition, path, end), result) in written.into_iter().zip(self.storage.sync_files(&files)) {
            match result {
                Ok(()) => {
                    synced.positions.insert(partition.id, end);
                    synced.untold.insert(partition.id);
                }
                Err(error) => {
                    self.mark_dirty(&partition, &mut partition.lock());
                    outcome = outcome.and(Err(self.not_synced(&path, error)));
                }
            }
        }
        outcome
    }

    pub(super) fn sync_file(&self, file: &dyn StorageFile, path: &str) -> Result<(), LogError> {
        if !self.syncs() {
            return Ok(());
        }
        file.sync().map_err(|error| self.not_synced(path, error))
    }

    fn not_synced(&self, path: &str, error: io::Error) -> LogError {
        let error = failed("sync", path, error);
        if error.kind() != LogErrorKind::DiskFull {
            self.poison(&error.to_string());
        }
        error
    }

    pub(super) fn sync_folder(&self, folder: &str) -> Result<(), LogError> {
        if !self.syncs() {
            return Ok(());
        }
        self.storage.sync_folder(folder).map_err(|error| failed("sync", folder, error))
    }

    /// The earliest time at which an open transaction has to be aborted.
    pub(super) fn deadline(&self) -> i64 {
        self.earliest_deadline.load(Ordering::Relaxed)
    }

    /// Everything that a new journal has to say.
    pub(super) fn statements(&self, owed: &[u64], synced: &Synced) -> Vec<Entry> {
        let mut entries = vec![Entry::NextTransaction { number: self.next_transaction.load(Ordering::Relaxed) }];
        for (number, topic) in (0..).zip(&self.topics.read().in_order) {
            let partitions = u32::try_from(topic.partitions.len()).unwrap_or(u32::MAX);
            entries.push(Entry::Topic { number, id: topic.id, name: topic.name.to_string(), partitions, config: topic.config.clone() });
            for partition in &topic.partitions {
                let offset = partition.lock().start;
                if offset > 0 {
                    entries.push(Entry::Start { partition: partition.id, offset });
                }
            }
        }
        self.groups.entries(&mut entries);
        entries.extend(owed.iter().map(|transaction| Entry::Commit { transaction: *transaction }));
        entries.extend(synced.positions.iter().map(|(partition, (base, length))| Entry::Synced {
            partition: *partition,
            base: *base,
            length: *length,
        }));
        entries
    }
}

/// The error for a partition that is not there.
pub(super) fn unknown(name: &TopicPartition) -> LogError {
    LogError::new(LogErrorKind::UnknownTopic, "no such topic or partition").at(name)
}
