//! Brings a task's state up to its changelogs: reads only what is missing, and decides the end by position.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;

use straum_state::{ChangelogRecord, StoreSupplier, TaskState};

use crate::error::Error;
use crate::log::{Consumer, ConsumerOptions, Isolation, Log, LogErrorKind, Offset, StartOffset, TopicPartition};
use crate::runtime::{Probe, ProbePoint, SeededFault};

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
}

/// A store whose changelog holds more than it has applied.
pub(crate) struct Restore<'a> {
    pub(crate) log: &'a dyn Log,
    pub(crate) client_id: &'a str,
    pub(crate) state: &'a TaskState,
    pub(crate) supplier: &'a dyn StoreSupplier,
    pub(crate) changelog: TopicPartition,
    /// Under exactly-once an aborted record must not reach the store.
    pub(crate) isolation: Isolation,
    /// The wall clock, in milliseconds.
    pub(crate) now: i64,
    pub(crate) probe: &'a Probe,
}

/// How long a compacted topic keeps a tombstone if it does not say so, in milliseconds. Kafka: `delete.retention.ms`.
const DELETE_RETENTION_MS: i64 = 86_400_000;

impl Restore<'_> {
    /// Reads the changelog from where the state stands to its end. `progress` hears of each batch, and of each wait
    /// for one with 0; its error ends the restore.
    ///
    /// The committed offsets of the task must have been read, with require-stable, before: then the high watermark taken
    /// here lies beyond every changelog record of a committed transaction, though markers may still be on their way.
    pub(crate) fn run(&self, progress: &mut dyn FnMut(u64) -> Result<(), Error>) -> Result<Restored, Error> {
        let store = Arc::clone(self.supplier.name());
        let (beginning, end) = self.log.offsets(&self.changelog)?;
        let mut from = self.known_offset(&store)?;
        if let Some(offset) = from
            && (offset > end || offset < beginning)
        {
            // Beyond the end: the topic was made anew. Before its beginning: what is missing is gone.
            tracing::warn!(%store, offset, beginning, end, "state does not fit its changelog and is rebuilt");
            self.state.wipe(&store)?;
            from = None;
        }
        // What was applied last ended with its transaction's marker; whatever came later took more offsets than that.
        let marker = Offset::from(self.isolation == Isolation::ReadCommitted);
        if from.is_some_and(|offset| end - offset > marker) && self.may_have_missed_tombstones() {
            tracing::warn!(%store, "state is older than its changelog's tombstones and is rebuilt");
            self.state.wipe(&store)?;
            from = None;
        }
        if let Some(SeededFault::RestoreFromWrongOffset(records)) = self.probe.fault() {
            from = Some((from.unwrap_or(beginning) + records).min(end));
        }
        let mut restored = Restored { store: Arc::clone(&store), from, end, records: 0 };
        if from.unwrap_or(beginning) >= end {
            return Ok(restored);
        }
        let mut consumer = self.log.consumer(&ConsumerOptions { client_id: self.client_id.to_owned(), isolation: self.isolation })?;
        let start = from.map_or(StartOffset::Beginning, StartOffset::At);
        consumer.assign(&[(self.changelog.clone(), start)])?;
        let restorer = self.supplier.restorer();
        let mut batches = Vec::new();
        loop {
            match consumer.poll(Duration::from_millis(100), &mut batches) {
                Ok(()) => {}
                Err(error) if error.kind() == LogErrorKind::OffsetOutOfRange => {
                    self.state.wipe(&store)?;
                    restored.from = None;
                    consumer.assign(&[(self.changelog.clone(), StartOffset::Beginning)])?;
                    continue;
                }
                Err(error) if error.kind() == LogErrorKind::Retriable => {
                    progress(0)?;
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            for batch in batches.drain(..) {
                let mut records = batch.iter().filter_map(|record| {
                    let key = record.key?;
                    Some(ChangelogRecord { key, value: record.value, timestamp: record.timestamp })
                });
                self.state.restore(&store, &*restorer, &mut records, batch.next_offset())?;
                let count = batch.len() as u64;
                restored.records += count;
                progress(count)?;
                self.probe.reached(ProbePoint::MidRestore);
            }
            if self.reached(&*consumer, end) {
                return Ok(restored);
            }
            progress(0)?;
        }
    }

    /// Where the state stands in the changelog, if it was made from this very topic: offsets of a deleted one of the same name
    /// mean nothing in this.
    fn known_offset(&self, store: &str) -> Result<Option<Offset>, Error> {
        let id = self.log.topic_id(&self.changelog.topic)?.map(Uuid::into_bytes);
        let known = self.state.topic_identity(store);
        if let (Some(id), Some(known)) = (id, &known)
            && known != &id
        {
            tracing::warn!(store, changelog = %self.changelog, "the changelog was made anew and the state is rebuilt");
            self.state.wipe(store)?;
        }
        if let Some(id) = id
            && known.is_none_or(|known| known != id)
        {
            self.state.set_topic_identity(store, &id)?;
        }
        Ok(self.state.offset(store))
    }

    /// Compaction may have removed tombstones that the state has not read: rows they deleted would come back to life.
    fn may_have_missed_tombstones(&self) -> bool {
        let config = self.supplier.changelog_config().unwrap_or_default();
        let retention = config.get("delete.retention.ms").and_then(|text| text.parse().ok()).unwrap_or(DELETE_RETENTION_MS);
        self.state.last_applied(self.supplier.name()).is_some_and(|applied| self.now - applied > retention / 2)
    }

    /// The *position* decides: a marker at the end is no record.
    fn reached(&self, consumer: &dyn Consumer, end: Offset) -> bool {
        let end = match self.probe.fault() {
            Some(SeededFault::RestoreToLastStableOffset) => consumer.end_offset(&self.changelog).unwrap_or(end).min(end),
            _ => end,
        };
        consumer.position(&self.changelog).is_some_and(|position| position >= end)
    }
}
