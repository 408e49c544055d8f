//! `memory-proof`: counts many keys in many tasks and shows that the process stays within its budget.
#![allow(clippy::print_stdout, reason = "a command prints")]

use clap::Parser;
use straum_benches::memory_proof::proof::{self, Size};

/// Counts many distinct keys in many tasks; fails when the process was ever larger than its budget and the slack.
#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    size: Size,
}

fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let folder = tempfile::tempdir()?;
    let mib = |bytes: u64| bytes >> 20;
    let report = proof::run(cli.size, folder.path(), |progress| {
        println!(
            "{:>6.2} M of {:.2} M records, {:>4.0} k a second; resident {} MiB (peak {}), charged {} MiB",
            progress.processed as f64 / 1e6,
            progress.of as f64 / 1e6,
            progress.rate / 1e3,
            mib(progress.resident.0),
            mib(progress.resident.1),
            mib(progress.charged),
        );
    })?;
    report.lines().iter().for_each(|line| println!("{line}"));
    let failures = report.failures();
    if failures.is_empty() {
        println!("the process stayed within its budget");
        return Ok(());
    }
    anyhow::bail!("the proof failed: {}", failures.join("; "))
}
