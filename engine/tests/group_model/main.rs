//! Members against a model of a broker, on a network that loses, delays and reorders: never can two members both commit one
//! active task, and when the trouble is over every task has one owner.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

mod broker;
mod world;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use world::{Fault, PROCESSES, Step, World};

fn step() -> impl Strategy<Value = Step> {
    let process = || 0..PROCESSES.len();
    let worker = || (0..PROCESSES.len(), 0..2_usize);
    prop_oneof![
        12 => (10..700_u16).prop_map(Step::Pass),
        1 => (2000..7000_u16).prop_map(Step::Pass),
        8 => process().prop_map(Step::Deliver),
        8 => process().prop_map(Step::Answer),
        16 => process().prop_map(Step::Exchange),
        2 => process().prop_map(Step::Break),
        2 => process().prop_map(Step::GiveUp),
        3 => (0..8_usize).prop_map(Step::Stale),
        1 => Just(Step::MoveCoordinator),
        3 => process().prop_map(Step::FindCoordinator),
        5 => (worker(), 500..5000_u16).prop_map(|((process, worker), time)| Step::Busy(process, worker, time)),
        4 => worker().prop_map(|(process, worker)| Step::Read(process, worker)),
        4 => worker().prop_map(|(process, worker)| Step::Open(process, worker)),
        4 => worker().prop_map(|(process, worker)| Step::Process(process, worker)),
        16 => worker().prop_map(|(process, worker)| Step::Work(process, worker)),
        6 => worker().prop_map(|(process, worker)| Step::Commit(process, worker)),
        1 => process().prop_map(Step::Pause),
        2 => process().prop_map(Step::Wake),
        1 => process().prop_map(Step::Kill),
        2 => process().prop_map(Step::Start),
        1 => (process(), any::<bool>()).prop_map(|(process, leave)| Step::Close(process, leave)),
    ]
}

fn schedule() -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 50..400)
}

/// `GROUP_MODEL_CASES=100000` looks longer.
fn cases() -> u32 {
    std::env::var("GROUP_MODEL_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(2000)
}

/// What goes wrong with a fault on a schedule, if anything does.
fn violation(fault: Fault, steps: &[Step]) -> (World, Option<String>) {
    let mut world = World::new(fault);
    for step in steps {
        world.step(*step);
        if let Some(violation) = world.violation.take() {
            return (world, Some(violation));
        }
    }
    (world, None)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, max_shrink_iters: 20_000, ..ProptestConfig::default() })]

    #[test]
    fn never_two_owners_that_could_both_commit(steps in schedule()) {
        let (mut world, violation) = violation(Fault::None, &steps);
        prop_assert_eq!(violation, None);
        world.calm();
        prop_assert_eq!(&world.violation, &None);
        prop_assert!(world.broker.is_stable(), "the group comes to rest: {:?}", world.broker);
        let owners = world.owners();
        prop_assert_eq!(owners.len(), world.broker.tasks().len(), "every task has an owner: {:?}", owners);
        prop_assert!(owners.values().all(|owners| owners.len() == 1), "and only one: {:?}", owners);
        prop_assert!(world.commits > 0, "work is done");
    }
}

/// Some schedule of many shows the fault.
fn assert_caught(fault: Fault) {
    let mut runner = TestRunner::deterministic();
    let caught = (1..=10_000).find_map(|attempt| {
        let steps = schedule().new_tree(&mut runner).expect("every step can be drawn").current();
        Some((attempt, violation(fault, &steps).1?))
    });
    let (attempt, shown) = caught.unwrap_or_else(|| panic!("{fault:?} goes unnoticed"));
    println!("{fault:?}, schedule {attempt}: {shown}");
}

#[test]
fn a_rejoin_before_the_abort_is_noticed() {
    assert_caught(Fault::RejoinsBeforeAbort);
}

#[test]
fn an_acknowledgement_before_the_revocation_is_noticed() {
    assert_caught(Fault::AcknowledgesBeforeRevoking);
}

#[test]
fn a_thread_that_ignores_a_fence_is_noticed() {
    assert_caught(Fault::IgnoresFence);
}

#[test]
fn a_transaction_that_outlives_its_membership_is_noticed() {
    assert_caught(Fault::CrossesRejoin);
}
