//! The same case with crashes: after every step, before every commit, and inside every record at each of its outputs.
//!
//! A crash inside is put into all steps of a run at once, at the n-th output of each: every step and output is met once, in as
//! many runs as the step with the most outputs has, and not in as many as there are outputs in the case. The lines of a file are
//! sent one by one then, and each is met inside: at its first output (or, if it has none, when it is processed and not committed),
//! and in the next runs at the outputs after that, as far as `FILE_OUTPUTS`.

use super::failure::Failure;
use super::file::Scenario;
use super::runner;

/// No single record has as many outputs; a case that seems to have is a fault.
const MOST_ROUNDS: u32 = 2_000;
/// At how many outputs of each line of a file a crash is put.
const FILE_OUTPUTS: u32 = 2;

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
            Self::Inside { round } => Some(format!("inside every record, at its output {round}")),
        }
    }

    /// At which output of each step of one record, or move of the clock, a crash is put.
    pub(super) const fn output_of_step(self) -> Option<u32> {
        match self {
            Self::Inside { round } => Some(round),
            _ => None,
        }
    }

    /// At which output of each line of a file a crash is put; without one the lines are sent together.
    pub(super) const fn output_of_line(self) -> Option<u32> {
        match self {
            Self::Inside { round } if round < FILE_OUTPUTS => Some(round),
            _ => None,
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
    /// In how many lines of files one happened before their commit.
    pub(super) lines: u64,
}

/// What was tried.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tried {
    /// Runs of the case.
    pub runs: u64,
    /// Crashes in them.
    pub crashes: u64,
    /// Lines of the case's `send_file` steps, each of which a crash was inside of.
    pub lines: u64,
}

/// Runs a case without crashes, then with a crash after every step, before every commit, and inside every record: a step's at
/// each of its outputs, a line's of a file at its first two. A record that writes nothing crashes when it is processed and not
/// committed. Lines that `before` puts into topics are there at the start and met together.
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
        if round == 0 {
            tried.lines = crashes.lines;
        }
        if !crashes.inside_single && crashes.lines == 0 {
            break;
        }
    }
    Ok(tried)
}
