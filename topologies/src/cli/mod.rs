//! The command line: one file a command, and what they share.
//!
//! A command asks the process that runs on the data folder, when there is one, and opens the folder itself when there is none.
//! Exit codes: 0 done; 1 it failed, or what was asked for is not there; 2 it was not understood.

mod adopt;
mod application;
mod check;
mod configuration;
mod connection;
mod data_folder;
mod demo;
mod describe;
mod doctor;
mod first_reading;
mod generate;
mod group;
mod kafka_process;
mod metrics;
mod operator;
mod output;
mod place;
mod questions;
mod reset;
mod run;
mod server;
mod store;
mod topic;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// What every command has.
#[derive(Args, Clone, Debug)]
struct Common {
    /// The folder of log and state [default: straum-data in the current folder; the demo has its own]
    #[arg(long, global = true, value_name = "DIR", env = "STRAUM_DATA")]
    data: Option<PathBuf>,
    /// Write JSON, for scripts
    #[arg(long, global = true)]
    json: bool,
    /// Show personal ids; they are masked otherwise
    #[arg(long, global = true)]
    show_personal: bool,
}

#[derive(Parser)]
#[command(name = "straum", version, about = "Stream processing: topologies that run, and tools to look into them", after_help = EXAMPLES)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  straum demo                                   real messages in, questions answered
  straum run count &                            a topology of one's own choice
  straum topic produce words --value foss
  straum store get words-counted foss
  straum check topologies/scenarios/*/*.yaml
  straum doctor count --brokers localhost:9092  can it run on this cluster?

Exit codes: 0 done, 1 failed or not there, 2 not understood.
Log lines: set RUST_LOG, for instance RUST_LOG=straum=info.";

#[derive(Subcommand)]
enum Command {
    /// Feed real messages through datadeling, show what it holds, and answer five questions
    Demo(demo::Demo),
    /// Print a topology
    Describe(describe::Describe),
    /// Run a topology until Ctrl-C: on the log in the data folder, or on Kafka
    Run(run::Run),
    /// Look into state stores
    #[command(subcommand)]
    Store(store::Store),
    /// Look into topics, and write to them
    #[command(subcommand)]
    Topic(topic::Topic),
    /// Make up messages for a topology, one a line; the same seed gives the same messages
    Generate(generate::Generate),
    /// Check scenario files, in memory or on a Kafka cluster
    Check(check::Check),
    /// Look into a topology's group on Kafka
    #[command(subcommand)]
    Group(group::Group),
    /// Let a topology on Kafka begin from the beginning; shows what it would do unless told to
    Reset(reset::Reset),
    /// Take an application on Kafka over from Kafka Streams, or give it back; shows what it would do unless told to
    Adopt(adopt::Adopt),
    /// Check whether a topology can run on a Kafka cluster, and what to change
    Doctor(doctor::Doctor),
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    /// It failed, or what was asked for is not there; what is to be said has been said.
    Failed,
    /// It was not understood; what is to be said has been said.
    NotUnderstood,
}

/// Runs the command of this process's arguments.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    // A scenario may be about records that fail: that they do is no news.
    let default = if matches!(cli.command, Command::Check(_)) { "error" } else { "warn" };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| default.into());
    let colour = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour).with_writer(std::io::stderr).init();
    let common = &cli.common;
    let result = match &cli.command {
        Command::Demo(demo) => demo.run(common),
        Command::Describe(describe) => describe.run(common),
        Command::Run(run) => run.run(common),
        Command::Store(store) => store.run(common),
        Command::Topic(topic) => topic.run(common),
        Command::Generate(generate) => generate.run(common),
        Command::Check(check) => check.run(common),
        Command::Group(group) => group.run(common),
        Command::Reset(reset) => reset.run(common),
        Command::Adopt(adopt) => adopt.run(common),
        Command::Doctor(doctor) => doctor.run(common),
    };
    match result {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Failed) => ExitCode::from(1),
        Ok(Outcome::NotUnderstood) => ExitCode::from(2),
        // The reader has gone, as `head` does.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(1)
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>()).any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// The names of the topologies, as an argument: another is not understood.
fn topologies() -> clap::builder::PossibleValuesParser {
    straum_topologies::registry::all().iter().map(|definition| definition.name()).collect::<Vec<_>>().into()
}

/// The topology of this name.
fn find(name: &str) -> anyhow::Result<Box<dyn straum_topologies::registry::TopologyDefinition>> {
    straum_topologies::registry::find(name).map_err(anyhow::Error::from_boxed)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn arguments_fit_together() {
        super::Cli::command().debug_assert();
    }
}
