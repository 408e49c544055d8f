//! What downstream has not seen: the record cache's half of an overlay.
//!
//! A write of a caching store is not forwarded at once. Its entry keeps the value last forwarded (the base) and the
//! context of its latest write; further writes keep the base, take the newest context and move the entry to the end. At
//! commit all entries are forwarded in that order. When the cache is over its size, the least recently used entry of the
//! store being used leaves it; if downstream has not seen that one, everything downstream has not seen of this store is
//! forwarded, that one first. Kafka Streams: `CachingKeyValueStore`, `NamedCache` and `ThreadCache`.
//!
//! A key made and deleted again since downstream last saw it is not forwarded.

use crate::error::StateError;
use crate::key_bytes::KeyBytes;

use super::entries::{Overlay, Place};
use super::entry::{EntryState, Held, Status};
use super::journal::Change;
use super::list::SlotList;
use super::record_cache::{CacheContext, NO_CONTEXT, RecordCache, entry_bytes};
use super::slab::{NONE, Slab};

/// What downstream has not seen of a key.
#[derive(Clone, Debug)]
pub(super) struct Due<V, X> {
    /// The value last forwarded, and its timestamp.
    pub(super) base: Option<(Held<V>, i64)>,
    context: X,
}

/// A due on its way downstream.
pub(crate) struct Taken<V, X> {
    pub(crate) key: KeyBytes,
    pub(crate) old: Option<(V, i64)>,
    pub(crate) new: Option<V>,
    pub(crate) timestamp: i64,
    pub(crate) context: X,
}

/// Entries on their way downstream, one after the other. All that wait when it begins count as seen.
#[derive(Clone, Copy)]
struct Flush {
    /// The last of them that waits; none when it is taken.
    until: Option<u32>,
}

pub(super) struct Forwarding<V, X> {
    cache: RecordCache,
    /// What this store's entries count.
    counted: i64,
    /// What of it the cache has been told.
    reported: i64,
    dues: Slab<Due<V, X>>,
    /// Slots with a due, in order of their latest write.
    order: SlotList,
    flush: Option<Flush>,
    /// Deleted entries already forwarded: they leave the cache when the flush is over.
    tombstones: Vec<u32>,
    /// The latest read brought a row into the cache.
    loaded: bool,
    /// For measuring values, where that is asked for.
    measured: Vec<u8>,
}

impl<V, X> Forwarding<V, X> {
    pub(super) const fn new(cache: RecordCache) -> Self {
        Self {
            cache,
            counted: 0,
            reported: 0,
            dues: Slab::new(),
            order: SlotList::new(),
            flush: None,
            tombstones: Vec::new(),
            loaded: false,
            measured: Vec::new(),
        }
    }

    pub(super) const fn has_due(&self) -> bool {
        self.order.head() != NONE
    }

    /// Something was undone: no flush is under way, and the cache is told what is true.
    pub(super) fn reset(&mut self) {
        self.flush = None;
        self.tombstones.clear();
        self.end();
    }

    /// All that wait are now on their way.
    fn begin_flush(&mut self) {
        self.flush = Some(Flush { until: Some(self.order.tail()).filter(|last| *last != NONE) });
    }

    fn count(&mut self, before: u32, after: u32) {
        let by = i64::from(after) - i64::from(before);
        self.counted += by;
        if !self.cache.is_exact() {
            self.report(by);
        }
    }

    /// Something is over: an exact cache is told now, and not before. While an evicted entry is forwarded it still counts, as
    /// in Kafka Streams, and what other stores do meanwhile evicts the more for it.
    fn end(&mut self) {
        self.report(self.counted - self.reported);
    }

    fn report(&mut self, by: i64) {
        self.reported += by;
        self.cache.change(by);
    }
}

impl<V, X> Drop for Forwarding<V, X> {
    fn drop(&mut self) {
        self.cache.change(-self.reported);
    }
}

impl<V: Clone + 'static, X: Clone + 'static> Overlay<V, X> {
    /// Whether the latest read brought a row into the cache, which may now be over its size.
    pub(crate) const fn has_loaded(&self) -> bool {
        match &self.forwarding {
            Some(forwarding) => forwarding.loaded,
            None => false,
        }
    }

    /// Whether writes may wait before downstream sees them.
    #[must_use]
    pub const fn is_caching(&self) -> bool {
        self.forwarding.is_some()
    }

    /// Writes where `locate` found the key, for forwarding later.
    pub(crate) fn put_cached_at(&mut self, place: Place, key: &[u8], value: Option<V>, timestamp: i64, context: X) -> Result<(), StateError>
    where
        X: CacheContext,
    {
        let measured = self.measure(value.as_ref(), timestamp).inspect_err(|_| self.forget_unread(place))?;
        let slot = self.slot_at(place, key);
        let context_bytes = context.resident_bytes();
        let mut replaced = self.replace(slot, value, timestamp);
        let journalled = self.journal.is_open(&self.savepoint);
        let Some(forwarding) = &mut self.forwarding else { return Ok(()) };
        let entry = self.entries.at_mut(slot);
        let change = if entry.is_due() {
            let due = forwarding.dues.at_mut(entry.due);
            let context = std::mem::replace(&mut due.context, context);
            let after = forwarding.order.unlink(slot);
            Change::UpdatedDue { replaced, context, after }
        } else {
            let base = replaced.value.take().map(|base| (base, replaced.timestamp));
            entry.due = forwarding.dues.insert(Due { base, context });
            Change::MadeDue { timestamp: replaced.timestamp, state: replaced.state }
        };
        forwarding.order.push_back(slot);
        let row_bytes = self.row_bytes(slot, measured);
        if journalled {
            self.journal.push(slot, change);
        }
        self.cache_entry(slot, row_bytes, context_bytes);
        self.recent.touch(slot);
        self.trim(slot);
        self.footprint.settle();
        Ok(())
    }

    /// An entry found for a write that failed is not kept.
    fn forget_unread(&mut self, place: Place) {
        if place.slot != NONE && self.entries.at(place.slot).state.status == Status::Clean {
            self.keep_clean(place.slot);
        }
    }

    /// The next entry that the cache's size forces downstream to see; none when it fits.
    pub(crate) fn next_evicted(&mut self) -> Option<Taken<V, X>> {
        loop {
            if self.is_flushing()
                && let Some(taken) = self.next_flushed()
            {
                return Some(taken);
            }
            let forwarding = self.forwarding.as_ref()?;
            let eldest = self.recent.tail();
            if !forwarding.cache.is_over() || eldest == NONE {
                return None;
            }
            let due = self.entries.at(eldest).is_due();
            self.leave_cache(eldest);
            let taken = if due { self.take_due(eldest) } else { None };
            let Some(forwarding) = &mut self.forwarding else { return taken };
            if due {
                forwarding.begin_flush();
            } else {
                forwarding.end();
            }
            if taken.is_some() {
                return taken;
            }
        }
    }

    /// At commit: the next entry downstream has not seen, in order of latest write; none when it has seen all.
    pub(crate) fn next_due(&mut self) -> Option<Taken<V, X>> {
        loop {
            let forwarding = self.forwarding.as_mut()?;
            if forwarding.flush.is_none() {
                forwarding.begin_flush();
            }
            let taken = self.next_flushed();
            // A flush that was left off half-way may have ended before what was written since.
            if taken.is_some() || !self.forwarding.as_ref()?.has_due() {
                return taken;
            }
        }
    }

    /// Whether entries are on their way downstream that `next_evicted` or `next_due` has yet to give.
    pub(crate) const fn is_flushing(&self) -> bool {
        match &self.forwarding {
            Some(forwarding) => forwarding.flush.is_some(),
            None => false,
        }
    }

    /// The next entry of the flush that is under way; none when it is over.
    fn next_flushed(&mut self) -> Option<Taken<V, X>> {
        loop {
            let forwarding = self.forwarding.as_mut()?;
            let flush = forwarding.flush.as_mut()?;
            let Some(until) = flush.until else { break };
            let head = forwarding.order.head();
            if head == until || head == NONE {
                flush.until = None;
            }
            if head == NONE {
                break;
            }
            let taken = self.take_due(head);
            if taken.is_some() {
                return taken;
            }
        }
        self.forget_tombstones();
        let forwarding = self.forwarding.as_mut()?;
        forwarding.flush = None;
        forwarding.end();
        None
    }

    /// Makes room while a flush is under way: whatever leaves the cache is on its way downstream or has been seen there.
    pub(crate) fn drop_flushed(&mut self) {
        while self.forwarding.as_ref().is_some_and(|forwarding| forwarding.cache.is_over()) && self.recent.tail() != NONE {
            self.evict_seen(self.recent.tail());
        }
    }

    /// Takes an entry's due; none if downstream need not see it: it has seen no such key and there is none.
    fn take_due(&mut self, slot: u32) -> Option<Taken<V, X>> {
        let journalled = self.journal.is_open(&self.savepoint);
        let forwarding = self.forwarding.as_mut()?;
        let entry = self.entries.at_mut(slot);
        let after = forwarding.order.unlink(slot);
        let due = forwarding.dues.remove(entry.due)?;
        entry.due = NONE;
        if entry.value.is_none() {
            forwarding.tombstones.push(slot);
        }
        if journalled {
            self.journal.push(slot, Change::TookDue { due: due.clone(), after, state: entry.state });
        }
        let new = entry.value.as_ref().map(|value| value.get().clone());
        if due.base.is_none() && new.is_none() {
            return None;
        }
        let old = due.base.map(|(value, timestamp)| (value.into_value(), self.codec.read_timestamp(timestamp)));
        Some(Taken { key: entry.key.clone(), old, new, timestamp: entry.timestamp, context: due.context })
    }

    /// Deleted entries that downstream has seen leave the cache.
    pub(super) fn forget_tombstones(&mut self) {
        let Some(forwarding) = &mut self.forwarding else { return };
        for slot in std::mem::take(&mut forwarding.tombstones) {
            let entry = self.entries.at(slot);
            if entry.value.is_none() && !entry.is_due() {
                self.leave_cache(slot);
            }
        }
    }

    /// An entry was read: most recently used, and counted from now on if it was not.
    pub(super) fn read_cached(&mut self, slot: u32) -> Result<(), StateError> {
        let entry = self.entries.at(slot);
        if entry.state.cache_bytes > 0 {
            self.recent.touch(slot);
            return Ok(());
        }
        let Some(value) = entry.value.as_ref() else { return Ok(()) };
        let timestamp = entry.timestamp;
        let measured = match &mut self.forwarding {
            Some(forwarding) if forwarding.cache.is_exact() => {
                self.codec.write(value.get(), timestamp, &mut forwarding.measured)?;
                Some(forwarding.measured.len())
            }
            _ => None,
        };
        let row_bytes = self.row_bytes(slot, measured);
        self.load_entry(slot, row_bytes);
        Ok(())
    }

    pub(super) const fn begin_read(&mut self) {
        if let Some(forwarding) = &mut self.forwarding {
            forwarding.loaded = false;
        }
    }

    /// A row was read from disk into the cache.
    pub(super) fn cache_clean_row(&mut self, slot: u32, row_bytes: usize) {
        self.load_entry(slot, row_bytes);
    }

    fn load_entry(&mut self, slot: u32, row_bytes: usize) {
        self.cache_entry(slot, row_bytes, NO_CONTEXT);
        if let Some(forwarding) = &mut self.forwarding {
            forwarding.loaded = true;
        }
        self.trim(slot);
    }

    /// Counts an entry that was written or read.
    fn cache_entry(&mut self, slot: u32, row_bytes: usize, context_bytes: usize) {
        let key_bytes = self.entries.at(slot).key.as_slice().len();
        self.set_cache_bytes(slot, entry_bytes(key_bytes, row_bytes, context_bytes));
        if let Some(forwarding) = &mut self.forwarding {
            forwarding.end();
        }
    }

    /// Entries that downstream has seen leave the cache while it is over its size; the first that it has not is for
    /// `next_evicted` to forward.
    fn trim(&mut self, keep: u32) {
        while self.forwarding.as_ref().is_some_and(|forwarding| forwarding.cache.is_over()) {
            let eldest = self.recent.tail();
            if eldest == NONE || eldest == keep || self.entries.at(eldest).is_due() {
                return;
            }
            self.evict_seen(eldest);
        }
    }

    /// Evicts an entry that has nothing to forward of its own.
    fn evict_seen(&mut self, slot: u32) {
        self.leave_cache(slot);
        if let Some(forwarding) = &mut self.forwarding {
            forwarding.end();
        }
    }

    fn leave_cache(&mut self, slot: u32) {
        let entry = self.entries.at(slot);
        if entry.state.status == Status::Clean && !entry.is_due() {
            self.remove(slot);
            return;
        }
        let state = entry.state;
        if self.journal.is_open(&self.savepoint) {
            self.journal.push(slot, Change::LeftCache { state });
        }
        self.set_cache_bytes(slot, 0);
    }

    /// Counts an entry in the cache at so many bytes; zero takes it out.
    pub(super) fn set_cache_bytes(&mut self, slot: u32, bytes: u32) {
        let Some(forwarding) = &mut self.forwarding else { return };
        let state: &mut EntryState = &mut self.entries.at_mut(slot).state;
        let before = std::mem::replace(&mut state.cache_bytes, bytes);
        forwarding.count(before, bytes);
        match (before, bytes) {
            (0, 1..) => self.recent.push_front(slot),
            (1.., 0) => drop(self.recent.unlink(slot)),
            _ => {}
        }
    }

    /// The length of a value's row, where the cache asks for exact sizes.
    fn measure(&mut self, value: Option<&V>, timestamp: i64) -> Result<Option<usize>, StateError> {
        let Some(forwarding) = self.forwarding.as_mut().filter(|forwarding| forwarding.cache.is_exact()) else { return Ok(None) };
        let Some(value) = value else { return Ok(Some(0)) };
        let is_bytes = self.codec.write(value, timestamp, &mut forwarding.measured)?;
        Ok(Some(if is_bytes { forwarding.measured.len() } else { 0 }))
    }

    fn row_bytes(&self, slot: u32, measured: Option<usize>) -> usize {
        let entry = self.entries.at(slot);
        let estimated = || entry.value.as_ref().map_or(0, |_| self.codec.format().header_bytes() + entry.state.value_bytes as usize);
        measured.unwrap_or_else(estimated)
    }

    pub(super) fn cancel_due(&mut self, slot: u32) -> Option<Due<V, X>> {
        let forwarding = self.forwarding.as_mut()?;
        let entry = self.entries.at_mut(slot);
        forwarding.order.unlink(slot);
        forwarding.dues.remove(std::mem::replace(&mut entry.due, NONE))
    }

    pub(super) fn restore_due(&mut self, slot: u32, due: Due<V, X>, after: u32) {
        if let Some(forwarding) = &mut self.forwarding {
            self.entries.at_mut(slot).due = forwarding.dues.insert(due);
            forwarding.order.insert_after(after, slot);
        }
    }

    pub(super) fn restore_due_context(&mut self, slot: u32, context: X, after: u32) {
        if let Some(forwarding) = &mut self.forwarding {
            forwarding.dues.at_mut(self.entries.at(slot).due).context = context;
            forwarding.order.unlink(slot);
            forwarding.order.insert_after(after, slot);
        }
    }

    pub(super) fn forget_all_dues(&mut self) {
        while let Some(slot) = self.forwarding.as_ref().map(|forwarding| forwarding.order.head()).filter(|slot| *slot != NONE) {
            self.cancel_due(slot);
        }
        if let Some(forwarding) = &mut self.forwarding {
            forwarding.reset();
        }
    }
}
