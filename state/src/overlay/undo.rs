//! Undoing the record in progress: the journal run backwards.

use super::entries::Overlay;
use super::entry::{EntryState, Held, Status};
use super::footprint::VALUE_FACTOR;
use super::journal::{Change, Undo};

impl<V: Clone + 'static, X: Clone + 'static> Overlay<V, X> {
    /// Undoes every change since the savepoint last moved: values, what is dirty, and what downstream has yet to see, in
    /// its order. What was read meanwhile stays read.
    pub fn revert(&mut self) {
        while let Some(Undo { slot, change }) = self.journal.pop(&self.savepoint) {
            self.undo(slot, change);
        }
        if let Some(forwarding) = &mut self.forwarding {
            forwarding.reset();
        }
    }

    fn undo(&mut self, slot: u32, change: Change<V, X>) {
        match change {
            Change::Created => self.remove(slot),
            Change::Wrote(replaced) => self.put_back(slot, replaced.value, replaced.timestamp, replaced.state),
            Change::MadeDue { timestamp, state } => {
                let base = self.cancel_due(slot).and_then(|due| due.base);
                self.put_back(slot, base.map(|(value, _)| value), timestamp, state);
            }
            Change::UpdatedDue { replaced, context, after } => {
                self.restore_due_context(slot, context, after);
                self.put_back(slot, replaced.value, replaced.timestamp, replaced.state);
            }
            Change::TookDue { due, after, state } => {
                self.restore_due(slot, due, after);
                self.set_cache_bytes(slot, state.cache_bytes);
            }
            Change::LeftCache { state } => self.set_cache_bytes(slot, state.cache_bytes),
        }
    }

    fn put_back(&mut self, slot: u32, value: Option<Held<V>>, timestamp: i64, mut state: EntryState) {
        if matches!(state.status, Status::Pending(batch) if batch <= self.column.applied()) {
            state.status = Status::Clean;
        }
        self.set_cache_bytes(slot, state.cache_bytes);
        let entry = self.entries.at_mut(slot);
        let before = (entry.footprint(VALUE_FACTOR), entry.dirty_bytes(VALUE_FACTOR));
        entry.value = value;
        entry.timestamp = timestamp;
        entry.state = state;
        self.footprint.change(before, (entry.footprint(VALUE_FACTOR), entry.dirty_bytes(VALUE_FACTOR)));
        if state.status == Status::Clean {
            self.index.remove(&entry.key);
        } else {
            self.index.insert(entry);
        }
        if state.status != Status::Dirty {
            let undone = self.dirty.pop();
            invariant!(undone == Some(slot), "changes are undone in the order they were made");
            self.shadows.remove(&slot);
            if state.status == Status::Clean {
                self.keep_clean(slot);
            }
        }
    }
}
