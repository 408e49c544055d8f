//! What a run found, and whether it is good enough.

use crate::memory_proof::files::TableFiles;
use crate::memory_proof::gauges::Gauges;

const MIB: u64 = 1 << 20;

/// What a run found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Distinct keys counted.
    pub keys: u64,
    /// Tasks that counted them.
    pub tasks: u32,
    /// Bytes given to the process.
    pub budget: u64,
    /// Bytes it may be resident with beyond the budget.
    pub slack: u64,
    /// The most it was resident with.
    pub peak: u64,
    /// The most each part held, each at its own moment.
    pub peak_gauges: Gauges,
    /// Looks at which the parts did not add up to the total.
    pub gauges_not_adding_up: u64,
    /// Table files at the end.
    pub files: TableFiles,
    /// Keys looked up.
    pub sampled: u64,
    /// Lookups that gave another count than they should.
    pub wrong_counts: u64,
    /// From the first record to the last.
    pub seconds: f64,
}

impl Report {
    /// What is not as it should be, in words; nothing when the proof holds.
    #[must_use]
    pub fn failures(&self) -> Vec<String> {
        let mut failures = Vec::new();
        let most = self.budget + self.slack;
        if self.peak > most {
            failures.push(format!("resident size peaked at {} MiB, expected at most {} MiB", self.peak.div_ceil(MIB), most / MIB));
        }
        if self.gauges_not_adding_up > 0 {
            failures.push(format!("gauges did not add up at {} looks, expected at none", self.gauges_not_adding_up));
        }
        if self.sampled == 0 || self.wrong_counts > 0 {
            failures.push(format!("{} of {} sampled counts are wrong, expected none", self.wrong_counts, self.sampled));
        }
        // With few files the share says nothing: a task's last tail may be small.
        if self.files.files > u64::from(self.tasks) * 2 && self.files.slivers * 20 > self.files.files {
            failures.push(format!("{} of {} table files are slivers, expected at most one in twenty", self.files.slivers, self.files.files));
        }
        failures
    }

    /// The findings, a line each.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![
            format!("keys               {} in {} tasks, in {:.0} s", self.keys, self.tasks, self.seconds),
            format!("budget             {} MiB, and {} MiB of slack", self.budget / MIB, self.slack / MIB),
            format!("peak resident      {} MiB", self.peak.div_ceil(MIB)),
            format!("peak of the gauges {:.1} MiB together", self.peak_gauges.total as f64 / MIB as f64),
        ];
        lines.extend(self.peak_gauges.by_name().map(|(name, bytes)| format!("  {name:<16} {:.1} MiB at the most", bytes as f64 / MIB as f64)));
        lines.push(format!(
            "table files        {} of {} KiB on average, {} below 64 KiB ({:.1} %); {} more of metadata",
            self.files.files,
            self.files.average() / 1024,
            self.files.slivers,
            100.0 * self.files.slivers as f64 / self.files.files.max(1) as f64,
            self.files.metadata
        ));
        lines.push(format!("sampled counts     {}, {} wrong", self.sampled, self.wrong_counts));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Report {
        Report {
            keys: 10,
            tasks: 2,
            budget: 100 * MIB,
            slack: 10 * MIB,
            peak: 110 * MIB,
            sampled: 5,
            files: TableFiles { files: 100, bytes: 1 << 30, slivers: 5, metadata: 9 },
            ..Report::default()
        }
    }

    #[test]
    fn each_finding_alone_turns_the_proof_red() {
        assert_eq!(good().failures(), Vec::<String>::new());
        let spoilt: [fn(&mut Report); 6] = [
            |report| report.peak += 1,
            |report| report.slack -= 1,
            |report| report.gauges_not_adding_up = 1,
            |report| report.wrong_counts = 1,
            |report| report.sampled = 0,
            |report| report.files.slivers = 6,
        ];
        for spoil in spoilt {
            let mut report = good();
            spoil(&mut report);
            assert_eq!(report.failures().len(), 1, "{report:?}");
        }
    }
}
