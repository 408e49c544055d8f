//! Faults aimed at one mistake of the engine each: a soak that strikes them must go red when the mistake is made, and hold
//! when it is not.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::soak::blow::Chance;
use crate::soak::fleet::INSTANCES;
use crate::soak::harness::{PATIENCE, Run};
use crate::soak::instance::{Fault, Point, Takeover, read_states};
use crate::soak::topology::{ARRIVALS, IN, PARTITIONS, topic};
use crate::soak::traffic::partitions;
use straum::log::Log;

/// How often an aim is taken before the fault counts as not found.
const ROUNDS: usize = 3;

/// How long the others may take to do what a healthy engine keeps them from.
const OTHERS: Duration = Duration::from_secs(6);

/// Longer than a producer that is not stopped needs to write what it has.
const STILL: Duration = Duration::from_secs(1);

/// A copy is always a little behind: by no more changelog records than this.
const NEARLY: i64 = 20;

/// The instance that is struck.
const VICTIM: usize = 0;

impl Run<'_> {
    /// Strikes where `fault` shows, until it has.
    ///
    /// # Errors
    /// When the harness cannot go on.
    pub fn aim_at(&mut self, fault: Fault) -> anyhow::Result<()> {
        for _ in 0..ROUNDS {
            match fault {
                Fault::ApplyBeforeCommit => self.restart_at(Point::BeforeCommit)?,
                Fault::CommitWithoutOffsets => self.restart_at(Point::BetweenCommitAndApply)?,
                Fault::ShortGroupMetadata => self.zombie_at(Point::BeforeOffsets)?,
                Fault::UnstableOffsets => self.zombie_at(Point::BeforeCommit)?,
                Fault::RejoinBeforeAbort => self.zombie_that_joins_first()?,
                Fault::RestoreToLastStableOffset => self.commit_behind_a_zombie()?,
            }
            let settled = self.fleet.settle(Duration::from_secs(60));
            if self.is_red(Duration::from_secs(3))? {
                return Ok(());
            }
            settled?;
        }
        Ok(())
    }

    /// Waits a little for differences.
    fn is_red(&mut self, patience: Duration) -> anyhow::Result<bool> {
        let deadline = Instant::now() + patience;
        while self.watcher.look(|seen| seen.differences.is_empty()) {
            self.watcher.check()?;
            if Instant::now() > deadline {
                return Ok(false);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(true)
    }

    fn restart_at(&mut self, point: Point) -> anyhow::Result<()> {
        self.kill(VICTIM, Some(point), &mut Chance::new(0))?;
        self.fleet.start(VICTIM, None)
    }

    /// An instance is stopped in the middle of a commit until others have its tasks, and goes on with the commit.
    ///
    /// # Errors
    /// When the harness cannot go on.
    pub fn zombie_at(&mut self, point: Point) -> anyhow::Result<()> {
        let before = self.restored_by_others();
        self.pause(VICTIM, Some(point))?;
        // Who restores has asked where to read on: at what the zombie has not committed yet.
        self.wait_for_others(|run| Ok(run.restored_by_others() > before))?;
        self.wake(VICTIM)
    }

    /// As [`zombie_at`](Self::zombie_at), and the thread goes on when its member is in the group again.
    fn zombie_that_joins_first(&mut self) -> anyhow::Result<()> {
        let before = self.restored_by_others();
        self.pause(VICTIM, Some(Point::MidRecord))?;
        self.wait_for_others(|run| Ok(run.restored_by_others() > before))?;
        self.fleet.signal(VICTIM, rustix::process::Signal::CONT)?;
        self.fleet.wait_for_members(VICTIM, OTHERS, |members| members > 0)?;
        self.fleet.tell(VICTIM, "go")
    }

    /// An instance is stopped with records in changelogs and nothing committed; others take its tasks over, commit behind
    /// its open transaction, and die.
    fn commit_behind_a_zombie(&mut self) -> anyhow::Result<()> {
        let tasks = self.fleet.status(VICTIM).tasks;
        self.hold(VICTIM, Point::BeforeOffsets)?;
        self.wait_for_changelogs()?;
        self.stop(VICTIM)?;
        let before = self.committed(tasks)?;
        self.wait_for_others(|run| Ok(run.committed(tasks)? > before))?;
        for other in [1, 2] {
            self.kill(other, None, &mut Chance::new(0))?;
            // Nothing but the changelog knows what was committed. Who it is stays: its transactions end when it is back.
            self.fleet.wipe_tasks(other)?;
            self.fleet.start(other, None)?;
        }
        let restored = self.restored_by_others();
        self.wait_for_others(|run| Ok(run.restored_by_others() > restored))?;
        self.wake(VICTIM)
    }

    /// Waits until what the held thread has sent is written: until the changelogs have stood still for a while, but for those
    /// of the others, which go on.
    fn wait_for_changelogs(&mut self) -> anyhow::Result<()> {
        let tasks = self.fleet.status(VICTIM).tasks;
        let changelog = format!("{}-{ARRIVALS}-changelog", self.fleet.application());
        let (mut ends, mut since) = (Vec::new(), Instant::now());
        while since.elapsed() < STILL {
            let mut now = Vec::new();
            for partition in partitions(&changelog).iter().filter(|partition| tasks & (1 << partition.partition) != 0) {
                now.push(self.log.offsets(partition)?.1);
            }
            if now != ends {
                (ends, since) = (now, Instant::now());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Kills an instance under load once `copies` states have copies that are up to date, and waits until the others have its
    /// tasks. Where they had their states from, and whether they had a copy of it.
    ///
    /// # Errors
    /// When the harness cannot go on.
    pub fn take_over(&mut self, copies: usize) -> anyhow::Result<Vec<(bool, Takeover)>> {
        self.wait("the changelogs are long enough to be told from their tails", PATIENCE, |run| Ok(run.watcher.look(|seen| seen.outputs > 8_000)))?;
        self.wait("the copies are up to date", PATIENCE, |run| {
            let mut warm = 0;
            for index in 0..INSTANCES {
                warm += run.states(index)?.0.into_values().filter(|(position, end)| end - position < NEARLY).count();
            }
            Ok(warm >= copies)
        })?;
        let owned: BTreeSet<String> = self.states(VICTIM)?.1.into_iter().map(|state| state.task).collect();
        let others: Vec<usize> = (0..INSTANCES).filter(|other| *other != VICTIM).collect();
        let mut copied = BTreeSet::new();
        for other in &others {
            copied.extend(self.states(*other)?.0.into_keys().map(|task| (*other, task)));
        }
        self.fleet.signal(VICTIM, rustix::process::Signal::KILL)?;
        let status = self.fleet.died(VICTIM, PATIENCE)?;
        self.report.killed(&status);
        self.fleet.settle(PATIENCE)?;
        let mut takeovers = Vec::new();
        for other in others {
            let states = self.states(other)?.1.into_iter().filter(|state| owned.contains(&state.task));
            takeovers.extend(states.map(|state| (copied.contains(&(other, state.task.clone())), state)));
        }
        Ok(takeovers)
    }

    fn states(&mut self, index: usize) -> anyhow::Result<(BTreeMap<String, (i64, i64)>, Vec<Takeover>)> {
        self.fleet.tell(index, "states")?;
        Ok(read_states(&self.fleet.hear(index, "states", PATIENCE)?.context("an instance tells no states")?))
    }

    fn restored_by_others(&self) -> u64 {
        [1, 2].into_iter().map(|other| self.fleet.status(other).restored).sum()
    }

    /// The offsets committed for the input of these tasks.
    fn committed(&self, tasks: u64) -> anyhow::Result<i64> {
        let input = partitions(&topic(self.fleet.application(), IN));
        let wanted: Vec<_> =
            input.into_iter().filter(|partition| partition.partition < PARTITIONS && tasks & (1 << partition.partition) != 0).collect();
        Ok(self.log.committed(self.fleet.application(), &wanted)?.into_iter().flatten().map(|committed| committed.offset).sum())
    }

    /// A healthy engine may keep the others from it.
    fn wait_for_others(&mut self, mut have: impl FnMut(&mut Self) -> anyhow::Result<bool>) -> anyhow::Result<()> {
        let deadline = Instant::now() + OTHERS;
        while !have(self)? && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}
