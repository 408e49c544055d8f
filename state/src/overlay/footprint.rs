//! What an overlay holds, in bytes, and its charge to the process' budget.

use crate::memory::{Charge, MemoryBudget, MemoryPart};

/// Bytes in memory for a byte serialised: structs, strings and maps of the messages we know take 1.5 to 2.5 times.
pub(super) const VALUE_FACTOR: u64 = 2;
/// The charge follows the bytes held when they have moved by this much: no atomic operation a record.
const STEP: u64 = 64 * 1024;
/// What a value is taken to serialise to before the first was seen.
const FIRST_GUESS: u32 = 64;

#[derive(Debug)]
pub(super) struct Footprint {
    held: u64,
    dirty: u64,
    /// Mean serialised length of the values seen, times 16.
    mean_scaled: u32,
    charge: Charge,
    budget: MemoryBudgetHandle,
}

struct MemoryBudgetHandle(MemoryBudget);

impl std::fmt::Debug for MemoryBudgetHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "MemoryBudget({})", self.0.limit())
    }
}

impl Footprint {
    pub(super) fn new(budget: &MemoryBudget) -> Self {
        Self {
            held: 0,
            dirty: 0,
            mean_scaled: FIRST_GUESS * 16,
            charge: budget.charge(MemoryPart::Overlays),
            budget: MemoryBudgetHandle(budget.clone()),
        }
    }

    pub(super) const fn held(&self) -> u64 {
        self.held
    }

    pub(super) const fn dirty(&self) -> u64 {
        self.dirty
    }

    /// The expected serialised length of a value not serialised yet.
    pub(super) const fn mean(&self) -> u32 {
        self.mean_scaled / 16
    }

    /// A value was serialised or read: the mean follows, a sixteenth of the way.
    pub(super) fn observe(&mut self, bytes: u32) {
        self.mean_scaled = self.mean_scaled - self.mean_scaled / 16 + bytes.min(u32::MAX / 32);
    }

    /// Counts an entry's bytes, held and dirty, before and after a change.
    #[inline]
    pub(super) fn change(&mut self, before: (u64, u64), after: (u64, u64)) {
        self.held = (self.held + after.0).saturating_sub(before.0);
        self.dirty = (self.dirty + after.1).saturating_sub(before.1);
    }

    /// Brings the charge up to date if it lags, and says how many bytes should go because all overlays together hold
    /// too much: twice what this one has grown by since, so that the one in use shrinks.
    pub(super) fn settle(&mut self) -> u64 {
        let charged = self.charge.bytes();
        if self.held.abs_diff(charged) < STEP {
            return 0;
        }
        self.charge.set(self.held);
        if self.budget.0.overlays_over() { self.held.saturating_sub(charged) * 2 } else { 0 }
    }

    /// Entries have gone: the charge follows at once, or the next growth would not be seen as such.
    pub(super) fn shrunk(&mut self) {
        self.charge.set(self.held);
    }
}
