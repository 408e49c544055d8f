//! One store's changelog: where its state stands in it, whether that can be believed, and how it is brought up.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use straum_state::{ChangelogRecord, ChangelogRestorer, StoreSupplier, TaskState};
use uuid::Uuid;

use super::UpdaterEnvironment;
use super::source::SourceReading;
use crate::error::Error;
use crate::log::{Log, Offset, RecordBatch, StartOffset, TopicPartition};
use crate::processor::source_changelog::SourceRow;
use crate::runtime::SeededFault;
use crate::runtime::internal_topics::TaskPlan;
use crate::topology::{StoreEntry, TaskId, changelog_topic};

/// How long a compacted topic keeps a tombstone if it does not say so, in milliseconds. Kafka: `delete.retention.ms`.
const DELETE_RETENTION_MS: i64 = 86_400_000;

/// What the identity of a source topic begins with; that of a changelog is 16 bytes.
const SOURCE: &[u8] = b"source topic ";

/// What was read to restore one store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The store.
    pub store: Arc<str>,
    /// The first offset read; `None` when the changelog was read from its beginning.
    pub from: Option<Offset>,
    /// The changelog's end when the restore began; of a source topic, what the group had committed.
    pub end: Offset,
    /// How many records were applied.
    pub records: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

/// A store's changelog that is read, or is to be.
pub(super) struct Changelog {
    pub(super) partition: TopicPartition,
    supplier: Arc<dyn StoreSupplier>,
    restorer: Arc<dyn ChangelogRestorer>,
    pub(super) restored: Restored,
    /// Where the reading began.
    pub(super) start: Offset,
    /// The next offset to be read. The *position* decides when the end is reached: a marker there is no record.
    pub(super) position: Offset,
    /// The consumer reads it from there on. What it read for an earlier incarnation of the task says nothing of this one.
    pub(super) is_read: bool,
    /// It is the topic that its table is read from.
    pub(super) source: Option<SourceReading>,
}

/// The topic that a store of a task is restored from, if it is from any.
pub(super) fn changelog_of(store: &StoreEntry, task: TaskId, plan: &TaskPlan, application: &str) -> Option<TopicPartition> {
    match &store.source {
        // A task may have no partition of a topic that has fewer than others.
        Some(source) => Some(TopicPartition::new(Arc::clone(&source.topic), task.partition)).filter(|source| plan.partitions(task).contains(source)),
        None => {
            store.supplier.changelog_config()?;
            Some(TopicPartition::new(changelog_topic(application, store.supplier.name()), task.partition))
        }
    }
}

impl Changelog {
    /// Finds out where the state stands. One that does not fit its changelog is wiped.
    ///
    /// The committed offsets of an active task must have been read, with require-stable, before: then the high watermark taken
    /// here lies beyond every changelog record of a committed transaction, though markers may still be on their way. `committed` is
    /// the group's offset of a source topic.
    pub(super) fn open(
        environment: &UpdaterEnvironment,
        state: &TaskState,
        entry: &StoreEntry,
        partition: TopicPartition,
        committed: Option<Offset>,
    ) -> Result<Self, Error> {
        let supplier = &entry.supplier;
        let store = supplier.name();
        let source = entry.source.as_ref().map(|source| SourceReading::new(&source.rows));
        let (beginning, high_watermark) = environment.log.offsets(&partition)?;
        let end = if source.is_some() { processed(committed, beginning, high_watermark) } else { high_watermark };
        let mut from = known_offset(&*environment.log, state, store, &partition, source.is_some())?;
        let is_exactly_once = environment.config.is_exactly_once();
        // At-least-once the store is ahead after a commit that failed half-way, and what it has comes again. Exactly-once it only
        // is when the group was set back.
        let reach = if source.is_some() && is_exactly_once { end } else { high_watermark };
        if let Some(offset) = from
            && (offset > reach || offset < beginning)
        {
            // Beyond the end: the topic was made anew. Before its beginning: what is missing is gone.
            tracing::warn!(%store, offset, beginning, reach, "state does not fit its changelog and is rebuilt");
            state.wipe(store)?;
            from = None;
        }
        // What was applied last ended with its transaction's marker; whatever came later took more offsets than that.
        let marker = Offset::from(is_exactly_once && source.is_none());
        if from.is_some_and(|offset| end - offset > marker) && may_have_missed_tombstones(state, &**supplier, environment.clock.now()) {
            tracing::warn!(%store, "state is older than its changelog's tombstones and is rebuilt");
            state.wipe(store)?;
            from = None;
        }
        if let Some(SeededFault::RestoreFromWrongOffset(records)) = environment.probe.fault() {
            from = Some((from.unwrap_or(beginning) + records).min(end));
        }
        let start = from.unwrap_or(beginning);
        let restored = Restored { store: Arc::clone(store), from, end, records: 0, bytes: 0 };
        let restorer = supplier.restorer();
        Ok(Self { partition, supplier: Arc::clone(supplier), restorer, restored, start, position: start, is_read: false, source })
    }

    /// A copy that was kept up to date becomes the task's state: what came since is all that is left to read.
    pub(super) fn promote(&mut self, log: &dyn Log, state: &TaskState, committed: Option<Offset>) -> Result<(), Error> {
        let (beginning, high_watermark) = log.offsets(&self.partition)?;
        let end = if self.source.is_some() { processed(committed, beginning, high_watermark) } else { high_watermark };
        self.start = self.position;
        self.restored = Restored { store: Arc::clone(&self.restored.store), from: Some(self.position), end, records: 0, bytes: 0 };
        self.apply_held(state)
    }

    /// The group has processed the source topic so far: a copy may follow.
    pub(super) fn follow(&mut self, committed: Offset, state: &TaskState) -> Result<(), Error> {
        self.restored.end = self.restored.end.max(committed);
        self.apply_held(state)
    }

    /// The consumer stands there. A source topic counts as read up to where it is processed.
    pub(super) fn reached(&mut self, position: Offset) {
        let position = match &self.source {
            None => position,
            Some(source) if source.holds() => return,
            Some(_) => position.min(self.restored.end),
        };
        self.position = self.position.max(position);
    }

    pub(super) fn is_complete(&self) -> bool {
        self.position >= self.restored.end
    }

    /// Where the consumer is to begin.
    pub(super) fn start_offset(&self) -> StartOffset {
        if self.restored.from.is_none() && self.position == self.start { StartOffset::Beginning } else { StartOffset::At(self.position) }
    }

    /// Writes the rows of a batch; of a source topic, of the part that is processed.
    pub(super) fn apply(&mut self, state: &TaskState, batch: RecordBatch) -> Result<(), Error> {
        if let Some(source) = &mut self.source {
            source.hold(batch);
            return self.apply_held(state);
        }
        let mut bytes = 0;
        let mut records = batch.iter().filter_map(|record| {
            let key = record.key?;
            bytes += key.len() + record.value.map_or(0, <[u8]>::len);
            Some(ChangelogRecord { key, value: record.value, timestamp: record.timestamp })
        });
        // A restorer of the user's may do what it likes.
        let applied = catch_unwind(AssertUnwindSafe(|| state.restore(&self.restored.store, &*self.restorer, &mut records, batch.next_offset())));
        applied.map_err(|panic| Error::panicked(&*panic))??;
        self.position = self.position.max(batch.next_offset());
        self.restored.records += batch.len() as u64;
        self.restored.bytes += bytes as u64;
        Ok(())
    }

    fn apply_held(&mut self, state: &TaskState) -> Result<(), Error> {
        let Some(source) = &mut self.source else { return Ok(()) };
        while let Some(batch) = source.next(self.position, self.restored.end) {
            let next = batch.next_offset().min(self.restored.end);
            let rows = source.rows(&batch, self.position, next)?;
            let record = |row: &SourceRow<'_>| row.key.len() + row.value.as_ref().map_or(0, |value| value.len());
            self.restored.bytes += rows.iter().map(record).sum::<usize>() as u64;
            self.restored.records += rows.len() as u64;
            let mut records = rows.iter().map(|row| ChangelogRecord { key: &row.key, value: row.value.as_deref(), timestamp: row.timestamp });
            state.restore(&self.restored.store, &*self.restorer, &mut records, next)?;
            self.position = next;
        }
        Ok(())
    }

    /// What was to be read next has been compacted away or deleted: everything is read.
    pub(super) fn start_over(&mut self, log: &dyn Log, state: &TaskState) -> Result<(), Error> {
        state.wipe(self.supplier.name())?;
        (self.restored.from, self.restored.records) = (None, 0);
        self.start = log.offsets(&self.partition)?.0;
        self.position = self.start;
        self.is_read = false;
        if let Some(source) = &mut self.source {
            source.forget();
        }
        Ok(())
    }
}

/// Where the group stands in a source topic. What nobody has processed has no rows.
fn processed(committed: Option<Offset>, beginning: Offset, high_watermark: Offset) -> Offset {
    committed.unwrap_or(beginning).min(high_watermark)
}

/// Where the state stands in the changelog, if it was made from this very topic: offsets of a deleted one of the same name mean
/// nothing in this.
fn known_offset(log: &dyn Log, state: &TaskState, store: &str, changelog: &TopicPartition, is_source: bool) -> Result<Option<Offset>, Error> {
    let identity = identity(log, changelog, is_source)?;
    let known = state.topic_identity(store);
    let fits = match (&known, &identity) {
        (Some(known), Some(identity)) => known == identity,
        // A log without ids cannot tell one changelog from the next; a source topic is none of them.
        (Some(known), None) => !known.starts_with(SOURCE),
        (None, _) => !is_source || state.offset(store).is_none(),
    };
    if !fits {
        tracing::warn!(store, %changelog, "the changelog was made anew, or is another topic now, and the state is rebuilt");
        state.wipe(store)?;
    }
    if known != identity && (identity.is_some() || !fits) {
        state.set_topic_identity(store, identity.as_deref().unwrap_or_default())?;
    }
    Ok(state.offset(store))
}

/// What tells a changelog from any other: the topic's id, and for a source topic that it is one.
fn identity(log: &dyn Log, changelog: &TopicPartition, is_source: bool) -> Result<Option<Vec<u8>>, Error> {
    let id = log.topic_id(&changelog.topic)?.map(Uuid::into_bytes);
    if is_source {
        let id = id.as_ref().map(<[u8; 16]>::as_slice).unwrap_or_default();
        return Ok(Some([SOURCE, changelog.topic.as_bytes(), id].concat()));
    }
    Ok(id.map(Vec::from))
}

/// Compaction may have removed tombstones that the state has not read: rows they deleted would come back to life.
fn may_have_missed_tombstones(state: &TaskState, supplier: &dyn StoreSupplier, now: i64) -> bool {
    let config = supplier.changelog_config().unwrap_or_default();
    let retention = config.get("delete.retention.ms").and_then(|text| text.parse().ok()).unwrap_or(DELETE_RETENTION_MS);
    state.last_applied(supplier.name()).is_some_and(|applied| now - applied > retention / 2)
}
