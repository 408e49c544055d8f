//! The ordered index of dirty and pending entries, made at a store's first scan and kept from then on.
//!
//! A clone of it is O(1): that is an iterator's view of the overlay, which later changes do not reach. A store that is
//! never scanned has none.

use std::rc::Rc;

use imbl::OrdMap;

use crate::key_bytes::KeyBytes;

use super::entry::Entry;

/// A row as of some moment; no value: deleted.
#[derive(Debug)]
pub(super) struct IndexRow<V> {
    pub(super) value: Option<Rc<V>>,
    pub(super) timestamp: i64,
}

impl<V> Clone for IndexRow<V> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), timestamp: self.timestamp }
    }
}

#[derive(Debug)]
pub(super) struct OrderedIndex<V>(Option<OrdMap<KeyBytes, IndexRow<V>>>);

impl<V> OrderedIndex<V> {
    pub(super) const fn new() -> Self {
        Self(None)
    }

    /// Notes an entry's value; from then on entry and index share it.
    #[inline]
    pub(super) fn insert(&mut self, entry: &mut Entry<V>) {
        if let Some(rows) = &mut self.0 {
            add(rows, entry);
        }
    }

    #[inline]
    pub(super) fn remove(&mut self, key: &KeyBytes) {
        if let Some(rows) = &mut self.0 {
            rows.remove(key);
        }
    }

    /// Forgets every row, at once.
    pub(super) fn clear(&mut self) {
        if let Some(rows) = &mut self.0 {
            *rows = OrdMap::new();
        }
    }

    pub(super) const fn is_active(&self) -> bool {
        self.0.is_some()
    }

    /// Makes the index, of these entries.
    pub(super) fn activate<'e>(&mut self, entries: impl Iterator<Item = &'e mut Entry<V>>)
    where
        V: 'e,
    {
        let mut rows = OrdMap::new();
        for entry in entries {
            add(&mut rows, entry);
        }
        self.0 = Some(rows);
    }

    /// The rows as they are now.
    pub(super) fn snapshot(&self) -> OrdMap<KeyBytes, IndexRow<V>> {
        self.0.clone().unwrap_or_default()
    }
}

fn add<V>(rows: &mut OrdMap<KeyBytes, IndexRow<V>>, entry: &mut Entry<V>) {
    let shared = entry.value.take().map(super::entry::Held::share);
    let value = shared.map(|(held, shared)| {
        entry.value = Some(held);
        shared
    });
    rows.insert(entry.key.clone(), IndexRow { value, timestamp: entry.timestamp });
}
