//! A task's RocksDB: opening, writing, flushing, and handles that keep it alive.

use std::path::Path;
use std::sync::Arc;

use ouroboros::self_referencing;
use rocksdb::properties::NUM_RUNNING_FLUSHES;
use rocksdb::{
    ColumnFamily, ColumnFamilyDescriptor, DB, DBPinnableSlice, DBRawIteratorWithThreadMode, ErrorKind, FlushOptions, Options, ReadOptions, WriteBatch,
};

use super::options::{StateOptions, column_options, database_options, memtable_bytes, metadata_options};
use crate::error::{StateError, StateErrorKind};
use crate::flush::{Flush, Tail};
use crate::memory::MemoryBudget;
use crate::range::{Direction, KeyRange};

/// Column families of stores are told apart from RocksDB's own `default`, which holds the metadata.
const STORE_PREFIX: &str = "store.";
const METADATA_FAMILY: &str = "default";

pub(crate) struct Database {
    db: DB,
    families: Vec<String>,
    // After `db`: what it has not flushed is no longer owed once it is closed.
    tail: Tail,
    budget: MemoryBudget,
}

impl Database {
    /// Opens or creates the database in `dir`, with the column families of `stores` and any others it has.
    pub(crate) fn open(dir: &Path, stores: &[&str], options: &StateOptions) -> Result<(Arc<Self>, Vec<Arc<str>>), StateError> {
        let existing =
            if dir.join("CURRENT").exists() { DB::list_cf(&Options::default(), dir).map_err(|error| library_error(&error))? } else { Vec::new() };
        let mut families: Vec<String> = vec![METADATA_FAMILY.to_owned()];
        families.extend(stores.iter().map(|store| format!("{STORE_PREFIX}{store}")));
        let unknown: Vec<String> = existing.into_iter().filter(|family| !families.contains(family)).collect();
        let removed: Vec<Arc<str>> = unknown.iter().filter_map(|family| family.strip_prefix(STORE_PREFIX)).map(Arc::from).collect();
        families.extend(unknown);

        let budget = &options.budget;
        let column_options = column_options(budget);
        let descriptors = families.iter().map(|family| {
            let family_options = if family == METADATA_FAMILY { metadata_options(budget) } else { column_options.clone() };
            ColumnFamilyDescriptor::new(family, family_options)
        });
        let db = DB::open_cf_descriptors(&database_options(budget), dir, descriptors).map_err(|error| library_error(&error))?;
        let database = Arc::new(Self { db, families, tail: budget.flush_scheduler().new_tail(), budget: budget.clone() });
        let flushed: Arc<dyn Flush> = Arc::<Self>::clone(&database);
        budget.flush_scheduler().register(Arc::downgrade(&flushed));
        Ok((database, removed))
    }

    pub(crate) fn destroy(dir: &Path) -> Result<(), StateError> {
        DB::destroy(&Options::default(), dir).map_err(|error| library_error(&error))?;
        match std::fs::remove_dir_all(dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StateError::new(StateErrorKind::Io, "could not remove the state folder").with_source(error))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn metadata(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.db.get(key).map_err(|error| library_error(&error))
    }

    /// Writes a batch atomically, then lets the scheduler flush whom it must. A flush that cannot begin does not undo the
    /// write: RocksDB refuses later writes itself if it cannot go on.
    pub(crate) fn write(&self, batch: WriteBatch, now: i64) -> Result<(), StateError> {
        let bytes = memtable_bytes(batch.size_in_bytes() as u64, batch.len() as u64);
        self.db.write_without_wal(batch).map_err(|error| library_error(&error))?;
        if let Err(error) = self.budget.flush_scheduler().written(&self.tail, bytes, now) {
            tracing::warn!(%error, "could not begin to flush a task's state");
        }
        Ok(())
    }

    /// Writes everything out and waits until it is on disk.
    pub(crate) fn flush(&self) -> Result<(), StateError> {
        self.flush_families(true)
    }

    pub(crate) fn is_flushing(&self) -> bool {
        self.db.property_int_value(NUM_RUNNING_FLUSHES).is_ok_and(|running| running > Some(0))
    }

    fn flush_families(&self, wait: bool) -> Result<(), StateError> {
        self.tail.clear();
        let mut options = FlushOptions::default();
        options.set_wait(wait);
        let families: Vec<&ColumnFamily> = self.families.iter().filter_map(|family| self.db.cf_handle(family)).collect();
        let references: Vec<&&ColumnFamily> = families.iter().collect();
        self.db.flush_cfs_opt(&references, &options).map_err(|error| library_error(&error))
    }
}

impl Flush for Database {
    fn tail(&self) -> &Tail {
        &self.tail
    }

    fn begin_flush(&self) -> Result<(), StateError> {
        self.flush_families(false)
    }
}

/// A column family, found once by name, that keeps its database open.
#[self_referencing]
pub(crate) struct Family {
    database: Arc<Database>,
    #[borrows(database)]
    handle: &'this ColumnFamily,
}

impl Family {
    pub(crate) fn find(database: &Arc<Database>, store: &str) -> Result<Self, StateError> {
        Self::try_new(Arc::clone(database), |opened| {
            opened
                .db
                .cf_handle(&format!("{STORE_PREFIX}{store}"))
                .ok_or_else(|| StateError::new(StateErrorKind::Corrupt, "expected its column family to have been opened").in_store(store))
        })
    }

    pub(crate) fn get(&self, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, StateError> {
        self.borrow_database().db.get_pinned_cf(self.borrow_handle(), key).map_err(|error| library_error(&error))
    }

    pub(crate) fn put(&self, batch: &mut WriteBatch, key: &[u8], value: &[u8]) {
        batch.put_cf(self.borrow_handle(), key, value);
    }

    pub(crate) fn delete(&self, batch: &mut WriteBatch, key: &[u8]) {
        batch.delete_cf(self.borrow_handle(), key);
    }

    pub(crate) fn delete_range(&self, batch: &mut WriteBatch, from: &[u8], to: &[u8]) {
        batch.delete_range_cf(self.borrow_handle(), from, to);
    }

    /// Deletes every row, in a batch of the caller's.
    pub(crate) fn clear(&self, batch: &mut WriteBatch) -> Result<(), StateError> {
        let mut iterator = self.borrow_database().db.raw_iterator_cf(self.borrow_handle());
        iterator.seek_to_last();
        if let Some(last) = iterator.key() {
            let mut end = last.to_vec();
            end.push(0);
            self.delete_range(batch, &[], &end);
        }
        iterator.status().map_err(|error| library_error(&error))
    }

    pub(crate) fn approximate_count(&self) -> u64 {
        let count = self.borrow_database().db.property_int_value_cf(self.borrow_handle(), rocksdb::properties::ESTIMATE_NUM_KEYS);
        count.ok().flatten().unwrap_or(0)
    }
}

/// A scan of a column family as it was when the cursor was made.
#[self_referencing]
pub(crate) struct FamilyCursor {
    family: Arc<Family>,
    #[borrows(family)]
    #[covariant]
    iterator: DBRawIteratorWithThreadMode<'this, DB>,
}

impl FamilyCursor {
    pub(crate) fn open(family: &Arc<Family>, range: &KeyRange, direction: Direction) -> Self {
        Self::new(Arc::clone(family), |scanned| {
            let mut options = ReadOptions::default();
            if let Some(start) = range.start() {
                options.set_iterate_lower_bound(start);
            }
            if let Some(end) = range.end() {
                options.set_iterate_upper_bound(end);
            }
            let mut iterator = scanned.borrow_database().db.raw_iterator_cf_opt(scanned.borrow_handle(), options);
            match direction {
                Direction::Forward => iterator.seek_to_first(),
                Direction::Reverse => iterator.seek_to_last(),
            }
            iterator
        })
    }

    pub(crate) fn current(&self) -> Option<(&[u8], &[u8])> {
        self.borrow_iterator().item()
    }

    pub(crate) fn advance(&mut self, direction: Direction) {
        self.with_iterator_mut(|iterator| match direction {
            Direction::Forward => iterator.next(),
            Direction::Reverse => iterator.prev(),
        });
    }

    /// Whether the scan ended because a row could not be read.
    pub(crate) fn status(&self) -> Result<(), StateError> {
        self.borrow_iterator().status().map_err(|error| library_error(&error))
    }
}

/// RocksDB's error as ours. Its messages name files and blocks, never content.
pub(crate) fn library_error(error: &rocksdb::Error) -> StateError {
    let text = error.to_string();
    let kind = match error.kind() {
        _ if text.contains("No space left on device") => StateErrorKind::DiskFull,
        ErrorKind::IOError if text.contains("lock ") || text.contains("/LOCK") => StateErrorKind::Locked,
        ErrorKind::Corruption | ErrorKind::NotSupported => StateErrorKind::Corrupt,
        ErrorKind::IOError if text.contains("No such file") => StateErrorKind::Corrupt,
        ErrorKind::InvalidArgument if text.contains("does not exist") || text.contains("comparator") => StateErrorKind::Corrupt,
        _ => StateErrorKind::Io,
    };
    StateError::new(kind, text).with_source(error.clone())
}
