//! The committed state of one task: opened, read, changed by whole batches, restored, wiped.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::Mutex;
use rocksdb::WriteBatch;

use crate::error::{StateError, StateErrorKind};
use crate::restore::{ChangelogRecord, ChangelogRestorer, RowSink};
use crate::spec::StoreSpec;

use super::batch::{CommitBatch, MemoryChange, MemoryWrite, apply_in_memory};
use super::column::{Column, MemoryRows, Progress, Rows};
use super::database::{Database, Family};
use super::metadata::{self, Position, StoreMetadata};
use super::options::{StateOptions, WallClock};

/// The committed state of one task; clones share it.
#[derive(Clone)]
pub struct TaskState(Arc<Shared>);

struct Shared {
    database: Option<Arc<Database>>,
    names: Arc<[Arc<str>]>,
    columns: Vec<Column>,
    removed: Vec<Arc<str>>,
    known: Mutex<Known>,
    progress: Arc<Progress>,
    clock: WallClock,
}

/// The metadata as last written.
struct Known {
    stores: Vec<StoreMetadata>,
    task: Option<Vec<u8>>,
    /// The format's version is not written yet: it goes with the first batch, so that opening writes nothing.
    unmarked: bool,
}

impl TaskState {
    /// Opens or creates the state in `dir`. Stores it has not held before are added, empty; those it has held and
    /// `stores` does not name are kept and reported by [`removed_stores`](Self::removed_stores).
    ///
    /// # Errors
    /// `Locked` while another handle has it open, `Version` and `Corrupt` when the files cannot be used: destroy the
    /// folder and restore.
    pub fn open(dir: &Path, stores: &[StoreSpec], options: &StateOptions) -> Result<Self, StateError> {
        let persistent: Vec<&str> = stores.iter().filter(|store| store.is_persistent()).map(|store| &**store.name()).collect();
        let (database, removed) = Database::open(dir, &persistent, options)?;
        if !removed.is_empty() {
            tracing::warn!(stores = removed.join(", "), "state holds stores that the topology no longer has");
        }
        let unmarked = metadata::check_format(&database)?;
        let task = metadata::read_task(&database)?;
        let progress = Arc::<Progress>::default();
        let mut columns = Vec::with_capacity(stores.len());
        let mut known = Vec::with_capacity(stores.len());
        for store in stores {
            let name = Arc::clone(store.name());
            let rows = if store.is_persistent() {
                known.push(StoreMetadata::read(&database, &name)?);
                Rows::Family(Arc::new(Family::find(&database, &name)?))
            } else {
                known.push(StoreMetadata::default());
                Rows::Memory(Arc::default())
            };
            columns.push(Column::new(name, rows, Arc::clone(&progress)));
        }
        let known = Mutex::new(Known { stores: known, task, unmarked });
        let clock = Arc::clone(&options.clock);
        Ok(Self(Arc::new(Shared { database: Some(database), names: names(stores), columns, removed, known, progress, clock })))
    }

    /// State in memory alone, for as long as a clone lives: a test's disk, which survives a crash of its task.
    #[must_use]
    pub fn in_memory(stores: &[StoreSpec], clock: WallClock) -> Self {
        let progress = Arc::<Progress>::default();
        let column = |store: &StoreSpec| Column::new(Arc::clone(store.name()), Rows::Memory(Arc::default()), Arc::clone(&progress));
        let columns = stores.iter().map(column).collect();
        let known = Known { stores: vec![StoreMetadata::default(); stores.len()], task: None, unmarked: false };
        let removed = Vec::new();
        Self(Arc::new(Shared { database: None, names: names(stores), columns, removed, known: Mutex::new(known), progress, clock }))
    }

    /// Deletes the state in `dir`.
    ///
    /// # Errors
    /// `Locked` while a handle has it open, `Io` when files cannot be removed.
    pub fn destroy(dir: &Path) -> Result<(), StateError> {
        Database::destroy(dir)
    }

    /// The changelog offset from which a restore goes on; none means from the start.
    #[must_use]
    pub fn offset(&self, store: &str) -> Option<i64> {
        Some(self.known_of(store)?.position?.next_offset)
    }

    /// The wall time (ms) at which the store was last written, and so complete up to its offset. A store older than
    /// half its changelog's `delete.retention.ms` may have missed tombstones: wipe it.
    #[must_use]
    pub fn last_applied(&self, store: &str) -> Option<i64> {
        Some(self.known_of(store)?.position?.wall_time)
    }

    /// The changelog topic's incarnation (its topic id), as last set. Another one now means a recreated topic: wipe.
    #[must_use]
    pub fn topic_identity(&self, store: &str) -> Option<Vec<u8>> {
        self.known_of(store)?.identity
    }

    /// Remembers the changelog topic's incarnation.
    ///
    /// # Errors
    /// `UnknownStore`, or `Io` when it cannot be written.
    pub fn set_topic_identity(&self, store: &str, identity: &[u8]) -> Result<(), StateError> {
        let index = self.index(store)?;
        self.write_metadata(index, |metadata| metadata.identity = Some(identity.to_vec()))
    }

    /// The task's own bytes, as committed with the last batch that set them.
    #[must_use]
    pub fn metadata(&self) -> Option<Vec<u8>> {
        self.0.known.lock().task.clone()
    }

    /// Stores found on disk which the topology no longer has. Their rows are kept, with their offsets.
    #[must_use]
    pub fn removed_stores(&self) -> &[Arc<str>] {
        &self.0.removed
    }

    /// A store's committed rows.
    ///
    /// # Errors
    /// `UnknownStore` when the task has no store of that name.
    pub fn column(&self, store: &str) -> Result<Column, StateError> {
        let index = self.index(store)?;
        self.0.columns.get(index).cloned().ok_or_else(|| self.unknown(store))
    }

    /// The batch of the next commit. Batches are applied in the order they were made; one may be dropped instead.
    #[must_use]
    pub fn batch(&self) -> CommitBatch {
        CommitBatch {
            number: self.0.progress.issued.fetch_add(1, Ordering::Relaxed) + 1,
            progress: Arc::clone(&self.0.progress),
            names: Arc::clone(&self.0.names),
            rows: WriteBatch::default(),
            in_memory: Vec::new(),
            offsets: Vec::new(),
            metadata: None,
            in_memory_bytes: 0,
        }
    }

    /// Applies a committed transaction's batch, atomically. Every store with an offset is marked complete as of now: a
    /// task that applies its batches has missed nothing. An empty batch does only that: apply one every few hours when
    /// nothing arrives.
    ///
    /// # Errors
    /// `Io`, `DiskFull` or `Corrupt` when RocksDB refuses (the transaction is committed: restore later replays it);
    /// `Misuse` for a batch of another task or one that a later batch has overtaken.
    pub fn apply(&self, batch: CommitBatch) -> Result<(), StateError> {
        let shared = &self.0;
        let mut known = shared.known.lock();
        let applied = shared.progress.applied.load(Ordering::Relaxed);
        if !Arc::ptr_eq(&shared.progress, &batch.progress) || batch.number <= applied {
            let message = format!("expected a batch of this task after number {applied}, found number {}", batch.number);
            return Err(StateError::new(StateErrorKind::Misuse, message));
        }
        let now = (shared.clock)();
        let mut stores = known.stores.clone();
        for (index, next_offset) in batch.offsets {
            if let Some(store) = stores.get_mut(index) {
                store.position = Some(Position { next_offset, wall_time: now });
            }
        }
        for position in stores.iter_mut().filter_map(|store| store.position.as_mut()) {
            position.wall_time = now;
        }
        if let Some(database) = &shared.database {
            let mut rows = batch.rows;
            for (store, column) in stores.iter().zip(&shared.columns) {
                if store.position.is_some() && matches!(column.rows(), Rows::Family(_)) {
                    store.write(&mut rows, column.store());
                }
            }
            if let Some(task) = &batch.metadata {
                metadata::write_task(&mut rows, task);
            }
            known.write(database, rows, now)?;
        }
        apply_in_memory(batch.in_memory);
        known.stores = stores;
        known.task = batch.metadata.or_else(|| known.task.take());
        shared.progress.applied.store(batch.number, Ordering::Release);
        Ok(())
    }

    /// Applies a batch of a store's changelog records, atomically with the offset after them. Any thread, one at a time
    /// a store, while no store instance is in use.
    ///
    /// # Errors
    /// `UnknownStore`; whatever the restorer finds wrong with a record, and then nothing is applied; `Io`, `DiskFull`.
    pub fn restore<'r>(
        &self,
        store: &str,
        restorer: &dyn ChangelogRestorer,
        records: &mut dyn Iterator<Item = ChangelogRecord<'r>>,
        next_offset: i64,
    ) -> Result<(), StateError> {
        let column = self.column(store)?;
        let index = self.index(store)?;
        let mut batch = self.batch();
        let mut sink = RestoredRows { batch: &mut batch, column: &column, key: Vec::new(), row: Vec::new() };
        for record in records {
            restorer.restore(record, &mut sink).map_err(|error| error.in_store(store))?;
        }
        let position = Position { next_offset, wall_time: (self.0.clock)() };
        self.write_store(index, batch, |metadata| metadata.position = Some(position))
    }

    /// Empties a store and forgets its offset, so that it is restored from the start.
    ///
    /// # Errors
    /// `UnknownStore`; `Io`, `DiskFull` or `Corrupt` when RocksDB refuses: then destroy the folder.
    pub fn wipe(&self, store: &str) -> Result<(), StateError> {
        let column = self.column(store)?;
        let index = self.index(store)?;
        let mut batch = self.batch();
        match column.rows() {
            Rows::Family(family) => family.clear(&mut batch.rows).map_err(|error| error.in_store(store))?,
            Rows::Memory(rows) => batch.in_memory.push(MemoryWrite { rows: Arc::<MemoryRows>::clone(rows), change: MemoryChange::Clear }),
        }
        self.write_store(index, batch, |metadata| metadata.position = None)
    }

    /// Writes what is in memory to disk, and waits for it.
    ///
    /// # Errors
    /// `Io` or `DiskFull` when RocksDB cannot write.
    pub fn flush(&self) -> Result<(), StateError> {
        self.0.database.as_ref().map_or(Ok(()), |database| database.flush())
    }

    /// Whether rows are being written from memory to disk at this moment.
    #[must_use]
    pub fn is_flushing(&self) -> bool {
        self.0.database.as_ref().is_some_and(|database| database.is_flushing())
    }

    /// Flushes and lets go. The folder is free once the last clone, column, view and iterator is gone.
    ///
    /// # Errors
    /// `Io` or `DiskFull` when RocksDB cannot write; what was flushed before stays.
    pub fn close(self) -> Result<(), StateError> {
        self.flush()
    }

    fn write_metadata(&self, index: usize, change: impl FnOnce(&mut StoreMetadata)) -> Result<(), StateError> {
        self.write_store(index, self.batch(), change)
    }

    fn write_store(&self, index: usize, batch: CommitBatch, change: impl FnOnce(&mut StoreMetadata)) -> Result<(), StateError> {
        let shared = &self.0;
        let mut known = shared.known.lock();
        let (Some(metadata), Some(column)) = (known.stores.get(index), shared.columns.get(index)) else {
            return Err(self.unknown(""));
        };
        let mut metadata = metadata.clone();
        change(&mut metadata);
        if let (Some(database), Rows::Family(_)) = (&shared.database, column.rows()) {
            let mut rows = batch.rows;
            metadata.write(&mut rows, column.store());
            known.write(database, rows, (shared.clock)()).map_err(|error| error.in_store(column.store()))?;
        }
        apply_in_memory(batch.in_memory);
        if let Some(store) = known.stores.get_mut(index) {
            *store = metadata;
        }
        Ok(())
    }

    fn index(&self, store: &str) -> Result<usize, StateError> {
        self.0.names.iter().position(|name| &**name == store).ok_or_else(|| self.unknown(store))
    }

    fn known_of(&self, store: &str) -> Option<StoreMetadata> {
        let index = self.index(store).ok()?;
        self.0.known.lock().stores.get(index).cloned()
    }

    fn unknown(&self, store: &str) -> StateError {
        StateError::unknown_store(store, &self.0.names.join(", "))
    }
}

impl Known {
    fn write(&mut self, database: &Database, mut rows: WriteBatch, now: i64) -> Result<(), StateError> {
        if self.unmarked {
            metadata::write_format(&mut rows);
        }
        database.write(rows, now)?;
        self.unmarked = false;
        Ok(())
    }
}

fn names(stores: &[StoreSpec]) -> Arc<[Arc<str>]> {
    stores.iter().map(|store| Arc::clone(store.name())).collect()
}

/// Where a restorer's rows go: into a batch, through reused buffers where they come in parts.
struct RestoredRows<'b> {
    batch: &'b mut CommitBatch,
    column: &'b Column,
    key: Vec<u8>,
    row: Vec<u8>,
}

impl RowSink for RestoredRows<'_> {
    fn put(&mut self, key: &[&[u8]], row: &[&[u8]]) {
        let key = joined(key, &mut self.key);
        self.batch.put(self.column, key, joined(row, &mut self.row));
    }

    fn delete(&mut self, key: &[&[u8]]) {
        self.batch.delete(self.column, joined(key, &mut self.key));
    }
}

fn joined<'b>(parts: &[&'b [u8]], buffer: &'b mut Vec<u8>) -> &'b [u8] {
    if let [whole] = parts {
        return whole;
    }
    buffer.clear();
    for part in parts {
        buffer.extend_from_slice(part);
    }
    buffer
}
