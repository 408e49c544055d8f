//! The end of a transaction: written out, committed, or rolled back.

use crate::error::StateError;
use crate::key_bytes::KeyBytes;
use crate::restore::ChangelogRecord;
use crate::state_store::ChangelogWriter;
use crate::task_state::CommitBatch;

use super::entries::Overlay;
use super::entry::{Held, Status};
use super::footprint::VALUE_FACTOR;
use super::journal::Replaced;
use super::slab::NONE;

/// The committed value of an entry that has changed again before it was applied.
#[derive(Debug)]
pub(super) struct Shadow<V> {
    batch: u64,
    value: Option<Held<V>>,
    timestamp: i64,
    value_bytes: u32,
}

impl<V: Clone> Shadow<V> {
    pub(super) fn of(batch: u64, replaced: &Replaced<V>) -> Self {
        Self { batch, value: replaced.value.clone(), timestamp: replaced.timestamp, value_bytes: replaced.state.value_bytes }
    }
}

impl<V: Clone + 'static, X: Clone + 'static> Overlay<V, X> {
    /// Serialises every dirty entry once, in key order: a changelog record out, a row into the batch. A row that was
    /// neither committed before nor exists now leaves no trace. Nothing in the overlay changes yet.
    ///
    /// # Errors
    /// `Serde` when a value has no bytes, or the changelog writer's own error; the batch is then to be dropped and the
    /// transaction aborted.
    pub fn prepare(&mut self, batch: &mut CommitBatch, changelog: &mut ChangelogWriter<'_>) -> Result<(), StateError> {
        self.settle();
        self.journal.clear();
        self.nulled.clear();
        invariant!(self.forwarding.as_ref().is_none_or(|forwarding| !forwarding.has_due()), "commit before downstream has seen all");
        invariant!(self.prepared.is_none_or(|prepared| prepared < batch.number()), "prepare of an older batch");
        let entries = &mut self.entries;
        let mut order: Vec<(u64, u32)> = self.dirty.iter().map(|slot| (entries.at(*slot).key.leading(), *slot)).collect();
        let key_of = |slot: u32| -> &KeyBytes { &entries.at(slot).key };
        order.sort_unstable_by(|left, right| left.0.cmp(&right.0).then_with(|| key_of(left.1).cmp(key_of(right.1))));

        let header = self.codec.format().header_bytes();
        let mut row = Vec::new();
        for (_, slot) in order {
            let entry = entries.at_mut(slot);
            let (key, timestamp) = (entry.key.as_slice(), entry.timestamp);
            let value = match &entry.value {
                Some(value) if self.codec.write(value.get(), timestamp, &mut row)? => row.get(header..),
                Some(_) => {
                    self.nulled.push(slot);
                    None
                }
                None => None,
            };
            if value.is_none() && entry.state.absent {
                continue;
            }
            changelog(ChangelogRecord { key, value, timestamp })?;
            match value {
                Some(value) => {
                    let serialized = u32::try_from(value.len()).unwrap_or(u32::MAX);
                    self.footprint.observe(serialized);
                    batch.put(&self.column, key, &row);
                    if !self.codec.is_weighed() {
                        let before = (entry.footprint(VALUE_FACTOR), entry.dirty_bytes(VALUE_FACTOR));
                        entry.state.value_bytes = serialized;
                        self.footprint.change(before, (entry.footprint(VALUE_FACTOR), entry.dirty_bytes(VALUE_FACTOR)));
                    }
                }
                None => batch.delete(&self.column, key),
            }
        }
        self.prepared = Some(batch.number());
        Ok(())
    }

    /// The transaction that `prepare` wrote out has committed: its entries become what is committed. They stay readable
    /// here until the batch has been applied, be that before or after this call.
    pub fn committed(&mut self) {
        let Some(batch) = self.prepared.take() else {
            invariant!(self.dirty.is_empty(), "committed without prepare");
            return;
        };
        self.journal.clear();
        self.forget_tombstones();
        for slot in std::mem::take(&mut self.nulled) {
            let entry = self.entries.at_mut(slot);
            entry.value = None;
            self.index.insert(entry);
        }
        let committed = std::mem::take(&mut self.dirty);
        for slot in &committed {
            let entry = self.entries.at_mut(*slot);
            let before = (entry.footprint(VALUE_FACTOR), entry.dirty_bytes(VALUE_FACTOR));
            entry.state.status = Status::Pending(batch);
            entry.state.known = true;
            self.footprint.change(before, (entry.footprint(VALUE_FACTOR), 0));
        }
        self.shadows.clear();
        self.pending.push_back((batch, committed));
        self.settle();
    }

    /// The transaction was aborted: what it changed is dropped, with what downstream has not seen of it. Later reads see
    /// what was committed before.
    pub fn rollback(&mut self) {
        self.journal.clear();
        self.prepared = None;
        self.nulled.clear();
        self.forget_all_dues();
        let applied = self.column.applied();
        let undone = std::mem::take(&mut self.dirty);
        for slot in &undone {
            match self.shadows.remove(slot) {
                Some(shadow) if shadow.batch > applied => self.unshadow(*slot, shadow),
                _ => {
                    let entry = self.entries.at(*slot);
                    self.index.remove(&entry.key);
                    self.remove(*slot);
                }
            }
        }
        if let Some(forwarding) = &mut self.forwarding {
            forwarding.reset();
        }
        self.reuse(undone);
        self.footprint.settle();
    }

    fn unshadow(&mut self, slot: u32, shadow: Shadow<V>) {
        self.set_cache_bytes(slot, 0);
        let entry = self.entries.at_mut(slot);
        let before = (entry.footprint(VALUE_FACTOR), entry.dirty_bytes(VALUE_FACTOR));
        entry.value = shadow.value;
        entry.timestamp = shadow.timestamp;
        entry.state.status = Status::Pending(shadow.batch);
        entry.state.value_bytes = shadow.value_bytes;
        self.footprint.change(before, (entry.footprint(VALUE_FACTOR), 0));
        self.index.insert(entry);
    }

    /// Entries whose batch has been applied become clean, and go if there is no room for them.
    pub(super) fn settle(&mut self) {
        self.settle_applied();
        let excess = self.footprint.settle();
        if excess > 0 {
            self.evict(excess, NONE);
        }
    }

    pub(super) fn settle_applied(&mut self) {
        let applied = self.column.applied();
        while self.pending.front().is_some_and(|(batch, _)| *batch <= applied) {
            let Some((batch, slots)) = self.pending.pop_front() else { return };
            let all_clean = self.pending.is_empty() && self.dirty.is_empty();
            if all_clean {
                self.index.clear();
            }
            for slot in &slots {
                self.settle_entry(*slot, batch, all_clean);
            }
            self.reuse(slots);
        }
    }

    fn settle_entry(&mut self, slot: u32, batch: u64, index_cleared: bool) {
        let Some(entry) = self.entries.get_mut(slot) else { return };
        if entry.state.status != Status::Pending(batch) {
            return;
        }
        entry.state.status = Status::Clean;
        if !index_cleared {
            self.index.remove(&entry.key);
        }
        self.keep_clean(slot);
    }

    /// An entry has become clean: it stays as read cache, unless the record cache is that and does not hold it.
    pub(super) fn keep_clean(&mut self, slot: u32) {
        if self.forwarding.is_none() {
            if !self.recent.contains(slot) {
                self.recent.push_front(slot);
            }
        } else if self.entries.at(slot).state.cache_bytes == 0 {
            self.remove(slot);
        }
    }

    /// Keeps the allocation of a list of slots.
    fn reuse(&mut self, mut slots: Vec<u32>) {
        if self.dirty.capacity() == 0 {
            slots.clear();
            self.dirty = slots;
        }
    }
}
