//! The committed rows of one store, on disk or in memory, read from any thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use imbl::OrdMap;
use parking_lot::RwLock;

use super::database::{Family, FamilyCursor};
use crate::error::StateError;
use crate::key_bytes::KeyBytes;
use crate::persistent_map::SnapshotWalk;
use crate::range::{Direction, KeyRange};

/// A cheap handle to one store's committed rows. It keeps the task's database open.
#[derive(Clone)]
pub struct Column {
    store: Arc<str>,
    rows: Rows,
    progress: Arc<Progress>,
}

#[derive(Clone)]
pub(super) enum Rows {
    Family(Arc<Family>),
    Memory(Arc<MemoryRows>),
}

/// Rows in memory; a scan takes an O(1) snapshot.
pub(super) type MemoryRows = RwLock<OrdMap<KeyBytes, Arc<[u8]>>>;

/// Which of a task's batches have been applied. Batches are numbered from 1 in the order they are made.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) issued: AtomicU64,
    pub(super) applied: AtomicU64,
}

impl Column {
    pub(super) const fn new(store: Arc<str>, rows: Rows, progress: Arc<Progress>) -> Self {
        Self { store, rows, progress }
    }

    /// The store's name.
    #[must_use]
    pub const fn store(&self) -> &Arc<str> {
        &self.store
    }

    /// The committed row of a key.
    ///
    /// # Errors
    /// `Corrupt` or `Io` when the row cannot be read.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StateError> {
        self.get_with(key, <[u8]>::to_vec)
    }

    /// As [`get`](Self::get), but the row is looked at in place.
    ///
    /// # Errors
    /// `Corrupt` or `Io` when the row cannot be read.
    pub fn get_with<R>(&self, key: &[u8], look: impl FnOnce(&[u8]) -> R) -> Result<Option<R>, StateError> {
        match &self.rows {
            Rows::Family(family) => {
                let row = family.get(key).map_err(|error| error.in_store(&self.store))?;
                Ok(row.map(|row| look(&row)))
            }
            Rows::Memory(rows) => {
                let row = rows.read().get(key).cloned();
                Ok(row.map(|row| look(&row)))
            }
        }
    }

    /// The committed rows of a range, as they are now; later writes do not change what the cursor sees.
    #[must_use]
    pub fn scan(&self, range: &KeyRange, direction: Direction) -> ColumnCursor {
        let walk = match &self.rows {
            _ if range.is_empty() => Walk::Empty,
            Rows::Family(family) => Walk::Family(Box::new(FamilyCursor::open(family, range, direction))),
            Rows::Memory(rows) => Walk::Memory(SnapshotWalk::new(rows.read().clone(), range.clone(), direction)),
        };
        ColumnCursor { store: Arc::clone(&self.store), walk, direction }
    }

    /// About how many committed rows there are: RocksDB's estimate, or the number in memory.
    #[must_use]
    pub fn approximate_count(&self) -> u64 {
        match &self.rows {
            Rows::Family(family) => family.approximate_count(),
            Rows::Memory(rows) => rows.read().len() as u64,
        }
    }

    /// The number of the last batch applied.
    pub(crate) fn applied(&self) -> u64 {
        self.progress.applied.load(Ordering::Acquire)
    }

    pub(super) const fn rows(&self) -> &Rows {
        &self.rows
    }

    pub(super) const fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }
}

/// A scan of committed rows, without a borrow of the column; `Send`.
pub struct ColumnCursor {
    store: Arc<str>,
    walk: Walk,
    direction: Direction,
}

enum Walk {
    Empty,
    Family(Box<FamilyCursor>),
    Memory(SnapshotWalk<Arc<[u8]>>),
}

impl ColumnCursor {
    /// The row the cursor stands on: key and row; none at the end.
    #[must_use]
    pub fn current(&self) -> Option<(&[u8], &[u8])> {
        match &self.walk {
            Walk::Empty => None,
            Walk::Family(cursor) => cursor.current(),
            Walk::Memory(walk) => walk.current().map(|(key, row)| (key.as_slice(), &**row)),
        }
    }

    /// Steps on.
    pub fn advance(&mut self) {
        match &mut self.walk {
            Walk::Empty => {}
            Walk::Family(cursor) => cursor.advance(self.direction),
            Walk::Memory(walk) => drop(walk.take()),
        }
    }

    /// Tells an end from a failure; ask when [`current`](Self::current) gives none.
    ///
    /// # Errors
    /// `Corrupt` or `Io` when the scan stopped at a row that cannot be read.
    pub fn status(&self) -> Result<(), StateError> {
        match &self.walk {
            Walk::Family(cursor) => cursor.status().map_err(|error| error.in_store(&self.store)),
            Walk::Empty | Walk::Memory(_) => Ok(()),
        }
    }
}
