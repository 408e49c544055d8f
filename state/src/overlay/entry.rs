//! One row as the overlay holds it, and what it knows of it.

use std::rc::Rc;

use crate::key_bytes::KeyBytes;

use super::slab::NONE;

/// What the hash table, the lists and the room kept for growth take an entry, about.
const INDEXED: u64 = 64;

/// A typed value: alone in its entry, or shared with the ordered index and its snapshots once a store is scanned.
#[derive(Clone, Debug)]
pub(super) enum Held<V> {
    Own(V),
    Shared(Rc<V>),
}

impl<V> Held<V> {
    pub(super) fn get(&self) -> &V {
        match self {
            Self::Own(value) => value,
            Self::Shared(value) => value,
        }
    }

    /// The value as the ordered index takes it; from now on it is shared.
    pub(super) fn share(self) -> (Self, Rc<V>) {
        let shared = match self {
            Self::Own(value) => Rc::new(value),
            Self::Shared(value) => value,
        };
        (Self::Shared(Rc::clone(&shared)), shared)
    }
}

impl<V: Clone> Held<V> {
    pub(super) fn into_value(self) -> V {
        match self {
            Self::Own(value) => value,
            Self::Shared(value) => Rc::unwrap_or_clone(value),
        }
    }
}

/// Where an entry stands between the transaction in progress and the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// As on disk: may be dropped.
    Clean,
    /// Changed by the transaction in progress.
    Dirty,
    /// Committed, and on disk once the batch of this number has been applied.
    Pending(u64),
}

#[derive(Debug)]
pub(super) struct Entry<V> {
    pub(super) key: KeyBytes,
    pub(super) hash: u64,
    /// None: the row is deleted or known to be absent.
    pub(super) value: Option<Held<V>>,
    pub(super) timestamp: i64,
    pub(super) state: EntryState,
    /// What downstream has not seen, in a caching store: a number in the dues, or `NONE`.
    pub(super) due: u32,
}

/// The part of an entry that a write changes beside its value, and that undoing one puts back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EntryState {
    pub(super) status: Status,
    /// While dirty: no such row is committed, so that a delete has nothing to delete.
    pub(super) absent: bool,
    /// While clean: the value is what is committed. A blind write knows nothing of it.
    pub(super) known: bool,
    /// The value's serialised length, as last seen or as estimated.
    pub(super) value_bytes: u32,
    /// What the record cache counts for it; zero when it is not in the cache.
    pub(super) cache_bytes: u32,
}

impl<V> Entry<V> {
    pub(super) const fn is_due(&self) -> bool {
        self.due != NONE
    }

    /// Whether it differs from what is on disk, as far as is known.
    pub(super) fn is_changed(&self) -> bool {
        self.state.status != Status::Clean
    }

    /// Bytes held, as they are charged: this structure, a long key, and the value at `factor` times its serialised length.
    pub(super) fn footprint(&self, factor: u64) -> u64 {
        size_of::<Self>() as u64 + INDEXED + self.key.heap_bytes() as u64 + u64::from(self.state.value_bytes) * factor
    }

    /// Bytes held for the transaction in progress.
    pub(super) fn dirty_bytes(&self, factor: u64) -> u64 {
        if self.state.status == Status::Dirty { self.footprint(factor) } else { 0 }
    }
}
