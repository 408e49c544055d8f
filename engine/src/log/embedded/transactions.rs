//! Transactional ids: who owns one, and what it has open.
//!
//! Each id has a slot with a lock of its own, which its producer holds during each call. A newer producer of the id takes
//! the lock, aborts what is open and raises the epoch; the old one finds another epoch than its own and is fenced.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use parking_lot::{Mutex, MutexGuard};

use super::commit::Decision;
use super::core::Core;
use super::frame::Kind;
use super::groups::GroupOffset;
use super::partition::Partition;
use crate::log::{LogError, LogErrorKind};

/// All transactional ids.
pub(super) type Slots = Mutex<HashMap<String, Arc<Slot>>>;

/// One transactional id.
#[derive(Default)]
pub(super) struct Slot {
    state: Mutex<SlotState>,
}

/// Its owner and its transaction.
#[derive(Default)]
pub(super) struct SlotState {
    epoch: u64,
    /// The epoch whose transaction took too long.
    timed_out: Option<u64>,
    open: Option<Open>,
}

/// What the log knows of an open transaction. It begins with the first record or offset.
pub(super) struct Open {
    pub(super) transaction: u64,
    deadline: i64,
    /// By number, each once.
    partitions: Vec<Arc<Partition>>,
    offsets: Vec<GroupOffset>,
}

impl Slot {
    /// The slot, locked for the producer of `epoch`.
    pub(super) fn enter(&self, core: &Core, epoch: u64) -> Result<MutexGuard<'_, SlotState>, LogError> {
        let mut state = self.state.lock();
        if state.open.as_ref().is_some_and(|open| open.deadline <= core.now()) {
            state.time_out(core);
        }
        if state.epoch == epoch {
            return Ok(state);
        }
        Err(if state.timed_out == Some(epoch) {
            LogError::new(LogErrorKind::Fatal, "the transaction was open for longer than its time-out and is aborted")
        } else {
            LogError::new(LogErrorKind::Fenced, "a newer producer has the transactional id")
        })
    }
}

impl SlotState {
    /// The open transaction; begins it when none is.
    pub(super) fn open(&mut self, core: &Core, timeout_ms: i64) -> &mut Open {
        self.open.get_or_insert_with(|| {
            let deadline = core.now().saturating_add(timeout_ms);
            core.earliest_deadline.fetch_min(deadline, Ordering::Relaxed);
            let transaction = core.next_transaction.fetch_add(1, Ordering::Relaxed);
            Open { transaction, deadline, partitions: Vec::new(), offsets: Vec::new() }
        })
    }

    /// Commits what is open. After an error it is still open.
    pub(super) fn commit(&mut self, core: &Core) -> Result<(), LogError> {
        let Some(open) = &self.open else { return Ok(()) };
        core.decide(Decision::Commit { transaction: open.transaction, partitions: open.partitions.clone(), offsets: open.offsets.clone() })?;
        self.open = None;
        Ok(())
    }

    /// Aborts what is open. That needs no sync: what the journal does not know is aborted.
    pub(super) fn abort(&mut self, core: &Core) {
        let Some(open) = mem::take(&mut self.open) else { return };
        for partition in &open.partitions {
            partition.lock().end_transaction(core, partition, open.transaction, Kind::Abort);
        }
        core.groups.resolve(&open.offsets, false);
        core.signal.raise();
    }

    fn time_out(&mut self, core: &Core) {
        self.abort(core);
        self.timed_out = Some(self.epoch);
        self.epoch += 1;
    }
}

impl Open {
    /// Notes that the transaction writes to a partition.
    pub(super) fn touch(&mut self, partition: &Arc<Partition>) {
        if let Err(place) = self.partitions.binary_search_by_key(&partition.id, |known| known.id) {
            self.partitions.insert(place, Arc::clone(partition));
        }
    }

    /// Adds offsets.
    pub(super) fn add_offsets(&mut self, core: &Core, offsets: Vec<GroupOffset>) {
        core.groups.expect(&offsets);
        self.offsets.extend(offsets);
    }
}

impl Core {
    /// Takes a transactional id over: what is open is aborted, its producer fenced. Gives the new epoch.
    pub(super) fn take_over(&self, id: &str) -> Result<(Arc<Slot>, u64), LogError> {
        self.check()?;
        let slot = Arc::clone(self.slots.lock().entry(id.to_owned()).or_default());
        let epoch = {
            let mut state = slot.state.lock();
            state.abort(self);
            state.epoch += 1;
            state.epoch
        };
        Ok((slot, epoch))
    }

    /// Aborts the transactions that are open for too long.
    pub(super) fn expire(&self) {
        let now = self.now();
        if self.deadline() > now {
            return;
        }
        self.earliest_deadline.store(i64::MAX, Ordering::Relaxed);
        let slots: Vec<Arc<Slot>> = self.slots.lock().values().cloned().collect();
        let mut earliest = i64::MAX;
        for slot in slots {
            // A slot in use looks at its deadline itself; it is asked again at the next call.
            let Some(mut state) = slot.state.try_lock() else {
                earliest = earliest.min(now);
                continue;
            };
            match &state.open {
                Some(open) if open.deadline <= now => state.time_out(self),
                Some(open) => earliest = earliest.min(open.deadline),
                None => {}
            }
        }
        self.earliest_deadline.fetch_min(earliest, Ordering::Relaxed);
    }
}
