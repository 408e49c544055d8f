//! The number of the record in progress, shared by a task's stores.
//!
//! A store writes an undo journal for one record at a time. It compares this number with that of its journal at each
//! change and starts a new journal when they differ, so that accepting a record costs nothing: the task only counts on.

use std::cell::Cell;
use std::rc::Rc;

/// A task's record counter; clones share it. Zero, where it starts, means that no record is in progress: changes made
/// then are not journalled and cannot be reverted on their own.
#[derive(Clone, Debug, Default)]
pub struct Savepoint(Rc<Cell<u64>>);

impl Savepoint {
    /// A counter at zero.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the next record, whereby the changes of the one before are accepted.
    pub fn advance(&self) {
        self.0.set(self.0.get() + 1);
    }

    /// The record in progress.
    #[must_use]
    pub fn current(&self) -> u64 {
        self.0.get()
    }
}
