//! Runs an application within the budget and watches it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure};
use bytes::Bytes;
use clap::Args;
use straum::log::embedded::{EmbeddedLog, EmbeddedOptions, SyncPolicy};
use straum::log::partitioner::partition_for_key;
use straum::log::{HeaderView, Log, OutputBatch, Producer, ProducerOptions, TopicPartition, TopicSpec};
use straum::runtime::{State, Streams, StreamsConfig, StreamsOptions};

use crate::memory_proof::files::TableFiles;
use crate::memory_proof::gauges::{Gauges, resident};
use crate::memory_proof::keys::key;
use crate::memory_proof::report::Report;
use crate::memory_proof::topology::{INPUT, STORE, topology};

const APPLICATION: &str = "memory-proof";
/// Records a send.
const BATCH: u64 = 5_000;
/// Input is produced no further ahead of processing than this.
const AHEAD: u64 = 200_000;
/// Committed input is deleted every so many records.
const TRIM: u64 = 500_000;
/// About so many keys come a second time and are looked up at the end, each with a neighbour that came once.
const SAMPLES: u64 = 1_000;
/// By how much the gauges of a running application may move while they are read.
const MOVING: u64 = 1 << 20;
/// How long nothing may move.
const STALLED: Duration = Duration::from_secs(120);

/// How large a proof.
#[derive(Clone, Copy, Debug, Args)]
pub struct Size {
    /// How many distinct keys of 32 bytes.
    #[arg(long, default_value_t = 30_000_000)]
    pub keys: u64,
    /// In how many tasks.
    #[arg(long, default_value_t = 64)]
    pub tasks: u32,
    /// What the application is given, in MiB.
    #[arg(long, default_value_t = 256)]
    pub budget_mib: u64,
    /// What the process may take beyond it, in MiB.
    #[arg(long, default_value_t = 64)]
    pub slack_mib: u64,
}

/// What a progress line shows.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Records processed.
    pub processed: u64,
    /// Of so many.
    pub of: u64,
    /// Records a second since the last line.
    pub rate: f64,
    /// Resident bytes now and at the most.
    pub resident: (u64, u64),
    /// Bytes that the gauges show in all.
    pub charged: u64,
}

struct Run {
    log: Arc<EmbeddedLog>,
    streams: Streams,
    producer: Box<dyn Producer>,
    batch: OutputBatch,
    tasks: u32,
    sent: u64,
    of: u64,
    trimmed: u64,
    report: Report,
    shown: (Instant, u64),
}

/// Counts the keys in a folder of its own, and says what it took. `progress` is called every few seconds.
///
/// # Errors
/// When the application does not run, or stalls.
pub fn run(size: Size, folder: &Path, mut progress: impl FnMut(Progress)) -> anyhow::Result<Report> {
    ensure!(size.keys >= 2 && size.tasks >= 1, "{} keys in {} tasks, expected at least 2 in 1", size.keys, size.tasks);
    let mut run = Run::start(size, folder)?;
    let began = Instant::now();
    let every = (size.keys / SAMPLES).max(2);
    let again = (0..size.keys - 1).step_by(usize::try_from(every)?);
    run.feed((0..size.keys).chain(again.clone()), &mut progress)?;
    run.settle(&mut progress)?;
    run.report.seconds = began.elapsed().as_secs_f64();
    run.check(again, size.keys)?;
    run.look(0)?;
    run.streams.close()?;
    // Before the files are looked at, which takes memory of its own.
    run.report.peak = resident()?.1;
    run.report.files = TableFiles::below(&folder.join("state"))?;
    Ok(run.report)
}

impl Run {
    fn start(size: Size, folder: &Path) -> anyhow::Result<Self> {
        // What is measured is memory: waiting for the disk would only make the run longer.
        let log = Arc::new(EmbeddedLog::open(folder.join("log"), EmbeddedOptions::new().sync(SyncPolicy::Never))?);
        let config = BTreeMap::from([("segment.bytes".to_owned(), (1 << 20).to_string())]);
        log.create_topic(&TopicSpec { name: INPUT.to_owned(), partitions: size.tasks, config })?;
        let producer =
            log.producer(&ProducerOptions { client_id: "feeder".to_owned(), transactional_id: None, transaction_timeout: Duration::from_secs(10) })?;
        let mut config = StreamsConfig::new(APPLICATION);
        config.state_dir = folder.join("state");
        config.num_stream_threads = 2;
        config.memory_max_bytes = size.budget_mib << 20;
        config.poll = Duration::from_millis(10);
        let shared: Arc<dyn Log> = Arc::<EmbeddedLog>::clone(&log);
        let mut streams = Streams::new(&topology()?, config, shared, StreamsOptions::default());
        streams.start()?;
        let began = Instant::now();
        while streams.state() != State::Running {
            fail_early(&streams)?;
            ensure!(began.elapsed() < STALLED, "the application is {:?}, expected Running", streams.state());
            std::thread::sleep(Duration::from_millis(5));
        }
        let (budget, slack) = (size.budget_mib << 20, size.slack_mib << 20);
        let report = Report { keys: size.keys, tasks: size.tasks, budget, slack, ..Report::default() };
        let of = size.keys;
        Ok(Self { log, streams, producer, batch: OutputBatch::new(), tasks: size.tasks, sent: 0, of, trimmed: 0, report, shown: (Instant::now(), 0) })
    }

    fn feed(&mut self, numbers: impl Iterator<Item = u64>, progress: &mut impl FnMut(Progress)) -> anyhow::Result<()> {
        let topic = self.batch.topic(&INPUT.into());
        for number in numbers {
            let key = key(number);
            let partition = partition_for_key(&key, self.tasks);
            self.batch.push(topic, partition, 1_700_000_000_000, Some(&key), Some(b""), HeaderView::new(&[]));
            self.sent += 1;
            if self.sent.is_multiple_of(BATCH) {
                self.send()?;
                let ahead = self.sent.saturating_sub(AHEAD);
                self.wait_for(ahead, progress)?;
                if self.sent - self.trimmed >= TRIM {
                    self.trim()?;
                }
            }
        }
        self.send()
    }

    fn send(&mut self) -> anyhow::Result<()> {
        self.producer.send(&self.batch)?;
        self.batch.clear();
        Ok(())
    }

    /// Waits until so many records are processed; looks at the memory meanwhile.
    fn wait_for(&mut self, records: u64, progress: &mut impl FnMut(Progress)) -> anyhow::Result<()> {
        let mut moved = (Instant::now(), 0);
        loop {
            let processed = self.look_and_show(progress)?;
            if processed >= records {
                return Ok(());
            }
            if processed > moved.1 {
                moved = (Instant::now(), processed);
            }
            ensure!(moved.0.elapsed() < STALLED, "{processed} records are processed and no more, expected {records}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn settle(&mut self, progress: &mut impl FnMut(Progress)) -> anyhow::Result<()> {
        self.wait_for(self.sent, progress)?;
        let began = Instant::now();
        while !self.streams.is_idle() {
            fail_early(&self.streams)?;
            ensure!(began.elapsed() < STALLED, "the application is busy, expected it to be idle");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn look_and_show(&mut self, progress: &mut impl FnMut(Progress)) -> anyhow::Result<u64> {
        fail_early(&self.streams)?;
        let gauges = self.look(MOVING)?;
        let processed = self.streams.tasks().iter().map(|task| task.processed).sum();
        let elapsed = self.shown.0.elapsed();
        if elapsed > Duration::from_secs(5) {
            let rate = (processed - self.shown.1) as f64 / elapsed.as_secs_f64();
            progress(Progress { processed, of: self.of, rate, resident: resident()?, charged: gauges.total });
            self.shown = (Instant::now(), processed);
        }
        Ok(processed)
    }

    fn look(&mut self, moved: u64) -> anyhow::Result<Gauges> {
        // They move while they are read; what is forgotten in the total is missing at every try.
        let budget = self.streams.memory();
        let look = || Gauges::read(budget);
        let gauges = std::iter::repeat_with(look).take(1000).find(|gauges| gauges.add_up(moved)).unwrap_or_else(look);
        self.report.gauges_not_adding_up += u64::from(!gauges.add_up(moved));
        self.report.peak_gauges = self.report.peak_gauges.peak(gauges);
        Ok(gauges)
    }

    /// Deletes the input that is committed.
    fn trim(&mut self) -> anyhow::Result<()> {
        self.trimmed = self.sent;
        let committed = self.log.groups().remove(APPLICATION).unwrap_or_default();
        let before: Vec<(TopicPartition, i64)> = committed.into_iter().map(|committed| (committed.partition, committed.offset)).collect();
        Ok(self.log.delete_records(&before)?)
    }

    /// Keys that came twice have 2, their neighbours 1, and a key that never came none.
    fn check(&mut self, again: impl Iterator<Item = u64>, never: u64) -> anyhow::Result<()> {
        let store = self.streams.store::<Bytes, i64>(STORE)?;
        let expectations = again.flat_map(|number| [(number, Some(2)), (number + 1, Some(1))]).chain([(never, None)]);
        for (number, expected) in expectations {
            self.report.sampled += 1;
            self.report.wrong_counts += u64::from(store.get(&Bytes::copy_from_slice(&key(number)))? != expected);
        }
        Ok(())
    }
}

fn fail_early(streams: &Streams) -> anyhow::Result<()> {
    if let Some(error) = streams.errors().first() {
        bail!("the application failed: {error}");
    }
    if let Some(failing) = streams.tasks().iter().find_map(|task| task.failing.clone()) {
        bail!("a task failed: {failing}");
    }
    Ok(())
}
