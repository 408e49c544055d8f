//! The crash proof holds, and goes red when the engine is told to make a mistake.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;

use straum_benches::crash_proof::harness::{Proof, Report};
use straum_benches::crash_proof::victim::{Fault, Point};

fn prove(kills: u32, fault: Option<Fault>) -> Report {
    let dir = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_crash-proof"));
    Proof { program, dir: dir.path(), kills, kafka: None, application: "crash-proof", fault, feed: 1000 }.run(|_, _| {}).unwrap()
}

#[test]
fn nothing_is_lost_or_doubled_by_a_kill_at_any_point() {
    let report = prove(20, None);
    assert!(report.holds(), "{report:?}");
    for point in Point::ALL {
        assert!(report.kills.get(&point).copied().unwrap_or(0) >= 2, "{point:?} was hit too seldom: {report:?}");
    }
    assert!(report.lost_unsynced >= 5, "{report:?}");
    assert!(report.restores_of_a_tail > 0 && report.records_restored < report.records_in_changelogs, "restores read whole changelogs: {report:?}");
}

#[test]
fn applying_before_the_commit_is_found() {
    assert!(!prove(8, Some(Fault::ApplyBeforeCommit)).holds());
}

#[test]
fn committing_without_offsets_is_found() {
    assert!(!prove(8, Some(Fault::CommitWithoutOffsets)).holds());
}

#[test]
fn restoring_from_a_wrong_offset_is_found() {
    assert!(!prove(8, Some(Fault::RestoreFromWrongOffset)).holds());
}
