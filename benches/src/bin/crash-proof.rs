//! `crash-proof`: kills a running topology with kill -9 at chosen points and shows that nothing was lost or doubled.
#![allow(clippy::print_stdout, reason = "a command prints")]

use clap::{Parser, Subcommand};
use straum_benches::crash_proof::harness::Proof;
use straum_benches::crash_proof::victim::{self, Fault, VictimArgs};

/// Kills a running topology with kill -9 at chosen points and compares what it leaves with an uninterrupted run.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// How many kills must hit.
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// A Kafka broker (host:port) instead of the embedded log.
    #[arg(long)]
    kafka: Option<String>,
    /// A mistake for the engine to make: the proof must then fail.
    #[arg(long)]
    fault: Option<Fault>,
}

#[derive(Subcommand)]
enum Command {
    /// The process that is killed.
    #[command(hide = true)]
    Victim(VictimArgs),
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    if let Some(Command::Victim(args)) = &cli.command {
        return victim::run(args);
    }
    let dir = tempfile::tempdir()?;
    let program = std::env::current_exe()?;
    let application = format!("crash-proof-{}", std::process::id());
    let proof = Proof {
        program: &program,
        dir: dir.path(),
        kills: cli.kills,
        kafka: cli.kafka.as_deref(),
        application: &application,
        fault: cli.fault,
        feed: 2000,
    };
    let report = proof.run(|round, point| println!("round {round} of {}: {point:?}", cli.kills))?;
    println!("\nkills by point        {:?}", report.kills);
    println!("lost unsynced writes  {}", report.lost_unsynced);
    let restores = &report.restores;
    println!("restores              {} ({} of a tail)", restores.count, restores.of_a_tail);
    println!("changelog records     {} read of {} there were", restores.records, restores.in_changelogs);
    println!("restores not of tails {}", restores.wrong.len());
    println!("input records         {}", report.inputs);
    println!("purged records        {}", report.purged);
    println!("differences           {}", report.differences.len());
    let violations = report.violations();
    violations.iter().for_each(|line| println!("  {line}"));
    if violations.is_empty() {
        println!("every input counted exactly once, outputs in order by key, stores equal");
        Ok(())
    } else {
        anyhow::bail!("the proof failed")
    }
}
