//! What must come out, computed from what went in and without the engine; what has come out; and how they differ.

use std::collections::BTreeMap;

use crate::soak::instance::Guarantee;
use crate::soak::topology::{ARRIVALS, COUNTS, pair};

/// Rows of the stores: by store and key, every value found.
pub type Rows = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// How many differences are told; the rest is only counted.
const TOLD: usize = 50;

/// What was produced and acknowledged: how often each key occurs.
pub type Produced = BTreeMap<String, u64>;

/// The outputs of one key.
#[derive(Clone, Debug, Default)]
struct Key {
    /// The last: how many there were, and the number of the input that made it.
    last: (u64, u64),
    /// The inputs that have an output.
    covered: Vec<bool>,
}

/// What has come out so far, checked as it comes.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    guarantee: Guarantee,
    keys: BTreeMap<String, Key>,
    /// By partition: the last tick, and the count it told.
    totals: BTreeMap<String, (u64, u64)>,
    /// Counts that came out.
    pub outputs: u64,
    /// Totals that came out.
    pub ticks: u64,
    /// What should not have come out as it did.
    pub differences: Vec<String>,
}

impl Seen {
    /// Nothing yet.
    #[must_use]
    pub fn new(guarantee: Guarantee) -> Self {
        Self { guarantee, ..Self::default() }
    }

    fn differs(&mut self, difference: String) {
        if self.differences.len() < TOLD {
            self.differences.push(difference);
        }
    }

    /// The next output of a key. Exactly once, it is the next count, and that of the next input.
    pub fn output(&mut self, key: &str, value: &str) {
        self.outputs += 1;
        let Ok((count, number)) = pair(value) else { return self.differs(format!("output of {key}: {value:?} is no count")) };
        let seen = self.keys.entry(key.to_owned()).or_default();
        let next = (seen.last.0 + 1, seen.last.1 + 1);
        seen.last = (count, number);
        let index = usize::try_from(number).unwrap_or(usize::MAX).saturating_sub(1);
        if self.guarantee == Guarantee::AtLeastOnce {
            if seen.covered.len() <= index {
                seen.covered.resize(index + 1, false);
            }
            seen.covered.iter_mut().skip(index).take(1).for_each(|covered| *covered = true);
        } else if (count, number) != next {
            self.differs(format!("output of {key}: count {count} of input {number}, expected count {} of input {}", next.0, next.1));
        }
    }

    /// The next total of a partition. Exactly once, ticks are 1, 2, 3 … and each tells more than the one before.
    pub fn total(&mut self, partition: &str, value: &str) {
        self.ticks += 1;
        let Ok((tick, count)) = pair(value) else { return self.differs(format!("total of {partition}: {value:?} is no total")) };
        let (last, told) = self.totals.insert(partition.to_owned(), (tick, count)).unwrap_or_default();
        if self.guarantee == Guarantee::ExactlyOnce && (tick != last + 1 || count <= told) {
            self.differs(format!("total of {partition}: tick {tick} tells {count}, expected tick {} and more than {told}", last + 1));
        }
    }

    /// True when every input has its output and every total is told.
    #[must_use]
    pub fn covers(&self, produced: &Produced) -> bool {
        let counted = produced.iter().all(|(key, inputs)| self.keys.get(key).is_some_and(|seen| seen.last.1 >= *inputs));
        counted && arrivals(produced).iter().all(|(partition, inputs)| self.totals.get(partition).is_some_and(|(_, told)| told >= inputs))
    }

    /// Everything that is not as it must be once all input is processed: the outputs, the rows of the stores, and the last
    /// values in their changelogs.
    #[must_use]
    pub fn verify(&self, produced: &Produced, rows: &Rows, changelogs: &Rows) -> Vec<String> {
        let mut differences = self.differences.clone();
        let exactly = self.guarantee == Guarantee::ExactlyOnce;
        let right = |found: u64, expected: u64| if exactly { found == expected } else { found >= expected };
        for (key, inputs) in produced {
            let seen = self.keys.get(key).cloned().unwrap_or_default();
            let (count, number) = seen.last;
            if !right(count, *inputs) || number != *inputs {
                differences.push(format!("outputs of {key} end with count {count} of input {number}, expected {inputs} of {inputs}"));
            }
            if !exactly && let Some(lost) = (0..usize::try_from(*inputs).unwrap_or(0)).find(|index| seen.covered.get(*index) != Some(&true)) {
                differences.push(format!("input {} of {key} has no output", lost + 1));
            }
        }
        differences
            .extend(self.keys.keys().filter(|key| !produced.contains_key(*key)).map(|key| format!("outputs of {key}, which was never produced")));
        let arrivals = arrivals(produced);
        for (partition, inputs) in &arrivals {
            let (_, told) = self.totals.get(partition).copied().unwrap_or_default();
            if !right(told, *inputs) {
                differences.push(format!("totals of partition {partition} end with {told}, expected {inputs}"));
            }
        }
        for (store, expected) in [(COUNTS, produced), (ARRIVALS, &arrivals)] {
            let (in_store, in_changelog) = (rows.get(store), changelogs.get(store));
            for (key, inputs) in expected {
                let found = in_store.and_then(|rows| rows.get(key)).map_or(&[][..], Vec::as_slice);
                let last = in_changelog.and_then(|rows| rows.get(key)).and_then(|values| values.last());
                let count = found.first().and_then(|row| row.split(' ').next()?.parse().ok());
                if found.len() != 1 || !count.is_some_and(|count| right(count, *inputs)) {
                    differences.push(format!("store {store} has {found:?} for {key}, expected one row that counts {inputs}"));
                }
                if found.first() != last {
                    differences.push(format!("changelog of {store} ends with {last:?} for {key}, expected what the store has: {found:?}"));
                }
            }
        }
        differences
    }
}

/// How many inputs each partition has. Keys begin with their partition.
fn arrivals(produced: &Produced) -> Produced {
    let mut arrivals = Produced::new();
    for (key, inputs) in produced {
        let partition = key.split('-').next().unwrap_or_default();
        *arrivals.entry(partition.to_owned()).or_default() += inputs;
    }
    arrivals
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(counts: &[(&str, &str)], arrivals: &[(&str, &str)]) -> Rows {
        let store = |rows: &[(&str, &str)]| rows.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()])).collect();
        Rows::from([(COUNTS.to_owned(), store(counts)), (ARRIVALS.to_owned(), store(arrivals))])
    }

    fn produced() -> Produced {
        [("0-a", 2), ("0-b", 1), ("3-a", 1)].map(|(key, inputs)| (key.to_owned(), inputs)).into()
    }

    const OUTPUTS: [(&str, &str); 4] = [("0-a", "1 1"), ("0-b", "1 1"), ("0-a", "2 2"), ("3-a", "1 1")];
    const TOTALS: [(&str, &str); 3] = [("0", "1 1"), ("0", "2 3"), ("3", "1 1")];
    const COUNTED: [(&str, &str); 3] = [("0-a", "2 2"), ("0-b", "1 1"), ("3-a", "1 1")];
    const ARRIVED: [(&str, &str); 2] = [("0", "3 2 3"), ("3", "1 1 1")];

    fn seen(guarantee: Guarantee, outputs: &[(&str, &str)], totals: &[(&str, &str)]) -> Seen {
        let mut seen = Seen::new(guarantee);
        outputs.iter().for_each(|(key, value)| seen.output(key, value));
        totals.iter().for_each(|(partition, value)| seen.total(partition, value));
        seen
    }

    #[test]
    fn the_right_outcome_has_no_difference() {
        for guarantee in [Guarantee::ExactlyOnce, Guarantee::AtLeastOnce] {
            let seen = seen(guarantee, &OUTPUTS, &TOTALS);
            assert!(seen.covers(&produced()));
            let right = rows(&COUNTED, &ARRIVED);
            assert_eq!(seen.verify(&produced(), &right, &right), Vec::<String>::new());
        }
    }

    #[test]
    fn doubles_are_found_exactly_once_and_allowed_at_least_once() {
        let outputs = [&OUTPUTS[..3], &[("0-a", "3 2"), ("3-a", "1 1")]].concat();
        let right = rows(&[("0-a", "3 2"), ("0-b", "1 1"), ("3-a", "1 1")], &ARRIVED);
        let doubled = seen(Guarantee::ExactlyOnce, &outputs, &TOTALS).verify(&produced(), &right, &right);
        assert!(doubled.first().is_some_and(|difference| difference.contains("count 3 of input 2, expected count 3 of input 3")), "{doubled:?}");
        assert_eq!(seen(Guarantee::AtLeastOnce, &outputs, &TOTALS).verify(&produced(), &right, &right), Vec::<String>::new());
    }

    #[test]
    fn every_difference_is_found() {
        let right = rows(&COUNTED, &ARRIVED);
        let (lost, stale) = (&OUTPUTS[..3], rows(&[("0-a", "1 1"), ("0-b", "1 1"), ("3-a", "1 1")], &ARRIVED));
        let strange = [&OUTPUTS[..], &[("9-z", "1 1")]].concat();
        let swapped = [("0-a", "2 2"), ("0-a", "1 1"), ("0-b", "1 1"), ("3-a", "1 1")];
        let mut twice = right.clone();
        twice.values_mut().for_each(|rows| rows.values_mut().take(1).for_each(|values| values.push("7 7".to_owned())));
        let cases: [(&str, Seen, &Rows, &Rows); 8] = [
            ("outputs of 3-a end with count 0", seen(Guarantee::ExactlyOnce, lost, &TOTALS), &right, &right),
            ("input 1 of 3-a has no output", seen(Guarantee::AtLeastOnce, lost, &TOTALS), &right, &right),
            ("9-z, which was never produced", seen(Guarantee::ExactlyOnce, &strange, &TOTALS), &right, &right),
            ("count 2 of input 2, expected count 1", seen(Guarantee::ExactlyOnce, &swapped, &TOTALS), &right, &right),
            ("totals of partition 3 end with 0", seen(Guarantee::ExactlyOnce, &OUTPUTS, &TOTALS[..2]), &right, &right),
            (
                "tick 1 tells 1, expected tick 2",
                seen(Guarantee::ExactlyOnce, &OUTPUTS, &[TOTALS[0], TOTALS[0], TOTALS[1], TOTALS[2]]),
                &right,
                &right,
            ),
            ("store counts has [\"1 1\"] for 0-a", seen(Guarantee::ExactlyOnce, &OUTPUTS, &TOTALS), &stale, &stale),
            ("changelog of counts ends with", seen(Guarantee::ExactlyOnce, &OUTPUTS, &TOTALS), &right, &stale),
        ];
        for (says, seen, rows, changelogs) in cases {
            let differences = seen.verify(&produced(), rows, changelogs);
            assert!(differences.iter().any(|difference| difference.contains(says)), "expected {says:?}: {differences:?}");
        }
        let owned_twice = seen(Guarantee::ExactlyOnce, &OUTPUTS, &TOTALS).verify(&produced(), &twice, &right);
        assert!(owned_twice.iter().any(|difference| difference.contains("expected one row")), "{owned_twice:?}");
    }
}
