//! `restart-proof`: what a kill -9 and a rolling restart cost, beside Kafka Streams.
#![allow(clippy::print_stdout, reason = "a command prints")]

use std::time::Duration;

use clap::{Parser, Subcommand};
use indicatif::ProgressBar;
use straum_benches::broker::Broker;
use straum_benches::restart::engine::{Engine, Setup};
use straum_benches::restart::instance::{self, InstanceArgs};
use straum_benches::restart::proof::{self, Killed, Rolled, Size};

/// Kills an application with much state under load, and restarts the instances of one after another; on a broker of its own,
/// each engine in turn with the same input.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    /// State at the kill, in MiB.
    #[arg(long, default_value_t = 2048)]
    state_mib: u64,
    /// State at the rolling restart, in MiB.
    #[arg(long, default_value_t = 256)]
    rolling_mib: u64,
    /// Input records a second meanwhile.
    #[arg(long, default_value_t = 2000)]
    rate: u64,
    /// Stream threads of an instance.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Memory budget of an instance of Straum, in MiB.
    #[arg(long, default_value_t = 256)]
    memory_mib: u64,
    /// Which engines, in this order.
    #[arg(long, value_delimiter = ',', default_value = "straum,kafka-streams")]
    engines: Vec<Engine>,
    /// What to measure.
    #[arg(long, value_delimiter = ',', default_value = "kill,rolling")]
    measure: Vec<Measure>,
    /// The name of the broker, for those who wipe it.
    #[arg(long)]
    broker: Option<String>,
    /// Prints the findings as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Measure {
    /// A kill -9 of the only instance.
    Kill,
    /// Three instances, restarted one after another.
    Rolling,
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
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(200));
    let (mut kills, mut rolls) = (Vec::new(), Vec::new());
    for measure in &cli.measure {
        for engine in &cli.engines {
            // A broker of its own: what one engine leaves behind is not the next one's to bear.
            let name = cli.broker.clone().unwrap_or_else(|| format!("restart-{}", std::process::id()));
            let broker = Broker::start(&name, &["log.retention.check.interval.ms=3600000".to_owned()])?;
            let dir = tempfile::tempdir()?;
            let setup = Setup {
                program: std::env::current_exe()?,
                bootstrap: broker.bootstrap().to_owned(),
                threads: cli.threads,
                memory_mib: cli.memory_mib,
                dir: dir.path().to_owned(),
            };
            let progress = |what: &str| bar.set_message(format!("{}: {what}", engine.name()));
            match measure {
                Measure::Kill => kills.push(proof::kill(*engine, &setup, Size { state: cli.state_mib << 20, rate: cli.rate }, progress)?),
                Measure::Rolling => rolls.push(proof::roll(*engine, &setup, Size { state: cli.rolling_mib << 20, rate: cli.rate }, 3, progress)?),
            }
        }
    }
    bar.finish_and_clear();
    if cli.json {
        println!("{}", serde_json::to_string_pretty(&serde_json::json!({ "kills": kills, "rolls": rolls }))?);
    } else {
        show(&kills, &rolls);
    }
    Ok(())
}

fn show(kills: &[Killed], rolls: &[Rolled]) {
    for killed in kills {
        println!(
            "{:<26} kill -9 with {} MiB of state: output again after {:>6.1} s; {} records, {:.1} MiB read from changelogs",
            killed.engine,
            killed.state >> 20,
            killed.seconds,
            killed.restored_records,
            killed.restored_bytes as f64 / f64::from(1 << 20),
        );
    }
    for rolled in rolls {
        println!(
            "{:<26} rolling restart of {}: longest gap in a partition's output {:>6.1} s; {:.1} s in all",
            rolled.engine, rolled.instances, rolled.longest_gap, rolled.seconds,
        );
    }
}
