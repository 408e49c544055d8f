//! Starts victims, counts their deaths, and judges the last one's result.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};

use anyhow::{Context, bail};

use crate::crash_proof::victim::{Fault, Point};

/// What a proof found.
#[derive(Debug, Default)]
pub struct Report {
    /// Kills that hit, by point.
    pub kills: BTreeMap<Point, u32>,
    /// Kills that lost unsynced writes.
    pub lost_unsynced: u32,
    /// Stores restored, and how many of them went on from an offset of their own.
    pub restores: u32,
    /// Restores that began where the state stood.
    pub restores_of_a_tail: u32,
    /// Changelog records read by all restores.
    pub records_restored: u64,
    /// Records that whole changelogs would have held each time.
    pub records_in_changelogs: u64,
    /// Restores that read more than from their offset to the end.
    pub restores_too_long: Vec<String>,
    /// Input records in the end.
    pub inputs: u64,
    /// How the result differs from what it should be.
    pub differences: Vec<String>,
}

impl Report {
    /// True when nothing was lost, doubled or reordered, and every restore read the tail only.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.differences.is_empty() && self.restores_too_long.is_empty()
    }
}

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
    /// Kills, then lets one victim run to the end and compare. `progress` hears of every kill.
    ///
    /// # Errors
    /// When a victim ends in any other way than it should.
    pub fn run(&self, mut progress: impl FnMut(u32, Point)) -> anyhow::Result<Report> {
        let mut report = Report::default();
        let mut killed = 0;
        let mut life = 0_u64;
        let mut points = Point::ALL.into_iter().cycle().skip(1);
        while killed < self.kills {
            life += 1;
            if life > u64::from(self.kills) * 4 + 20 {
                bail!("{killed} kills hit in {life} lives, expected {}: {:?}", self.kills, report.kills);
            }
            let Some(point) = points.next() else { bail!("no points to kill at") };
            let lose_unsynced = self.kafka.is_none() && (life / 5).is_multiple_of(2);
            // Spread within the life of the victim, by a fixed sequence.
            let spread = life.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            let occurrence = match point {
                Point::MidRecord => 1 + spread % (self.feed * 2),
                Point::MidRestore => 1 + spread % 4,
                _ => 1 + spread % 12,
            };
            let mut command = self.command();
            command.args(["--kill-at", &name(point), "--occurrence", &occurrence.to_string(), "--feed", &self.feed.to_string()]);
            if lose_unsynced {
                command.arg("--lose-unsynced");
            }
            let output = command.output().context("cannot start a victim")?;
            read_restores(&output, &mut report);
            match output.status.signal() {
                Some(9) => {
                    killed += 1;
                    *report.kills.entry(point).or_default() += 1;
                    report.lost_unsynced += u32::from(lose_unsynced);
                    progress(killed, point);
                }
                None if output.status.success() => {}
                _ => bail!("a victim ended by itself with {}: {}", output.status, String::from_utf8_lossy(&output.stderr)),
            }
        }
        let output = self.command().args(["--feed", "200"]).output().context("cannot start the last victim")?;
        read_restores(&output, &mut report);
        if !output.status.success() {
            bail!("the last life ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            match line.split_once(' ') {
                Some(("inputs", count)) => report.inputs = count.parse()?,
                Some(("difference", text)) => report.differences.push(text.to_owned()),
                _ => {}
            }
        }
        if report.inputs == 0 {
            bail!("the last life compared nothing: {}", String::from_utf8_lossy(&output.stdout));
        }
        Ok(report)
    }

    fn command(&self) -> Command {
        let mut command = Command::new(self.program);
        command.arg("victim").arg("--dir").arg(self.dir).args(["--application", self.application]);
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

/// Lines `restored TASK FROM END RECORDS`.
fn read_restores(output: &Output, report: &mut Report) {
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let Some(rest) = line.strip_prefix("restored ") else { continue };
        let mut numbers = rest.split(' ').skip(1).filter_map(|number| number.parse::<i64>().ok());
        let (Some(from), Some(end), Some(records)) = (numbers.next(), numbers.next(), numbers.next()) else { continue };
        report.restores += 1;
        report.restores_of_a_tail += u32::from(from >= 0);
        let tail = end - from.max(0);
        report.records_restored += u64::try_from(records).unwrap_or(0);
        report.records_in_changelogs += u64::try_from(end).unwrap_or(0);
        if records > tail {
            report.restores_too_long.push(line.to_owned());
        }
    }
}
