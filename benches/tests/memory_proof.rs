//! The memory proof holds in small, and goes red when the process is larger than it may be.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

fn prove(budget_mib: u64, slack_mib: u64) -> Output {
    let sizes = [("--keys", 60_000), ("--tasks", 8), ("--budget-mib", budget_mib), ("--slack-mib", slack_mib)];
    let arguments = sizes.into_iter().flat_map(|(name, value)| [name.to_owned(), value.to_string()]);
    Command::new(env!("CARGO_BIN_EXE_memory-proof")).args(arguments).output().unwrap()
}

#[test]
fn a_small_run_stays_within_its_budget_and_counts_right() {
    let output = prove(64, 64);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("2001, 0 wrong") || printed.contains("2003, 0 wrong"), "{printed}");
}

#[test]
fn a_process_larger_than_its_budget_is_found() {
    // No process that counts anything fits in a megabyte.
    let output = prove(1, 0);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("resident size peaked at"), "{}", String::from_utf8_lossy(&output.stderr));
}
