//! What an instance is doing, in a file that outlives a kill -9: the harness reads in it what the kill has hit.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Mutex;

use straum::runtime::ProbePoint;

/// Stream threads have slots 1, 2, …; whatever else reaches a probe has slot 0.
pub const SLOTS: usize = 8;

/// What a thread is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum Phase {
    /// Nothing that a kill could break.
    #[default]
    Quiet,
    /// Reads a changelog.
    Restoring,
    /// Has processed what is not committed.
    Open,
    /// Writes changelogs and offsets for a commit.
    Committing,
    /// Has committed; the stores may not have it yet.
    Applying,
}

impl Phase {
    const fn of(byte: u8) -> Self {
        match byte {
            1 => Self::Restoring,
            2 => Self::Open,
            3 => Self::Committing,
            4 => Self::Applying,
            _ => Self::Quiet,
        }
    }

    /// Where a thread is that was here and has reached `point`.
    const fn after(self, point: ProbePoint) -> Self {
        match (self, point) {
            (_, ProbePoint::MidRestore) => Self::Restoring,
            (_, ProbePoint::MidRecord) => Self::Open,
            // Stores are looked through at every commit; one that finds nothing goes no further.
            (Self::Open | Self::Committing, ProbePoint::MidChangelog) => Self::Committing,
            (_, ProbePoint::BeforeOffsets | ProbePoint::BeforeCommit) => Self::Committing,
            (_, ProbePoint::BetweenCommitAndApply) => Self::Applying,
            (_, ProbePoint::Applied) => Self::Quiet,
            (other, ProbePoint::MidChangelog | ProbePoint::MidFlush) => other,
        }
    }
}

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// By slot.
    pub phases: [Phase; SLOTS],
    /// All threads have their tasks.
    pub running: bool,
    /// Nothing to do and nothing to commit.
    pub idle: bool,
    /// The tasks that are open, a bit each.
    pub tasks: u64,
    /// Batches of changelogs read since the start.
    pub restored: u64,
    /// Commits since the start.
    pub commits: u64,
}

const LENGTH: usize = SLOTS + 2 + 3 * 8;

impl Status {
    fn encode(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        let fields = self.phases.iter().map(|phase| *phase as u8).chain([u8::from(self.running), u8::from(self.idle)]);
        let numbers = [self.tasks, self.restored, self.commits].into_iter().flat_map(u64::to_be_bytes);
        bytes.iter_mut().zip(fields.chain(numbers)).for_each(|(to, from)| *to = from);
        bytes
    }

    fn decode(bytes: &[u8; LENGTH]) -> Self {
        let mut all = bytes.iter().copied();
        let phases = std::array::from_fn(|_| Phase::of(all.next().unwrap_or(0)));
        let (running, idle) = (all.next() == Some(1), all.next() == Some(1));
        let mut number = || u64::from_be_bytes(std::array::from_fn(|_| all.next().unwrap_or(0)));
        Self { phases, running, idle, tasks: number(), restored: number(), commits: number() }
    }

    /// Reads it; nothing is known of an instance that has not written yet.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let mut bytes = [0; LENGTH];
        match File::open(path).and_then(|file| file.read_exact_at(&mut bytes, 0)) {
            Ok(()) => Self::decode(&bytes),
            Err(_) => Self::default(),
        }
    }

    /// All tasks are open: whoever read a changelog has read it.
    pub fn restores_are_over(&mut self) {
        self.phases.iter_mut().filter(|phase| **phase == Phase::Restoring).for_each(|phase| *phase = Phase::Quiet);
    }

    /// True when a thread is in `phase`.
    #[must_use]
    pub fn is(&self, phase: Phase) -> bool {
        self.phases.contains(&phase)
    }
}

/// Writes the status of this process.
#[derive(Debug)]
pub struct Writer {
    file: File,
    status: Mutex<Status>,
}

impl Writer {
    /// Begins anew.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn open(path: &Path) -> std::io::Result<Self> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        let writer = Self { file, status: Mutex::default() };
        writer.update(|_| {});
        Ok(writer)
    }

    /// A thread has reached a point.
    pub fn reached(&self, slot: usize, point: ProbePoint) {
        self.update(|status| {
            if let Some(phase) = status.phases.get_mut(slot) {
                *phase = phase.after(point);
            }
            status.restored += u64::from(point == ProbePoint::MidRestore);
            status.commits += u64::from(point == ProbePoint::Applied);
        });
    }

    /// Changes it.
    pub fn update(&self, change: impl FnOnce(&mut Status)) {
        let mut status = self.status.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        change(&mut status);
        // What cannot be written is missed by the harness, which then finds no kill that hit anything.
        let _ = self.file.write_all_at(&status.encode(), 0);
    }
}

/// The slot of the calling thread, by the name that the engine gives it.
#[must_use]
pub fn slot() -> usize {
    let current = std::thread::current();
    let number = current.name().and_then(|name| name.rsplit_once("-StreamThread-")).and_then(|(_, number)| number.parse().ok());
    number.filter(|slot| *slot < SLOTS).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("status");
        assert_eq!(Status::read(&path), Status::default());
        let writer = Writer::open(&path)?;
        writer.update(|status| (status.running, status.tasks) = (true, 0b101));
        writer.reached(2, ProbePoint::MidRecord);
        writer.reached(1, ProbePoint::MidRestore);
        let read = Status::read(&path);
        assert_eq!((read.running, read.idle, read.tasks, read.restored), (true, false, 0b101, 1));
        assert!(read.is(Phase::Open) && read.is(Phase::Restoring) && !read.is(Phase::Committing));
        Ok(())
    }

    #[test]
    fn a_commit_that_finds_nothing_is_none() {
        let phases = [ProbePoint::MidChangelog, ProbePoint::MidRecord, ProbePoint::MidChangelog, ProbePoint::BeforeCommit, ProbePoint::Applied];
        let mut phase = Phase::Quiet;
        let seen = phases.map(|point| {
            phase = phase.after(point);
            phase
        });
        assert_eq!(seen, [Phase::Quiet, Phase::Open, Phase::Committing, Phase::Committing, Phase::Quiet]);
    }
}
