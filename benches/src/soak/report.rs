//! What a soak found, and what in it speaks against Straum or against the soak itself.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::soak::status::{Phase, Status};

/// What a soak found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// How many faults were asked for.
    pub asked: usize,
    /// Which.
    pub seed: u64,
    /// What a failure might leave behind.
    pub guarantee: String,
    /// Faults by kind.
    pub faults: BTreeMap<String, u64>,
    /// What kills have hit; one may hit several things, since an instance has several threads.
    pub kills: Kills,
    /// Pauses that stopped an instance with a transaction open.
    pub paused_open: u64,
    /// Instances started.
    pub starts: u64,
    /// Tasks that went to another instance.
    pub moved: u64,
    /// Times that a member was given up by its group and joined again.
    pub rejoins: u64,
    /// Times that a thread rolled back and started again from what was committed.
    pub rollbacks: u64,
    /// Outputs that were written and never committed.
    pub aborted_outputs: u64,
    /// Inputs produced and acknowledged.
    pub inputs: u64,
    /// Counts that came out.
    pub outputs: u64,
    /// Totals that the punctuator told.
    pub ticks: u64,
    /// Rows of the stores that were compared.
    pub rows: usize,
    /// The longest time without an output, in seconds.
    pub longest_gap: f64,
    /// How the outcome differs from what it must be.
    pub differences: Vec<String>,
    /// From start to comparison.
    pub seconds: f64,
    /// Where the logs are, when it failed.
    pub logs: Option<String>,
}

/// What kills of instances have hit.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Kills {
    /// All.
    pub all: u64,
    /// Those of an instance with an open transaction.
    pub open_transaction: u64,
    /// Those in a commit.
    pub commit: u64,
    /// Those between a commit and its way into the stores.
    pub apply: u64,
    /// Those while a changelog was read.
    pub restore: u64,
    /// Those while threads waited for tasks.
    pub rebalance: u64,
}

impl Report {
    /// An instance was killed while it did this.
    pub fn killed(&mut self, status: &Status) {
        let kills = &mut self.kills;
        kills.all += 1;
        kills.open_transaction += u64::from(status.is(Phase::Open) || status.is(Phase::Committing));
        kills.commit += u64::from(status.is(Phase::Committing));
        kills.apply += u64::from(status.is(Phase::Applying));
        kills.restore += u64::from(status.is(Phase::Restoring));
        kills.rebalance += u64::from(!status.running);
    }

    /// True when everything was there once, and enough has happened to say so.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.violations().is_empty()
    }

    /// All that keeps the soak from holding, in words.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        if !self.differences.is_empty() {
            // A soak that goes wrong ends at once, before it has struck its share.
            return self.differences.clone();
        }
        let mut violations = Vec::new();
        let mut at_least = |what: &str, found: u64, expected: u64| {
            if found < expected {
                violations.push(format!("{what}: {found}, expected {expected} or more"));
            }
        };
        at_least("inputs", self.inputs, 1);
        at_least("totals", self.ticks, 1);
        at_least("outputs", self.outputs, self.inputs);
        if self.asked > 0 {
            let asked = self.asked as u64;
            at_least("faults", self.faults.values().sum(), asked);
            // Each deck of twenty has ten blows with kills, three pauses and two scalings.
            let decks = asked / 20;
            at_least("kinds of faults", self.faults.len() as u64, 9 * decks.min(1));
            at_least("kills of an open transaction", self.kills.open_transaction, 4 * decks);
            at_least("kills in a commit", self.kills.commit, decks);
            at_least("kills in a restore", self.kills.restore, decks.div_ceil(2));
            at_least("kills in a rebalance", self.kills.rebalance, decks.div_ceil(2));
            at_least("tasks moved", self.moved, 16 * decks);
            if self.guarantee == "ExactlyOnce" {
                at_least("pauses with a transaction open", self.paused_open, decks);
                at_least("members given up", self.rejoins, 2 * decks);
                at_least("outputs aborted", self.aborted_outputs, decks);
            }
        }
        violations
    }

    /// The findings, a line each.
    #[must_use]
    pub fn lines(&self) -> Vec<(String, String)> {
        let kills = &self.kills;
        let line = |name: &str, value: String| (name.to_owned(), value);
        let mut lines: Vec<_> = self.faults.iter().map(|(kind, count)| line(kind, count.to_string())).collect();
        lines.extend([
            line("kills of an open transaction", format!("{} of {}", kills.open_transaction, kills.all)),
            line("kills in a commit, and before the stores had it", format!("{}, {}", kills.commit, kills.apply)),
            line("kills in a restore, in a rebalance", format!("{}, {}", kills.restore, kills.rebalance)),
            line("pauses with a transaction open", self.paused_open.to_string()),
            line("members given up, which joined again", self.rejoins.to_string()),
            line("rollbacks to what is committed", self.rollbacks.to_string()),
            line("outputs written and aborted", self.aborted_outputs.to_string()),
            line("tasks moved to another instance", self.moved.to_string()),
            line("instances started", self.starts.to_string()),
            line("inputs, outputs, totals", format!("{}, {}, {}", self.inputs, self.outputs, self.ticks)),
            line("rows compared with their changelogs", self.rows.to_string()),
            line("longest time without an output", format!("{:.1} s", self.longest_gap)),
            line("time", format!("{:.0} s", self.seconds)),
            line("differences", self.differences.len().to_string()),
        ]);
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a soak that holds.
    fn right() -> Report {
        let kinds = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];
        Report {
            asked: 20,
            guarantee: "ExactlyOnce".to_owned(),
            faults: kinds.map(|kind| (kind.to_owned(), if kind == "a" { 11 } else { 1 })).into(),
            kills: Kills { all: 10, open_transaction: 4, commit: 1, apply: 1, restore: 1, rebalance: 1 },
            paused_open: 1,
            moved: 16,
            rejoins: 2,
            aborted_outputs: 1,
            inputs: 100,
            outputs: 100,
            ticks: 10,
            ..Report::default()
        }
    }

    #[test]
    fn a_soak_holds_when_nothing_is_wrong() {
        assert_eq!(right().violations(), Vec::<String>::new());
    }

    #[test]
    fn every_violation_is_found() {
        let breaks: [(&str, fn(&mut Report)); 12] = [
            ("output of 0-1", |report| report.differences.push("output of 0-1: lost".to_owned())),
            ("inputs: 0", |report| report.inputs = 0),
            ("totals: 0", |report| report.ticks = 0),
            ("outputs: 99", |report| report.outputs = 99),
            ("faults: 19", |report| report.faults.extend([("a".to_owned(), 10)])),
            ("open transaction: 3", |report| report.kills.open_transaction = 3),
            ("in a commit: 0", |report| report.kills.commit = 0),
            ("in a restore: 0", |report| report.kills.restore = 0),
            ("in a rebalance: 0", |report| report.kills.rebalance = 0),
            ("tasks moved: 15", |report| report.moved = 15),
            ("members given up: 1", |report| report.rejoins = 1),
            ("outputs aborted: 0", |report| report.aborted_outputs = 0),
        ];
        for (says, broken) in breaks {
            let mut report = right();
            broken(&mut report);
            let violations = report.violations();
            assert!(violations.len() == 1 && violations.iter().all(|violation| violation.contains(says)), "expected {says:?}: {violations:?}");
        }
    }
}
