//! The undo journal of the record in progress.
//!
//! Every change notes what it replaced; undoing runs them backwards. It is begun lazily, at the first change after the
//! task's savepoint has moved, and old values are dropped then.

use crate::savepoint::Savepoint;

use super::entry::{EntryState, Held};
use super::forwarding::Due;

#[derive(Debug)]
pub(super) struct Journal<V, X> {
    record: u64,
    undos: Vec<Undo<V, X>>,
}

#[derive(Debug)]
pub(super) struct Undo<V, X> {
    pub(super) slot: u32,
    pub(super) change: Change<V, X>,
}

#[derive(Debug)]
pub(super) enum Change<V, X> {
    /// The entry was made.
    Created,
    /// The value was replaced.
    Wrote(Replaced<V>),
    /// The value was replaced, and the one before it became the base of a due.
    MadeDue { timestamp: i64, state: EntryState },
    /// The value and the context of a due were replaced; it stood after another.
    UpdatedDue { replaced: Replaced<V>, context: X, after: u32 },
    /// A due was handed over for forwarding; it stood after another.
    TookDue { due: Due<V, X>, after: u32, state: EntryState },
    /// The entry left the record cache.
    LeftCache { state: EntryState },
}

/// What a write replaced.
#[derive(Debug)]
pub(super) struct Replaced<V> {
    pub(super) value: Option<Held<V>>,
    pub(super) timestamp: i64,
    pub(super) state: EntryState,
}

impl<V, X> Journal<V, X> {
    pub(super) const fn new() -> Self {
        Self { record: 0, undos: Vec::new() }
    }

    /// Whether changes are journalled: a record is in progress. Begins its journal if this is its first change.
    #[inline]
    pub(super) fn is_open(&mut self, savepoint: &Savepoint) -> bool {
        let current = savepoint.current();
        if self.record != current {
            self.undos.clear();
            self.record = current;
        }
        current != 0
    }

    #[inline]
    pub(super) fn push(&mut self, slot: u32, change: Change<V, X>) {
        self.undos.push(Undo { slot, change });
    }

    /// The last change of the record in progress.
    pub(super) fn pop(&mut self, savepoint: &Savepoint) -> Option<Undo<V, X>> {
        if self.record == savepoint.current() { self.undos.pop() } else { None }
    }

    pub(super) fn clear(&mut self) {
        self.undos.clear();
    }
}
