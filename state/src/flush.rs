//! Decides which task's applied rows go from memory to disk, and when.
//!
//! RocksDB would flush whichever database happens to be written when the shared buffers are full: with 64 tasks a
//! process that makes thousands of tiny files and leaves idle tasks' rows in memory for ever. Here the process as a
//! whole has one number. When the unflushed rows of all tasks near it, the task with the most of them is flushed: files
//! are then about twice the average share, the largest that the budget allows. A task that has gone quiet, or whose
//! oldest unflushed row is old, is flushed for that alone, so that it holds nothing and a crash replays little.
//!
//! Called by every write of a task's state, and by the runtime's housekeeping for processes that have gone quiet.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::error::StateError;

/// A task not written for this long has its rows flushed.
const QUIET_MS: i64 = 30_000;
/// Rows wait no longer than this.
const OLDEST_MS: i64 = 600_000;
/// Writes look for quiet and old tails no more often than this.
const SWEEP_MS: i64 = 5_000;
const NEVER: i64 = i64::MAX;

/// Of one process; see the module's head.
#[derive(Debug)]
pub struct FlushScheduler {
    /// Bytes of unflushed rows at which the largest tail is flushed.
    high_water: u64,
    unflushed: Arc<AtomicU64>,
    last_sweep: AtomicI64,
    tasks: Mutex<Vec<Weak<dyn Flush>>>,
}

/// A database whose rows can be flushed.
pub(crate) trait Flush: Send + Sync {
    /// What it has not flushed.
    fn tail(&self) -> &Tail;
    /// Begins to write everything out; returns before it is done.
    fn begin_flush(&self) -> Result<(), StateError>;
}

/// The unflushed rows of one database.
#[derive(Debug)]
pub(crate) struct Tail {
    bytes: AtomicU64,
    first_write: AtomicI64,
    last_write: AtomicI64,
    process: Arc<AtomicU64>,
}

impl Tail {
    /// Everything so far is on its way to disk.
    pub(crate) fn clear(&self) {
        let bytes = self.bytes.swap(0, Ordering::Relaxed);
        self.first_write.store(NEVER, Ordering::Relaxed);
        self.process.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn grow(&self, bytes: u64, now: i64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.process.fetch_add(bytes, Ordering::Relaxed);
        self.first_write.fetch_min(now, Ordering::Relaxed);
        self.last_write.store(now, Ordering::Relaxed);
    }

    fn is_due(&self, now: i64) -> bool {
        let quiet = now.saturating_sub(self.last_write.load(Ordering::Relaxed)) >= QUIET_MS;
        let old = now.saturating_sub(self.first_write.load(Ordering::Relaxed)) >= OLDEST_MS;
        self.bytes.load(Ordering::Relaxed) > 0 && (quiet || old)
    }
}

impl Drop for Tail {
    fn drop(&mut self) {
        self.clear();
    }
}

impl FlushScheduler {
    /// For write buffers of `share` bytes: flushing begins at three quarters of it, for what is being written out still
    /// takes room.
    pub(crate) fn new(share: u64) -> Self {
        Self { high_water: share / 4 * 3, unflushed: Arc::default(), last_sweep: AtomicI64::new(0), tasks: Mutex::default() }
    }

    /// Bytes of rows applied and not yet flushed, of all tasks.
    #[must_use]
    pub fn unflushed_bytes(&self) -> u64 {
        self.unflushed.load(Ordering::Relaxed)
    }

    /// Flushes the tasks that have gone quiet and those whose oldest unflushed row is old. Call it every few seconds;
    /// writes do so too, but a quiet process has none.
    ///
    /// # Errors
    /// That of the first flush that could not begin; the others were begun.
    pub fn sweep(&self, now: i64) -> Result<(), StateError> {
        self.last_sweep.store(now, Ordering::Relaxed);
        let due: Vec<Arc<dyn Flush>> = self.live().into_iter().filter(|task| task.tail().is_due(now)).collect();
        let mut result = Ok(());
        for task in due {
            result = result.and(task.begin_flush());
        }
        result
    }

    pub(crate) fn new_tail(&self) -> Tail {
        Tail { bytes: AtomicU64::new(0), first_write: AtomicI64::new(NEVER), last_write: AtomicI64::new(0), process: Arc::clone(&self.unflushed) }
    }

    pub(crate) fn register(&self, task: Weak<dyn Flush>) {
        let mut tasks = self.tasks.lock();
        tasks.retain(|known| known.strong_count() > 0);
        tasks.push(task);
    }

    /// A task has written; flushes what the new total asks for.
    pub(crate) fn written(&self, tail: &Tail, bytes: u64, now: i64) -> Result<(), StateError> {
        tail.grow(bytes, now);
        if now.saturating_sub(self.last_sweep.load(Ordering::Relaxed)) >= SWEEP_MS {
            self.sweep(now)?;
        }
        if self.unflushed_bytes() > self.high_water { self.flush_largest() } else { Ok(()) }
    }

    fn flush_largest(&self) -> Result<(), StateError> {
        let largest = self.live().into_iter().max_by_key(|task| task.tail().bytes.load(Ordering::Relaxed));
        largest.map_or(Ok(()), |task| task.begin_flush())
    }

    fn live(&self) -> Vec<Arc<dyn Flush>> {
        self.tasks.lock().iter().filter_map(Weak::upgrade).collect()
    }
}

impl std::fmt::Debug for dyn Flush {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.tail().fmt(formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Task {
        name: &'static str,
        tail: Tail,
        flushed: Arc<Mutex<Vec<(&'static str, u64)>>>,
    }

    impl Flush for Task {
        fn tail(&self) -> &Tail {
            &self.tail
        }

        fn begin_flush(&self) -> Result<(), StateError> {
            self.flushed.lock().push((self.name, self.tail.bytes.load(Ordering::Relaxed)));
            self.tail.clear();
            Ok(())
        }
    }

    struct Process {
        scheduler: FlushScheduler,
        tasks: Vec<Arc<Task>>,
        flushed: Arc<Mutex<Vec<(&'static str, u64)>>>,
    }

    fn process(share: u64, names: &[&'static str]) -> Process {
        let scheduler = FlushScheduler::new(share);
        let flushed = Arc::new(Mutex::new(Vec::new()));
        let open = |name: &&'static str| Arc::new(Task { name, tail: scheduler.new_tail(), flushed: Arc::clone(&flushed) });
        let tasks: Vec<Arc<Task>> = names.iter().map(open).collect();
        for task in &tasks {
            let weak: Weak<Task> = Arc::downgrade(task);
            scheduler.register(weak);
        }
        Process { scheduler, tasks, flushed }
    }

    impl Process {
        fn write(&self, name: &str, bytes: u64, now: i64) {
            let written = self.tasks.iter().find(|task| task.name == name);
            written.map(|task| self.scheduler.written(&task.tail, bytes, now)).transpose().ok();
        }
    }

    #[test]
    fn the_largest_tail_goes_not_the_one_being_written() {
        let process = process(400, &["large", "small"]);
        process.write("large", 290, 1);
        process.write("small", 10, 2);
        assert!(process.flushed.lock().is_empty());
        process.write("small", 1, 3);
        assert_eq!(*process.flushed.lock(), [("large", 290)]);
        assert_eq!(process.scheduler.unflushed_bytes(), 11);
    }

    #[test]
    fn a_quiet_task_and_an_old_tail_hold_nothing() {
        let process = process(1 << 20, &["quiet", "busy"]);
        process.write("quiet", 5, 0);
        for now in (0..=QUIET_MS).step_by(1000) {
            process.write("busy", 1, now);
        }
        assert_eq!(*process.flushed.lock(), [("quiet", 5)]);
        for now in (QUIET_MS..=OLDEST_MS + SWEEP_MS).step_by(1000) {
            process.write("busy", 1, now);
        }
        let last = process.flushed.lock().last().copied();
        assert!(last.is_some_and(|(name, bytes)| name == "busy" && bytes >= 600), "{last:?}");
    }

    #[test]
    fn a_task_that_closes_takes_its_tail_with_it() {
        let mut process = process(1 << 20, &["one"]);
        process.write("one", 5, 0);
        process.tasks.clear();
        assert_eq!(process.scheduler.unflushed_bytes(), 0);
    }
}
