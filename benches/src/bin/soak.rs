//! `soak`: three instances on a real broker under faults, and everything must be there once.
#![allow(clippy::print_stdout, reason = "a command prints")]

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use straum_benches::soak::fleet::Cluster;
use straum_benches::soak::harness::usual;
use straum_benches::soak::instance::{self, Fault, Guarantee, InstanceArgs};

/// Strikes a running application of three instances with faults, and compares what comes out with what went in.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// How many faults.
    #[arg(long, default_value_t = 25)]
    faults: usize,
    /// Which: the same number gives the same faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What a failure may leave behind.
    #[arg(long, default_value = "exactly-once")]
    guarantee: Guarantee,
    /// Input records a second.
    #[arg(long, default_value_t = 400)]
    rate: u64,
    /// The group's session time-out, in milliseconds.
    #[arg(long, default_value_t = 6000)]
    session: u64,
    /// A mistake for the engine to make: faults are aimed at it, and the soak must fail.
    #[arg(long)]
    fault: Option<Fault>,
    /// The name of the broker, for those who wipe it.
    #[arg(long)]
    broker: Option<String>,
    /// Where logs are kept if it fails.
    #[arg(long, default_value = "target/soak")]
    keep: PathBuf,
    /// Prints the findings as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// A process that runs the topology.
    #[command(hide = true)]
    Instance(InstanceArgs),
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    if let Some(Command::Instance(args)) = &cli.command {
        return instance::run(args);
    }
    let name = cli.broker.unwrap_or_else(|| format!("soak-{}", std::process::id()));
    let dir = tempfile::tempdir()?;
    let cluster = Cluster::start(&name, Duration::from_millis(cli.session), 0)?;
    let mut soak = usual(&std::env::current_exe()?, dir.path(), "soak");
    (soak.seed, soak.rate, soak.keep) = (cli.seed, cli.rate, cli.keep);
    (soak.setup.guarantee, soak.setup.fault) = (cli.guarantee, cli.fault);
    let report = if let Some(fault) = cli.fault {
        soak.setup.threads = 1;
        soak.setup.transaction_timeout = Duration::from_secs(60);
        soak.drive(&cluster, |run| run.aim_at(fault))?
    } else {
        soak.faults = cli.faults;
        let bar = ProgressBar::new(cli.faults as u64);
        if let Ok(style) = ProgressStyle::with_template("[{bar:40}] {pos}/{len} faults, {elapsed}, {msg}") {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        let report = soak.run(&cluster, |number, blow| {
            if bar.is_hidden() {
                eprintln!("fault {number} of {}: {blow}", cli.faults);
            }
            bar.set_position(number as u64);
            bar.set_message(blow.to_string());
        })?;
        bar.finish_and_clear();
        report
    };
    let violations = report.violations();
    if cli.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        report.lines().iter().for_each(|(what, found)| println!("{what:<50} {found}"));
        violations.iter().for_each(|line| println!("  {line}"));
    }
    if violations.is_empty() { Ok(()) } else { anyhow::bail!("the soak failed; {}", report.logs.unwrap_or_default()) }
}
