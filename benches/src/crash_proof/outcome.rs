//! What a run leaves behind, what it must leave without asking the engine, and how two of them differ.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use anyhow::Context;

use crate::crash_proof::input::{key, timestamp};

/// A count with its timestamp.
pub type Count = (i64, i64);

/// Outputs and store of the topology.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The outputs of each key, in order.
    pub outputs: BTreeMap<String, Vec<Count>>,
    /// The rows of the store.
    pub store: BTreeMap<String, Count>,
}

/// Of `lengths[p]` records in partition `p`: each key counts 1, 2, 3 … at the timestamps of its records.
#[must_use]
pub fn expected(lengths: &[u64]) -> Outcome {
    let mut expected = Outcome::default();
    for (partition, length) in (0_u32..).zip(lengths) {
        for index in 0..*length {
            let counts = expected.outputs.entry(key(partition, index)).or_default();
            let count = counts.last().map_or(0, |(count, _)| *count) + 1;
            counts.push((count, timestamp(index)));
        }
    }
    expected.store = expected.outputs.iter().filter_map(|(key, counts)| Some((key.clone(), *counts.last()?))).collect();
    expected
}

impl Outcome {
    /// Writes it as lines `output KEY COUNT TIME` and `stored KEY COUNT TIME`.
    ///
    /// # Errors
    /// Those of `to`.
    pub fn write(&self, to: &mut impl Write) -> std::io::Result<()> {
        let outputs = self.outputs.iter().flat_map(|(key, counts)| counts.iter().map(move |count| (key, count)));
        for (key, (count, time)) in outputs {
            writeln!(to, "output {key} {count} {time}")?;
        }
        for (key, (count, time)) in &self.store {
            writeln!(to, "stored {key} {count} {time}")?;
        }
        Ok(())
    }

    /// Reads what [`write`](Self::write) wrote; other lines are left alone.
    ///
    /// # Errors
    /// When a line breaks off.
    pub fn read(lines: &str) -> anyhow::Result<Self> {
        let mut outcome = Self::default();
        for line in lines.lines() {
            let mut words = line.split(' ');
            let what = words.next();
            if !matches!(what, Some("output" | "stored")) {
                continue;
            }
            let key = words.next().with_context(|| format!("no key in {line:?}"))?.to_owned();
            let mut number = || anyhow::Ok(words.next().with_context(|| format!("{line:?} breaks off"))?.parse::<i64>()?);
            let count = (number()?, number()?);
            if what == Some("output") {
                outcome.outputs.entry(key).or_default().push(count);
            } else {
                outcome.store.insert(key, count);
            }
        }
        Ok(outcome)
    }

    /// How many outputs there are.
    #[must_use]
    pub fn records(&self) -> usize {
        self.outputs.values().map(Vec::len).sum()
    }
}

/// Every difference, in words; none when all is as it should be.
#[must_use]
pub fn differences(should: &Outcome, found: &Outcome) -> Vec<String> {
    let mut differences = Vec::new();
    let keys: BTreeSet<&String> = [should, found].into_iter().flat_map(|outcome| outcome.outputs.keys().chain(outcome.store.keys())).collect();
    for key in keys {
        let outputs = |outcome: &Outcome| outcome.outputs.get(key).cloned().unwrap_or_default();
        let (found_outputs, should_outputs) = (outputs(found), outputs(should));
        if found_outputs != should_outputs {
            let (length, should_length) = (found_outputs.len(), should_outputs.len());
            let same = found_outputs.iter().zip(&should_outputs).take_while(|(found, should)| found == should).count();
            let (first, should_first) = (found_outputs.get(same), should_outputs.get(same));
            differences.push(format!(
                "outputs of {key}: {length} records, expected {should_length}; the first difference is {first:?}, expected {should_first:?}"
            ));
        }
        let (stored, should_stored) = (found.store.get(key), should.store.get(key));
        if stored != should_stored {
            differences.push(format!("store of {key}: {stored:?}, expected {should_stored:?}"));
        }
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_right_outcome_has_no_difference_and_survives_a_trip_through_text() -> anyhow::Result<()> {
        let should = expected(&[10, 7]);
        assert_eq!(should.records(), 17);
        let mut text = Vec::new();
        should.write(&mut text)?;
        let read = Outcome::read(&String::from_utf8(text)?)?;
        assert_eq!(differences(&should, &read), Vec::<String>::new());
        Ok(())
    }

    #[test]
    fn a_lost_a_doubled_and_a_swapped_output_a_stale_row_and_a_strange_key_are_found() {
        fn longest(outcome: &mut Outcome) -> &mut Vec<Count> {
            outcome.outputs.values_mut().max_by_key(|counts| counts.len()).unwrap_or_else(|| unreachable!("there are outputs"))
        }
        let breaks: [(&str, fn(&mut Outcome)); 6] = [
            ("lost", |outcome| longest(outcome).retain(|(count, _)| *count != 1)),
            ("doubled", |outcome| longest(outcome).extend_from_within(..1)),
            ("swapped", |outcome| longest(outcome).reverse()),
            ("stale row", |outcome| outcome.store.values_mut().take(1).for_each(|(count, _)| *count -= 1)),
            ("lost row", |outcome| drop(outcome.store.pop_first())),
            ("strange key", |outcome| drop(outcome.outputs.insert("9-9".to_owned(), vec![(1, 1)]))),
        ];
        let should = expected(&[10, 7]);
        for (what, broken) in breaks {
            let mut found = should.clone();
            broken(&mut found);
            assert_eq!(differences(&should, &found).len(), 1, "{what}");
        }
    }
}
