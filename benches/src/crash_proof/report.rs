//! What a proof found, and what in it speaks against Straum or against the proof itself.

use std::collections::BTreeMap;

use crate::crash_proof::victim::Point;

/// What a proof found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many kills were asked for.
    pub asked: u32,
    /// Whether half of them were to lose unsynced writes: only the embedded log can.
    pub loses_unsynced: bool,
    /// Kills that hit, by point.
    pub kills: BTreeMap<Point, u32>,
    /// Kills that lost unsynced writes.
    pub lost_unsynced: u32,
    /// What was read to restore state.
    pub restores: Restores,
    /// Input records in the end.
    pub inputs: u64,
    /// Records of the repartition topic that were deleted behind the processing.
    pub purged: u64,
    /// How the result differs from the uninterrupted run's, or that from what it should be.
    pub differences: Vec<String>,
}

impl Report {
    /// True when nothing was lost, doubled or reordered, every restore read the tail only, and there were kills enough to say so.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.violations().is_empty()
    }

    /// All that keeps the proof from holding, in words.
    #[must_use]
    pub fn violations(&self) -> Vec<String> {
        let mut violations = [self.differences.as_slice(), self.restores.wrong.as_slice()].concat();
        let mut at_least = |what: &str, found: u64, expected: u64| {
            if found < expected {
                violations.push(format!("{what}: {found}, expected {expected} or more"));
            }
        };
        let asked = u64::from(self.asked);
        for point in Point::ALL {
            at_least(&format!("kills at {point:?}"), self.kills.get(&point).copied().unwrap_or(0).into(), asked.div_ceil(10));
        }
        at_least("kills", self.kills.values().copied().map(u64::from).sum(), asked);
        if self.loses_unsynced {
            at_least("kills that lost unsynced writes", self.lost_unsynced.into(), asked.div_ceil(2));
        }
        // Without tails to read, nothing is known of how they are read.
        at_least("restores of a tail", self.restores.of_a_tail.into(), asked.div_ceil(10));
        at_least("input records", self.inputs, 1);
        at_least("purged records", self.purged, 1);
        violations
    }
}

/// Restores, judged by where the state of each task stood on disk when the process before had died.
#[derive(Clone, Debug, Default)]
pub struct Restores {
    /// The changelog offset of each task's state, as last seen on disk.
    stood: BTreeMap<String, i64>,
    /// Restores of all tasks in all lives.
    pub count: u32,
    /// Those that went on from an offset and found records there.
    pub of_a_tail: u32,
    /// Changelog records read.
    pub records: u64,
    /// Records that whole changelogs would have held each time.
    pub in_changelogs: u64,
    /// Restores that read more than the tail, and state that went backwards.
    pub wrong: Vec<String>,
}

impl Restores {
    /// Between two lives the state of `task` was found on disk at `offset`; none means that there is no state.
    pub fn stands(&mut self, task: &str, offset: Option<i64>) {
        let before = self.stood.get(task).copied();
        if offset < before {
            self.wrong.push(format!("the state of {task} stands at {offset:?}, expected {before:?} or later, where it stood a life before"));
        }
        if let Some(offset) = offset {
            self.stood.insert(task.to_owned(), offset);
        }
    }

    /// A life restored `task` from offset `from` (none: from the beginning) to `end` and read so many records.
    pub fn restored(&mut self, task: &str, from: Option<i64>, end: i64, records: u64) {
        self.count += 1;
        self.of_a_tail += u32::from(from.is_some() && records > 0);
        self.records += records;
        self.in_changelogs += u64::try_from(end).unwrap_or(0);
        let stood = self.stood.get(task).copied();
        if from < stood {
            self.wrong.push(format!("{task} was restored from {from:?}, expected {stood:?} or later, where its state stood"));
        }
        let tail = u64::try_from(end - from.unwrap_or(0)).unwrap_or(0);
        if records > tail {
            self.wrong.push(format!("{task} read {records} records from {from:?} to {end}, expected {tail} or fewer"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a proof that holds.
    fn right() -> Report {
        let mut restores = Restores::default();
        restores.restored("1_0", None, 0, 0);
        restores.stands("1_0", Some(40));
        restores.restored("1_0", Some(40), 50, 10);
        restores.restored("1_0", Some(50), 60, 8);
        Report {
            asked: 20,
            loses_unsynced: true,
            kills: Point::ALL.into_iter().zip([10, 2, 2, 2, 2, 2]).collect(),
            lost_unsynced: 10,
            restores,
            inputs: 100,
            purged: 80,
            differences: Vec::new(),
        }
    }

    #[test]
    fn a_proof_holds_when_nothing_is_wrong() {
        assert_eq!(right().violations(), Vec::<String>::new());
        let on_kafka = Report { loses_unsynced: false, lost_unsynced: 0, ..right() };
        assert!(on_kafka.holds(), "{on_kafka:?}");
    }

    #[test]
    fn every_violation_is_found() {
        let breaks: [(&str, fn(&mut Report)); 11] = [
            ("outputs of 0-1", |report| report.differences.push("outputs of 0-1: lost".to_owned())),
            ("kills at MidRestore: 1", |report| report.kills.extend([(Point::MidRecord, 11), (Point::MidRestore, 1)])),
            ("kills: 19", |report| report.kills.extend([(Point::MidRecord, 9)])),
            ("lost unsynced writes: 9", |report| report.lost_unsynced = 9),
            ("restores of a tail: 1", |report| report.restores.of_a_tail = 1),
            ("input records: 0", |report| report.inputs = 0),
            ("purged records: 0", |report| report.purged = 0),
            ("restored from None", |report| report.restores.restored("1_0", None, 60, 60)),
            ("restored from Some(39)", |report| report.restores.restored("1_0", Some(39), 60, 21)),
            ("read 11 records", |report| report.restores.restored("1_0", Some(50), 60, 11)),
            ("stands at None", |report| report.restores.stands("1_0", None)),
        ];
        for (says, broken) in breaks {
            let mut report = right();
            broken(&mut report);
            let violations = report.violations();
            assert!(violations.len() == 1 && violations.iter().all(|violation| violation.contains(says)), "expected {says:?}: {violations:?}");
        }
    }
}
