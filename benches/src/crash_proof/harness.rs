//! Starts victims, counts their deaths, and compares what they leave with a run that nobody interrupted.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use anyhow::{Context, bail};
use straum_state::{MemoryBudget, StateOptions, StoreSpec, TaskState};

use crate::crash_proof::input::PARTITIONS;
use crate::crash_proof::outcome::{Outcome, differences, expected};
use crate::crash_proof::report::Report;
use crate::crash_proof::topology::STORE;
use crate::crash_proof::victim::{Fault, Point};

/// How often a kill is tried that misses because its point was not reached. A flush of RocksDB is over within milliseconds, and what
/// looks for it is another thread: under load many lives pass without being caught in one.
const ATTEMPTS: u32 = 20;

/// What to run.
pub struct Proof<'a> {
    /// The program whose `victim` command is run.
    pub program: &'a Path,
    /// A folder of its own.
    pub dir: &'a Path,
    /// How many kills must hit.
    pub kills: u32,
    /// A Kafka broker instead of the embedded log.
    pub kafka: Option<&'a str>,
    /// The application id.
    pub application: &'a str,
    /// A mistake for the victims to make.
    pub fault: Option<Fault>,
    /// Records a partition gets in each life.
    pub feed: u64,
}

impl Proof<'_> {
    /// Kills, lets one victim run to the end, and compares it with an uninterrupted run. `progress` hears of every round.
    ///
    /// # Errors
    /// When a victim ends in any other way than it should.
    pub fn run(&self, mut progress: impl FnMut(u32, Point)) -> anyhow::Result<Report> {
        let mut report = Report { asked: self.kills, loses_unsynced: self.kafka.is_none(), ..Report::default() };
        // The points in turn, and turns that lose unsynced writes and turns that do not: so every point has its share of both.
        for (round, point) in (0..self.kills).zip(Point::ALL.into_iter().cycle()) {
            let points = u32::try_from(Point::ALL.len())?;
            let lose_unsynced = report.loses_unsynced && (round / points).is_multiple_of(2);
            // Spread within the life of the victim, by a fixed sequence.
            let spread = u64::from(round + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            let occurrence = match point {
                Point::MidRecord => 1 + spread % (self.feed * 2),
                Point::MidRestore => 1 + spread % 3,
                _ => 1 + spread % 12,
            };
            for attempt in 0..ATTEMPTS {
                if attempt > 0 && point == Point::MidRestore {
                    // Who missed has closed in peace and left nothing to restore. One more death leaves a tail, if it is not the first
                    // commit's: that has only just fed the repartition topic.
                    self.life(Point::BetweenCommitAndApply, 4, report.loses_unsynced, &mut report)?;
                }
                if self.life(point, (occurrence >> attempt.min(5)).max(1), lose_unsynced, &mut report)? {
                    break;
                }
            }
            progress(round + 1, point);
        }
        // Few kills, and most of them where nothing has reached the changelog: what is to be said of tails needs some.
        for _ in 0..ATTEMPTS {
            if report.restores.of_a_tail >= self.kills.div_ceil(10) {
                break;
            }
            self.life(Point::BetweenCommitAndApply, 4, report.loses_unsynced, &mut report)?;
        }
        let last = self.finish(self.victim().args(["--feed", "200"]), "the last life")?;
        read_restores(&last, &mut report);
        self.compare(&last, &mut report)?;
        Ok(report)
    }

    /// One life, which is to end at a point. False when it ended before.
    fn life(&self, point: Point, occurrence: u64, lose_unsynced: bool, report: &mut Report) -> anyhow::Result<bool> {
        let mut command = self.victim();
        command.args(["--kill-at", &name(point), "--occurrence", &occurrence.to_string(), "--feed", &self.feed.to_string()]);
        if lose_unsynced {
            command.arg("--lose-unsynced");
        }
        let output = command.output().context("cannot start a victim")?;
        let killed = output.status.signal() == Some(9);
        if !killed && !output.status.success() {
            bail!("a victim ended by itself with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        read_restores(&output, report);
        for partition in 0..PARTITIONS {
            let task = format!("1_{partition}");
            report.restores.stands(&task, self.state_on_disk(&task)?);
        }
        if killed {
            *report.kills.entry(point).or_default() += 1;
            report.lost_unsynced += u32::from(lose_unsynced);
        }
        Ok(killed)
    }

    /// Where the state of a task stands in its changelog, now that nobody has it open.
    fn state_on_disk(&self, task: &str) -> anyhow::Result<Option<i64>> {
        let folder = self.dir.join("state").join(self.application).join(task);
        if !folder.join("CURRENT").exists() {
            return Ok(None);
        }
        let options = StateOptions::new(MemoryBudget::new(64 << 20), Arc::new(|| 0));
        Ok(TaskState::open(&folder, &[StoreSpec::persistent(STORE)], &options)?.offset(STORE))
    }

    /// Gives all the input there was to an application that nobody kills, and whose clock stands still.
    fn compare(&self, last: &Output, report: &mut Report) -> anyhow::Result<()> {
        let text = String::from_utf8_lossy(&last.stdout);
        let lengths: Vec<u64> = text.lines().filter_map(|line| line.strip_prefix("length ")?.parse().ok()).collect();
        let mut command = self.command(&self.dir.join("reference"));
        let until: Vec<String> = lengths.iter().map(u64::to_string).collect();
        let reference = self.finish(command.args(["--reference", &until.join(",")]), "the uninterrupted run")?;
        let reference = Outcome::read(&String::from_utf8_lossy(&reference.stdout))?;
        report.inputs = lengths.iter().sum();
        report.purged = text.lines().find_map(|line| line.strip_prefix("purged ")?.parse().ok()).unwrap_or(0);
        report.differences = differences(&reference, &Outcome::read(&text)?);
        // An engine that is wrong without being killed would agree with itself.
        let wrong = differences(&expected(&lengths), &reference);
        report.differences.extend(wrong.into_iter().map(|difference| format!("uninterrupted run: {difference}")));
        Ok(())
    }

    fn finish(&self, command: &mut Command, what: &str) -> anyhow::Result<Output> {
        let output = command.output().with_context(|| format!("cannot start {what}"))?;
        if !output.status.success() {
            bail!("{what} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        Ok(output)
    }

    fn command(&self, dir: &Path) -> Command {
        let mut command = Command::new(self.program);
        command.arg("victim").arg("--dir").arg(dir).args(["--application", self.application]);
        command
    }

    fn victim(&self) -> Command {
        let mut command = self.command(self.dir);
        if let Some(bootstrap) = self.kafka {
            command.args(["--kafka", bootstrap]);
        }
        if let Some(fault) = self.fault {
            command.args(["--fault", &name(fault)]);
        }
        command
    }
}

fn name(value: impl clap::ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

/// Lines `restored TASK FROM END RECORDS`; -1 is the beginning.
fn read_restores(output: &Output, report: &mut Report) {
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Some((task, numbers)) = line.strip_prefix("restored ").and_then(|rest| rest.split_once(' ')) else { continue };
        let mut numbers = numbers.split(' ').filter_map(|number| number.parse::<i64>().ok());
        let (Some(from), Some(end), Some(records)) = (numbers.next(), numbers.next(), numbers.next()) else { continue };
        report.restores.restored(task, (from >= 0).then_some(from), end, u64::try_from(records).unwrap_or(0));
    }
}
