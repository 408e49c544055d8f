//! An instance of Straum: a process that keeps the last value of each key. `benches/peer/Last.java` is its like.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::bail;
use clap::Args;
use straum::Topology;
use straum::dsl::{Consumed, Grouped, Materialized, Produced, StreamsBuilder};
use straum::log::kafka::{KafkaLog, KafkaOptions};
use straum::runtime::{State, Streams, StreamsConfig, StreamsOptions};
use straum::serde::{I64, RawBytes, Utf8};

use super::{STORE, input, output};

/// How it runs.
#[derive(Clone, Debug, Args)]
pub struct InstanceArgs {
    /// Where it finds the broker.
    #[arg(long)]
    pub bootstrap: String,
    /// The application id.
    #[arg(long)]
    pub application: String,
    /// Its state directory.
    #[arg(long)]
    pub dir: PathBuf,
    /// Its stream threads.
    #[arg(long)]
    pub threads: usize,
    /// Its memory budget, in MiB.
    #[arg(long)]
    pub memory_mib: u64,
}

fn topology(application: &str) -> Result<Topology, straum::Error> {
    let builder = StreamsBuilder::new();
    builder
        .stream(input(application), Consumed::with(Utf8, RawBytes))
        .group_by_key("by-key", Grouped::with(Utf8, RawBytes))
        .reduce(|_, last| last, Materialized::named(STORE))
        .to_stream()
        .map_values(|value| value.map_or(0, |value| i64::try_from(value.len()).unwrap_or(i64::MAX)))
        .to(output(application), Produced::with(Utf8, I64));
    builder.build()
}

fn set_at_sigterm(end: Arc<AtomicBool>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let guard = runtime.enter();
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    drop(guard);
    std::thread::spawn(move || {
        runtime.block_on(terminate.recv());
        end.store(true, Ordering::Release);
    });
    Ok(())
}

/// Runs until SIGTERM. Prints `restored RECORDS BYTES` as it restores, and `running`.
///
/// # Errors
/// When the application cannot run.
pub fn run(args: &InstanceArgs) -> anyhow::Result<()> {
    let mut config = StreamsConfig::new(args.application.as_str());
    config.state_dir.clone_from(&args.dir);
    config.num_stream_threads = args.threads;
    config.memory_max_bytes = args.memory_mib << 20;
    let log = Arc::new(KafkaLog::connect(KafkaOptions::new(args.bootstrap.as_str(), args.application.as_str()))?);
    let mut streams = Streams::new(&topology(&args.application)?, config, log, StreamsOptions::default());
    streams.start()?;
    let end = Arc::new(AtomicBool::new(false));
    set_at_sigterm(Arc::clone(&end))?;
    let (mut told, mut ran) = ((0, 0), false);
    let mut stdout = std::io::stdout();
    while !end.load(Ordering::Acquire) {
        let restored = streams.restored().iter().fold((0, 0), |sum, (_, of)| (sum.0 + of.records, sum.1 + of.bytes));
        if restored != told {
            told = restored;
            writeln!(stdout, "restored {} {}", told.0, told.1)?;
        }
        if !ran && streams.state() == State::Running {
            ran = true;
            writeln!(stdout, "running")?;
        }
        if let Some(error) = streams.errors().first() {
            bail!("the application failed: {error}");
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(streams.close()?)
}
