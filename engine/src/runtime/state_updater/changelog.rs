//! One store's changelog: where its state stands in it, whether that can be believed, and how it is brought up.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use straum_state::{ChangelogRecord, ChangelogRestorer, StoreSupplier, TaskState};
use uuid::Uuid;

use super::UpdaterEnvironment;
use crate::error::Error;
use crate::log::{Isolation, Log, Offset, RecordBatch, StartOffset, TopicPartition};
use crate::runtime::SeededFault;
use crate::topology::{TaskId, changelog_topic};

/// How long a compacted topic keeps a tombstone if it does not say so, in milliseconds. Kafka: `delete.retention.ms`.
const DELETE_RETENTION_MS: i64 = 86_400_000;

/// What was read to restore one store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The store.
    pub store: Arc<str>,
    /// The first offset read; `None` when the changelog was read from its beginning.
    pub from: Option<Offset>,
    /// The changelog's end when the restore began.
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
}

impl Changelog {
    /// Finds out where the state stands. One that does not fit its changelog is wiped.
    ///
    /// The committed offsets of an active task must have been read, with require-stable, before: then the high watermark taken
    /// here lies beyond every changelog record of a committed transaction, though markers may still be on their way.
    pub(super) fn open(
        environment: &UpdaterEnvironment,
        state: &TaskState,
        supplier: &Arc<dyn StoreSupplier>,
        task: TaskId,
        isolation: Isolation,
    ) -> Result<Self, Error> {
        let store = supplier.name();
        let partition = TopicPartition::new(changelog_topic(&environment.config.application_id, store), task.partition);
        let (beginning, end) = environment.log.offsets(&partition)?;
        let mut from = known_offset(&*environment.log, state, store, &partition)?;
        if let Some(offset) = from
            && (offset > end || offset < beginning)
        {
            // Beyond the end: the topic was made anew. Before its beginning: what is missing is gone.
            tracing::warn!(%store, offset, beginning, end, "state does not fit its changelog and is rebuilt");
            state.wipe(store)?;
            from = None;
        }
        // What was applied last ended with its transaction's marker; whatever came later took more offsets than that.
        let marker = Offset::from(isolation == Isolation::ReadCommitted);
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
        Ok(Self { partition, supplier: Arc::clone(supplier), restorer: supplier.restorer(), restored, start, position: start, is_read: false })
    }

    /// A copy that was kept up to date becomes the task's state: what came since is all that is left to read.
    pub(super) fn promote(&mut self, log: &dyn Log) -> Result<(), Error> {
        let (_, end) = log.offsets(&self.partition)?;
        self.start = self.position;
        self.restored = Restored { store: Arc::clone(&self.restored.store), from: Some(self.position), end, records: 0, bytes: 0 };
        Ok(())
    }

    pub(super) fn is_complete(&self) -> bool {
        self.position >= self.restored.end
    }

    /// Where the consumer is to begin.
    pub(super) fn start_offset(&self) -> StartOffset {
        if self.restored.from.is_none() && self.position == self.start { StartOffset::Beginning } else { StartOffset::At(self.position) }
    }

    /// Writes the rows of a batch.
    pub(super) fn apply(&mut self, state: &TaskState, batch: &RecordBatch) -> Result<(), Error> {
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

    /// What was to be read next has been compacted away or deleted: everything is read.
    pub(super) fn start_over(&mut self, log: &dyn Log, state: &TaskState) -> Result<(), Error> {
        state.wipe(self.supplier.name())?;
        (self.restored.from, self.restored.records) = (None, 0);
        self.start = log.offsets(&self.partition)?.0;
        self.position = self.start;
        self.is_read = false;
        Ok(())
    }
}

/// Where the state stands in the changelog, if it was made from this very topic: offsets of a deleted one of the same name mean
/// nothing in this.
fn known_offset(log: &dyn Log, state: &TaskState, store: &str, changelog: &TopicPartition) -> Result<Option<Offset>, Error> {
    let id = log.topic_id(&changelog.topic)?.map(Uuid::into_bytes);
    let known = state.topic_identity(store);
    if let (Some(id), Some(known)) = (id, &known)
        && known != &id
    {
        tracing::warn!(store, %changelog, "the changelog was made anew and the state is rebuilt");
        state.wipe(store)?;
    }
    if let Some(id) = id
        && known.is_none_or(|known| known != id)
    {
        state.set_topic_identity(store, &id)?;
    }
    Ok(state.offset(store))
}

/// Compaction may have removed tombstones that the state has not read: rows they deleted would come back to life.
fn may_have_missed_tombstones(state: &TaskState, supplier: &dyn StoreSupplier, now: i64) -> bool {
    let config = supplier.changelog_config().unwrap_or_default();
    let retention = config.get("delete.retention.ms").and_then(|text| text.parse().ok()).unwrap_or(DELETE_RETENTION_MS);
    state.last_applied(supplier.name()).is_some_and(|applied| now - applied > retention / 2)
}
