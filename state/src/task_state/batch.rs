//! What one transaction changes in a task's state: one atomic write.

use std::ops::Bound;
use std::sync::Arc;

use rocksdb::WriteBatch;

use super::column::{Column, MemoryRows, Progress, Rows};
use crate::error::StateError;
use crate::key_bytes::KeyBytes;

/// Rows of every store of a task, their changelog offsets and the task's metadata. Made by `TaskState::batch`, filled
/// by the stores' `prepare`, and applied once the transaction has committed; dropped if it has not.
pub struct CommitBatch {
    pub(super) number: u64,
    pub(super) progress: Arc<Progress>,
    pub(super) names: Arc<[Arc<str>]>,
    pub(super) rows: WriteBatch,
    pub(super) in_memory: Vec<MemoryWrite>,
    pub(super) offsets: Vec<(usize, i64)>,
    pub(super) metadata: Option<Vec<u8>>,
    pub(super) in_memory_bytes: usize,
}

pub(super) struct MemoryWrite {
    pub(super) rows: Arc<MemoryRows>,
    pub(super) change: MemoryChange,
}

pub(super) enum MemoryChange {
    Put(KeyBytes, Arc<[u8]>),
    Delete(KeyBytes),
    DeleteRange(Box<[u8]>, Box<[u8]>),
    Clear,
}

impl CommitBatch {
    /// Writes a row.
    pub fn put(&mut self, column: &Column, key: &[u8], row: &[u8]) {
        match self.rows_of(column) {
            Rows::Family(family) => family.put(&mut self.rows, key, row),
            Rows::Memory(rows) => {
                self.in_memory_bytes += key.len() + row.len();
                self.remember(rows, MemoryChange::Put(KeyBytes::new(key), row.into()));
            }
        }
    }

    /// Deletes a row.
    pub fn delete(&mut self, column: &Column, key: &[u8]) {
        match self.rows_of(column) {
            Rows::Family(family) => family.delete(&mut self.rows, key),
            Rows::Memory(rows) => self.remember(rows, MemoryChange::Delete(KeyBytes::new(key))),
        }
    }

    /// Deletes every row from `from` (included) to `to` (excluded): a segment as a whole.
    pub fn delete_range(&mut self, column: &Column, from: &[u8], to: &[u8]) {
        match self.rows_of(column) {
            Rows::Family(family) => family.delete_range(&mut self.rows, from, to),
            Rows::Memory(rows) => self.remember(rows, MemoryChange::DeleteRange(from.into(), to.into())),
        }
    }

    /// The offset after the store's last changelog record of this transaction: where a restore goes on.
    ///
    /// # Errors
    /// `UnknownStore` when the task has no store of that name.
    pub fn set_offset(&mut self, store: &str, next_offset: i64) -> Result<(), StateError> {
        let index = self.names.iter().position(|name| &**name == store);
        let index = index.ok_or_else(|| StateError::unknown_store(store, &self.names.join(", ")))?;
        self.offsets.push((index, next_offset));
        Ok(())
    }

    /// The task's own bytes (stream time, join sequences, emit times), replaced whole.
    pub fn set_metadata(&mut self, metadata: &[u8]) {
        self.metadata = Some(metadata.to_vec());
    }

    /// Bytes of keys and rows so far.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.rows.size_in_bytes() + self.in_memory_bytes
    }

    /// The batch's place in the order in which the task's batches are applied.
    pub(crate) const fn number(&self) -> u64 {
        self.number
    }

    fn rows_of(&self, column: &Column) -> Rows {
        invariant!(Arc::ptr_eq(&self.progress, column.progress()), "a column of another task's state");
        column.rows().clone()
    }

    fn remember(&mut self, rows: Arc<MemoryRows>, change: MemoryChange) {
        self.in_memory.push(MemoryWrite { rows, change });
    }
}

/// Applies changes to rows in memory, in order, a lock per store's run of changes.
pub(super) fn apply_in_memory(writes: Vec<MemoryWrite>) {
    let mut writes = writes.into_iter().peekable();
    while let Some(first) = writes.next() {
        let mut rows = first.rows.write();
        let mut change = Some(first.change);
        while let Some(applied) = change.take() {
            match applied {
                MemoryChange::Put(key, row) => drop(rows.insert(key, row)),
                MemoryChange::Delete(key) => drop(rows.remove(&key)),
                MemoryChange::Clear => rows.clear(),
                MemoryChange::DeleteRange(from, to) => {
                    let doomed = rows.range::<_, [u8]>((Bound::Included(&*from), Bound::Excluded(&*to)));
                    let doomed: Vec<KeyBytes> = doomed.map(|(key, _)| key.clone()).collect();
                    for key in doomed {
                        rows.remove(&key);
                    }
                }
            }
            change = writes.next_if(|next| Arc::ptr_eq(&next.rows, &first.rows)).map(|next| next.change);
        }
    }
}
