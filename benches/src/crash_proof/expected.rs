//! What the topology must have done with the first records of each partition, without asking the engine.

use std::collections::BTreeMap;

use crate::crash_proof::input::{key, timestamp};

/// For each key the timestamps of its records in order: its outputs are 1, 2, 3 … with these.
pub type Expected = BTreeMap<String, Vec<i64>>;

/// Of `lengths[p]` records in partition `p`.
#[must_use]
pub fn expected(lengths: &[u64]) -> Expected {
    let mut expected = Expected::new();
    for (partition, length) in (0_u32..).zip(lengths) {
        for index in 0..*length {
            expected.entry(key(partition, index)).or_default().push(timestamp(index));
        }
    }
    expected
}

/// A count with its timestamp.
pub type Count = (i64, i64);

/// Every difference, in words; none when all is as it should be.
#[must_use]
pub fn differences(expected: &Expected, outputs: &BTreeMap<String, Vec<Count>>, store: &BTreeMap<String, Count>) -> Vec<String> {
    let mut differences = Vec::new();
    for (key, timestamps) in expected {
        let should: Vec<Count> = (1_i64..).zip(timestamps.iter().copied()).collect();
        let found = outputs.get(key).map(Vec::as_slice).unwrap_or_default();
        if found != should {
            let at = found.iter().zip(&should).position(|(found, should)| found != should).unwrap_or(found.len().min(should.len()));
            let (found_at, should_at) = (found.get(at), should.get(at));
            differences.push(format!("outputs of {key}: {} records, expected {}; the first difference is {found_at:?}, expected {should_at:?}", found.len(), should.len()));
        }
        let stored = store.get(key);
        if stored != should.last() {
            differences.push(format!("store of {key}: {stored:?}, expected {:?}", should.last()));
        }
    }
    let strange = outputs.keys().chain(store.keys()).filter(|key| !expected.contains_key(*key));
    differences.extend(strange.map(|key| format!("key {key} was never in the input")));
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right() -> (Expected, BTreeMap<String, Vec<Count>>, BTreeMap<String, Count>) {
        let expected = expected(&[10, 7]);
        let outputs: BTreeMap<_, Vec<Count>> = expected.iter().map(|(key, times)| (key.clone(), (1_i64..).zip(times.iter().copied()).collect())).collect();
        let store = outputs.iter().filter_map(|(key, counts)| Some((key.clone(), *counts.last()?))).collect();
        (expected, outputs, store)
    }

    #[test]
    fn the_right_result_has_no_difference() {
        let (expected, outputs, store) = right();
        assert_eq!(differences(&expected, &outputs, &store), Vec::<String>::new());
    }

    #[test]
    fn a_lost_a_doubled_and_a_swapped_output_and_a_stale_store_are_found() {
        let breaks: [fn(&mut Vec<Count>); 3] = [|counts| counts.truncate(counts.len() - 1), |counts| counts.push(*counts.last().unwrap_or(&(0, 0))), |counts| counts.reverse()];
        for broken in breaks {
            let (expected, mut outputs, store) = right();
            if let Some(counts) = outputs.values_mut().find(|counts| counts.len() > 1) {
                broken(counts);
            }
            assert_eq!(differences(&expected, &outputs, &store).len(), 1);
        }
        let (expected, outputs, mut store) = right();
        if let Some((count, _)) = store.values_mut().next() {
            *count += 1;
        }
        assert_eq!(differences(&expected, &outputs, &store).len(), 1);
    }
}
