//! The overlay's entries: finding, loading, writing and dropping them.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::{HashMap, HashTable};

use crate::error::StateError;
use crate::key_bytes::KeyBytes;
use crate::memory::MemoryBudget;
use crate::savepoint::Savepoint;
use crate::spec::NO_TIMESTAMP;
use crate::task_state::Column;

use super::codec::ValueCodec;
use super::entry::{Entry, EntryState, Held, Status};
use super::footprint::{Footprint, VALUE_FACTOR};
use super::forwarding::Forwarding;
use super::index::OrderedIndex;
use super::journal::{Change, Journal, Replaced};
use super::list::SlotList;
use super::record_cache::RecordCache;
use super::slab::{NONE, Slab};
use super::transaction::Shadow;

/// Typed, uncommitted writes above one column; see the module's head. `X` is what the engine keeps with an entry that
/// downstream has not seen.
pub struct Overlay<V, X = ()> {
    pub(super) column: Column,
    pub(super) codec: Arc<ValueCodec<V>>,
    pub(super) savepoint: Savepoint,
    hasher: RandomState,
    table: HashTable<u32>,
    pub(super) entries: Slab<Entry<V>>,
    /// Most recently used first: clean entries, or those in the record cache if there is one.
    pub(super) recent: SlotList,
    pub(super) index: OrderedIndex<V>,
    /// In order of their first change: the record in progress undoes from the back.
    pub(super) dirty: Vec<u32>,
    /// Entries of committed batches not known to be applied, oldest batch first.
    pub(super) pending: VecDeque<(u64, Vec<u32>)>,
    /// What pending entries that have become dirty held: a rollback cannot read it from disk yet.
    pub(super) shadows: HashMap<u32, Shadow<V>>,
    pub(super) prepared: Option<u64>,
    /// Values that `prepare` found to serialise to null: deleted once committed.
    pub(super) nulled: Vec<u32>,
    pub(super) journal: Journal<V, X>,
    pub(super) footprint: Footprint,
    pub(super) forwarding: Option<Forwarding<V, X>>,
}

/// Where a key is, or would be: what a look-up costs is paid once for reading and writing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(super) hash: u64,
    /// `NONE` if no such row is committed or written.
    pub(super) slot: u32,
}

impl<V: Clone + 'static, X: Clone + 'static> Overlay<V, X> {
    /// An overlay without entries above `column`.
    #[must_use]
    pub fn new(column: Column, codec: Arc<ValueCodec<V>>, savepoint: Savepoint, budget: &MemoryBudget) -> Self {
        Self {
            column,
            codec,
            savepoint,
            hasher: RandomState::default(),
            table: HashTable::new(),
            entries: Slab::new(),
            recent: SlotList::new(),
            index: OrderedIndex::new(),
            dirty: Vec::new(),
            pending: VecDeque::new(),
            shadows: HashMap::new(),
            prepared: None,
            nulled: Vec::new(),
            journal: Journal::new(),
            footprint: Footprint::new(budget),
            forwarding: None,
        }
    }

    /// Holds what downstream has not seen, within a stream thread's record cache.
    #[must_use]
    pub fn with_record_cache(mut self, cache: RecordCache) -> Self {
        self.forwarding = Some(Forwarding::new(cache));
        self
    }

    /// The value of a key and its timestamp, as the transaction in progress sees it. A row read from disk stays.
    ///
    /// # Errors
    /// `Serde` or `Corrupt` when the row cannot be read, `Io` when the disk cannot.
    pub fn get(&mut self, key: &[u8]) -> Result<Option<(&V, i64)>, StateError> {
        let place = self.locate(key)?;
        Ok(self.value_at(place))
    }

    /// Writes a value, or deletes; what was there is not read.
    pub fn put(&mut self, key: &[u8], value: Option<V>, timestamp: i64) {
        let hash = self.hasher.hash_one(key);
        let slot = match self.lookup(hash, key) {
            Some(slot) => slot,
            None => self.create(hash, key, false),
        };
        self.write(slot, value, timestamp);
    }

    /// Finds a key for reading it, loading its row if it is on disk.
    pub(crate) fn locate(&mut self, key: &[u8]) -> Result<Place, StateError> {
        self.begin_read();
        let (place, row_bytes) = self.find_or_load(key)?;
        if place.slot == NONE {
            return Ok(place);
        }
        match (row_bytes, &self.forwarding) {
            (None, None) => self.recent.touch(place.slot),
            (None, Some(_)) => self.read_cached(place.slot)?,
            (Some(row_bytes), Some(_)) => self.cache_clean_row(place.slot, row_bytes),
            (Some(_), None) => {
                self.recent.push_front(place.slot);
                self.make_room(place.slot);
            }
        }
        Ok(place)
    }

    /// Finds a key for writing it alone: its use is not counted.
    pub(crate) fn locate_unread(&mut self, key: &[u8]) -> Result<Place, StateError> {
        Ok(self.find_or_load(key)?.0)
    }

    /// Finds a key, or its row on disk, whose length is then given; the entry made for it stands in no list yet.
    fn find_or_load(&mut self, key: &[u8]) -> Result<(Place, Option<usize>), StateError> {
        let hash = self.hasher.hash_one(key);
        if let Some(slot) = self.lookup(hash, key) {
            return Ok((Place { hash, slot }, None));
        }
        let codec = &self.codec;
        let read = self.column.get_with(key, |row| codec.read(row).map(|(value, timestamp)| (value, timestamp, row.len())))?;
        let Some((value, timestamp, row_bytes)) = read.transpose()? else {
            return Ok((Place { hash, slot: NONE }, None));
        };
        let header = self.codec.format().header_bytes();
        let serialized = u32::try_from(row_bytes.saturating_sub(header)).unwrap_or(u32::MAX);
        self.footprint.observe(serialized);
        let value_bytes = self.weigh(&value, serialized);
        let slot = self.add(hash, key, Some(value), timestamp, EntryState { known: true, value_bytes, ..UNWRITTEN });
        Ok((Place { hash, slot }, Some(row_bytes)))
    }

    /// What stands at a place.
    pub(crate) fn value_at(&self, place: Place) -> Option<(&V, i64)> {
        if place.slot == NONE {
            return None;
        }
        let entry = self.entries.at(place.slot);
        entry.value.as_ref().map(|value| (value.get(), self.codec.read_timestamp(entry.timestamp)))
    }

    /// Writes where `locate` found the key, or found that there is none.
    pub(crate) fn put_at(&mut self, place: Place, key: &[u8], value: Option<V>, timestamp: i64) {
        let slot = self.slot_at(place, key);
        self.write(slot, value, timestamp);
    }

    pub(super) fn slot_at(&mut self, place: Place, key: &[u8]) -> u32 {
        if place.slot == NONE { self.create(place.hash, key, true) } else { place.slot }
    }

    /// Bytes held for what the transaction in progress has changed.
    #[must_use]
    pub const fn dirty_bytes(&self) -> u64 {
        self.footprint.dirty()
    }

    /// Bytes held by all entries.
    #[must_use]
    pub const fn memory_bytes(&self) -> u64 {
        self.footprint.held()
    }

    /// About how many rows there are: those committed and those changed.
    #[must_use]
    pub fn approximate_count(&self) -> u64 {
        self.column.approximate_count() + self.dirty.len() as u64
    }

    /// Drops clean entries, least recently used first, until about so many bytes are gone; says how many went. With a
    /// record cache there is nothing to drop: its size bounds what is clean, and when it evicts must not depend on
    /// other memory.
    pub fn evict_clean(&mut self, bytes: u64) -> u64 {
        self.settle();
        self.evict(bytes, NONE)
    }

    pub(super) fn evict(&mut self, bytes: u64, keep: u32) -> u64 {
        let held = self.footprint.held();
        let target = held.saturating_sub(bytes);
        while self.forwarding.is_none() && self.footprint.held() > target {
            let eldest = self.recent.tail();
            if eldest == NONE || eldest == keep {
                break;
            }
            self.remove(eldest);
        }
        self.footprint.shrunk();
        held - self.footprint.held()
    }

    #[inline]
    fn lookup(&self, hash: u64, key: &[u8]) -> Option<u32> {
        let entries = &self.entries;
        self.table.find(hash, |slot| entries.at(*slot).key.as_slice() == key).copied()
    }

    /// Adds an entry without a value, about to be written; `absent` if it is known that no such row is committed.
    fn create(&mut self, hash: u64, key: &[u8], absent: bool) -> u32 {
        let slot = self.add(hash, key, None, NO_TIMESTAMP, EntryState { known: absent, ..UNWRITTEN });
        if self.journal.is_open(&self.savepoint) {
            self.journal.push(slot, Change::Created);
        }
        slot
    }

    fn add(&mut self, hash: u64, key: &[u8], value: Option<V>, timestamp: i64, state: EntryState) -> u32 {
        let entry = Entry { key: KeyBytes::new(key), hash, value: value.map(Held::Own), timestamp, state, due: NONE };
        self.footprint.change((0, 0), (entry.footprint(VALUE_FACTOR), 0));
        let slot = self.entries.insert(entry);
        let entries = &self.entries;
        self.table.insert_unique(hash, slot, |other| entries.at(*other).hash);
        slot
    }

    /// Drops an entry that neither the transaction nor downstream has a part in, unless it is gone already.
    pub(super) fn remove(&mut self, slot: u32) {
        if self.entries.get_mut(slot).is_none() {
            return;
        }
        self.set_cache_bytes(slot, 0);
        self.recent.unlink(slot);
        let Some(entry) = self.entries.remove(slot) else { return };
        invariant!(!entry.is_due(), "an entry that downstream has not seen was dropped");
        self.footprint.change((entry.footprint(VALUE_FACTOR), entry.dirty_bytes(VALUE_FACTOR)), (0, 0));
        if let Ok(found) = self.table.find_entry(entry.hash, |other| *other == slot) {
            found.remove();
        }
    }

    fn write(&mut self, slot: u32, value: Option<V>, timestamp: i64) {
        let replaced = self.replace(slot, value, timestamp);
        if self.journal.is_open(&self.savepoint) {
            self.journal.push(slot, Change::Wrote(replaced));
        }
        self.make_room(slot);
    }

    /// Drops clean entries if all overlays together hold too much; looks at that every so many bytes.
    fn make_room(&mut self, keep: u32) {
        let excess = self.footprint.settle();
        if excess > 0 {
            self.settle_applied();
            self.evict(excess, keep);
        }
    }

    /// Replaces an entry's value; the entry is then dirty.
    pub(super) fn replace(&mut self, slot: u32, value: Option<V>, timestamp: i64) -> Replaced<V> {
        let known_bytes = self.entries.at(slot).state.value_bytes;
        let value_bytes = match &value {
            None => 0,
            Some(value) => self.weigh(value, if known_bytes == 0 { self.footprint.mean() } else { known_bytes }),
        };
        let entry = self.entries.at_mut(slot);
        let before = (entry.footprint(VALUE_FACTOR), entry.dirty_bytes(VALUE_FACTOR));
        let replaced = Replaced {
            value: std::mem::replace(&mut entry.value, value.map(Held::Own)),
            timestamp: std::mem::replace(&mut entry.timestamp, timestamp),
            state: entry.state,
        };
        entry.state.value_bytes = value_bytes;
        if replaced.state.status != Status::Dirty {
            entry.state.status = Status::Dirty;
            entry.state.absent = replaced.state.known && replaced.value.is_none();
            self.dirty.push(slot);
        }
        self.footprint.change(before, (entry.footprint(VALUE_FACTOR), entry.dirty_bytes(VALUE_FACTOR)));
        self.index.insert(entry);
        match replaced.state.status {
            Status::Clean if self.forwarding.is_none() => drop(self.recent.unlink(slot)),
            Status::Pending(batch) => drop(self.shadows.insert(slot, Shadow::of(batch, &replaced))),
            Status::Clean | Status::Dirty => {}
        }
        replaced
    }

    fn weigh(&self, value: &V, serialized: u32) -> u32 {
        self.codec.weigh(value).map_or(serialized, |bytes| u32::try_from(bytes as u64 / VALUE_FACTOR).unwrap_or(u32::MAX))
    }
}

const UNWRITTEN: EntryState = EntryState { status: Status::Clean, absent: false, known: false, value_bytes: 0, cache_bytes: 0 };
