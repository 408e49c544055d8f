//! The crash proof holds, and goes red when the engine is told to make a mistake.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use straum_benches::crash_proof::harness::Proof;
use straum_benches::crash_proof::report::Report;
use straum_benches::crash_proof::victim::Fault;

fn prove(kills: u32, fault: Option<Fault>) -> Report {
    let dir = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_crash-proof"));
    Proof { program, dir: dir.path(), kills, kafka: None, application: "crash-proof", fault, feed: 1000 }.run(|_, _| {}).unwrap()
}

#[test]
fn nothing_is_lost_or_doubled_by_a_kill_at_any_point() {
    let report = prove(20, None);
    assert!(report.holds(), "{:?} in {report:?}", report.violations());
}

#[test]
fn applying_before_the_commit_is_found() {
    let report = prove(8, Some(Fault::ApplyBeforeCommit));
    assert!(!report.differences.is_empty() && !report.holds(), "{report:?}");
}

#[test]
fn committing_without_offsets_is_found() {
    let report = prove(8, Some(Fault::CommitWithoutOffsets));
    assert!(!report.differences.is_empty() && !report.holds(), "{report:?}");
}

#[test]
fn restoring_from_a_wrong_offset_is_found() {
    let report = prove(8, Some(Fault::RestoreFromWrongOffset));
    assert!(!report.differences.is_empty() && !report.holds(), "{report:?}");
}

/// Everything is right in the end, only the counter tells.
#[test]
fn restoring_from_the_beginning_is_found() {
    let report = prove(8, Some(Fault::WipeState));
    assert!(report.differences.is_empty() && !report.restores.wrong.is_empty() && !report.holds(), "{report:?}");
}
