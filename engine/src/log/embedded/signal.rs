//! Wakes consumers that wait for records.

use std::time::Instant;

use parking_lot::{Condvar, Mutex};

/// Counts what has happened; a waiter sleeps until the count is another.
#[derive(Default)]
pub(super) struct Signal {
    happened: Mutex<u64>,
    changed: Condvar,
}

impl Signal {
    /// The count to wait from: take it before looking.
    pub(super) fn now(&self) -> u64 {
        *self.happened.lock()
    }

    /// Something can be read that could not before.
    pub(super) fn raise(&self) {
        *self.happened.lock() += 1;
        self.changed.notify_all();
    }

    /// Sleeps until the count is not `seen`, or it is `until`.
    pub(super) fn wait(&self, seen: u64, until: Instant) {
        let mut happened = self.happened.lock();
        while *happened == seen && !self.changed.wait_until(&mut happened, until).timed_out() {}
    }
}
