//! The model goes red when the runtime breaks one of its rules.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::model::{Case, Fault, case, run};
use crate::support::{Disk, specs};

fn problems(fault: Fault) -> Vec<String> {
    let mut runner = TestRunner::deterministic();
    let strategy = case(Just(true), 60);
    let cases = std::iter::repeat_with(|| strategy.new_tree(&mut runner).unwrap().current());
    cases.take(150).filter_map(|case: Case| run(&case, Disk::memory(&specs()), fault).err()).collect()
}

#[test]
fn without_a_fault_the_same_cases_are_green() {
    assert_eq!(problems(Fault::None), Vec::<String>::new());
}

#[test]
fn rows_on_disk_before_their_commit_are_noticed() {
    assert!(problems(Fault::ApplyBeforeCommit).iter().any(|problem| problem.contains("restored rows")));
}

#[test]
fn an_offset_on_disk_before_its_rows_is_noticed() {
    assert!(problems(Fault::OffsetBeforeRows).iter().any(|problem| problem.contains("restored rows")));
}

#[test]
fn a_failed_record_that_stays_is_noticed() {
    assert!(!problems(Fault::RevertForgotten).is_empty());
}
