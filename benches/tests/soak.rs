//! The soak holds, and goes red when the engine is told to make a mistake.
#![cfg(feature = "live")]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::Duration;

use straum_benches::soak::fleet::{Cluster, INSTANCES};
use straum_benches::soak::harness::{Soak, usual};
use straum_benches::soak::instance::{Fault, Guarantee, Point, Takeover};
use straum_benches::soak::report::Report;
use straum_benches::soak::topology::TASKS;

/// For the directed faults, which leave the broker alone.
static SHARED: LazyLock<Cluster> = LazyLock::new(|| cluster("soak-directed", 3000));

/// One at a time: a machine that is too busy makes every instance late, and members are given up that nobody stopped.
static TURN: Mutex<()> = Mutex::new(());

fn cluster(purpose: &str, session: u64) -> Cluster {
    cluster_with_copies(purpose, session, 0)
}

fn cluster_with_copies(purpose: &str, session: u64, copies: usize) -> Cluster {
    Cluster::start(&format!("{purpose}-{}", std::process::id()), Duration::from_millis(session), copies).unwrap()
}

fn soak(dir: &Path, application: &str) -> Soak {
    let mut soak = usual(Path::new(env!("CARGO_BIN_EXE_soak")), dir, application);
    soak.keep = std::env::temp_dir().join(format!("{application}-{}", std::process::id()));
    soak
}

/// Instances of one thread, whose transactions live longer than any pause.
fn directed(dir: &Path, application: &str) -> Soak {
    let mut soak = soak(dir, application);
    soak.setup.threads = 1;
    soak.setup.transaction_timeout = Duration::from_secs(60);
    soak
}

fn with_mistake(application: &str, fault: Fault) -> Report {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let mut soak = directed(dir.path(), application);
    soak.setup.fault = Some(fault);
    let report = soak.drive(&SHARED, |run| run.aim_at(fault)).unwrap();
    let _ = std::fs::remove_dir_all(&soak.keep);
    report
}

#[test]
fn nothing_is_lost_or_doubled_by_25_faults() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let soak = Soak { faults: 25, ..soak(dir.path(), "soak") };
    let report = soak.run(&cluster("soak", 6000), |number, blow| eprintln!("fault {number}: {blow}")).unwrap();
    assert!(report.holds(), "{:?} in {report:?}", report.violations());
}

#[test]
fn nothing_is_lost_at_least_once() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let mut soak = soak(dir.path(), "at-least-once");
    soak.setup.guarantee = Guarantee::AtLeastOnce;
    let soak = Soak { faults: 6, ..soak };
    let report = soak.run(&cluster("soak-at-least-once", 3000), |number, blow| eprintln!("fault {number}: {blow}")).unwrap();
    assert!(report.holds(), "{:?} in {report:?}", report.violations());
}

/// The place where each is stopped, and what its log shows of how it was refused.
#[test]
fn a_zombie_commits_nothing_under_its_old_membership_and_joins_again() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let soak = directed(dir.path(), "zombie");
    let mut refused = 0;
    let mut epochs = Vec::new();
    let report = soak
        .drive(&SHARED, |run| {
            run.zombie_at(Point::BeforeOffsets)?;
            run.fleet.settle(Duration::from_secs(60))?;
            refused = run.fleet.logged(0, "sending offsets to the transaction");
            // The others have its tasks meanwhile: it may come back later than all is open.
            run.wait("it is a member again", Duration::from_secs(60), |run| {
                epochs = run.fleet.members(0)?;
                Ok(!epochs.is_empty() && epochs.iter().all(|epoch| *epoch > 0))
            })
        })
        .unwrap();
    assert!(report.holds(), "{:?} in {report:?}", report.violations());
    assert!(refused > 0 && report.rejoins > 0 && epochs.iter().all(|epoch| *epoch > 0) && !epochs.is_empty(), "{refused} {epochs:?} {report:?}");
}

/// What was sent before the pause belongs to the membership that was: it counts, and the others wait for it.
#[test]
fn a_commit_that_was_begun_before_the_pause_counts_once() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let report = directed(dir.path(), "paused-commit").drive(&SHARED, |run| run.zombie_at(Point::BeforeCommit)).unwrap();
    assert!(report.holds() && report.rejoins > 0, "{:?} in {report:?}", report.violations());
}

/// The broker has records whose acknowledgement is lost; the transaction is aborted and done again. librdkafka would give their
/// sequence numbers to the next ones, which the broker then takes for those it has, and does not write.
#[test]
fn records_are_written_again_whose_acknowledgement_was_lost() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let soak = directed(dir.path(), "lost-answers");
    let report = soak
        .drive(&SHARED, |run| {
            for round in 0..40_u64 {
                run.lose_answers(0, Duration::from_millis(300 + 50 * (round % 8)))?;
                run.fleet.settle(Duration::from_secs(60))?;
                // Not every answer that is lost is one to records.
                if round >= 7 && run.fleet.logged(0, "starting again from what is committed") > 0 {
                    break;
                }
            }
            Ok(())
        })
        .unwrap();
    assert!(report.holds() && report.rollbacks > 0, "{:?} in {report:?}", report.violations());
}

/// Kills an instance of an application with so many copies of each state. What others read to go on with its tasks, by whether
/// they had a copy.
fn take_over(application: &str, copies: usize) -> Vec<(bool, Takeover)> {
    let dir = tempfile::tempdir().unwrap();
    let mut takeovers = Vec::new();
    let report = soak(dir.path(), application)
        .drive(&cluster_with_copies(application, 3000, copies), |run| {
            takeovers = run.take_over(copies * TASKS)?;
            Ok(())
        })
        .unwrap();
    assert!(report.holds(), "{:?} in {report:?}", report.violations());
    assert!(takeovers.len() > TASKS / INSTANCES / 2, "{takeovers:?}");
    takeovers
}

/// The records and the bytes that were read.
fn read(takeovers: &[(bool, Takeover)]) -> (i64, i64) {
    takeovers.iter().fold((0, 0), |(records, bytes), (_, state)| (records + state.records, bytes + state.bytes))
}

/// With a copy of every state the tasks of a killed instance go on from it; without, changelogs are read.
#[test]
fn the_tasks_of_a_killed_instance_go_on_from_the_copies_there_are() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (with, without) = (take_over("copied", 1), take_over("not-copied", 0));
    let warm: Vec<_> = with.iter().filter(|(copied, _)| *copied).cloned().collect();
    assert!(warm.len() * 2 > with.len(), "the group gives tasks to those who have copies: {with:?}");
    assert!(warm.iter().all(|(_, state)| (state.from.is_some() && state.records * 4 < state.end) || state.end == 0), "{warm:?}");
    eprintln!("{} tasks with copies read {:?} records and bytes, {} without {:?}", warm.len(), read(&warm), without.len(), read(&without));
    assert!(read(&without).0 * warm.len() as i64 > 4 * read(&warm).0 * without.len() as i64, "{with:?} {without:?}");
}

#[test]
fn the_short_constructor_of_group_metadata_is_found() {
    let report = with_mistake("short-metadata", Fault::ShortGroupMetadata);
    assert!(!report.differences.is_empty() && !report.holds(), "{report:?}");
}

#[test]
fn applying_before_the_commit_is_found() {
    let report = with_mistake("apply-first", Fault::ApplyBeforeCommit);
    assert!(!report.differences.is_empty() && !report.holds(), "{report:?}");
}

#[test]
fn a_transaction_without_offsets_is_found() {
    let report = with_mistake("no-offsets", Fault::CommitWithoutOffsets);
    assert!(!report.differences.is_empty() && !report.holds(), "{report:?}");
}

#[test]
fn joining_again_before_the_abort_is_found() {
    let report = with_mistake("join-first", Fault::RejoinBeforeAbort);
    assert!(!report.differences.is_empty() && !report.holds(), "{report:?}");
}

#[test]
fn restoring_to_the_last_stable_offset_is_found() {
    let report = with_mistake("last-stable", Fault::RestoreToLastStableOffset);
    assert!(!report.differences.is_empty() && !report.holds(), "{report:?}");
}

#[test]
fn offsets_that_are_not_stable_are_found() {
    let report = with_mistake("unstable", Fault::UnstableOffsets);
    assert!(!report.differences.is_empty() && !report.holds(), "{report:?}");
}
