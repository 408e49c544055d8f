//! The same case with crashes: after every step, before every commit, and inside every record at each of its outputs.
//!
//! A crash inside is put into all steps of a run at once, at the n-th output of each: every step and output is met once, in as
//! many runs as the step with the most outputs has, and not in as many as there are outputs in the case. A step that sends
//! hundreds of lines is cut into parts, and some outputs of each part are tried.

use super::failure::Failure;
use super::file::Scenario;
use super::runner;

/// No single record has as many outputs; a case that seems to have is a fault.
const MOST_ROUNDS: u32 = 2_000;
/// Rounds of a case whose crashes happen inside files only.
const FILE_ROUNDS: u32 = 4;
/// Parts that a file's lines are sent in when crashes are put into them.
const FILE_PARTS: usize = 8;

/// Where crashes are put in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Nowhere but where the file says.
    None,
    /// After every step, everything committed.
    AfterStep,
    /// In every step, when all is processed and nothing committed.
    BeforeCommit,
    /// In every step, at the output of this number, counted from 0.
    Inside {
        /// The number.
        round: u32,
    },
}

impl Plan {
    /// For people.
    pub(super) fn place(self) -> Option<String> {
        match self {
            Self::None => None,
            Self::AfterStep => Some("after every step".to_owned()),
            Self::BeforeCommit => Some("before every commit".to_owned()),
            Self::Inside { round } => Some(format!("inside every step, at its output {round}")),
        }
    }

    /// How many parts so many lines are sent in.
    pub(super) fn parts(self, lines: usize) -> usize {
        match self {
            Self::Inside { .. } => FILE_PARTS.min(lines).max(1),
            _ => 1,
        }
    }
}

/// The crashes of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Crashes {
    /// How many were put in.
    pub(super) count: u64,
    /// One happened inside a step of one record or one move of the clock.
    pub(super) inside_single: bool,
    /// One happened inside the lines of a file.
    pub(super) inside_file: bool,
}

/// What was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// Runs of the case.
    pub runs: u64,
    /// Crashes in them.
    pub crashes: u64,
}

/// Runs a case without crashes, then with a crash after every step, before every commit, and inside every record.
///
/// # Errors
/// The first step that does not come out as the file says, and where the crash was.
pub fn check_everywhere(scenario: &Scenario) -> Result<Tried, Failure> {
    let mut tried = Tried::default();
    for plan in [Plan::None, Plan::AfterStep, Plan::BeforeCommit] {
        tried.crashes += runner::run(scenario, plan)?.count;
        tried.runs += 1;
    }
    for round in 0..MOST_ROUNDS {
        let crashes = runner::run(scenario, Plan::Inside { round })?;
        tried.crashes += crashes.count;
        tried.runs += 1;
        if !crashes.inside_single && (!crashes.inside_file || round + 1 >= FILE_ROUNDS) {
            break;
        }
    }
    Ok(tried)
}
